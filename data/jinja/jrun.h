/* One parsing or rendering in progress: its arena, its budget, its way out.
 *
 *     struct jrun *r = …;
 *     jrun_spend(r, n);                          // before work that n bounds
 *     char *p = jrun_alloc(r, n);                // zeroed; never NULL
 *     jrun_fail(r, ST_FORMAT, "…");              // does not return
 *
 * The evaluator keeps its variables in activation records (struct jscope): one for the template,
 * one for each call of a macro. jnode.h says how names become slots. */
#ifndef DATA_JINJA_JRUN_H
#define DATA_JINJA_JRUN_H

#include <setjmp.h>

#include "data/jinja/jinja.h"
#include "data/jinja/jv.h"

struct jblock;

struct jarena {
    struct jblock *blocks;
    char *at, *end;
    size_t used;
};

/* Bytes that grow at the end; `p` is in the arena. */
struct jbuf {
    char *p;
    size_t n, cap;
};

struct jscope {
    struct jscope *outer; /* of the function in whose text this one stands */
    struct jv *slots;
};

struct jrun {
    struct jarena arena;
    jmp_buf out_of_here;
    struct fault *f;
    const char *where;
    int line, depth;
    int64_t steps; /* that are left */

    const struct jinja *t;
    struct jdict *vars; /* what the caller passed; they hide globals */
    time_t now;
    struct jscope *scope;
    struct jbuf *out; /* what statements write to */
    struct jbuf *root;
    struct chat_spans *spans; /* NULL unless wanted */
    bool generating;          /* inside a generation block */
};

void jarena_free(struct jarena *a);

void *jrun_alloc(struct jrun *r, size_t n);
void *jrun_allocs(struct jrun *r, size_t n, size_t size);
_Noreturn void jrun_fail(struct jrun *r, enum status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void jrun_fail_type(struct jrun *r, const char *what, struct jv v);
void jrun_set(struct jrun *r, const char *name, struct jv v);
void jrun_spend_fail(struct jrun *r);

static inline void jrun_spend(struct jrun *r, size_t n)
{
    r->steps -= (int64_t)n;
    if (r->steps < 0)
        jrun_spend_fail(r);
}
/* Work on bytes, which is far quicker than a step each. */
static inline void jrun_spend_bytes(struct jrun *r, size_t n)
{
    jrun_spend(r, n / 16 + 1);
}
/* Work on letters one by one: what each is takes a look into tables. */
static inline void jrun_spend_letters(struct jrun *r, size_t n)
{
    jrun_spend(r, n / 2 + 1);
}
void jrun_too_deep(struct jrun *r);
static inline void jrun_enter(struct jrun *r)
{
    if (++r->depth > JINJA_DEPTH_MAX)
        jrun_too_deep(r);
    jrun_spend(r, 1);
}
static inline void jrun_leave(struct jrun *r)
{
    r->depth--;
}

void jbuf_add(struct jrun *r, struct jbuf *b, const char *bytes, size_t n);
void jbuf_adds(struct jrun *r, struct jbuf *b, const char *string);
void jbuf_addf(struct jrun *r, struct jbuf *b, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void jbuf_addc(struct jrun *r, struct jbuf *b, uint32_t codepoint);
void jbuf_fill(struct jrun *r, struct jbuf *b, uint32_t codepoint, size_t n);
struct jv jbuf_str(struct jrun *r, const struct jbuf *b); /* takes its bytes */

#endif
