/* Inside kernels/bench/ only: buffers of a case, and how a case is timed. */
#ifndef KERNELS_BENCH_IMPL_H
#define KERNELS_BENCH_IMPL_H

#include "kernels/bench/bench.h"
#include "kernels/device.h"

enum { BENCH_OBJECTS = 32 };

struct bench {
    kern *k;
    const struct kern_bench_options *o;
    kern_bench_report *report;
    void *ctx;
    struct fault *f;
    enum status status; /* the first failure; what follows does nothing */
    double rate;        /* flop/s, roughly: what a case will take */
    uint64_t seed;
    int objects;
    struct {
        kbuf *buf;
        struct kweight *weight;
    } object[BENCH_OBJECTS]; /* bench_done frees them */
};

/* What a case calls: its own, and the rival's. */
typedef void bench_call(struct bench *b, const void *args);
struct bench_case {
    const char *op, *rival;
    char shape[64];
    bench_call *call, *rival_call; /* rival_call NULL: there is none */
    const void *args;
    double bytes, flops;
};

/* Whether the case is wanted and short enough; told as skipped if it is only the latter. */
bool bench_wanted(struct bench *b, const char *op, const char *shape, double flops);
void bench_prepare(struct bench *b, const struct kern_specs *s);
/* Random values of size 1; KREF_NONE after a failure. ld is cols. */
struct kref bench_mat(struct bench *b, int rows, int cols);
struct kref bench_ints(struct bench *b, const int32_t *values, int n);
const struct kweight *bench_weight(struct bench *b, int rows, int cols);
/* Times and reports, unless something has failed. */
void bench_run(struct bench *b, const struct bench_case *c);
void bench_done(struct bench *b);

/* bench_linear.c, bench_rows.c */
void bench_gemm(struct bench *b);
void bench_lora(struct bench *b);
void bench_rowwise(struct bench *b);
void bench_attention(struct bench *b);
void bench_cross_entropy(struct bench *b);

#endif
