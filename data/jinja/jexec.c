#include "data/jinja/jcall.h"
#include "data/jinja/jeval.h"
#include "data/jinja/jiter.h"
#include "data/jinja/jrepr.h"

static void assign(struct jrun *r, const struct jnode *target, struct jv v)
{
    if (target->kind == JN_NAME) {
        *jeval_slot(r, target->hops, target->slot) = v;
        return;
    }
    if (target->kind == JN_NSREF) {
        struct jv ns = *jeval_slot(r, target->hops, target->slot);
        if (ns.kind != JV_NAMESPACE)
            jrun_fail(r, ST_FORMAT, "cannot assign attribute on non-namespace object");
        if (target->value.u.s->p[0] == '_')
            jrun_fail(r, ST_FORMAT, "a namespace cannot have attributes that begin with _");
        jdict_put(r, ns.u.m, target->value, v);
        return;
    }
    struct jlist *l = jv_is_seq(v) ? v.u.l : jiter_list(r, v);
    if (l->n != target->list.n)
        jrun_fail(r, ST_FORMAT, "%zu values to unpack where %zu are expected", l->n,
                  target->list.n);
    for (size_t i = 0; i < l->n; i++)
        assign(r, target->list.p[i], l->p[i]);
}

/* The `if` of a for statement. It is asked between two rounds of the body, with the target's
 * names bound to the candidate, so the body's values of them are kept aside. */
struct filter {
    const struct jnode *stmt;
    struct jscope *scope; /* a macro that was given `loop` may be what asks */
    struct jv *kept;
};

/* What was assigned to a target: jinja2 hands on the names' values, not the item they came from. */
static struct jv assigned(struct jrun *r, const struct jnode *target, struct jv item)
{
    if (target->kind == JN_NAME)
        return *jeval_slot(r, target->hops, target->slot);
    if (target->kind != JN_TUPLE)
        return item;
    struct jlist *l = jlist_new(r, target->list.n);
    for (size_t i = 0; i < target->list.n; i++)
        jlist_add(r, l, assigned(r, target->list.p[i], item));
    return jv_of_tuple(l);
}

static bool next_filtered(struct jrun *r, struct jiter *it, struct jv *out)
{
    struct filter *x = it->more;
    const struct jframe *fr = x->stmt->frame3;
    struct jscope *scope = r->scope;
    struct jv item;
    bool found = false;
    r->scope = x->scope;
    for (size_t i = 0; i < fr->n; i++)
        x->kept[i] = r->scope->slots[fr->p[i].slot];
    while (!found && jiter_next(r, it->src, &item)) {
        assign(r, x->stmt->a, item);
        jeval_enter_frame(r, fr);
        found = jv_true(r, jeval(r, x->stmt->c));
        if (found)
            *out = assigned(r, x->stmt->a, item);
    }
    for (size_t i = 0; i < fr->n; i++)
        r->scope->slots[fr->p[i].slot] = x->kept[i];
    r->scope = scope;
    return found;
}

static struct jiter *filtered(struct jrun *r, const struct jnode *n, struct jiter *src)
{
    struct filter *x = jrun_alloc(r, sizeof *x);
    struct jiter *it = jiter_new(r, next_filtered, jv_none());
    x->stmt = n;
    x->scope = r->scope;
    x->kept = jrun_allocs(r, n->frame3->n + 1, sizeof *x->kept);
    it->src = src;
    it->more = x;
    return it;
}

static enum jflow exec_for(struct jrun *r, const struct jnode *n)
{
    struct jloop *loop = jrun_alloc(r, sizeof *loop);
    struct jv over = jeval(r, n->b), item;
    bool any = false;
    *loop = (struct jloop){.it = jiter_of(r, over), .over = over, .index0 = -1, .length = -1};
    if (n->c) {
        loop->it = filtered(r, n, loop->it);
        loop->filtered = true;
    }
    while (jiter_loop_step(r, loop, &item)) {
        assign(r, n->a, item);
        jeval_enter_frame(r, n->frame);
        if (n->loop_slot >= 0)
            r->scope->slots[n->loop_slot] = (struct jv){.kind = JV_LOOP, .u.loop = loop};
        enum jflow flow = jexec(r, &n->body);
        if (flow == JFLOW_BREAK)
            break;
        /* as in jinja2, a round that break or continue ends early does not count for the else */
        any |= flow == JFLOW_NEXT;
    }
    if (any)
        return JFLOW_NEXT;
    jeval_enter_frame(r, n->frame2);
    return jexec(r, &n->otherwise);
}

static enum jflow exec_if(struct jrun *r, const struct jnode *n)
{
    if (jv_true(r, jeval(r, n->a)))
        return jexec(r, &n->body);
    for (size_t i = 0; i < n->list.n; i++)
        if (jv_true(r, jeval(r, n->list.p[i]->a)))
            return jexec(r, &n->list.p[i]->body);
    return jexec(r, &n->otherwise);
}

static void check_namespaces(struct jrun *r, const struct jnode *target)
{
    if (target->kind == JN_NSREF && jeval_slot(r, target->hops, target->slot)->kind != JV_NAMESPACE)
        jrun_fail(r, ST_FORMAT, "cannot assign attribute on non-namespace object");
    for (size_t i = 0; target->kind == JN_TUPLE && i < target->list.n; i++)
        check_namespaces(r, target->list.p[i]);
}

/* The innermost filter of a block's chain takes the block's text. */
static struct jv filter_text(struct jrun *r, const struct jnode *n, struct jv text)
{
    return jeval_filter(r, n, n->a ? filter_text(r, n->a, text) : text);
}

/* jinja2 joins what filter and call blocks give without making a string of it. */
static void add_string(struct jrun *r, struct jv v)
{
    if (v.kind != JV_STR)
        jrun_fail_type(r, "the text of a block", v);
    jbuf_add(r, r->out, v.u.s->p, v.u.s->n);
}

static enum jflow exec_captured(struct jrun *r, const struct jnode *n)
{
    struct jbuf out = {0}, *outer = r->out;
    const struct jnode *filter = n->kind == JN_SET_BLOCK ? n->b : n->a;
    jeval_enter_frame(r, n->frame);
    r->out = &out;
    enum jflow flow = jexec(r, &n->body);
    r->out = outer;
    if (flow != JFLOW_NEXT)
        return flow;
    struct jv text = jbuf_str(r, &out);
    if (filter)
        text = filter_text(r, filter, text);
    if (n->kind == JN_SET_BLOCK)
        assign(r, n->a, text);
    else
        add_string(r, text);
    return JFLOW_NEXT;
}

static enum jflow exec_with(struct jrun *r, const struct jnode *n)
{
    jeval_enter_frame(r, n->frame);
    for (size_t i = 0; i < n->list.n; i++)
        assign(r, n->list.p[i], jeval(r, n->list2.p[i]));
    return jexec(r, &n->body);
}

static void exec_call_block(struct jrun *r, const struct jnode *n)
{
    struct jv caller = jcall_new_macro(r, n->macro), callee = jeval(r, n->a->a);
    struct jargs a = jcall_args(r, n->a->call);
    jcall_add_kw(r, &a, jv_cstr(r, "caller"), caller);
    add_string(r, jcall(r, callee, &a));
}

/* The span of a block whose text is not written straight to the output cannot be known, and one
 * inside another adds nothing. */
static void exec_generation(struct jrun *r, const struct jnode *n)
{
    bool outermost = !r->generating;
    struct jmacro body = {n->macro, r->scope};
    struct jargs none = {0};
    if (r->spans && outermost && r->out != r->root)
        jrun_fail(r, ST_UNSUPPORTED,
                  "a generation block inside a macro, set or filter block has no place");
    r->generating = true;
    size_t at = r->out->n;
    struct jv text = jcall_macro(r, &body, &none);
    jbuf_add(r, r->out, text.u.s->p, text.u.s->n);
    r->generating = !outermost;
    if (!r->spans || !outermost)
        return;
    struct chat_spans *s = r->spans;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 16;
        struct chat_span *p = jrun_allocs(r, cap, sizeof *p);
        for (size_t i = 0; i < s->n; i++)
            p[i] = s->p[i];
        s->p = p;
        s->cap = cap;
    }
    s->p[s->n++] = (struct chat_span){at, r->out->n};
}

static enum jflow exec(struct jrun *r, const struct jnode *n)
{
    r->line = n->line;
    switch (n->kind) {
    case JN_TEXT: jbuf_add(r, r->out, n->value.u.s->p, n->value.u.s->n); break;
    case JN_OUTPUT: jrepr_add_str(r, r->out, jeval(r, n->a)); break;
    case JN_IF: return exec_if(r, n);
    case JN_FOR: return exec_for(r, n);
    case JN_SET:
        check_namespaces(r, n->a);
        assign(r, n->a, jeval(r, n->b));
        break;
    case JN_SET_BLOCK:
    case JN_FILTER_BLOCK: return exec_captured(r, n);
    case JN_WITH: return exec_with(r, n);
    case JN_MACRO: *jeval_slot(r, n->hops, n->slot) = jcall_new_macro(r, n->macro); break;
    case JN_CALL_BLOCK: exec_call_block(r, n); break;
    case JN_GENERATION: exec_generation(r, n); break;
    case JN_BREAK: return JFLOW_BREAK;
    case JN_CONTINUE: return JFLOW_CONTINUE;
    default: jrun_fail(r, ST_FORMAT, "an expression stands for a statement");
    }
    return JFLOW_NEXT;
}

enum jflow jexec(struct jrun *r, const struct jnodes *body)
{
    enum jflow flow = JFLOW_NEXT;
    jrun_enter(r);
    for (size_t i = 0; i < body->n && flow == JFLOW_NEXT; i++) {
        jrun_spend(r, 1);
        flow = exec(r, body->p[i]);
    }
    jrun_leave(r);
    return flow;
}
