#include "data/jinja/jmethod.h"

#include <string.h>

#include "data/jinja/jcall.h"
#include "data/jinja/jcmp.h"
#include "data/jinja/jeval.h"
#include "data/jinja/jiter.h"

static struct jv view(struct jrun *r, struct jv self, struct jargs *a, enum jview_kind kind)
{
    jcall_bind(r, a, "", 0, NULL);
    struct jview *v = jrun_alloc(r, sizeof *v);
    *v = (struct jview){kind, self.u.m};
    return (struct jv){.kind = JV_VIEW, .u.view = v};
}

static struct jv dict_keys(struct jrun *r, struct jv self, struct jargs *a)
{
    return view(r, self, a, JVIEW_KEYS);
}

static struct jv dict_values(struct jrun *r, struct jv self, struct jargs *a)
{
    return view(r, self, a, JVIEW_VALUES);
}

static struct jv dict_items(struct jrun *r, struct jv self, struct jargs *a)
{
    return view(r, self, a, JVIEW_ITEMS);
}

static struct jv dict_get(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv p[2];
    jcall_bind(r, a, "-key -default", 1, p);
    jcmp_need_hashable(r, p[0]);
    const struct jv *v = jdict_find(r, self.u.m, p[0]);
    return v ? *v : p[1].kind == JV_MISSING ? jv_none() : p[1];
}

static struct jv dict_copy(struct jrun *r, struct jv self, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    struct jdict *m = jdict_new(r, self.u.m->n);
    for (size_t i = 0; i < self.u.m->n; i++)
        jdict_append(r, m, self.u.m->p[i].k, self.u.m->p[i].v);
    return jv_of_dict(m);
}

static struct jv dict_fromkeys(struct jrun *r, struct jv self, struct jargs *a)
{
    (void)self;
    struct jv p[2];
    jcall_bind(r, a, "-iterable -value", 1, p);
    struct jiter *it = jiter_of(r, p[0]);
    struct jdict *m = jdict_new(r, 0);
    for (struct jv k; jiter_next(r, it, &k);) {
        jcmp_need_hashable(r, k);
        jdict_put(r, m, k, p[1].kind == JV_MISSING ? jv_none() : p[1]);
    }
    return jv_of_dict(m);
}

static struct jv seq_count(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv what, v;
    int64_t n = 0;
    jcall_bind(r, a, "-value", 1, &what);
    struct jiter *it = jiter_of(r, self);
    while (jiter_next(r, it, &v))
        n += jcmp_same(r, v, what) || jcmp_equal(r, v, what);
    return jv_int(n);
}

static struct jv seq_index(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jv p[3], v;
    int64_t i = 0, n = jiter_len(r, self), from = 0, to = n;
    jcall_bind(r, a, "-value -start -stop", 1, p);
    for (int k = 1; k < 3; k++) {
        if (p[k].kind == JV_MISSING)
            continue;
        if (!jv_is_int(p[k]))
            jrun_fail_type(r, "an index", p[k]);
        int64_t at = jv_as_int(p[k]);
        at = at < 0 ? (at < -n ? 0 : at + n) : at;
        *(k == 1 ? &from : &to) = at;
    }
    struct jiter *it = jiter_of(r, self);
    for (; jiter_next(r, it, &v); i++)
        if (i >= from && i < to && (jcmp_same(r, v, p[0]) || jcmp_equal(r, v, p[0])))
            return jv_int(i);
    jrun_fail(r, ST_FORMAT, "the value is not in the %s", jv_type(self));
}

static struct jv list_copy(struct jrun *r, struct jv self, struct jargs *a)
{
    jcall_bind(r, a, "", 0, NULL);
    return jv_of_list(jiter_list(r, self));
}

static struct jv loop_cycle(struct jrun *r, struct jv self, struct jargs *a)
{
    if (a->n == 0 || a->nkw > 0)
        jrun_fail(r, ST_FORMAT, "no items for cycling given");
    return a->p[self.u.loop->index0 % (int64_t)a->n];
}

static struct jv loop_changed(struct jrun *r, struct jv self, struct jargs *a)
{
    struct jlist *l = jlist_new(r, a->n);
    for (size_t i = 0; i < a->n; i++)
        jlist_add(r, l, a->p[i]);
    struct jv now = jv_of_tuple(l), *last = &self.u.loop->changed;
    if (last->kind != JV_MISSING && jcmp_equal(r, *last, now))
        return jv_bool(false);
    *last = now;
    return jv_bool(true);
}

static const struct jfunc dict_methods[] = {
    {"keys", dict_keys}, {"values", dict_values},     {"items", dict_items}, {"get", dict_get},
    {"copy", dict_copy}, {"fromkeys", dict_fromkeys}, {NULL, NULL}};
static const struct jfunc seq_methods[] = {
    {"count", seq_count}, {"index", seq_index}, {NULL, NULL}};
static const struct jfunc list_methods[] = {{"copy", list_copy}, {NULL, NULL}};
static const struct jfunc loop_methods[] = {
    {"cycle", loop_cycle}, {"changed", loop_changed}, {NULL, NULL}};
static const struct jfunc function_methods[] = {{"fromkeys", dict_fromkeys}, {NULL, NULL}};
static const struct jfunc none[] = {{NULL, NULL}};

static const char *const dict_unsafe[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};
static const char *const list_unsafe[] = {"append", "clear",  "pop",    "reverse", "insert",
                                          "sort",   "extend", "remove", NULL};
/* What Python has and this engine has not is refused, rather than taken for undefined. */
static const char *const number_names[] = {
    "bit_length",       "bit_count",  "conjugate", "to_bytes", "from_bytes",
    "as_integer_ratio", "is_integer", "hex",       "fromhex",  NULL};
static const char *const str_names[] = {"encode",  "translate",    "maketrans", "isnumeric",
                                        "istitle", "isidentifier", NULL};
static const char *const view_names[] = {"isdisjoint", "mapping", NULL};
static const char *const nothing[] = {NULL};

struct type {
    const struct jfunc *methods, *more;
    const char *const *unsafe, *const *missing;
};

static struct type type_of(struct jv v)
{
    switch (v.kind) {
    case JV_STR: return (struct type){jmethod_str, jmethod_text, nothing, str_names};
    case JV_DICT: return (struct type){dict_methods, none, dict_unsafe, nothing};
    case JV_LIST: return (struct type){seq_methods, list_methods, list_unsafe, nothing};
    case JV_TUPLE:
    case JV_RANGE: return (struct type){seq_methods, none, nothing, nothing};
    case JV_LOOP: return (struct type){loop_methods, none, nothing, nothing};
    case JV_BOOL:
    case JV_INT:
    case JV_FLOAT: return (struct type){none, none, nothing, number_names};
    case JV_VIEW: return (struct type){none, none, nothing, view_names};
    case JV_FUNC:
        if (strcmp(v.u.func->name, "dict") == 0)
            return (struct type){function_methods, none, nothing, nothing};
        break;
    default: break;
    }
    return (struct type){none, none, nothing, nothing};
}

static bool listed(const char *const *names, struct jv name)
{
    for (; *names; names++)
        if (jv_is_str(name, *names))
            return true;
    return false;
}

struct jv jmethod_find(struct jrun *r, struct jv v, struct jv name)
{
    struct type t = type_of(v);
    for (int k = 0; k < 2; k++) {
        for (const struct jfunc *m = k ? t.more : t.methods; m->name; m++) {
            if (!jv_is_str(name, m->name))
                continue;
            struct jmethod *bound = jrun_alloc(r, sizeof *bound);
            *bound = (struct jmethod){m, v};
            return (struct jv){.kind = JV_METHOD, .u.method = bound};
        }
    }
    if (listed(t.unsafe, name))
        return jv_undef_unsafe(r, v, name);
    if (listed(t.missing, name))
        jrun_fail(r, ST_UNSUPPORTED, "%s.%.*s is not supported", jv_type(v), (int)name.u.s->n,
                  name.u.s->p);
    return jv_missing();
}
