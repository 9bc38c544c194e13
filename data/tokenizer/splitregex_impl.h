/* What the files that compile Split patterns share: splitregex_open.c reads the structure,
 * splitregex_class.c the sets of characters. */
#ifndef DATA_TOKENIZER_SPLITREGEX_IMPL_H
#define DATA_TOKENIZER_SPLITREGEX_IMPL_H

#include "data/tokenizer/splitregex.h"

enum {
    SPLITREGEX_CODES = 2048,  /* instructions and sets, at most */
    SPLITREGEX_RANGES = 2048, /* and ranges */
};

struct splitregex_compiler {
    struct splitregex *r;
    const char *pattern, *where;
    size_t n, at;
    bool any_case;
    int depth;
    uint32_t last; /* the literal letter just before, while any_case holds */
    struct fault *f;
};

enum status splitregex_refuse(struct splitregex_compiler *c, const char *what);
bool splitregex_next_is(const struct splitregex_compiler *c, const char *s);
bool splitregex_take(struct splitregex_compiler *c, const char *s); /* past s, if it is next */
enum status splitregex_code_add(struct splitregex_compiler *c, struct splitregex_code code);

/* A class, an escape or a literal, as a REPEAT of one. */
enum status splitregex_set_take(struct splitregex_compiler *c);

#endif
