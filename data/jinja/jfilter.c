#include "data/jinja/jfilter.h"

#include <string.h>

#include "data/jinja/jcall.h"
#include "data/jinja/jcmp.h"
#include "data/jinja/jeval.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jrepr.h"
#include "data/jinja/jstr.h"

struct jv jfilter_attr(struct jrun *r, struct jv v, struct jv attribute, struct jv fallback)
{
    if (attribute.kind == JV_NONE || attribute.kind == JV_MISSING)
        return v;
    if (attribute.kind != JV_STR)
        return jattr_item(r, v, attribute);
    const struct jstr *s = attribute.u.s;
    jrun_spend_letters(r, s->n);
    for (size_t from = 0; from <= s->n;) {
        size_t to = from;
        int64_t n = 0;
        bool digits = true;
        for (; to < s->n && s->p[to] != '.'; to++) {
            digits = digits && s->p[to] >= '0' && s->p[to] <= '9' && to - from < 18;
            n = digits ? n * 10 + (s->p[to] - '0') : 0;
        }
        v = jattr_item(r, v, digits && to > from ? jv_int(n) : jstr_part(r, s, from, to));
        if (v.kind == JV_UNDEF && fallback.kind != JV_MISSING && fallback.kind != JV_NONE)
            v = fallback;
        from = to + 1;
    }
    return v;
}

struct jv jfilter_fold(struct jrun *r, struct jv v, bool case_sensitive)
{
    return v.kind == JV_STR && !case_sensitive ? jstr_cased(r, JSTR_LOWER, v.u.s) : v;
}

int64_t jfilter_int(struct jrun *r, struct jv v, int64_t absent)
{
    if (v.kind == JV_MISSING)
        return absent;
    if (!jv_is_int(v))
        jrun_fail_type(r, "an integer", v);
    return jv_as_int(v);
}

bool jfilter_flag(struct jrun *r, struct jv v)
{
    return v.kind != JV_MISSING && jv_true(r, v);
}

static struct jv filter_default(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[2];
    jcall_bind(r, a, "default_value boolean", 0, p);
    if (v.kind == JV_UNDEF || (jfilter_flag(r, p[1]) && !jv_true(r, v)))
        return p[0].kind == JV_MISSING ? jv_str(r, "", 0) : p[0];
    return v;
}

static struct jv filter_length(struct jrun *r, struct jv v, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    return jv_int(jiter_len(r, v));
}

static struct jv filter_string(struct jrun *r, struct jv v, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    return jrepr_soft(r, v);
}

static struct jv filter_safe(struct jrun *r, struct jv v, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    return jstr_markup(r, jrepr_soft(r, v));
}

static struct jv filter_escape(struct jrun *r, struct jv v, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    return jstr_escape(r, v);
}

static struct jv filter_forceescape(struct jrun *r, struct jv v, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    return jstr_escape(r, jrepr_str(r, v));
}

static struct jv filter_attr(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv name;
    jcall_bind(r, a, "name", 1, &name);
    if (name.kind != JV_STR)
        jrun_fail_type(r, "an attribute's name", name);
    struct jv got = v.kind == JV_UNDEF ? jv_missing() : jattr_only(r, v, name);
    if (v.kind == JV_UNDEF)
        jv_fail_undef(r, v);
    return got.kind == JV_MISSING ? jv_undef_of(r, v, name) : got;
}

/* Filters of jinja2 that are not here: they may stand in a branch that is never taken. */
#define LACKING(X) \
    X(filesizeformat) X(pprint) X(random) X(striptags) X(urlencode) X(urlize) X(wordwrap) X(xmlattr)

#define X(name)                                                                  \
    static struct jv filter_##name(struct jrun *r, struct jv v, struct jargs *a) \
    {                                                                            \
        (void)v;                                                                 \
        (void)a;                                                                 \
        jrun_fail(r, ST_UNSUPPORTED, "the filter '%s' is not supported", #name); \
    }
LACKING(X)
#undef X

static const struct jfunc lacking[] = {
#define X(name) {#name, filter_##name},
    LACKING(X)
#undef X
        {NULL, NULL}};

static const struct jfunc plain[] = {
    {"default", filter_default}, {"d", filter_default},      {"length", filter_length},
    {"count", filter_length},    {"string", filter_string},  {"safe", filter_safe},
    {"escape", filter_escape},   {"e", filter_escape},       {"forceescape", filter_forceescape},
    {"attr", filter_attr},       {"tojson", jfilter_tojson}, {NULL, NULL}};

const struct jfunc *jfilter_find(const struct jstr *name)
{
    const struct jfunc *const tables[] = {plain,        jfilter_text, jfilter_seq,
                                          jfilter_lazy, jfilter_num,  lacking};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct jfunc *x = tables[t]; x->name; x++)
            if (strlen(x->name) == name->n && memcmp(x->name, name->p, name->n) == 0)
                return x;
    return NULL;
}

bool jfilter_lacks(const struct jfunc *func)
{
    for (const struct jfunc *x = lacking; x->name; x++)
        if (x == func)
            return true;
    return false;
}
