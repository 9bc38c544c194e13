/* Inside data/audit*.c only. */
#ifndef DATA_AUDIT_IMPL_H
#define DATA_AUDIT_IMPL_H

#include "data/audit.h"

/* In the order in which they are told within their severity. */
enum audit_kind {
    AUDIT_BAD_LINES,
    AUDIT_NO_TARGETS,
    AUDIT_NO_ROWS,
    AUDIT_TEMPLATE_EOS,
    AUDIT_MISSING_EOS,
    AUDIT_UNTRAINED,
    AUDIT_NO_EOS,
    AUDIT_EQUAL,
    AUDIT_CUT,
    AUDIT_UNMASKED,
    AUDIT_SPECIAL,
    AUDIT_DOUBLE_BOS,
    AUDIT_DUPLICATES,
    AUDIT_VALID_DUPLICATES,
    AUDIT_LEAKED,
    AUDIT_SPLIT,
    AUDIT_KINDS
};

struct audit {
    struct audit_options o;
    struct dataset_watch lenient, strict;
    struct audit_finding found[AUDIT_KINDS]; /* counted here, told if the count is above 0 */
    const struct audit_finding *told[AUDIT_KINDS];
    size_t tellings;
    struct special *special; /* texts of the special tokens, by length and then by bytes */
    size_t specials;
    bool special_first[256];   /* a special token begins with this byte */
    char special_seen[64];     /* the first that was met */
    struct audit_place *where; /* [vocab] a place of each token that occurs; path NULL: none */
    size_t whole;              /* rows that are not cut and should have an end */
    size_t templated, ended;   /* those of them from the chat template; that hold an EOS at all */
};

struct special {
    const char *text;
    size_t n;
};

/* Counts one more and keeps the place; memory that is short loses the place alone. */
void audit_count(struct audit *a, enum audit_kind kind, const char *path, int line);

/* Watches JSON lines for special tokens in their texts. */
void audit_watch_line(void *ctx, const char *path, int line, const struct json *root);
enum status audit_list_specials(struct audit *a, struct fault *f);

/* What a dataset's rows show by themselves, and what they show together. */
void audit_rows(struct audit *a, const struct dataset *d);
enum status audit_duplicates(struct audit *a, const struct dataset *train,
                             const struct dataset *valid, struct fault *f);
enum status audit_embeddings(struct audit *a, struct fault *f);

#endif
