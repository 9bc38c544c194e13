#include <string.h>

#include "data/jinja/jnode.h"

/* jinja2's idtracking.py and the frames of its compiler.py. A frame is analysed as a whole before
 * anything in it is resolved; frames inside it are analysed when the walk reaches them. */

static void visit(struct jrun *r, struct jframe *fr, const struct jnode *n);
static void resolve(struct jrun *r, struct jframe *fr, struct jnode *n);

static bool same_name(const struct jstr *a, const struct jstr *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static void add_load(struct jrun *r, struct jload **p, size_t *n, size_t *cap, struct jload v)
{
    if (*n == *cap) {
        size_t more = *cap ? *cap * 2 : 8;
        struct jload *q = jrun_allocs(r, more, sizeof *q);
        if (*n > 0)
            memcpy(q, *p, *n * sizeof *q);
        *p = q;
        *cap = more;
    }
    (*p)[(*n)++] = v;
}

static struct jload *own(struct jrun *r, const struct jframe *fr, const struct jstr *name)
{
    jrun_spend(r, fr->n / 4 + 1);
    for (size_t i = 0; i < fr->n; i++)
        if (same_name(fr->p[i].name, name))
            return &fr->p[i];
    return NULL;
}

static struct jload *find(struct jrun *r, struct jframe *fr, const struct jstr *name,
                          struct jframe **where)
{
    for (; fr; fr = fr->parent) {
        struct jload *l = own(r, fr, name);
        if (l) {
            *where = fr;
            return l;
        }
    }
    return NULL;
}

/* Names at the same level of one function share a slot, as they share a variable in Python. */
static int slot_of(struct jrun *r, struct jframe *fr, struct jstr *name)
{
    struct jfunction *fn = fr->fn;
    jrun_spend(r, fn->n / 4 + 1);
    for (size_t i = 0; i < fn->n; i++)
        if (fn->names[i].from_slot == fr->level && same_name(fn->names[i].name, name))
            return (int)i;
    add_load(r, &fn->names, &fn->n, &fn->cap, (struct jload){.name = name, .from_slot = fr->level});
    return (int)fn->n - 1;
}

static int hops(const struct jfunction *from, const struct jfunction *to)
{
    int n = 0;
    for (; from != to; from = from->outer)
        n++;
    return n;
}

static void set_alias(const struct jframe *fr, struct jload *l, const struct jload *outer,
                      const struct jframe *where)
{
    l->kind = JLOAD_ALIAS;
    l->from_hops = hops(fr->fn, where->fn);
    l->from_slot = outer->slot;
}

static struct jload *define(struct jrun *r, struct jframe *fr, struct jstr *name,
                            enum jload_kind kind)
{
    struct jload *l = own(r, fr, name);
    if (!l) {
        struct jload v = {.name = name, .slot = slot_of(r, fr, name)};
        add_load(r, &fr->p, &fr->n, &fr->cap, v);
        l = &fr->p[fr->n - 1];
    }
    l->kind = kind;
    return l;
}

static void store(struct jrun *r, struct jframe *fr, struct jstr *name)
{
    struct jload *l = own(r, fr, name);
    if (!l) {
        struct jframe *where;
        const struct jload *outer = fr->parent ? find(r, fr->parent, name, &where) : NULL;
        l = define(r, fr, name, JLOAD_UNDEF);
        if (outer)
            set_alias(fr, l, outer, where);
    }
    l->stored = true;
}

static struct jload *param(struct jrun *r, struct jframe *fr, struct jstr *name)
{
    struct jload *l = define(r, fr, name, JLOAD_PARAM);
    l->stored = true;
    return l;
}

static void load(struct jrun *r, struct jframe *fr, struct jstr *name)
{
    struct jframe *where;
    if (!find(r, fr, name, &where))
        define(r, fr, name, JLOAD_RESOLVE);
}

static void visit_all(struct jrun *r, struct jframe *fr, const struct jnodes *l)
{
    for (size_t i = 0; i < l->n; i++)
        visit(r, fr, l->p[i]);
}

static void params(struct jrun *r, struct jframe *fr, const struct jnode *target)
{
    if (target->kind == JN_NAME)
        param(r, fr, target->name);
    for (size_t i = 0; target->kind == JN_TUPLE && i < target->list.n; i++)
        params(r, fr, target->list.p[i]);
}

static struct jframe branch_of(struct jrun *r, const struct jframe *fr)
{
    struct jframe copy = *fr;
    copy.p = jrun_allocs(r, fr->n + 1, sizeof *copy.p);
    copy.cap = fr->n + 1;
    if (fr->n > 0)
        memcpy(copy.p, fr->p, fr->n * sizeof *copy.p);
    return copy;
}

/* What one branch of an if assigns is, before it, what the name meant outside. */
static void merge(struct jrun *r, struct jframe *fr, const struct jframe *before,
                  const struct jframe *branch)
{
    for (size_t i = 0; i < branch->n; i++) {
        const struct jload *b = &branch->p[i];
        struct jload *l = own(r, fr, b->name);
        if (!l)
            l = define(r, fr, b->name, b->kind);
        const struct jload *was = own(r, before, b->name);
        int slot = l->slot;
        bool stored = l->stored || b->stored;
        if (!l->stored || b->stored)
            *l = *b;
        l->slot = slot;
        l->stored = stored;
        if (!b->stored || (was && was->stored))
            continue;
        struct jframe *where;
        const struct jload *outer = fr->parent ? find(r, fr->parent, b->name, &where) : NULL;
        l->kind = JLOAD_RESOLVE;
        if (outer)
            set_alias(fr, l, outer, where);
    }
}

static void visit_if(struct jrun *r, struct jframe *fr, const struct jnode *n)
{
    visit(r, fr, n->a);
    struct jframe before = branch_of(r, fr), body = branch_of(r, fr), elifs = branch_of(r, fr),
                  otherwise = branch_of(r, fr);
    visit_all(r, &body, &n->body);
    visit_all(r, &elifs, &n->list);
    visit_all(r, &otherwise, &n->otherwise);
    merge(r, fr, &before, &body);
    merge(r, fr, &before, &elifs);
    merge(r, fr, &before, &otherwise);
}

static void visit_call(struct jrun *r, struct jframe *fr, const struct jcallargs *c)
{
    visit_all(r, fr, &c->args);
    visit_all(r, fr, &c->kwvalues);
    if (c->dyn_args)
        visit(r, fr, c->dyn_args);
    if (c->dyn_kwargs)
        visit(r, fr, c->dyn_kwargs);
}

/* What a node in a frame means for the frame's names; bodies with frames of their own do not. */
static void visit(struct jrun *r, struct jframe *fr, const struct jnode *n)
{
    jrun_enter(r);
    switch (n->kind) {
    case JN_NAME: n->flag ? store(r, fr, n->name) : load(r, fr, n->name); break;
    case JN_NSREF: load(r, fr, n->name); break;
    case JN_IF: visit_if(r, fr, n); break;
    case JN_MACRO: store(r, fr, n->name); break;
    case JN_FOR: visit(r, fr, n->b); break;
    case JN_SET:
        visit(r, fr, n->b);
        visit(r, fr, n->a);
        break;
    case JN_SET_BLOCK: visit(r, fr, n->a); break;
    case JN_WITH: visit_all(r, fr, &n->list2); break;
    default:
        if (n->a)
            visit(r, fr, n->a);
        if (n->b)
            visit(r, fr, n->b);
        if (n->c)
            visit(r, fr, n->c);
        visit_all(r, fr, &n->list);
        if (n->call)
            visit_call(r, fr, n->call);
    }
    jrun_leave(r);
}

static struct jframe *inner(struct jrun *r, struct jframe *fr, struct jfunction *fn)
{
    struct jframe *in = jrun_alloc(r, sizeof *in);
    in->parent = fr;
    in->fn = fn;
    in->level = fr ? fr->level + 1 : 0;
    return in;
}

static void resolve_all(struct jrun *r, struct jframe *fr, const struct jnodes *l)
{
    for (size_t i = 0; i < l->n; i++)
        resolve(r, fr, l->p[i]);
}

static void resolve_for(struct jrun *r, struct jframe *fr, struct jnode *n)
{
    n->frame = inner(r, fr, fr->fn);
    if (jscope_uses(r, &n->body, "loop") == 1)
        n->loop_slot = param(r, n->frame, jv_cstr(r, "loop").u.s)->slot;
    params(r, n->frame, n->a);
    visit_all(r, n->frame, &n->body);
    resolve(r, fr, n->b);
    resolve(r, n->frame, n->a);
    resolve_all(r, n->frame, &n->body);
    if (n->c) {
        n->frame3 = inner(r, fr, fr->fn);
        params(r, n->frame3, n->a);
        visit(r, n->frame3, n->c);
        resolve(r, n->frame3, n->c);
    }
    n->frame2 = inner(r, fr, fr->fn);
    visit_all(r, n->frame2, &n->otherwise);
    resolve_all(r, n->frame2, &n->otherwise);
}

static int special(struct jrun *r, struct jmacrodef *m, const char *name)
{
    for (size_t i = 0; i < m->params.n; i++)
        if (jv_is_str(jv_of_str(m->params.p[i]->name), name))
            return -1;
    if (jscope_uses(r, &m->body, name) != 1)
        return -1;
    return param(r, m->frame, jv_cstr(r, name).u.s)->slot;
}

static void resolve_macro(struct jrun *r, struct jframe *fr, struct jmacrodef *m)
{
    m->fn = jrun_alloc(r, sizeof *m->fn);
    m->fn->outer = fr->fn;
    m->frame = inner(r, fr, m->fn);
    for (size_t i = 0; i < m->params.n; i++) {
        struct jnode *p = m->params.p[i];
        param(r, m->frame, p->name);
        if (!jv_is_str(jv_of_str(p->name), "caller"))
            continue;
        m->explicit_caller = true;
        if (i + m->defaults.n < m->params.n && jscope_uses(r, &m->body, "caller") == 1)
            jrun_fail(r, ST_FORMAT, "a macro's parameter caller needs a default");
    }
    visit_all(r, m->frame, &m->defaults);
    m->caller_slot = special(r, m, "caller");
    m->kwargs_slot = special(r, m, "kwargs");
    m->varargs_slot = special(r, m, "varargs");
    visit_all(r, m->frame, &m->body);
    resolve_all(r, m->frame, &m->params);
    resolve_all(r, m->frame, &m->defaults);
    resolve_all(r, m->frame, &m->body);
}

/* A set, filter or with block: names assigned inside stay inside. */
static void resolve_block(struct jrun *r, struct jframe *fr, struct jnode *n)
{
    n->frame = inner(r, fr, fr->fn);
    for (size_t i = 0; n->kind == JN_WITH && i < n->list.n; i++)
        params(r, n->frame, n->list.p[i]);
    visit_all(r, n->frame, &n->body);
    struct jnode *filter = n->kind == JN_SET_BLOCK      ? n->b
                           : n->kind == JN_FILTER_BLOCK ? n->a
                                                        : NULL;
    if (filter)
        visit(r, n->frame, filter);
    resolve_all(r, fr, &n->list2);
    resolve_all(r, n->frame, &n->list);
    resolve_all(r, n->frame, &n->body);
    if (filter)
        resolve(r, n->frame, filter);
    if (n->kind == JN_SET_BLOCK)
        resolve(r, fr, n->a);
}

static void resolve_name(struct jrun *r, struct jframe *fr, struct jnode *n)
{
    struct jframe *where;
    const struct jload *l = find(r, fr, n->name, &where);
    if (!l)
        jrun_fail(r, ST_FORMAT, "a name cannot be resolved");
    n->hops = hops(fr->fn, where->fn);
    n->slot = l->slot;
}

static void resolve(struct jrun *r, struct jframe *fr, struct jnode *n)
{
    jrun_enter(r);
    r->line = n->line;
    switch (n->kind) {
    case JN_NSREF:
    case JN_NAME: resolve_name(r, fr, n); break;
    case JN_FOR: resolve_for(r, fr, n); break;
    case JN_SET_BLOCK:
    case JN_WITH:
    case JN_FILTER_BLOCK: resolve_block(r, fr, n); break;
    case JN_MACRO:
        resolve_macro(r, fr, n->macro);
        resolve_name(r, fr, n);
        break;
    default:
        if (n->macro)
            resolve_macro(r, fr, n->macro);
        if (n->a)
            resolve(r, fr, n->a);
        if (n->b)
            resolve(r, fr, n->b);
        if (n->c)
            resolve(r, fr, n->c);
        resolve_all(r, fr, &n->list);
        if (n->call) {
            resolve_all(r, fr, &n->call->args);
            resolve_all(r, fr, &n->call->kwvalues);
            if (n->call->dyn_args)
                resolve(r, fr, n->call->dyn_args);
            if (n->call->dyn_kwargs)
                resolve(r, fr, n->call->dyn_kwargs);
        }
        resolve_all(r, fr, &n->body);
        resolve_all(r, fr, &n->otherwise);
    }
    jrun_leave(r);
}

void jscope_resolve(struct jrun *r, struct jinja *t)
{
    t->fn = jrun_alloc(r, sizeof *t->fn);
    t->frame = inner(r, NULL, t->fn);
    visit_all(r, t->frame, &t->body);
    resolve_all(r, t->frame, &t->body);
}
