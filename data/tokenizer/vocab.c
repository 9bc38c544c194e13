#include "data/tokenizer/vocab.h"

#include <stdlib.h>
#include <string.h>

uint64_t vocab_hash(const char *s, size_t n)
{
    uint64_t h = n * 0x9E3779B97F4A7C15u, w;
    for (; n >= 8; n -= 8, s += 8) {
        memcpy(&w, s, 8);
        h = (h ^ w) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    if (n > 0) {
        w = 0;
        memcpy(&w, s, n);
        h = (h ^ w) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    h *= 0xD6E8FEB86659FD93u;
    return h ^ h >> 29;
}

static enum status slot_put(struct vocab *v, uint32_t entry, struct fault *f)
{
    size_t slot = v->entries[entry].hash & v->slot_mask, far = 0;
    for (; v->slots[slot]; far++)
        slot = (slot + 1) & v->slot_mask;
    if (far > VOCAB_REACH)
        return fault_set(f, ST_RANGE, "the pieces of the vocabulary are made to collide");
    if (far > v->reach)
        v->reach = far;
    v->slots[slot] = entry + 1;
    return ST_OK;
}

enum status vocab_reserve(struct vocab *v, size_t count, struct fault *f)
{
    if (count <= v->cap)
        return ST_OK;
    if (count > UINT32_MAX / 4)
        return fault_set(f, ST_RANGE, "a vocabulary of %zu pieces is too large", count);
    struct vocab_entry *entries = realloc(v->entries, count * sizeof *entries);
    if (!entries)
        return fault_nomem(f, "the vocabulary", count * sizeof *entries);
    v->entries = entries;
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    uint32_t *table = calloc(slots, sizeof *table);
    if (!table)
        return fault_nomem(f, "the vocabulary", slots * sizeof *table);
    free(v->slots);
    v->slots = table;
    v->slot_mask = slots - 1;
    v->cap = count;
    v->reach = 0;
    enum status st = ST_OK;
    for (size_t i = 0; i < v->count && st == ST_OK; i++)
        st = slot_put(v, (uint32_t)i, f);
    return st;
}

enum status vocab_add(struct vocab *v, const char *piece, size_t n, int32_t id, struct fault *f)
{
    if (v->count == v->cap && vocab_reserve(v, v->cap + v->cap / 2 + 64, f) != ST_OK)
        return f->code;
    if (n >= UINT32_MAX)
        return fault_set(f, ST_RANGE, "a piece of the vocabulary is too long");
    size_t at = v->bytes.n;
    if (text_add(&v->bytes, piece, n, f) != ST_OK || text_add(&v->bytes, "", 1, f) != ST_OK)
        return f->code;
    v->entries[v->count] = (struct vocab_entry){
        .at = at, .n = (uint32_t)n, .hash = (uint32_t)vocab_hash(piece, n), .id = id};
    return slot_put(v, (uint32_t)v->count++, f);
}

enum status vocab_seal(struct vocab *v, size_t id_limit, const char *where, struct fault *f)
{
    size_t ids = 0;
    for (size_t i = 0; i < v->count; i++)
        if ((size_t)v->entries[i].id >= ids)
            ids = (size_t)v->entries[i].id + 1;
    if (ids > id_limit)
        return fault_set(f, ST_RANGE, "%s: the largest id is %zu, with only %zu tokens", where,
                         ids - 1, v->count);
    uint32_t *by_id = calloc(ids + 1, sizeof *by_id);
    if (!by_id)
        return fault_nomem(f, "the vocabulary", (ids + 1) * sizeof *by_id);
    for (size_t i = 0; i < v->count; i++) {
        uint32_t *slot = &by_id[v->entries[i].id];
        if (*slot) {
            fault_set(f, ST_FORMAT, "%s: the tokens %.60s and %.60s have the same id %d", where,
                      v->bytes.p + v->entries[*slot - 1].at, v->bytes.p + v->entries[i].at,
                      (int)v->entries[i].id);
            free(by_id);
            return f->code;
        }
        *slot = (uint32_t)i + 1;
    }
    free(v->by_id);
    v->by_id = by_id;
    v->id_count = ids;
    return ST_OK;
}

int32_t vocab_find(const struct vocab *v, const char *piece, size_t n)
{
    if (v->count == 0)
        return -1;
    uint32_t hash = (uint32_t)vocab_hash(piece, n);
    for (size_t slot = hash & v->slot_mask, far = 0; v->slots[slot] && far <= v->reach;
         slot = (slot + 1) & v->slot_mask, far++) {
        const struct vocab_entry *e = &v->entries[v->slots[slot] - 1];
        if (e->hash == hash && e->n == n && (n == 0 || memcmp(v->bytes.p + e->at, piece, n) == 0))
            return e->id;
    }
    return -1;
}

const char *vocab_piece(const struct vocab *v, int32_t id, size_t *n)
{
    if (id < 0 || (size_t)id >= v->id_count || !v->by_id[id])
        return NULL;
    const struct vocab_entry *e = &v->entries[v->by_id[id] - 1];
    *n = e->n;
    return v->bytes.p + e->at;
}

void vocab_free(struct vocab *v)
{
    free(v->entries);
    free(v->slots);
    free(v->by_id);
    text_free(&v->bytes);
    *v = (struct vocab){0};
}
