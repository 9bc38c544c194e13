/* What is wrong with training data, found before the first step: rows without targets, rows that
 * are cut, rows that never teach the model to stop, tokens that it has never seen, rows that come
 * twice.
 *
 *     struct audit *a = NULL;
 *     audit_new(&a, &(struct audit_options){
 *                        .tokenizer = t, .vocab = 32000, .eos = eos, .eos_count = 1}, f);
 *     o.watch = audit_watch(a, true);              // true: collect bad lines, stop at none
 *     dataset_open_files(&train, …, &o, f);        // and valid, maybe
 *     audit_run(a, train, valid, f);
 *     for (size_t i = 0; i < audit_findings(a); i++)
 *         … audit_finding(a, i)->text …
 *     audit_free(&a);                              // before the datasets: it names their files
 *
 * A finding is an error where training would go wrong (the model learns something else than the
 * data says, or cannot learn it), a warning where somebody should look, and a note where only a
 * rule is told.
 *
 *   no_targets         error    lines in which nothing is to be predicted
 *   bad_lines          error    lines that cannot be read, or are not rows
 *   no_rows            error    nothing is left to train on
 *   template_eos       error    no row holds a token that generation stops at: the chat template
 *                               never emits one
 *   missing_eos        error if every row, else warning: no such token among a row's last targets
 *   no_eos             warning  the model names no token to stop at
 *   untrained_tokens   error    tokens whose embedding is one value over and over, such as zero, or
 *                               numbers below 1e-16
 *   equal_embeddings   warning  tokens whose embeddings are the same: no model tells them apart
 *   cut_rows           warning  rows longer than seq_max
 *   unmasked           warning  texts, which mask_prompt leaves whole: they have no prompt
 *   special_tokens     warning  texts that spell a special token, which becomes that token
 *   double_bos         warning  rows that begin with two BOS
 *   duplicates         warning  rows of train that are there already
 *   valid_duplicates   warning  rows of valid that are there already
 *   leaked             warning  rows of valid that train has too
 *   conversation_split note     conversations that became a row per assistant turn
 *
 * EOS is looked for among the last eight targets of rows that are whole; plain text has no ends. */
#ifndef DATA_AUDIT_H
#define DATA_AUDIT_H

#include "data/dataset.h"
#include "kernels/dtype.h"

struct audit;

struct audit_options {
    const struct tokenizer *tokenizer;
    bool chat;      /* conversations go through a template */
    const int *eos; /* [eos_count] where generation stops */
    int eos_count;
    const void *embed; /* [vocab, hidden] the embedding matrix, or NULL: not looked at */
    enum dtype embed_dtype;
    int vocab; /* above every id of a row */
    int hidden;
};

enum audit_severity { AUDIT_NOTE, AUDIT_WARNING, AUDIT_ERROR };

struct audit_place {
    const char *path; /* borrowed from the dataset */
    int line;
};

enum { AUDIT_PLACES = 10000 };

struct audit_finding {
    enum audit_severity severity;
    const char *name; /* as above */
    char text[400], remedy[240];
    size_t count; /* rows, lines or tokens that it is about */
    struct audit_place *place;
    size_t places; /* the first AUDIT_PLACES of them */
    size_t cap;
};

enum status audit_new(struct audit **out, const struct audit_options *o, struct fault *f);
void audit_free(struct audit **a);

/* For dataset_options.watch while the data is read. Lenient: lines that cannot be trained on are
 * collected; else the dataset refuses at the first, as training does. */
const struct dataset_watch *audit_watch(struct audit *a, bool lenient);

/* Once: looks through the rows of both, and makes the list of findings, errors first. valid may be
 * NULL; the embedding matrix is read for the tokens that occur. */
enum status audit_run(struct audit *a, const struct dataset *train, const struct dataset *valid,
                      struct fault *f);
size_t audit_findings(const struct audit *a);
const struct audit_finding *audit_finding(const struct audit *a, size_t i);
bool audit_failed(const struct audit *a); /* one of them is an error */

/* How many rows have how many tokens, in at most AUDIT_BINS ranges of equal width. */
enum { AUDIT_BINS = 12 };
struct audit_bin {
    int from, to; /* both included */
    size_t rows;
};
size_t audit_histogram(struct audit_bin bins[AUDIT_BINS], const struct dataset *d);

#endif
