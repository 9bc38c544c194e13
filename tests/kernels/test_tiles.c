/* Sizes at which the CPU variants cut their work (SIMD_TILE in kernels/simd_rows.h): several tiles,
 * a last one that is not full, and rows so wide that element-wise ops cut them too. Threads must
 * not change a bit. */
#include "tests/check.h"

static const struct {
    int rows, cols;
} shapes[] = {{2, 32769}, {70, 1000}, {3, 40003}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct operands {
    int rows, cols;
    struct check_mat x, dy, y, w, b;
};

/* Operand number i: y and dy are cols wide, x is x_cols wide. */
static struct operands operands(struct check *t, int i, int x_cols)
{
    struct operands o = {.rows = shapes[i].rows, .cols = shapes[i].cols};
    t->slack = i;
    o.x = check_mat(t, "x", o.rows, x_cols * o.cols);
    o.dy = check_mat(t, "dy", o.rows, o.cols);
    o.y = check_mat(t, "y", o.rows, o.cols);
    o.w = check_mat(t, "w", 1, o.cols);
    o.b = check_mat(t, "b", 1, o.cols);
    const struct check_mat *all[] = {&o.x, &o.dy, &o.y, &o.w, &o.b};
    for (int j = 0; j < 5; j++)
        check_fill(t, all[j], CHECK_NORMAL);
    return o;
}

static void norms(struct check *t)
{
    for (int i = 0; i < SHAPES; i++) {
        struct operands o = operands(t, i, 1);
        struct check_mat mean = check_mat(t, "mean", 1, o.rows);
        struct check_mat rstd = check_mat(t, "rstd", 1, o.rows);
        EACH(t, rmsnorm_fwd, AT(o.y), AT(rstd), AT(o.x), AT(o.w), o.rows, 1, o.cols, 1e-5f, 1.0f);
        check_same(t, &o.y, 1e-5, 0);
        EACH(t, rmsnorm_bwd, AT(o.y), AT(o.dy), AT(o.x), AT(rstd), AT(o.w), o.rows, 1, o.cols, 1.0f,
             K_ADD);
        check_same(t, &o.y, 1e-5, 0);
        EACH(t, layernorm_fwd, AT(o.y), AT(mean), AT(rstd), AT(o.x), AT(o.w), AT(o.b), o.rows,
             o.cols, 1e-5f);
        check_same(t, &o.y, 1e-5, 0);
        EACH(t, layernorm_bwd, AT(o.y), AT(o.dy), AT(o.x), AT(mean), AT(rstd), AT(o.w), o.rows,
             o.cols, K_ADD);
        check_same(t, &o.y, 1e-5, 0);
        check_free(t);
    }
}

static void softmax(struct check *t)
{
    for (int i = 0; i < SHAPES; i++) {
        struct operands o = operands(t, i, 1);
        EACH(t, softmax_fwd, AT(o.x), AT(o.x), o.rows, o.cols);
        check_same(t, &o.x, 1e-5, 0);
        EACH(t, softmax_bwd, AT(o.y), AT(o.dy), AT(o.x), o.rows, o.cols);
        check_same(t, &o.y, 1e-5, check_max(t, &o.dy) / o.cols);
        check_free(t);
    }
}

static void activations(struct check *t)
{
    for (int i = 0; i < SHAPES; i++) {
        struct operands o = operands(t, i, 2);
        EACH(t, swiglu_fwd, AT(o.y), AT(o.x), o.rows, o.cols);
        check_same(t, &o.y, 1e-5, 0);
        EACH(t, geglu_fwd, AT(o.y), AT(o.x), o.rows, o.cols);
        check_same(t, &o.y, 1e-5, 0);
        EACH(t, gelu_fwd, AT(o.y), AT(o.dy), o.rows, o.cols);
        check_same(t, &o.y, 1e-5, 0);
        EACH(t, gelu_bwd, AT(o.y), AT(o.dy), AT(o.x), o.rows, o.cols);
        check_same(t, &o.y, 1e-5, 0);
        EACH(t, geglu_bwd, AT(o.x), AT(o.dy), AT(o.x), o.rows, o.cols);
        check_same(t, &o.x, 1e-5, 0);
        EACH(t, swiglu_bwd, AT(o.x), AT(o.dy), AT(o.x), o.rows, o.cols);
        check_same(t, &o.x, 1e-5, 0);
        check_free(t);
    }
}

static void vectors(struct check *t)
{
    const struct kdropout drop = {.p = 0.4f, .seed = 0x123456789abcdefull, .step = 7, .micro = 2};
    for (int i = 0; i < SHAPES; i++) {
        struct operands o = operands(t, i, 1);
        struct check_mat h = check_mat_of(t, "h", DT_BF16, o.rows, o.cols, o.cols + 1);
        EACH(t, dropout, AT(o.y), AT(o.x), o.rows, o.cols, &drop, 5);
        check_same(t, &o.y, 1e-6, 0);
        EACH(t, add, AT(o.y), AT(o.y), AT(o.dy), o.rows, o.cols);
        EACH(t, scale, AT(o.y), AT(o.y), o.rows, o.cols, -3.0f);
        check_same(t, &o.y, 1e-6, 0);
        EACH(t, cast, AT(h), AT(o.x), o.rows, o.cols);
        check_same(t, &h, 0, 0);
        EACH(t, cast, AT(o.y), AT(h), o.rows, o.cols);
        check_same(t, &o.y, 0, 0);
        EACH(t, copy, AT(o.y), AT(o.x), o.rows, o.cols);
        check_same(t, &o.y, 0, 0);
        check_free(t);
    }
}

/* More elements than 256 tiles of the smallest size hold, so that tiles must grow. */
static void sums(struct check *t)
{
    enum { N = 256 * 32768 + 12345 };
    struct check_mat x = check_mat(t, "x", 1, N), out = check_mat(t, "out", 1, 1);
    EACH(t, fill, AT(x), N, 0.1f); /* equal terms: their rounding errors do not cancel */
    EACH(t, sumsq, AT(out), AT(x), N);
    check_same(t, &out, 1e-6, 0);
}

int main(void)
{
    static const struct check_test tests[] = {
        {"norms", norms, CHECK_PAIRS},
        {"softmax", softmax, CHECK_PAIRS},
        {"activations", activations, CHECK_PAIRS},
        {"vectors", vectors, CHECK_PAIRS},
        {"sums", sums, CHECK_PAIRS},
    };
    return check_run("tiles", tests, sizeof tests / sizeof *tests);
}
