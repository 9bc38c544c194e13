/* How long a device takes to be ready: opened, and the programs of a model of usual sizes and this
 * dtype built.
 *
 * Cold: no program is kept anywhere; this program's folder, and those that the drivers we know keep of
 * their own, are a new and empty one. Warm: once more, with what the first left there. Call it before
 * anything else opens a device: drivers look for their folders once. */
#ifndef APP_BENCH_OPEN_H
#define APP_BENCH_OPEN_H

#include "app/session.h"

struct bench_open {
    double cold, warm; /* seconds */
};

enum status bench_open(struct bench_open *out, const struct common *c, enum dtype dtype,
                       struct fault *f);

#endif
