/* Inside app/run*.c only. */
#ifndef APP_RUN_IMPL_H
#define APP_RUN_IMPL_H

#include <stdio.h>

#include "app/train.h"
#include "data/checkpoint.h"

struct run {
    char *dir;
    FILE *metrics;
    struct json_doc *doc;      /* train.json as it was read, when resuming */
    struct json_doc *settings; /* the same without "run" */
    struct checkpoint *found;  /* what run_find read, until run_restore has used it */
};

/* Paths, in rising order. */
struct names {
    char **p;
    size_t n;
};
void names_free(struct names *n);

/* The complete checkpoints of a run, oldest first. None if there is no such folder. */
enum status run_checkpoints(struct names *out, const struct run *r, struct fault *f);

/* Removes what a kill left half-written: in checkpoints/, or all over the run. */
enum status run_drop_halves(const struct run *r, struct fault *f);
enum status run_clear_halves(const struct run *r, struct fault *f);

/* t = dir/name */
enum status run_path_of(struct text *t, const struct run *r, const char *name, struct fault *f);
enum status run_cut_metrics(struct run *r, int64_t step, struct fault *f);
time_t run_now(const struct run *r);

#endif
