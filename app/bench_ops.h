/* `wick bench ops`: the ops of a device timed (kernels/bench/bench.h), as a table, as JSON, and as a page
 * with a picture. */
#ifndef APP_BENCH_OPS_H
#define APP_BENCH_OPS_H

#include "app/session.h"

struct bench_ops {
    const struct common *common;
    const char *dtype;  /* of W: "f32", "bf16" or "f16" */
    const char *only;   /* NULL, or part of the ops' names */
    const char *output; /* NULL, or the page's file */
    double seconds_max; /* of one call */
};

enum status bench_ops(const struct bench_ops *o, struct fault *f);

#endif
