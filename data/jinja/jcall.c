#include "data/jinja/jcall.h"

#include <string.h>

#include "data/jinja/jeval.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jrepr.h"

void jcall_add_kw(struct jrun *r, struct jargs *a, struct jv name, struct jv v)
{
    for (size_t i = 0; i < a->nkw; i++) {
        if (name.u.s->n != a->kw[i].k.u.s->n)
            continue;
        jrun_spend_bytes(r, name.u.s->n);
        if (memcmp(name.u.s->p, a->kw[i].k.u.s->p, name.u.s->n) == 0)
            jrun_fail(r, ST_FORMAT, "a keyword argument is given twice");
    }
    struct jentry *kw = jrun_allocs(r, a->nkw + 1, sizeof *kw);
    if (a->nkw > 0)
        memcpy(kw, a->kw, a->nkw * sizeof *kw);
    kw[a->nkw++] = (struct jentry){name, v};
    a->kw = kw;
}

struct jargs jcall_args(struct jrun *r, const struct jcallargs *c)
{
    struct jargs a = {0};
    if (c->args.n > 0 || c->dyn_args) {
        struct jlist *l = jlist_new(r, c->args.n);
        for (size_t i = 0; i < c->args.n; i++)
            jlist_add(r, l, jeval(r, c->args.p[i]));
        if (c->dyn_args) {
            struct jiter *it = jiter_of(r, jeval(r, c->dyn_args));
            for (struct jv v; jiter_next(r, it, &v);)
                jlist_add(r, l, v);
        }
        a.p = l->p;
        a.n = l->n;
    }
    for (size_t i = 0; i < c->kwvalues.n; i++)
        jcall_add_kw(r, &a, jv_of_str(c->kwnames[i]), jeval(r, c->kwvalues.p[i]));
    if (c->dyn_kwargs) {
        struct jv m = jeval(r, c->dyn_kwargs);
        if (m.kind != JV_DICT)
            jrun_fail_type(r, "keyword arguments", m);
        for (size_t i = 0; i < m.u.m->n; i++) {
            if (m.u.m->p[i].k.kind != JV_STR)
                jrun_fail(r, ST_FORMAT, "keywords must be strings");
            jcall_add_kw(r, &a, m.u.m->p[i].k, m.u.m->p[i].v);
        }
    }
    return a;
}

static bool name_is(const char *names, size_t n, struct jv kw)
{
    return n == kw.u.s->n && memcmp(names, kw.u.s->p, n) == 0;
}

void jcall_bind(struct jrun *r, const struct jargs *a, const char *names, int required,
                struct jv *out)
{
    size_t n = 0, used = 0;
    for (const char *p = names; *p;) {
        size_t len = strcspn(p, " ");
        out[n] = n < a->n ? a->p[n] : jv_missing();
        for (size_t i = 0; i < a->nkw; i++) {
            if (!name_is(p, len, a->kw[i].k))
                continue;
            if (out[n].kind != JV_MISSING)
                jrun_fail(r, ST_FORMAT, "an argument is given by position and by name");
            out[n] = a->kw[i].v;
            used++;
        }
        if (out[n].kind == JV_MISSING && (int)n < required)
            jrun_fail(r, ST_FORMAT, "the argument '%.*s' is missing", (int)len, p);
        n++;
        p += len + (p[len] == ' ');
    }
    if (a->n > n)
        jrun_fail(r, ST_FORMAT, "%zu arguments where at most %zu are taken", a->n, n);
    if (used < a->nkw)
        jrun_fail(r, ST_FORMAT, "an unexpected keyword argument");
}

struct jv jcall_new_macro(struct jrun *r, const struct jmacrodef *def)
{
    struct jmacro *m = jrun_alloc(r, sizeof *m);
    *m = (struct jmacro){def, r->scope};
    return (struct jv){.kind = JV_MACRO, .u.macro = m};
}

void jcall_repr_macro(struct jrun *r, struct jbuf *b, const struct jmacro *m)
{
    jbuf_adds(r, b, "<Macro ");
    if (m->def->name)
        jrepr_add(r, b, jv_of_str(m->def->name));
    else
        jbuf_adds(r, b, "anonymous");
    jbuf_adds(r, b, ">");
}

/* Takes the keyword out of a; JV_MISSING if it is not there. */
static struct jv pop_kw(struct jargs *a, const char *name, size_t n)
{
    for (size_t i = 0; i < a->nkw; i++) {
        if (!name_is(name, n, a->kw[i].k))
            continue;
        struct jv v = a->kw[i].v;
        memmove(a->kw + i, a->kw + i + 1, (a->nkw - i - 1) * sizeof *a->kw);
        a->nkw--;
        return v;
    }
    return jv_missing();
}

static struct jv kwargs_dict(struct jrun *r, const struct jargs *a)
{
    struct jdict *m = jdict_new(r, a->nkw);
    for (size_t i = 0; i < a->nkw; i++)
        jdict_append(r, m, a->kw[i].k, a->kw[i].v);
    return jv_of_dict(m);
}

/* jinja2's Macro.__call__: positions, then keywords, then caller, kwargs and varargs. */
static void bind_macro(struct jrun *r, const struct jmacrodef *m, struct jargs *a, struct jv *slots)
{
    size_t given = a->n < m->params.n ? a->n : m->params.n;
    bool found_caller = given == m->params.n && m->explicit_caller;
    for (size_t i = 0; i < m->params.n; i++) {
        const struct jnode *p = m->params.p[i];
        if (i >= given && jv_is_str(jv_of_str(p->name), "caller"))
            found_caller = true;
        slots[p->slot] = i < given ? a->p[i] : pop_kw(a, p->name->p, p->name->n);
    }
    if (m->caller_slot >= 0 && !found_caller) {
        struct jv caller = pop_kw(a, "caller", 6);
        bool none = caller.kind == JV_MISSING || caller.kind == JV_NONE;
        slots[m->caller_slot] = none ? jv_undef(r, "No caller defined") : caller;
    }
    if (m->kwargs_slot >= 0)
        slots[m->kwargs_slot] = kwargs_dict(r, a);
    else if (a->nkw > 0)
        jrun_fail(r, ST_FORMAT, "the macro takes no keyword argument '%.*s'",
                  (int)(a->kw[0].k.u.s->n < 80 ? a->kw[0].k.u.s->n : 80), a->kw[0].k.u.s->p);
    if (m->varargs_slot >= 0) {
        struct jlist *rest = jlist_new(r, a->n - given);
        for (size_t i = given; i < a->n; i++)
            jlist_add(r, rest, a->p[i]);
        slots[m->varargs_slot] = jv_of_tuple(rest);
    } else if (a->n > given) {
        jrun_fail(r, ST_FORMAT, "the macro takes not more than %zu arguments", m->params.n);
    }
}

struct jv jcall_macro(struct jrun *r, const struct jmacro *macro, struct jargs *args)
{
    const struct jmacrodef *m = macro->def;
    struct jargs a = *args;
    if (a.nkw > 0) { /* pop_kw changes them */
        a.kw = jrun_allocs(r, a.nkw, sizeof *a.kw);
        memcpy(a.kw, args->kw, a.nkw * sizeof *a.kw);
    }
    struct jscope *scope = jrun_alloc(r, sizeof *scope), *caller = r->scope;
    struct jbuf out = {0}, *outer = r->out;
    scope->outer = macro->scope;
    scope->slots = jrun_allocs(r, m->fn->n + 1, sizeof *scope->slots);
    bind_macro(r, m, &a, scope->slots);
    jrun_enter(r);
    r->scope = scope;
    r->out = &out;
    jeval_enter_frame(r, m->frame);
    for (size_t i = 0; i < m->params.n; i++) {
        struct jv *slot = &scope->slots[m->params.p[i]->slot];
        size_t without = m->params.n - m->defaults.n;
        if (slot->kind == JV_MISSING && i < without)
            *slot = jv_undef_name(r, m->params.p[i]->name);
        else if (slot->kind == JV_MISSING)
            *slot = jeval(r, m->defaults.p[i - without]);
    }
    jexec(r, &m->body);
    r->scope = caller;
    r->out = outer;
    jrun_leave(r);
    return jbuf_str(r, &out);
}

struct jv jcall(struct jrun *r, struct jv callee, struct jargs *a)
{
    switch (callee.kind) {
    case JV_FUNC: return callee.u.func->fn(r, jv_missing(), a);
    case JV_METHOD: return callee.u.method->func->fn(r, callee.u.method->self, a);
    case JV_MACRO: return jcall_macro(r, callee.u.macro, a);
    case JV_UNDEF: jv_fail_undef(r, callee);
    case JV_LOOP: jrun_fail(r, ST_FORMAT, "the loop is not recursive, so it cannot be called");
    default: jrun_fail(r, ST_FORMAT, "%s object is not callable", jv_type(callee));
    }
}
