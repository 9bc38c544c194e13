/* Normalizers: what is done to a text before it is cut into words.
 *
 *     normalizer_open(&nz, json_get(root, "normalizer"), "tokenizer.json", f);
 *     struct normalized piece = {.s = text, .n = n, .head = true};
 *     struct rewritten buffers[2] = {0};
 *     normalizer_run(&nz, &piece, buffers, f);      // piece.s is now the text or in a buffer
 *     rewritten_free(&buffers[0]); rewritten_free(&buffers[1]);
 *     normalizer_close(&nz); */
#ifndef DATA_TOKENIZER_NORMALIZER_H
#define DATA_TOKENIZER_NORMALIZER_H

#include <stdbool.h>

#include "data/json.h"
#include "data/text.h"
#include "kernels/status.h"

enum normalizer_kind {
    NORMALIZER_NFC,
    NORMALIZER_NFD,
    NORMALIZER_PREPEND, /* text */
    NORMALIZER_REPLACE, /* pattern by text */
    NORMALIZER_STRIP,   /* white space, left and right */
};

struct normalizer_step {
    enum normalizer_kind kind;
    struct text pattern, text;
    bool left, right;
};

struct normalizer {
    struct normalizer_step *steps;
    size_t n, cap;
};

/* A piece of text on its way. ends, unless it is NULL, has for each byte where in the whole text the
 * character ends that the byte comes from: every stage that rewrites keeps it, so that tokens can be
 * found in the text again. What is put in belongs to the character after it at the front, else to
 * the one before it, as in the library. */
struct normalized {
    const char *s;
    size_t n;
    bool head; /* its first character comes from the first one of the whole text */
    const int32_t *ends;
};

/* Where a stage rewrites a piece to. */
struct rewritten {
    struct text text;
    struct ids ends; /* of the same length where the piece has ends */
};
void rewritten_free(struct rewritten *r);
void rewritten_take(struct normalized *piece, const struct rewritten *r); /* it is r now */

/* null and Sequences included. Kinds and patterns that are not above: ST_UNSUPPORTED. */
enum status normalizer_open(struct normalizer *nz, const struct json *v, const char *where,
                            struct fault *f);
enum status normalizer_add(struct normalizer *nz, enum normalizer_kind kind, struct fault *f);
void normalizer_close(struct normalizer *nz);

enum status normalizer_run(const struct normalizer *nz, struct normalized *piece,
                           struct rewritten buffers[2], struct fault *f);

/* Appends `by`, which is to stand before the piece. */
enum status normalizer_prepend(struct rewritten *out, const struct normalized *piece,
                               const struct text *by, struct fault *f);
/* Appends the piece with every occurrence of the pattern replaced; the pattern is not empty. */
enum status normalizer_replace(struct rewritten *out, const struct normalized *piece,
                               const struct text *pattern, const struct text *by, struct fault *f);

/* Replacing makes a text at most so many times longer; a chain of parts may by NORMALIZER_GROWTH. */
enum { NORMALIZER_GROWTH = 1024 };
size_t normalizer_growth(const struct text *pattern, const struct text *by);

/* The pattern {"String": "..."} of Replace and Split; a Regex is left to the caller (*regex). */
enum status normalizer_pattern(const char **string, const char **regex, const struct json *part,
                               const char *what, const char *where, struct fault *f);

#endif
