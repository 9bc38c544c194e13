#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/rng.h"

static const enum check_kind kinds[] = {CHECK_MIXED, CHECK_HUGE};

static void scale_and_add(struct check *t)
{
    for (int i = 0; i < CHECK_SHAPES * 2; i++) {
        int rows = check_shapes[i / 2].rows, cols = check_shapes[i / 2].cols;
        t->slack = i % 3;
        struct check_mat a = check_mat(t, "a", rows, cols), b = check_mat(t, "b", rows, cols);
        struct check_mat y = check_mat(t, "y", rows, cols);
        check_fill(t, &a, kinds[i % 2]);
        check_fill(t, &b, kinds[i % 2]);
        EACH(t, add, AT(y), AT(a), AT(b), rows, cols);
        check_same(t, &y, 1e-6, 0);
        EACH(t, scale, AT(y), AT(y), rows, cols, -0.3f); /* in place */
        check_same(t, &y, 1e-6, 0);
        EACH(t, scale, AT(y), AT(a), rows, cols, 3.0f);
        check_same(t, &y, 1e-6, 0);
        EACH(t, add, AT(a), AT(a), AT(b), rows, cols);
        check_same(t, &a, 1e-6, 0);
        EACH(t, add, AT(b), AT(a), AT(b), rows, cols);
        check_same(t, &b, 1e-6, 0);
        check_free(t);
    }
}

/* Bits must arrive: payloads of NaN too, so it compares words. */
static void copy_and_fill(struct check *t)
{
    static const enum dtype dtypes[] = {DT_F32, DT_F16, DT_BF16, DT_I32};
    for (int i = 0; i < CHECK_SHAPES * 4; i++) {
        int rows = check_shapes[i / 4].rows, cols = check_shapes[i / 4].cols;
        enum dtype dtype = dtypes[i % 4];
        struct check_mat x = check_mat_of(t, "x", dtype, rows, cols, cols + i % 3);
        struct check_mat y = check_mat_of(t, "y", dtype, rows, cols, cols + i % 5);
        struct check_mat v = check_mat_of(t, "v", dtype, 1, rows * cols, rows * cols);
        check_fill(t, &x, CHECK_NORMAL);
        if (dtype == DT_I32) {
            int32_t *ids = malloc(sizeof *ids * (size_t)rows * (size_t)cols);
            for (int j = 0; j < rows * cols; j++)
                ids[j] = check_rand(t, 200000);
            check_set_i32(t, &x, ids);
            free(ids);
        }
        EACH(t, copy, AT(y), AT(x), rows, cols);
        double *want = check_get(t, &x, 1), *got = check_get(t, &y, 1);
        assert_memory_equal(got, want, sizeof *got * (size_t)rows * (size_t)cols);
        check_same(t, &y, 0, 0);
        free(want);
        free(got);
        EACH(t, fill, AT(v), (size_t)rows * (size_t)cols, -3.0f);
        check_same(t, &v, 0, 0);
        got = check_get(t, &v, 1);
        assert_true(got[0] == -3 && got[rows * cols - 1] == -3);
        free(got);
        check_free(t);
    }
}

/* All pairs of types, with values that need rounding to even, overflow and subnormals of f16. */
static void cast(struct check *t)
{
    static const enum dtype dtypes[] = {DT_F32, DT_F16, DT_BF16};
    static const double hard[] = {0,          -0.0,     1.0009765625, 1.00048828125, 1.00146484375,
                                  65504,      65520,    -1e6,         6.1e-5,        5.96e-8,
                                  2.98e-8,    2.99e-8,  1e-30,        3.3895314e38,  1.00390625,
                                  1.01171875, INFINITY, NAN,          -1e-40,        4.58e-41};
    enum { HARD = sizeof hard / sizeof *hard };
    for (int i = 0; i < 9 * CHECK_SHAPES; i++) {
        int rows = check_shapes[i / 9].rows, cols = check_shapes[i / 9].cols;
        struct check_mat x = check_mat_of(t, "x", dtypes[i % 3], rows, cols, cols + 3);
        struct check_mat y = check_mat_of(t, "y", dtypes[i / 3 % 3], rows, cols, cols + 1);
        double *v = malloc(sizeof *v * (size_t)rows * (size_t)cols);
        for (int j = 0; j < rows * cols; j++)
            v[j] = check_rand(t, 2) ? hard[check_rand(t, HARD)] : check_normal(t);
        check_set(t, &x, v);
        EACH(t, cast, AT(y), AT(x), rows, cols);
        check_same(t, &y, 0, 0);
        free(v);
        check_free(t);
    }
}

/* The mask is the header's formula, literally. */
static void dropout(struct check *t)
{
    const struct kdropout drop = {.p = 0.3f, .seed = 0x123456789abcdefull, .step = 77, .micro = 5};
    const uint32_t id = 41;
    for (int i = 0; i < CHECK_SHAPES; i++) {
        int rows = check_shapes[i].rows, cols = check_shapes[i].cols;
        t->slack = i % 3;
        struct check_mat x = check_mat(t, "x", rows, cols), y = check_mat(t, "y", rows, cols);
        check_fill(t, &x, CHECK_NORMAL);
        EACH(t, dropout, AT(y), AT(x), rows, cols, &drop, id);
        check_same(t, &y, 1e-6, 0);
        double *from = check_get(t, &x, 1), *got = check_get(t, &y, 1);
        for (uint64_t e = 0; e < (uint64_t)rows * (uint64_t)cols; e++) {
            uint32_t r[4];
            rng_philox(r, drop.seed, (uint64_t)77 << 32 | 5 << 16 | 41, e / 4);
            double want = rng_uniform(r[e % 4]) < 0.3f ? 0 : from[e] / (1 - (double)0.3f);
            assert_true(fabs(got[e] - want) <= 1e-6 * fabs(want));
        }
        free(from);
        free(got);
        EACH(t, dropout, AT(x), AT(x), rows, cols, &drop, id); /* in place */
        check_same(t, &x, 1e-6, 0);
        EACH(t, dropout, AT(y), AT(x), rows, cols, &(struct kdropout){0}, id); /* off: a copy */
        from = check_get(t, &x, 1), got = check_get(t, &y, 1);
        assert_memory_equal(got, from, sizeof *got * (size_t)rows * (size_t)cols);
        free(from);
        free(got);
        check_free(t);
    }
}

/* Of p = 0.3 a tenth of a per cent would be seen in 200,000 draws only rarely: 5 deviations. */
static void dropout_rate(struct check *t)
{
    enum { N = 200000 };
    const struct kdropout drop = {.p = 0.3f, .seed = 9, .step = 1, .micro = 0};
    struct check_mat x = check_mat(t, "x", 1, N), y = check_mat(t, "y", 1, N);
    double zeros = 0;
    EACH(t, fill, AT(x), N, 1.0f);
    EACH(t, dropout, AT(y), AT(x), 1, N, &drop, 0);
    double *got = check_get(t, &y, 1);
    for (int i = 0; i < N; i++)
        zeros += got[i] == 0;
    free(got);
    assert_true(fabs(zeros / N - 0.3) < 5 * sqrt(0.3 * 0.7 / N));
}

int main(void)
{
    static const struct check_test tests[] = {
        {"scale_add", scale_and_add, CHECK_PAIRS},
        {"copy_fill", copy_and_fill, CHECK_PAIRS},
        {"cast", cast, CHECK_PAIRS},
        {"dropout", dropout, CHECK_PAIRS},
        {"dropout_rate", dropout_rate, CHECK_REF},
    };
    return check_run("vector", tests, sizeof tests / sizeof *tests);
}
