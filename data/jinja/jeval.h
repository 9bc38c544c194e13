/* Evaluation of expressions (jeval.c) and execution of statements (jexec.c). */
#ifndef DATA_JINJA_JEVAL_H
#define DATA_JINJA_JEVAL_H

#include "data/jinja/jnode.h"

enum jflow { JFLOW_NEXT, JFLOW_BREAK, JFLOW_CONTINUE };

struct jv jeval(struct jrun *r, const struct jnode *n);
struct jv jeval_filter(struct jrun *r, const struct jnode *n, struct jv value);
enum jflow jexec(struct jrun *r, const struct jnodes *body); /* writes to r->out */

struct jv *jeval_slot(struct jrun *r, int hops, int slot);
void jeval_enter_frame(struct jrun *r, const struct jframe *fr);

/* Operators: numbers, strings and sequences by Python's rules (jnum.c). */
struct jv jnum_binary(struct jrun *r, enum jop op, struct jv a, struct jv b);
struct jv jnum_negate(struct jrun *r, struct jv v, bool negate);
_Noreturn void jnum_too_big(struct jrun *r); /* for an int64_t */
int64_t jnum_floordiv(struct jrun *r, int64_t a, int64_t b);
int64_t jnum_mod(struct jrun *r, int64_t a, int64_t b);

/* Attributes and subscripts, as the sandbox lets them be seen (jattr.c). */
struct jv jattr_get(struct jrun *r, struct jv v, struct jv name);  /* v.name */
struct jv jattr_only(struct jrun *r, struct jv v, struct jv name); /* JV_MISSING if none */
struct jv jattr_item(struct jrun *r, struct jv v, struct jv key);  /* v[key] */

#endif
