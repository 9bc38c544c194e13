/* Python's two ways of formatting: "%s" % args, and "{}".format(args). */
#ifndef DATA_JINJA_JFORMAT_H
#define DATA_JINJA_JFORMAT_H

#include "data/jinja/jrun.h"

enum { JFORMAT_WIDTH_MAX = 1 << 20, JFORMAT_PRECISION_MAX = 300 };

/* One field: [[fill]align][sign][#][0][width][grouping][.precision][type]. */
struct jformat {
    uint32_t fill;
    char align; /* < > = ^ or 0 */
    char sign;  /* + space - */
    bool alternate, zero;
    char group;           /* , _ or 0 */
    int width, precision; /* -1: none */
    char type;            /* 0: none */
};

void jformat_add(struct jrun *r, struct jbuf *b, const struct jformat *x, struct jv v);
void jformat_add_text(struct jrun *r, struct jbuf *b, const struct jformat *x, struct jv s);

struct jv jformat_percent(struct jrun *r, struct jstr *s, struct jv args);
struct jv jformat_braces(struct jrun *r, struct jstr *s, const struct jargs *a);

#endif
