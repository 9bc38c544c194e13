/* Added tokens: pieces that are cut out of a text before the model sees it.
 *
 *     added_open(&a, &vocab);
 *     struct added_token s = {.content = "<s>", .n = 3, .special = true};
 *     added_add(&a, &s, &id, "tokenizer.json", f);
 *     added_index(&a, &normalizer, "tokenizer.json", f);   // after the last one
 *     added_split(&a, &a.raw, text, n, emit, context, f);
 *     added_close(&a);
 *
 * As in the library: tokens that are not to be normalized are looked for in the raw text, the
 * others (in their normalized form) in what the normalizer made of the rest; the longest token at
 * the leftmost place wins. */
#ifndef DATA_TOKENIZER_ADDED_H
#define DATA_TOKENIZER_ADDED_H

#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/vocab.h"

struct added_token {
    const char *content; /* owned by the list once added */
    size_t n;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
    /* What decoding shows, filled by added_index: the normalized form if there is one. Only where
     * that is the content of a special token does skipping special tokens hide it. */
    const char *shown;
    size_t shown_n;
    bool hidden;
};

struct added_node {
    uint32_t child, sibling; /* node numbers; 0 is none */
    int32_t token;           /* index of the token that ends here, or -1 */
    unsigned char byte;
};

/* A trie over bytes: the first byte by table, the others by lists of siblings. */
struct added_trie {
    uint32_t first[256];
    struct added_node *nodes;
    size_t n, cap;
};

struct added {
    const struct vocab *vocab; /* the model's: borrowed */
    struct added_token *tokens;
    size_t n, cap;
    int32_t last_id;         /* the largest id given so far, or -1 */
    size_t fresh;            /* how many of them the vocabulary has not got */
    struct vocab by_content; /* content to index */
    struct vocab by_id;      /* the same contents, by id */
    struct added_trie raw, normalized;
};

/* What added_split finds, in order: a token, or a gap when token is NULL. */
typedef enum status added_emit(void *context, const struct added_token *token, size_t at, size_t n,
                               struct fault *f);

void added_open(struct added *a, const struct vocab *vocab);
void added_close(struct added *a);

/* Copies the token and gives it the id that the library would: that of the model's vocabulary,
 * else the next free one. *id may be NULL. An empty content is ignored, as is the same token
 * again; the same content with other properties is ST_FORMAT. */
enum status added_add(struct added *a, const struct added_token *token, int32_t *id,
                      const char *where, struct fault *f);

enum status added_index(struct added *a, const struct normalizer *normalizer, const char *where,
                        struct fault *f);

const struct added_token *added_find(const struct added *a, const char *content, size_t n);
const struct added_token *added_of_id(const struct added *a, int32_t id);

enum status added_split(const struct added *a, const struct added_trie *trie, const char *s,
                        size_t n, added_emit *emit, void *context, struct fault *f);

#endif
