/* Inside app/run*.c only. */
#ifndef APP_RUN_IMPL_H
#define APP_RUN_IMPL_H

#include <stdio.h>

#include "app/train.h"
#include "data/checkpoint.h"

struct run {
    char *dir;
    int lock;                    /* the folder, locked; -1: not */
    bool made, made_checkpoints; /* which folders run_folder_claim made */
    FILE *metrics;
    struct json_doc *doc;      /* train.json as it was read, when resuming */
    struct json_doc *settings; /* the same without "run" */
    struct checkpoint *found;  /* what run_find read, until run_restore has used it */
};

struct run *run_new(const char *dir, struct fault *f);

/* ---- the folder (run_folder.c) --------------------------------------------------------------- */

/* Takes the run's folder for this process until run_close: ST_RANGE if another one has it. A kill
 * frees it, and nothing is written. Without effect where there is no folder, or a file system that
 * has no locks. */
enum status run_folder_lock(struct run *r, struct fault *f);
/* Makes the folder, or takes one that stands and holds nothing but what a new run may replace;
 * removes that. On failure only what it made itself is gone. */
enum status run_folder_claim(struct run *r, const struct train *t, struct fault *f);
/* Takes back what was made and written since run_folder_claim, before the first step. */
void run_folder_undo(const struct run *r);
/* Removes what a kill left half-written. */
enum status run_clear_halves(const struct run *r, struct fault *f);

/* ---- checkpoints (run_checkpoint.c) ---------------------------------------------------------- */

/* Paths, in rising order of their steps. */
struct names {
    char **p;
    size_t n;
};
void names_free(struct names *n);

/* The checkpoints of a run, oldest first, whole or not: what has the name that run_save gives, or
 * that and ".tmp" for what a kill left half-written. Other files in checkpoints/ are not the run's.
 * None if there is no such folder. */
enum status run_checkpoints(struct names *out, const struct run *r, struct fault *f);
enum status run_half_checkpoints(struct names *out, const struct run *r, struct fault *f);

/* t = dir/name */
enum status run_path_of(struct text *t, const struct run *r, const char *name, struct fault *f);
enum status run_cut_metrics(struct run *r, int64_t step, struct fault *f);
time_t run_now(const struct run *r);

#endif
