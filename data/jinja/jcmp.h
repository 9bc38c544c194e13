/* Comparison: ==, <, in, and sorting, by Python's rules. */
#ifndef DATA_JINJA_JCMP_H
#define DATA_JINJA_JCMP_H

#include "data/jinja/jrun.h"

bool jcmp_equal(struct jrun *r, struct jv a, struct jv b);
bool jcmp_same(struct jrun *r, struct jv a, struct jv b); /* `is` */
bool jcmp_less(struct jrun *r, struct jv a, struct jv b); /* fails where Python has no order */
bool jcmp_less_equal(struct jrun *r, struct jv a, struct jv b);
bool jcmp_in(struct jrun *r, struct jv what, struct jv where);
bool jcmp_hashable(struct jrun *r, struct jv v);
void jcmp_need_hashable(struct jrun *r, struct jv v);

/* Sorts items by keys (parallel arrays), stably. */
void jcmp_sort(struct jrun *r, struct jv *items, struct jv *keys, size_t n, bool reverse);

#endif
