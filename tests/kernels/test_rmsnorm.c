#include "tests/check.h"

#include <stdlib.h>

/* Whole rows, and rows of several heads. */
static const struct {
    int rows, groups, cols;
} shapes[] = {{1, 1, 1},    {1, 1, 7},    {3, 1, 8},    {5, 3, 15}, {7, 1, 16},
              {2, 5, 17},   {11, 1, 31},  {9, 2, 33},   {5, 4, 64}, {3, 9, 128},
              {3, 1, 1031}, {1, 1, 4096}, {16, 1, 2048}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void fwd(struct check *t)
{
    static const enum check_kind kinds[] = {CHECK_NORMAL, CHECK_MIXED, CHECK_ZERO,
                                            CHECK_TINY,   CHECK_BIG,   CHECK_HUGE};
    for (int i = 0; i < SHAPES * 6; i++) {
        int rows = shapes[i / 6].rows, groups = shapes[i / 6].groups, cols = shapes[i / 6].cols;
        float w_add = i % 2 ? 1.0f : 0.0f, eps = i % 4 < 2 ? 1e-5f : 1e-6f;
        t->slack = i % 3;
        struct check_mat x = check_mat(t, "x", rows, groups * cols), w = check_mat(t, "w", 1, cols);
        struct check_mat y = check_mat(t, "y", rows, groups * cols);
        struct check_mat rstd = check_mat_of(t, "rstd", DT_F32, 1, rows * groups, rows * groups);
        check_fill(t, &x, kinds[i % 6]);
        check_fill(t, &w, CHECK_NORMAL);
        EACH(t, rmsnorm_fwd, AT(y), AT(rstd), AT(x), AT(w), rows, groups, cols, eps, w_add);
        check_same(t, &y, 1e-5, 0);
        check_same(t, &rstd, 1e-5, 0);
        if (rows == 16)
            BENCH(t, "rmsnorm_fwd 16x2048", 8.0 * rows * cols, 0, rmsnorm_fwd, AT(y), AT(rstd),
                  AT(x), AT(w), rows, groups, cols, eps, w_add);
        /* in place, nothing kept */
        EACH(t, rmsnorm_fwd, AT(x), KREF_NONE, AT(x), AT(w), rows, groups, cols, eps, w_add);
        check_same(t, &x, 1e-5, 0);
        check_free(t);
    }
}

/* The largest |dy| * |w| * rstd: the terms that cancel in dx are of this size. */
static void bwd_case(struct check *t, int i, enum check_kind kind)
{
    int rows = shapes[i].rows, groups = shapes[i].groups, cols = shapes[i].cols;
    float w_add = i % 2 ? 1.0f : 0.0f;
    t->slack = i % 3;
    struct check_mat x = check_mat(t, "x", rows, groups * cols), w = check_mat(t, "w", 1, cols);
    struct check_mat dy = check_mat(t, "dy", rows, groups * cols);
    struct check_mat dx = check_mat(t, "dx", rows, groups * cols);
    struct check_mat rstd = check_mat_of(t, "rstd", DT_F32, 1, rows * groups, rows * groups);
    check_fill(t, &x, kind);
    check_fill(t, &w, CHECK_NORMAL);
    check_fill(t, &dy, i % 3 ? CHECK_NORMAL : CHECK_MIXED);
    check_fill(t, &dx, CHECK_NORMAL);
    t->k[0]->op.rmsnorm_fwd(t->k[0], check_ref(&dx, 0), check_ref(&rstd, 0), check_ref(&x, 0),
                            check_ref(&w, 0), rows, groups, cols, 1e-5f, w_add);
    double *kept = check_get(t, &rstd, 0);
    check_set(t, &rstd, kept);
    free(kept);
    double floor = check_max(t, &dy) * (check_max(t, &w) + (double)w_add) * check_max(t, &rstd);
    check_fill(t, &dx, CHECK_NORMAL);
    EACH(t, rmsnorm_bwd, AT(dx), AT(dy), AT(x), AT(rstd), AT(w), rows, groups, cols, w_add, K_ADD);
    check_same(t, &dx, 1e-5, floor);
    EACH(t, rmsnorm_bwd, AT(dx), AT(dy), AT(x), AT(rstd), AT(w), rows, groups, cols, w_add, K_SET);
    check_same(t, &dx, 1e-5, floor);
    if (rows == 16)
        BENCH(t, "rmsnorm_bwd 16x2048", 12.0 * rows * cols, 0, rmsnorm_bwd, AT(dx), AT(dy), AT(x),
              AT(rstd), AT(w), rows, groups, cols, w_add, K_SET);
    EACH(t, rmsnorm_bwd, AT(dy), AT(dy), AT(x), AT(rstd), AT(w), rows, groups, cols, w_add, K_SET);
    check_same(t, &dy, 1e-5, floor);
    check_free(t);
}

static void bwd(struct check *t)
{
    static const enum check_kind kinds[] = {CHECK_NORMAL, CHECK_MIXED, CHECK_ZERO, CHECK_TINY,
                                            CHECK_BIG};
    for (int i = 0; i < SHAPES * 5; i++)
        bwd_case(t, i / 5, kinds[i % 5]);
}

struct fd {
    struct check_mat x, w, y, rstd, dy;
    int groups;
    float w_add;
};

static double loss(struct check *t, void *ctx)
{
    struct fd *c = ctx;
    t->k[0]->op.rmsnorm_fwd(t->k[0], check_ref(&c->y, 0), check_ref(&c->rstd, 0),
                            check_ref(&c->x, 0), check_ref(&c->w, 0), c->x.rows, c->groups,
                            c->x.cols / c->groups, 1e-5f, c->w_add);
    return check_dot(t, &c->y, &c->dy);
}

static void gradient(struct check *t)
{
    enum { ROWS = 3, COLS = 5 };
    for (int groups = 1; groups <= 3; groups += 2) {
        struct fd c = {.groups = groups, .w_add = groups == 1 ? 0.0f : 1.0f};
        c.x = check_f64(t, "x", ROWS, groups * COLS);
        c.w = check_f64(t, "w", 1, COLS);
        c.y = check_f64(t, "y", ROWS, groups * COLS);
        c.dy = check_f64(t, "dy", ROWS, groups * COLS);
        c.rstd = check_f64(t, "rstd", 1, ROWS * groups);
        struct check_mat dx = check_f64(t, "dx", ROWS, groups * COLS);
        loss(t, &c);
        EACH(t, rmsnorm_bwd, AT(dx), AT(c.dy), AT(c.x), AT(c.rstd), AT(c.w), ROWS, groups, COLS,
             c.w_add, K_SET);
        check_gradient(t, loss, &c, &c.x, &dx);
        check_free(t);
    }
}

/* The reference on bf16 rows: what f32 gives for the same values, rounded once. */
static void bf16(struct check *t)
{
    enum { ROWS = 4, COLS = 33 };
    struct check_mat x = check_mat_of(t, "x", DT_BF16, ROWS, COLS, COLS + 1);
    struct check_mat y = check_mat_of(t, "y", DT_BF16, ROWS, COLS, COLS);
    struct check_mat wide = check_mat(t, "wide", ROWS, COLS), w = check_mat(t, "w", 1, COLS);
    struct check_mat want = check_mat(t, "want", ROWS, COLS);
    check_fill(t, &x, CHECK_MIXED);
    check_fill(t, &w, CHECK_NORMAL);
    EACH(t, cast, AT(wide), AT(x), ROWS, COLS);
    EACH(t, rmsnorm_fwd, AT(y), KREF_NONE, AT(x), AT(w), ROWS, 1, COLS, 1e-5f, 0.0f);
    EACH(t, rmsnorm_fwd, AT(want), KREF_NONE, AT(wide), AT(w), ROWS, 1, COLS, 1e-5f, 0.0f);
    double *got = check_get(t, &y, 1), *f32 = check_get(t, &want, 1);
    for (int i = 0; i < ROWS * COLS; i++)
        assert_true(got[i] == (double)bf16_to_f32(f32_to_bf16((float)f32[i])));
    free(got);
    free(f32);
}

int main(void)
{
    static const struct check_test tests[] = {
        {"rmsnorm_fwd", fwd, CHECK_PAIRS},
        {"rmsnorm_bwd", bwd, CHECK_PAIRS},
        {"rmsnorm_gradient", gradient, CHECK_REF},
        {"rmsnorm_bf16", bf16, CHECK_REF},
    };
    return check_run("rmsnorm", tests, sizeof tests / sizeof *tests);
}
