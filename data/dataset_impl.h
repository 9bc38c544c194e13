/* Inside data/dataset*.c only. */
#ifndef DATA_DATASET_IMPL_H
#define DATA_DATASET_IMPL_H

#include "data/dataset.h"
#include "data/lines.h"
#include "data/tokenstore.h"

struct row_entry {
    uint64_t at; /* in the store */
    int n, targets, cut, line, file;
};

struct dataset {
    struct dataset_options o;
    const char *path; /* of the file being read */
    uint64_t told;    /* how much of it options.progress knows of */
    const struct lines *lines;
    struct tokenizer_memory *words; /* while files are read */
    const char *kind;               /* of its first row; all its rows must be of it */
    bool targetless; /* the line that just failed has nothing to predict, and is sound otherwise */
    struct dataset_part *part; /* paths are owned */
    size_t parts;
    struct tokenstore *store; /* shared with what was held out */
    struct row_entry *row;
    size_t rows, cap;
    struct dataset_stats stats; /* what dataset_measure counted */
    char kinds[96];
    uint32_t identity;
};

/* "FILE: line N WHAT" and its remedy. */
enum status dataset_wrong(const struct dataset *d, int line, const char *what, const char *remedy,
                          struct fault *f);
/* The same for a line that is sound but for having nothing to predict. */
enum status dataset_targetless(struct dataset *d, int line, const char *what, const char *remedy,
                               struct fault *f);

/* Tells options.progress how far reading has come, if a megabyte was read or the end is there. */
void dataset_tell(struct dataset *d, const struct lines *l);

/* The rows of a plain text (dataset_stream.c). */
enum status dataset_add_stream(struct dataset *d, struct lines *l, struct fault *f);

/* A text's ids, and where they end if ends is not NULL. */
enum status dataset_encode(const struct dataset *d, struct ids *ids, struct ids *ends,
                           const char *text, size_t n, unsigned flags, struct fault *f);

/* Tokenizes one parsed line and appends its row or rows (dataset_kind.c). */
enum status dataset_add_line(struct dataset *d, const struct json *root, int line, struct fault *f);

struct conversation {
    const struct json *messages, *tools;
    const struct json *extra; /* further variables for the template, or NULL */
    size_t given;             /* messages that are a prompt: with mask_prompt, no targets */
};

/* A conversation, through the template: its row, or its rows (dataset_chat.c). */
enum status dataset_add_chat(struct dataset *d, const struct conversation *c, int line,
                             struct fault *f);

/* Kinds of rows (dataset_conversations.c). */
enum status dataset_messages_row(struct dataset *d, const struct json *root, int line,
                                 struct fault *f);
enum status dataset_pair_of_messages(struct dataset *d, const struct json *root, int line,
                                     struct fault *f);
enum status dataset_sharegpt_row(struct dataset *d, const struct json *root, int line,
                                 struct fault *f);
/* A row's "system" as a first message. */
void dataset_add_system(struct json_doc *messages, const struct json *root);

/* Marks tokens [from, to) of a row as targets (1) or not (0), growing the marks as needed. */
enum status dataset_mark(struct text *target, size_t from, size_t to, char value, struct fault *f);

/* Appends a row cut to seq_max: ids, and for each whether it is to be predicted. */
enum status dataset_add_row(struct dataset *d, const struct ids *ids, const struct text *target,
                            int line, struct fault *f);

/* Counts stats, the parts' rows and kinds anew. */
void dataset_measure(struct dataset *d);

/* Calls fn with each line of JSON that is not blank. A fault of fn, or a line that is not a JSON
 * object, goes to `skip` if that is not NULL, which tells whether to go on. */
typedef enum status dataset_line_fn(void *ctx, const struct json *root, int line, struct fault *f);
typedef enum status dataset_skip_fn(void *ctx, int line, struct fault *f);
enum status dataset_each_line(struct lines *l, const char *path, dataset_line_fn *fn,
                              dataset_skip_fn *skip, void *ctx, struct fault *f);

bool dataset_is_text(const char *path); /* .txt, .txt.gz */

#endif
