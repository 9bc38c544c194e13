/* The names that every template has: range, namespace, dict, raise_exception, strftime_now, … */
#ifndef DATA_JINJA_JGLOBAL_H
#define DATA_JINJA_JGLOBAL_H

#include "data/jinja/jrun.h"

struct jv jglobal_find(const struct jstr *name); /* JV_MISSING if there is none */

#endif
