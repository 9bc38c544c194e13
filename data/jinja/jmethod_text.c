#include "data/jinja/jcall.h"
#include "data/jinja/jformat.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jmethod.h"
#include "data/jinja/jrepr.h"
#include "data/jinja/jstr.h"

static void no_args(struct jrun *r, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
}

static int64_t need_int(struct jrun *r, struct jv v)
{
    if (!jv_is_int(v))
        jrun_fail_type(r, "an integer", v);
    return jv_as_int(v);
}

static struct jv str_upper(struct jrun *r, struct jv self, struct jargs *a)
{
    no_args(r, a);
    return jstr_cased(r, JSTR_UPPER, self.u.s);
}

static struct jv str_lower(struct jrun *r, struct jv self, struct jargs *a)
{
    no_args(r, a);
    return jstr_cased(r, JSTR_LOWER, self.u.s);
}

static struct jv str_capitalize(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jbuf b = {0};
    struct jstr *s = self.u.s;
    size_t i = 0;
    no_args(r, a);
    if (s->n > 0) {
        uint32_t c = jstr_next(s, &i);
        jstr_add_case(r, &b, JSTR_TITLE, c, s, i);
    }
    jstr_add_cased(r, &b, JSTR_LOWER, s, i, s->n);
    return jstr_like(r, s, jbuf_str(r, &b));
}

static struct jv str_title(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jbuf b = {0};
    struct jstr *s = self.u.s;
    bool inside = false;
    no_args(r, a);
    for (size_t i = 0; i < s->n;) {
        uint32_t c = jstr_next(s, &i);
        jrun_spend(r, 1);
        jstr_add_case(r, &b, inside ? JSTR_LOWER : JSTR_TITLE, c, s, i);
        inside = jstr_is_cased(c);
    }
    return jstr_like(r, s, jbuf_str(r, &b));
}

static struct jv str_swapcase(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jbuf b = {0};
    struct jstr *s = self.u.s;
    no_args(r, a);
    for (size_t i = 0; i < s->n;) {
        uint32_t c = jstr_next(s, &i);
        jrun_spend(r, 1);
        if (jstr_is_upper(c) || jstr_is_lower(c))
            jstr_add_case(r, &b, jstr_is_upper(c) ? JSTR_LOWER : JSTR_UPPER, c, s, i);
        else
            jbuf_addc(r, &b, c);
    }
    return jstr_like(r, s, jbuf_str(r, &b));
}

static struct jv str_casefold(struct jrun *r, struct jv self, struct jargs *a)
{
    no_args(r, a);
    for (size_t i = 0; i < self.u.s->n; i++)
        if ((unsigned char)self.u.s->p[i] >= 0x80)
            jrun_fail(r, ST_UNSUPPORTED, "casefold of other than ASCII is not supported");
    return jstr_cased(r, JSTR_LOWER, self.u.s);
}

static struct jv str_replace(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv p[3];
    jcall_bind(r, a, "-old -new -count", 2, p);
    if (p[0].kind != JV_STR || p[1].kind != JV_STR)
        jrun_fail_type(r, "a string", p[p[0].kind == JV_STR]);
    int64_t count = p[2].kind == JV_MISSING ? -1 : need_int(r, p[2]);
    struct jv new = self.u.s->markup ? jstr_escape(r, p[1]) : p[1];
    return jstr_like(r, self.u.s, jstr_replace(r, self.u.s, p[0].u.s, new.u.s, count));
}

static struct jv str_join(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv list, v;
    struct jbuf b = {0};
    bool first = true, markup = self.u.s->markup;
    jcall_bind(r, a, "-iterable", 1, &list);
    struct jiter *it = jiter_of(r, list);
    for (; jiter_next(r, it, &v); first = false) {
        if (!first)
            jbuf_add(r, &b, self.u.s->p, self.u.s->n);
        if (markup)
            v = jstr_escape(r, v);
        if (v.kind != JV_STR)
            jrun_fail(r, ST_FORMAT, "join: a string was expected, %s found", jv_type(v));
        jbuf_add(r, &b, v.u.s->p, v.u.s->n);
    }
    return jstr_like(r, self.u.s, jbuf_str(r, &b));
}

static struct jv pad(struct jrun *r, struct jstr *s, uint32_t fill, int64_t left, int64_t right)
{
    struct jbuf b = {0};
    jbuf_fill(r, &b, fill, left > 0 ? (size_t)left : 0);
    jbuf_add(r, &b, s->p, s->n);
    jbuf_fill(r, &b, fill, right > 0 ? (size_t)right : 0);
    return jstr_like(r, s, jbuf_str(r, &b));
}

static struct jv just(struct jrun *r, struct jv self, struct jargs *a, char where)
{
    struct jv p[2];
    uint32_t fill = ' ';
    size_t i = 0;
    jcall_bind(r, a, "-width -fillchar", 1, p);
    int64_t width = need_int(r, p[0]), n = (int64_t)jstr_count(r, self.u.s);
    if (p[1].kind != JV_MISSING) {
        if (p[1].kind != JV_STR || jstr_count(r, p[1].u.s) != 1)
            jrun_fail(r, ST_FORMAT, "the fill character must be exactly one character long");
        fill = jstr_next(p[1].u.s, &i);
    }
    int64_t more = width > n ? width - n : 0;
    int64_t left = where == 'l' ? 0 : where == 'r' ? more : more / 2 + (more & width & 1);
    return pad(r, self.u.s, fill, left, more - left);
}

static struct jv str_center(struct jrun *r, struct jv self, struct jargs *a)
{
    return just(r, self, a, 'c');
}

static struct jv str_ljust(struct jrun *r, struct jv self, struct jargs *a)
{
    return just(r, self, a, 'l');
}

static struct jv str_rjust(struct jrun *r, struct jv self, struct jargs *a)
{
    return just(r, self, a, 'r');
}

static struct jv str_zfill(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv width;
    struct jstr *s = self.u.s;
    struct jbuf b = {0};
    jcall_bind(r, a, "-width", 1, &width);
    int64_t to = need_int(r, width), n = (int64_t)jstr_count(r, s);
    size_t sign = s->n > 0 && (s->p[0] == '-' || s->p[0] == '+');
    jbuf_add(r, &b, s->p, sign);
    jbuf_fill(r, &b, '0', to > n ? (size_t)(to - n) : 0);
    jbuf_add(r, &b, s->p + sign, s->n - sign);
    return jstr_like(r, s, jbuf_str(r, &b));
}

static struct jv str_expandtabs(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv size;
    struct jbuf b = {0};
    jcall_bind(r, a, "tabsize", 0, &size);
    int64_t width = size.kind == JV_MISSING ? 8 : need_int(r, size), column = 0;
    for (size_t i = 0; i < self.u.s->n;) {
        size_t from = i;
        uint32_t c = jstr_next(self.u.s, &i);
        if (c == '\t') {
            int64_t n = width > 0 ? width - column % width : 0;
            jbuf_fill(r, &b, ' ', (size_t)n);
            column += n;
            continue;
        }
        column = c == '\n' || c == '\r' ? 0 : column + 1;
        jbuf_add(r, &b, self.u.s->p + from, i - from);
    }
    return jstr_like(r, self.u.s, jbuf_str(r, &b));
}

static struct jv str_format(struct jrun *r, struct jv self, struct jargs *a)
{
    return jformat_braces(r, self.u.s, a);
}

static struct jv str_format_map(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv m;
    struct jargs none = {0};
    jcall_bind(r, a, "-mapping", 1, &m);
    if (m.kind != JV_DICT)
        jrun_fail_type(r, "a mapping", m);
    for (size_t i = 0; i < m.u.m->n; i++)
        if (m.u.m->p[i].k.kind == JV_STR)
            jcall_add_kw(r, &none, m.u.m->p[i].k, m.u.m->p[i].v);
    return jformat_braces(r, self.u.s, &none);
}

/* True if the string is not empty and every code point is so. */
static struct jv all(struct jrun *r, struct jv self, struct jargs *a, bool is(uint32_t c),
                     bool empty)
{
    struct jstr *s = self.u.s;
    bool yes = empty || s->n > 0;
    no_args(r, a);
    jrun_spend_letters(r, s->n);
    for (size_t i = 0; i < s->n && yes;)
        yes = is(jstr_next(s, &i));
    return jv_bool(yes);
}

static bool is_decimal(uint32_t c)
{
    return c < 0x80 ? c >= '0' && c <= '9' : jstr_is_decimal(c);
}

static bool is_digit(uint32_t c)
{
    return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 ||
           (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
           (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247C) ||
           (c >= 0x2488 && c <= 0x2490) || c == 0x24EA || (c >= 0x24F5 && c <= 0x24FD) ||
           c == 0x24FF || (c >= 0x2776 && c <= 0x277E) || (c >= 0x2780 && c <= 0x2788) ||
           (c >= 0x278A && c <= 0x2792) || (c >= 0x1369 && c <= 0x1371) || c == 0x19DA ||
           (c >= 0x10A40 && c <= 0x10A43) || (c >= 0x10E60 && c <= 0x10E68) ||
           (c >= 0x11052 && c <= 0x1105A) || (c >= 0x1F100 && c <= 0x1F10A);
}

static bool is_ascii(uint32_t c)
{
    return c < 0x80;
}

static struct jv str_isdigit(struct jrun *r, struct jv self, struct jargs *a)
{
    return all(r, self, a, is_digit, false);
}

static struct jv str_isdecimal(struct jrun *r, struct jv self, struct jargs *a)
{
    return all(r, self, a, is_decimal, false);
}

static struct jv str_isalpha(struct jrun *r, struct jv self, struct jargs *a)
{
    return all(r, self, a, jstr_is_letter, false);
}

static struct jv str_isalnum(struct jrun *r, struct jv self, struct jargs *a)
{
    return all(r, self, a, jstr_is_alnum, false);
}

static struct jv str_isspace(struct jrun *r, struct jv self, struct jargs *a)
{
    return all(r, self, a, jstr_is_space, false);
}

static struct jv str_isascii(struct jrun *r, struct jv self, struct jargs *a)
{
    return all(r, self, a, is_ascii, true);
}

static struct jv str_isprintable(struct jrun *r, struct jv self, struct jargs *a)
{
    return all(r, self, a, jstr_is_printable, true);
}

static struct jv str_isupper(struct jrun *r, struct jv self, struct jargs *a)
{
    no_args(r, a);
    return jv_bool(jstr_all_cased(r, self.u.s, true));
}

static struct jv str_islower(struct jrun *r, struct jv self, struct jargs *a)
{
    no_args(r, a);
    return jv_bool(jstr_all_cased(r, self.u.s, false));
}

const struct jfunc jmethod_text[] = {{"upper", str_upper},
                                     {"lower", str_lower},
                                     {"capitalize", str_capitalize},
                                     {"title", str_title},
                                     {"swapcase", str_swapcase},
                                     {"casefold", str_casefold},
                                     {"replace", str_replace},
                                     {"join", str_join},
                                     {"center", str_center},
                                     {"ljust", str_ljust},
                                     {"rjust", str_rjust},
                                     {"zfill", str_zfill},
                                     {"expandtabs", str_expandtabs},
                                     {"format", str_format},
                                     {"format_map", str_format_map},
                                     {"isdigit", str_isdigit},
                                     {"isdecimal", str_isdecimal},
                                     {"isalpha", str_isalpha},
                                     {"isalnum", str_isalnum},
                                     {"isspace", str_isspace},
                                     {"isascii", str_isascii},
                                     {"isprintable", str_isprintable},
                                     {"isupper", str_isupper},
                                     {"islower", str_islower},
                                     {NULL, NULL}};
