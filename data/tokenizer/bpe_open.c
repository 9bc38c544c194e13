/* Reading the model: vocabulary, merges, options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/bpe.h"

enum {
    SPACE_MARK = 0x2581,
    ID_SLACK = 65536, /* ids may leave this many holes, and three for every piece */
};

uint32_t bpe_char_of(unsigned char byte)
{
    /* The bytes that print keep their code point; the 68 others follow from U+0100 on. */
    if ((byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174)
        return byte;
    if (byte < 33)
        return 0x100u + byte;
    return byte == 173 ? 0x143u : 0x100u + 33 + (byte - 127u);
}

int bpe_byte_of(uint32_t c)
{
    if (c < 0x100)
        return bpe_char_of((unsigned char)c) == c ? (int)c : -1;
    if (c < 0x121)
        return (int)(c - 0x100);
    if (c < 0x143)
        return (int)(c - 0x121 + 127);
    return c == 0x143 ? 173 : -1;
}

/* ---- vocabulary ------------------------------------------------------------------------------ */

static enum status vocab_read(struct vocab *v, const struct json *object, const char *where,
                              struct fault *f)
{
    if (json_kind(object) != JSON_OBJECT)
        return fault_set(f, ST_FORMAT, "%s: the vocabulary is not an object", where);
    if (vocab_reserve(v, json_count(object), f) != ST_OK)
        return f->code;
    for (const struct json *m = json_first(object); m; m = json_next(m)) {
        int64_t id;
        const char *key = json_key(m);
        if (!json_int(m, &id) || id < 0 || id > INT32_MAX - 1)
            return fault_set(f, ST_FORMAT, "%s: the id of the token %.80s is not a usable integer",
                             where, key);
        enum status st = vocab_add(v, key, strlen(key), (int32_t)id, f);
        if (st == ST_RANGE)
            return fault_set(f, ST_RANGE,
                             "%s: the vocabulary is made to collide, at the token %.80s", where,
                             key);
        if (st != ST_OK)
            return st;
    }
    return vocab_seal(v, 4 * v->count + ID_SLACK, where, f);
}

/* The vocabulary again, by the bytes that its pieces stand for; pieces with a character outside
 * the alphabet can never come out of byte-level text and are left out. */
static enum status raw_build(struct bpe *b, struct fault *f)
{
    enum status st = vocab_reserve(&b->raw, b->vocab.count, f);
    struct text bytes = {0};
    for (size_t e = 0; e < b->vocab.count && st == ST_OK; e++) {
        const struct vocab_entry *entry = &b->vocab.entries[e];
        const char *s = b->vocab.bytes.p + entry->at;
        bool whole = true;
        bytes.n = 0;
        for (size_t i = 0; i < entry->n && whole && st == ST_OK;) {
            int byte = bpe_byte_of(utf8_next(s, entry->n, &i));
            char c = (char)byte;
            whole = byte >= 0;
            st = text_add(&bytes, &c, 1, f);
        }
        if (whole && st == ST_OK)
            st = vocab_add(&b->raw, bytes.p, bytes.n, entry->id, f);
    }
    text_free(&bytes);
    return st;
}

static void byte_ids_fill(struct bpe *b)
{
    for (int i = 0; i < 256; i++) {
        char byte = (char)i, name[8];
        int n = snprintf(name, sizeof name, "<0x%02X>", (unsigned)i);
        b->byte_ids[i] = b->byte_level ? vocab_find(&b->raw, &byte, 1) : -1;
        b->fallback_ids[i] = b->byte_fallback ? vocab_find(&b->vocab, name, (size_t)n) : -1;
    }
}

/* ---- merges ---------------------------------------------------------------------------------- */

static enum status merges_reserve(struct bpe *b, size_t count, struct fault *f)
{
    size_t slots = 16;
    if (count > UINT32_MAX / 4)
        return fault_set(f, ST_RANGE, "%zu merges are too many", count);
    while (slots < 2 * count)
        slots *= 2;
    b->merges = malloc(slots * sizeof *b->merges);
    if (!b->merges)
        return fault_nomem(f, "the merges", slots * sizeof *b->merges);
    memset(b->merges, 0xFF, slots * sizeof *b->merges);
    b->merge_mask = slots - 1;
    return ST_OK;
}

static enum status merge_absent(const char *where, uint32_t rank, const char *s, size_t n,
                                struct fault *f)
{
    return fault_set(f, ST_FORMAT, "%s: merge %u names %.*s, which is not in the vocabulary", where,
                     (unsigned)rank, n < 80 ? (int)n : 80, s);
}

/* A pair that stands twice has its last rank, as in the library. */
static enum status merge_add(struct bpe *b, uint32_t rank, const char *left, size_t nl,
                             const char *right, size_t nr, struct text *both, const char *where,
                             struct fault *f)
{
    int32_t a = vocab_find(&b->vocab, left, nl), c = vocab_find(&b->vocab, right, nr);
    if (a < 0 || c < 0)
        return merge_absent(where, rank, a < 0 ? left : right, a < 0 ? nl : nr, f);
    both->n = 0;
    if (text_add(both, left, nl, f) != ST_OK || text_add(both, right, nr, f) != ST_OK)
        return f->code;
    int32_t id = vocab_find(&b->vocab, both->p, both->n);
    if (id < 0)
        return merge_absent(where, rank, both->p, both->n, f);
    uint64_t pair = (uint64_t)(uint32_t)a << 32 | (uint32_t)c;
    size_t slot = bpe_pair_slot(b, pair), far = 0;
    for (; b->merges[slot].pair != UINT64_MAX && b->merges[slot].pair != pair; far++)
        slot = (slot + 1) & b->merge_mask;
    if (far > VOCAB_REACH)
        return fault_set(f, ST_RANGE, "%s: the merges are made to collide, at merge %u", where,
                         (unsigned)rank);
    if (far > b->merge_reach)
        b->merge_reach = far;
    b->merges[slot] = (struct bpe_merge){.pair = pair, .rank = rank, .id = id};
    return ST_OK;
}

/* The one comment that a list of merges may have; "# x" is a merge. */
static bool is_version_line(const char *s)
{
    return strncmp(s, "#version", 8) == 0;
}

/* One line "left right". */
static enum status merge_add_line(struct bpe *b, uint32_t rank, const char *line, size_t n,
                                  struct text *both, const char *where, struct fault *f)
{
    const char *gap = memchr(line, ' ', n);
    if (!gap || memchr(gap + 1, ' ', n - (size_t)(gap + 1 - line)))
        return fault_set(f, ST_FORMAT, "%s: merge %u is not two tokens with one space between",
                         where, (unsigned)rank);
    size_t left = (size_t)(gap - line);
    return merge_add(b, rank, line, left, gap + 1, n - left - 1, both, where, f);
}

static enum status merges_read(struct bpe *b, const struct json *list, const char *where,
                               struct fault *f)
{
    if (json_kind(list) != JSON_ARRAY)
        return fault_set(f, ST_FORMAT, "%s: model.merges is not an array", where);
    enum status st = merges_reserve(b, json_count(list), f);
    struct text both = {0};
    uint32_t rank = 0;
    for (const struct json *m = json_first(list); m && st == ST_OK; m = json_next(m)) {
        const char *line = json_string(m);
        const struct json *first = json_kind(m) == JSON_ARRAY ? json_first(m) : NULL;
        const char *left = json_string(first), *right = json_string(json_next(first));
        if (line && is_version_line(line))
            continue;
        if (line)
            st = merge_add_line(b, rank, line, strlen(line), &both, where, f);
        else if (left && right && json_count(m) == 2)
            st = merge_add(b, rank, left, strlen(left), right, strlen(right), &both, where, f);
        else
            st = fault_set(f, ST_FORMAT, "%s: merge %u is neither a string nor a pair of strings",
                           where, (unsigned)rank);
        rank++;
    }
    text_free(&both);
    return st;
}

static enum status merges_read_lines(struct bpe *b, const char *s, size_t n, struct fault *f)
{
    size_t lines = 1, bad;
    if (!utf8_valid(s, n, &bad))
        return fault_set(f, ST_FORMAT, "merges.txt: byte %zu is not UTF-8", bad);
    for (size_t i = 0; i < n; i++)
        lines += s[i] == '\n';
    enum status st = merges_reserve(b, lines, f);
    struct text both = {0};
    uint32_t rank = 0;
    for (size_t at = 0; at < n && st == ST_OK;) {
        const char *end = memchr(s + at, '\n', n - at);
        size_t len = end ? (size_t)(end - s) - at : n - at, next = at + len + 1;
        if (len > 0 && s[at + len - 1] == '\r')
            len--;
        if (len > 0 && !(len >= 8 && is_version_line(s + at)))
            st = merge_add_line(b, rank++, s + at, len, &both, "merges.txt", f);
        at = next;
    }
    text_free(&both);
    return st;
}

/* ---- cutting at U+2581 ------------------------------------------------------------------------ */

static bool joiner_add(struct bpe *b, uint32_t c)
{
    for (size_t i = 0; i < b->joiner_count; i++)
        if (b->joiners[i] == c)
            return true;
    if (b->joiner_count == 64)
        return false;
    b->joiners[b->joiner_count++] = c;
    return true;
}

/* A merge across a gap makes a piece that holds both characters at the gap. So where no piece has
 * c before U+2581, a text may be cut there and each part merged by itself: what makes a text
 * without pre-tokenizer a text of words. Characters without an id become <0xNN> or unk_token,
 * whose last character then stands for them: if that one joins, there is no cutting. Nor where
 * there is no unk_token, because a character may then vanish and its neighbours meet. */
static enum status cuts_find(struct bpe *b, struct fault *f)
{
    size_t n;
    const char *unk = vocab_piece(&b->vocab, b->unk_id, &n);
    uint32_t unk_last = 0;
    if (b->byte_level || b->ignore_merges || !unk || vocab_find(&b->vocab, "\xE2\x96\x81", 3) < 0)
        return ST_OK;
    for (size_t i = 0; i < n;)
        unk_last = utf8_next(unk, n, &i);
    b->joiners = malloc(64 * sizeof *b->joiners);
    if (!b->joiners)
        return fault_nomem(f, "the tokenizer", 64 * sizeof *b->joiners);
    b->cut_spaces = true;
    for (size_t e = 0; e < b->vocab.count && b->cut_spaces; e++) {
        const char *s = b->vocab.bytes.p + b->vocab.entries[e].at;
        uint32_t before = 0;
        for (size_t i = 0; i < b->vocab.entries[e].n && b->cut_spaces;) {
            bool inside = i > 0;
            uint32_t c = utf8_next(s, b->vocab.entries[e].n, &i);
            if (inside && c == SPACE_MARK)
                b->cut_spaces = before != '>' && before != unk_last && joiner_add(b, before);
            before = c;
        }
    }
    return ST_OK;
}

/* ---- options --------------------------------------------------------------------------------- */

static enum status affix_refuse(const struct json *model, const char *key, const char *where,
                                struct fault *f)
{
    const char *s = NULL;
    if (json_opt_string(&s, model, key, where, f) != ST_OK)
        return f->code;
    if (s && *s)
        return fault_set(f, ST_UNSUPPORTED, "%s: model.%s \"%.40s\" is not supported", where, key,
                         s);
    return ST_OK;
}

static enum status options_read(struct bpe *b, const struct json *model, const char **unk,
                                const char *where, struct fault *f)
{
    const struct json *dropout = json_get(model, "dropout");
    if (json_kind(dropout) != JSON_NULL && json_number(dropout, 1) != 0)
        return fault_set(f, ST_UNSUPPORTED, "%s: model.dropout is not supported", where);
    if (affix_refuse(model, "continuing_subword_prefix", where, f) != ST_OK ||
        affix_refuse(model, "end_of_word_suffix", where, f) != ST_OK ||
        json_opt_string(unk, model, "unk_token", where, f) != ST_OK ||
        json_opt_bool(&b->fuse_unk, model, "fuse_unk", where, f) != ST_OK ||
        json_opt_bool(&b->byte_fallback, model, "byte_fallback", where, f) != ST_OK)
        return f->code;
    return json_opt_bool(&b->ignore_merges, model, "ignore_merges", where, f);
}

static enum status finish(struct bpe *b, const char *unk, struct fault *f)
{
    if (b->byte_level && raw_build(b, f) != ST_OK)
        return f->code;
    b->unk_id = unk ? vocab_find(&b->vocab, unk, strlen(unk)) : -1;
    b->unk_missing = unk && b->unk_id < 0;
    byte_ids_fill(b);
    return cuts_find(b, f);
}

enum status bpe_open(struct bpe *b, const struct json *model, bool byte_level, const char *where,
                     struct fault *f)
{
    const char *type = NULL, *unk = NULL;
    *b = (struct bpe){.byte_level = byte_level, .unk_id = -1};
    if (json_kind(model) != JSON_OBJECT)
        return fault_set(f, ST_FORMAT, "%s: model is not an object", where);
    if (json_opt_string(&type, model, "type", where, f) != ST_OK)
        return f->code;
    if (type ? strcmp(type, "BPE") != 0 : !json_get(model, "merges"))
        return fault_set(f, ST_UNSUPPORTED, "%s: model type \"%.40s\" is not supported, only BPE",
                         where, type ? type : "");
    if (options_read(b, model, &unk, where, f) == ST_OK &&
        vocab_read(&b->vocab, json_get(model, "vocab"), where, f) == ST_OK &&
        merges_read(b, json_get(model, "merges"), where, f) == ST_OK && finish(b, unk, f) == ST_OK)
        return ST_OK;
    bpe_close(b);
    return f->code;
}

enum status bpe_open_files(struct bpe *b, const struct json *vocab, const char *merges, size_t n,
                           struct fault *f)
{
    *b = (struct bpe){.byte_level = true, .unk_id = -1};
    if (vocab_read(&b->vocab, vocab, "vocab.json", f) == ST_OK &&
        merges_read_lines(b, merges, n, f) == ST_OK && finish(b, NULL, f) == ST_OK)
        return ST_OK;
    bpe_close(b);
    return f->code;
}

void bpe_close(struct bpe *b)
{
    vocab_free(&b->vocab);
    vocab_free(&b->raw);
    free(b->merges);
    free(b->joiners);
    *b = (struct bpe){.unk_id = -1};
}
