#include "data/tokenizer/bpe.h"

#include <stdlib.h>
#include <string.h>

enum {
    SHORT_WORD = 48,     /* symbols: below it a scan finds the next merge, above it a heap */
    CACHE_WORD = 32,     /* bytes of a cached word, at most */
    CACHE_IDS = 9,       /* and its ids */
    CACHE_SLOTS = 16384, /* at most */
};

/* A word and its ids, in the place that the word's hash names; the last one in stays. */
struct bpe_slot {
    uint32_t n, count; /* n == 0: free */
    char word[CACHE_WORD];
    int32_t ids[CACHE_IDS];
};

struct bpe_symbol {
    int32_t id, merged; /* merged: what the pair with the next one becomes */
    uint32_t rank;      /* of that pair, or NO_RANK */
    int32_t prev, next; /* -1 at the ends */
};

#define NO_RANK UINT32_MAX

enum status bpe_run_open(struct bpe_run *r, const struct bpe *b, size_t text_bytes, struct fault *f)
{
    size_t slots = 64;
    *r = (struct bpe_run){.b = b};
    if (text_bytes < 512)
        return ST_OK;
    while (slots < text_bytes / 8 && slots < CACHE_SLOTS)
        slots *= 2;
    r->cache = calloc(slots, sizeof *r->cache);
    if (!r->cache)
        return fault_nomem(f, "tokenizing", slots * sizeof *r->cache);
    r->cache_mask = slots - 1;
    return ST_OK;
}

void bpe_run_close(struct bpe_run *r)
{
    free(r->cache);
    free(r->symbols);
    free(r->heap);
    *r = (struct bpe_run){0};
}

static uint32_t pair_rank(const struct bpe *b, int32_t left, int32_t right, int32_t *merged)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t slot = bpe_pair_slot(b, pair), far = 0;
    for (; b->merges[slot].pair != UINT64_MAX && far <= b->merge_reach; far++) {
        if (b->merges[slot].pair == pair) {
            *merged = b->merges[slot].id;
            return b->merges[slot].rank;
        }
        slot = (slot + 1) & b->merge_mask;
    }
    return NO_RANK;
}

/* ---- characters to symbols ------------------------------------------------------------------- */

/* Where the symbols of a word go, and the unknown characters that wait to be fused. */
struct symbols {
    struct bpe_symbol *p;
    size_t n;
    bool unk_waits;
};

static void symbol_add(struct symbols *s, int32_t id)
{
    s->p[s->n++].id = id;
}

/* A character without an id: its bytes, else unk_token, else nothing. */
static enum status unknown_add(const struct bpe *b, struct symbols *s, const char *c, size_t n,
                               struct fault *f)
{
    bool all = b->byte_fallback;
    for (size_t i = 0; i < n && all; i++)
        all = b->fallback_ids[(unsigned char)c[i]] >= 0;
    if (all) {
        /* The library does not flush a waiting unk here: it comes after these bytes. */
        for (size_t i = 0; i < n; i++)
            symbol_add(s, b->fallback_ids[(unsigned char)c[i]]);
        return ST_OK;
    }
    if (b->unk_missing)
        return fault_set(f, ST_FORMAT, "the text needs unk_token, which is not in the vocabulary");
    if (b->unk_id < 0)
        return ST_OK;
    if (s->unk_waits && !b->fuse_unk)
        symbol_add(s, b->unk_id);
    s->unk_waits = true;
    return ST_OK;
}

static void known_add(const struct bpe *b, struct symbols *s, int32_t id)
{
    if (s->unk_waits)
        symbol_add(s, b->unk_id);
    s->unk_waits = false;
    symbol_add(s, id);
}

static enum status symbols_fill(const struct bpe *b, struct symbols *out, const char *s, size_t n,
                                struct fault *f)
{
    for (size_t i = 0; i < n;) {
        size_t at = i;
        int32_t id;
        char c[2];
        const char *p = s + at;
        if (b->byte_level) {
            id = b->byte_ids[(unsigned char)s[i++]];
            if (id < 0) {
                uint32_t mapped = bpe_char_of((unsigned char)s[at]);
                c[0] = (char)(mapped < 0x80 ? mapped : 0xC0 | mapped >> 6);
                c[1] = (char)(0x80 | (mapped & 63));
                p = c;
                i = at + (mapped < 0x80 ? 1 : 2); /* for the length only */
            }
        } else {
            utf8_next(s, n, &i);
            id = vocab_find(&b->vocab, p, i - at);
        }
        if (id >= 0)
            known_add(b, out, id);
        else if (unknown_add(b, out, p, i - at, f) != ST_OK)
            return f->code;
        if (b->byte_level)
            i = at + 1;
    }
    if (out->unk_waits)
        symbol_add(out, b->unk_id);
    return ST_OK;
}

/* ---- merging --------------------------------------------------------------------------------- */

static void merge_short(const struct bpe *b, struct symbols *w)
{
    struct bpe_symbol *p = w->p;
    size_t n = w->n;
    for (size_t i = 0; i + 1 < n; i++)
        p[i].rank = pair_rank(b, p[i].id, p[i + 1].id, &p[i].merged);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (p[i].rank < p[best].rank)
                best = i;
        if (p[best].rank == NO_RANK)
            break;
        p[best].id = p[best].merged;
        memmove(p + best + 1, p + best + 2, (n - best - 2) * sizeof *p);
        n--;
        if (best + 1 < n)
            p[best].rank = pair_rank(b, p[best].id, p[best + 1].id, &p[best].merged);
        if (best > 0)
            p[best - 1].rank = pair_rank(b, p[best - 1].id, p[best].id, &p[best - 1].merged);
    }
    w->n = n;
}

static void heap_down(uint64_t *heap, size_t n, size_t i)
{
    uint64_t v = heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= v)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = v;
}

static void heap_push(uint64_t *heap, size_t *n, uint64_t v)
{
    size_t i = (*n)++;
    for (; i > 0 && heap[(i - 1) / 2] > v; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = v;
}

static uint64_t heap_pop(uint64_t *heap, size_t *n)
{
    uint64_t top = heap[0];
    heap[0] = heap[--*n];
    if (*n > 0)
        heap_down(heap, *n, 0);
    return top;
}

/* Ranks the pair that starts at i anew and queues it. Entries of the heap are rank << 32 |
 * position; one is stale when the symbol's rank is another by now. */
static void pair_queue(const struct bpe *b, struct bpe_symbol *p, int32_t i, uint64_t *heap,
                       size_t *heaped)
{
    p[i].rank = p[i].next < 0 ? NO_RANK : pair_rank(b, p[i].id, p[p[i].next].id, &p[i].merged);
    if (p[i].rank != NO_RANK)
        heap_push(heap, heaped, (uint64_t)p[i].rank << 32 | (uint32_t)i);
}

static void merge_long(const struct bpe *b, struct symbols *w, uint64_t *heap)
{
    struct bpe_symbol *p = w->p;
    size_t heaped = 0, out = 0;
    int32_t n = (int32_t)w->n;
    for (int32_t i = 0; i < n; i++) {
        p[i].prev = i - 1;
        p[i].next = i + 1 < n ? i + 1 : -1;
        p[i].rank = i + 1 < n ? pair_rank(b, p[i].id, p[i + 1].id, &p[i].merged) : NO_RANK;
        if (p[i].rank != NO_RANK)
            heap[heaped++] = (uint64_t)p[i].rank << 32 | (uint32_t)i;
    }
    for (size_t i = heaped / 2; i-- > 0;)
        heap_down(heap, heaped, i);
    while (heaped > 0) {
        uint64_t top = heap_pop(heap, &heaped);
        int32_t at = (int32_t)(uint32_t)top;
        if (p[at].rank != (uint32_t)(top >> 32))
            continue;
        int32_t gone = p[at].next;
        p[at].id = p[at].merged;
        p[at].next = p[gone].next;
        if (p[at].next >= 0)
            p[p[at].next].prev = at;
        p[gone].id = -1;
        p[gone].rank = NO_RANK;
        pair_queue(b, p, at, heap, &heaped);
        if (p[at].prev >= 0)
            pair_queue(b, p, p[at].prev, heap, &heaped);
    }
    for (int32_t i = 0; i < n; i++)
        if (p[i].id >= 0)
            p[out++].id = p[i].id;
    w->n = out;
}

/* Room for n symbols and, for a long word, the heap: the first n pairs and two more a merge. */
static enum status run_reserve(struct bpe_run *r, size_t n, struct fault *f)
{
    if (n > r->symbol_cap) {
        size_t cap = n < 1024 ? 1024 : n;
        struct bpe_symbol *p = realloc(r->symbols, cap * sizeof *p);
        if (!p)
            return fault_nomem(f, "tokenizing", cap * sizeof *p);
        r->symbols = p;
        r->symbol_cap = cap;
    }
    if (n > SHORT_WORD && 3 * n > r->heap_cap) {
        uint64_t *p = realloc(r->heap, 3 * n * sizeof *p);
        if (!p)
            return fault_nomem(f, "tokenizing", 3 * n * sizeof *p);
        r->heap = p;
        r->heap_cap = 3 * n;
    }
    return ST_OK;
}

/* ---- words ----------------------------------------------------------------------------------- */

static enum status word_merge(struct bpe_run *r, struct ids *out, const char *s, size_t n,
                              struct fault *f)
{
    struct symbols w = {0};
    /* A byte-level character without an id may fall back to its two bytes. */
    size_t most = r->b->byte_level && r->b->byte_fallback ? 2 * n : n;
    if (run_reserve(r, most + 1, f) != ST_OK)
        return f->code;
    w.p = r->symbols;
    if (symbols_fill(r->b, &w, s, n, f) != ST_OK)
        return f->code;
    if (w.n <= SHORT_WORD)
        merge_short(r->b, &w);
    else
        merge_long(r->b, &w, r->heap);
    for (size_t i = 0; i < w.n; i++)
        if (ids_add(out, w.p[i].id, f) != ST_OK)
            return f->code;
    return ST_OK;
}

static enum status word_encode(struct bpe_run *r, struct ids *out, const char *s, size_t n,
                               struct fault *f)
{
    const struct bpe *b = r->b;
    if (b->ignore_merges) {
        int32_t id = vocab_find(b->byte_level ? &b->raw : &b->vocab, s, n);
        if (id >= 0)
            return ids_add(out, id, f);
    }
    if (!r->cache || n > CACHE_WORD)
        return word_merge(r, out, s, n, f);
    struct bpe_slot *slot = &r->cache[vocab_hash(s, n) & r->cache_mask];
    if (slot->n == n && memcmp(slot->word, s, n) == 0)
        return ids_adds(out, slot->ids, slot->count, f);
    size_t before = out->n;
    if (word_merge(r, out, s, n, f) != ST_OK)
        return f->code;
    if (out->n - before <= CACHE_IDS) {
        slot->n = (uint32_t)n;
        slot->count = (uint32_t)(out->n - before);
        memcpy(slot->word, s, n);
        for (uint32_t i = 0; i < slot->count; i++)
            slot->ids[i] = out->p[before + i];
    }
    return ST_OK;
}

static bool joins(const struct bpe *b, const char *s, size_t at)
{
    size_t i = at - 1;
    while (i > 0 && ((unsigned char)s[i] & 0xC0) == 0x80)
        i--;
    uint32_t c = utf8_next(s, at, &i);
    for (size_t j = 0; j < b->joiner_count; j++)
        if (b->joiners[j] == c)
            return true;
    return false;
}

enum status bpe_encode(struct bpe_run *r, struct ids *out, const char *s, size_t n, struct fault *f)
{
    size_t from = 0;
    if (n == 0)
        return ST_OK;
    if (n > INT32_MAX / 4)
        return fault_set(f, ST_RANGE, "a word of %zu bytes is too long to tokenize", n);
    if (!r->b->cut_spaces)
        return word_encode(r, out, s, n, f);
    for (size_t i = 1; i + 2 < n; i++) {
        if (s[i] != '\xE2' || s[i + 1] != '\x96' || s[i + 2] != '\x81' || joins(r->b, s, i))
            continue;
        if (word_encode(r, out, s + from, i - from, f) != ST_OK)
            return f->code;
        from = i;
        i += 2;
    }
    return word_encode(r, out, s + from, n - from, f);
}
