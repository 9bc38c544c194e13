#include "tests/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu.h"

struct shape {
    int n, rows, cols, vocab;
    enum dtype dtype;
    float softcap;
    double size; /* of x: 1000 makes logits of some thousands */
};
static const struct shape shapes[] = {
    {1, 1, 1, 1, DT_F32, 0.0f, 1},        {1, 3, 5, 7, DT_BF16, 0.0f, 1},
    {5, 5, 16, 33, DT_F32, 0.0f, 1},      {3, 9, 17, 257, DT_F16, 30.0f, 1},
    {8, 8, 31, 255, DT_BF16, 0.0f, 1000}, {7, 20, 64, 1031, DT_F32, 0.0f, 1},
    {16, 17, 8, 512, DT_F32, 2.0f, 10},   {33, 40, 24, 509, DT_BF16, 0.0f, 1},
    {65, 65, 40, 300, DT_F16, 0.0f, 30},  {20, 129, 48, 4099, DT_BF16, 0.0f, 1},
    {9, 9, 12, 100, DT_F32, 0.0f, 0},     {300, 310, 9, 211, DT_F32, 0.0f, 1},
    {600, 601, 5, 130, DT_BF16, 3.0f, 1}, {2, 2, 7300, 20, DT_BF16, 0.0f, 1},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct fixture {
    struct cross_entropy_dims d;
    struct check_weight w;
    struct check_mat x, dx, loss, nll, index, labels;
};

/* n of the rows, rising; the last row among them. */
static void choose_rows(struct check *t, struct fixture *f)
{
    int32_t *index = malloc(sizeof *index * (size_t)f->d.n),
            *labels = malloc(sizeof *labels * (size_t)f->d.n);
    int chosen = 0;
    for (int r = 0; r < f->d.rows; r++) {
        int left = f->d.n - chosen;
        if (left == f->d.rows - r || (left > 1 && check_rand(t, 2)))
            index[chosen++] = r;
    }
    for (int i = 0; i < f->d.n; i++)
        labels[i] = i == 0 ? f->d.vocab - 1 : check_rand(t, f->d.vocab);
    check_set_i32(t, &f->index, index);
    check_set_i32(t, &f->labels, labels);
    free(index);
    free(labels);
}

static struct fixture fixture(struct check *t, const struct shape *s, bool f64)
{
    enum dtype dtype = f64 ? DT_F64 : DT_F32;
    struct fixture f = {.d = {s->n, s->rows, s->cols, s->vocab, 0.125f, s->softcap}};
    f.w = check_weight(t, s->vocab, s->cols, s->dtype);
    f.x = check_mat_of(t, "x", dtype, s->rows, s->cols, s->cols + t->slack);
    f.dx = check_mat_of(t, "dx", dtype, s->rows, s->cols, s->cols + 2 * t->slack);
    f.loss = check_mat_of(t, "loss", dtype, 1, 1, 1);
    f.nll = check_mat_of(t, "nll", dtype, 1, s->n, s->n);
    f.index = check_mat_of(t, "index", DT_I32, 1, s->n, s->n);
    f.labels = check_mat_of(t, "labels", DT_I32, 1, s->n, s->n);
    double *x = malloc(sizeof *x * (size_t)s->rows * (size_t)s->cols);
    for (int i = 0; i < s->rows * s->cols; i++)
        x[i] = s->size * check_normal(t);
    check_set(t, &f.x, x);
    free(x);
    choose_rows(t, &f);
    check_prepare(t, &(struct kern_specs){.rows = s->rows,
                                          .width = s->cols,
                                          .vocab = s->vocab,
                                          .hidden = s->cols,
                                          .backward = true});
    return f;
}

static void run(struct check *t, const struct fixture *f, bool nll, bool dx, int i)
{
    kern *k = t->k[i];
    k->op.linear_cross_entropy(k, check_ref(&f->loss, i), nll ? check_ref(&f->nll, i) : KREF_NONE,
                               dx ? check_ref(&f->dx, i) : KREF_NONE, check_ref(&f->x, i),
                               check_ref(&f->index, i), check_ref(&f->labels, i), f->w.w[i], &f->d);
}

static void all(struct check *t)
{
    for (int n = 0; n < SHAPES * 2; n++) {
        const struct shape *s = &shapes[n / 2];
        t->slack = n % 3;
        struct fixture f = fixture(t, s, false);
        check_set(t, &f.loss, &(double){0.5}); /* += */
        bool training = n % 2 == 0;
        run(t, &f, training, training, 0);
        run(t, &f, training, training, 1);
        check_sync(t);
        /* nll is a difference of logits; exp(z) errs by the rounding of z */
        double logit = check_max(t, &f.x), scale = logit > 30 ? 1e-3 : 1e-5;
        check_same(t, &f.loss, 1e-5, s->n * logit);
        if (training) {
            check_same(t, &f.nll, 1e-5, logit + 1);
            check_same(t, &f.dx, scale, (double)f.d.grad_scale * 0.1);
        }
        check_weight_values_free(&f.w);
        check_free(t);
    }
}

/* A loss that is not finite must come out as such: the step's guard looks at it. */
static void not_finite(struct check *t)
{
    static const struct shape s = {4, 6, 16, 100, DT_F32, 0.0f, 1};
    struct fixture f = fixture(t, &s, false);
    check_set(t, &f.loss, &(double){0});
    double *x = check_get(t, &f.x, 0);
    for (int i = 0; i < s.cols; i++)
        x[(s.rows - 1) * s.cols + i] = NAN; /* the last row is always among the labelled ones */
    check_set(t, &f.x, x);
    free(x);
    run(t, &f, true, true, 1);
    check_sync(t);
    double *loss = check_get(t, &f.loss, 1);
    assert_false(isfinite(*loss));
    free(loss);
    check_weight_values_free(&f.w);
}

/* One row is one tile of every stage, and the caller runs it: what is beside its scratch is another
 * worker's, and must stay. */
static void wide_rows_keep_to_their_scratch(struct check *t)
{
    static const struct shape s = {1, 1, 12000, 20, DT_F32, 0.0f, 1};
    struct fixture f = fixture(t, &s, false);
    kern *k = t->k[1];
    if (strcmp(kern_info(k)->backend, "cpu") == 0 && cpu_workers(k) > 1) {
        unsigned char *next = cpu_worker_scratch(k, 1);
        memset(next, 0xa5, CPU_WORKER_BYTES);
        check_set(t, &f.loss, &(double){0});
        run(t, &f, true, true, 1);
        check_sync(t);
        for (size_t i = 0; i < CPU_WORKER_BYTES; i++)
            assert_int_equal(next[i], 0xa5);
    }
    check_weight_values_free(&f.w);
}

static double loss(struct check *t, void *ctx)
{
    struct fixture *f = ctx;
    double zero = 0;
    kern_write(t->k[0], check_ref(&f->loss, 0), &zero, 1);
    run(t, f, false, false, 0);
    double *sum = check_get(t, &f->loss, 0), value = *sum * (double)f->d.grad_scale;
    free(sum);
    return value;
}

static void gradient(struct check *t)
{
    static const struct shape small[] = {{3, 5, 4, 9, DT_F32, 0.0f, 1},
                                         {4, 4, 5, 7, DT_BF16, 1.5f, 1}};
    for (int n = 0; n < 2; n++) {
        struct fixture f = fixture(t, &small[n], true);
        check_set(t, &f.loss, &(double){0});
        run(t, &f, true, true, 0);
        check_sync(t);
        check_gradient(t, loss, &f, &f.x, &f.dx);
        check_weight_values_free(&f.w);
        check_free(t);
    }
}

static void bench(struct check *t)
{
    static const struct shape large = {512, 512, 576, 49152, DT_F32, 0.0f, 1};
    if (!check_benching())
        return;
    struct fixture f = fixture(t, &large, false);
    check_set(t, &f.loss, &(double){0});
    BENCH(t, "linear_cross_entropy 512x576x49152", 0, 4.0 * 512 * 576 * 49152, linear_cross_entropy,
          AT(f.loss), AT(f.nll), AT(f.dx), AT(f.x), AT(f.index), AT(f.labels), f.w.w[1], &f.d);
    check_weight_values_free(&f.w);
}

int main(void)
{
    static const struct check_test tests[] = {
        {"linear_cross_entropy", all, CHECK_PAIRS},
        {"linear_cross_entropy_not_finite", not_finite, CHECK_PAIRS},
        {"linear_cross_entropy_wide", wide_rows_keep_to_their_scratch, CHECK_PAIRS},
        {"linear_cross_entropy_bench", bench, CHECK_PAIRS},
        {"linear_cross_entropy_gradient", gradient, CHECK_REF},
    };
    return check_run("cross_entropy", tests, sizeof tests / sizeof *tests);
}
