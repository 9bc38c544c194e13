/* The BPE model: words to ids.
 *
 *     bpe_open(&b, model, byte_level, "tokenizer.json", f);   // the "model" object
 *     struct bpe_run run = {0};
 *     bpe_run_open(&run, &b, text_bytes, f);                  // what one call works in
 *     bpe_encode(&run, &ids, word, n, f);
 *     bpe_run_close(&run);
 *     bpe_close(&b);
 *
 * A merge is always the one of lowest rank, leftmost first. Short words are scanned for it, long
 * ones keep a heap, so a word of a megabyte takes n log n. The model is immutable once open; the
 * cache of words lives in the run. */
#ifndef DATA_TOKENIZER_BPE_H
#define DATA_TOKENIZER_BPE_H

#include "data/json.h"
#include "data/tokenizer/vocab.h"

struct bpe_merge {
    uint64_t pair; /* left id << 32 | right id; UINT64_MAX is an empty slot */
    uint32_t rank;
    int32_t id;
};

struct bpe {
    struct vocab vocab;
    struct vocab raw; /* with byte_level: the same ids by the bytes that they stand for */
    struct bpe_merge *merges;
    size_t merge_mask, merge_reach; /* no merge is further than that from its own slot */
    bool byte_level;           /* words come as plain bytes, each a character of the vocabulary */
    int32_t byte_ids[256];     /* with byte_level: the id of each byte, or -1 */
    int32_t fallback_ids[256]; /* with byte_fallback: the id of <0xNN>, or -1 */
    bool byte_fallback, fuse_unk, ignore_merges;
    int32_t unk_id;   /* -1: characters without an id vanish, as in the library */
    bool unk_missing; /* unk_token is named but not in the vocabulary: needing it is an error */
    bool cut_spaces;  /* no merge crosses a gap before U+2581 unless joiners has what is before */
    uint32_t *joiners;
    size_t joiner_count;
};

/* The slot where the search for a pair begins. The upper half of the product hangs on both ids. */
static inline size_t bpe_pair_slot(const struct bpe *b, uint64_t pair)
{
    return (size_t)(pair * 0x9E3779B97F4A7C15u >> 32) & b->merge_mask;
}

enum status bpe_open(struct bpe *b, const struct json *model, bool byte_level, const char *where,
                     struct fault *f);

/* The same from vocab.json and the bytes of merges.txt. */
enum status bpe_open_files(struct bpe *b, const struct json *vocab, const char *merges, size_t n,
                           struct fault *f);
void bpe_close(struct bpe *b);

struct bpe_run {
    const struct bpe *b;
    struct bpe_slot *cache;
    size_t cache_mask;
    struct bpe_symbol *symbols;
    size_t symbol_cap;
    uint64_t *heap;
    size_t heap_cap;
};

/* text_bytes: how much will be encoded, which decides the size of the cache. */
enum status bpe_run_open(struct bpe_run *r, const struct bpe *b, size_t text_bytes,
                         struct fault *f);
void bpe_run_close(struct bpe_run *r);

/* Appends the ids of one word: s[0..n) is valid UTF-8. ST_RANGE if n is above
 * INT32_MAX / 4. */
enum status bpe_encode(struct bpe_run *r, struct ids *out, const char *s, size_t n,
                       struct fault *f);

/* Where ids that bpe_encode made of a word end in it: `at`, which starts as 0, moves past the bytes
 * that the id stands for. One by one, in order (bpe_place.c). */
size_t bpe_place(const struct bpe *b, int32_t id, const char *s, size_t n, size_t at);

/* The byte that a character of the byte-level alphabet stands for, or -1; and the way back. */
int bpe_byte_of(uint32_t c);
uint32_t bpe_char_of(unsigned char byte);

#endif
