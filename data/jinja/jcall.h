/* Calling: functions, methods, macros, and the arguments of each. */
#ifndef DATA_JINJA_JCALL_H
#define DATA_JINJA_JCALL_H

#include "data/jinja/jnode.h"

struct jmacro {
    const struct jmacrodef *def;
    struct jscope *scope; /* where it was defined */
};

struct jargs jcall_args(struct jrun *r, const struct jcallargs *c);
void jcall_add_kw(struct jrun *r, struct jargs *a, struct jv name, struct jv v);
struct jv jcall(struct jrun *r, struct jv callee, struct jargs *a);
struct jv jcall_macro(struct jrun *r, const struct jmacro *m, struct jargs *a);
struct jv jcall_new_macro(struct jrun *r, const struct jmacrodef *def);
void jcall_repr_macro(struct jrun *r, struct jbuf *b, const struct jmacro *m);

/* Python's binding of arguments to n named parameters, `names` separated by spaces; a name that
 * starts with '-' cannot be given as a keyword. What is absent becomes JV_MISSING; fewer than
 * `required`, more than n, or an unknown keyword fail. */
void jcall_bind(struct jrun *r, const struct jargs *a, const char *names, int required,
                struct jv *out);

#endif
