#include "data/jinja/jv.h"

#include <string.h>

#include "data/jinja/jcmp.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jrun.h"

struct jv jv_str(struct jrun *r, const char *bytes, size_t n)
{
    struct jstr *s = jrun_alloc(r, sizeof *s);
    *s = (struct jstr){bytes ? bytes : "", n, SIZE_MAX, false};
    return jv_of_str(s);
}

struct jv jv_cstr(struct jrun *r, const char *string)
{
    return jv_str(r, string, strlen(string));
}

struct jv jv_copy(struct jrun *r, const char *bytes, size_t n)
{
    struct jbuf b = {0};
    jbuf_add(r, &b, bytes, n);
    return jbuf_str(r, &b);
}

struct jlist *jlist_new(struct jrun *r, size_t cap)
{
    struct jlist *l = jrun_alloc(r, sizeof *l);
    l->p = cap ? jrun_allocs(r, cap, sizeof *l->p) : NULL;
    l->cap = cap;
    return l;
}

void jlist_add(struct jrun *r, struct jlist *l, struct jv v)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        struct jv *p = jrun_allocs(r, cap, sizeof *p);
        if (l->n > 0)
            memcpy(p, l->p, l->n * sizeof *p);
        l->p = p;
        l->cap = cap;
    }
    l->p[l->n++] = v;
}

struct jv jv_pair(struct jrun *r, struct jv a, struct jv b)
{
    struct jlist *l = jlist_new(r, 2);
    jlist_add(r, l, a);
    jlist_add(r, l, b);
    return jv_of_tuple(l);
}

struct jdict *jdict_new(struct jrun *r, size_t cap)
{
    struct jdict *m = jrun_alloc(r, sizeof *m);
    m->p = cap ? jrun_allocs(r, cap, sizeof *m->p) : NULL;
    m->cap = cap;
    return m;
}

void jdict_append(struct jrun *r, struct jdict *m, struct jv k, struct jv v)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 4;
        struct jentry *p = jrun_allocs(r, cap, sizeof *p);
        if (m->n > 0)
            memcpy(p, m->p, m->n * sizeof *p);
        m->p = p;
        m->cap = cap;
    }
    m->p[m->n++] = (struct jentry){k, v};
}

void jdict_put(struct jrun *r, struct jdict *m, struct jv k, struct jv v)
{
    struct jv *have = jdict_find(r, m, k);
    if (have)
        *have = v;
    else
        jdict_append(r, m, k, v);
}

/* Objects of conversations and tools have few keys, so a walk is quicker than a hash would be;
 * the budget bounds what a big one costs. */
struct jv *jdict_find(struct jrun *r, const struct jdict *m, struct jv k)
{
    jrun_spend(r, m->n / 4 + 1);
    for (size_t i = 0; i < m->n; i++) {
        struct jv *have = &m->p[i].k;
        if (k.kind == JV_STR && have->kind == JV_STR) {
            if (k.u.s->n != have->u.s->n)
                continue;
            jrun_spend_bytes(r, k.u.s->n);
            if (memcmp(k.u.s->p, have->u.s->p, k.u.s->n) == 0)
                return &m->p[i].v;
        } else if (jcmp_equal(r, k, *have)) {
            return &m->p[i].v;
        }
    }
    return NULL;
}

struct jv *jdict_finds(struct jrun *r, const struct jdict *m, const char *key)
{
    size_t n = strlen(key);
    jrun_spend(r, m->n / 8 + 1);
    for (size_t i = 0; i < m->n; i++) {
        struct jv k = m->p[i].k;
        if (k.kind == JV_STR && k.u.s->n == n && memcmp(k.u.s->p, key, n) == 0)
            return &m->p[i].v;
    }
    return NULL;
}

static struct jv undef(struct jrun *r, struct jundef u)
{
    struct jundef *p = jrun_alloc(r, sizeof *p);
    *p = u;
    return (struct jv){.kind = JV_UNDEF, .u.undef = p};
}

struct jv jv_undef(struct jrun *r, const char *text)
{
    return undef(r, (struct jundef){.text = text});
}

struct jv jv_undef_name(struct jrun *r, struct jstr *name)
{
    return undef(r, (struct jundef){.name = jv_of_str(name)});
}

struct jv jv_undef_of(struct jrun *r, struct jv object, struct jv name)
{
    return undef(r, (struct jundef){.of = jv_type(object), .name = name});
}

struct jv jv_undef_unsafe(struct jrun *r, struct jv object, struct jv name)
{
    return undef(r, (struct jundef){.of = jv_type(object), .name = name, .unsafe = true});
}

_Noreturn void jv_fail_undef(struct jrun *r, struct jv v)
{
    const struct jundef *u = v.u.undef;
    if (u->text)
        jrun_fail(r, ST_FORMAT, "%s", u->text);
    bool named = u->name.kind == JV_STR;
    int n = named ? (int)(u->name.u.s->n < 80 ? u->name.u.s->n : 80) : 0;
    const char *p = named ? u->name.u.s->p : "";
    if (u->unsafe)
        jrun_fail(r, ST_FORMAT, "access to attribute '%.*s' of %s object is unsafe", n, p, u->of);
    if (!u->of)
        jrun_fail(r, ST_FORMAT, "'%.*s' is undefined", n, p);
    if (!named)
        jrun_fail(r, ST_FORMAT, "%s object has no such element", u->of);
    jrun_fail(r, ST_FORMAT, "'%s object' has no attribute '%.*s'", u->of, n, p);
}

void jv_need_defined(struct jrun *r, struct jv v)
{
    if (v.kind == JV_UNDEF)
        jv_fail_undef(r, v);
}

const char *jv_type(struct jv v)
{
    switch (v.kind) {
    case JV_MISSING: return "missing";
    case JV_UNDEF: return "Undefined";
    case JV_NONE: return "None";
    case JV_BOOL: return "bool";
    case JV_INT: return "int";
    case JV_FLOAT: return "float";
    case JV_STR: return v.u.s->markup ? "Markup" : "str";
    case JV_LIST: return "list";
    case JV_TUPLE: return "tuple";
    case JV_DICT: return "dict";
    case JV_VIEW: {
        static const char *const names[] = {"dict_keys", "dict_values", "dict_items"};
        return names[v.u.view->kind];
    }
    case JV_RANGE: return "range";
    case JV_ITER: return "generator";
    case JV_NAMESPACE: return "Namespace";
    case JV_LOOP: return "LoopContext";
    case JV_MACRO: return "Macro";
    case JV_FUNC: return "function";
    case JV_METHOD: return "method";
    case JV_SLICE: return "slice";
    }
    return "?";
}

bool jv_has_len(struct jv v, int64_t *n)
{
    switch (v.kind) {
    case JV_UNDEF: *n = 0; return true;
    case JV_LIST:
    case JV_TUPLE: *n = (int64_t)v.u.l->n; return true;
    case JV_DICT: *n = (int64_t)v.u.m->n; return true;
    case JV_VIEW: *n = (int64_t)v.u.view->m->n; return true;
    case JV_RANGE: *n = v.u.range->n; return true;
    default: return false; /* strings and loops count on demand: see jiter_len */
    }
}

bool jv_true(struct jrun *r, struct jv v)
{
    int64_t n;
    switch (v.kind) {
    case JV_MISSING:
    case JV_UNDEF:
    case JV_NONE: return false;
    case JV_BOOL: return v.u.b;
    case JV_INT: return v.u.i != 0;
    case JV_FLOAT: return v.u.d != 0;
    case JV_STR: return v.u.s->n > 0;
    case JV_LOOP: return jiter_loop_len(r, v.u.loop) > 0;
    default: return !jv_has_len(v, &n) || n > 0;
    }
}

bool jv_is_str(struct jv v, const char *string)
{
    return v.kind == JV_STR && strlen(string) == v.u.s->n &&
           memcmp(v.u.s->p, string, v.u.s->n) == 0;
}
