#include "tests/check.h"

#include <math.h>
#include <stdlib.h>

/* docs: how many documents the rows are cut into; offset: rows of the cache before the queries. */
struct shape {
    int rows, offset, heads, kv_heads, head_dim, window, docs;
    float softcap;
    enum check_kind kind;
};
static const struct shape shapes[] = {
    {1, 0, 1, 1, 1, 0, 1, 0.0f, CHECK_NORMAL},      {3, 0, 2, 1, 16, 0, 1, 0.0f, CHECK_NORMAL},
    {7, 0, 4, 2, 40, 0, 3, 0.0f, CHECK_MIXED},      {15, 0, 3, 3, 64, 4, 1, 0.0f, CHECK_NORMAL},
    {16, 0, 4, 1, 80, 0, 2, 30.0f, CHECK_NORMAL},   {17, 0, 2, 2, 128, 5, 4, 0.0f, CHECK_NORMAL},
    {31, 0, 2, 1, 256, 0, 1, 0.0f, CHECK_NORMAL},   {32, 0, 9, 3, 8, 1, 1, 0.0f, CHECK_NORMAL},
    {33, 0, 6, 2, 17, 0, 33, 0.0f, CHECK_NORMAL},   {63, 0, 2, 1, 16, 0, 1, 50.0f, CHECK_NORMAL},
    {64, 0, 2, 2, 16, 64, 1, 0.0f, CHECK_NORMAL},   {65, 0, 2, 1, 16, 63, 5, 0.0f, CHECK_NORMAL},
    {127, 0, 1, 1, 24, 0, 2, 0.0f, CHECK_MIXED},    {129, 0, 2, 1, 16, 0, 1, 0.0f, CHECK_NORMAL},
    {131, 0, 2, 2, 4, 100, 3, 20.0f, CHECK_NORMAL}, {10, 0, 2, 1, 16, 0, 2, 0.0f, CHECK_ZERO},
    {24, 0, 2, 1, 16, 0, 2, 0.0f, CHECK_BIG},       {97, 0, 3, 1, 64, 0, 2, 0.0f, CHECK_NORMAL},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Generation: queries after a cache. */
static const struct shape cached[] = {
    {1, 0, 2, 1, 16, 0, 1, 0.0f, CHECK_NORMAL},     {1, 130, 3, 1, 64, 0, 1, 0.0f, CHECK_NORMAL},
    {1, 70, 4, 4, 40, 16, 1, 30.0f, CHECK_MIXED},   {5, 61, 2, 1, 16, 0, 1, 0.0f, CHECK_NORMAL},
    {33, 33, 2, 2, 128, 20, 2, 0.0f, CHECK_NORMAL}, {64, 1, 2, 1, 8, 0, 3, 0.0f, CHECK_NORMAL},
};
enum { CACHED = sizeof cached / sizeof *cached };

struct fixture {
    struct attention_dims d;
    struct check_mat qkv, dqkv; /* joined: q, key and v are column slices */
    struct check_mat o, lse, dout, start;
};

static struct kref q_of(const struct fixture *f, const struct check_mat *m, int i)
{
    (void)f;
    return check_ref(m, i);
}

static struct kref key_of(const struct fixture *f, const struct check_mat *m, int i)
{
    return kref_col(check_ref(m, i), f->d.heads * f->d.head_dim);
}

static struct kref v_of(const struct fixture *f, const struct check_mat *m, int i)
{
    return kref_col(check_ref(m, i), (f->d.heads + f->d.kv_heads) * f->d.head_dim);
}

/* Document borders at random, the first at 0, one for each of docs. */
static struct check_mat starts(struct check *t, const struct shape *s)
{
    int keys = s->rows + s->offset, *border = calloc((size_t)keys, sizeof *border);
    int32_t *v = malloc(sizeof *v * (size_t)s->rows), first = 0;
    struct check_mat m = check_mat_of(t, "start", DT_I32, 1, s->rows, s->rows);
    for (int i = 1; i < s->docs; i++)
        border[s->docs == keys ? i : check_rand(t, keys)] = 1;
    for (int j = 0; j < keys; j++) {
        first = border[j] ? j : first;
        if (j >= s->offset)
            v[j - s->offset] = first;
    }
    check_set_i32(t, &m, v);
    free(border);
    free(v);
    return m;
}

static struct check_mat mat(struct check *t, const char *name, bool f64, int rows, int cols)
{
    return f64 ? check_f64(t, name, rows, cols) : check_mat(t, name, rows, cols);
}

/* The joined matrix has a row a key; queries stand in the last rows of it. */
static struct fixture fixture(struct check *t, const struct shape *s, bool f64)
{
    struct fixture f = {.d = {.q_rows = s->rows,
                              .k_rows = s->rows + s->offset,
                              .q_offset = s->offset,
                              .heads = s->heads,
                              .kv_heads = s->kv_heads,
                              .head_dim = s->head_dim,
                              .window = s->window,
                              .softcap = s->softcap}};
    int width = (s->heads + 2 * s->kv_heads) * s->head_dim;
    f.d.scale = 1.0f / sqrtf((float)s->head_dim);
    f.qkv = mat(t, "qkv", f64, f.d.k_rows, width);
    f.dqkv = mat(t, "dqkv", f64, f.d.k_rows, width);
    f.o = mat(t, "o", f64, s->rows, s->heads * s->head_dim);
    f.dout = mat(t, "dout", f64, s->rows, s->heads * s->head_dim);
    f.lse = check_mat_of(t, "lse", f64 ? DT_F64 : DT_F32, s->rows, s->heads, s->heads);
    f.start = starts(t, s);
    check_fill(t, &f.dout, CHECK_NORMAL);
    /* Big: scores of some thousands, a softmax that is nearly one-hot. */
    check_fill(t, &f.qkv, s->kind == CHECK_BIG ? CHECK_NORMAL : s->kind);
    if (s->kind == CHECK_BIG)
        EACH(t, scale, AT(f.qkv), AT(f.qkv), f.d.k_rows, width, 30.0f);
    check_prepare(t, &(struct kern_specs){.rows = f.d.k_rows,
                                          .width = width,
                                          .heads = s->heads,
                                          .kv_heads = s->kv_heads,
                                          .head_dim = s->head_dim,
                                          .keys = f.d.k_rows,
                                          .backward = true});
    return f;
}

static void run_fwd(struct check *t, const struct fixture *f, bool lse, int i)
{
    kern *k = t->k[i];
    k->op.attention_fwd(k, check_ref(&f->o, i), lse ? check_ref(&f->lse, i) : KREF_NONE,
                        kref_row(q_of(f, &f->qkv, i), f->d.q_offset), key_of(f, &f->qkv, i),
                        v_of(f, &f->qkv, i), check_ref(&f->start, i), &f->d);
}

static void run_bwd(struct check *t, const struct fixture *f, int i)
{
    kern *k = t->k[i];
    k->op.attention_bwd(k, q_of(f, &f->dqkv, i), key_of(f, &f->dqkv, i), v_of(f, &f->dqkv, i),
                        check_ref(&f->dout, i), q_of(f, &f->qkv, i), key_of(f, &f->qkv, i),
                        v_of(f, &f->qkv, i), check_ref(&f->o, i), check_ref(&f->lse, i),
                        check_ref(&f->start, i), &f->d);
}

/* A relative error e of a score s moves exp(s) by e * s. */
static double tolerance(const struct shape *s)
{
    return s->kind == CHECK_BIG ? 1e-3 : 1e-5;
}

static void fwd_case(struct check *t, const struct shape *s)
{
    struct fixture f = fixture(t, s, false);
    run_fwd(t, &f, true, 0);
    run_fwd(t, &f, true, 1);
    check_sync(t);
    check_same(t, &f.o, tolerance(s), 0);
    check_same(t, &f.lse, 1e-5, 1);
    run_fwd(t, &f, false, 1); /* no lse wanted */
    check_same(t, &f.o, tolerance(s), 0);
    check_free(t);
}

static void fwd(struct check *t)
{
    for (int n = 0; n < SHAPES; n++) {
        t->slack = n % 3;
        fwd_case(t, &shapes[n]);
    }
}

static void fwd_cached(struct check *t)
{
    for (int n = 0; n < CACHED; n++) {
        t->slack = n % 3;
        fwd_case(t, &cached[n]);
    }
}

static void equalise(struct check *t, const struct check_mat *m)
{
    double *v = check_get(t, m, 0);
    check_set(t, m, v);
    free(v);
}

static void bwd(struct check *t)
{
    for (int n = 0; n < SHAPES; n++) {
        const struct shape *s = &shapes[n];
        t->slack = n % 3;
        struct fixture f = fixture(t, s, false);
        run_fwd(t, &f, true, 0);
        equalise(t, &f.o);
        equalise(t, &f.lse);
        run_bwd(t, &f, 0);
        run_bwd(t, &f, 1);
        check_sync(t);
        /* ds = p (dp - D) cancels where a row sees one key: dp is what is left of the rounding */
        double size = check_max(t, &f.qkv), floor = check_max(t, &f.dout) * size * size;
        check_same(t, &f.dqkv, tolerance(s), floor * (double)f.d.scale);
        check_free(t);
    }
}

static void bench(struct check *t)
{
    static const struct shape large = {512, 0, 9, 3, 64, 0, 1, 0.0f, CHECK_NORMAL};
    if (!check_benching())
        return;
    struct fixture f = fixture(t, &large, false);
    double flops = 2.0 * 512 * 512 * 9 * 64; /* two products over half of the square */
    BENCH(t, "attention_fwd 512x9x64", 0, flops, attention_fwd, AT(f.o), AT(f.lse), AT(f.qkv),
          key_of(&f, &f.qkv, 1), v_of(&f, &f.qkv, 1), AT(f.start), &f.d);
    BENCH(t, "attention_bwd 512x9x64", 0, 2.5 * flops, attention_bwd, AT(f.dqkv),
          key_of(&f, &f.dqkv, 1), v_of(&f, &f.dqkv, 1), AT(f.dout), AT(f.qkv),
          key_of(&f, &f.qkv, 1), v_of(&f, &f.qkv, 1), AT(f.o), AT(f.lse), AT(f.start), &f.d);
}

/* A value that is not finite is not hidden from rows that see it; others may be hit too. */
static void not_finite(struct check *t)
{
    static const struct shape s = {33, 0, 2, 1, 16, 0, 1, 0.0f, CHECK_NORMAL};
    static const float values[] = {NAN, INFINITY};
    enum { AT_ROW = 20 };
    for (int n = 0; n < 2; n++) {
        struct fixture f = fixture(t, &s, false);
        for (int i = 0; i < 2; i++) {
            kern_write(t->k[i], kref_row(v_of(&f, &f.qkv, i), AT_ROW), &values[n], 1);
            run_fwd(t, &f, true, i);
        }
        check_sync(t);
        double *o = check_get(t, &f.o, 1);
        for (int r = AT_ROW; r < s.rows; r++) {
            for (int h = 0; h < s.heads; h++)
                assert_false(isfinite(o[(r * s.heads + h) * s.head_dim]));
        }
        free(o);
        check_free(t);
    }
}

static double loss(struct check *t, void *ctx)
{
    struct fixture *f = ctx;
    run_fwd(t, f, true, 0);
    return check_dot(t, &f->o, &f->dout);
}

static void gradient(struct check *t)
{
    static const struct shape small[] = {
        {5, 0, 4, 2, 3, 0, 1, 0.0f, CHECK_NORMAL},
        {6, 0, 2, 1, 4, 3, 2, 0.0f, CHECK_NORMAL},
        {5, 0, 3, 3, 3, 0, 2, 1.5f, CHECK_NORMAL},
    };
    for (int n = 0; n < 3; n++) {
        struct fixture f = fixture(t, &small[n], true);
        loss(t, &f);
        run_bwd(t, &f, 0);
        check_sync(t);
        check_gradient(t, loss, &f, &f.qkv, &f.dqkv);
        check_free(t);
    }
}

int main(void)
{
    static const struct check_test tests[] = {
        {"attention_fwd", fwd, CHECK_PAIRS},
        {"attention_fwd_cached", fwd_cached, CHECK_PAIRS},
        {"attention_fwd_not_finite", not_finite, CHECK_PAIRS},
        {"attention_bwd", bwd, CHECK_PAIRS},
        {"attention_bench", bench, CHECK_PAIRS},
        {"attention_gradient", gradient, CHECK_REF},
    };
    return check_run("attention", tests, sizeof tests / sizeof *tests);
}
