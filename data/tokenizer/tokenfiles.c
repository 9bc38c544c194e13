/* Tokenizers from vocab.json and merges.txt, where the class alone tells the rest. */
#include <stdlib.h>
#include <string.h>

#include "data/tokenizer/tokenparts.h"

#define QWEN2_WORDS                                                                           \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+" \
    "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

struct tokenclass {
    const char *name, *model_type; /* model_type: what config.json says where no class is named */
    const char *regex;             /* NULL: that of ByteLevel */
    bool nfc;
    const char *bos, *eos, *pad; /* what a file that is silent about them means */
};

static const struct tokenclass classes[] = {
    {"GPT2Tokenizer", "gpt2", NULL, false, "<|endoftext|>", "<|endoftext|>", NULL},
    {"Qwen2Tokenizer", "qwen2", QWEN2_WORDS, true, NULL, "<|endoftext|>", "<|endoftext|>"},
    {"Qwen2Tokenizer", "qwen3", QWEN2_WORDS, true, NULL, "<|endoftext|>", "<|endoftext|>"},
};

static enum status class_find(const struct tokenclass **out, const struct tokensources *s,
                              struct fault *f)
{
    const char *name = json_string(json_get(s->config, "tokenizer_class"));
    const char *type = json_string(json_get(s->model, "model_type"));
    size_t n = name ? strlen(name) : 0;
    if (n > 4 && strcmp(name + n - 4, "Fast") == 0)
        n -= 4;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        const struct tokenclass *c = &classes[i];
        if (name ? strlen(c->name) == n && strncmp(c->name, name, n) == 0
                 : type && strcmp(c->model_type, type) == 0) {
            *out = c;
            return ST_OK;
        }
    }
    if (name)
        fault_set(
            f, ST_UNSUPPORTED,
            "tokenizer_config.json: the tokenizer_class \"%.60s\" without a tokenizer.json is "
            "not supported",
            name);
    else
        fault_set(f, ST_UNSUPPORTED,
                  "vocab.json: neither tokenizer_class nor a known model_type "
                  "tells how to cut words");
    return fault_remedy(f, "save the tokenizer with transformers (save_pretrained), which writes "
                           "tokenizer.json");
}

static const char *role_or(const struct tokensources *s, const char *role, const char *absent)
{
    bool told = json_get(s->config, role) || json_get(s->map, role);
    return told ? tokensources_special(s, role) : absent;
}

struct listed {
    int64_t id;
    const char *content;
};

static int listed_order(const void *a, const void *b)
{
    int64_t x = ((const struct listed *)a)->id, y = ((const struct listed *)b)->id;
    return (x > y) - (x < y);
}

static bool role_names(const struct tokensources *s, const struct tokenclass *c,
                       const char *content)
{
    static const char *const roles[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    const char *const absent[] = {c->bos, c->eos, c->eos, c->pad};
    for (size_t i = 0; i < 4; i++) {
        const char *named = role_or(s, roles[i], absent[i]);
        if (named && strcmp(named, content) == 0)
            return true;
    }
    const struct json *more = json_get(s->config, "additional_special_tokens");
    if (!more)
        more = json_get(s->map, "additional_special_tokens");
    for (const struct json *m = json_kind(more) == JSON_ARRAY ? json_first(more) : NULL; m;
         m = json_next(m)) {
        const char *named = json_string(m) ? json_string(m) : json_string(json_get(m, "content"));
        if (named && strcmp(named, content) == 0)
            return true;
    }
    return false;
}

/* added_tokens.json: contents to ids, without properties. */
static enum status added_read(struct tokenizer *t, const struct json *object,
                              const struct tokensources *s, const struct tokenclass *c,
                              struct fault *f)
{
    const char *where = "added_tokens.json";
    size_t count = json_count(object), n = 0;
    struct listed *list = malloc((count + 1) * sizeof *list);
    enum status st = ST_OK;
    if (!list)
        return fault_nomem(f, "added tokens", count * sizeof *list);
    for (const struct json *m = json_first(object); m && st == ST_OK; m = json_next(m)) {
        list[n].content = json_key(m);
        if (!list[n].content || !json_int(m, &list[n++].id))
            st = fault_set(f, ST_FORMAT, "%s: an id is not an integer", where);
    }
    qsort(list, n, sizeof *list, listed_order);
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        int32_t given = -1;
        struct added_token token = {.content = list[i].content, .n = strlen(list[i].content)};
        token.special = role_names(s, c, list[i].content);
        token.normalized = !token.special;
        st = added_add(&t->added, &token, &given, where, f);
        if (st == ST_OK && given >= 0 && given != list[i].id)
            st = fault_set(f, ST_FORMAT,
                           "%s: the added token %.80s has the id %lld, where the tokenizers "
                           "library would give it %d",
                           where, list[i].content, (long long)list[i].id, (int)given);
    }
    free(list);
    return st;
}

static enum status added_open_file(struct tokenizer *t, const struct blobs *files,
                                   const struct tokensources *s, const struct tokenclass *c,
                                   struct fault *f)
{
    const struct blob *b = blobs_find(files, "added_tokens.json");
    struct json_doc *doc = NULL;
    if (!b || json_kind(json_get(s->config, "added_tokens_decoder")) == JSON_OBJECT)
        return ST_OK;
    if (json_parse(&doc, (const char *)b->data, b->size, "added_tokens.json", f) != ST_OK)
        return f->code;
    enum status st = ST_OK;
    if (json_kind(json_root(doc)) != JSON_OBJECT)
        st = fault_set(f, ST_FORMAT, "added_tokens.json: not an object");
    else
        st = added_read(t, json_root(doc), s, c, f);
    json_close(&doc);
    return st;
}

static enum status model_open(struct tokenizer *t, const struct blobs *files, struct fault *f)
{
    const struct blob *vocab = blobs_find(files, "vocab.json");
    const struct blob *merges = blobs_find(files, "merges.txt");
    struct json_doc *doc = NULL;
    if (json_parse(&doc, (const char *)vocab->data, vocab->size, "vocab.json", f) != ST_OK)
        return f->code;
    enum status st =
        bpe_open_files(&t->bpe, json_root(doc), (const char *)merges->data, merges->size, f);
    json_close(&doc);
    return st;
}

/* The class's own special tokens, and BOS and EOS around a text where the config says so. */
static enum status roles_open(struct tokenizer *t, const struct tokensources *s,
                              const struct tokenclass *c, struct fault *f)
{
    static const char *const roles[] = {"bos_token", "eos_token", "pad_token"};
    static const char *const adds[] = {"add_bos_token", "add_eos_token"};
    const char *const absent[] = {c->bos, c->eos, c->pad};
    int *const ids[] = {&t->bos, &t->eos, &t->pad};
    for (int i = 0; i < 3; i++) {
        const char *content = role_or(s, roles[i], absent[i]);
        size_t n = content ? strlen(content) : 0;
        struct added_token token = {.content = content, .n = n, .special = true};
        if (n > 0 && !added_find(&t->added, content, n) &&
            vocab_find(&t->bpe.vocab, content, n) >= 0 &&
            added_add(&t->added, &token, NULL, "tokenizer_config.json", f) != ST_OK)
            return f->code;
        *ids[i] = content ? tokenizer_id(t, content) : -1;
    }
    for (int i = 0; i < 2; i++) {
        bool add = false;
        if (json_opt_bool(&add, s->config, adds[i], "tokenizer_config.json", f) != ST_OK)
            return f->code;
        if (add && *ids[i] >= 0 &&
            ids_add(i == 0 ? &t->post.before : &t->post.after, *ids[i], f) != ST_OK)
            return f->code;
    }
    return ST_OK;
}

enum status tokenfiles_open(struct tokenizer *t, const struct blobs *files,
                            const struct tokensources *s, struct fault *f)
{
    const struct tokenclass *c = NULL;
    bool prefix = false;
    if (class_find(&c, s, f) != ST_OK || model_open(t, files, f) != ST_OK ||
        json_opt_bool(&prefix, s->config, "add_prefix_space", "tokenizer_config.json", f) !=
            ST_OK ||
        (c->nfc && normalizer_add(&t->normalizer, NORMALIZER_NFC, f) != ST_OK) ||
        pretokenizer_open_byte_level(&t->pretokenizer, c->regex, prefix, f) != ST_OK ||
        piecedecoder_add(&t->decoder, DECODE_BYTE_LEVEL, f) != ST_OK)
        return f->code;
    added_open(&t->added, &t->bpe.vocab);
    if (added_open_file(t, files, s, c, f) != ST_OK || tokenroles_add(t, s, f) != ST_OK)
        return f->code;
    return roles_open(t, s, c, f);
}
