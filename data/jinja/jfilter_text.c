#include "data/jinja/jcall.h"
#include "data/jinja/jfilter.h"
#include "data/jinja/jformat.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jmethod.h"
#include "data/jinja/jrepr.h"
#include "data/jinja/jstr.h"

/* The string method of that name, applied to str(v). */
static struct jv method(struct jrun *r, const char *name, struct jv v, struct jargs *a)
{
    struct jv m = jmethod_find(r, jrepr_soft(r, v), jv_cstr(r, name));
    return jcall(r, m, a);
}

static struct jv filter_upper(struct jrun *r, struct jv v, struct jargs *a)
{
    return method(r, "upper", v, a);
}

static struct jv filter_lower(struct jrun *r, struct jv v, struct jargs *a)
{
    return method(r, "lower", v, a);
}

static struct jv filter_capitalize(struct jrun *r, struct jv v, struct jargs *a)
{
    return method(r, "capitalize", v, a);
}

static struct jv filter_center(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv width;
    jcall_bind(r, a, "width", 0, &width);
    if (width.kind == JV_MISSING)
        width = jv_int(80);
    struct jargs one = {.p = &width, .n = 1};
    return method(r, "center", v, &one);
}

static struct jv filter_trim(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv chars;
    jcall_bind(r, a, "chars", 0, &chars);
    struct jargs one = {.p = &chars, .n = chars.kind != JV_MISSING};
    return method(r, "strip", v, &one);
}

static bool between_words(uint32_t c)
{
    return jstr_is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
}

/* Each word, and each run of what stands between words, is cased as a string of its own. */
static struct jv filter_title(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jstr *s = jrepr_soft(r, v).u.s;
    struct jbuf b = {0};
    jcall_bind(r, a, "", 0, NULL);
    jrun_spend_bytes(r, s->n);
    for (size_t i = 0; i < s->n;) {
        size_t from = i;
        uint32_t c = jstr_next(s, &i);
        bool between = between_words(c);
        size_t second = i;
        for (size_t k = i; i < s->n && between_words(jstr_next(s, &k)) == between;)
            i = k;
        jstr_add_cased(r, &b, JSTR_UPPER, s, from, second);
        struct jstr rest = {s->p + second, i - second, SIZE_MAX, false};
        jstr_add_cased(r, &b, JSTR_LOWER, &rest, 0, rest.n);
    }
    return jbuf_str(r, &b);
}

static struct jv filter_replace(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[3];
    jcall_bind(r, a, "old new count", 2, p);
    return jstr_replace(r, jrepr_str(r, v).u.s, jrepr_str(r, p[0]).u.s, jrepr_str(r, p[1]).u.s,
                        p[2].kind == JV_NONE ? -1 : jfilter_int(r, p[2], -1));
}

static struct jv filter_format(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv s = jrepr_soft(r, v);
    if (a->n > 0 && a->nkw > 0)
        jrun_fail(r, ST_FORMAT, "format takes positional or keyword arguments, not both");
    if (a->nkw > 0) {
        struct jdict *m = jdict_new(r, a->nkw);
        for (size_t i = 0; i < a->nkw; i++)
            jdict_append(r, m, a->kw[i].k, a->kw[i].v);
        return jformat_percent(r, s.u.s, jv_of_dict(m));
    }
    struct jlist *l = jlist_new(r, a->n);
    for (size_t i = 0; i < a->n; i++)
        jlist_add(r, l, a->p[i]);
    return jformat_percent(r, s.u.s, jv_of_tuple(l));
}

static struct jv filter_indent(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[3], nothing = jv_missing();
    struct jbuf b = {0};
    jcall_bind(r, a, "width first blank", 0, p);
    if (v.kind != JV_STR)
        jrun_fail_type(r, "an indented text", v);
    struct jargs none = {.p = &nothing};
    struct jv by =
        p[0].kind == JV_STR ? p[0] : jstr_repeat(r, jv_str(r, " ", 1).u.s, jfilter_int(r, p[0], 4));
    bool first = jfilter_flag(r, p[1]), blank = jfilter_flag(r, p[2]);
    struct jv text = jstr_concat(r, jrepr_str(r, v), jv_str(r, "\n", 1));
    struct jlist *lines = method(r, "splitlines", text, &none).u.l;
    for (size_t i = 0; i < lines->n; i++) {
        const struct jstr *line = lines->p[i].u.s;
        if (i > 0)
            jbuf_adds(r, &b, "\n");
        if (i == 0 ? first : blank || line->n > 0)
            jbuf_add(r, &b, by.u.s->p, by.u.s->n);
        jbuf_add(r, &b, line->p, line->n);
    }
    return jstr_like(r, v.u.s, jbuf_str(r, &b));
}

static double number_or(struct jrun *r, struct jv v, double absent)
{
    if (v.kind == JV_MISSING)
        return absent;
    if (!jv_is_number(v))
        jrun_fail_type(r, "a number", v);
    return jv_as_float(v);
}

static struct jv filter_truncate(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[4];
    jcall_bind(r, a, "length killwords end leeway", 0, p);
    struct jv end = p[2].kind == JV_MISSING ? jv_cstr(r, "...") : p[2];
    if (end.kind != JV_STR)
        jrun_fail_type(r, "a string", end);
    double limit = number_or(r, p[0], 255), leeway = 5;
    if (p[3].kind != JV_NONE)
        leeway = number_or(r, p[3], 5);
    int64_t dots = (int64_t)jstr_count(r, end.u.s);
    if (!(limit >= (double)dots && leeway >= 0))
        jrun_fail(r, ST_FORMAT, "truncate: a bad length or leeway");
    if ((double)jiter_len(r, v) <= limit + leeway)
        return v;
    int64_t length = jfilter_int(r, p[0], 255);
    if (v.kind != JV_STR)
        jrun_fail_type(r, "a truncated text", v);
    struct jstr *cut = jstr_part(r, v.u.s, 0, jstr_offset(r, v.u.s, (size_t)(length - dots))).u.s;
    if (!jfilter_flag(r, p[1])) {
        size_t space = jstr_rfind(r, cut, jv_str(r, " ", 1).u.s, 0, cut->n);
        if (space != SIZE_MAX)
            cut = jstr_part(r, cut, 0, space).u.s;
    }
    return jstr_concat(r, jv_of_str(cut), end);
}

static struct jv filter_wordcount(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jstr *s = jrepr_soft(r, v).u.s;
    int64_t n = 0;
    bool inside = false;
    jcall_bind(r, a, "", 0, NULL);
    jrun_spend_letters(r, s->n);
    for (size_t i = 0; i < s->n;) {
        uint32_t c = jstr_next(s, &i);
        bool word = c == '_' || jstr_is_alnum(c);
        n += word && !inside;
        inside = word;
    }
    return jv_int(n);
}

static struct jv filter_join(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[2], item;
    struct jbuf b = {0};
    bool first = true;
    jcall_bind(r, a, "d attribute", 0, p);
    struct jv d = p[0].kind == JV_MISSING ? jv_str(r, "", 0) : jrepr_str(r, p[0]);
    struct jiter *it = jiter_of(r, v);
    for (; jiter_next(r, it, &item); first = false) {
        if (!first)
            jbuf_add(r, &b, d.u.s->p, d.u.s->n);
        jrepr_add_str(r, &b, jfilter_attr(r, item, p[1], jv_missing()));
    }
    return jbuf_str(r, &b);
}

const struct jfunc jfilter_text[] = {{"upper", filter_upper},
                                     {"lower", filter_lower},
                                     {"capitalize", filter_capitalize},
                                     {"title", filter_title},
                                     {"center", filter_center},
                                     {"trim", filter_trim},
                                     {"replace", filter_replace},
                                     {"format", filter_format},
                                     {"indent", filter_indent},
                                     {"truncate", filter_truncate},
                                     {"wordcount", filter_wordcount},
                                     {"join", filter_join},
                                     {NULL, NULL}};
