#include <string.h>

#include "data/jinja/jcall.h"
#include "data/jinja/jcmp.h"
#include "data/jinja/jeval.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jmethod.h"
#include "data/jinja/jstr.h"

static bool starts(struct jv name, const char *prefix)
{
    size_t n = strlen(prefix);
    return name.u.s->n >= n && memcmp(name.u.s->p, prefix, n) == 0;
}

/* What every Python object has; the sandbox hands none of it out. */
static bool is_dunder(struct jv name)
{
    static const char *const some[] = {
        "__class__",   "__doc__",         "__init__",   "__new__",          "__repr__",
        "__str__",     "__hash__",        "__eq__",     "__ne__",           "__dir__",
        "__sizeof__",  "__reduce__",      "__format__", "__getattribute__", "__setattr__",
        "__delattr__", "__subclasshook__"};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        if (jv_is_str(name, some[i]))
            return true;
    return false;
}

static struct jv loop_attr(struct jrun *r, struct jloop *l, struct jv name)
{
    if (jv_is_str(name, "index"))
        return jv_int(l->index0 + 1);
    if (jv_is_str(name, "index0"))
        return jv_int(l->index0);
    if (jv_is_str(name, "first"))
        return jv_bool(l->index0 == 0);
    if (jv_is_str(name, "last"))
        return jv_bool(!jiter_loop_peek(r, l));
    if (jv_is_str(name, "length"))
        return jv_int(jiter_loop_len(r, l));
    if (jv_is_str(name, "revindex"))
        return jv_int(jiter_loop_len(r, l) - l->index0);
    if (jv_is_str(name, "revindex0"))
        return jv_int(jiter_loop_len(r, l) - l->index0 - 1);
    if (jv_is_str(name, "depth"))
        return jv_int(1);
    if (jv_is_str(name, "depth0"))
        return jv_int(0);
    if (jv_is_str(name, "previtem"))
        return l->index0 == 0 ? jv_undef(r, "there is no previous item") : l->before;
    if (jv_is_str(name, "nextitem"))
        return jiter_loop_peek(r, l) ? l->after : jv_undef(r, "there is no next item");
    return jv_missing();
}

static struct jv number_attr(struct jv v, struct jv name)
{
    bool whole = jv_is_int(v);
    if (jv_is_str(name, "real") || (whole && jv_is_str(name, "numerator")))
        return whole ? jv_int(jv_as_int(v)) : v;
    if (jv_is_str(name, "imag"))
        return whole ? jv_int(0) : jv_float(0);
    return whole && jv_is_str(name, "denominator") ? jv_int(1) : jv_missing();
}

static struct jv range_attr(const struct jrange *g, struct jv name)
{
    if (jv_is_str(name, "start"))
        return jv_int(g->start);
    if (jv_is_str(name, "stop"))
        return jv_int(g->stop);
    return jv_is_str(name, "step") ? jv_int(g->step) : jv_missing();
}

static struct jv macro_attr(struct jrun *r, const struct jmacrodef *m, struct jv name)
{
    if (jv_is_str(name, "name"))
        return m->name ? jv_of_str(m->name) : jv_none();
    if (jv_is_str(name, "caller"))
        return jv_bool(m->caller_slot >= 0);
    if (jv_is_str(name, "catch_kwargs"))
        return jv_bool(m->kwargs_slot >= 0);
    if (jv_is_str(name, "catch_varargs"))
        return jv_bool(m->varargs_slot >= 0);
    if (!jv_is_str(name, "arguments"))
        return jv_missing();
    struct jlist *l = jlist_new(r, m->params.n);
    for (size_t i = 0; i < m->params.n; i++)
        jlist_add(r, l, jv_of_str(m->params.p[i]->name));
    return jv_of_tuple(l);
}

/* Python's getattr(v, name), or JV_MISSING. */
struct jv jattr_only(struct jrun *r, struct jv v, struct jv name)
{
    const struct jv *have;
    struct jv a = jv_missing();
    jv_need_defined(r, v);
    if (v.kind == JV_NAMESPACE) {
        have = jdict_find(r, v.u.m, name);
        return have ? *have : a;
    }
    if (starts(name, "__") && is_dunder(name))
        return jv_undef_unsafe(r, v, name);
    if (v.kind == JV_LOOP)
        a = loop_attr(r, v.u.loop, name);
    else if (v.kind == JV_RANGE)
        a = range_attr(v.u.range, name);
    else if (jv_is_number(v))
        a = number_attr(v, name);
    else if (v.kind == JV_MACRO)
        a = macro_attr(r, v.u.macro->def, name);
    else if (v.kind == JV_TUPLE && v.u.l->group)
        a = jv_is_str(name, "grouper") ? v.u.l->p[0] : jv_is_str(name, "list") ? v.u.l->p[1] : a;
    return a.kind != JV_MISSING ? a : jmethod_find(r, v, name);
}

static bool index_of(struct jv key, int64_t n, size_t *at)
{
    if (!jv_is_int(key))
        return false;
    int64_t i = jv_as_int(key);
    if (i < 0)
        i += n;
    if (i < 0 || i >= n)
        return false;
    *at = (size_t)i;
    return true;
}

/* v[key] where that works in Python, else JV_MISSING (its TypeError and LookupError). */
static struct jv item(struct jrun *r, struct jv v, struct jv key)
{
    const struct jv *have;
    size_t at;
    switch (v.kind) {
    case JV_UNDEF: jv_fail_undef(r, v);
    case JV_DICT:
        have = jcmp_hashable(r, key) ? jdict_find(r, v.u.m, key) : NULL;
        return have ? *have : jv_missing();
    case JV_LIST:
    case JV_TUPLE: return index_of(key, (int64_t)v.u.l->n, &at) ? v.u.l->p[at] : jv_missing();
    case JV_RANGE:
        if (!index_of(key, v.u.range->n, &at))
            return jv_missing();
        return jv_int(jrange_at(v.u.range, (int64_t)at));
    case JV_STR:
        if (!index_of(key, (int64_t)jstr_count(r, v.u.s), &at))
            return jv_missing();
        at = jstr_offset(r, v.u.s, at);
        size_t end = at;
        jstr_next(v.u.s, &end);
        return jstr_part(r, v.u.s, at, end);
    default: return jv_missing();
    }
}

struct jv jattr_get(struct jrun *r, struct jv v, struct jv name)
{
    struct jv a = jattr_only(r, v, name);
    if (a.kind == JV_MISSING)
        a = item(r, v, name);
    return a.kind == JV_MISSING ? jv_undef_of(r, v, name) : a;
}

static int64_t bound(struct jrun *r, struct jv v, int64_t absent, int64_t n, int64_t low,
                     int64_t high)
{
    if (v.kind == JV_NONE)
        return absent;
    if (!jv_is_int(v))
        jrun_fail_type(r, "an index", v);
    int64_t i = jv_as_int(v);
    if (i < 0)
        i = i < -n ? -1 - n : i + n;
    return i < low ? low : i > high ? high : i;
}

struct cut {
    int64_t start, stop, step, count;
};

/* What Python's slice takes of n items. */
static struct cut slice_of(struct jrun *r, const struct jslice *s, int64_t n)
{
    struct cut c = {.step = 1};
    if (s->step.kind != JV_NONE) {
        if (!jv_is_int(s->step))
            jrun_fail_type(r, "an index", s->step);
        c.step = jv_as_int(s->step);
    }
    if (c.step == 0)
        jrun_fail(r, ST_FORMAT, "slice step cannot be zero");
    bool down = c.step < 0;
    c.start = bound(r, s->start, down ? n - 1 : 0, n, down ? -1 : 0, down ? n - 1 : n);
    c.stop = bound(r, s->stop, down ? -1 : n, n, down ? -1 : 0, down ? n - 1 : n);
    int64_t distance = down ? c.start - c.stop : c.stop - c.start;
    uint64_t step = down ? 0 - (uint64_t)c.step : (uint64_t)c.step;
    c.count = distance <= 0 ? 0 : (int64_t)((uint64_t)(distance - 1) / step) + 1;
    return c;
}

/* Where item i of a range would be, -1 <= i <= n. */
static int64_t range_bound(struct jrun *r, const struct jrange *g, int64_t i)
{
    int64_t v = jrange_at(g, i < 0 ? 0 : i == g->n && i > 0 ? i - 1 : i);
    if ((i < 0 && __builtin_sub_overflow(v, g->step, &v)) ||
        (i > 0 && i == g->n && __builtin_add_overflow(v, g->step, &v)))
        jnum_too_big(r);
    return v;
}

static struct jv slice_range(struct jrun *r, const struct jrange *g, struct cut c)
{
    struct jrange *part = jrun_alloc(r, sizeof *part);
    *part = (struct jrange){range_bound(r, g, c.start), range_bound(r, g, c.stop), 0, c.count};
    if (__builtin_mul_overflow(g->step, c.step, &part->step))
        jnum_too_big(r);
    return (struct jv){.kind = JV_RANGE, .u.range = part};
}

static struct jv slice_str(struct jrun *r, struct jstr *s, int64_t start, int64_t step,
                           int64_t count)
{
    size_t at = jstr_offset(r, s, (size_t)(start < 0 ? 0 : start)), end;
    if (step == 1) {
        end = at;
        jrun_spend_bytes(r, (size_t)count);
        for (int64_t i = 0; i < count; i++)
            jstr_next(s, &end);
        return jstr_part(r, s, at, end);
    }
    struct jbuf b = {0};
    for (int64_t i = 0; i < count; i++) {
        end = at;
        jstr_next(s, &end);
        jbuf_add(r, &b, s->p + at, end - at);
        if (i + 1 == count)
            break;
        for (int64_t k = 0; k < step; k++)
            jstr_next(s, &at);
        for (int64_t k = 0; k > step; k--)
            jstr_prev(s, &at);
    }
    return jstr_like(r, s, jbuf_str(r, &b));
}

static struct jv slice(struct jrun *r, struct jv v, const struct jslice *s)
{
    if (v.kind == JV_STR) {
        struct cut c = slice_of(r, s, (int64_t)jstr_count(r, v.u.s));
        return slice_str(r, v.u.s, c.start, c.step, c.count);
    }
    if (v.kind == JV_RANGE)
        return slice_range(r, v.u.range, slice_of(r, s, v.u.range->n));
    if (!jv_is_seq(v))
        jrun_fail_type(r, "a slice", v);
    struct cut c = slice_of(r, s, (int64_t)v.u.l->n);
    struct jlist *l = jlist_new(r, (size_t)c.count);
    for (int64_t i = 0; i < c.count; i++)
        jlist_add(r, l, v.u.l->p[c.start + i * c.step]);
    return v.kind == JV_LIST ? jv_of_list(l) : jv_of_tuple(l);
}

struct jv jattr_item(struct jrun *r, struct jv v, struct jv key)
{
    if (key.kind == JV_SLICE)
        return slice(r, v, key.u.slice);
    struct jv a = item(r, v, key);
    if (a.kind == JV_MISSING && key.kind == JV_STR)
        a = jattr_only(r, v, key);
    return a.kind == JV_MISSING ? jv_undef_of(r, v, key) : a;
}
