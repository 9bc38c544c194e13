/* Tokenizers from vocab.json and merges.txt, where the class alone tells the rest. */
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

static bool role_names(const struct tokensources *s, const char *content)
{
    static const char *const roles[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        const char *named = tokensources_special(s, roles[i]);
        if (named && strcmp(named, content) == 0)
            return true;
    }
    for (const struct json *m = tokensources_additional(s); m; m = json_next(m)) {
        const char *named = tokenizer_content(m);
        if (named && strcmp(named, content) == 0)
            return true;
    }
    return false;
}

/* added_tokens.json: contents to ids, without properties. */
static enum status added_read(struct tokenizer *t, const struct json *object,
                              const struct tokensources *s, struct fault *f)
{
    const char *where = "added_tokens.json";
    struct tokenlist list;
    enum status st = tokenlist_open(&list, object, false, where, f);
    for (size_t i = 0; st == ST_OK && i < list.n; i++) {
        const char *content = json_key(list.p[i].v);
        struct added_token token = {.content = content, .n = strlen(content)};
        token.special = role_names(s, content);
        token.normalized = !token.special;
        if (!added_find(&t->added, content, token.n))
            st = tokenroles_add_token(t, &token, list.p[i].id, where, f);
    }
    tokenlist_close(&list);
    return st;
}

enum status tokenfiles_add(struct tokenizer *t, const struct blobs *files,
                           const struct tokensources *s, struct fault *f)
{
    const struct blob *b = blobs_find(files, "added_tokens.json");
    struct json_doc *doc = NULL;
    if (!b || json_kind(json_get(s->config, "added_tokens_decoder")) == JSON_OBJECT)
        return ST_OK;
    if (json_parse(&doc, (const char *)b->data, b->size, "added_tokens.json", f) != ST_OK)
        return f->code;
    enum status st = added_read(t, json_root(doc), s, f);
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

/* BOS and EOS around a text where the config says so. */
static enum status post_open(struct tokenizer *t, const struct json *config, struct fault *f)
{
    const char *where = "tokenizer_config.json";
    bool bos = false, eos = false;
    if (json_opt_bool(&bos, config, "add_bos_token", where, f) != ST_OK ||
        json_opt_bool(&eos, config, "add_eos_token", where, f) != ST_OK ||
        (bos && t->bos >= 0 && ids_add(&t->post.before, t->bos, f) != ST_OK) ||
        (eos && t->eos >= 0 && ids_add(&t->post.after, t->eos, f) != ST_OK))
        return f->code;
    return ST_OK;
}

enum status tokenfiles_open(struct tokenizer *t, const struct blobs *files, struct tokensources *s,
                            struct fault *f)
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
    s->by_class = true;
    s->bos = c->bos;
    s->eos = c->eos;
    s->pad = c->pad;
    added_open(&t->added, &t->bpe.vocab);
    if (tokenfiles_add(t, files, s, f) != ST_OK || tokenroles_add(t, s, f) != ST_OK)
        return f->code;
    tokenroles_find(t, s);
    return post_open(t, s->config, f);
}
