/* Tokenizers as Hugging Face's `tokenizers` library defines them, from tokenizer.json (or
 * vocab.json + merges.txt, with the rest by tokenizer_class).
 *
 *     struct tokenizer *t;
 *     if (tokenizer_open(&t, &files, f) != ST_OK) return f->code;
 *     struct ids ids = {0};
 *     tokenizer_encode(t, &ids, "Hello", 5, TOKENIZER_ADD_SPECIAL, f);
 *     tokenizer_close(&t);
 *
 * Stages, each a small part of its own (data/tokenizer/): added tokens are cut out, the normalizer
 * runs on what is between them, the pre-tokenizer cuts words, BPE makes ids, the post-processor
 * adds special tokens; decoding runs the decoder's parts. Anything that a part does not know is
 * refused by name at open. Opened tokenizers are immutable: threads may share one. */
#ifndef DATA_TOKENIZER_H
#define DATA_TOKENIZER_H

#include <stdbool.h>

#include "data/json.h"
#include "data/text.h"
#include "kernels/status.h"

struct tokenizer;

enum tokenizer_flags {
    TOKENIZER_ADD_SPECIAL = 1, /* run the post-processor: BOS where the tokenizer says so */
    TOKENIZER_NO_ADDED = 2,    /* do not recognise added tokens in the text */
};

/* files: tokenizer.json, tokenizer_config.json, special_tokens_map.json, added_tokens.json,
 * vocab.json, merges.txt, config.json, as far as there. */
enum status tokenizer_open(struct tokenizer **out, const struct blobs *files, struct fault *f);
void tokenizer_close(struct tokenizer **t);

/* Appends the ids of text[0..n), which must be valid UTF-8 (ST_FORMAT with the offset if not). */
enum status tokenizer_encode(const struct tokenizer *t, struct ids *out, const char *text, size_t n,
                             unsigned flags, struct fault *f);

/* The same; ends gets for each id where in text its last character ends. Tokens of one character
 * all end with it, and tokens end one after another, so the first token that ends after a
 * character's beginning is the first that holds some of it: char_to_token() of transformers. */
enum status tokenizer_encode_ends(const struct tokenizer *t, struct ids *out, struct ids *ends,
                                  const char *text, size_t n, unsigned flags, struct fault *f);

/* The words that calls have met, so that many short texts take no longer than one that is long. Of
 * one thread at a time. The same ids as without (memory NULL). */
struct tokenizer_memory;
enum status tokenizer_memory_open(struct tokenizer_memory **out, const struct tokenizer *t,
                                  struct fault *f);
void tokenizer_memory_close(struct tokenizer_memory **m);
enum status tokenizer_encode_again(const struct tokenizer *t, struct tokenizer_memory *memory,
                                   struct ids *out, struct ids *ends, const char *text, size_t n,
                                   unsigned flags, struct fault *f);

/* Appends the text of ids[0..n) as decode() would; special tokens left out if skip_special. The
 * result is valid UTF-8: bytes that are not become U+FFFD, as in the oracle. */
enum status tokenizer_decode(const struct tokenizer *t, struct text *out, const int32_t *ids,
                             size_t n, bool skip_special, struct fault *f);

int tokenizer_size(const struct tokenizer *t);                  /* one above the largest id */
int tokenizer_id(const struct tokenizer *t, const char *piece); /* -1 if there is none */
const char *tokenizer_piece(const struct tokenizer *t, int id); /* NULL if there is none */
bool tokenizer_is_special(const struct tokenizer *t, int id);

/* Special tokens by role, -1 if there is none: bos_token and eos_token of tokenizer_config.json,
 * else of special_tokens_map.json, else (without tokenizer.json) of the tokenizer's class. If that
 * is no token, eos is the first eos_token_id of config.json; bos is its bos_token_id only where
 * neither of the first two files is there. */
int tokenizer_bos(const struct tokenizer *t);
int tokenizer_eos(const struct tokenizer *t);
bool tokenizer_adds_bos(const struct tokenizer *t); /* the post-processor puts that bos first */

/* The content of a special token as configurations have it, a string or {"content": ...}; NULL if
 * v is neither. */
const char *tokenizer_content(const struct json *v);

#endif
