#include "data/jinja/jcall.h"
#include "data/jinja/jcmp.h"
#include "data/jinja/jfilter.h"
#include "data/jinja/jiter.h"

/* Filters that return generators: nothing is computed, and nothing fails, until an item is asked
 * for. */
struct lazy {
    struct jargs args;
    struct jv over;
    struct jdict *seen; /* of |unique */
    const struct jfunc *func;
    struct jargs rest; /* what func is given */
    struct jv attribute, fallback;
    bool started, negate, with_attribute;
};

static struct jv generator(struct jrun *r, jiter_fn *next, struct jv over, struct jargs *a)
{
    struct lazy *x = jrun_alloc(r, sizeof *x);
    struct jiter *it = jiter_new(r, next, jv_none());
    x->args = *a;
    x->over = over;
    x->attribute = x->fallback = jv_missing();
    it->more = x;
    return jiter_generator(it);
}

/* As in jinja2, what is false yields nothing, whether it can be walked or not. */
static bool start(struct jrun *r, struct jiter *it, struct lazy *x)
{
    if (x->started)
        return false;
    x->started = true;
    it->src = jv_true(r, x->over) ? jiter_of(r, x->over) : jiter_of(r, jv_of_list(jlist_new(r, 0)));
    return true;
}

static const struct jfunc *need(struct jrun *r, const struct jfunc *found, struct jv name)
{
    if (!found)
        jrun_fail(r, ST_FORMAT, "no filter or test named '%.*s'",
                  (int)(name.u.s->n < 80 ? name.u.s->n : 80), name.u.s->p);
    return found;
}

static struct jv name_at(struct jrun *r, struct lazy *x, size_t i)
{
    if (x->args.p[i].kind != JV_STR)
        jrun_fail(r, ST_FORMAT, "the name of a filter or test must be a string");
    x->rest = x->args;
    x->rest.p = x->args.p + i + 1;
    x->rest.n = x->args.n - i - 1;
    return x->args.p[i];
}

static void prepare_map(struct jrun *r, struct lazy *x)
{
    if (x->args.n > 0) {
        struct jv name = name_at(r, x, 0);
        x->func = need(r, jfilter_find(name.u.s), name);
        return;
    }
    for (size_t i = 0; i < x->args.nkw; i++) {
        if (jv_is_str(x->args.kw[i].k, "attribute"))
            x->attribute = x->args.kw[i].v;
        else if (jv_is_str(x->args.kw[i].k, "default"))
            x->fallback = x->args.kw[i].v;
        else
            jrun_fail(r, ST_FORMAT, "map: an unexpected keyword argument");
    }
    if (x->attribute.kind == JV_MISSING)
        jrun_fail(r, ST_FORMAT, "map requires a filter argument");
}

static bool next_map(struct jrun *r, struct jiter *it, struct jv *out)
{
    struct lazy *x = it->more;
    struct jv item;
    if (start(r, it, x) && jv_true(r, x->over))
        prepare_map(r, x);
    if (!jiter_next(r, it->src, &item))
        return false;
    struct jargs a = x->rest;
    *out = x->func ? x->func->fn(r, item, &a) : jfilter_attr(r, item, x->attribute, x->fallback);
    return true;
}

static struct jv filter_map(struct jrun *r, struct jv v, struct jargs *a)
{
    return generator(r, next_map, v, a);
}

static void prepare_select(struct jrun *r, struct lazy *x)
{
    size_t at = x->with_attribute;
    if (x->with_attribute) {
        if (x->args.n == 0)
            jrun_fail(r, ST_FORMAT, "missing parameter for attribute name");
        x->attribute = x->args.p[0];
    }
    if (x->args.n <= at)
        return;
    struct jv name = name_at(r, x, at);
    x->func = need(r, jtest_find(name.u.s), name);
}

static bool next_select(struct jrun *r, struct jiter *it, struct jv *out)
{
    struct lazy *x = it->more;
    struct jv item;
    if (start(r, it, x) && jv_true(r, x->over))
        prepare_select(r, x);
    while (jiter_next(r, it->src, &item)) {
        struct jv v = jfilter_attr(r, item, x->attribute, jv_missing());
        struct jargs a = x->rest;
        if (jv_true(r, x->func ? x->func->fn(r, v, &a) : v) != x->negate) {
            *out = item;
            return true;
        }
    }
    return false;
}

static struct jv select_kind(struct jrun *r, struct jv v, struct jargs *a, bool negate,
                             bool with_attribute)
{
    struct jv g = generator(r, next_select, v, a);
    struct lazy *x = g.u.it->more;
    x->negate = negate;
    x->with_attribute = with_attribute;
    return g;
}

static struct jv filter_select(struct jrun *r, struct jv v, struct jargs *a)
{
    return select_kind(r, v, a, false, false);
}

static struct jv filter_reject(struct jrun *r, struct jv v, struct jargs *a)
{
    return select_kind(r, v, a, true, false);
}

static struct jv filter_selectattr(struct jrun *r, struct jv v, struct jargs *a)
{
    return select_kind(r, v, a, false, true);
}

static struct jv filter_rejectattr(struct jrun *r, struct jv v, struct jargs *a)
{
    return select_kind(r, v, a, true, true);
}

static bool next_unique(struct jrun *r, struct jiter *it, struct jv *out)
{
    struct lazy *x = it->more;
    struct jv p[2], item;
    jcall_bind(r, &x->args, "case_sensitive attribute", 0, p);
    if (!x->started) {
        x->started = true;
        it->src = jiter_of(r, x->over);
        x->seen = jdict_new(r, 0);
    }
    while (jiter_next(r, it->src, &item)) {
        struct jv key = jfilter_attr(r, item, p[1], jv_missing());
        key = jfilter_fold(r, key, jfilter_flag(r, p[0]));
        jcmp_need_hashable(r, key);
        if (jdict_find(r, x->seen, key))
            continue;
        jdict_append(r, x->seen, key, jv_none());
        *out = item;
        return true;
    }
    return false;
}

static struct jv filter_unique(struct jrun *r, struct jv v, struct jargs *a)
{
    return generator(r, next_unique, v, a);
}

static bool next_pair(struct jrun *r, struct jiter *it, struct jv *out)
{
    struct lazy *x = it->more;
    if (x->over.kind == JV_UNDEF)
        return false;
    if (x->over.kind != JV_DICT)
        jrun_fail(r, ST_FORMAT, "can only get item pairs from a mapping");
    if (it->i >= x->over.u.m->n)
        return false;
    *out = jv_pair(r, x->over.u.m->p[it->i].k, x->over.u.m->p[it->i].v);
    it->i++;
    return true;
}

static struct jv filter_items(struct jrun *r, struct jv v, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    return generator(r, next_pair, v, a);
}

const struct jfunc jfilter_lazy[] = {{"map", filter_map},
                                     {"select", filter_select},
                                     {"reject", filter_reject},
                                     {"selectattr", filter_selectattr},
                                     {"rejectattr", filter_rejectattr},
                                     {"unique", filter_unique},
                                     {"items", filter_items},
                                     {NULL, NULL}};
