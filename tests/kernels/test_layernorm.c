#include "tests/check.h"

#include <stdlib.h>

static const enum check_kind kinds[] = {CHECK_NORMAL, CHECK_MIXED, CHECK_ZERO, CHECK_TINY,
                                        CHECK_BIG};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void fwd(struct check *t)
{
    for (int i = 0; i < CHECK_SHAPES * KINDS; i++) {
        int rows = check_shapes[i / KINDS].rows, cols = check_shapes[i / KINDS].cols;
        t->slack = i % 3;
        struct check_mat x = check_mat(t, "x", rows, cols), y = check_mat(t, "y", rows, cols);
        struct check_mat w = check_mat(t, "w", 1, cols), b = check_mat(t, "b", 1, cols);
        struct check_mat mean = check_mat(t, "mean", 1, rows), rstd = check_mat(t, "rstd", 1, rows);
        check_fill(t, &x, kinds[i % KINDS]);
        check_fill(t, &w, CHECK_NORMAL);
        check_fill(t, &b, CHECK_NORMAL);
        /* Of one column nothing but rounding is left of x - mean: 1 / sqrt(eps) times as much. */
        double floor = cols == 1 ? 1e3 * check_max(t, &x) : 0;
        EACH(t, layernorm_fwd, AT(y), AT(mean), AT(rstd), AT(x), AT(w), AT(b), rows, cols, 1e-5f);
        check_same(t, &y, 1e-5, floor);
        check_same(t, &mean, 1e-5, check_max(t, &x));
        check_same(t, &rstd, 1e-5, 0);
        if (rows == 32)
            BENCH(t, "layernorm_fwd 32x1024", 8.0 * rows * cols, 0, layernorm_fwd, AT(y), AT(mean),
                  AT(rstd), AT(x), AT(w), AT(b), rows, cols, 1e-5f);
        EACH(t, layernorm_fwd, AT(x), KREF_NONE, KREF_NONE, AT(x), AT(w), AT(b), rows, cols, 1e-5f);
        check_same(t, &x, 1e-5, floor);
        check_free(t);
    }
}

/* Rows whose mean is much larger than their spread, to the bound that the rounding of a mean in f32
 * and of what is left of x allows; E[x^2] - E[x]^2 would have lost the spread. Spread 0: constant. */
static void fwd_far_mean(struct check *t)
{
    enum { ROWS = 4, COLS = 513 };
    static const struct {
        double mean, spread, tolerance;
    } cases[] = {{1000, 1, 1e-5}, {1e5, 1, 2e-3}, {-1e9, 0, 1e-5}, {1e9, 1e7, 1e-5}};
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        double v[ROWS * COLS];
        struct check_mat x = check_mat(t, "x", ROWS, COLS), y = check_mat(t, "y", ROWS, COLS);
        struct check_mat w = check_mat(t, "w", 1, COLS), b = check_mat(t, "b", 1, COLS);
        struct check_mat mean = check_mat(t, "mean", 1, ROWS), rstd = check_mat(t, "rstd", 1, ROWS);
        for (int i = 0; i < ROWS * COLS; i++)
            v[i] = cases[n].mean + cases[n].spread * check_normal(t);
        check_set(t, &x, v);
        check_fill(t, &w, CHECK_NORMAL);
        check_fill(t, &b, CHECK_NORMAL);
        EACH(t, layernorm_fwd, AT(y), AT(mean), AT(rstd), AT(x), AT(w), AT(b), ROWS, COLS, 1e-5f);
        check_same(t, &y, cases[n].tolerance, 0);
        check_same(t, &mean, 1e-7, 0);
        check_same(t, &rstd, 1e-5, 0);
        check_free(t);
    }
}

/* Squares, and at last sums, beyond what f32 holds. */
static void fwd_overflowing(struct check *t)
{
    enum { ROWS = 3, COLS = 70 };
    static const double sizes[] = {1e18, 3e19, 1e25, 1e36};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        double v[ROWS * COLS];
        struct check_mat x = check_mat(t, "x", ROWS, COLS), y = check_mat(t, "y", ROWS, COLS);
        struct check_mat w = check_mat(t, "w", 1, COLS), b = check_mat(t, "b", 1, COLS);
        struct check_mat mean = check_mat(t, "mean", 1, ROWS), rstd = check_mat(t, "rstd", 1, ROWS);
        for (int i = 0; i < ROWS * COLS; i++)
            v[i] = sizes[n] * (i < COLS ? i % 2 * 2 - 1 : 10 + check_normal(t));
        check_set(t, &x, v);
        check_fill(t, &w, CHECK_NORMAL);
        check_fill(t, &b, CHECK_NORMAL);
        EACH(t, layernorm_fwd, AT(y), AT(mean), AT(rstd), AT(x), AT(w), AT(b), ROWS, COLS, 1e-5f);
        check_same(t, &y, 1e-5, 0);
        check_same(t, &mean, 1e-5, 0);
        check_same(t, &rstd, 1e-5, 0);
        check_free(t);
    }
}

static void bwd(struct check *t)
{
    for (int i = 0; i < CHECK_SHAPES * KINDS; i++) {
        int rows = check_shapes[i / KINDS].rows, cols = check_shapes[i / KINDS].cols;
        t->slack = i % 3;
        struct check_mat x = check_mat(t, "x", rows, cols), dx = check_mat(t, "dx", rows, cols);
        struct check_mat dy = check_mat(t, "dy", rows, cols), w = check_mat(t, "w", 1, cols);
        struct check_mat mean = check_mat(t, "mean", 1, rows), rstd = check_mat(t, "rstd", 1, rows);
        check_fill(t, &x, kinds[i % KINDS]);
        check_fill(t, &w, CHECK_NORMAL);
        check_fill(t, &dy, i % 2 ? CHECK_NORMAL : CHECK_MIXED);
        check_fill(t, &dx, CHECK_NORMAL);
        t->k[0]->op.layernorm_fwd(t->k[0], check_ref(&dx, 0), check_ref(&mean, 0),
                                  check_ref(&rstd, 0), check_ref(&x, 0), check_ref(&w, 0),
                                  check_ref(&w, 0), rows, cols, 1e-5f);
        double *mu = check_get(t, &mean, 0), *scale = check_get(t, &rstd, 0);
        check_set(t, &mean, mu);
        check_set(t, &rstd, scale);
        free(mu);
        free(scale);
        double floor = check_max(t, &dy) * check_max(t, &w) * check_max(t, &rstd);
        check_fill(t, &dx, CHECK_NORMAL);
        EACH(t, layernorm_bwd, AT(dx), AT(dy), AT(x), AT(mean), AT(rstd), AT(w), rows, cols, K_ADD);
        check_same(t, &dx, 1e-5, floor);
        EACH(t, layernorm_bwd, AT(dx), AT(dy), AT(x), AT(mean), AT(rstd), AT(w), rows, cols, K_SET);
        check_same(t, &dx, 1e-5, floor);
        EACH(t, layernorm_bwd, AT(dy), AT(dy), AT(x), AT(mean), AT(rstd), AT(w), rows, cols, K_SET);
        check_same(t, &dy, 1e-5, floor);
        check_free(t);
    }
}

struct fd {
    struct check_mat x, w, b, y, mean, rstd, dy;
};

static double loss(struct check *t, void *ctx)
{
    struct fd *c = ctx;
    t->k[0]->op.layernorm_fwd(t->k[0], check_ref(&c->y, 0), check_ref(&c->mean, 0),
                              check_ref(&c->rstd, 0), check_ref(&c->x, 0), check_ref(&c->w, 0),
                              check_ref(&c->b, 0), c->x.rows, c->x.cols, 1e-5f);
    return check_dot(t, &c->y, &c->dy);
}

static void gradient(struct check *t)
{
    enum { ROWS = 3, COLS = 6 };
    struct fd c = {check_f64(t, "x", ROWS, COLS), check_f64(t, "w", 1, COLS),
                   check_f64(t, "b", 1, COLS),    check_f64(t, "y", ROWS, COLS),
                   check_f64(t, "mean", 1, ROWS), check_f64(t, "rstd", 1, ROWS),
                   check_f64(t, "dy", ROWS, COLS)};
    struct check_mat dx = check_f64(t, "dx", ROWS, COLS);
    loss(t, &c);
    EACH(t, layernorm_bwd, AT(dx), AT(c.dy), AT(c.x), AT(c.mean), AT(c.rstd), AT(c.w), ROWS, COLS,
         K_SET);
    check_gradient(t, loss, &c, &c.x, &dx);
}

int main(void)
{
    static const struct check_test tests[] = {
        {"layernorm_fwd", fwd, CHECK_PAIRS},
        {"layernorm_fwd_far_mean", fwd_far_mean, CHECK_PAIRS},
        {"layernorm_fwd_overflowing", fwd_overflowing, CHECK_PAIRS},
        {"layernorm_bwd", bwd, CHECK_PAIRS},
        {"layernorm_gradient", gradient, CHECK_REF},
    };
    return check_run("layernorm", tests, sizeof tests / sizeof *tests);
}
