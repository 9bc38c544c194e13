#include <string.h>

#include "data/jinja/jeval.h"
#include "data/jinja/jformat.h"
#include "data/jinja/jrepr.h"
#include "data/jinja/jstr.h"

struct braces {
    struct jrun *r;
    const struct jargs *a;
    int64_t next; /* the number of the next {}; -1 once a number was written out */
    bool markup;
};

static struct jv expand(struct braces *x, struct jstr *s, int depth);

static int64_t number(struct jrun *r, const struct jstr *s, size_t from, size_t to)
{
    int64_t n = 0;
    if (from == to)
        return -1;
    for (size_t i = from; i < to; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return -1;
        n = n * 10 + (s->p[i] - '0');
        if (n > JFORMAT_WIDTH_MAX)
            jrun_fail(r, ST_RANGE, "a number in a format is too big");
    }
    return n;
}

static struct jv first_value(struct braces *x, struct jstr *s, size_t from, size_t to)
{
    struct jrun *r = x->r;
    int64_t n = number(r, s, from, to);
    if (from == to) {
        if (x->next < 0)
            jrun_fail(r, ST_FORMAT, "format: from manual to automatic field numbering");
        n = x->next++;
    } else if (n >= 0) {
        if (x->next > 0)
            jrun_fail(r, ST_FORMAT, "format: from automatic to manual field numbering");
        x->next = -1;
    }
    if (n >= 0) {
        if ((size_t)n >= x->a->n)
            jrun_fail(r, ST_FORMAT, "format: there is no argument %d", (int)n);
        return x->a->p[n];
    }
    for (size_t i = 0; i < x->a->nkw; i++) {
        const struct jstr *k = x->a->kw[i].k.u.s;
        if (k->n != to - from)
            continue;
        jrun_spend_bytes(r, k->n);
        if (memcmp(k->p, s->p + from, k->n) == 0)
            return x->a->kw[i].v;
    }
    jrun_fail(r, ST_FORMAT, "format: there is no argument '%.*s'",
              (int)(to - from < 80 ? to - from : 80), s->p + from);
}

/* "name.attribute[key]" */
static struct jv field_value(struct braces *x, struct jstr *s, size_t from, size_t to)
{
    size_t i = from;
    jrun_spend_letters(x->r, to - from);
    while (i < to && s->p[i] != '.' && s->p[i] != '[')
        i++;
    struct jv v = first_value(x, s, from, i);
    while (i < to) {
        size_t start = ++i;
        if (s->p[start - 1] == '[') {
            while (i < to && s->p[i] != ']')
                i++;
            if (i >= to)
                jrun_fail(x->r, ST_FORMAT, "format: missing ']'");
            int64_t n = number(x->r, s, start, i);
            v = jattr_item(x->r, v, n >= 0 ? jv_int(n) : jstr_part(x->r, s, start, i));
            if (++i < to && s->p[i] != '.' && s->p[i] != '[')
                jrun_fail(x->r, ST_FORMAT, "format: only '.' or '[' may follow ']'");
        } else {
            while (i < to && s->p[i] != '.' && s->p[i] != '[')
                i++;
            v = jattr_get(x->r, v, jstr_part(x->r, s, start, i));
        }
    }
    return v;
}

static int spec_int(struct jrun *r, const struct jstr *s, size_t *i)
{
    size_t from = *i;
    while (*i < s->n && s->p[*i] >= '0' && s->p[*i] <= '9')
        ++*i;
    return (int)number(r, s, from, *i);
}

static struct jformat parse_spec(struct jrun *r, const struct jstr *s)
{
    struct jformat x = {.fill = ' ', .width = -1, .precision = -1};
    size_t i = 0, after;
    if (s->n > 0) {
        after = 0;
        uint32_t c = jstr_next(s, &after);
        if (after < s->n && s->p[after] && strchr("<>=^", s->p[after])) {
            x.fill = c;
            x.align = s->p[after];
            i = after + 1;
        } else if (c < 0x80 && c && strchr("<>=^", (int)c)) {
            x.align = s->p[0];
            i = 1;
        }
    }
    if (i < s->n && s->p[i] && strchr("+- ", s->p[i]))
        x.sign = s->p[i++];
    if (i < s->n && s->p[i] == '#')
        x.alternate = s->p[i++];
    if (i < s->n && s->p[i] == '0')
        x.zero = s->p[i++];
    x.width = spec_int(r, s, &i);
    if (i < s->n && (s->p[i] == ',' || s->p[i] == '_'))
        x.group = s->p[i++];
    if (i < s->n && s->p[i] == '.') {
        i++;
        x.precision = spec_int(r, s, &i);
        if (x.precision < 0)
            jrun_fail(r, ST_FORMAT, "format: missing precision");
    }
    if (i < s->n)
        x.type = s->p[i++];
    if (i < s->n)
        jrun_fail(r, ST_FORMAT, "format: invalid specifier");
    if (x.precision > JFORMAT_PRECISION_MAX && x.type && x.type != 's')
        jrun_fail(r, ST_RANGE, "the precision of a format is too big");
    return x;
}

static size_t field_end(struct braces *x, const struct jstr *s, size_t i)
{
    for (int depth = 1; i < s->n; i++) {
        depth += s->p[i] == '{' ? 1 : s->p[i] == '}' ? -1 : 0;
        if (depth == 0)
            return i;
    }
    jrun_fail(x->r, ST_FORMAT, "format: expected '}' before end of string");
}

static void add_field(struct braces *x, struct jbuf *b, struct jstr *s, size_t from, size_t to,
                      int depth)
{
    struct jrun *r = x->r;
    struct jbuf out = {0};
    size_t name = from;
    bool bracket = false;
    for (; name < to && (bracket || (s->p[name] != '!' && s->p[name] != ':')); name++)
        bracket = s->p[name] == '[' || (bracket && s->p[name] != ']');
    struct jv v = field_value(x, s, from, name);
    size_t i = name;
    if (i < to && s->p[i] == '!') {
        if (i + 1 >= to || (i + 2 < to && s->p[i + 2] != ':') ||
            (s->p[i + 1] != 'r' && s->p[i + 1] != 's'))
            jrun_fail(r, ST_FORMAT, "format: an unknown conversion");
        if (s->p[i + 1] == 'r') {
            jrepr_add(r, &out, v);
            v = jbuf_str(r, &out);
        } else {
            v = jrepr_str(r, v);
        }
        i += 2;
    }
    struct jv spec = jv_str(r, "", 0);
    if (i < to)
        spec = expand(x, jstr_part(r, s, i + 1, to).u.s, depth + 1);
    struct jformat f = parse_spec(r, spec.u.s);
    out = (struct jbuf){0};
    if (x->markup && v.kind == JV_STR && v.u.s->markup && spec.u.s->n > 0)
        jrun_fail(r, ST_FORMAT, "format: a specifier is given for Markup");
    jformat_add(r, &out, &f, v);
    struct jv text = jbuf_str(r, &out);
    if (x->markup && depth == 0 && !(v.kind == JV_STR && v.u.s->markup))
        text = jstr_escape(r, text);
    jbuf_add(r, b, text.u.s->p, text.u.s->n);
}

static struct jv expand(struct braces *x, struct jstr *s, int depth)
{
    struct jbuf b = {0};
    if (depth > 1 && memchr(s->p, '{', s->n))
        jrun_fail(x->r, ST_FORMAT, "format: max string recursion exceeded");
    for (size_t i = 0; i < s->n;) {
        size_t from = i;
        while (i < s->n && s->p[i] != '{' && s->p[i] != '}')
            i++;
        jbuf_add(x->r, &b, s->p + from, i - from);
        if (i >= s->n)
            break;
        if (i + 1 < s->n && s->p[i + 1] == s->p[i]) {
            jbuf_add(x->r, &b, s->p + i, 1);
            i += 2;
            continue;
        }
        if (s->p[i] == '}')
            jrun_fail(x->r, ST_FORMAT, "format: single '}' encountered");
        size_t end = field_end(x, s, i + 1);
        add_field(x, &b, s, i + 1, end, depth);
        i = end + 1;
    }
    return jbuf_str(x->r, &b);
}

struct jv jformat_braces(struct jrun *r, struct jstr *s, const struct jargs *a)
{
    struct braces x = {.r = r, .a = a, .markup = s->markup};
    struct jv plain = jv_str(r, s->p, s->n);
    return jstr_like(r, s, expand(&x, plain.u.s, 0));
}
