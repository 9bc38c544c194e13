#include "data/jinja/jformat.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/jinja/jeval.h"
#include "data/jinja/jrepr.h"
#include "data/jinja/jstr.h"

enum { NUMBER = 1400 };

/* Padding around sign+prefix and body, which together have `count` code points. */
static void add_padded(struct jrun *r, struct jbuf *b, const struct jformat *x, const char *sign,
                       const char *body, size_t n, size_t count, char align)
{
    size_t len = strlen(sign) + count, more = 0, left = 0;
    if (x->width > 0 && (size_t)x->width > len)
        more = (size_t)x->width - len;
    align = x->align ? x->align : align;
    left = align == '>' ? more : align == '^' ? more / 2 : 0;
    jbuf_fill(r, b, x->fill, left);
    jbuf_adds(r, b, sign);
    if (align == '=')
        jbuf_fill(r, b, x->fill, more);
    jbuf_add(r, b, body, n);
    if (align != '=')
        jbuf_fill(r, b, x->fill, more - left);
}

void jformat_add_text(struct jrun *r, struct jbuf *b, const struct jformat *x, struct jv s)
{
    size_t count = jstr_count(r, s.u.s), n = s.u.s->n;
    if (x->align == '=' || x->sign || x->group)
        jrun_fail(r, ST_FORMAT, "a format for numbers is given a string");
    if (x->precision >= 0 && (size_t)x->precision < count) {
        count = (size_t)x->precision;
        n = jstr_offset(r, s.u.s, count);
    }
    add_padded(r, b, x, "", s.u.s->p, n, count, '<');
}

/* Thousands (or, for other bases, fours) are separated in the leading digits of p. */
static void group_digits(char *out, const char *p, char group, int every)
{
    int digits = (int)strspn(p, "0123456789abcdefABCDEF");
    if (every == 3)
        digits = (int)strspn(p, "0123456789");
    for (int i = 0; i < digits; i++) {
        if (group && i > 0 && (digits - i) % every == 0)
            *out++ = group;
        *out++ = p[i];
    }
    memcpy(out, p + digits, strlen(p + digits) + 1);
}

static void print_int(char *out, uint64_t u, char type)
{
    if (type == 'b') {
        int bits = 1;
        while (bits < 64 && u >> bits)
            bits++;
        for (int i = bits; i-- > 0;)
            *out++ = (char)('0' + (u >> i & 1));
        *out = '\0';
    } else {
        snprintf(out, 32,
                 type == 'o'   ? "%" PRIo64
                 : type == 'x' ? "%" PRIx64
                 : type == 'X' ? "%" PRIX64
                               : "%" PRIu64,
                 u);
    }
}

static void add_number(struct jrun *r, struct jbuf *b, const struct jformat *x, bool negative,
                       const char *prefix, const char *digits, int every)
{
    char body[NUMBER], sign[8];
    snprintf(sign, sizeof sign, "%s%s",
             negative         ? "-"
             : x->sign == '+' ? "+"
             : x->sign == ' ' ? " "
                              : "",
             prefix);
    group_digits(body, digits, x->group, every);
    if (x->zero && !x->align && x->group && x->width > (int)(strlen(body) + strlen(sign)))
        jrun_fail(r, ST_UNSUPPORTED, "zero padding of grouped digits is not supported");
    struct jformat y = *x;
    if (x->zero && !x->align) {
        y.align = '=';
        y.fill = '0';
    }
    add_padded(r, b, &y, sign, body, strlen(body), strlen(body), '>');
}

static void add_float(struct jrun *r, struct jbuf *b, const struct jformat *x, double d)
{
    char digits[NUMBER / 2], spec[8];
    char type = x->type == 'n' ? 'g' : x->type;
    double v = type == '%' ? fabs(d) * 100 : fabs(d);
    bool negative = signbit(d) && !isnan(d);
    jrun_spend(r, JREPR_FLOAT_STEPS);
    if (!type && x->precision < 0) {
        jrepr_float(r, digits, v);
    } else {
        snprintf(spec, sizeof spec, "%%%s.*%c", x->alternate ? "#" : "",
                 type == '%' ? 'f'
                 : type      ? type
                             : 'g');
        int precision = x->precision < 0 ? 6 : x->precision;
        snprintf(digits, sizeof digits - 2, spec, precision, v);
        if (!type && !strpbrk(digits, ".en") && isfinite(v))
            memcpy(digits + strlen(digits), ".0", 3);
        if (type == '%')
            memcpy(digits + strlen(digits), "%", 2);
    }
    add_number(r, b, x, negative, "", digits, 3);
}

static void add_int(struct jrun *r, struct jbuf *b, const struct jformat *x, int64_t i)
{
    char digits[JFORMAT_PRECISION_MAX + 80], plain[72];
    char type = x->type ? x->type : 'd';
    const char *prefix = "";
    if (type == 'c') {
        struct jbuf one = {0};
        if (i < 0 || i > 0x10FFFF || (i >= 0xD800 && i <= 0xDFFF))
            jrun_fail(r, ST_FORMAT, "%%c arg not in range");
        jbuf_addc(r, &one, (uint32_t)i);
        add_padded(r, b, x, "", one.p, one.n, 1, '<');
        return;
    }
    if (x->alternate)
        prefix = type == 'x'   ? "0x"
                 : type == 'X' ? "0X"
                 : type == 'o' ? "0o"
                 : type == 'b' ? "0b"
                               : "";
    print_int(plain, i < 0 ? 0 - (uint64_t)i : (uint64_t)i, type);
    size_t n = strlen(plain), zeros = 0; /* only "%.3d" asks for zeros */
    if (x->precision > (int)n)
        zeros = (size_t)x->precision - n;
    memset(digits, '0', zeros);
    memcpy(digits + zeros, plain, n + 1);
    add_number(r, b, x, i < 0, prefix, digits, type == 'd' || type == 'n' ? 3 : 4);
}

void jformat_add(struct jrun *r, struct jbuf *b, const struct jformat *x, struct jv v)
{
    bool plain = !x->type && !x->align && !x->sign && !x->zero && !x->group && x->width < 0 &&
                 x->precision < 0 && !x->alternate;
    if (plain)
        jrepr_add_str(r, b, v);
    else if (v.kind == JV_STR && (!x->type || x->type == 's'))
        jformat_add_text(r, b, x, v);
    else if (jv_is_int(v) && x->precision < 0 && (!x->type || strchr("bcdoxXn", x->type)))
        add_int(r, b, x, jv_as_int(v));
    else if (jv_is_number(v) && (v.kind == JV_FLOAT || x->type) &&
             (!x->type || strchr("eEfFgGn%", x->type)))
        add_float(r, b, x, jv_as_float(v));
    else
        jrun_fail(r, ST_FORMAT, "the format does not fit %s object", jv_type(v));
}

/* ---- "%…" % args -------------------------------------------------------------------------- */

struct percent {
    struct jrun *r;
    struct jstr *s;
    size_t i, used;
    struct jv args;
    bool mapped; /* a field was named, or args is something that can be indexed by name */
};

static struct jv next_arg(struct percent *p)
{
    bool tuple = p->args.kind == JV_TUPLE;
    if (p->used >= (tuple ? p->args.u.l->n : 1))
        jrun_fail(p->r, ST_FORMAT, "not enough arguments for format string");
    return tuple ? p->args.u.l->p[p->used++] : (p->used++, p->args);
}

static char peek(const struct percent *p)
{
    if (p->i >= p->s->n)
        jrun_fail(p->r, ST_FORMAT, "incomplete format");
    return p->s->p[p->i];
}

static int read_int(struct percent *p)
{
    int64_t n = 0;
    if (peek(p) == '*') {
        p->i++;
        struct jv v = next_arg(p);
        if (!jv_is_int(v))
            jrun_fail(p->r, ST_FORMAT, "* wants int");
        n = jv_as_int(v);
    } else {
        while (peek(p) >= '0' && peek(p) <= '9' && n <= JFORMAT_WIDTH_MAX)
            n = n * 10 + (p->s->p[p->i++] - '0');
    }
    if (n < -JFORMAT_WIDTH_MAX || n > JFORMAT_WIDTH_MAX)
        jrun_fail(p->r, ST_RANGE, "the width of a format is too big");
    return (int)n;
}

static struct jv named_arg(struct percent *p)
{
    size_t from = ++p->i;
    int depth = 1;
    while (depth > 0) {
        depth += peek(p) == '(' ? 1 : peek(p) == ')' ? -1 : 0;
        p->i++;
    }
    if (p->args.kind != JV_DICT)
        jrun_fail(p->r, ST_FORMAT, "format requires a mapping");
    struct jv key = jstr_part(p->r, p->s, from, p->i - 1);
    const struct jv *v = jdict_find(p->r, p->args.u.m, key);
    if (!v)
        jrun_fail(p->r, ST_FORMAT, "a name in a format is not in the mapping");
    return *v;
}

static void add_field(struct percent *p, struct jbuf *b, struct jformat *x, struct jv v)
{
    struct jrun *r = p->r;
    struct jbuf text = {0};
    switch (x->type) {
    case 'r':
    case 's':
        if (x->type == 'r')
            jrepr_add(r, &text, v);
        else
            jrepr_add_str(r, &text, v);
        v = jbuf_str(r, &text);
        if (p->s->markup)
            v = jstr_escape(r, v);
        x->sign = '\0';
        jformat_add_text(r, b, x, v);
        return;
    case 'd':
    case 'i':
    case 'u':
        if (v.kind == JV_FLOAT && fabs(v.u.d) < 9e18)
            v = jv_int((int64_t)v.u.d);
        else if (v.kind == JV_FLOAT && isfinite(v.u.d))
            jnum_too_big(r);
        x->type = 'd'; /* fall through */
    case 'o':
    case 'x':
    case 'X':
    case 'c':
        if (x->type == 'c' && v.kind == JV_STR && jstr_count(r, v.u.s) == 1) {
            jformat_add_text(r, b, x, v);
            return;
        }
        if (!jv_is_int(v))
            jrun_fail_type(r, "an integer for a format", v);
        add_int(r, b, x, jv_as_int(v));
        return;
    default:
        if (!strchr("eEfFgG", x->type))
            jrun_fail(r, ST_FORMAT, "unsupported format character '%c'", x->type);
        if (!jv_is_number(v))
            jrun_fail_type(r, "a number for a format", v);
        add_float(r, b, x, jv_as_float(v));
    }
}

static void add_percent(struct percent *p, struct jbuf *b)
{
    struct jformat x = {.fill = ' ', .width = -1, .precision = -1};
    struct jv v = jv_missing();
    bool left = false;
    if (peek(p) == '(') {
        v = named_arg(p);
        p->mapped = true;
    }
    for (; peek(p) && strchr("-+ #0", peek(p)); p->i++) {
        left |= peek(p) == '-';
        x.zero |= peek(p) == '0';
        x.alternate |= peek(p) == '#';
        if (peek(p) == '+' || (peek(p) == ' ' && !x.sign))
            x.sign = peek(p);
    }
    x.width = read_int(p);
    if (x.width < 0) {
        left = true;
        x.width = -x.width;
    }
    if (peek(p) == '.') {
        p->i++;
        x.precision = read_int(p);
        x.precision = x.precision < 0 ? 0 : x.precision;
    }
    while (peek(p) && strchr("hlL", peek(p)))
        p->i++;
    x.type = peek(p);
    p->i++;
    if (x.type == '%') {
        jbuf_adds(p->r, b, "%");
        return;
    }
    bool text = x.type == 's' || x.type == 'r';
    if (!text && x.precision > JFORMAT_PRECISION_MAX)
        jrun_fail(p->r, ST_RANGE, "the precision of a format is too big");
    if (left)
        x.align = '<';
    else if (text || x.type == 'c')
        x.align = '>';
    x.zero = x.zero && !left && !text;
    add_field(p, b, &x, v.kind == JV_MISSING ? next_arg(p) : v);
}

struct jv jformat_percent(struct jrun *r, struct jstr *s, struct jv args)
{
    struct percent p = {.r = r, .s = s, .args = args};
    struct jbuf b = {0};
    while (p.i < s->n) {
        size_t from = p.i;
        while (p.i < s->n && s->p[p.i] != '%')
            p.i++;
        jbuf_add(r, &b, s->p + from, p.i - from);
        if (p.i++ < s->n)
            add_percent(&p, &b);
    }
    bool mapping = args.kind == JV_DICT || args.kind == JV_LIST || args.kind == JV_RANGE ||
                   args.kind == JV_UNDEF || p.mapped;
    if (!mapping && p.used < (args.kind == JV_TUPLE ? args.u.l->n : 1))
        jrun_fail(r, ST_FORMAT, "not all arguments converted during string formatting");
    return jstr_like(r, s, jbuf_str(r, &b));
}
