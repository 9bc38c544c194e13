/* Pieces and their ids: both ways, built once at open, then read by any number of threads.
 *
 *     struct vocab v = {0};
 *     vocab_reserve(&v, count, f);
 *     vocab_add(&v, "hello", 5, 17, f);
 *     vocab_seal(&v, 4 * count, "vocab.json", f); // the way from id to piece
 *     int32_t id = vocab_find(&v, "hello", 5);   // 17, or -1
 *     vocab_free(&v); */
#ifndef DATA_TOKENIZER_VOCAB_H
#define DATA_TOKENIZER_VOCAB_H

#include <stdbool.h>

#include "data/text.h"
#include "kernels/status.h"

/* How far from its own slot an entry of a hash table may be. By chance it is a few dozen; what is
 * made to collide is refused, so that no file can make look-ups slow. */
enum { VOCAB_REACH = 1024 };

struct vocab_entry {
    size_t at; /* into the bytes; the piece ends with a NUL there */
    uint32_t n, hash;
    int32_t id;
};

struct vocab {
    struct vocab_entry *entries;
    size_t count, cap;
    uint32_t *slots; /* entry + 1, or 0; the number of slots is a power of two */
    size_t slot_mask;
    size_t reach;    /* no entry is further than this from the slot of its hash */
    uint32_t *by_id; /* entry + 1, or 0 */
    size_t id_count; /* one above the largest id */
    struct text bytes;
};

/* Makes room for count pieces; may be called again to grow. */
enum status vocab_reserve(struct vocab *v, size_t count, struct fault *f);

/* Adds a piece that is not there yet (the caller knows), with an id >= 0. ST_RANGE when too many
 * have one hash. */
enum status vocab_add(struct vocab *v, const char *piece, size_t n, int32_t id, struct fault *f);

/* Builds the table from ids to pieces. ST_FORMAT when two pieces have one id, ST_RANGE when an id
 * is not below id_limit, which bounds the memory. */
enum status vocab_seal(struct vocab *v, size_t id_limit, const char *where, struct fault *f);

int32_t vocab_find(const struct vocab *v, const char *piece, size_t n); /* -1 if absent */

/* The piece with its length, or NULL. Valid until the next vocab_add. */
const char *vocab_piece(const struct vocab *v, int32_t id, size_t *n);

void vocab_free(struct vocab *v);

/* The hash that vocab and the word cache share. */
uint64_t vocab_hash(const char *s, size_t n);

#endif
