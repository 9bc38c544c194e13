/* Inside the audit command: what it was asked for, what it found, and how it is shown. */
#ifndef APP_AUDIT_LOOK_H
#define APP_AUDIT_LOOK_H

#include "app/findings.h"
#include "app/forecast.h"

struct look {
    struct common common;
    const char *base, *data, *weights, *target_modules;
    int64_t max_seq_length, batch_size, accumulate, epochs, iters, seed, rank, num_layers;
    int64_t steps_per_eval;
    double val_split, rate; /* rate: tokens a second; 0: to be found out */
    bool mask_prompt, packing, shuffle, grad_checkpoint;
    struct session session;
    struct audit *audit;
    struct dataset *train, *valid;
    /* What sampling would give; all 0 if there are no rows. */
    double waste, waste_packed, passes;
    int64_t steps, pass_tokens;
    struct forecast forecast;
};

/* On standard output: for people, or as one JSON value. */
enum status audit_look_show(const struct look *l, struct fault *f);
enum status audit_look_json(const struct look *l, struct fault *f);

#endif
