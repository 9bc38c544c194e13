/* Training and evaluation rows: JSONL ({"text"}, {"prompt","completion"}, {"messages"[,"tools"]}) or
 * plain text, tokenized as design says, cut to length, put into micro-batches.
 *
 *     struct dataset_options o = {.tokenizer = t, .chat = c, .seq_max = 2048};
 *     struct dataset *d;
 *     dataset_open(&d, "data/train.jsonl", &o, f);
 *     struct sampler *s;
 *     sampler_new(&s, d, &(struct sampler_options){.batch = 4, .accumulate = 2, .shuffle = true}, f);
 *     struct window w = {0};
 *     while (sampler_next(s, &w, f) == ST_OK && w.micros > 0) …       // one optimizer step
 *     window_free(&w); sampler_free(&s); dataset_close(&d);
 *
 * Row semantics
 *   text       ids with the post-processor's specials, then EOS unless it is already last; every token
 *              but the first is a target.
 *   prompt/completion   through the chat template as user/assistant when there is one, else
 *              ids(prompt, with specials) + ids(completion, without) + EOS, tokenized apart.
 *   messages   the template rendered, tokenized with special tokens recognised and none added. One row
 *              carries all assistant spans where renderings are prefixes of the whole; else one row
 *              per assistant turn.
 *   mask_prompt: only the completion's (or every assistant turn's) tokens and its end token are
 *              targets. A target is the token predicted; the first token of a row never is one.
 *   .txt       one token stream cut at seq_max.
 * Rows longer than seq_max are cut (counted in stats). A line that is not JSON or not UTF-8, has no
 * known keys or the wrong types, or a row whose text, completion or every assistant turn is empty or
 * without targets fails with the file and line number (ST_FORMAT). */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "data/batch.h"
#include "data/chat.h"
#include "data/text.h"
#include "data/tokenizer.h"

struct dataset;
struct sampler;

struct dataset_options {
    const struct tokenizer *tokenizer;
    const struct chat *chat; /* NULL: the model has no template */
    int seq_max;
    int vocab;               /* ids at or above it are an error (the tokenizer does not fit) */
    bool mask_prompt;
    time_t now;              /* the date that templates may print */
};

struct row {
    const int32_t *ids;
    const uint8_t *target; /* 1: this token is to be predicted */
    int n, targets;
    int line;              /* 1-based line of the file */
};

struct dataset_stats {
    size_t rows, tokens, targets, cut_rows, cut_tokens, longest;
};

enum status dataset_open(struct dataset **out, const char *path, const struct dataset_options *o,
                         struct fault *f);
/* The same from memory; path names it in messages, and its ending tells JSONL from plain text. */
enum status dataset_parse(struct dataset **out, const char *path, const char *bytes, size_t n,
                          const struct dataset_options *o, struct fault *f);
void dataset_close(struct dataset **d);
size_t dataset_rows(const struct dataset *d);
struct row dataset_row(const struct dataset *d, size_t i); /* borrowed */
struct dataset_stats dataset_stats(const struct dataset *d);
const char *dataset_kind(const struct dataset *d); /* "text", "prompt/completion", "messages", … */
uint32_t dataset_identity(const struct dataset *d); /* CRC-32C of the file: resume checks it */

/* Finds train/valid/test in a directory (.jsonl before .txt), or takes a single file as train.
 * Absent splits leave their path NULL; each found path is the caller's to free(). */
enum status dataset_find(char **train, char **valid, char **test, const char *path,
                         struct fault *f);

/* The text that perplexity over a stream needs: a .txt as it is, or the `text` rows of a JSONL joined by
 * a blank line. Appends to out. */
enum status dataset_text(struct text *out, const char *path, struct fault *f);

/* ---- windows of micro-batches ------------------------------------------------------------------------
 *
 * Micro-batches carry no padding (batch.h), so rows of similar length need not be brought together, and
 * packed and unpacked batches give the same loss. */

struct sampler_options {
    int batch, accumulate;
    bool shuffle;   /* each epoch a fresh permutation of (seed, epoch) */
    bool packing;   /* a batch row is filled up to seq_max with whole documents */
    int64_t epochs; /* stop after so many passes; 0: go round for ever */
    int seq_max;
    uint64_t seed;
};

/* One optimizer step: its micro-batches, and the targets of all of them together. */
struct window {
    int micros;
    struct batch *micro;
    int64_t targets, tokens;
    double epoch; /* passes over the data when this window is done */
    int cap;
};

enum status sampler_new(struct sampler **out, const struct dataset *d,
                        const struct sampler_options *o, struct fault *f);
void sampler_free(struct sampler **s);

/* Fills the next window, reusing its memory. After the last epoch's last window (which may be
 * partial) micros is 0. A micro-batch is `batch` rows, in the order of the file or of the epoch's
 * permutation; it may reach over the end of an epoch. */
enum status sampler_next(struct sampler *s, struct window *w, struct fault *f);
void window_free(struct window *w);

/* Windows in all epochs together; with epochs = 0, windows per pass, rounded up. */
enum status sampler_windows(int64_t *out, const struct sampler *s, struct fault *f);
int sampler_rows_max(const struct sampler *s); /* token rows of the largest micro-batch, at most */

/* Where it stands: all of it, for a checkpoint. Restoring gives the same windows again. */
struct sampler_state {
    uint64_t epoch, cursor; /* passes done; batch rows taken of this pass */
};
struct sampler_state sampler_tell(const struct sampler *s);
enum status sampler_seek(struct sampler *s, struct sampler_state at, struct fault *f);

#endif
