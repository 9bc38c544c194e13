#include "data/jinja/jeval.h"

#include "data/jinja/jcall.h"
#include "data/jinja/jcmp.h"
#include "data/jinja/jfilter.h"
#include "data/jinja/jglobal.h"
#include "data/jinja/jrepr.h"

struct jv *jeval_slot(struct jrun *r, int hops, int slot)
{
    struct jscope *s = r->scope;
    while (hops-- > 0)
        s = s->outer;
    return &s->slots[slot];
}

void jeval_enter_frame(struct jrun *r, const struct jframe *fr)
{
    for (size_t i = 0; i < fr->n; i++) {
        const struct jload *l = &fr->p[i];
        struct jv *slot = &r->scope->slots[l->slot];
        const struct jv *v;
        switch (l->kind) {
        case JLOAD_PARAM: break;
        case JLOAD_RESOLVE:
            v = jdict_find(r, r->vars, jv_of_str(l->name));
            *slot = v ? *v : jglobal_find(l->name);
            break;
        case JLOAD_ALIAS: *slot = *jeval_slot(r, l->from_hops, l->from_slot); break;
        case JLOAD_UNDEF: *slot = jv_missing(); break;
        }
    }
}

static struct jv eval_list(struct jrun *r, const struct jnode *n)
{
    struct jlist *l = jlist_new(r, n->list.n);
    for (size_t i = 0; i < n->list.n; i++)
        jlist_add(r, l, jeval(r, n->list.p[i]));
    return n->kind == JN_LIST ? jv_of_list(l) : jv_of_tuple(l);
}

static struct jv eval_dict(struct jrun *r, const struct jnode *n)
{
    struct jdict *m = jdict_new(r, n->list.n / 2);
    for (size_t i = 0; i + 1 < n->list.n; i += 2) {
        struct jv k = jeval(r, n->list.p[i]), v = jeval(r, n->list.p[i + 1]);
        jcmp_need_hashable(r, k);
        jdict_put(r, m, k, v);
    }
    return jv_of_dict(m);
}

static struct jv eval_slice(struct jrun *r, const struct jnode *n)
{
    struct jslice *s = jrun_alloc(r, sizeof *s);
    s->start = n->a ? jeval(r, n->a) : jv_none();
    s->stop = n->b ? jeval(r, n->b) : jv_none();
    s->step = n->c ? jeval(r, n->c) : jv_none();
    return (struct jv){.kind = JV_SLICE, .u.slice = s};
}

static bool compare(struct jrun *r, enum jop op, struct jv a, struct jv b)
{
    switch (op) {
    case JOP_EQ: return jcmp_equal(r, a, b);
    case JOP_NE: return !jcmp_equal(r, a, b);
    case JOP_LT: return jcmp_less(r, a, b);
    case JOP_LE: return jcmp_less_equal(r, a, b);
    case JOP_GT: return jcmp_less(r, b, a);
    case JOP_GE: return jcmp_less_equal(r, b, a);
    case JOP_IN: return jcmp_in(r, a, b);
    default: return !jcmp_in(r, a, b);
    }
}

static struct jv eval_compare(struct jrun *r, const struct jnode *n)
{
    struct jv a = jeval(r, n->a);
    for (size_t i = 0; i < n->list.n; i++) {
        struct jv b = jeval(r, n->list.p[i]);
        if (!compare(r, n->ops[i], a, b))
            return jv_bool(false);
        a = b;
    }
    return jv_bool(true);
}

static struct jv eval_concat(struct jrun *r, const struct jnode *n)
{
    struct jbuf b = {0};
    for (size_t i = 0; i < n->list.n; i++)
        jrepr_add_str(r, &b, jeval(r, n->list.p[i]));
    return jbuf_str(r, &b);
}

static struct jv eval_cond(struct jrun *r, const struct jnode *n)
{
    if (jv_true(r, jeval(r, n->b)))
        return jeval(r, n->a);
    if (n->c)
        return jeval(r, n->c);
    return jv_undef(r, "the inline if-expression evaluated to false and has no else section");
}

static _Noreturn void no_such(struct jrun *r, const struct jnode *n, const char *what)
{
    jrun_fail(r, ST_FORMAT, "no %s named '%.*s'", what, (int)(n->name->n < 80 ? n->name->n : 80),
              n->name->p);
}

struct jv jeval_filter(struct jrun *r, const struct jnode *n, struct jv value)
{
    if (!n->func)
        no_such(r, n, "filter");
    struct jargs a = jcall_args(r, n->call);
    return n->func->fn(r, value, &a);
}

static struct jv eval_test(struct jrun *r, const struct jnode *n)
{
    struct jv v = jeval(r, n->a);
    if (!n->func)
        no_such(r, n, "test");
    struct jargs a = jcall_args(r, n->call);
    return n->func->fn(r, v, &a);
}

/* A filter block's chain ends in a filter without an operand: the text of the block, which
 * jeval_filter of the innermost node was given. Here only whole expressions are met. */
static struct jv eval_call(struct jrun *r, const struct jnode *n)
{
    struct jv callee = jeval(r, n->a);
    struct jargs a = jcall_args(r, n->call);
    r->line = n->line;
    return jcall(r, callee, &a);
}

static struct jv eval(struct jrun *r, const struct jnode *n)
{
    struct jv v;
    switch (n->kind) {
    case JN_CONST: return n->value;
    case JN_NAME:
        v = *jeval_slot(r, n->hops, n->slot);
        return v.kind == JV_MISSING ? jv_undef_name(r, n->name) : v;
    case JN_LIST:
    case JN_TUPLE: return eval_list(r, n);
    case JN_DICT: return eval_dict(r, n);
    case JN_ATTR: return jattr_get(r, jeval(r, n->a), jv_of_str(n->name));
    case JN_ITEM: v = jeval(r, n->a); return jattr_item(r, v, jeval(r, n->b));
    case JN_SLICE: return eval_slice(r, n);
    case JN_CALL: return eval_call(r, n);
    case JN_FILTER: return jeval_filter(r, n, jeval(r, n->a));
    case JN_TEST: return eval_test(r, n);
    case JN_NEG:
    case JN_POS: return jnum_negate(r, jeval(r, n->a), n->kind == JN_NEG);
    case JN_NOT: return jv_bool(!jv_true(r, jeval(r, n->a)));
    case JN_AND: v = jeval(r, n->a); return jv_true(r, v) ? jeval(r, n->b) : v;
    case JN_OR: v = jeval(r, n->a); return jv_true(r, v) ? v : jeval(r, n->b);
    case JN_BINARY: v = jeval(r, n->a); return jnum_binary(r, n->op, v, jeval(r, n->b));
    case JN_CONCAT: return eval_concat(r, n);
    case JN_COMPARE: return eval_compare(r, n);
    case JN_COND: return eval_cond(r, n);
    default: jrun_fail(r, ST_FORMAT, "a statement stands for an expression");
    }
}

struct jv jeval(struct jrun *r, const struct jnode *n)
{
    jrun_enter(r);
    r->line = n->line;
    struct jv v = eval(r, n);
    r->line = n->line;
    jrun_leave(r);
    return v;
}
