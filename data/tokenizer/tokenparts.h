/* What an opened tokenizer is made of, for the files that fill it (tokenizer.c, tokenroles.c,
 * tokenfiles.c). */
#ifndef DATA_TOKENIZER_TOKENPARTS_H
#define DATA_TOKENIZER_TOKENPARTS_H

#include "data/tokenizer.h"
#include "data/tokenizer/added.h"
#include "data/tokenizer/bpe.h"
#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/piecedecoder.h"
#include "data/tokenizer/postprocessor.h"
#include "data/tokenizer/pretokenizer.h"

struct tokenizer {
    struct added added;
    struct normalizer normalizer;
    struct pretokenizer pretokenizer;
    struct bpe bpe;
    struct postprocessor post;
    struct piecedecoder decoder;
    int bos, eos;
};

/* The files beside tokenizer.json, parsed; absent ones are NULL. */
struct tokensources {
    struct json_doc *config_doc, *map_doc, *model_doc;
    const struct json *config; /* tokenizer_config.json */
    const struct json *map;    /* special_tokens_map.json */
    const struct json *model;  /* config.json */
    /* Where vocab.json is all there is: the class's own special tokens, for roles of which no file
     * speaks, and leave to give a new id to special tokens that are not in the vocabulary. */
    const char *bos, *eos, *pad;
    bool by_class;
};

enum status tokensources_open(struct tokensources *s, const struct blobs *files, struct fault *f);
void tokensources_close(struct tokensources *s);

/* The content of a special token ("bos_token"), given as a string or as {"content": ...}: from
 * tokenizer_config.json, else special_tokens_map.json, else the class; NULL if none. */
const char *tokensources_special(const struct tokensources *s, const char *role);

/* The same of added_tokens.json, where no added_tokens_decoder speaks instead. */
enum status tokenfiles_add(struct tokenizer *t, const struct blobs *files,
                           const struct tokensources *s, struct fault *f);

/* tokenizer_config.json's add_prefix_space over a tokenizer.json. */
enum status tokenswitches_prefix(struct tokenizer *t, const struct tokensources *s,
                                 struct fault *f);

/* Refuses what transformers would do and this tokenizer does not: split_special_tokens. */
enum status tokenswitches_check(const struct tokensources *s, struct fault *f);

/* The first of additional_special_tokens, or NULL; json_next gives the others. */
const struct json *tokensources_additional(const struct tokensources *s);

/* Members of an object in the order of their ids, which are the keys (added_tokens_decoder) or the
 * values (added_tokens.json). */
struct tokenlist {
    struct tokenlist_item {
        int64_t id;
        const struct json *v;
    } * p;
    size_t n;
};
enum status tokenlist_open(struct tokenlist *list, const struct json *object, bool ids_are_keys,
                           const char *where, struct fault *f);
void tokenlist_close(struct tokenlist *list);

/* Makes added tokens of those in tokenizer_config.json that the tokenizer has not got yet:
 * added_tokens_decoder, then the special tokens by role, then the lists of extra ones. */
enum status tokenroles_add(struct tokenizer *t, const struct tokensources *s, struct fault *f);

/* Fills bos and eos. */
void tokenroles_find(struct tokenizer *t, const struct tokensources *s);

/* Adds one token; refused if the library would give it another id than the file does. */
enum status tokenroles_add_token(struct tokenizer *t, const struct added_token *token, int64_t id,
                                 const char *where, struct fault *f);

/* The same for an entry of added_tokens or added_tokens_decoder. */
enum status tokenroles_add_one(struct tokenizer *t, const struct json *v, int64_t id,
                               const char *where, struct fault *f);

/* Everything from vocab.json and merges.txt, by the tokenizer's class, which it notes in s. */
enum status tokenfiles_open(struct tokenizer *t, const struct blobs *files, struct tokensources *s,
                            struct fault *f);

#endif
