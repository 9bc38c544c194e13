/* Iteration: everything that a for loop or a filter can walk.
 *
 *     struct jiter *it = jiter_of(r, v);          // fails if v cannot be walked
 *     for (struct jv item; jiter_next(r, it, &item);) …
 *
 * Generators (what map, select, … return) are lazy as in jinja2: an item is computed when it is
 * asked for, and a second walk finds nothing. */
#ifndef DATA_JINJA_JITER_H
#define DATA_JINJA_JITER_H

#include "data/jinja/jrun.h"

struct jiter;
typedef bool jiter_fn(struct jrun *r, struct jiter *it, struct jv *out);

struct jiter {
    jiter_fn *next;
    struct jv over;    /* what is walked */
    struct jiter *src; /* what a generator draws from */
    size_t i;
    void *more; /* what its next() needs beyond that */
};

/* The `loop` of a for statement, and how the statement draws its items. */
struct jloop {
    struct jiter *it;
    struct jv over;
    bool filtered; /* by the statement's own `if`: then `over` does not tell the length */
    int64_t index0, length;
    struct jv before, current, after, changed;
};

bool jiter_can(struct jv v);
struct jiter *jiter_of(struct jrun *r, struct jv v);
struct jiter *jiter_try(struct jrun *r, struct jv v); /* NULL if v cannot be walked */
bool jiter_next(struct jrun *r, struct jiter *it, struct jv *out);
struct jiter *jiter_new(struct jrun *r, jiter_fn *next, struct jv over);
struct jiter *jiter_reversed(struct jrun *r,
                             struct jv v);             /* NULL where Python's reversed() fails */
struct jlist *jiter_list(struct jrun *r, struct jv v); /* list(v) */
int64_t jiter_len(struct jrun *r, struct jv v);        /* len(v); fails without one */
struct jv jview_at(struct jrun *r, const struct jview *v, size_t i);
struct jv jiter_generator(struct jiter *it);
int64_t jiter_loop_len(struct jrun *r, struct jloop *loop);
bool jiter_loop_peek(struct jrun *r, struct jloop *loop);
bool jiter_loop_step(struct jrun *r, struct jloop *loop, struct jv *out);

#endif
