/* The parser: jinja2's grammar, one function for each of its rules. Private to jparse*.c. */
#ifndef DATA_JINJA_JPARSE_H
#define DATA_JINJA_JPARSE_H

#include "data/jinja/jlex.h"
#include "data/jinja/jnode.h"

struct jparse {
    struct jrun *r;
    const struct jtoken *at;
    int loops; /* for statements around, inside the innermost function */
    int soft;  /* inside an if or an inline if: an unknown filter may stand unused there */
    struct jnode *unknown; /* the first filter or test that does not exist, outside of an if */
    struct jnode *lacks;   /* the first filter that is not supported */
    bool generation;       /* a generation block was seen */
};

static inline enum jtok jparse_is(const struct jparse *p)
{
    return p->at->kind;
}

void jparse_next(struct jparse *p);
bool jparse_name(const struct jparse *p, const char *name); /* the token is this name */
bool jparse_skip(struct jparse *p, enum jtok kind);
bool jparse_skip_name(struct jparse *p, const char *name);
void jparse_expect(struct jparse *p, enum jtok kind, const char *what);
struct jstr *jparse_expect_name(struct jparse *p);
_Noreturn void jparse_fail(struct jparse *p, const char *expected);

struct jnode *jparse_node(struct jparse *p, enum jnode_kind kind);
void jparse_add(struct jparse *p, struct jnodes *l, struct jnode *n);

struct jnode *jparse_primary(struct jparse *p, bool with_namespace);
struct jnode *jparse_unary(struct jparse *p, bool with_filter);
void jparse_check_unknown(struct jparse *p);
struct jnode *jparse_expr(struct jparse *p);
struct jnode *jparse_expr_no_if(struct jparse *p);
/* An expression, or several with commas as a tuple; end_name may end it after a comma. */
struct jnode *jparse_tuple(struct jparse *p, bool with_if, const char *end_name, bool parens);
struct jnode *jparse_target(struct jparse *p, const char *end_name, bool with_namespace);
struct jnode *jparse_filters(struct jparse *p, struct jnode *n, bool start_inline);

#endif
