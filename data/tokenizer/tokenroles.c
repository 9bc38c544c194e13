/* Special tokens by role, and added tokens from the files beside tokenizer.json. */
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/tokenparts.h"

static enum status source_open(struct json_doc **doc, const struct json **root,
                               const struct blobs *files, const char *name, struct fault *f)
{
    const struct blob *b = blobs_find(files, name);
    if (!b)
        return ST_OK;
    if (json_parse(doc, (const char *)b->data, b->size, name, f) != ST_OK)
        return f->code;
    *root = json_root(*doc);
    return ST_OK;
}

enum status tokensources_open(struct tokensources *s, const struct blobs *files, struct fault *f)
{
    *s = (struct tokensources){0};
    if (source_open(&s->config_doc, &s->config, files, "tokenizer_config.json", f) == ST_OK &&
        source_open(&s->map_doc, &s->map, files, "special_tokens_map.json", f) == ST_OK &&
        source_open(&s->model_doc, &s->model, files, "config.json", f) == ST_OK)
        return ST_OK;
    tokensources_close(s);
    return f->code;
}

void tokensources_close(struct tokensources *s)
{
    json_close(&s->config_doc);
    json_close(&s->map_doc);
    json_close(&s->model_doc);
    *s = (struct tokensources){0};
}

static const char *content_of(const struct json *v)
{
    const char *s = json_string(v);
    return s ? s : json_string(json_get(v, "content"));
}

const char *tokensources_special(const struct tokensources *s, const char *role)
{
    const struct json *own = json_get(s->config, role);
    return content_of(own ? own : json_get(s->map, role));
}

enum status tokenroles_add_one(struct tokenizer *t, const struct json *v, int64_t id,
                               const char *where, struct fault *f)
{
    const char *content = json_string(json_get(v, "content"));
    struct added_token token = {.content = content, .n = content ? strlen(content) : 0};
    int32_t given = -1;
    if (!content)
        return fault_set(f, ST_FORMAT, "%s: an added token has no content", where);
    token.normalized = true;
    if (json_opt_bool(&token.single_word, v, "single_word", where, f) != ST_OK ||
        json_opt_bool(&token.lstrip, v, "lstrip", where, f) != ST_OK ||
        json_opt_bool(&token.rstrip, v, "rstrip", where, f) != ST_OK ||
        json_opt_bool(&token.special, v, "special", where, f) != ST_OK)
        return f->code;
    token.normalized = !token.special;
    if (json_opt_bool(&token.normalized, v, "normalized", where, f) != ST_OK ||
        added_add(&t->added, &token, &given, where, f) != ST_OK)
        return f->code;
    if (given >= 0 && given != id)
        return fault_set(f, ST_FORMAT,
                         "%s: the added token %.80s has the id %lld, where the tokenizers library "
                         "would give it %d",
                         where, content, (long long)id, (int)given);
    return ST_OK;
}

/* The keys of added_tokens_decoder are ids as text. */
static bool id_read(const char *s, int64_t *id)
{
    *id = 0;
    for (const char *p = s; *p; p++) {
        if (*p < '0' || *p > '9' || p - s > 9)
            return false;
        *id = *id * 10 + (*p - '0');
    }
    return *s != '\0';
}

struct listed {
    int64_t id;
    const struct json *v;
};

static int listed_order(const void *a, const void *b)
{
    int64_t x = ((const struct listed *)a)->id, y = ((const struct listed *)b)->id;
    return (x > y) - (x < y);
}

static enum status decoder_add(struct tokenizer *t, const struct json *object, struct fault *f)
{
    const char *where = "tokenizer_config.json";
    size_t count = json_count(object), n = 0;
    struct listed *list = count ? malloc(count * sizeof *list) : NULL;
    enum status st = ST_OK;
    if (count && !list)
        return fault_nomem(f, "added tokens", count * sizeof *list);
    for (const struct json *m = json_first(object); m && st == ST_OK; m = json_next(m)) {
        list[n].v = m;
        if (!json_key(m) || !id_read(json_key(m), &list[n++].id))
            st = fault_set(f, ST_FORMAT, "%s: a key of added_tokens_decoder is not an id", where);
    }
    if (n > 0)
        qsort(list, n, sizeof *list, listed_order);
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        const char *content = json_string(json_get(list[i].v, "content"));
        if (!content || !added_find(&t->added, content, strlen(content)))
            st = tokenroles_add_one(t, list[i].v, list[i].id, where, f);
    }
    free(list);
    return st;
}

/* A token that some role names is special; one that the vocabulary does not know is left out,
 * because the model has no row for it. */
static enum status special_add(struct tokenizer *t, const char *content, struct fault *f)
{
    size_t n = content ? strlen(content) : 0;
    if (n == 0 || added_find(&t->added, content, n) || vocab_find(&t->bpe.vocab, content, n) < 0)
        return ST_OK;
    struct added_token token = {.content = content, .n = n, .special = true};
    return added_add(&t->added, &token, NULL, "tokenizer_config.json", f);
}

enum status tokenroles_add(struct tokenizer *t, const struct tokensources *s, struct fault *f)
{
    static const char *const roles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    const struct json *decoder = json_get(s->config, "added_tokens_decoder");
    if (json_kind(decoder) == JSON_OBJECT && decoder_add(t, decoder, f) != ST_OK)
        return f->code;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (special_add(t, tokensources_special(s, roles[i]), f) != ST_OK)
            return f->code;
    const struct json *more = json_get(s->config, "additional_special_tokens");
    if (!more)
        more = json_get(s->map, "additional_special_tokens");
    for (const struct json *m = json_kind(more) == JSON_ARRAY ? json_first(more) : NULL; m;
         m = json_next(m))
        if (special_add(t, content_of(m), f) != ST_OK)
            return f->code;
    return ST_OK;
}

/* An id of config.json: an integer, or the first of a list. */
static int model_id(const struct tokenizer *t, const struct json *model, const char *key)
{
    const struct json *v = json_get(model, key);
    int64_t id;
    if (json_kind(v) == JSON_ARRAY)
        v = json_first(v);
    return json_int(v, &id) && id >= 0 && id < tokenizer_size(t) ? (int)id : -1;
}

static int role_find(const struct tokenizer *t, const struct tokensources *s, const char *role,
                     const char *key, bool always)
{
    const char *content = tokensources_special(s, role);
    int id = content ? tokenizer_id(t, content) : -1;
    /* tokenizer_config.json without a bos means none; without the file, config.json may tell. */
    if (id < 0 && (always || (!s->config && !s->map)))
        id = model_id(t, s->model, key);
    return id;
}

void tokenroles_find(struct tokenizer *t, const struct tokensources *s)
{
    t->bos = role_find(t, s, "bos_token", "bos_token_id", false);
    t->eos = role_find(t, s, "eos_token", "eos_token_id", true);
    t->pad = role_find(t, s, "pad_token", "pad_token_id", false);
}
