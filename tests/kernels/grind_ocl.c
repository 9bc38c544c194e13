/* Every kernel that works in tiles, at sizes that an interpreter of kernels gets through (scripts/run-oclgrind):
 * small, odd, and on both sides of each tile's edge. For any OpenCL device. */
#include "tests/kernels/guise.h"

/* ---- linears ------------------------------------------------------------------------------------- */

/* On `units` compute units the shape takes `tile` forward and `back` backward. Adapter j has rank + j
 * components, and a gap is a few columns on either side of it that belong to none. */
struct shape {
    int rows, in, out, nlora, rank;
    bool gap;
    enum dtype dtype;
    float p;
    bool aligned, bias;
    int units;
    const char *tile, *back; /* NULL: gemm_few.cl; only forward */
};

struct linear {
    struct klinear lin[2];
    struct check_weight w;
    struct check_mat x, y, h, dy, dx, params, grads, bias;
    struct kdropout drop;
    int rows, rank;
};

static size_t place_adapters(struct klinear *lin, const struct shape *s)
{
    size_t at = s->aligned ? 0 : 1;
    int width = s->nlora ? s->out / s->nlora : 0, gap = s->gap ? 3 : 0;
    lin->nlora = s->nlora;
    for (int j = 0; j < s->nlora; j++) {
        struct klora *l = &lin->lora[j];
        *l = (struct klora){.col = j * width + gap, .cols = width - 2 * gap, .rank = s->rank + j};
        l->scale = 0.5f + (float)j;
        l->id = 4 + (uint32_t)j;
        l->a = at;
        l->b = at + (size_t)l->rank * (size_t)s->in;
        at = l->b + (size_t)l->rank * (size_t)l->cols;
    }
    return at;
}

static struct linear linear(struct check *t, const struct shape *s)
{
    struct linear f = {.rows = s->rows, .drop = {.p = s->p, .seed = 7, .step = 2}};
    struct klinear lin = {.in = s->in, .out = s->out};
    int values = (int)place_adapters(&lin, s);
    f.rank = klinear_rank(&lin);
    f.w = check_weight(t, s->out, s->in, s->dtype);
    f.x = guise_mat(t, "x", s->rows, s->in, s->aligned);
    f.y = guise_mat(t, "y", s->rows, s->out, s->aligned);
    f.dy = guise_mat(t, "dy", s->rows, s->out, s->aligned);
    f.dx = guise_mat(t, "dx", s->rows, s->in, s->aligned);
    f.h = guise_mat(t, "h", s->rows, f.rank ? f.rank : 1, false);
    f.params = guise_mat(t, "params", 1, values, s->aligned);
    f.grads = guise_mat(t, "grads", 1, values, false);
    f.bias = guise_mat(t, "bias", 1, s->out, s->aligned);
    for (int i = 0; i < 2; i++) {
        f.lin[i] = lin;
        f.lin[i].w = f.w.w[i];
        f.lin[i].bias = s->bias ? check_ref(&f.bias, i) : KREF_NONE;
    }
    guise_prepare(t, &(struct kern_specs){.rows = s->rows,
                                          .width = s->in > s->out ? s->in : s->out,
                                          .rank = f.rank,
                                          .backward = true,
                                          .dropout = s->p > 0.0f});
    return f;
}

/* With a residual that is y itself and dx added to; or without, and dx written. */
static void run_linear(struct check *t, const struct linear *f, bool back, bool plain)
{
    for (int i = 0; i < 2; i++) {
        kern *k = t->k[i];
        struct kref y = check_ref(&f->y, i), h = check_ref(&f->h, i), x = check_ref(&f->x, i);
        struct kref params = check_ref(&f->params, i);
        k->op.lora_linear_fwd(k, y, h, x, plain ? KREF_NONE : y, params, &f->lin[i], f->rows,
                              &f->drop);
        if (back)
            k->op.lora_linear_bwd(k, check_ref(&f->dx, i), check_ref(&f->grads, i),
                                  check_ref(&f->dy, i), x, h, params, &f->lin[i], f->rows, &f->drop,
                                  plain ? K_SET : K_ADD);
    }
    check_sync(t);
    check_same(t, &f->y, 1e-5, 0);
    check_same(t, &f->h, 1e-5, 0);
    check_same(t, &f->dx, 1e-5, 0);
    check_same(t, &f->grads, 1e-5, 0);
}

static void same_name(const char *got, const char *want)
{
    assert_true(!got == !want);
    if (want)
        assert_string_equal(got, want);
}

static void linears(const struct guise *g, const struct shape *shapes, size_t n)
{
    struct check t = guise_open(g);
    for (size_t i = 0; i < n; i++) {
        const struct shape *s = &shapes[i];
        ocl_own(t.k[1])->dev.units = s->units;
        struct linear f = linear(&t, s);
        same_name(gemm_ocl_tile(t.k[1], GEMM_NT, s->rows, s->out), s->tile);
        if (s->back)
            same_name(gemm_ocl_tile(t.k[1], GEMM_NN, s->rows, s->in), s->back);
        run_linear(&t, &f, s->back != NULL, i % 3 == 1);
        check_weight_values_free(&f.w);
        check_free(&t);
    }
    guise_close(&t);
}
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Rows, columns, depth and ranks on both sides of a tile's edge, in every type of W. Few adapters: their
 * thin products take most of the time. */
static void linears_wide(void **state)
{
    static const struct shape shapes[] = {
        {129, 68, 72, 1, 9, true, DT_BF16, 0.0f, true, false, 1, "widest", "widest"},
        {257, 66, 65, 0, 0, false, DT_F32, 0.0f, false, true, 2, "widest", "widest"},
        {250, 130, 129, 0, 0, false, DT_F16, 0.0f, false, false, 2, "widest", "widest"},
        {127, 132, 129, 0, 0, false, DT_F16, 0.0f, true, true, 2, "large", "large"},
        {129, 65, 66, 0, 0, false, DT_F32, 0.1f, false, false, 2, "large", "large"},
        {65, 65, 65, 1, 17, true, DT_BF16, 0.0f, false, false, 1, "large", "large"},
        {63, 64, 66, 1, 3, true, DT_F16, 0.2f, false, false, 1, "medium", "medium"},
        {100, 97, 100, 0, 0, false, DT_F32, 0.0f, true, true, 2, "medium", "medium"},
        {64, 65, 128, 4, 1, false, DT_BF16, 0.0f, true, false, 1, "medium", "medium"},
        {17, 33, 31, 1, 65, true, DT_F32, 0.0f, false, false, 9, NULL, "small"},
        {257, 7, 9, 1, 3, true, DT_BF16, 0.3f, false, false, 9, NULL, "small"}, /* two chunks */
        {2049, 7, 9, 1, 3, true, DT_F16, 0.3f, false, false, 9, NULL, NULL},    /* H tile by tile */
    };
    (void)state;
    linears(&guise_wide, shapes, COUNT(shapes));
}

/* Few rows: one, as many as one group meets, more; a line with one row of W, with four; H made before, by
 * every group, in two parts. Backward takes the small tile, forward only cross-entropy does. */
static void linears_few(void **state)
{
    enum { ONE, FEW, THIN, KINDS, LOWS = 3, TYPES = 3, ALL = KINDS * LOWS * TYPES };
    static const enum dtype dtypes[TYPES] = {DT_F32, DT_F16, DT_BF16};
    struct shape shapes[ALL];
    (void)state;
    for (int i = 0; i < ALL; i++) {
        const int kind = i % KINDS, lows = i / KINDS % LOWS, type = i / KINDS / LOWS;
        const int rows[KINDS] = {1, 8 - lows, 9}, out = kind == FEW ? 33 : 64;
        shapes[i] = (struct shape){.rows = rows[kind],
                                   .in = i % 2 ? 132 : 129 - type,
                                   .out = lows ? out : 37,
                                   .nlora = kind == THIN && lows ? 2 : 1,
                                   .rank = lows == 2 ? 9 + 3 * type : 7 - type,
                                   .gap = lows == 0,
                                   .dtype = dtypes[type],
                                   .aligned = i % 2,
                                   .bias = i % 4 == 0,
                                   .units = kind == FEW ? 64 : 1,
                                   .back = i % 5 == 0 ? "small" : NULL};
    }
    linears(&guise_wide, shapes, ALL);
}

static void linears_narrow(void **state)
{
    static const struct shape shapes[] = {
        {65, 65, 66, 1, 5, true, DT_F32, 0.0f, false, true, 1, "medium", "medium"},
        {63, 68, 65, 2, 3, true, DT_F16, 0.1f, true, false, 1, "medium", "medium"},
        {33, 64, 33, 1, 1, false, DT_BF16, 0.0f, true, false, 1, "medium", "medium"},
        {33, 33, 31, 1, 17, true, DT_F32, 0.3f, false, false, 4, "small", "small"},
        {31, 32, 36, 3, 2, true, DT_F16, 0.0f, true, true, 4, "small", "small"},
        {9, 33, 40, 1, 16, false, DT_BF16, 0.1f, false, false, 4, "small", "small"},
        {257, 5, 7, 1, 2, false, DT_F32, 0.0f, false, false, 1, "small", "small"}, /* two chunks */
    };
    (void)state;
    linears(&guise_narrow, shapes, COUNT(shapes));
}

static void linears_single(void **state)
{
    static const struct shape shapes[] = {
        {9, 33, 17, 1, 5, true, DT_F32, 0.0f, false, true, 2, "small", "small"},
        {8, 16, 15, 2, 2, true, DT_F16, 0.2f, true, false, 2, "small", "small"},
        {1, 7, 36, 3, 17, true, DT_BF16, 0.0f, false, false, 2, "small", "small"},
        {257, 5, 65, 1, 3, false, DT_F32, 0.1f, false, false, 2, "small", "small"}, /* two chunks */
    };
    (void)state;
    linears(&guise_single, shapes, COUNT(shapes));
}

/* ---- attention ------------------------------------------------------------------------------------ */

/* offset: rows of a cache before the queries, forward alone; docs: the keys are cut into so many. */
struct heads {
    int rows, offset, heads, kv_heads, head_dim, window, docs;
    float softcap;
};

static struct check_mat starts(struct check *t, const struct heads *s)
{
    struct check_mat m = check_mat_of(t, "start", DT_I32, 1, s->rows, s->rows);
    int keys = s->rows + s->offset;
    int32_t *first = calloc((size_t)s->rows, sizeof *first);
    for (int i = 0; i < s->rows; i++) {
        int document = (s->offset + i) * s->docs / keys;
        first[i] = (document * keys + s->docs - 1) / s->docs;
    }
    check_set_i32(t, &m, first);
    free(first);
    return m;
}

/* q, key and v are slices of a joined matrix, and so are their gradients. */
static void attention(struct check *t, const struct heads *s)
{
    int keys = s->rows + s->offset, width = (s->heads + 2 * s->kv_heads) * s->head_dim;
    int key = s->heads * s->head_dim, v = key + s->kv_heads * s->head_dim;
    struct attention_dims d = {s->rows,     keys,      s->offset, s->heads,  s->kv_heads,
                               s->head_dim, s->window, 0.2f,      s->softcap};
    struct check_mat qkv = guise_mat(t, "qkv", keys, width, false);
    struct check_mat dqkv = check_mat(t, "dqkv", keys, width), o = check_mat(t, "o", s->rows, key);
    struct check_mat dout = guise_mat(t, "dout", s->rows, key, false);
    struct check_mat lse = check_mat_of(t, "lse", DT_F32, s->rows, s->heads, s->heads);
    struct check_mat start = starts(t, s);
    guise_prepare(t, &(struct kern_specs){.rows = keys,
                                          .width = width,
                                          .heads = s->heads,
                                          .kv_heads = s->kv_heads,
                                          .head_dim = s->head_dim,
                                          .keys = keys,
                                          .backward = true});
    EACH(t, attention_fwd, AT(o), s->offset ? KREF_NONE : AT(lse), kref_row(AT(qkv), s->offset),
         kref_col(AT(qkv), key), kref_col(AT(qkv), v), AT(start), &d);
    check_same(t, &o, 1e-5, 0);
    check_same(t, &lse, 1e-5, 1);
    if (s->offset == 0) {
        EACH(t, attention_bwd, AT(dqkv), kref_col(AT(dqkv), key), kref_col(AT(dqkv), v), AT(dout),
             AT(qkv), kref_col(AT(qkv), key), kref_col(AT(qkv), v), AT(o), AT(lse), AT(start), &d);
        check_same(t, &dqkv, 1e-5, 1);
    }
    check_free(t);
}

static void attentions(const struct guise *g, const struct heads *shapes, size_t n)
{
    struct check t = guise_open(g);
    for (size_t i = 0; i < n; i++)
        attention(&t, &shapes[i]);
    guise_close(&t);
}

/* Heads in one, two and three chunks of columns; tiles of 64 or 32 query rows and 32 keys. */
static void attention_wide(void **state)
{
    static const struct heads shapes[] = {
        {65, 0, 2, 1, 20, 0, 1, 0.0f},  {67, 0, 4, 2, 17, 20, 3, 20.0f},
        {1, 0, 1, 1, 17, 0, 1, 0.0f},   {33, 0, 1, 1, 68, 0, 2, 0.0f},
        {31, 0, 1, 1, 68, 40, 1, 5.0f}, {33, 0, 1, 1, 132, 7, 1, 0.0f},
        {5, 61, 2, 1, 17, 0, 2, 0.0f},  {1, 70, 4, 2, 20, 16, 1, 30.0f},
        {3, 30, 1, 1, 132, 0, 1, 0.0f},
    };
    (void)state;
    attentions(&guise_wide, shapes, COUNT(shapes));
}

static void attention_narrow(void **state)
{
    static const struct heads shapes[] = {{33, 0, 4, 2, 12, 0, 3, 20.0f},
                                          {17, 0, 2, 1, 12, 9, 1, 0.0f},
                                          {15, 0, 1, 1, 68, 0, 2, 0.0f},
                                          {5, 29, 2, 1, 12, 0, 1, 0.0f}};
    (void)state;
    attentions(&guise_narrow, shapes, COUNT(shapes));
}

static void attention_single(void **state)
{
    static const struct heads shapes[] = {{33, 0, 4, 2, 12, 0, 3, 20.0f},
                                          {17, 0, 2, 1, 12, 9, 1, 0.0f},
                                          {15, 0, 1, 1, 68, 0, 2, 0.0f},
                                          {5, 29, 2, 1, 12, 0, 1, 0.0f}};
    (void)state;
    attentions(&guise_single, shapes, COUNT(shapes));
}

/* ---- cross-entropy -------------------------------------------------------------------------------- */

struct loss {
    int n, rows, cols, vocab;
    enum dtype dtype;
    float softcap;
    bool gradient;
};

static void loss(struct check *t, const struct loss *s)
{
    struct cross_entropy_dims d = {s->n, s->rows, s->cols, s->vocab, 0.5f, s->softcap};
    struct check_weight w = check_weight(t, s->vocab, s->cols, s->dtype);
    struct check_mat x = guise_mat(t, "x", s->rows, s->cols, false);
    struct check_mat dx = check_mat(t, "dx", s->rows, s->cols), sum = check_mat(t, "loss", 1, 1);
    struct check_mat nll = check_mat_of(t, "nll", DT_F32, 1, s->n, s->n);
    struct check_mat index = check_mat_of(t, "index", DT_I32, 1, s->n, s->n);
    struct check_mat labels = check_mat_of(t, "labels", DT_I32, 1, s->n, s->n);
    int32_t v[32], l[32];
    assert_true(s->n <= 32);
    for (int i = 0; i < s->n; i++) { /* the last rows, and one is left out in the middle */
        v[i] = s->rows - s->n + i - (i < 4 && s->n < s->rows);
        l[i] = (i + 1) * 50021 % s->vocab;
    }
    check_set_i32(t, &index, v);
    check_set_i32(t, &labels, l);
    check_set(t, &sum, &(double){0.25});
    guise_prepare(t, &(struct kern_specs){.rows = s->rows,
                                          .width = s->cols,
                                          .vocab = s->vocab,
                                          .hidden = s->cols,
                                          .backward = true});
    EACH(t, linear_cross_entropy, AT(sum), s->gradient ? AT(nll) : KREF_NONE,
         s->gradient ? AT(dx) : KREF_NONE, AT(x), AT(index), AT(labels), w.w[which], &d);
    check_same(t, &sum, 1e-5, 0);
    check_same(t, &nll, 1e-5, 0);
    check_same(t, &dx, 1e-5, 0);
    check_weight_values_free(&w);
    check_free(t);
}

static void cross_entropy(void **state)
{
    static const struct loss small[] = {{9, 12, 12, 70, DT_BF16, 0.0f, true},
                                        {5, 5, 17, 1031, DT_F32, 2.0f, true},
                                        {1, 3, 5, 7, DT_F16, 0.0f, true},
                                        {3, 4, 8, 33, DT_F32, 0.0f, false}};
    /* More labelled rows than a chunk takes: a CPU's is small. */
    static const struct loss chunks = {17, 20, 5, 4099, DT_F32, 0.0f, true};
    static const struct guise *const guises[] = {&guise_single, &guise_narrow, &guise_wide};
    (void)state;
    for (size_t i = 0; i < COUNT(guises); i++) {
        struct check t = guise_open(guises[i]);
        for (size_t j = 0; j < COUNT(small); j++)
            loss(&t, &small[j]);
        if (guises[i] == &guise_single)
            loss(&t, &chunks);
        guise_close(&t);
    }
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static void every_kernel(void **state)
{
    (void)state;
    guise_every_kernel(false, "lora_rows");
}

int main(void)
{
    cmocka_set_test_filter(getenv("FILTER"));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linears_wide),     cmocka_unit_test(linears_few),
        cmocka_unit_test(linears_narrow),   cmocka_unit_test(linears_single),
        cmocka_unit_test(attention_wide),   cmocka_unit_test(attention_narrow),
        cmocka_unit_test(attention_single), cmocka_unit_test(cross_entropy),
        cmocka_unit_test(every_kernel),
    };
    return cmocka_run_group_tests_name("grind", tests, NULL, NULL);
}
