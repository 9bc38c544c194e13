#include "data/tokenizer/added.h"

#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/unicode.h"

enum {
    CONTENT_MAX = 1024,      /* bytes: bounds the walk of the trie at every byte of a text */
    CONTENTS_MAX = 16 << 20, /* of all together: bounds the tries */
};

void added_open(struct added *a, const struct vocab *vocab)
{
    *a = (struct added){.vocab = vocab, .last_id = -1};
}

void added_close(struct added *a)
{
    for (size_t i = 0; i < a->n; i++) {
        if (a->tokens[i].shown != a->tokens[i].content)
            free((void *)(uintptr_t)a->tokens[i].shown);
        free((void *)(uintptr_t)a->tokens[i].content);
    }
    free(a->tokens);
    free(a->raw.nodes);
    free(a->normalized.nodes);
    vocab_free(&a->by_content);
    vocab_free(&a->by_id);
    *a = (struct added){.last_id = -1};
}

const struct added_token *added_find(const struct added *a, const char *content, size_t n)
{
    int32_t i = vocab_find(&a->by_content, content, n);
    return i < 0 ? NULL : &a->tokens[i];
}

const struct added_token *added_of_id(const struct added *a, int32_t id)
{
    if (id < 0 || (size_t)id >= a->by_id.id_count || !a->by_id.by_id[id])
        return NULL;
    return &a->tokens[a->by_id.by_id[id] - 1];
}

static bool same(const struct added_token *a, const struct added_token *b)
{
    return a->single_word == b->single_word && a->lstrip == b->lstrip && a->rstrip == b->rstrip &&
           a->normalized == b->normalized && a->special == b->special;
}

/* The id of a token that the vocabulary has not got: newer versions of the library count on from its
 * size, older ones from the largest id so far. -1 where they disagree. */
static int32_t next_id(const struct added *a)
{
    size_t size = a->vocab->count, newer = size + a->fresh, older = size;
    if (a->last_id >= 0 && ((size_t)a->last_id >= size || size == 0))
        older = (size_t)a->last_id + 1;
    return newer == older ? (int32_t)newer : -1;
}

static char *copy(const char *s, size_t n, struct fault *f)
{
    char *p = malloc(n + 1);
    if (!p) {
        fault_nomem(f, "added tokens", n + 1);
        return NULL;
    }
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

static enum status append(struct added *a, const struct added_token *token, struct fault *f)
{
    if (a->n == a->cap) {
        size_t cap = a->cap ? 2 * a->cap : 32;
        struct added_token *p = realloc(a->tokens, cap * sizeof *p);
        if (!p)
            return fault_nomem(f, "added tokens", cap * sizeof *p);
        a->tokens = p;
        a->cap = cap;
    }
    char *content = copy(token->content, token->n, f);
    if (!content)
        return f->code;
    int32_t index = (int32_t)a->n;
    if (vocab_add(&a->by_content, content, token->n, index, f) != ST_OK ||
        vocab_add(&a->by_id, content, token->n, token->id, f) != ST_OK) {
        free(content);
        return f->code;
    }
    a->tokens[a->n] = *token;
    a->tokens[a->n].shown = content;
    a->tokens[a->n++].content = content;
    return ST_OK;
}

static enum status new_id(struct added *a, struct added_token *t, const char *where,
                          struct fault *f)
{
    size_t length;
    t->id = next_id(a);
    if (t->id < 0)
        return fault_set(f, ST_UNSUPPORTED,
                         "%s: versions of the tokenizers library give the added token %.80s "
                         "different ids, because the vocabulary has holes",
                         where, t->content);
    if (vocab_piece(a->vocab, t->id, &length))
        return fault_set(f, ST_FORMAT,
                         "%s: the added token %.80s would get the id %d of another token", where,
                         t->content, (int)t->id);
    a->fresh++;
    return ST_OK;
}

enum status added_add(struct added *a, const struct added_token *token, int32_t *id,
                      const char *where, struct fault *f)
{
    struct added_token t = *token;
    const struct added_token *old = added_find(a, t.content, t.n);
    if (t.n == 0)
        return ST_OK;
    if (t.n > CONTENT_MAX)
        return fault_set(f, ST_RANGE, "%s: the added token %.40s... is longer than %d bytes", where,
                         t.content, CONTENT_MAX);
    if (a->by_content.bytes.n > CONTENTS_MAX)
        return fault_set(f, ST_RANGE, "%s: the added tokens are more than %d MiB", where,
                         CONTENTS_MAX >> 20);
    if (old && !same(old, &t))
        return fault_set(f, ST_FORMAT, "%s: the added token %.80s stands twice", where, t.content);
    if (!old) {
        t.id = vocab_find(a->vocab, t.content, t.n);
        if (t.id < 0 && new_id(a, &t, where, f) != ST_OK)
            return f->code;
        if (t.id > a->last_id)
            a->last_id = t.id;
        if (append(a, &t, f) != ST_OK)
            return f->code;
    }
    if (id)
        *id = old ? old->id : t.id;
    return ST_OK;
}

/* ---- the tries ------------------------------------------------------------------------------- */

static enum status node_new(struct added_trie *t, unsigned char byte, uint32_t *out,
                            struct fault *f)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 256;
        struct added_node *p = realloc(t->nodes, cap * sizeof *p);
        if (!p)
            return fault_nomem(f, "added tokens", cap * sizeof *p);
        t->nodes = p;
        t->cap = cap;
    }
    if (t->n == 0)
        t->n = 1; /* node 0 means none */
    if (t->n >= UINT32_MAX)
        return fault_set(f, ST_RANGE, "there are too many added tokens");
    t->nodes[t->n] = (struct added_node){.token = -1, .byte = byte};
    *out = (uint32_t)t->n++;
    return ST_OK;
}

static uint32_t node_child(const struct added_trie *t, uint32_t node, unsigned char byte)
{
    uint32_t c = t->nodes[node].child;
    while (c && t->nodes[c].byte != byte)
        c = t->nodes[c].sibling;
    return c;
}

/* *other: the token that stands there already, or -1. */
static enum status trie_add(struct added_trie *t, const char *s, size_t n, int32_t token,
                            int32_t *other, struct fault *f)
{
    uint32_t node = t->first[(unsigned char)s[0]];
    if (!node) {
        if (node_new(t, (unsigned char)s[0], &node, f) != ST_OK)
            return f->code;
        t->first[(unsigned char)s[0]] = node;
    }
    for (size_t i = 1; i < n; i++) {
        uint32_t child = node_child(t, node, (unsigned char)s[i]);
        if (!child) {
            if (node_new(t, (unsigned char)s[i], &child, f) != ST_OK)
                return f->code;
            t->nodes[child].sibling = t->nodes[node].child;
            t->nodes[node].child = child;
        }
        node = child;
    }
    *other = t->nodes[node].token;
    t->nodes[node].token = token;
    return ST_OK;
}

static enum status token_index(struct added *a, int32_t index, const struct normalizer *normalizer,
                               struct rewritten buffers[2], const char *where, struct fault *f)
{
    struct added_token *t = &a->tokens[index];
    struct normalized piece = {.s = t->content, .n = t->n};
    struct added_trie *trie = t->normalized ? &a->normalized : &a->raw;
    int32_t other = -1;
    if (t->normalized && normalizer_run(normalizer, &piece, buffers, f) != ST_OK)
        return f->code;
    if (piece.n == 0)
        return fault_set(f, ST_UNSUPPORTED,
                         "%s: the normalizer leaves nothing of the added token \"%.40s\"", where,
                         t->content);
    if (piece.s != t->content) {
        char *shown = copy(piece.s, piece.n, f);
        if (!shown)
            return f->code;
        t->shown = shown;
    }
    const struct added_token *same_text = added_find(a, piece.s, piece.n);
    t->shown_n = piece.n;
    t->hidden = same_text && same_text->special;
    if (trie_add(trie, piece.s, piece.n, index, &other, f) != ST_OK)
        return f->code;
    if (other >= 0) /* where the library takes either, as it comes */
        return fault_set(f, ST_UNSUPPORTED,
                         "%s: the normalizer makes the same of the added tokens \"%.40s\" and "
                         "\"%.40s\"",
                         where, a->tokens[other].content, t->content);
    return ST_OK;
}

enum status added_index(struct added *a, const struct normalizer *normalizer, const char *where,
                        struct fault *f)
{
    struct rewritten buffers[2] = {0};
    size_t ids = a->vocab->id_count + a->vocab->count + a->n + 1;
    enum status st = vocab_seal(&a->by_id, ids, where, f);
    for (size_t i = 0; i < a->n && st == ST_OK; i++)
        st = token_index(a, (int32_t)i, normalizer, buffers, where, f);
    rewritten_free(&buffers[0]);
    rewritten_free(&buffers[1]);
    return st;
}

/* ---- cutting --------------------------------------------------------------------------------- */

/* The longest token that starts at s, or -1. */
static int32_t longest(const struct added_trie *t, const char *s, size_t n, size_t *length)
{
    int32_t token = -1;
    uint32_t node = t->first[(unsigned char)s[0]];
    for (size_t i = 1; node; i++) {
        if (t->nodes[node].token >= 0) {
            token = t->nodes[node].token;
            *length = i;
        }
        node = i < n ? node_child(t, node, (unsigned char)s[i]) : 0;
    }
    return token;
}

static uint32_t point_before(const char *s, size_t end, size_t *at)
{
    size_t i = end - 1;
    while (i > 0 && ((unsigned char)s[i] & 0xC0) == 0x80)
        i--;
    *at = i;
    return utf8_next(s, end, &i);
}

static bool in_word(const char *s, size_t n, size_t start, size_t stop)
{
    size_t at = stop;
    if (start > 0 && (unicode_class(point_before(s, start, &at)) & UNICODE_WORD))
        return true;
    at = stop;
    return stop < n && (unicode_class(utf8_next(s, n, &at)) & UNICODE_WORD);
}

static size_t spaces_before(const char *s, size_t start, size_t floor)
{
    size_t at;
    while (start > floor && unicode_space(point_before(s, start, &at)))
        start = at;
    return start < floor ? floor : start;
}

static size_t spaces_after(const char *s, size_t n, size_t stop)
{
    for (size_t at = stop; at < n; stop = at)
        if (!unicode_space(utf8_next(s, n, &at)))
            break;
    return stop;
}

enum status added_split(const struct added *a, const struct added_trie *trie, const char *s,
                        size_t n, added_emit *emit, void *context, struct fault *f)
{
    size_t done = 0; /* what has been handed on; a stripping token may reach past the next match */
    size_t spaces[2] = {SIZE_MAX, 0}; /* the run of white space that rstrip met last */
    for (size_t i = 0; i < n && trie->n > 0;) {
        size_t length = 0;
        int32_t found =
            trie->first[(unsigned char)s[i]] ? longest(trie, s + i, n - i, &length) : -1;
        if (found < 0) {
            i++;
            continue;
        }
        const struct added_token *t = &a->tokens[found];
        size_t start = i, stop = i + length;
        i = stop;
        if (t->single_word && in_word(s, n, start, stop))
            continue;
        if (t->lstrip) {
            size_t left = spaces_before(s, start, done < start ? done : start);
            start = left > done ? left : done;
        }
        if (t->rstrip && !(stop >= spaces[0] && stop <= spaces[1])) {
            spaces[0] = stop;
            spaces[1] = spaces_after(s, n, stop);
        }
        if (t->rstrip)
            stop = spaces[1];
        if (t->lstrip && stop <= start)
            continue; /* the token before has taken all of it */
        if (done < start && emit(context, NULL, done, start - done, f) != ST_OK)
            return f->code;
        if (emit(context, t, start, stop - start, f) != ST_OK)
            return f->code;
        done = stop;
    }
    return done < n ? emit(context, NULL, done, n - done, f) : ST_OK;
}
