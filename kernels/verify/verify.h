/* Trust by command: every row of a device's op table against the scalar reference, on the user's own
 * device (`wick selftest`).
 *
 *     kern_verify(ref, k, print_one, NULL, &worst, f);       // ref is a "cpu:ref" handle
 *
 * Each op runs on both handles with the same seeded inputs over a few shapes (tile borders, odd
 * primes); the error of an output is max|got - ref| / max|ref|. Bound for f32: VERIFY_BOUND. */
#ifndef KERNELS_VERIFY_H
#define KERNELS_VERIFY_H

#include "kernels/ops.h"

#define VERIFY_BOUND 1e-5

struct verify_result {
    const char *op, *output;
    char shape[64];
    double error; /* NaN if an output is not finite where the reference is */
};

/* Larger than what was the worst so far, or the first that is NaN: that one stays the worst. */
bool verify_worse(double error, double worst);

typedef void verify_report_fn(void *ctx, const struct verify_result *r);

/* Fails only if something could not be run at all; too large an error is the caller's to judge by
 * *worst (NaN counts as worst). */
enum status kern_verify(kern *ref, kern *k, verify_report_fn *report, void *ctx, double *worst,
                        struct fault *f);

#endif
