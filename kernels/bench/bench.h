/* How fast the ops of a device are: the same calls that training makes, timed back to back.
 *
 *     struct kern_bench_options o = {.dtype = DT_F32};
 *     kern_bench(k, &o, print_one, NULL, f);
 *
 * One number is the time of one call in a batch of calls that are enqueued together and waited for once; a
 * batch is long enough to be measured, and there are several: median, least and most are told. Where there
 * is a rival, its batches alternate with ours in the same run:
 *   "unfused"  an adapted linear as separate products: x W^T, x A^T, + (x A^T) B^T (and backward:
 *              dy W, G with dA and dB, + G A), each the same device's best
 *   "CLBlast", "OpenBLAS"  that library's SGEMM, where it is installed and W is f32
 * Inputs are random: zeros would be faster than life. Cases that would take longer than a call is worth
 * (seconds_max) are told as skipped. */
#ifndef KERNELS_BENCH_H
#define KERNELS_BENCH_H

#include "kernels/ops.h"

struct kern_bench_options {
    enum dtype dtype;   /* of W: DT_F32, DT_F16 or DT_BF16 */
    double seconds_max; /* of one call; 0: 1 s */
    const char *only;   /* NULL, or a text that the op's name has */
};

struct kern_bench_time {
    double median, least, most; /* seconds of one call */
};

struct kern_bench_result {
    const char *op; /* "lora_linear_fwd" */
    char shape[64];
    struct kern_bench_time time;
    double bytes, flops; /* that one call moves and computes at least */
    const char *rival;   /* NULL: none */
    struct kern_bench_time rival_time;
    bool skipped; /* no times */
};

typedef void kern_bench_report(void *ctx, const struct kern_bench_result *r);

/* Fails if something could not be run, or the device has not the memory. */
enum status kern_bench(kern *k, const struct kern_bench_options *o, kern_bench_report *report,
                       void *ctx, struct fault *f);

#endif
