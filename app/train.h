/* Inside the train command: its settings, its run directory, its loop. */
#ifndef APP_TRAIN_H
#define APP_TRAIN_H

#include "app/session.h"
#include "data/dataset.h"
#include "model/schedule.h"

/* The flags of `wick train`; a config file and RUN/train.json hold the same names. */
struct train_settings {
    struct common common;
    const char *config, *model, *data, *output, *resume, *adapter_init, *target_modules;
    const char *lr_schedule, *data_weights;
    int64_t rank, num_layers, batch_size, accumulate, iters, epochs, max_seq_length, seed, warmup;
    int64_t decay, steps_per_report, steps_per_eval, val_batches, save_every, early_stop;
    double alpha, dropout, learning_rate, weight_decay, max_grad_norm, val_split;
    bool use_rslora, packing, mask_prompt, shuffle, grad_checkpoint, overwrite, strict;
};

extern const struct train_settings train_defaults;
/* Every option of a run, to be parsed into these settings; without usage and positionals. */
struct command_line train_options(struct train_settings *into);

/* Everything a run needs while it goes. */
struct train {
    struct train_settings set;
    struct session session;
    struct dataset *data, *valid;
    struct text train_path,
        valid_path;            /* how messages name the data; valid_path is empty without */
    struct text data_absolute; /* --data, for train.json */
    struct sampler *sampler;
    struct window window[2]; /* this step's, and the one before (its result comes one step late) */
    struct schedule schedule;
    struct run *run;
    int64_t steps; /* in all */
    time_t now;    /* the date that templates print */
    double began;  /* when this process's training would have begun, had it done all of it */
};

/* What a checkpoint restores beside the numbers. */
struct train_state {
    int64_t step, total_tokens, input_tokens;
    int64_t eval_step;        /* the last step that was evaluated; 0: none */
    int64_t best_step, stale; /* stale: evaluations without improvement */
    double loss, eval_loss, best_loss;
    double seconds; /* of training, in all processes together */
    struct sampler_state at;
    bool finished;
};

/* ---- the data (train_data.c) ----------------------------------------------------------------- */

/* Opens what --data names, holds rows out for --val-split, and says what training will see. */
enum status train_data_open(struct train *t, struct fault *f);
void train_data_close(struct train *t);
/* One pass over t->valid in the file's order, by the same batch size. */
enum status train_valid_sampler(struct sampler **out, const struct train *t, struct fault *f);

/* ---- the run directory (run.c) --------------------------------------------------------------- */

struct run;

/* Refuses a folder with a complete checkpoint unless set.overwrite; always one that another process
 * trains in, one with files of the names that a run writes if no run made them, and one that holds
 * what this run reads under such a name. Early, because it forks, and because nobody wants to wait
 * for a model first. */
enum status run_vacant(const struct train *t, struct fault *f);
/* Makes the folder and its train.json; what a run before it left there goes, and it is this
 * process's until run_close. On failure nothing new is left. */
enum status run_create(struct run **out, struct train *t, struct fault *f);
/* Reads RUN/train.json into t->set (common is left alone) and holds base and data against it later
 * through run_check. The settings' strings live as long as the run. */
enum status run_resume(struct run **out, struct train *t, struct fault *f);
enum status run_check(const struct run *r, const struct train *t, struct fault *f);
void run_close(struct run **r);
const char *run_path(const struct run *r);

/* Reads the newest checkpoint that is not damaged: its numbers into *state, its arrays kept for
 * run_restore; found is false if there is none. Before a device is open: reading a checkpoint forks. */
enum status run_find(struct run *r, struct train *t, struct train_state *state, bool *found,
                     struct fault *f);
/* Puts what run_find found into the model and the sampler, and cuts metrics.jsonl back to its step
 * (a finished run is left as it is). */
enum status run_restore(struct run *r, struct train *t, const struct train_state *state,
                        struct fault *f);
/* The adapter of this step, then the checkpoint; the one before stays until it is whole. */
enum status run_save(struct run *r, struct train *t, const struct train_state *state,
                     struct fault *f);
enum status run_save_best(struct run *r, struct train *t, struct fault *f);
/* Appends one line to metrics.jsonl. Takes doc. */
enum status run_metric(struct run *r, struct json_doc *doc, struct fault *f);
/* Writes report.html from metrics.jsonl. */
enum status run_report(struct run *r, const struct train *t, struct fault *f);

/* ---- the loop (train_loop.c) ----------------------------------------------------------------- */

/* Trains from state to the end, a signal, or a fault. ST_INTERRUPTED after a checkpoint. */
enum status train_loop(struct train *t, struct train_state *state, struct fault *f);

#endif
