#include <string.h>

#include "data/jinja/jparse.h"

static struct jnode *binary(struct jparse *p, struct jnode *a, enum jop op,
                            struct jnode *operand(struct jparse *p))
{
    struct jnode *n = jparse_node(p, JN_BINARY);
    jparse_next(p);
    n->op = op;
    n->a = a;
    n->b = operand(p);
    return n;
}

static struct jnode *parse_operand(struct jparse *p)
{
    return jparse_unary(p, true);
}

static struct jnode *parse_pow(struct jparse *p)
{
    struct jnode *n = parse_operand(p);
    while (jparse_is(p) == JT_POW)
        n = binary(p, n, JOP_POW, parse_operand);
    return n;
}

static struct jnode *parse_product(struct jparse *p)
{
    struct jnode *n = parse_pow(p);
    for (;;) {
        switch (jparse_is(p)) {
        case JT_MUL: n = binary(p, n, JOP_MUL, parse_pow); break;
        case JT_DIV: n = binary(p, n, JOP_DIV, parse_pow); break;
        case JT_FLOORDIV: n = binary(p, n, JOP_FLOORDIV, parse_pow); break;
        case JT_MOD: n = binary(p, n, JOP_MOD, parse_pow); break;
        default: return n;
        }
    }
}

static struct jnode *parse_concat(struct jparse *p)
{
    struct jnode *first = parse_product(p);
    if (jparse_is(p) != JT_TILDE)
        return first;
    struct jnode *n = jparse_node(p, JN_CONCAT);
    jparse_add(p, &n->list, first);
    while (jparse_skip(p, JT_TILDE))
        jparse_add(p, &n->list, parse_product(p));
    return n;
}

static struct jnode *parse_sum(struct jparse *p)
{
    struct jnode *n = parse_concat(p);
    while (jparse_is(p) == JT_ADD || jparse_is(p) == JT_SUB)
        n = binary(p, n, jparse_is(p) == JT_ADD ? JOP_ADD : JOP_SUB, parse_concat);
    return n;
}

/* True, and past the operator, if there is one. */
static bool skip_comparison(struct jparse *p, enum jop *op)
{
    switch (jparse_is(p)) {
    case JT_EQ: *op = JOP_EQ; break;
    case JT_NE: *op = JOP_NE; break;
    case JT_LT: *op = JOP_LT; break;
    case JT_LE: *op = JOP_LE; break;
    case JT_GT: *op = JOP_GT; break;
    case JT_GE: *op = JOP_GE; break;
    default:
        *op = JOP_IN;
        if (jparse_skip_name(p, "in"))
            return true;
        const struct jtoken *second = p->at + 1;
        if (!jparse_name(p, "not") || second->kind != JT_NAME || !jv_is_str(second->v, "in"))
            return false;
        jparse_next(p);
        *op = JOP_NOT_IN;
    }
    jparse_next(p);
    return true;
}

static struct jnode *parse_compare(struct jparse *p)
{
    struct jnode *first = parse_sum(p), *n = NULL;
    size_t cap = 0;
    for (enum jop op; skip_comparison(p, &op);) {
        if (!n) {
            n = jparse_node(p, JN_COMPARE);
            n->a = first;
        }
        if (n->list.n == cap) {
            cap = cap ? cap * 2 : 2;
            enum jop *ops = jrun_allocs(p->r, cap, sizeof *ops);
            if (n->list.n > 0)
                memcpy(ops, n->ops, n->list.n * sizeof *ops);
            n->ops = ops;
        }
        n->ops[n->list.n] = op;
        jparse_add(p, &n->list, parse_sum(p));
    }
    return n ? n : first;
}

static struct jnode *parse_not(struct jparse *p)
{
    if (!jparse_name(p, "not"))
        return parse_compare(p);
    struct jnode *n = jparse_node(p, JN_NOT);
    jrun_enter(p->r);
    jparse_next(p);
    n->a = parse_not(p);
    jrun_leave(p->r);
    return n;
}

static struct jnode *parse_and(struct jparse *p)
{
    struct jnode *n = parse_not(p);
    while (jparse_name(p, "and")) {
        struct jnode *left = n;
        n = jparse_node(p, JN_AND);
        jparse_next(p);
        n->a = left;
        n->b = parse_not(p);
    }
    return n;
}

struct jnode *jparse_expr_no_if(struct jparse *p)
{
    struct jnode *n = parse_and(p);
    while (jparse_name(p, "or")) {
        struct jnode *left = n;
        n = jparse_node(p, JN_OR);
        jparse_next(p);
        n->a = left;
        n->b = parse_and(p);
    }
    return n;
}

struct jnode *jparse_expr(struct jparse *p)
{
    jrun_enter(p->r);
    struct jnode *unknown = p->unknown, *n = jparse_expr_no_if(p);
    while (jparse_skip_name(p, "if")) {
        struct jnode *cond = jparse_node(p, JN_COND);
        cond->a = n;
        cond->b = jparse_expr_no_if(p);
        cond->c = jparse_skip_name(p, "else") ? jparse_expr(p) : NULL;
        n = cond;
        p->unknown = unknown; /* one in an inline if fails only when it is reached */
    }
    jrun_leave(p->r);
    return n;
}

static bool tuple_ends(const struct jparse *p, const char *end_name)
{
    return jparse_is(p) == JT_VAR_END || jparse_is(p) == JT_BLOCK_END ||
           jparse_is(p) == JT_RPAREN || (end_name && jparse_name(p, end_name));
}

static struct jnode *parse_items(struct jparse *p, struct jnode *item(struct jparse *p),
                                 const char *end_name, bool parens)
{
    struct jnode *n = jparse_node(p, JN_TUPLE);
    bool is_tuple = false;
    for (;;) {
        if (n->list.n > 0)
            jparse_expect(p, JT_COMMA, "','");
        if (tuple_ends(p, end_name))
            break;
        jparse_add(p, &n->list, item(p));
        if (jparse_is(p) != JT_COMMA)
            break;
        is_tuple = true;
    }
    if (is_tuple)
        return n;
    if (n->list.n > 0)
        return n->list.p[0];
    if (!parens)
        jparse_fail(p, "an expression");
    return n;
}

struct jnode *jparse_tuple(struct jparse *p, bool with_if, const char *end_name, bool parens)
{
    return parse_items(p, with_if ? jparse_expr : jparse_expr_no_if, end_name, parens);
}

static struct jnode *target_plain(struct jparse *p)
{
    return jparse_primary(p, false);
}

static struct jnode *target_namespace(struct jparse *p)
{
    return jparse_primary(p, true);
}

/* Marks the names in a target as stored to; anything that cannot be stored to is refused. */
static void mark_target(struct jparse *p, struct jnode *n)
{
    jrun_enter(p->r);
    if (n->kind == JN_NAME)
        n->flag = true;
    else if (n->kind == JN_TUPLE)
        for (size_t i = 0; i < n->list.n; i++)
            mark_target(p, n->list.p[i]);
    else if (n->kind != JN_NSREF)
        jrun_fail(p->r, ST_FORMAT, "a target of an assignment must be a name");
    jrun_leave(p->r);
}

struct jnode *jparse_target(struct jparse *p, const char *end_name, bool with_namespace)
{
    struct jnode *n =
        parse_items(p, with_namespace ? target_namespace : target_plain, end_name, false);
    mark_target(p, n);
    return n;
}
