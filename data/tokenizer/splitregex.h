/* A small backtracking engine for the Split patterns that have no scanner of their own, with the
 * character classes of the library (PCRE2 here knows another Unicode).
 *
 *     splitregex_open(&r, "\\p{N}{1,3}|[^\\s]+", "tokenizer.json", f);
 *     size_t from = 0, to;
 *     splitregex_find(r, s, n, &from, &to, f);      // from == n: no match any more
 *     splitregex_close(&r);
 *
 * Known: literals, . (not used by any family, hence refused), classes with ranges, \s \S \p \P,
 * groups, (?i:...) over ASCII letters, alternation, ? * + {m,n} greedy, look-ahead. What else the
 * pattern holds, and a pattern that can match nothing, is refused by name. Matching takes a bounded
 * number of steps, so that no pattern can hang; ST_RANGE when they are spent. */
#ifndef DATA_TOKENIZER_SPLITREGEX_H
#define DATA_TOKENIZER_SPLITREGEX_H

#include <stdbool.h>

#include "data/text.h"
#include "kernels/status.h"

struct splitregex;

enum status splitregex_open(struct splitregex **out, const char *pattern, const char *where,
                            struct fault *f);
void splitregex_close(struct splitregex **r);

/* The first match at or after *from: [*from, *to); *from becomes n where there is none. */
enum status splitregex_find(const struct splitregex *r, const char *s, size_t n, size_t *from,
                            size_t *to, struct fault *f);

#endif
