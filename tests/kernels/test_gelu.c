#include "tests/check.h"

static const enum check_kind kinds[] = {CHECK_NORMAL, CHECK_MIXED, CHECK_ZERO,
                                        CHECK_TINY,   CHECK_BIG,   CHECK_HUGE};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void fwd_bwd(struct check *t)
{
    for (int i = 0; i < CHECK_SHAPES * KINDS; i++) {
        int rows = check_shapes[i / KINDS].rows, cols = check_shapes[i / KINDS].cols;
        t->slack = i % 3;
        struct check_mat x = check_mat(t, "x", rows, cols), h = check_mat(t, "h", rows, cols);
        struct check_mat dh = check_mat(t, "dh", rows, cols), dx = check_mat(t, "dx", rows, cols);
        check_fill(t, &x, kinds[i % KINDS]);
        check_fill(t, &dh, CHECK_MIXED);
        EACH(t, gelu_fwd, AT(h), AT(x), rows, cols);
        check_same(t, &h, 1e-5, 0);
        EACH(t, gelu_bwd, AT(dx), AT(dh), AT(x), rows, cols);
        check_same(t, &dx, 1e-5, 0);
        if (rows == 32)
            BENCH(t, "gelu_fwd 32x1024", 8.0 * rows * cols, 0, gelu_fwd, AT(h), AT(x), rows, cols);
        EACH(t, gelu_bwd, AT(dh), AT(dh), AT(x), rows, cols); /* dx is dh */
        check_same(t, &dh, 1e-5, 0);
        EACH(t, gelu_bwd, AT(x), AT(dx), AT(x), rows, cols); /* dx is x */
        check_same(t, &x, 1e-5, 0);
        EACH(t, gelu_fwd, AT(dx), AT(dx), rows, cols); /* h is x */
        check_same(t, &dx, 1e-5, 0);
        check_free(t);
    }
}

struct fd {
    struct check_mat x, h, dh;
};

static double loss(struct check *t, void *ctx)
{
    struct fd *c = ctx;
    t->k[0]->op.gelu_fwd(t->k[0], check_ref(&c->h, 0), check_ref(&c->x, 0), 3, 7);
    return check_dot(t, &c->h, &c->dh);
}

static void gradient(struct check *t)
{
    struct fd c = {check_f64(t, "x", 3, 7), check_f64(t, "h", 3, 7), check_f64(t, "dh", 3, 7)};
    struct check_mat dx = check_f64(t, "dx", 3, 7);
    EACH(t, gelu_bwd, AT(dx), AT(c.dh), AT(c.x), 3, 7);
    check_gradient(t, loss, &c, &c.x, &dx);
}

int main(void)
{
    static const struct check_test tests[] = {
        {"gelu", fwd_bwd, CHECK_PAIRS},
        {"gelu_gradient", gradient, CHECK_REF},
    };
    return check_run("gelu", tests, sizeof tests / sizeof *tests);
}
