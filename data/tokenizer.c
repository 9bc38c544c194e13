#include "data/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/tokenparts.h"

/* ---- opening ---------------------------------------------------------------------------------- */

static enum status added_read(struct tokenizer *t, const struct json *list, const char *where,
                              struct fault *f)
{
    if (json_kind(list) != JSON_NULL && json_kind(list) != JSON_ARRAY)
        return fault_set(f, ST_FORMAT, "%s: added_tokens is not an array", where);
    for (const struct json *m = json_first(list); m; m = json_next(m)) {
        int64_t id;
        if (json_need_int(&id, m, "id", 0, INT32_MAX - 1, where, f) != ST_OK ||
            tokenroles_add_one(t, m, id, where, f) != ST_OK)
            return f->code;
    }
    return ST_OK;
}

/* truncation and padding are left alone, as transformers sets both anew at every call. */
static enum status json_open(struct tokenizer *t, const struct json *root, const char *where,
                             struct fault *f)
{
    const char *version = "1.0";
    if (json_kind(root) != JSON_OBJECT)
        return fault_set(f, ST_FORMAT, "%s: not an object", where);
    if (json_opt_string(&version, root, "version", where, f) != ST_OK)
        return f->code;
    if (strcmp(version, "1.0") != 0)
        return fault_set(f, ST_UNSUPPORTED, "%s: version \"%.20s\" is not supported", where,
                         version);
    if (normalizer_open(&t->normalizer, json_get(root, "normalizer"), where, f) != ST_OK ||
        pretokenizer_open(&t->pretokenizer, json_get(root, "pre_tokenizer"), t->normalizer.n > 0,
                          where, f) != ST_OK ||
        postprocessor_open(&t->post, json_get(root, "post_processor"), where, f) != ST_OK ||
        piecedecoder_open(&t->decoder, json_get(root, "decoder"), where, f) != ST_OK ||
        bpe_open(&t->bpe, json_get(root, "model"), t->pretokenizer.byte_level, where, f) != ST_OK)
        return f->code;
    added_open(&t->added, &t->bpe.vocab);
    return added_read(t, json_get(root, "added_tokens"), where, f);
}

static enum status file_open(struct tokenizer *t, const struct blob *b, const struct blobs *files,
                             const struct tokensources *s, struct fault *f)
{
    struct json_doc *doc = NULL;
    if (json_parse(&doc, (const char *)b->data, b->size, b->name, f) != ST_OK)
        return f->code;
    enum status st = json_open(t, json_root(doc), b->name, f);
    json_close(&doc);
    if (st != ST_OK || tokenfiles_add(t, files, s, f) != ST_OK || tokenroles_add(t, s, f) != ST_OK)
        return f->code;
    return tokenswitches_prefix(t, s, f);
}

static enum status ids_check(const struct ids *ids, const struct tokenizer *t, const char *where,
                             struct fault *f)
{
    for (size_t i = 0; i < ids->n; i++)
        if (!tokenizer_piece(t, ids->p[i]))
            return fault_set(f, ST_FORMAT,
                             "%s: the post-processor adds the id %d, which is no token", where,
                             (int)ids->p[i]);
    return ST_OK;
}

static enum status any_open(struct tokenizer *t, const struct blobs *files, struct tokensources *s,
                            struct fault *f)
{
    const struct blob *b = blobs_find(files, "tokenizer.json");
    const char *where = b ? "tokenizer.json" : "vocab.json";
    if (!b && !(blobs_find(files, "vocab.json") && blobs_find(files, "merges.txt"))) {
        fault_set(f, ST_ABSENT,
                  "there is no tokenizer: neither tokenizer.json nor vocab.json with "
                  "merges.txt");
        return fault_remedy(f, "save the tokenizer with transformers (save_pretrained), which "
                               "writes tokenizer.json");
    }
    if (tokenswitches_check(s, f) != ST_OK ||
        (b ? file_open(t, b, files, s, f) : tokenfiles_open(t, files, s, f)) != ST_OK ||
        added_index(&t->added, &t->normalizer, where, f) != ST_OK ||
        ids_check(&t->post.before, t, where, f) != ST_OK ||
        ids_check(&t->post.after, t, where, f) != ST_OK)
        return f->code;
    if (b)
        tokenroles_find(t, s);
    return ST_OK;
}

/* What to do about a failure that has not said so itself. */
static enum status remedy_add(struct fault *f)
{
    if (f->remedy[0])
        return f->code;
    if (f->code == ST_UNSUPPORTED)
        return fault_remedy(f,
                            "this tokenizer would be run wrongly, so it is not run at all: take a "
                            "model whose tokenizer is supported");
    return fault_remedy(f, "fetch the model's tokenizer files again, or save them anew with "
                           "transformers (save_pretrained)");
}

enum status tokenizer_open(struct tokenizer **out, const struct blobs *files, struct fault *f)
{
    struct tokensources sources;
    struct tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return fault_nomem(f, "the tokenizer", sizeof *t);
    t->bos = t->eos = -1;
    enum status st = tokensources_open(&sources, files, f);
    if (st == ST_OK) {
        st = any_open(t, files, &sources, f);
        tokensources_close(&sources);
    }
    if (st == ST_OK)
        *out = t;
    else
        tokenizer_close(&t);
    return st == ST_OK ? st : remedy_add(f);
}

void tokenizer_close(struct tokenizer **t)
{
    if (!*t)
        return;
    added_close(&(*t)->added);
    normalizer_close(&(*t)->normalizer);
    pretokenizer_close(&(*t)->pretokenizer);
    bpe_close(&(*t)->bpe);
    postprocessor_close(&(*t)->post);
    piecedecoder_close(&(*t)->decoder);
    free(*t);
    *t = NULL;
}

/* ---- encoding --------------------------------------------------------------------------------- */

/* One call's state: what the stages work in. */
struct encoding {
    const struct tokenizer *t;
    struct ids *out, *ends; /* ends: NULL if nobody asks */
    struct ids origin;      /* with ends: for each byte of the text, where its character ends */
    struct bpe_run *bpe;
    struct pretokenizer_run words;
    struct rewritten buffers[2];
    const char *text;      /* what the stage at work cuts: the raw text ... */
    struct normalized gap; /* ... or a normalized gap between raw tokens */
    int32_t end;           /* where the last token ends */
    bool no_added;
};

/* Where the token just added ends. Added tokens that strip the space around them may take the same
 * one twice, as in the library: the second begins and ends within the first. */
static enum status end_add(struct encoding *e, int32_t end, struct fault *f)
{
    if (end > e->end)
        e->end = end;
    return e->ends ? ids_add(e->ends, e->end, f) : ST_OK;
}

static enum status word_emit(void *context, const struct normalized *word, struct fault *f)
{
    struct encoding *e = context;
    size_t at = 0, i = e->out->n;
    enum status st = bpe_encode(e->bpe, e->out, word->s, word->n, f);
    for (; e->ends && i < e->out->n && st == ST_OK; i++) {
        at = bpe_place(&e->t->bpe, e->out->p[i], word->s, word->n, at);
        if (i + 1 == e->out->n)
            at = word->n; /* what vanished at its end is nobody else's */
        st = end_add(e, word->ends[at > 0 ? at - 1 : 0], f);
    }
    return st;
}

static enum status added_emitted(struct encoding *e, const struct added_token *token,
                                 const int32_t *ends, size_t end, struct fault *f)
{
    enum status st = ids_add(e->out, token->id, f);
    return st == ST_OK && e->ends ? end_add(e, ends[end - 1], f) : st;
}

static enum status normalized_emit(void *context, const struct added_token *token, size_t at,
                                   size_t n, struct fault *f)
{
    struct encoding *e = context;
    const struct normalized *gap = &e->gap;
    if (token)
        return added_emitted(e, token, gap->ends, at + n, f);
    struct normalized piece = {.s = gap->s + at,
                               .n = n,
                               .head = gap->head && at == 0,
                               .ends = e->ends ? gap->ends + at : NULL};
    return pretokenizer_run(&e->words, &piece, f);
}

static enum status raw_emit(void *context, const struct added_token *token, size_t at, size_t n,
                            struct fault *f)
{
    struct encoding *e = context;
    if (token)
        return added_emitted(e, token, e->origin.p, at + n, f);
    e->gap = (struct normalized){
        .s = e->text + at, .n = n, .head = at == 0, .ends = e->ends ? e->origin.p + at : NULL};
    if (normalizer_run(&e->t->normalizer, &e->gap, e->buffers, f) != ST_OK)
        return f->code;
    if (e->no_added)
        return normalized_emit(e, NULL, 0, e->gap.n, f);
    return added_split(&e->t->added, &e->t->added.normalized, e->gap.s, e->gap.n, normalized_emit,
                       e, f);
}

static enum status origin_fill(struct encoding *e, size_t n, struct fault *f)
{
    if (n > INT32_MAX)
        return fault_set(f, ST_RANGE, "a text of %zu bytes is too long to tokenize", n);
    for (size_t i = 0; i < n;) {
        size_t at = i;
        utf8_next(e->text, n, &i);
        for (; at < i; at++)
            if (ids_add(&e->origin, (int32_t)i, f) != ST_OK)
                return f->code;
    }
    return ST_OK;
}

static enum status text_encode(struct encoding *e, const char *text, size_t n, struct fault *f)
{
    e->text = text;
    if (n == 0)
        return ST_OK;
    if (e->ends && origin_fill(e, n, f) != ST_OK)
        return f->code;
    if (e->no_added)
        return raw_emit(e, NULL, 0, n, f);
    return added_split(&e->t->added, &e->t->added.raw, text, n, raw_emit, e, f);
}

/* The post-processor's ids before or after the text. */
static enum status specials_add(struct encoding *e, const struct ids *ids, size_t end,
                                struct fault *f)
{
    enum status st = ids_adds(e->out, ids->p, ids->n, f);
    for (size_t i = 0; i < ids->n && st == ST_OK; i++)
        st = end_add(e, (int32_t)end, f);
    return st;
}

static enum status encode(struct encoding *e, const char *text, size_t n, bool special,
                          struct fault *f)
{
    const struct postprocessor *post = &e->t->post;
    if (special && specials_add(e, &post->before, 0, f) != ST_OK)
        return f->code;
    if (text_encode(e, text, n, f) != ST_OK)
        return f->code;
    return special ? specials_add(e, &post->after, n, f) : ST_OK;
}

struct tokenizer_memory {
    struct bpe_run bpe;
};

enum status tokenizer_memory_open(struct tokenizer_memory **out, const struct tokenizer *t,
                                  struct fault *f)
{
    struct tokenizer_memory *m = calloc(1, sizeof *m);
    if (!m)
        return fault_nomem(f, "the words of a tokenizer", sizeof *m);
    if (bpe_run_open(&m->bpe, &t->bpe, SIZE_MAX, f) != ST_OK) {
        free(m);
        return f->code;
    }
    *out = m;
    return ST_OK;
}

void tokenizer_memory_close(struct tokenizer_memory **m)
{
    if (!*m)
        return;
    bpe_run_close(&(*m)->bpe);
    free(*m);
    *m = NULL;
}

enum status tokenizer_encode_again(const struct tokenizer *t, struct tokenizer_memory *memory,
                                   struct ids *out, struct ids *ends, const char *text, size_t n,
                                   unsigned flags, struct fault *f)
{
    struct bpe_run own = {0};
    struct encoding e = {.t = t,
                         .out = out,
                         .ends = ends,
                         .bpe = memory ? &memory->bpe : &own,
                         .no_added = flags & TOKENIZER_NO_ADDED};
    size_t bad, before = out->n, ends_before = ends ? ends->n : 0;
    if (!utf8_valid(text, n, &bad))
        return fault_set(f, ST_FORMAT, "the text is not UTF-8 at byte %zu", bad);
    if (!memory && bpe_run_open(&own, &t->bpe, n, f) != ST_OK)
        return f->code;
    e.words = (struct pretokenizer_run){
        .p = &t->pretokenizer, .emit = word_emit, .context = &e, .steps = splitregex_steps(n)};
    enum status st = encode(&e, text, n, flags & TOKENIZER_ADD_SPECIAL, f);
    if (st != ST_OK) {
        out->n = before;
        if (ends)
            ends->n = ends_before;
    }
    pretokenizer_run_close(&e.words);
    bpe_run_close(&own);
    ids_free(&e.origin);
    rewritten_free(&e.buffers[0]);
    rewritten_free(&e.buffers[1]);
    return st;
}

enum status tokenizer_encode_ends(const struct tokenizer *t, struct ids *out, struct ids *ends,
                                  const char *text, size_t n, unsigned flags, struct fault *f)
{
    return tokenizer_encode_again(t, NULL, out, ends, text, n, flags, f);
}

enum status tokenizer_encode(const struct tokenizer *t, struct ids *out, const char *text, size_t n,
                             unsigned flags, struct fault *f)
{
    return tokenizer_encode_ends(t, out, NULL, text, n, flags, f);
}

/* ---- decoding --------------------------------------------------------------------------------- */

enum status tokenizer_decode(const struct tokenizer *t, struct text *out, const int32_t *ids,
                             size_t n, bool skip_special, struct fault *f)
{
    struct pieces pieces = {0};
    size_t before = out->n;
    enum status st = ST_OK;
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        const struct added_token *a = added_of_id(&t->added, ids[i]);
        size_t length = a ? a->shown_n : 0;
        const char *piece = a ? a->shown : vocab_piece(&t->bpe.vocab, ids[i], &length);
        if (piece && !(a && a->hidden && skip_special))
            st = pieces_add(&pieces, piece, length, f);
    }
    if (st == ST_OK)
        st = piecedecoder_run(&t->decoder, &pieces, out, f);
    if (st != ST_OK)
        out->n = before;
    pieces_free(&pieces);
    return st;
}

/* ---- questions -------------------------------------------------------------------------------- */

int tokenizer_size(const struct tokenizer *t)
{
    size_t model = t->bpe.vocab.id_count, added = t->added.last_id < 0 ? 0 : t->added.last_id + 1u;
    return (int)(model > added ? model : added);
}

int tokenizer_id(const struct tokenizer *t, const char *piece)
{
    const struct added_token *a = added_find(&t->added, piece, strlen(piece));
    return a ? a->id : vocab_find(&t->bpe.vocab, piece, strlen(piece));
}

const char *tokenizer_piece(const struct tokenizer *t, int id)
{
    size_t n;
    const struct added_token *a = added_of_id(&t->added, id);
    return a ? a->content : vocab_piece(&t->bpe.vocab, id, &n);
}

bool tokenizer_is_special(const struct tokenizer *t, int id)
{
    const struct added_token *a = added_of_id(&t->added, id);
    return a && a->special;
}

int tokenizer_bos(const struct tokenizer *t)
{
    return t->bos;
}

int tokenizer_eos(const struct tokenizer *t)
{
    return t->eos;
}

bool tokenizer_adds_bos(const struct tokenizer *t)
{
    return t->bos >= 0 && t->post.before.n > 0 && t->post.before.p[0] == t->bos;
}
