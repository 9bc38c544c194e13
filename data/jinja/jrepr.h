/* str() and repr() as Python prints values. */
#ifndef DATA_JINJA_JREPR_H
#define DATA_JINJA_JREPR_H

#include "data/jinja/jrun.h"

enum {
    JREPR_FLOAT = 40,
    JREPR_FLOAT_STEPS = 300, /* what printing or rounding one costs */
};

void jrepr_add_str(struct jrun *r, struct jbuf *b, struct jv v); /* str(v) */
void jrepr_add(struct jrun *r, struct jbuf *b, struct jv v);     /* repr(v) */
struct jv jrepr_str(struct jrun *r, struct jv v);  /* str(v) as a plain string; not copied */
struct jv jrepr_soft(struct jrun *r, struct jv v); /* the same, but Markup stays Markup */
void jrepr_float(struct jrun *r, char out[JREPR_FLOAT], double d); /* repr(d) */

#endif
