/* Every row-wise and flat kernel, at sizes that an interpreter of kernels gets through
 * (scripts/run-oclgrind), with each size of group; and the block rows. For any OpenCL device. */
#include <math.h>

#include "tests/kernels/guise.h"

/* A lane and more lanes to a row, one and more rows to a group, rows past the end; columns around
 * 4 x 256 lanes. */
static const struct check_shape shapes[] = {{1, 1}, {3, 7}, {17, 5}, {5, 33}, {2, 257}, {2, 1031}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* What an op on rows takes; x2 and y2 are twice as wide. */
struct rows {
    int rows, cols;
    struct check_mat x, dy, y, x2, y2, w, b, mean, rstd;
};

static struct rows make_rows(struct check *t, int i)
{
    int rows = shapes[i].rows, cols = shapes[i].cols;
    struct rows o = {.rows = rows, .cols = cols};
    t->slack = i % 3;
    o.x = check_mat(t, "x", rows, cols);
    o.dy = check_mat(t, "dy", rows, cols);
    o.y = check_mat(t, "y", rows, cols);
    o.x2 = check_mat(t, "x2", rows, 2 * cols);
    o.y2 = check_mat(t, "y2", rows, 2 * cols);
    o.w = check_mat(t, "w", 1, cols);
    o.b = check_mat(t, "b", 1, cols);
    o.mean = check_mat(t, "mean", 1, rows);
    o.rstd = check_mat(t, "rstd", 1, 2 * rows);
    const struct check_mat *const filled[] = {&o.x, &o.dy, &o.y, &o.x2, &o.w, &o.b, &o.rstd};
    for (int j = 0; j < 7; j++)
        check_fill(t, filled[j], CHECK_NORMAL);
    return o;
}

static void norms(struct check *t, const struct rows *o)
{
    EACH(t, layernorm_fwd, AT(o->y), AT(o->mean), AT(o->rstd), AT(o->x), AT(o->w), AT(o->b),
         o->rows, o->cols, 0.1f);
    check_same(t, &o->y, 1e-5, 0);
    check_same(t, &o->mean, 1e-5, 1);
    check_same(t, &o->rstd, 1e-5, 0);
    EACH(t, layernorm_bwd, AT(o->y), AT(o->dy), AT(o->x), AT(o->mean), AT(o->rstd), AT(o->w),
         o->rows, o->cols, K_ADD);
    check_same(t, &o->y, 1e-5, 0);
    EACH(t, rmsnorm_fwd, AT(o->y2), AT(o->rstd), AT(o->x2), AT(o->w), o->rows, 2, o->cols, 0.1f,
         1.0f);
    check_same(t, &o->y2, 1e-5, 0);
    EACH(t, rmsnorm_bwd, AT(o->y2), AT(o->y2), AT(o->x2), AT(o->rstd), AT(o->w), o->rows, 2,
         o->cols, 0.0f, K_SET);
    check_same(t, &o->y2, 1e-5, 0);
    EACH(t, rmsnorm_fwd, AT(o->y), AT(o->rstd), AT(o->y), AT(o->w), o->rows, 1, o->cols, 0.1f,
         0.0f);
    check_same(t, &o->y, 1e-5, 0);
    EACH(t, rmsnorm_bwd, AT(o->dy), AT(o->dy), AT(o->x), AT(o->rstd), AT(o->w), o->rows, 1, o->cols,
         1.0f, K_SET);
    check_same(t, &o->dy, 1e-5, 0);
    EACH(t, softmax_fwd, AT(o->x), AT(o->x), o->rows, o->cols);
    check_same(t, &o->x, 1e-5, 0);
    EACH(t, softmax_bwd, AT(o->y), AT(o->dy), AT(o->x), o->rows, o->cols);
    check_same(t, &o->y, 1e-5, check_max(t, &o->dy) / o->cols);
}

static void activations(struct check *t, const struct rows *o)
{
    EACH(t, gelu_fwd, AT(o->y), AT(o->x), o->rows, o->cols);
    check_same(t, &o->y, 1e-5, 0);
    EACH(t, gelu_bwd, AT(o->x), AT(o->dy), AT(o->x), o->rows, o->cols);
    check_same(t, &o->x, 1e-5, 0);
    EACH(t, swiglu_fwd, AT(o->y), AT(o->x2), o->rows, o->cols);
    check_same(t, &o->y, 1e-5, 0);
    EACH(t, swiglu_bwd, AT(o->y2), AT(o->dy), AT(o->x2), o->rows, o->cols);
    check_same(t, &o->y2, 1e-5, 0);
    EACH(t, geglu_fwd, AT(o->y), AT(o->x2), o->rows, o->cols);
    check_same(t, &o->y, 1e-5, 0);
    EACH(t, geglu_bwd, AT(o->x2), AT(o->dy), AT(o->x2), o->rows, o->cols);
    check_same(t, &o->x2, 1e-5, 0);
}

static void vectors(struct check *t, const struct rows *o)
{
    static const enum dtype dtypes[] = {DT_F32, DT_F16, DT_BF16};
    const struct kdropout drop = {.p = 0.4f, .seed = 0x123456789abcdefull, .step = 7, .micro = 2};
    EACH(t, add, AT(o->y), AT(o->y), AT(o->dy), o->rows, o->cols);
    EACH(t, scale, AT(o->y), AT(o->y), o->rows, o->cols, -3.0f);
    check_same(t, &o->y, 1e-6, 0);
    EACH(t, dropout, AT(o->x), AT(o->x), o->rows, o->cols, &drop, 5);
    check_same(t, &o->x, 1e-6, 0);
    for (int i = 0; i < 3; i++) {
        struct check_mat h = check_mat_of(t, "h", dtypes[i], o->rows, o->cols, o->cols + 1);
        struct check_mat c = check_mat_of(t, "c", dtypes[i], o->rows, o->cols, o->cols + 2);
        EACH(t, cast, AT(h), AT(o->dy), o->rows, o->cols);
        EACH(t, copy, AT(c), AT(h), o->rows, o->cols);
        check_same(t, &c, 0, 0);
        EACH(t, add, AT(h), AT(h), AT(c), o->rows, o->cols);
        EACH(t, dropout, AT(c), AT(h), o->rows, o->cols, &drop, 6);
        check_same(t, &c, i ? 1e-2 : 1e-6, 0); /* a last place of bf16 */
        EACH(t, cast, AT(o->y), AT(h), o->rows, o->cols);
        check_same(t, &o->y, 0, 0);
    }
}

static void optimizer(struct check *t, const struct rows *o)
{
    const struct adamw_hyper h = {2e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, 2};
    const size_t n = (size_t)o->rows * (size_t)o->cols;
    struct check_mat v[4], sum = check_mat(t, "sumsq", 1, 1), coef = check_mat(t, "coef", 1, 3);
    struct check_mat loss = check_mat(t, "loss", 1, 1);
    static const char *const names[4] = {"param", "m", "v", "grad"};
    for (int i = 0; i < 4; i++) {
        v[i] = check_mat(t, names[i], 1, (int)n);
        check_fill(t, &v[i], i == 2 ? CHECK_ZERO : CHECK_NORMAL);
    }
    check_set(t, &loss, &(double){1});
    EACH(t, sumsq, AT(sum), AT(v[3]), n);
    check_same(t, &sum, 1e-5, 0);
    EACH(t, clip_coef, AT(coef), AT(sum), AT(loss), 1.0f);
    check_same(t, &coef, 1e-5, 0);
    EACH(t, adamw, AT(v[0]), AT(v[1]), AT(v[2]), AT(v[3]), AT(coef), n, &h);
    for (int i = 0; i < 3; i++)
        check_same(t, &v[i], 1e-5, i == 0);
}

static void rope(struct check *t, int rows, int heads, int head_dim, int rot_dim)
{
    enum { POSITIONS = 9 };
    struct check_mat x = guise_mat(t, "x", rows, heads * head_dim, false);
    struct check_mat y = check_mat(t, "y", rows, heads * head_dim);
    struct check_mat pos = check_mat_of(t, "pos", DT_I32, 1, rows, rows);
    struct check_mat c = check_mat_of(t, "cos", DT_F32, POSITIONS, rot_dim / 2, rot_dim / 2);
    struct check_mat s = check_mat_of(t, "sin", DT_F32, POSITIONS, rot_dim / 2, rot_dim / 2);
    int32_t at[32];
    assert_true(rows <= 32);
    for (int i = 0; i < rows; i++)
        at[i] = POSITIONS - 1 - i % POSITIONS;
    check_set_i32(t, &pos, at);
    check_fill(t, &c, CHECK_NORMAL);
    check_fill(t, &s, CHECK_NORMAL);
    EACH(t, rope_fwd, AT(y), AT(x), AT(pos), AT(c), AT(s), rows, heads, head_dim, rot_dim);
    check_same(t, &y, 1e-5, 0);
    EACH(t, rope_bwd, AT(x), AT(x), AT(pos), AT(c), AT(s), rows, heads, head_dim, rot_dim);
    check_same(t, &x, 1e-5, 0);
    check_free(t);
}

static void embedding(struct check *t, int rows, int vocab, int cols, enum dtype dtype)
{
    struct check_weight w = check_weight(t, vocab, cols, dtype);
    struct check_mat y = check_mat(t, "y", rows, cols);
    struct check_mat ids = check_mat_of(t, "ids", DT_I32, 1, rows, rows);
    int32_t id[32];
    assert_true(rows <= 32);
    for (int i = 0; i < rows; i++)
        id[i] = vocab - 1 - i % vocab;
    check_set_i32(t, &ids, id);
    EACH(t, embedding_fwd, AT(y), AT(ids), w.w[which], rows, 3.0f);
    check_same(t, &y, 1e-6, 0);
    check_weight_values_free(&w);
    check_free(t);
}

static void row_ops(const struct guise *g)
{
    struct check t = guise_open(g);
    for (int i = 0; i < SHAPES; i++) {
        static void (*const all[])(struct check *, const struct rows *) = {norms, activations,
                                                                           vectors, optimizer};
        for (int j = 0; j < 4; j++) {
            struct rows o = make_rows(&t, i);
            all[j](&t, &o);
            check_free(&t);
        }
    }
    rope(&t, 1, 1, 2, 2);
    rope(&t, 17, 3, 10, 6);
    rope(&t, 2, 2, 34, 34);
    embedding(&t, 5, 3, 7, DT_F32);
    embedding(&t, 17, 31, 33, DT_F16);
    embedding(&t, 3, 2, 301, DT_BF16);
    guise_close(&t);
}

static void rows_single(void **state)
{
    (void)state;
    row_ops(&guise_single);
}

static void rows_narrow(void **state)
{
    (void)state;
    row_ops(&guise_narrow);
}

static void rows_wide(void **state)
{
    (void)state;
    row_ops(&guise_wide);
}

/* ---- blocks --------------------------------------------------------------------------------------- */

/* A linear of one adapter behind a norm or an activation; what the block keeps, or makes again. */
struct block {
    struct klinear lin[2];
    struct check_weight weight;
    struct check_mat x, gu, y, dy, stat, h, mid, params, grads, w, b;
    struct kdropout drop;
    int rows;
};

static struct block make_block(struct check *t, int rows, int in, int out, float p)
{
    struct block f = {.rows = rows, .drop = {.p = p, .seed = 5, .step = 1}};
    struct klora lora = {.cols = out, .rank = 3, .scale = 2.0f, .b = 3 * (size_t)in};
    f.weight = check_weight(t, out, in, DT_BF16);
    f.x = guise_mat(t, "x", rows, in, false);
    f.gu = guise_mat(t, "gu", rows, 2 * in, false);
    f.y = guise_mat(t, "y", rows, out, false);
    f.dy = guise_mat(t, "dy", rows, out, false);
    f.mid = guise_mat(t, "mid", rows, in, false);
    f.w = guise_mat(t, "w", 1, in, false);
    f.b = guise_mat(t, "b", 1, in, false);
    f.params = guise_mat(t, "params", 1, 3 * (in + out), false);
    f.grads = guise_mat(t, "grads", 1, 3 * (in + out), false);
    f.stat = check_mat_of(t, "stat", DT_F32, 1, 2 * rows, 2 * rows);
    f.h = check_mat_of(t, "h", DT_F32, rows, 3, 3);
    for (int i = 0; i < 2; i++)
        f.lin[i] = (struct klinear){f.weight.w[i], KREF_NONE, in, out, 1, {lora}};
    guise_prepare(t, &(struct kern_specs){.rows = rows,
                                          .width = 2 * (in > out ? in : out),
                                          .in_width = in,
                                          .rank = 3,
                                          .backward = true,
                                          .dropout = p > 0.0f});
    return f;
}

/* x and gu become their gradients. */
static void run_block(struct check *t, const struct block *f, bool keep, enum kact act)
{
    for (int i = 0; i < 2; i++) {
        kern *k = t->k[i];
        struct kref y = check_ref(&f->y, i), x = check_ref(&f->x, i), dy = check_ref(&f->dy, i);
        struct kref gu = check_ref(&f->gu, i), params = check_ref(&f->params, i);
        struct kref grads = check_ref(&f->grads, i);
        struct knorm norm = {keep ? KNORM_LAYER : KNORM_RMS, check_ref(&f->w, i),
                             check_ref(&f->b, i), 1e-5f, 1.0f};
        struct ksaved s = {check_ref(&f->stat, i), check_ref(&f->h, i),
                           keep ? check_ref(&f->mid, i) : KREF_NONE};
        k->op.norm_linear_fwd(k, y, &s, x, params, &norm, &f->lin[i], f->rows, &f->drop);
        k->op.norm_linear_bwd(k, x, grads, dy, &s, x, params, &norm, &f->lin[i], f->rows, &f->drop);
        s.stat = KREF_NONE;
        k->op.act_linear_fwd(k, y, &s, gu, y, params, act, &f->lin[i], f->rows, &f->drop);
        k->op.act_linear_bwd(k, gu, grads, dy, &s, gu, params, act, &f->lin[i], f->rows, &f->drop);
    }
    check_sync(t);
    check_same(t, &f->y, 1e-5, 0);
    check_same(t, &f->x, 2e-5, 1);
    check_same(t, &f->gu, 2e-5, 1);
    check_same(t, &f->grads, 2e-5, 0);
}

static void blocks(void **state)
{
    static const enum kact acts[] = {KACT_SWIGLU, KACT_GEGLU, KACT_GELU};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct check t = guise_open(i == 0 ? &guise_single : &guise_wide);
        struct block f = make_block(&t, 3 + i, 17, 20 + i, i == 1 ? 0.2f : 0.0f);
        run_block(&t, &f, i == 1, acts[i]);
        check_weight_values_free(&f.weight);
        guise_close(&t);
    }
}

/* Of those that all runs build; grind_ocl has the others. */
static void every_kernel(void **state)
{
    (void)state;
    guise_every_kernel(true, NULL);
}

int main(void)
{
    cmocka_set_test_filter(getenv("FILTER"));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_single), cmocka_unit_test(rows_narrow),  cmocka_unit_test(rows_wide),
        cmocka_unit_test(blocks),      cmocka_unit_test(every_kernel),
    };
    return cmocka_run_group_tests_name("grind_rows", tests, NULL, NULL);
}
