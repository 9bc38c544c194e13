#include "data/jinja/jparse.h"

#include <string.h>

static void parse_body(struct jparse *p, struct jnodes *body, const char *const ends[]);

void jparse_next(struct jparse *p)
{
    if (p->at->kind != JT_EOF)
        p->at++;
    p->r->line = p->at->line;
    jrun_spend(p->r, 1);
}

bool jparse_name(const struct jparse *p, const char *name)
{
    return p->at->kind == JT_NAME && jv_is_str(p->at->v, name);
}

bool jparse_skip(struct jparse *p, enum jtok kind)
{
    if (p->at->kind != kind)
        return false;
    jparse_next(p);
    return true;
}

bool jparse_skip_name(struct jparse *p, const char *name)
{
    if (!jparse_name(p, name))
        return false;
    jparse_next(p);
    return true;
}

_Noreturn void jparse_fail(struct jparse *p, const char *expected)
{
    const struct jtoken *t = p->at;
    if (t->kind == JT_EOF)
        jrun_fail(p->r, ST_FORMAT, "unexpected end of template, expected %s", expected);
    if (t->kind == JT_NAME)
        jrun_fail(p->r, ST_FORMAT, "expected %s, got '%.*s'", expected,
                  (int)(t->v.u.s->n < 80 ? t->v.u.s->n : 80), t->v.u.s->p);
    jrun_fail(p->r, ST_FORMAT, "expected %s", expected);
}

void jparse_expect(struct jparse *p, enum jtok kind, const char *what)
{
    if (!jparse_skip(p, kind))
        jparse_fail(p, what);
}

struct jstr *jparse_expect_name(struct jparse *p)
{
    if (p->at->kind != JT_NAME)
        jparse_fail(p, "a name");
    struct jstr *name = p->at->v.u.s;
    jparse_next(p);
    return name;
}

struct jnode *jparse_node(struct jparse *p, enum jnode_kind kind)
{
    struct jnode *n = jrun_alloc(p->r, sizeof *n);
    n->kind = kind;
    n->line = p->at->line;
    n->slot = n->loop_slot = -1;
    return n;
}

void jparse_add(struct jparse *p, struct jnodes *l, struct jnode *n)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 4;
        struct jnode **q = jrun_allocs(p->r, cap, sizeof(struct jnode *));
        if (l->n > 0)
            memcpy(q, l->p, l->n * sizeof(struct jnode *));
        l->p = q;
        l->cap = cap;
    }
    l->p[l->n++] = n;
}

/* A statement's body up to a tag of that name, which is passed over together with its end. */
static void parse_until(struct jparse *p, struct jnodes *body, const char *end)
{
    const char *const ends[] = {end, NULL};
    jparse_skip(p, JT_COLON);
    jparse_expect(p, JT_BLOCK_END, "end of statement block");
    parse_body(p, body, ends);
    jparse_next(p);
}

static void refuse_loop_store(struct jparse *p, const struct jnode *n)
{
    if (n->kind == JN_NAME && n->name->n == 4 && memcmp(n->name->p, "loop", 4) == 0)
        jrun_fail(p->r, ST_FORMAT, "the special variable loop cannot be assigned in a for loop");
    for (size_t i = 0; n->kind == JN_TUPLE && i < n->list.n; i++)
        refuse_loop_store(p, n->list.p[i]);
}

static struct jnode *parse_for(struct jparse *p)
{
    static const char *const ends[] = {"endfor", "else", NULL};
    struct jnode *n = jparse_node(p, JN_FOR);
    jparse_next(p);
    n->a = jparse_target(p, "in", false);
    refuse_loop_store(p, n->a);
    if (!jparse_skip_name(p, "in"))
        jparse_fail(p, "'in'");
    n->b = jparse_tuple(p, false, "recursive", false);
    int soft = p->soft;
    p->soft = 0;
    if (jparse_skip_name(p, "if"))
        n->c = jparse_expr(p);
    if (jparse_name(p, "recursive"))
        jrun_fail(p->r, ST_UNSUPPORTED, "recursive loops are not supported");
    jparse_skip(p, JT_COLON);
    jparse_expect(p, JT_BLOCK_END, "end of statement block");
    p->loops++;
    parse_body(p, &n->body, ends);
    p->loops--;
    if (jparse_skip_name(p, "else"))
        parse_until(p, &n->otherwise, "endfor");
    else
        jparse_next(p);
    p->soft = soft;
    return n;
}

static struct jnode *parse_if(struct jparse *p)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    struct jnode *first = jparse_node(p, JN_IF), *n = first;
    p->soft++;
    for (;;) {
        jparse_next(p);
        n->a = jparse_tuple(p, false, NULL, false);
        jparse_skip(p, JT_COLON);
        jparse_expect(p, JT_BLOCK_END, "end of statement block");
        parse_body(p, &n->body, ends);
        if (!jparse_name(p, "elif"))
            break;
        n = jparse_node(p, JN_IF);
        jparse_add(p, &first->list, n);
    }
    if (jparse_skip_name(p, "else"))
        parse_until(p, &first->otherwise, "endif");
    else
        jparse_next(p);
    p->soft--;
    return first;
}

static struct jnode *parse_set(struct jparse *p)
{
    struct jnode *n = jparse_node(p, JN_SET);
    jparse_next(p);
    n->a = jparse_target(p, NULL, true);
    if (p->loops > 0)
        refuse_loop_store(p, n->a);
    if (jparse_skip(p, JT_ASSIGN)) {
        n->b = jparse_tuple(p, true, NULL, false);
        return n;
    }
    n->kind = JN_SET_BLOCK;
    n->b = jparse_filters(p, NULL, false);
    int soft = p->soft;
    p->soft = 0;
    parse_until(p, &n->body, "endset");
    p->soft = soft;
    return n;
}

static struct jnode *parse_with(struct jparse *p)
{
    struct jnode *n = jparse_node(p, JN_WITH);
    jparse_next(p);
    while (jparse_is(p) != JT_BLOCK_END) {
        if (n->list.n > 0)
            jparse_expect(p, JT_COMMA, "','");
        jparse_add(p, &n->list, jparse_target(p, NULL, false));
        jparse_expect(p, JT_ASSIGN, "'='");
        jparse_add(p, &n->list2, jparse_expr(p));
    }
    int soft = p->soft;
    p->soft = 0;
    parse_until(p, &n->body, "endwith");
    p->soft = soft;
    return n;
}

static void parse_signature(struct jparse *p, struct jmacrodef *m)
{
    jparse_expect(p, JT_LPAREN, "'('");
    while (jparse_is(p) != JT_RPAREN) {
        if (m->params.n > 0)
            jparse_expect(p, JT_COMMA, "','");
        struct jnode *param = jparse_node(p, JN_NAME);
        param->flag = true;
        param->name = jparse_expect_name(p);
        for (size_t i = 0; i < m->params.n; i++)
            if (m->params.p[i]->name->n == param->name->n &&
                memcmp(m->params.p[i]->name->p, param->name->p, param->name->n) == 0)
                jrun_fail(p->r, ST_FORMAT, "a parameter stands twice");
        if (jparse_skip(p, JT_ASSIGN))
            jparse_add(p, &m->defaults, jparse_expr(p));
        else if (m->defaults.n > 0)
            jrun_fail(p->r, ST_FORMAT, "a parameter without a default follows one with it");
        jparse_add(p, &m->params, param);
    }
    jparse_next(p);
}

/* The body of a macro is a function of its own: no break out of it, and no soft frame. */
static void parse_function(struct jparse *p, struct jmacrodef *m, const char *end)
{
    int loops = p->loops, soft = p->soft;
    p->loops = p->soft = 0;
    parse_until(p, &m->body, end);
    p->loops = loops;
    p->soft = soft;
}

static struct jnode *parse_macro(struct jparse *p)
{
    struct jnode *n = jparse_node(p, JN_MACRO);
    n->macro = jrun_alloc(p->r, sizeof *n->macro);
    jparse_next(p);
    n->name = n->macro->name = jparse_expect_name(p);
    parse_signature(p, n->macro);
    parse_function(p, n->macro, "endmacro");
    return n;
}

static struct jnode *parse_call_block(struct jparse *p)
{
    struct jnode *n = jparse_node(p, JN_CALL_BLOCK);
    n->macro = jrun_alloc(p->r, sizeof *n->macro);
    jparse_next(p);
    if (jparse_is(p) == JT_LPAREN)
        parse_signature(p, n->macro);
    n->a = jparse_expr(p);
    if (n->a->kind != JN_CALL)
        jparse_fail(p, "a call");
    parse_function(p, n->macro, "endcall");
    return n;
}

static struct jnode *parse_generation(struct jparse *p)
{
    struct jnode *n = jparse_node(p, JN_GENERATION);
    n->macro = jrun_alloc(p->r, sizeof *n->macro);
    p->generation = true;
    jparse_next(p);
    parse_function(p, n->macro, "endgeneration");
    return n;
}

static struct jnode *parse_filter_block(struct jparse *p)
{
    struct jnode *n = jparse_node(p, JN_FILTER_BLOCK);
    int soft = p->soft;
    jparse_next(p);
    p->soft = 0;
    n->a = jparse_filters(p, NULL, true);
    parse_until(p, &n->body, "endfilter");
    p->soft = soft;
    return n;
}

static struct jnode *parse_print(struct jparse *p)
{
    struct jnode *n = jparse_node(p, JN_IF), *yes = jparse_node(p, JN_CONST);
    yes->value = jv_bool(true);
    n->a = yes; /* several outputs as one statement */
    jparse_next(p);
    while (jparse_is(p) != JT_BLOCK_END) {
        if (n->body.n > 0)
            jparse_expect(p, JT_COMMA, "','");
        struct jnode *out = jparse_node(p, JN_OUTPUT);
        out->a = jparse_expr(p);
        jparse_add(p, &n->body, out);
    }
    return n;
}

static struct jnode *parse_loop_control(struct jparse *p)
{
    struct jnode *n = jparse_node(p, jparse_name(p, "break") ? JN_BREAK : JN_CONTINUE);
    if (p->loops == 0)
        jrun_fail(p->r, ST_FORMAT, "break or continue outside of a loop");
    jparse_next(p);
    return n;
}

static const struct {
    const char *name;
    struct jnode *(*parse)(struct jparse *p);
} statements[] = {{"for", parse_for},
                  {"if", parse_if},
                  {"set", parse_set},
                  {"with", parse_with},
                  {"macro", parse_macro},
                  {"call", parse_call_block},
                  {"filter", parse_filter_block},
                  {"generation", parse_generation},
                  {"print", parse_print},
                  {"break", parse_loop_control},
                  {"continue", parse_loop_control}};

static struct jnode *parse_statement(struct jparse *p)
{
    static const char *const foreign[] = {"block",  "extends", "include",
                                          "import", "from",    "autoescape"};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (jparse_name(p, statements[i].name))
            return statements[i].parse(p);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (jparse_name(p, foreign[i]))
            jrun_fail(p->r, ST_UNSUPPORTED, "the tag '%s' is not supported", foreign[i]);
    jparse_fail(p, "the name of a tag");
}

/* Statements and text up to the end (ends NULL) or to a tag that is one of ends; p is then at its
 * name. */
static void parse_body(struct jparse *p, struct jnodes *body, const char *const ends[])
{
    jrun_enter(p->r);
    for (;;) {
        struct jnode *n;
        if (jparse_is(p) == JT_EOF) {
            if (ends)
                jparse_fail(p, ends[0]);
            break;
        }
        if (jparse_is(p) == JT_DATA) {
            n = jparse_node(p, JN_TEXT);
            n->value = p->at->v;
            jparse_next(p);
        } else if (jparse_skip(p, JT_VAR_BEGIN)) {
            n = jparse_node(p, JN_OUTPUT);
            n->a = jparse_tuple(p, true, NULL, false);
            jparse_expect(p, JT_VAR_END, "end of print statement");
        } else {
            jparse_next(p);
            bool done = false;
            for (size_t i = 0; ends && ends[i]; i++)
                done |= jparse_name(p, ends[i]);
            if (done)
                break;
            n = parse_statement(p);
            jparse_expect(p, JT_BLOCK_END, "end of statement block");
        }
        jparse_add(p, body, n);
    }
    jrun_leave(p->r);
}

void jparse_template(struct jrun *r, struct jinja *t, const char *source, size_t n)
{
    struct jtokens tokens = jlex(r, source, n);
    struct jparse p = {.r = r, .at = tokens.p};
    r->line = p.at->line;
    parse_body(&p, &t->body, NULL);
    jparse_check_unknown(&p);
    t->generation = p.generation;
    if (p.lacks) {
        struct jbuf b = {0};
        jbuf_addf(r, &b, "%s: line %d: the filter '%.*s' is not supported", t->where, p.lacks->line,
                  (int)p.lacks->name->n, p.lacks->name->p);
        jbuf_add(r, &b, "", 1);
        t->lacks = b.p;
    }
}
