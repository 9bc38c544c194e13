#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

static void fwd(struct check *t)
{
    for (int i = 0; i < CHECK_SHAPES * 6; i++) {
        int rows = check_shapes[i / 6].rows, cols = check_shapes[i / 6].cols;
        t->slack = i % 3;
        struct check_mat x = check_mat(t, "x", rows, cols), y = check_mat(t, "y", rows, cols);
        check_fill(t, &x, (enum check_kind)(i % 6));
        EACH(t, softmax_fwd, AT(y), AT(x), rows, cols);
        check_same(t, &y, 1e-5, 0);
        EACH(t, softmax_fwd, AT(x), AT(x), rows, cols); /* in place */
        check_same(t, &x, 1e-5, 0);
        if (rows == 32)
            BENCH(t, "softmax_fwd 32x1024", 8.0 * rows * cols, 0, softmax_fwd, AT(y), AT(x), rows,
                  cols);
        check_free(t);
    }
}

/* -inf elements give 0; a row of nothing else gives NaN. */
static void fwd_infinite(struct check *t)
{
    enum { ROWS = 3, COLS = 37 };
    double v[ROWS * COLS];
    for (int i = 0; i < ROWS * COLS; i++)
        v[i] = i / COLS == 1 || i % 3 == 0 ? -INFINITY : check_normal(t);
    v[COLS] = 2; /* row 1 has one finite element: all of the probability */
    for (int c = 0; c < COLS; c++)
        v[2 * COLS + c] = -INFINITY;
    struct check_mat x = check_mat(t, "x", ROWS, COLS), y = check_mat(t, "y", ROWS, COLS);
    check_set(t, &x, v);
    EACH(t, softmax_fwd, AT(y), AT(x), ROWS, COLS);
    double *got = check_get(t, &y, 1);
    for (int c = 0; c < COLS; c++) {
        if (c % 3 == 0)
            assert_true(got[c] == 0);
        assert_true(got[COLS + c] == (c == 0 ? 1 : 0));
        assert_true(isnan(got[2 * COLS + c]));
    }
    free(got);
    check_same(t, &y, 1e-5, 0);
}

static void bwd(struct check *t)
{
    for (int i = 0; i < CHECK_SHAPES * 4; i++) {
        int rows = check_shapes[i / 4].rows, cols = check_shapes[i / 4].cols;
        t->slack = i % 2 * 5;
        struct check_mat y = check_mat(t, "y", rows, cols), x = check_mat(t, "x", rows, cols);
        struct check_mat dx = check_mat(t, "dx", rows, cols), dy = check_mat(t, "dy", rows, cols);
        check_fill(t, &x, CHECK_NORMAL);
        check_fill(t, &dy, (enum check_kind)(i % 4));
        t->k[0]->op.softmax_fwd(t->k[0], check_ref(&y, 0), check_ref(&x, 0), rows, cols);
        double *p = check_get(t, &y, 0), floor = check_max(t, &dy) / cols;
        check_set(t, &y, p); /* the same y on both */
        free(p);
        EACH(t, softmax_bwd, AT(dx), AT(dy), AT(y), rows, cols);
        check_same(t, &dx, 1e-5, floor);
        EACH(t, softmax_bwd, AT(dy), AT(dy), AT(y), rows, cols); /* in place */
        check_same(t, &dy, 1e-5, floor);
        check_free(t);
    }
}

struct fd {
    struct check_mat x, y, dy;
};

static double loss(struct check *t, void *ctx)
{
    struct fd *c = ctx;
    t->k[0]->op.softmax_fwd(t->k[0], check_ref(&c->y, 0), check_ref(&c->x, 0), c->x.rows,
                            c->x.cols);
    return check_dot(t, &c->y, &c->dy);
}

static void gradient(struct check *t)
{
    enum { ROWS = 3, COLS = 7 };
    t->slack = 2;
    struct fd c = {check_f64(t, "x", ROWS, COLS), check_f64(t, "y", ROWS, COLS),
                   check_f64(t, "dy", ROWS, COLS)};
    struct check_mat dx = check_f64(t, "dx", ROWS, COLS);
    EACH(t, softmax_fwd, AT(c.y), AT(c.x), ROWS, COLS);
    EACH(t, softmax_bwd, AT(dx), AT(c.dy), AT(c.y), ROWS, COLS);
    check_gradient(t, loss, &c, &c.x, &dx);
}

int main(void)
{
    static const struct check_test tests[] = {
        {"softmax_fwd", fwd, CHECK_PAIRS},
        {"softmax_fwd_infinite", fwd_infinite, CHECK_PAIRS},
        {"softmax_bwd", bwd, CHECK_PAIRS},
        {"softmax_gradient", gradient, CHECK_REF},
    };
    return check_run("softmax", tests, sizeof tests / sizeof *tests);
}
