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

const char *tokenizer_content(const struct json *v)
{
    const char *s = json_string(v);
    return s ? s : json_string(json_get(v, "content"));
}

const struct json *tokensources_additional(const struct tokensources *s)
{
    const struct json *list = json_get(s->config, "additional_special_tokens");
    if (!list)
        list = json_get(s->map, "additional_special_tokens");
    return json_kind(list) == JSON_ARRAY ? json_first(list) : NULL;
}

/* What the class says of a role; NULL where there is a tokenizer.json. */
static const char *of_class(const struct tokensources *s, const char *role)
{
    if (!s->by_class)
        return NULL;
    if (strcmp(role, "bos_token") == 0)
        return s->bos;
    if (strcmp(role, "pad_token") == 0)
        return s->pad;
    return strcmp(role, "eos_token") == 0 || strcmp(role, "unk_token") == 0 ? s->eos : NULL;
}

const char *tokensources_special(const struct tokensources *s, const char *role)
{
    const struct json *told = json_get(s->config, role);
    if (!told)
        told = json_get(s->map, role);
    return told ? tokenizer_content(told) : of_class(s, role);
}

/* ---- lists by id ------------------------------------------------------------------------------ */

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

static int item_order(const void *a, const void *b)
{
    int64_t x = ((const struct tokenlist_item *)a)->id, y = ((const struct tokenlist_item *)b)->id;
    return (x > y) - (x < y);
}

enum status tokenlist_open(struct tokenlist *list, const struct json *object, bool ids_are_keys,
                           const char *where, struct fault *f)
{
    size_t count = json_count(object);
    *list = (struct tokenlist){0};
    if (json_kind(object) != JSON_OBJECT)
        return fault_set(f, ST_FORMAT, "%s: the added tokens are not an object", where);
    list->p = malloc((count + 1) * sizeof *list->p);
    if (!list->p)
        return fault_nomem(f, "added tokens", count * sizeof *list->p);
    for (const struct json *m = json_first(object); m; m = json_next(m)) {
        struct tokenlist_item *item = &list->p[list->n++];
        item->v = m;
        if (!(ids_are_keys ? id_read(json_key(m), &item->id) : json_int(m, &item->id))) {
            tokenlist_close(list);
            return fault_set(f, ST_FORMAT, "%s: the id of the added token %.80s is not an integer",
                             where, json_key(m));
        }
    }
    qsort(list->p, list->n, sizeof *list->p, item_order);
    return ST_OK;
}

void tokenlist_close(struct tokenlist *list)
{
    free(list->p);
    *list = (struct tokenlist){0};
}

/* ---- added tokens ----------------------------------------------------------------------------- */

enum status tokenroles_add_token(struct tokenizer *t, const struct added_token *token, int64_t id,
                                 const char *where, struct fault *f)
{
    int32_t given = -1;
    if (added_add(&t->added, token, &given, where, f) != ST_OK)
        return f->code;
    if (given >= 0 && given != id)
        return fault_set(f, ST_FORMAT,
                         "%s: the added token %.80s has the id %lld, where the tokenizers library "
                         "would give it %d",
                         where, token->content, (long long)id, (int)given);
    return ST_OK;
}

enum status tokenroles_add_one(struct tokenizer *t, const struct json *v, int64_t id,
                               const char *where, struct fault *f)
{
    const char *content = json_string(json_get(v, "content"));
    struct added_token token = {.content = content, .n = content ? strlen(content) : 0};
    if (!content)
        return fault_set(f, ST_FORMAT, "%s: an added token has no content", where);
    if (json_opt_bool(&token.single_word, v, "single_word", where, f) != ST_OK ||
        json_opt_bool(&token.lstrip, v, "lstrip", where, f) != ST_OK ||
        json_opt_bool(&token.rstrip, v, "rstrip", where, f) != ST_OK ||
        json_opt_bool(&token.special, v, "special", where, f) != ST_OK)
        return f->code;
    token.normalized = !token.special;
    if (json_opt_bool(&token.normalized, v, "normalized", where, f) != ST_OK)
        return f->code;
    return tokenroles_add_token(t, &token, id, where, f);
}

static enum status decoder_add(struct tokenizer *t, const struct json *object, struct fault *f)
{
    const char *where = "tokenizer_config.json";
    struct tokenlist list;
    enum status st = tokenlist_open(&list, object, true, where, f);
    for (size_t i = 0; st == ST_OK && i < list.n; i++) {
        const char *content = json_string(json_get(list.p[i].v, "content"));
        if (!content || !added_find(&t->added, content, strlen(content)))
            st = tokenroles_add_one(t, list.p[i].v, list.p[i].id, where, f);
    }
    tokenlist_close(&list);
    return st;
}

/* A token that is special by what the files call it: a string, or an object with its properties. As
 * in transformers it gets the next id if nobody has given it one. */
static enum status special_add(struct tokenizer *t, const struct json *v, const char *content,
                               const char *where, struct fault *f)
{
    struct added_token token = {.content = content, .n = content ? strlen(content) : 0};
    if (token.n == 0 || added_find(&t->added, content, token.n))
        return ST_OK;
    if (json_kind(v) == JSON_OBJECT &&
        (json_opt_bool(&token.single_word, v, "single_word", where, f) != ST_OK ||
         json_opt_bool(&token.lstrip, v, "lstrip", where, f) != ST_OK ||
         json_opt_bool(&token.rstrip, v, "rstrip", where, f) != ST_OK ||
         json_opt_bool(&token.normalized, v, "normalized", where, f) != ST_OK))
        return f->code;
    token.special = true;
    return added_add(&t->added, &token, NULL, where, f);
}

/* extra_special_tokens by name, or a list of them. */
static enum status specials_add(struct tokenizer *t, const struct json *list, const char *where,
                                struct fault *f)
{
    enum status st = ST_OK;
    if (json_kind(list) == JSON_ARRAY || json_kind(list) == JSON_OBJECT)
        for (const struct json *m = json_first(list); m && st == ST_OK; m = json_next(m))
            st = special_add(t, m, tokenizer_content(m), where, f);
    return st;
}

static enum status lists_add(struct tokenizer *t, const struct json *from, const char *where,
                             struct fault *f)
{
    enum status st = specials_add(t, json_get(from, "extra_special_tokens"), where, f);
    return st == ST_OK ? specials_add(t, json_get(from, "additional_special_tokens"), where, f)
                       : st;
}

enum status tokenroles_add(struct tokenizer *t, const struct tokensources *s, struct fault *f)
{
    static const char *const roles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    const char *where = "tokenizer_config.json";
    const struct json *decoder = json_get(s->config, "added_tokens_decoder");
    const struct json *map = json_kind(decoder) == JSON_OBJECT ? NULL : s->map;
    if (json_kind(decoder) == JSON_OBJECT && decoder_add(t, decoder, f) != ST_OK)
        return f->code;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        const struct json *v = json_get(s->config, roles[i]);
        if (!v)
            v = json_get(map, roles[i]);
        const char *content = v ? tokenizer_content(v) : of_class(s, roles[i]);
        if (special_add(t, v, content, where, f) != ST_OK)
            return f->code;
    }
    if (lists_add(t, s->config, where, f) != ST_OK)
        return f->code;
    return lists_add(t, map, "special_tokens_map.json", f);
}

/* ---- roles ------------------------------------------------------------------------------------ */

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
}
