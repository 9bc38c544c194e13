/* Methods of strings, dicts, lists, tuples and ranges. The ones that would change their object are
 * withheld, as jinja2's immutable sandbox withholds them. */
#ifndef DATA_JINJA_JMETHOD_H
#define DATA_JINJA_JMETHOD_H

#include "data/jinja/jrun.h"

/* The bound method, an undefined value that says "unsafe", or JV_MISSING. */
struct jv jmethod_find(struct jrun *r, struct jv v, struct jv name);

/* The tables of the two big types, ended by a NULL name. */
extern const struct jfunc jmethod_str[];  /* jmethod_str.c: searching, cutting */
extern const struct jfunc jmethod_text[]; /* jmethod_text.c: changing, asking */

#endif
