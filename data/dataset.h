/* Training and evaluation rows, as people have them: read line by line, tokenized as design says,
 * cut to length, put into micro-batches.
 *
 *     struct dataset_options o = {
 *         .tokenizer = t, .chat = c, .seq_max = 2048, .vocab = 32000};
 *     struct dataset *d;
 *     dataset_open(&d, "data/train.jsonl", &o, f);
 *     struct sampler *s;
 *     sampler_new(&s, d, &(struct sampler_options){.batch = 4, .accumulate = 2}, f);
 *     struct window w = {0};
 *     while (sampler_next(s, &w, f) == ST_OK && w.micros > 0) …       // one optimizer step
 *     window_free(&w); sampler_free(&s); dataset_close(&d);
 *
 * Files: .txt is plain text; anything else holds one JSON object a line, and a .json may hold one
 * array of objects. Each may be gzip'd (.jsonl.gz). Neither the file nor, beyond memory_max, its
 * tokens are ever held in memory whole (lines.h, textstream.h, tokenstore.h): 32 bytes a row are.
 *
 * The kind of a row is told by its keys, the first of these that fits; a file has rows of one kind:
 *   prompt/completion   {"prompt", "completion"}: strings, or both lists of messages
 *   messages   {"messages": [{"role", "content"[, "weight"], …}]}
 *   ShareGPT   {"conversations": [{"from", "value"}][, "system"]}: human and user become user; gpt,
 *              assistant, chatgpt, model, bing and bard assistant; system system; tool, function and
 *              observation tool; a function_call the assistant's tool_calls. Elements that have a
 *              role and a content are taken as they are.
 *   Alpaca     {"instruction", "output"[, "input"][, "system"][, "history": [[question, answer]]]}
 *   text       {"text"}
 * A conversation may have "tools", and "chat_template_kwargs" (an object of further variables for
 * the template).
 *
 * Row semantics
 *   text       ids with the post-processor's specials, then EOS unless it is already last; every
 *              token but the first is a target.
 *   prompt/completion   through the chat template as user/assistant when there is one, else
 *              ids(prompt, with specials) + ids(completion, without) + EOS, tokenized apart. Lists of
 *              messages are one conversation, in which those of the prompt are given.
 *   messages   the template rendered, tokenized with special tokens recognised and none added. One
 *              row carries all assistant spans where renderings are prefixes of the whole; else one
 *              row per assistant turn. Where the template has {% generation %} blocks, they say what
 *              the assistant wrote, token for token as transformers marks it.
 *   ShareGPT   as messages.
 *   Alpaca     with a template as messages: the user says instruction, and after a blank line the
 *              input if it is not empty; the assistant says output. Without one as
 *              prompt/completion, the prompt being the text that the Alpaca project trained with.
 *   mask_prompt: only the completion's (or every assistant turn's) tokens and its end token are
 *              targets; turns of weight 0 are not, and without mask_prompt are refused. Each turn
 *              must then begin with its own generation prompt. A target is the token predicted; the
 *              first token of a row never is one.
 *   .txt       one token stream cut at seq_max.
 * Rows longer than seq_max are cut (counted in stats). A line that is not JSON or not UTF-8, has no
 * known keys or the wrong types, or content in parts that the template leaves out, or a row whose text, completion or every assistant turn is empty
 * or without targets fails with the file and line number (ST_FORMAT), unless a watch takes it. */
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

/* Looks on while a dataset is read. */
struct dataset_watch {
    void *ctx;
    /* Each JSON line before it becomes rows. May be NULL. */
    void (*line)(void *ctx, const char *path, int line, const struct json *root);
    /* If not NULL: a line that cannot be trained on is told here and passed over, instead of
     * failing the whole; a dataset may then have no rows. targetless: it is well formed, and
     * nothing in it is a target. */
    void (*bad)(void *ctx, const char *path, int line, bool targetless, const struct fault *why);
};

/* What reading tells, every megabyte: bytes of the file, as it is on the disk. */
struct dataset_progress {
    void (*fn)(void *ctx, const char *path, uint64_t done, uint64_t total);
    void *ctx;
};

struct dataset_options {
    const struct tokenizer *tokenizer;
    const struct chat *chat; /* NULL: the model has no template */
    int seq_max;
    int vocab; /* ids at or above it are an error (the tokenizer does not fit) */
    bool mask_prompt;
    time_t now;              /* the date that templates may print */
    size_t memory_max;       /* bytes of tokens kept in memory; 0: 64 MiB */
    const char *temp_folder; /* where more than that goes; NULL, "": as tokenstore.h says */
    const struct dataset_watch *watch;       /* NULL: nobody looks */
    const struct dataset_progress *progress; /* NULL: nobody is told */
};

struct row {
    const int32_t *ids;
    const uint8_t *target; /* 1: this token is to be predicted */
    int n, targets;
    int cut;  /* tokens that were lost to seq_max */
    int line; /* 1-based line of the file; of a plain text, the one that the row begins in */
    int file; /* dataset_part(d, file) */
};

struct dataset_stats {
    size_t rows, tokens, targets, cut_rows, cut_tokens, longest;
    size_t split; /* conversations that became more than one row: a row per assistant turn */
};

/* A file and how often its rows come: w times a pass over the data. Of a weight's fraction f, a
 * share f of the rows (rounded; chosen anew for each pass by the sampler's seed) comes once
 * more. */
struct dataset_file {
    char *path;
    double weight; /* above 0, at most DATASET_WEIGHT_MAX */
};
enum { DATASET_WEIGHT_MAX = 1000 };

enum status dataset_open(struct dataset **out, const char *path, const struct dataset_options *o,
                         struct fault *f);
/* Several files as one: rows in the files' order. Files may differ in kind. */
enum status dataset_open_files(struct dataset **out, const struct dataset_file *files, size_t n,
                               const struct dataset_options *o, struct fault *f);
/* One file from memory; path names it in messages, and its ending tells rows from plain text. */
enum status dataset_parse(struct dataset **out, const char *path, const char *bytes, size_t n,
                          const struct dataset_options *o, struct fault *f);
void dataset_close(struct dataset **d);

/* Moves a share of the lines (all rows of a line together; of a plain text, pieces), chosen by the
 * seed, out of d into *held: what evaluates must not be what trains. At least one line goes and one
 * stays; d with fewer than two lines is ST_RANGE. */
enum status dataset_hold_out(struct dataset **held, struct dataset *d, double share, uint64_t seed,
                             struct fault *f);

size_t dataset_rows(const struct dataset *d);
/* Borrowed until three more rows were asked for. */
struct row dataset_row(const struct dataset *d, size_t i);
/* The same without its tokens (ids and target are NULL): from memory, always. */
struct row dataset_outline(const struct dataset *d, size_t i);
/* Whether all rows that were asked for could be read back from the temporary file; those that could
 * not be were zeros. The sampler asks by itself. */
enum status dataset_check(const struct dataset *d, struct fault *f);
struct dataset_stats dataset_stats(const struct dataset *d);
/* Tokens of a pass over the data, in which a row comes as often as its file's weight says. */
double dataset_pass_tokens(const struct dataset *d);
/* "text", "messages", …; with files of different kinds "messages and text". */
const char *dataset_kind(const struct dataset *d);
/* CRC-32C of the file's bytes as they are on the disk; of several files, over that of each: resume
 * checks it. */
uint32_t dataset_identity(const struct dataset *d);

/* A file and the rows that came of it: [first, first + rows). */
struct dataset_part {
    const char *path, *kind; /* borrowed */
    bool stream;             /* a plain text: its rows are pieces, as long as seq_max lets them */
    bool unmasked;           /* mask_prompt was asked for, and its rows have no prompt */
    double weight;
    size_t first, rows;
};
size_t dataset_parts(const struct dataset *d);
struct dataset_part dataset_part(const struct dataset *d, size_t i);

/* ---- finding files (dataset_files.c) --------------------------------------------------------- */

struct dataset_list {
    struct dataset_file *p; /* paths are owned */
    size_t n;
};
void dataset_list_free(struct dataset_list *l);

/* `paths` is one or several files or folders, with commas between (a name with a comma in it is
 * found too); `weights` as many numbers, with commas between, or NULL. A folder gives its train
 * file, weighted, and maybe its valid file: NAME.jsonl, else NAME.json, NAME.txt, each also with
 * .gz. Files are taken for training. Lists must be zeroed; on failure they are untouched. */
enum status dataset_find(struct dataset_list *train, struct dataset_list *valid, const char *paths,
                         const char *weights, struct fault *f);
/* The same paths, absolute, so that they hold in any working folder. Appends to out. */
enum status dataset_absolute(struct text *out, const char *paths, struct fault *f);

/* By its name: holds JSON rows (.jsonl, .ndjson, .json, and gzip'd). */
bool dataset_is_rows(const char *path);

/* The tokens that perplexity over a stream needs: of a text as it is, or of the `text` rows of a
 * JSONL joined by a blank line. Appends to out. */
enum status dataset_tokens(struct ids *out, const char *path, const struct tokenizer *t,
                           struct fault *f);

/* ---- windows of micro-batches ----------------------------------------------------------------
 *
 * Micro-batches carry no padding (batch.h), so rows of similar length need not be brought together,
 * and packed and unpacked batches give the same loss. */

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

/* The share of computed token rows that would be padding in another program, this pass: batches
 * padded to their longest row, or (packing) packs padded to seq_max. Here nothing is padded. */
double sampler_waste(const struct sampler *s);

/* Where it stands: all of it, for a checkpoint. Restoring gives the same windows again. */
struct sampler_state {
    uint64_t epoch, cursor; /* passes done; batch rows taken of this pass */
};
struct sampler_state sampler_tell(const struct sampler *s);
enum status sampler_seek(struct sampler *s, struct sampler_state at, struct fault *f);

#endif
