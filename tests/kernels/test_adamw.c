#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

static const int lengths[] = {1, 3, 8, 15, 16, 17, 31, 1021, 4096, 100003};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static void sumsq(struct check *t)
{
    static const enum check_kind kinds[] = {CHECK_NORMAL, CHECK_MIXED, CHECK_ZERO, CHECK_BIG,
                                            CHECK_HUGE}; /* an infinite sum */
    enum { KINDS = sizeof kinds / sizeof *kinds };
    for (int i = 0; i < LENGTHS * KINDS; i++) {
        int n = lengths[i / KINDS];
        struct check_mat x = check_mat(t, "x", 1, n), out = check_mat(t, "out", 1, 1);
        check_fill(t, &x, kinds[i % KINDS]);
        EACH(t, sumsq, AT(out), AT(x), (size_t)n);
        check_same(t, &out, 1e-5, 0);
        if (n == 100003)
            BENCH(t, "sumsq 100003", 4.0 * n, 0, sumsq, AT(out), AT(x), (size_t)n);
        check_free(t);
    }
}

static void clip_case(struct check *t, double sum, double loss, float max_norm,
                      const double want[3])
{
    struct check_mat s = check_mat(t, "sumsq", 1, 1), l = check_mat(t, "loss", 1, 1);
    struct check_mat out = check_mat(t, "coef", 1, 3);
    check_set(t, &s, &sum);
    check_set(t, &l, &loss);
    EACH(t, clip_coef, AT(out), AT(s), AT(l), max_norm);
    check_same(t, &out, 1e-6, 0);
    double *got = check_get(t, &out, 1);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(got[i] - want[i]) <= 1e-6 * fabs(want[i]) ||
                    (isnan(got[i]) && isnan(want[i])) || got[i] == want[i]);
    free(got);
    check_free(t);
}

static void clip(struct check *t)
{
    clip_case(t, 4, 1, 1, (double[]){1 / (2 + 1e-6), 2, 0});
    clip_case(t, 0.25, 1, 1, (double[]){1, 0.5, 0});
    clip_case(t, 1e4, 1, 0, (double[]){1, 100, 0}); /* 0: no clipping */
    clip_case(t, 0, 0, 1, (double[]){1, 0, 0});
    clip_case(t, INFINITY, 1, 1, (double[]){0, INFINITY, 1});
    clip_case(t, NAN, 1, 1, (double[]){0, NAN, 1});
    clip_case(t, 4, NAN, 1, (double[]){0, 2, 1});
    clip_case(t, 4, INFINITY, 0, (double[]){0, 2, 1});
    clip_case(t, 4, -INFINITY, 1, (double[]){0, 2, 1});
}

/* The formula of the header in double, one element. */
static void formula(double *p, double *m, double *v, double g, const struct adamw_hyper *h)
{
    double lr = (double)h->lr, b1 = (double)h->beta1, b2 = (double)h->beta2;
    *p *= 1 - lr * (double)h->weight_decay;
    *m += (g - *m) * (1 - b1);
    *v = *v * b2 + g * g * (1 - b2);
    *p -=
        lr / (1 - pow(b1, h->step)) * *m / (sqrt(*v) / sqrt(1 - pow(b2, h->step)) + (double)h->eps);
}

struct adam {
    struct check_mat p, m, v, g, coef;
};

static struct adam adam_new(struct check *t, int n, double coef)
{
    struct adam a = {check_mat(t, "param", 1, n), check_mat(t, "m", 1, n), check_mat(t, "v", 1, n),
                     check_mat(t, "grad", 1, n), check_mat(t, "coef", 1, 1)};
    check_fill(t, &a.p, CHECK_MIXED);
    EACH(t, fill, AT(a.m), (size_t)n, 0.0f);
    EACH(t, fill, AT(a.v), (size_t)n, 0.0f);
    check_set(t, &a.coef, &coef);
    return a;
}

static void adamw(struct check *t)
{
    struct adamw_hyper h = {
        .lr = 2e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.01f};
    for (int i = 0; i < LENGTHS; i++) {
        int n = lengths[i];
        const double coef = i % 2 ? 0.25 : 1;
        struct adam a = adam_new(t, n, coef);
        double *p = check_get(t, &a.p, 0), *m = calloc((size_t)n, sizeof *m),
               *v = calloc((size_t)n, sizeof *v);
        for (h.step = 1; h.step <= 4; h.step++) {
            check_fill(t, &a.g,
                       h.step == 2   ? CHECK_TINY
                       : h.step == 3 ? CHECK_MIXED
                                     : CHECK_NORMAL);
            double *g = check_get(t, &a.g, 0);
            EACH(t, adamw, AT(a.p), AT(a.m), AT(a.v), AT(a.g), AT(a.coef), (size_t)n, &h);
            for (int j = 0; j < n; j++)
                formula(&p[j], &m[j], &v[j], coef * g[j], &h);
            free(g);
        }
        check_same(t, &a.p, 1e-6, 1);
        check_same(t, &a.m, 1e-6, 0);
        check_same(t, &a.v, 1e-6, 0);
        double *got = check_get(t, &a.p, 1);
        for (int j = 0; j < n; j++)
            assert_true(fabs(got[j] - p[j]) <= 1e-6 * (1 + fabs(p[j])));
        free(got);
        free(p);
        free(m);
        free(v);
        check_free(t);
    }
}

/* A decay of a few units in the last place: what it takes away in sum must not be off by how
 * 1 - lr * weight_decay rounds, which here is a tenth. */
static void adamw_small_decay(struct check *t)
{
    enum { N = 4096 };
    const struct adamw_hyper h = {.lr = 2e-5f,
                                  .beta1 = 0.9f,
                                  .beta2 = 0.999f,
                                  .eps = 1e-8f,
                                  .weight_decay = 0.01f,
                                  .step = 1};
    struct adam a = adam_new(t, N, 1);
    double p[N], before = 0, after = 0;
    for (int i = 0; i < N; i++)
        p[i] = 1 + (double)i / N;
    check_set(t, &a.p, p);
    EACH(t, fill, AT(a.g), N, 0.0f);
    EACH(t, adamw, AT(a.p), AT(a.m), AT(a.v), AT(a.g), AT(a.coef), N, &h);
    double *got = check_get(t, &a.p, 1);
    for (int i = 0; i < N; i++) {
        before += p[i];
        after += got[i];
    }
    free(got);
    assert_true(fabs((before - after) / (before * 2e-7) - 1) < 0.02);
}

/* coef 0 is a non-finite step: no decay, no moments, whatever the gradient holds. */
static void adamw_stops(struct check *t)
{
    enum { N = 101 };
    const struct adamw_hyper h = {
        .lr = 0.1f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = 0.1f, .step = 3};
    struct adam a = adam_new(t, N, 0);
    double *before = check_get(t, &a.p, 1);
    EACH(t, fill, AT(a.g), N, NAN);
    EACH(t, adamw, AT(a.p), AT(a.m), AT(a.v), AT(a.g), AT(a.coef), N, &h);
    double *p = check_get(t, &a.p, 1), *m = check_get(t, &a.m, 1), *v = check_get(t, &a.v, 1);
    assert_memory_equal(p, before, sizeof *p * N);
    for (int i = 0; i < N; i++)
        assert_true(m[i] == 0 && v[i] == 0);
    free(before);
    free(p);
    free(m);
    free(v);
}

int main(void)
{
    static const struct check_test tests[] = {
        {"sumsq", sumsq, CHECK_PAIRS},
        {"clip_coef", clip, CHECK_PAIRS},
        {"adamw", adamw, CHECK_PAIRS},
        {"adamw_small_decay", adamw_small_decay, CHECK_PAIRS},
        {"adamw_stops", adamw_stops, CHECK_PAIRS},
    };
    return check_run("adamw", tests, sizeof tests / sizeof *tests);
}
