#include "data/jinja/jcall.h"
#include "data/jinja/jcmp.h"
#include "data/jinja/jeval.h"
#include "data/jinja/jfilter.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jstr.h"

static struct jv filter_list(struct jrun *r, struct jv v, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    return jv_of_list(jiter_list(r, v));
}

static struct jv filter_first(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv item;
    jcall_bind(r, a, "", 0, NULL);
    if (jiter_next(r, jiter_of(r, v), &item))
        return item;
    return jv_undef(r, "no first item, sequence was empty");
}

static struct jv filter_last(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv item;
    jcall_bind(r, a, "", 0, NULL);
    struct jiter *it = jiter_reversed(r, v);
    if (!it)
        jrun_fail(r, ST_FORMAT, "%s object is not reversible", jv_type(v));
    if (jiter_next(r, it, &item))
        return item;
    return jv_undef(r, "no last item, sequence was empty");
}

static struct jv filter_reverse(struct jrun *r, struct jv v, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    struct jiter *it = jiter_reversed(r, v);
    if (v.kind == JV_STR) {
        struct jbuf b = {0};
        for (struct jv c; jiter_next(r, it, &c);)
            jbuf_add(r, &b, c.u.s->p, c.u.s->n);
        return jstr_like(r, v.u.s, jbuf_str(r, &b));
    }
    if (it)
        return jiter_generator(it);
    struct jlist *l = jiter_list(r, v);
    for (size_t i = 0; i < l->n / 2; i++) {
        struct jv x = l->p[i];
        l->p[i] = l->p[l->n - 1 - i];
        l->p[l->n - 1 - i] = x;
    }
    return jv_of_list(l);
}

/* Sort keys are lists, one element for each of the attributes "a,b". */
static struct jv sort_key(struct jrun *r, struct jv item, struct jv attribute, bool case_sensitive)
{
    struct jlist *key = jlist_new(r, 1);
    if (attribute.kind != JV_STR) {
        struct jv v = jfilter_attr(r, item, attribute, jv_missing());
        jlist_add(r, key, jfilter_fold(r, v, case_sensitive));
        return jv_of_list(key);
    }
    const struct jstr *s = attribute.u.s;
    for (size_t from = 0; from <= s->n;) {
        size_t to = from;
        while (to < s->n && s->p[to] != ',')
            to++;
        struct jv v = jfilter_attr(r, item, jstr_part(r, s, from, to), jv_missing());
        jlist_add(r, key, jfilter_fold(r, v, case_sensitive));
        from = to + 1;
    }
    return jv_of_list(key);
}

static struct jv filter_sort(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[3];
    jcall_bind(r, a, "reverse case_sensitive attribute", 0, p);
    struct jlist *l = jiter_list(r, v);
    struct jv *keys = jrun_allocs(r, l->n + 1, sizeof *keys);
    for (size_t i = 0; i < l->n; i++)
        keys[i] = sort_key(r, l->p[i], p[2], jfilter_flag(r, p[1]));
    jcmp_sort(r, l->p, keys, l->n, jfilter_int(r, p[0], 0) != 0);
    return jv_of_list(l);
}

static struct jv filter_dictsort(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[3];
    jcall_bind(r, a, "case_sensitive by reverse", 0, p);
    bool by_value = p[1].kind != JV_MISSING && jv_is_str(p[1], "value");
    if (p[1].kind != JV_MISSING && !by_value && !jv_is_str(p[1], "key"))
        jrun_fail(r, ST_FORMAT, "dictsort can only sort by key or value");
    if (v.kind != JV_DICT)
        jrun_fail_type(r, "a sorted dict", v);
    const struct jdict *m = v.u.m;
    struct jlist *l = jlist_new(r, m->n);
    struct jv *keys = jrun_allocs(r, m->n + 1, sizeof *keys);
    for (size_t i = 0; i < m->n; i++) {
        jlist_add(r, l, jv_pair(r, m->p[i].k, m->p[i].v));
        keys[i] = jfilter_fold(r, by_value ? m->p[i].v : m->p[i].k, jfilter_flag(r, p[0]));
    }
    jcmp_sort(r, l->p, keys, l->n, jfilter_int(r, p[2], 0) != 0);
    return jv_of_list(l);
}

static struct jv extreme(struct jrun *r, struct jv v, struct jargs *a, bool max)
{
    struct jv p[2], item, key, best = jv_missing(), best_key = jv_missing();
    jcall_bind(r, a, "case_sensitive attribute", 0, p);
    struct jiter *it = jiter_of(r, v);
    while (jiter_next(r, it, &item)) {
        key = jfilter_attr(r, item, p[1], jv_missing());
        key = jfilter_fold(r, key, jfilter_flag(r, p[0]));
        if (best.kind == JV_MISSING ||
            (max ? jcmp_less(r, best_key, key) : jcmp_less(r, key, best_key))) {
            best = item;
            best_key = key;
        }
    }
    return best.kind == JV_MISSING ? jv_undef(r, "no aggregated item, sequence was empty") : best;
}

static struct jv filter_min(struct jrun *r, struct jv v, struct jargs *a)
{
    return extreme(r, v, a, false);
}

static struct jv filter_max(struct jrun *r, struct jv v, struct jargs *a)
{
    return extreme(r, v, a, true);
}

static struct jv filter_sum(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[2], item;
    jcall_bind(r, a, "attribute start", 0, p);
    struct jv sum = p[1].kind == JV_MISSING ? jv_int(0) : p[1];
    struct jiter *it = jiter_of(r, v);
    if (sum.kind == JV_STR)
        jrun_fail(r, ST_FORMAT, "sum cannot sum strings");
    while (jiter_next(r, it, &item))
        sum = jnum_binary(r, JOP_ADD, sum, jfilter_attr(r, item, p[0], jv_missing()));
    return sum;
}

static struct jv group_of(struct jrun *r, struct jv key, struct jlist *items)
{
    struct jv pair = jv_pair(r, key, jv_of_list(items));
    pair.u.l->group = true;
    return pair;
}

static struct jv filter_groupby(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[3];
    jcall_bind(r, a, "attribute default case_sensitive", 1, p);
    bool exact = jfilter_flag(r, p[2]);
    struct jlist *l = jiter_list(r, v), *out = jlist_new(r, 0);
    struct jv *keys = jrun_allocs(r, l->n + 1, sizeof *keys);
    for (size_t i = 0; i < l->n; i++)
        keys[i] = jfilter_fold(r, jfilter_attr(r, l->p[i], p[0], p[1]), exact);
    jcmp_sort(r, l->p, keys, l->n, false);
    for (size_t i = 0; i < l->n;) {
        struct jlist *items = jlist_new(r, 0);
        struct jv whole = jfilter_attr(r, l->p[i], p[0], p[1]);
        struct jv key = jfilter_fold(r, whole, exact);
        for (; i < l->n; i++) {
            struct jv k = jfilter_fold(r, jfilter_attr(r, l->p[i], p[0], p[1]), exact);
            if (!jcmp_equal(r, k, key))
                break;
            jlist_add(r, items, l->p[i]);
        }
        if (items->n == 0) /* a key that does not equal itself */
            jlist_add(r, items, l->p[i++]);
        jlist_add(r, out, group_of(r, whole, items));
    }
    return jv_of_list(out);
}

static struct jv filter_batch(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[2], item;
    jcall_bind(r, a, "linecount fill_with", 1, p);
    struct jiter *it = jiter_of(r, v);
    struct jlist *out = jlist_new(r, 0), *row = jlist_new(r, 0);
    while (jiter_next(r, it, &item)) {
        if (jcmp_equal(r, jv_int((int64_t)row->n), p[0])) {
            jlist_add(r, out, jv_of_list(row));
            row = jlist_new(r, 0);
        }
        jlist_add(r, row, item);
    }
    if (row->n > 0)
        jlist_add(r, out, jv_of_list(row));
    bool fill = row->n > 0 && p[1].kind != JV_MISSING && p[1].kind != JV_NONE;
    if (fill && jcmp_less(r, jv_int((int64_t)row->n), p[0]))
        for (int64_t size = jfilter_int(r, p[0], 0); (int64_t)row->n < size;)
            jlist_add(r, row, p[1]);
    return jiter_generator(jiter_of(r, jv_of_list(out)));
}

static struct jv filter_slice(struct jrun *r, struct jv v, struct jargs *a)
{
    struct jv p[2];
    jcall_bind(r, a, "slices fill_with", 1, p);
    struct jlist *l = jiter_list(r, v), *out = jlist_new(r, 0);
    int64_t slices = jfilter_int(r, p[0], 0), n = (int64_t)l->n;
    int64_t each = jnum_floordiv(r, n, slices), extra = jnum_mod(r, n, slices), at = 0;
    bool fill = p[1].kind != JV_MISSING && p[1].kind != JV_NONE;
    for (int64_t i = 0; i < slices; i++) {
        struct jlist *part = jlist_new(r, 0);
        for (int64_t k = each + (i < extra); k > 0; k--)
            jlist_add(r, part, l->p[at++]);
        if (fill && i >= extra)
            jlist_add(r, part, p[1]);
        jlist_add(r, out, jv_of_list(part));
    }
    return jiter_generator(jiter_of(r, jv_of_list(out)));
}

const struct jfunc jfilter_seq[] = {{"list", filter_list},
                                    {"first", filter_first},
                                    {"last", filter_last},
                                    {"reverse", filter_reverse},
                                    {"sort", filter_sort},
                                    {"dictsort", filter_dictsort},
                                    {"min", filter_min},
                                    {"max", filter_max},
                                    {"sum", filter_sum},
                                    {"groupby", filter_groupby},
                                    {"batch", filter_batch},
                                    {"slice", filter_slice},
                                    {NULL, NULL}};
