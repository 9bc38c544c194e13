#include "data/jinja/jglobal.h"

#include <string.h>

#include "data/jinja/jcall.h"
#include "data/jinja/jcmp.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jrepr.h"

static struct jv global_range(struct jrun *r, struct jv self, struct jargs *a)
{
    (void)self;
    struct jv p[3];
    int64_t v[3] = {0, 0, 1};
    jcall_bind(r, a, "-start -stop -step", 1, p);
    for (int i = 0; i < 3; i++) {
        if (p[i].kind != JV_MISSING && !jv_is_int(p[i]))
            jrun_fail_type(r, "an integer for range", p[i]);
        if (p[i].kind != JV_MISSING)
            v[i] = jv_as_int(p[i]);
    }
    if (p[1].kind == JV_MISSING) {
        v[1] = v[0];
        v[0] = 0;
    }
    if (v[2] == 0)
        jrun_fail(r, ST_FORMAT, "range: step must not be zero");
    bool up = v[2] > 0, empty = up ? v[0] >= v[1] : v[0] <= v[1];
    uint64_t distance = up ? (uint64_t)v[1] - (uint64_t)v[0] : (uint64_t)v[0] - (uint64_t)v[1];
    uint64_t step = up ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    uint64_t n = empty ? 0 : (distance - 1) / step + 1;
    if (n > JINJA_RANGE_MAX)
        jrun_fail(r, ST_RANGE, "a range of more than %d items", JINJA_RANGE_MAX);
    struct jrange *g = jrun_alloc(r, sizeof *g);
    *g = (struct jrange){v[0], v[1], v[2], (int64_t)n};
    return (struct jv){.kind = JV_RANGE, .u.range = g};
}

static struct jdict *make_dict(struct jrun *r, struct jargs *a)
{
    struct jdict *m = jdict_new(r, a->nkw);
    if (a->n > 1)
        jrun_fail(r, ST_FORMAT, "dict takes at most one positional argument");
    if (a->n == 1)
        jv_need_defined(r, a->p[0]);
    if (a->n == 1 && a->p[0].kind == JV_DICT) {
        const struct jdict *from = a->p[0].u.m;
        for (size_t i = 0; i < from->n; i++)
            jdict_append(r, m, from->p[i].k, from->p[i].v);
    } else if (a->n == 1) {
        struct jiter *it = jiter_of(r, a->p[0]);
        for (struct jv v; jiter_next(r, it, &v);) {
            struct jlist *pair = jiter_list(r, v);
            if (pair->n != 2)
                jrun_fail(r, ST_FORMAT, "dict: a pair has %zu elements", pair->n);
            jcmp_need_hashable(r, pair->p[0]);
            jdict_put(r, m, pair->p[0], pair->p[1]);
        }
    }
    for (size_t i = 0; i < a->nkw; i++)
        jdict_put(r, m, a->kw[i].k, a->kw[i].v);
    return m;
}

static struct jv global_dict(struct jrun *r, struct jv self, struct jargs *a)
{
    (void)self;
    return jv_of_dict(make_dict(r, a));
}

static struct jv global_namespace(struct jrun *r, struct jv self, struct jargs *a)
{
    (void)self;
    struct jdict *m = make_dict(r, a);
    for (size_t i = 0; i < m->n; i++)
        if (m->p[i].k.kind == JV_STR && m->p[i].k.u.s->n > 0 && m->p[i].k.u.s->p[0] == '_')
            jrun_fail(r, ST_FORMAT, "a namespace cannot have attributes that begin with _");
    return (struct jv){.kind = JV_NAMESPACE, .u.m = m};
}

static struct jv global_raise(struct jrun *r, struct jv self, struct jargs *a)
{
    (void)self;
    struct jv message;
    jcall_bind(r, a, "message", 1, &message);
    const struct jstr *s = jrepr_str(r, message).u.s;
    jrun_fail(r, ST_FORMAT, "%.*s", (int)(s->n < 300 ? s->n : 300), s->p);
}

/* Piece by piece, so that neither an empty result nor a long one confuses strftime. Python's
 * datetime.now() has no time zone. */
static struct jv global_strftime(struct jrun *r, struct jv self, struct jargs *a)
{
    (void)self;
    struct jv format;
    struct jbuf b = {0};
    struct tm tm;
    jcall_bind(r, a, "format", 1, &format);
    if (format.kind != JV_STR)
        jrun_fail_type(r, "a format of dates", format);
    if (!localtime_r(&r->now, &tm))
        jrun_fail(r, ST_FORMAT, "the date cannot be told");
    const struct jstr *s = format.u.s;
    for (size_t i = 0; i < s->n;) {
        char spec[8] = "%", out[128];
        size_t from = i, k = 1;
        if (s->p[i] != '%') {
            while (i < s->n && s->p[i] != '%')
                i++;
            jbuf_add(r, &b, s->p + from, i - from);
            continue;
        }
        for (i++; i < s->n && k + 2 < sizeof spec && s->p[i] && strchr("-_0^#EO", s->p[i]); i++)
            spec[k++] = s->p[i];
        char kind = i < s->n ? s->p[i++] : '%';
        if (kind == 'f') {
            jbuf_adds(r, &b, "000000");
        } else if (kind != 'z' && kind != 'Z') {
            spec[k] = kind;
            size_t n = strftime(out, sizeof out, spec, &tm);
            jbuf_add(r, &b, out, n);
        }
    }
    return jbuf_str(r, &b);
}

static struct jv unsupported(struct jrun *r, struct jv self, struct jargs *a)
{
    (void)self;
    (void)a;
    jrun_fail(r, ST_UNSUPPORTED, "lipsum, cycler and joiner are not supported");
}

struct jv jglobal_find(const struct jstr *name)
{
    static const struct jfunc globals[] = {
        {"range", global_range},           {"dict", global_dict},
        {"namespace", global_namespace},   {"raise_exception", global_raise},
        {"strftime_now", global_strftime}, {"lipsum", unsupported},
        {"cycler", unsupported},           {"joiner", unsupported}};
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (strlen(globals[i].name) == name->n && memcmp(globals[i].name, name->p, name->n) == 0)
            return (struct jv){.kind = JV_FUNC, .u.func = &globals[i]};
    return jv_missing();
}
