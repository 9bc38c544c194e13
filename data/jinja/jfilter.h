/* Filters and tests by name. */
#ifndef DATA_JINJA_JFILTER_H
#define DATA_JINJA_JFILTER_H

#include "data/jinja/jrun.h"

const struct jfunc *jfilter_find(const struct jstr *name); /* NULL if there is none */
bool jfilter_lacks(const struct jfunc *func); /* jinja2 has it, and it is not supported */
const struct jfunc *jtest_find(const struct jstr *name);

/* The families that make up the table of filters; each ends with a NULL name. */
extern const struct jfunc jfilter_text[], jfilter_seq[], jfilter_lazy[], jfilter_num[];

/* What filters share: item.a.0.b for an attribute "a.0.b"; `fallback` (or JV_MISSING) replaces
 * what is undefined on the way. A None or missing attribute gives the item itself. */
struct jv jfilter_attr(struct jrun *r, struct jv item, struct jv attribute, struct jv fallback);
struct jv jfilter_fold(struct jrun *r, struct jv v, bool case_sensitive); /* strings to lower */
int64_t jfilter_int(struct jrun *r, struct jv v, int64_t absent);
bool jfilter_flag(struct jrun *r, struct jv v); /* truth; absent is false */

struct jv jfilter_tojson(struct jrun *r, struct jv v, struct jargs *a); /* jjson.c */
struct jv jjson_value(struct jrun *r, const struct json *v);            /* from a document */

#endif
