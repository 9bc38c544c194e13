/* A small backtracking engine for the Split patterns that have no scanner of their own, with the
 * character classes of the library (PCRE2 here knows another Unicode).
 *
 *     splitregex_open(&r, "\\p{N}{1,3}|[^\\s]+", "tokenizer.json", f);
 *     uint64_t steps = splitregex_steps(n);           // for all of a text
 *     size_t from = 0, to;
 *     splitregex_find(r, s, n, &from, &to, &steps, f); // from == n: no match any more
 *     splitregex_close(&r);
 *
 * Known: literals, . and classes with ranges, \s \S \d \D \p{..} \P{..} by category, ^ $ (of lines),
 * groups, (?i:...) over ASCII, (?>...), alternation, the greedy ? * + {m} {m,} {m,n}, the possessive
 * ?+ *+ ++, look-ahead. What else a pattern holds, and a pattern that can match nothing, is refused
 * by name. A text has so many steps and no more, so that no pattern can hang; ST_RANGE when they
 * are spent. */
#ifndef DATA_TOKENIZER_SPLITREGEX_H
#define DATA_TOKENIZER_SPLITREGEX_H

#include <stdbool.h>

#include "data/text.h"
#include "kernels/status.h"

struct splitregex;

enum status splitregex_open(struct splitregex **out, const char *pattern, const char *where,
                            struct fault *f);
void splitregex_close(struct splitregex **r);

/* The steps that a text of n bytes may take: many times what a sane pattern does. */
uint64_t splitregex_steps(size_t n);

/* The first match at or after *from: [*from, *to); *from becomes n where there is none. */
enum status splitregex_find(const struct splitregex *r, const char *s, size_t n, size_t *from,
                            size_t *to, uint64_t *steps, struct fault *f);

/* ---- between splitregex.c, which runs programs, and splitregex_open.c, which makes them -------- */

/* One code point out of: categories, white space or its opposite, ranges; or anything else. */
struct splitregex_set {
    uint32_t categories;
    bool space, not_space, negated;
    uint32_t range, ranges; /* the first range and how many */
};

enum { SPLITREGEX_NO_LIMIT = INT32_MAX }; /* max of a REPEAT without one */

enum splitregex_op {
    SPLITREGEX_REPEAT, /* min to max code points of a set, as many as go */
    SPLITREGEX_FORK,   /* goes on at the next, and at `to` if that fails */
    SPLITREGEX_JUMP,   /* to `to` */
    SPLITREGEX_LOOK,   /* runs what follows, up to its MATCH before `to`; goes on at `to` */
    SPLITREGEX_ATOMIC, /* the same, but what it matched is taken */
    SPLITREGEX_LINE,   /* a line begins here; negated: ends */
    SPLITREGEX_MATCH,
};

struct splitregex_code {
    enum splitregex_op op;
    bool negated;    /* LOOK, LINE */
    bool possessive; /* REPEAT: gives nothing back */
    uint32_t set, min, max, to;
};

struct splitregex {
    struct splitregex_code *code;
    struct splitregex_set *sets;
    uint32_t (*ranges)[2];
    uint32_t codes, set_count, range_count;
};

#endif
