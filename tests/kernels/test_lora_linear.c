#include "tests/check.h"

#include <stdlib.h>

/* A joined linear: `gap` output columns before each adapter belong to no adapter. */
struct shape {
    int rows, in, out, nlora, ranks[KLORA_MAX], gap;
    enum dtype dtype;
    bool bias, res;
    float p;
};
static const struct shape shapes[] = {
    {1, 1, 1, 1, {1}, 0, DT_F32, 0, 0, 0.0f},
    {1, 7, 5, 0, {0}, 0, DT_F32, 1, 1, 0.0f},
    {2, 8, 8, 1, {1}, 0, DT_F16, 1, 0, 0.5f},
    {3, 16, 15, 2, {2, 3}, 0, DT_BF16, 0, 1, 0.0f},
    {5, 31, 33, 3, {4, 4, 4}, 0, DT_F32, 1, 1, 0.25f},
    {7, 17, 64, 4, {1, 2, 8, 5}, 3, DT_F32, 0, 1, 0.1f},
    {6, 64, 47, 1, {64}, 5, DT_BF16, 1, 0, 0.0f},
    {13, 100, 37, 2, {16, 16}, 1, DT_F16, 0, 0, 0.9f},
    {31, 33, 130, 2, {7, 8}, 0, DT_F32, 0, 1, 0.0f},
    {32, 48, 96, 3, {8, 8, 8}, 0, DT_BF16, 1, 1, 0.05f},
    {33, 129, 65, 1, {16}, 0, DT_F16, 0, 1, 0.0f},
    {65, 127, 31, 1, {17}, 7, DT_F32, 1, 0, 0.3f},
    {127, 40, 81, 0, {0}, 0, DT_BF16, 0, 0, 0.0f},
    {129, 65, 257, 2, {16, 48}, 0, DT_F32, 0, 1, 0.0f},
    {257, 96, 48, 1, {16}, 0, DT_BF16, 0, 1, 0.1f},
    {514, 650, 9, 1, {8}, 0, DT_BF16, 0, 0, 0.1f}, /* sums in pieces, rows in chunks */
    {514, 11, 650, 1, {5}, 7, DT_F32, 0, 0, 0.0f},
    {17, 1300, 50, 2, {3, 4}, 0, DT_F16, 1, 0, 0.0f},
    {2, 700, 660, 1, {5}, 3, DT_BF16, 0, 0, 0.2f},
    {1, 576, 480, 3, {16, 16, 16}, 0, DT_F32, 0, 0, 0.0f},
    {24, 576, 320, 2, {16, 16}, 0, DT_BF16, 0, 0, 0.0f},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* A linear with its adapters on both devices; params and grads are flat, with a few values that belong
 * to nobody between the adapters: they must stay. */
struct fixture {
    struct klinear lin[2];
    struct check_weight w;
    struct check_mat bias, params, grads, x, y, h, res, dy, dx;
    struct kdropout drop;
    int rows, rank;
};

static void place_adapters(struct klinear *lin, const struct shape *s, size_t *values)
{
    size_t at = 5;
    int col = 0, width = s->nlora ? s->out / s->nlora : 0;
    for (int j = 0; j < s->nlora; j++, col += width) {
        struct klora *l = &lin->lora[j];
        *l = (struct klora){.col = col + s->gap, .cols = width - s->gap, .rank = s->ranks[j]};
        l->scale = 0.5f + (float)j;
        l->id = (uint32_t)(7 + 3 * j);
        l->b = at; /* B before A: nothing may rely on their order */
        at += (size_t)l->cols * (size_t)l->rank + 3;
        l->a = at;
        at += (size_t)l->rank * (size_t)s->in + 2;
    }
    *values = at;
}

static struct check_mat mat(struct check *t, const char *name, bool f64, int rows, int cols)
{
    struct check_mat m = f64 ? check_f64(t, name, rows, cols) : check_mat(t, name, rows, cols);
    check_fill(t, &m, CHECK_NORMAL);
    return m;
}

static struct fixture fixture(struct check *t, const struct shape *s, bool f64)
{
    struct fixture f = {.rows = s->rows, .drop = {.p = s->p, .seed = 99, .step = 3, .micro = 2}};
    struct klinear lin = {.in = s->in, .out = s->out, .nlora = s->nlora};
    size_t values;
    int slack = t->slack;
    place_adapters(&lin, s, &values);
    f.rank = klinear_rank(&lin);
    f.w = check_weight(t, s->out, s->in, s->dtype);
    f.x = mat(t, "x", f64, s->rows, s->in);
    f.y = mat(t, "y", f64, s->rows, s->out);
    f.res = mat(t, "res", f64, s->rows, s->out);
    f.dy = mat(t, "dy", f64, s->rows, s->out);
    f.dx = mat(t, "dx", f64, s->rows, s->in);
    t->slack = 0;
    f.params = mat(t, "params", f64, 1, (int)values);
    f.grads = mat(t, "grads", f64, 1, (int)values);
    f.bias = mat(t, "bias", f64, 1, s->out);
    f.h = mat(t, "h", f64, s->rows, f.rank ? f.rank : 1);
    t->slack = slack;
    for (int i = 0; i < 2; i++) {
        f.lin[i] = lin;
        f.lin[i].w = f.w.w[i];
        f.lin[i].bias = s->bias ? check_ref(&f.bias, i) : KREF_NONE;
    }
    check_prepare(t, &(struct kern_specs){.rows = s->rows,
                                          .width = s->in > s->out ? s->in : s->out,
                                          .rank = f.rank,
                                          .backward = true,
                                          .dropout = s->p > 0.0f});
    return f;
}

static struct kref if_lora(const struct fixture *f, const struct check_mat *m, int i)
{
    return f->rank ? check_ref(m, i) : KREF_NONE;
}

static void run_fwd(struct check *t, const struct fixture *f, const struct check_mat *y,
                    const struct check_mat *res, int i)
{
    kern *k = t->k[i];
    k->op.lora_linear_fwd(k, check_ref(y, i), if_lora(f, &f->h, i), check_ref(&f->x, i),
                          res ? check_ref(res, i) : KREF_NONE, if_lora(f, &f->params, i),
                          &f->lin[i], f->rows, &f->drop);
}

static void run_bwd(struct check *t, const struct fixture *f, bool dx, enum kwrite mode, int i)
{
    kern *k = t->k[i];
    k->op.lora_linear_bwd(k, dx ? check_ref(&f->dx, i) : KREF_NONE, if_lora(f, &f->grads, i),
                          check_ref(&f->dy, i), check_ref(&f->x, i), if_lora(f, &f->h, i),
                          if_lora(f, &f->params, i), &f->lin[i], f->rows, &f->drop, mode);
}

/* Gives both devices the reference's values. */
static void equalise(struct check *t, const struct check_mat *m)
{
    double *v = check_get(t, m, 0);
    check_set(t, m, v);
    free(v);
}

static void fwd(struct check *t)
{
    for (int n = 0; n < SHAPES * 2; n++) {
        t->slack = n % 3;
        struct fixture f = fixture(t, &shapes[n / 2], false);
        bool res = shapes[n / 2].res;
        check_fill(t, &f.x, n % 2 ? CHECK_MIXED : CHECK_NORMAL);
        for (int i = 0; i < 2; i++)
            run_fwd(t, &f, &f.y, res ? &f.res : NULL, i);
        check_sync(t);
        check_same(t, &f.y, 1e-5, 0);
        if (f.rank)
            check_same(t, &f.h, 1e-5, 0);
        for (int i = 0; i < 2; i++)
            run_fwd(t, &f, &f.res, &f.res, i); /* y is res */
        check_sync(t);
        check_same(t, &f.res, 1e-5, 0);
        check_weight_values_free(&f.w);
        check_free(t);
    }
}

static void bwd(struct check *t)
{
    for (int n = 0; n < SHAPES * 2; n++) {
        t->slack = n % 3;
        struct fixture f = fixture(t, &shapes[n / 2], false);
        run_fwd(t, &f, &f.y, NULL, 0);
        equalise(t, &f.h);
        for (int i = 0; i < 2; i++)
            run_bwd(t, &f, true, n % 2 ? K_ADD : K_SET, i);
        check_sync(t);
        check_same(t, &f.dx, 1e-5, 0);
        check_same(t, &f.grads, 1e-5, 0);
        for (int i = 0; i < 2; i++)
            run_bwd(t, &f, false, K_SET, i); /* gradients only, a second time: they add up */
        check_sync(t);
        check_same(t, &f.dx, 1e-5, 0);
        check_same(t, &f.grads, 1e-5, 0);
        check_weight_values_free(&f.w);
        check_free(t);
    }
}

/* Of one large call, the flops of W alone. */
static void bench(struct check *t)
{
    static const struct shape large[] = {
        {512, 576, 960, 3, {16, 16, 16}, 0, DT_F32, 0, 0, 0.0f},
        {512, 576, 3072, 2, {16, 16}, 0, DT_BF16, 0, 0, 0.0f},
        {512, 1536, 576, 1, {16}, 0, DT_F32, 0, 0, 0.0f},
        {1, 576, 3072, 2, {16, 16}, 0, DT_F32, 0, 0, 0.0f},
    };
    for (int n = 0; n < 4 && check_benching(); n++) {
        struct fixture f = fixture(t, &large[n], false);
        double flops = 2.0 * large[n].rows * large[n].in * large[n].out;
        double bytes = (double)large[n].in * large[n].out * (large[n].dtype == DT_F32 ? 4 : 2);
        BENCH(t, "lora_linear_fwd", bytes, flops, lora_linear_fwd, AT(f.y), AT(f.h), AT(f.x),
              KREF_NONE, AT(f.params), &f.lin[1], f.rows, &f.drop);
        BENCH(t, "lora_linear_bwd", bytes, flops, lora_linear_bwd, AT(f.dx), AT(f.grads), AT(f.dy),
              AT(f.x), AT(f.h), AT(f.params), &f.lin[1], f.rows, &f.drop, K_SET);
        check_weight_values_free(&f.w);
        check_free(t);
    }
}

static double loss(struct check *t, void *ctx)
{
    struct fixture *f = ctx;
    run_fwd(t, f, &f->y, &f->res, 0);
    return check_dot(t, &f->y, &f->dy);
}

static void gradient(struct check *t)
{
    static const struct shape small[] = {
        {4, 6, 7, 1, {2}, 1, DT_F32, 1, 1, 0.0f},
        {3, 5, 9, 3, {1, 2, 3}, 0, DT_BF16, 1, 1, 0.4f},
    };
    for (int n = 0; n < 2; n++) {
        struct fixture f = fixture(t, &small[n], true);
        loss(t, &f);
        for (int i = 0; i < (int)f.grads.cols; i++)
            kern_write(t->k[0], kref_col(check_ref(&f.grads, 0), i), &(double){0}, 1);
        run_bwd(t, &f, true, K_SET, 0);
        check_sync(t);
        check_gradient(t, loss, &f, &f.x, &f.dx);
        check_gradient(t, loss, &f, &f.params, &f.grads);
        check_weight_values_free(&f.w);
        check_free(t);
    }
}

/* Scratch for fewer rows than the call has: it must say so, not write past it. */
static void unprepared(struct check *t)
{
    struct shape s = shapes[SHAPES - 1];
    s.rows = 2;
    struct fixture f = fixture(t, &s, false);
    struct fault fault = {0};
    f.rows = 1 << 20;
    kern *k = t->k[0];
    k->op.norm_linear_fwd(k, check_ref(&f.y, 0), &(struct ksaved){.stat = KREF_NONE},
                          check_ref(&f.x, 0), check_ref(&f.params, 0),
                          &(struct knorm){.kind = KNORM_RMS}, &f.lin[0], f.rows, &f.drop);
    assert_int_equal(kern_sync(k, &fault), ST_RANGE);
    assert_non_null(strstr(fault.text, "norm_linear_fwd"));
    run_bwd(t, &f, true, K_SET, 0);
    assert_int_equal(kern_sync(k, &fault), ST_RANGE);
    assert_non_null(strstr(fault.text, "lora_linear_bwd"));
    check_weight_values_free(&f.w);
}

int main(void)
{
    static const struct check_test tests[] = {
        {"lora_linear_fwd", fwd, CHECK_PAIRS},
        {"lora_linear_bwd", bwd, CHECK_PAIRS},
        {"lora_linear_bench", bench, CHECK_PAIRS},
        {"lora_linear_gradient", gradient, CHECK_REF},
        {"lora_linear_unprepared", unprepared, CHECK_REF},
    };
    return check_run("lora_linear", tests, sizeof tests / sizeof *tests);
}
