#include <string.h>

#include "data/jinja/jfilter.h"
#include "data/jinja/jparse.h"

static struct jcallargs *parse_args(struct jparse *p)
{
    struct jcallargs *c = jrun_alloc(p->r, sizeof *c);
    size_t cap = 0;
    jparse_expect(p, JT_LPAREN, "'('");
    for (bool comma = false; jparse_is(p) != JT_RPAREN; comma = true) {
        if (comma) {
            jparse_expect(p, JT_COMMA, "','");
            if (jparse_is(p) == JT_RPAREN)
                break;
        }
        if (jparse_is(p) == JT_MUL && !c->dyn_args && !c->dyn_kwargs) {
            jparse_next(p);
            c->dyn_args = jparse_expr(p);
        } else if (jparse_is(p) == JT_POW && !c->dyn_kwargs) {
            jparse_next(p);
            c->dyn_kwargs = jparse_expr(p);
        } else if (jparse_is(p) == JT_NAME && p->at[1].kind == JT_ASSIGN && !c->dyn_kwargs) {
            if (c->kwvalues.n == cap) {
                cap = cap ? cap * 2 : 4;
                struct jstr **names = jrun_allocs(p->r, cap, sizeof *names);
                if (c->kwvalues.n > 0)
                    memcpy(names, c->kwnames, c->kwvalues.n * sizeof *names);
                c->kwnames = names;
            }
            c->kwnames[c->kwvalues.n] = jparse_expect_name(p);
            jparse_next(p);
            jparse_add(p, &c->kwvalues, jparse_expr(p));
        } else if (!c->dyn_args && !c->dyn_kwargs && c->kwvalues.n == 0) {
            jparse_add(p, &c->args, jparse_expr(p));
        } else {
            jparse_fail(p, "a keyword argument");
        }
    }
    jparse_next(p);
    return c;
}

static struct jnode *parse_subscribed(struct jparse *p)
{
    struct jnode *slice = jparse_node(p, JN_SLICE), *first = NULL;
    if (jparse_is(p) != JT_COLON) {
        first = jparse_expr(p);
        if (jparse_is(p) != JT_COLON)
            return first;
    }
    jparse_next(p);
    slice->a = first;
    if (jparse_is(p) != JT_COLON && jparse_is(p) != JT_RBRACKET && jparse_is(p) != JT_COMMA)
        slice->b = jparse_expr(p);
    if (jparse_skip(p, JT_COLON) && jparse_is(p) != JT_RBRACKET && jparse_is(p) != JT_COMMA)
        slice->c = jparse_expr(p);
    return slice;
}

static struct jnode *parse_subscript(struct jparse *p, struct jnode *of)
{
    struct jnode *n = jparse_node(p, JN_ITEM);
    n->a = of;
    if (jparse_skip(p, JT_DOT)) {
        if (jparse_is(p) == JT_NAME) {
            n->kind = JN_ATTR;
            n->name = jparse_expect_name(p);
        } else if (jparse_is(p) == JT_INT) {
            n->b = jparse_node(p, JN_CONST);
            n->b->value = p->at->v;
            jparse_next(p);
        } else {
            jparse_fail(p, "a name or a number");
        }
        return n;
    }
    jparse_next(p);
    struct jnode *tuple = jparse_node(p, JN_TUPLE);
    while (jparse_is(p) != JT_RBRACKET) {
        if (tuple->list.n > 0)
            jparse_expect(p, JT_COMMA, "','");
        jparse_add(p, &tuple->list, parse_subscribed(p));
    }
    jparse_next(p);
    n->b = tuple->list.n == 1 ? tuple->list.p[0] : tuple;
    return n;
}

static struct jnode *parse_call(struct jparse *p, struct jnode *of)
{
    struct jnode *n = jparse_node(p, JN_CALL);
    n->a = of;
    n->call = parse_args(p);
    return n;
}

static struct jnode *parse_postfix(struct jparse *p, struct jnode *n)
{
    for (;;) {
        if (jparse_is(p) == JT_DOT || jparse_is(p) == JT_LBRACKET)
            n = parse_subscript(p, n);
        else if (jparse_is(p) == JT_LPAREN)
            n = parse_call(p, n);
        else
            return n;
    }
}

static struct jstr *parse_dotted(struct jparse *p)
{
    struct jstr *name = jparse_expect_name(p);
    if (jparse_is(p) == JT_DOT)
        jparse_fail(p, "a filter or test without dots in its name");
    return name;
}

/* jinja2 refuses an unknown filter or test when it compiles, except inside an if. */
static void look_up(struct jparse *p, struct jnode *n, bool filter)
{
    n->func = filter ? jfilter_find(n->name) : jtest_find(n->name);
    n->flag = filter;
    if (filter && jfilter_lacks(n->func) && !p->lacks)
        p->lacks = n;
    if (!n->func && p->soft == 0 && !p->unknown)
        p->unknown = n;
}

void jparse_check_unknown(struct jparse *p)
{
    const struct jnode *n = p->unknown;
    if (!n)
        return;
    p->r->line = n->line;
    jrun_fail(p->r, ST_FORMAT, "no %s named '%.*s'", n->flag ? "filter" : "test",
              (int)(n->name->n < 80 ? n->name->n : 80), n->name->p);
}

struct jnode *jparse_filters(struct jparse *p, struct jnode *of, bool start_inline)
{
    while (start_inline || jparse_is(p) == JT_PIPE) {
        if (!start_inline)
            jparse_next(p);
        struct jnode *n = jparse_node(p, JN_FILTER);
        n->a = of;
        n->name = parse_dotted(p);
        look_up(p, n, true);
        n->call =
            jparse_is(p) == JT_LPAREN ? parse_args(p) : jrun_alloc(p->r, sizeof(struct jcallargs));
        of = n;
        start_inline = false;
    }
    return of;
}

static struct jnode *parse_test(struct jparse *p, struct jnode *of)
{
    struct jnode *n = jparse_node(p, JN_TEST);
    jparse_next(p);
    bool negated = jparse_skip_name(p, "not");
    n->a = of;
    n->name = parse_dotted(p);
    look_up(p, n, false);
    enum jtok k = jparse_is(p);
    n->call = NULL;
    if (k == JT_LPAREN) {
        n->call = parse_args(p);
    } else {
        n->call = jrun_alloc(p->r, sizeof *n->call);
        bool word = k == JT_NAME && !jparse_name(p, "else") && !jparse_name(p, "or") &&
                    !jparse_name(p, "and");
        if (word && jparse_name(p, "is"))
            jparse_fail(p, "one test: tests with is cannot be chained");
        if (word || k == JT_STRING || k == JT_INT || k == JT_FLOAT || k == JT_LBRACKET ||
            k == JT_LBRACE)
            jparse_add(p, &n->call->args, parse_postfix(p, jparse_primary(p, false)));
    }
    if (!negated)
        return n;
    struct jnode *not = jparse_node(p, JN_NOT);
    not ->a = n;
    return not ;
}

static struct jnode *parse_list(struct jparse *p, enum jnode_kind kind, enum jtok close)
{
    struct jnode *n = jparse_node(p, kind);
    jparse_next(p);
    while (jparse_is(p) != close) {
        if (n->list.n > 0)
            jparse_expect(p, JT_COMMA, "','");
        if (jparse_is(p) == close)
            break;
        jparse_add(p, &n->list, jparse_expr(p));
        if (kind == JN_DICT) {
            jparse_expect(p, JT_COLON, "':'");
            jparse_add(p, &n->list, jparse_expr(p));
        }
    }
    jparse_next(p);
    return n;
}

static struct jnode *parse_name(struct jparse *p, bool with_namespace)
{
    struct jnode *n = jparse_node(p, JN_CONST);
    if (jparse_name(p, "true") || jparse_name(p, "True"))
        n->value = jv_bool(true);
    else if (jparse_name(p, "false") || jparse_name(p, "False"))
        n->value = jv_bool(false);
    else if (jparse_name(p, "none") || jparse_name(p, "None"))
        n->value = jv_none();
    else
        n->kind = JN_NAME;
    n->name = jparse_expect_name(p);
    if (n->kind == JN_NAME && with_namespace && jparse_skip(p, JT_DOT)) {
        n->kind = JN_NSREF;
        n->value = jv_of_str(jparse_expect_name(p));
    }
    return n;
}

static struct jnode *parse_strings(struct jparse *p)
{
    struct jnode *n = jparse_node(p, JN_CONST);
    n->value = p->at->v;
    jparse_next(p);
    if (jparse_is(p) != JT_STRING)
        return n;
    struct jbuf b = {0};
    jbuf_add(p->r, &b, n->value.u.s->p, n->value.u.s->n);
    for (; jparse_is(p) == JT_STRING; jparse_next(p))
        jbuf_add(p->r, &b, p->at->v.u.s->p, p->at->v.u.s->n);
    n->value = jbuf_str(p->r, &b);
    return n;
}

struct jnode *jparse_primary(struct jparse *p, bool with_namespace)
{
    struct jnode *n;
    switch (jparse_is(p)) {
    case JT_NAME: return parse_name(p, with_namespace);
    case JT_STRING: return parse_strings(p);
    case JT_INT:
    case JT_FLOAT:
        n = jparse_node(p, JN_CONST);
        n->value = p->at->v;
        jparse_next(p);
        return n;
    case JT_LPAREN:
        jparse_next(p);
        n = jparse_tuple(p, true, NULL, true);
        jparse_expect(p, JT_RPAREN, "')'");
        return n;
    case JT_LBRACKET: return parse_list(p, JN_LIST, JT_RBRACKET);
    case JT_LBRACE: return parse_list(p, JN_DICT, JT_RBRACE);
    default: jparse_fail(p, "an expression");
    }
}

struct jnode *jparse_unary(struct jparse *p, bool with_filter)
{
    struct jnode *n;
    jrun_enter(p->r);
    if (jparse_is(p) == JT_SUB || jparse_is(p) == JT_ADD) {
        n = jparse_node(p, jparse_is(p) == JT_SUB ? JN_NEG : JN_POS);
        jparse_next(p);
        n->a = jparse_unary(p, false);
    } else {
        n = jparse_primary(p, false);
    }
    n = parse_postfix(p, n);
    while (with_filter) {
        if (jparse_is(p) == JT_PIPE)
            n = jparse_filters(p, n, false);
        else if (jparse_name(p, "is"))
            n = parse_test(p, n);
        else if (jparse_is(p) == JT_LPAREN)
            n = parse_call(p, n);
        else
            break;
    }
    jrun_leave(p->r);
    return n;
}
