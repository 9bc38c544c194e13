#include "data/jinja/jcmp.h"

#include <string.h>

#include "data/jinja/jiter.h"
#include "data/jinja/jrepr.h"
#include "data/jinja/jstr.h"

/* long double holds every int64_t where it has 64 bits of mantissa; elsewhere integers beyond 2^53
 * compare as rounded. */
static int order_numbers(struct jv a, struct jv b)
{
    if (jv_is_int(a) && jv_is_int(b))
        return jv_as_int(a) < jv_as_int(b) ? -1 : jv_as_int(a) > jv_as_int(b);
    long double x = jv_is_int(a) ? (long double)jv_as_int(a) : (long double)a.u.d;
    long double y = jv_is_int(b) ? (long double)jv_as_int(b) : (long double)b.u.d;
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2; /* 2: not ordered */
}

static int order_strings(struct jrun *r, const struct jstr *a, const struct jstr *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    jrun_spend_bytes(r, n);
    int c = n ? memcmp(a->p, b->p, n) : 0;
    return c ? c : a->n < b->n ? -1 : a->n > b->n;
}

/* Python looks whether two items are one before it compares them. */
static bool equal_items(struct jrun *r, struct jv a, struct jv b)
{
    return (a.kind != JV_STR && jcmp_same(r, a, b)) || jcmp_equal(r, a, b);
}

static bool equal_lists(struct jrun *r, const struct jlist *a, const struct jlist *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!equal_items(r, a->p[i], b->p[i]))
            return false;
    return true;
}

static bool equal_dicts(struct jrun *r, const struct jdict *a, const struct jdict *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct jv *v = jdict_find(r, b, a->p[i].k);
        if (!v || !equal_items(r, a->p[i].v, *v))
            return false;
    }
    return true;
}

static bool equal_ranges(const struct jrange *a, const struct jrange *b)
{
    if (a->n != b->n || a->n == 0)
        return a->n == b->n;
    return a->start == b->start && (a->n == 1 || a->step == b->step);
}

bool jcmp_same(struct jrun *r, struct jv a, struct jv b)
{
    jrun_spend(r, 1);
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case JV_NONE: return true;
    case JV_BOOL: return a.u.b == b.u.b;
    case JV_INT: return a.u.i == b.u.i;
    case JV_FLOAT: return a.u.d == b.u.d;
    case JV_STR:
        return a.u.s == b.u.s || (a.u.s->n == b.u.s->n && order_strings(r, a.u.s, b.u.s) == 0);
    default: return a.u.l == b.u.l;
    }
}

bool jcmp_equal(struct jrun *r, struct jv a, struct jv b)
{
    jrun_spend(r, 1);
    if (jv_is_number(a) && jv_is_number(b))
        return order_numbers(a, b) == 0;
    if (a.kind != b.kind)
        return false;
    bool yes;
    jrun_enter(r);
    switch (a.kind) {
    case JV_UNDEF:
    case JV_NONE: yes = true; break;
    case JV_STR: yes = a.u.s->n == b.u.s->n && order_strings(r, a.u.s, b.u.s) == 0; break;
    case JV_LIST:
    case JV_TUPLE: yes = equal_lists(r, a.u.l, b.u.l); break;
    case JV_DICT: yes = equal_dicts(r, a.u.m, b.u.m); break;
    case JV_RANGE: yes = equal_ranges(a.u.range, b.u.range); break;
    default: yes = jcmp_same(r, a, b);
    }
    jrun_leave(r);
    return yes;
}

/* a < b, or a <= b where `equal`. */
static bool ordered(struct jrun *r, struct jv a, struct jv b, bool equal)
{
    bool yes = equal;
    jrun_enter(r);
    if (jv_is_number(a) && jv_is_number(b)) {
        int o = order_numbers(a, b);
        yes = o == -1 || (equal && o == 0);
    } else if (a.kind == JV_STR && b.kind == JV_STR) {
        int o = order_strings(r, a.u.s, b.u.s);
        yes = o < 0 || (equal && o == 0);
    } else if (jv_is_seq(a) && a.kind == b.kind) {
        const struct jlist *x = a.u.l, *y = b.u.l;
        size_t i = 0, n = x->n < y->n ? x->n : y->n;
        while (i < n && jcmp_equal(r, x->p[i], y->p[i]))
            i++;
        if (i < n)
            yes = ordered(r, x->p[i], y->p[i], equal);
        else
            yes = x->n < y->n || (equal && x->n == y->n);
    } else {
        jv_need_defined(r, a);
        jv_need_defined(r, b);
        jrun_fail(r, ST_FORMAT, "'<' has no meaning between %s and %s", jv_type(a), jv_type(b));
    }
    jrun_leave(r);
    return yes;
}

bool jcmp_less(struct jrun *r, struct jv a, struct jv b)
{
    return ordered(r, a, b, false);
}

bool jcmp_less_equal(struct jrun *r, struct jv a, struct jv b)
{
    return ordered(r, a, b, true);
}

bool jcmp_hashable(struct jrun *r, struct jv v)
{
    bool yes = v.kind != JV_LIST && v.kind != JV_DICT && v.kind != JV_VIEW && v.kind != JV_SLICE;
    jrun_enter(r);
    for (size_t i = 0; v.kind == JV_TUPLE && yes && i < v.u.l->n; i++)
        yes = jcmp_hashable(r, v.u.l->p[i]);
    jrun_leave(r);
    return yes;
}

void jcmp_need_hashable(struct jrun *r, struct jv v)
{
    if (!jcmp_hashable(r, v))
        jrun_fail(r, ST_FORMAT, "%s object cannot be a key", jv_type(v));
}

bool jcmp_in(struct jrun *r, struct jv what, struct jv where)
{
    if (where.kind == JV_STR) {
        if (what.kind != JV_STR)
            jrun_fail_type(r, "'in' of a string", what);
        return jstr_find(r, where.u.s, what.u.s, 0, where.u.s->n) != SIZE_MAX;
    }
    if (where.kind == JV_DICT || (where.kind == JV_VIEW && where.u.view->kind == JVIEW_KEYS)) {
        jcmp_need_hashable(r, what);
        return jdict_find(r, where.kind == JV_DICT ? where.u.m : where.u.view->m, what) != NULL;
    }
    struct jiter *it = jiter_try(r, where);
    if (!it)
        jrun_fail_type(r, "'in'", where);
    for (struct jv item; jiter_next(r, it, &item);)
        if (equal_items(r, item, what))
            return true;
    return false;
}

/* Merges two sorted runs of indices; stable in both directions, as Python's sorted() is. */
static void merge(struct jrun *r, const struct jv *keys, size_t *to, const size_t *a, size_t na,
                  const size_t *b, size_t nb, bool reverse)
{
    size_t i = 0, k = 0;
    while (i < na && k < nb) {
        bool later =
            reverse ? jcmp_less(r, keys[a[i]], keys[b[k]]) : jcmp_less(r, keys[b[k]], keys[a[i]]);
        *to++ = later ? b[k++] : a[i++];
    }
    while (i < na)
        *to++ = a[i++];
    while (k < nb)
        *to++ = b[k++];
}

void jcmp_sort(struct jrun *r, struct jv *items, struct jv *keys, size_t n, bool reverse)
{
    size_t *a = jrun_allocs(r, n + 1, sizeof *a), *b = jrun_allocs(r, n + 1, sizeof *b);
    for (size_t i = 0; i < n; i++)
        a[i] = i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t at = 0; at < n; at += 2 * width) {
            size_t na = at + width < n ? width : n - at;
            size_t nb = at + 2 * width < n ? width : n - at - na;
            merge(r, keys, b + at, a + at, na, a + at + na, nb, reverse);
        }
        size_t *swap = a;
        a = b;
        b = swap;
    }
    struct jv *sorted = jrun_allocs(r, n + 1, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = items[a[i]];
    if (n > 0)
        memcpy(items, sorted, n * sizeof *items);
}
