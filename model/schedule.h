/* Learning-rate schedules, as transformers' get_{constant,linear,cosine,wsd}_schedule give them
 * (transformers/optimization.py). `step` counts optimizer steps from 1; the schedule is evaluated at
 * step - 1, so the first step of a warm-up has rate 0.
 *
 *   warm-up:   lr * s / warmup                                        s < warmup, s = step - 1
 *   constant:  lr
 *   linear:    lr * (total - s) / (total - warmup)
 *   cosine:    lr * (1 + cos(pi (s - warmup) / (total - warmup))) / 2
 *   wsd:       lr until the last `decay` steps, then lr * (1 + cos(pi (s - (total - decay)) / decay)) / 2 */
#ifndef MODEL_SCHEDULE_H
#define MODEL_SCHEDULE_H

#include <stdint.h>

enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_WSD };

struct schedule {
    enum schedule_kind kind;
    double lr;
    int64_t warmup, decay, total;
};

double schedule_lr(const struct schedule *s, int64_t step);

#endif
