/* The variants that GPUs take (groups of many items, tiles of several sizes), run by whatever OpenCL device
 * there is: also by one of type CPU, which would else never choose them. */
#include "tests/check.h"

#include <stdlib.h>

#include "kernels/gemm/gemm_ocl.h"

/* What the device says it is. */
struct guise {
    const char *name;
    size_t group_max;
};
static const struct guise wide = {"wide", 256}, narrow = {"narrow", 64};

static struct check open_as(const struct guise *g)
{
    struct check t = {.seed = 1};
    t.k[0] = check_open("cpu:ref", 0);
    t.k[1] = check_open("opencl", 0);
    struct ocl_device *d = &ocl_own(t.k[1])->dev;
    d->type = CL_DEVICE_TYPE_GPU;
    if (d->group_max > g->group_max)
        d->group_max = g->group_max;
    return t;
}

static void close_both(struct check *t)
{
    check_free(t);
    kern_close(&t->k[0]);
    kern_close(&t->k[1]);
}

/* ---- linears ------------------------------------------------------------------------------------- */

struct shape {
    int rows, in, out, rank;
    enum dtype dtype;
    float p;
    int adapters;            /* that share the columns out evenly; 0: one that has some of them */
    const char *tile, *back; /* that fit the shape on two compute units; NULL: any */
};

struct linear {
    struct klinear lin[2];
    struct check_weight w;
    struct check_mat x, y, h, dy, dx, params, grads;
    struct kdropout drop;
    int rows;
};

static struct linear linear(struct check *t, const struct shape *s)
{
    struct linear f = {.rows = s->rows, .drop = {.p = s->p, .seed = 7, .step = 2}};
    int n = s->adapters > 0 ? s->adapters : 1, each = s->out / n, values = s->in + each;
    f.w = check_weight(t, s->out, s->in, s->dtype);
    f.x = check_mat(t, "x", s->rows, s->in);
    f.y = check_mat(t, "y", s->rows, s->out);
    f.dy = check_mat(t, "dy", s->rows, s->out);
    f.dx = check_mat(t, "dx", s->rows, s->in);
    f.h = check_mat(t, "h", s->rows, n * s->rank);
    f.params = check_mat(t, "params", 1, n * s->rank * values);
    f.grads = check_mat(t, "grads", 1, n * s->rank * values);
    const struct check_mat *const filled[] = {&f.x, &f.y, &f.dy, &f.dx, &f.params, &f.grads};
    for (int i = 0; i < 6; i++)
        check_fill(t, filled[i], CHECK_NORMAL);
    struct klinear lin = {.in = s->in, .out = s->out, .nlora = n};
    for (int j = 0; j < n; j++) {
        struct klora lora = {.col = j * each, .cols = each, .rank = s->rank, .scale = 0.5f};
        if (s->adapters == 0)
            lora.col = 3, lora.cols = s->out - 5;
        lora.id = (uint32_t)(4 + j);
        lora.a = (size_t)j * (size_t)(s->rank * values);
        lora.b = lora.a + (size_t)s->rank * (size_t)s->in;
        lin.lora[j] = lora;
    }
    for (int i = 0; i < 2; i++) {
        f.lin[i] = lin;
        f.lin[i].w = f.w.w[i];
    }
    check_prepare(t, &(struct kern_specs){.rows = s->rows,
                                          .width = s->in > s->out ? s->in : s->out,
                                          .rank = n * s->rank,
                                          .backward = true,
                                          .dropout = s->p > 0.0f});
    return f;
}

/* The residual is y itself, and dx is added to. */
static void run_linear(struct check *t, const struct linear *f)
{
    for (int i = 0; i < 2; i++) {
        kern *k = t->k[i];
        struct kref y = check_ref(&f->y, i), h = check_ref(&f->h, i), x = check_ref(&f->x, i);
        struct kref params = check_ref(&f->params, i);
        k->op.lora_linear_fwd(k, y, h, x, y, params, &f->lin[i], f->rows, &f->drop);
        k->op.lora_linear_bwd(k, check_ref(&f->dx, i), check_ref(&f->grads, i),
                              check_ref(&f->dy, i), x, h, params, &f->lin[i], f->rows, &f->drop,
                              K_ADD);
    }
    check_sync(t);
    check_same(t, &f->y, 1e-5, 0);
    check_same(t, &f->h, 1e-5, 0);
    check_same(t, &f->dx, 1e-5, 0);
    check_same(t, &f->grads, 1e-5, 0);
}

static void same_name(const char *got, const char *want)
{
    if (!want)
        return;
    assert_non_null(got);
    assert_string_equal(got, want);
}

static void linears(const struct guise *g, const struct shape *shapes, int n)
{
    struct check t = open_as(g);
    ocl_own(t.k[1])->dev.units = 2;
    for (int i = 0; i < n; i++) {
        const struct shape *s = &shapes[i];
        t.slack = i % 2 ? 4 : 1; /* rows aligned to 16 bytes, and not */
        struct linear f = linear(&t, s);
        same_name(gemm_ocl_tile(t.k[1], GEMM_NT, s->rows, s->out), s->tile);
        same_name(gemm_ocl_tile(t.k[1], GEMM_NN, s->rows, s->in), s->back);
        run_linear(&t, &f);
        check_weight_values_free(&f.w);
        check_free(&t);
    }
    close_both(&t);
}

static void linears_wide(void **state)
{
    static const struct shape shapes[] = {
        {250, 252, 253, 8, DT_F32, 0.0f, 0, NULL, NULL}, /* the largest there is */
        {120, 250, 249, 17, DT_F32, 0.0f, 0, "large", "large"},
        {60, 130, 100, 16, DT_F16, 0.1f, 0, "medium", NULL},
        {9, 100, 70, 20, DT_BF16, 0.0f, 0, NULL, "small"},
        {2100, 20, 24, 9, DT_BF16, 0.3f, 0, NULL, NULL}, /* rows in chunks */
        {1, 150, 77, 8, DT_F16, 0.0f, 0, NULL, NULL},
        {7, 96, 90, 3, DT_BF16, 0.2f, 0, NULL, NULL},
        /* few rows and adapters that begin with a tile: H is made in passing */
        {1, 260, 96, 8, DT_F32, 0.0f, 1, NULL, NULL},
        {1, 131, 192, 16, DT_BF16, 0.0f, 2, NULL, NULL},
        {7, 140, 90, 5, DT_F16, 0.0f, 1, NULL, NULL},
        {8, 129, 64, 13, DT_F32, 0.0f, 4, NULL, NULL},
        {37, 140, 96, 8, DT_BF16, 0.0f, 3, NULL, NULL},
        {50, 127, 101, 16, DT_F32, 0.0f, 1, NULL, NULL},
        {50, 127, 101, 17, DT_F32, 0.0f, 1, NULL, NULL}, /* a rank for which it is not */
        {203, 61, 64, 13, DT_BF16, 0.0f, 2, NULL, NULL}, /* rows for which it is made first */
    };
    (void)state;
    linears(&wide, shapes, sizeof shapes / sizeof *shapes);
}

static void linears_narrow(void **state)
{
    static const struct shape shapes[] = {
        {65, 70, 80, 5, DT_F32, 0.0f, 0, NULL, NULL},
        {9, 33, 40, 16, DT_BF16, 0.1f, 0, "small", "small"},
    };
    (void)state;
    linears(&narrow, shapes, sizeof shapes / sizeof *shapes);
}

/* ---- attention and cross-entropy ------------------------------------------------------------------ */

static void attention(const struct guise *g, int rows, int head_dim)
{
    enum { HEADS = 4, KV = 2 };
    struct check t = open_as(g);
    struct attention_dims d = {rows, rows, 0, HEADS, KV, head_dim, 50, 0.2f, 20.0f};
    int width = (HEADS + 2 * KV) * head_dim, key = HEADS * head_dim, v = key + KV * head_dim;
    struct check_mat qkv = check_mat(&t, "qkv", rows, width);
    struct check_mat dqkv = check_mat(&t, "dqkv", rows, width), o = check_mat(&t, "o", rows, key);
    struct check_mat dout = check_mat(&t, "dout", rows, key);
    struct check_mat lse = check_mat_of(&t, "lse", DT_F32, rows, HEADS, HEADS);
    struct check_mat start = check_mat_of(&t, "start", DT_I32, 1, rows, rows);
    int32_t *first = calloc((size_t)rows, sizeof *first);
    for (int i = 0; i < rows; i++)
        first[i] = i < rows / 3 ? 0 : rows / 3;
    check_set_i32(&t, &start, first);
    free(first);
    check_fill(&t, &qkv, CHECK_NORMAL);
    check_fill(&t, &dout, CHECK_NORMAL);
    check_prepare(&t, &(struct kern_specs){.rows = rows,
                                           .width = width,
                                           .heads = HEADS,
                                           .kv_heads = KV,
                                           .head_dim = head_dim,
                                           .keys = rows,
                                           .backward = true});
    EACH(&t, attention_fwd, AT(o), AT(lse), AT(qkv), kref_col(AT(qkv), key), kref_col(AT(qkv), v),
         AT(start), &d);
    EACH(&t, attention_bwd, AT(dqkv), kref_col(AT(dqkv), key), kref_col(AT(dqkv), v), AT(dout),
         AT(qkv), kref_col(AT(qkv), key), kref_col(AT(qkv), v), AT(o), AT(lse), AT(start), &d);
    check_same(&t, &o, 1e-5, 0);
    check_same(&t, &lse, 1e-5, 1);
    check_same(&t, &dqkv, 1e-5, 1);
    close_both(&t);
}

static void attention_wide(void **state)
{
    (void)state;
    attention(&wide, 131, 20);
    attention(&wide, 70, 160);
}

static void attention_narrow(void **state)
{
    (void)state;
    attention(&narrow, 67, 12);
}

/* More labelled rows than a chunk takes: the device says that it has little memory, the vocabulary is
 * large for it. */
static void cross_entropy(void **state)
{
    enum { ROWS = 20, COLS = 12, VOCAB = 300000 };
    (void)state;
    struct check t = open_as(&wide);
    ocl_own(t.k[1])->dev.memory = 1 << 20;
    struct cross_entropy_dims d = {ROWS - 1, ROWS, COLS, VOCAB, 0.5f, 0.0f};
    struct check_weight w = check_weight(&t, VOCAB, COLS, DT_BF16);
    struct check_mat x = check_mat(&t, "x", ROWS, COLS), dx = check_mat(&t, "dx", ROWS, COLS);
    struct check_mat loss = check_mat(&t, "loss", 1, 1);
    struct check_mat nll = check_mat_of(&t, "nll", DT_F32, 1, ROWS - 1, ROWS - 1);
    struct check_mat index = check_mat_of(&t, "index", DT_I32, 1, ROWS - 1, ROWS - 1);
    struct check_mat labels = check_mat_of(&t, "labels", DT_I32, 1, ROWS - 1, ROWS - 1);
    int32_t v[ROWS], l[ROWS];
    for (int i = 0; i < ROWS; i++) {
        v[i] = i + (i > 4);
        l[i] = i * 50021 % VOCAB;
    }
    check_set_i32(&t, &index, v);
    check_set_i32(&t, &labels, l);
    check_set(&t, &loss, &(double){0.25});
    check_fill(&t, &x, CHECK_NORMAL);
    check_prepare(
        &t, &(struct kern_specs){
                .rows = ROWS, .width = COLS, .vocab = VOCAB, .hidden = COLS, .backward = true});
    EACH(&t, linear_cross_entropy, AT(loss), AT(nll), AT(dx), AT(x), AT(index), AT(labels),
         w.w[which], &d);
    check_same(&t, &loss, 1e-5, 0);
    check_same(&t, &nll, 1e-5, 0);
    check_same(&t, &dx, 1e-5, 0);
    check_weight_values_free(&w);
    close_both(&t);
}

/* Two runs give the same bytes. */
static void repeats(void **state)
{
    static const struct shape s = {2100, 20, 24, 9, DT_BF16, 0.1f, 0, NULL, NULL};
    (void)state;
    double *first = NULL;
    for (int run = 0; run < 2; run++) {
        struct check t = open_as(&wide);
        struct linear f = linear(&t, &s);
        run_linear(&t, &f);
        double *grads = check_get(&t, &f.grads, 1);
        if (first)
            assert_memory_equal(first, grads, sizeof *grads * (size_t)f.grads.cols);
        free(first);
        first = grads;
        check_weight_values_free(&f.w);
        close_both(&t);
    }
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linears_wide),   cmocka_unit_test(linears_narrow),
        cmocka_unit_test(attention_wide), cmocka_unit_test(attention_narrow),
        cmocka_unit_test(cross_entropy),  cmocka_unit_test(repeats),
    };
    return cmocka_run_group_tests_name("wide_ocl", tests, NULL, NULL);
}
