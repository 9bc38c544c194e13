/* Shared by the tests: the devices to run over, matrices with canaries, comparison, gradients.
 *
 * A kernel test is written once, for a pair of handles. The same function then compares every variant
 * with the reference, and one number of threads with another (which must agree in bits):
 *
 *     static void fwd(struct check *t)
 *     {
 *         int rows = 3, cols = 17;
 *         struct check_mat x = check_mat(t, "x", rows, cols), y = check_mat(t, "y", rows, cols);
 *         check_fill(t, &x, CHECK_MIXED);
 *         EACH(t, softmax_fwd, AT(y), AT(x), rows, cols);
 *         check_same(t, &y, 1e-5, 0);
 *         check_free(t);
 *     }
 *     int main(void)
 *     {
 *         static const struct check_test tests[] = {{"softmax_fwd", fwd, CHECK_PAIRS}, …};
 *         return check_run("softmax", tests, sizeof tests / sizeof *tests);
 *     }
 *
 * Environment: SEED=n other random numbers; BENCH=1 also times; FILTER=pattern runs some of the tests
 * ("*opencl"); REQUIRE_OCL=1 makes a missing OpenCL device a failure, where it else skips, visibly;
 * OCL_NAME=text demands that its name has that text; OCL_CACHE=folder keeps its compiled programs. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/ops.h"

enum { CHECK_OBJECTS = 64 };

struct check {
    kern *k[2];    /* what is compared with (the reference), what is tested */
    bool exact;    /* the two must agree in bits */
    int slack;     /* extra columns that matrices made from now on carry: ld = cols + slack */
    uint64_t seed; /* moves on with every fill */
    int objects;
    struct {
        kbuf *buf;
        struct kweight *weight;
    } object[CHECK_OBJECTS]; /* for check_free */
};

/* CHECK_PAIRS: once per variant against the reference, and once per pair of thread counts.
 * CHECK_REF: once, k[0] and k[1] both the reference. */
enum check_over { CHECK_PAIRS, CHECK_REF };
struct check_test {
    const char *name;
    void (*fn)(struct check *t);
    enum check_over over;
};
int check_run(const char *group, const struct check_test *tests, size_t count);

/* Opens a device or skips the test; REQUIRE_OCL=1: fails it. threads 0: as many as cores. */
kern *check_open(const char *device, int threads);
void check_prepare(struct check *t, const struct kern_specs *s);
void check_sync(struct check *t); /* fails the test on a failure that stuck */
void check_free(struct check *t); /* all matrices and weights, so that the next case can begin */

/* ---- matrices on both devices ------------------------------------------------------------------- */

/* Element (r, c) at r*ld + c from `at` on; all around and between the rows stands a canary: a NaN
 * that must neither be read nor overwritten. A new matrix holds nothing but canaries. */
struct check_mat {
    const char *name;
    enum dtype dtype;
    int rows, cols, ld;
    size_t at;
    kbuf *b[2];
};
struct check_mat check_mat(struct check *t, const char *name, int rows, int cols);
struct check_mat check_mat_of(struct check *t, const char *name, enum dtype dtype, int rows,
                              int cols, int ld);
static inline struct kref check_ref(const struct check_mat *m, int i)
{
    return kref(m->b[i], m->at, m->ld);
}

/* Shapes for row-wise ops: one, around the vector widths, odd, one realistic (the last). */
struct check_shape {
    int rows, cols;
};
enum { CHECK_SHAPES = 12 };
extern const struct check_shape check_shapes[CHECK_SHAPES];

/* Calls an op on both devices; AT(m) inside is the matrix on the one at hand. */
#define EACH(t, name, ...)                                      \
    do {                                                        \
        for (int which = 0; which < 2; which++)                 \
            (t)->k[which]->op.name((t)->k[which], __VA_ARGS__); \
        check_sync(t);                                          \
    } while (0)
#define AT(m) check_ref(&(m), which)

enum check_kind {
    CHECK_NORMAL, /* around 0, of size 1 */
    CHECK_MIXED,  /* sizes 1e-3 to 10, an eighth of them zeros */
    CHECK_ZERO,
    CHECK_TINY, /* 1e-20 */
    CHECK_HUGE, /* 1e30 */
    CHECK_BIG,  /* 1e12: its square and sums of squares are still finite */
    CHECK_KINDS
};
void check_fill(struct check *t, const struct check_mat *m, enum check_kind kind);
/* From rows*cols values, row after row. */
void check_set(struct check *t, const struct check_mat *m, const double *values);
void check_set_i32(struct check *t, const struct check_mat *m, const int32_t *values);
/* rows*cols values of device i; the caller frees. */
double *check_get(struct check *t, const struct check_mat *m, int i);
double check_max(struct check *t, const struct check_mat *m); /* max |value| on device 0 */

/* Uniform in [0, n). */
int check_rand(struct check *t, int n);
double check_normal(struct check *t);

/* max |got - want| <= tolerance * max(max |want|, floor), NaN only where NaN is wanted, canaries
 * untouched; or equal bits where the pair demands it. The floor is the size of what cancels in the
 * formula. Why 1e-5 for f32: sums of some thousand terms in another order than the reference's,
 * each rounded by 6e-8, and functions accurate to a few units in the last place. */
void check_same(struct check *t, const struct check_mat *m, double tolerance, double floor);

/* A frozen matrix, random of size 1/sqrt(cols), the same on both devices. */
struct check_weight {
    struct kweight *w[2];
    float *values; /* [rows*cols] as rounded to dtype; freed by check_weight_values_free */
};
struct check_weight check_weight(struct check *t, int rows, int cols, enum dtype dtype);
void check_weight_values_free(struct check_weight *w);

/* ---- gradients ----------------------------------------------------------------------------------- */

/* A matrix of doubles with normal values, for the reference (the other device has it too). */
struct check_mat check_f64(struct check *t, const char *name, int rows, int cols);

/* Compares grad with central differences of loss() over the elements of x, both F64 on t->k[0]. */
void check_gradient(struct check *t, double (*loss)(struct check *t, void *ctx), void *ctx,
                    const struct check_mat *x, const struct check_mat *grad);
/* sum of a * b on device 0 */
double check_dot(struct check *t, const struct check_mat *a, const struct check_mat *b);

/* ---- time ---------------------------------------------------------------------------------------- */

/* BENCH=1: prints the best time of a call on t->k[1] with its rate in GB/s and GFLOP/s. */
bool check_benching(void);
double check_seconds(void);
void check_report(struct check *t, const char *what, double seconds, double bytes, double flops);
#define BENCH(t, what, bytes, flops, name, ...)                  \
    do {                                                         \
        double best = 1e9;                                       \
        const int which = 1;                                     \
        for (int run = 0; check_benching() && run < 20; run++) { \
            double begin = check_seconds();                      \
            (t)->k[which]->op.name((t)->k[which], __VA_ARGS__);  \
            check_sync(t);                                       \
            double time = check_seconds() - begin;               \
            best = time < best ? time : best;                    \
        }                                                        \
        if (check_benching())                                    \
            check_report(t, what, best, bytes, flops);           \
    } while (0)

#endif
