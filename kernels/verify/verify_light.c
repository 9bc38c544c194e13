#include <stdio.h>

#include "kernels/verify/verify_impl.h"

static void at_shape(struct verify *v, int rows, int cols)
{
    snprintf(v->shape, sizeof v->shape, "%d x %d", rows, cols);
    verify_prepare(v, &(struct kern_specs){.rows = rows,
                                           .width = 2 * cols,
                                           .backward = true,
                                           .adapter_values = (size_t)rows * (size_t)cols});
}

static void norms(struct verify *v, int rows, int cols)
{
    at_shape(v, rows, cols);
    struct pair x = verify_fill(v, rows, cols, 1), w = verify_fill(v, 1, cols, 1);
    struct pair b = verify_fill(v, 1, cols, 1), dy = verify_fill(v, rows, cols, 1);
    struct pair y = verify_zeros(v, rows, cols), dx = verify_fill(v, rows, cols, 1);
    struct pair mean = verify_zeros(v, 1, rows), rstd = verify_zeros(v, 1, rows);
    BOTH(v, rmsnorm_fwd, AT(y), AT(rstd), AT(x), AT(w), rows, 1, cols, 1e-5f, 1.0f);
    verify_same(v, "rmsnorm_fwd", "y", &y);
    BOTH(v, rmsnorm_bwd, AT(dx), AT(dy), AT(x), AT(rstd), AT(w), rows, 1, cols, 1.0f, K_ADD);
    verify_same(v, "rmsnorm_bwd", "dx", &dx);
    BOTH(v, layernorm_fwd, AT(y), AT(mean), AT(rstd), AT(x), AT(w), AT(b), rows, cols, 1e-5f);
    verify_same(v, "layernorm_fwd", "y", &y);
    BOTH(v, layernorm_bwd, AT(dx), AT(dy), AT(x), AT(mean), AT(rstd), AT(w), rows, cols, K_SET);
    verify_same(v, "layernorm_bwd", "dx", &dx);
    verify_done(v);
}

static void activations(struct verify *v, int rows, int cols)
{
    at_shape(v, rows, cols);
    struct pair gu = verify_fill(v, rows, 2 * cols, 2), dh = verify_fill(v, rows, cols, 1);
    struct pair h = verify_zeros(v, rows, cols), dgu = verify_zeros(v, rows, 2 * cols);
    struct pair x = verify_fill(v, rows, cols, 2), dx = verify_zeros(v, rows, cols);
    BOTH(v, swiglu_fwd, AT(h), AT(gu), rows, cols);
    verify_same(v, "swiglu_fwd", "h", &h);
    BOTH(v, swiglu_bwd, AT(dgu), AT(dh), AT(gu), rows, cols);
    verify_same(v, "swiglu_bwd", "dgu", &dgu);
    BOTH(v, geglu_fwd, AT(h), AT(gu), rows, cols);
    verify_same(v, "geglu_fwd", "h", &h);
    BOTH(v, geglu_bwd, AT(dgu), AT(dh), AT(gu), rows, cols);
    verify_same(v, "geglu_bwd", "dgu", &dgu);
    BOTH(v, gelu_fwd, AT(h), AT(x), rows, cols);
    verify_same(v, "gelu_fwd", "h", &h);
    BOTH(v, gelu_bwd, AT(dx), AT(dh), AT(x), rows, cols);
    verify_same(v, "gelu_bwd", "dx", &dx);
    BOTH(v, softmax_fwd, AT(h), AT(x), rows, cols);
    verify_same(v, "softmax_fwd", "y", &h);
    BOTH(v, softmax_bwd, AT(dx), AT(dh), AT(h), rows, cols);
    verify_same(v, "softmax_bwd", "dx", &dx);
    verify_done(v);
}

static void vectors(struct verify *v, int rows, int cols)
{
    at_shape(v, rows, cols);
    const struct kdropout drop = {.p = 0.3f, .seed = 7, .step = 3, .micro = 1};
    size_t n = (size_t)rows * (size_t)cols;
    struct pair x = verify_fill(v, rows, cols, 1), a = verify_fill(v, rows, cols, 1);
    struct pair y = verify_zeros(v, rows, cols), one = verify_zeros(v, 1, 4);
    BOTH(v, add, AT(y), AT(x), AT(a), rows, cols);
    verify_same(v, "add", "y", &y);
    BOTH(v, scale, AT(y), AT(x), rows, cols, 0.37f);
    verify_same(v, "scale", "y", &y);
    BOTH(v, cast, AT(y), AT(a), rows, cols);
    verify_same(v, "cast", "y", &y);
    BOTH(v, copy, AT(y), AT(x), rows, cols);
    verify_same(v, "copy", "y", &y);
    BOTH(v, dropout, AT(y), AT(x), rows, cols, &drop, 5);
    verify_same(v, "dropout", "y", &y);
    BOTH(v, fill, AT(y), n, 1.5f);
    verify_same(v, "fill", "x", &y);
    BOTH(v, sumsq, AT(one), AT(x), n);
    verify_same(v, "sumsq", "out", &one);
    verify_done(v);
}

static void optimizer(struct verify *v, int n)
{
    at_shape(v, 1, n);
    const struct adamw_hyper hyper = {1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, 3};
    struct pair p = verify_fill(v, 1, n, 1), m = verify_fill(v, 1, n, 0.1);
    struct pair g = verify_fill(v, 1, n, 1), var = verify_zeros(v, 1, n);
    struct pair sum = verify_zeros(v, 1, 1), loss = verify_fill(v, 1, 1, 1);
    struct pair coef = verify_zeros(v, 1, 3);
    BOTH(v, sumsq, AT(sum), AT(g), (size_t)n);
    BOTH(v, clip_coef, AT(coef), AT(sum), AT(loss), 1.0f);
    verify_same(v, "clip_coef", "out", &coef);
    BOTH(v, adamw, AT(p), AT(m), AT(var), AT(g), AT(coef), (size_t)n, &hyper);
    verify_same(v, "adamw", "param", &p);
    verify_same(v, "adamw", "m", &m);
    verify_same(v, "adamw", "v", &var);
    verify_done(v);
}

static void positions(struct verify *v, int rows, int heads, int head_dim, int rot_dim)
{
    int32_t pos[64];
    snprintf(v->shape, sizeof v->shape, "%d rows, %d heads of %d", rows, heads, head_dim);
    verify_prepare(v, &(struct kern_specs){.rows = rows,
                                           .width = heads * head_dim,
                                           .heads = heads,
                                           .kv_heads = heads,
                                           .head_dim = head_dim,
                                           .keys = rows,
                                           .backward = true});
    for (int i = 0; i < rows; i++)
        pos[i] = (i * 7) % 16;
    struct pair p = verify_ints(v, pos, rows), x = verify_fill(v, rows, heads * head_dim, 1);
    struct pair c = verify_fill(v, 16, rot_dim / 2, 0.5), s = verify_fill(v, 16, rot_dim / 2, 0.5);
    struct pair y = verify_zeros(v, rows, heads * head_dim);
    BOTH(v, rope_fwd, AT(y), AT(x), AT(p), AT(c), AT(s), rows, heads, head_dim, rot_dim);
    verify_same(v, "rope_fwd", "y", &y);
    BOTH(v, rope_bwd, AT(y), AT(x), AT(p), AT(c), AT(s), rows, heads, head_dim, rot_dim);
    verify_same(v, "rope_bwd", "dx", &y);
    verify_done(v);
}

void verify_light(struct verify *v)
{
    static const int shape[][2] = {{1, 1}, {3, 17}, {33, 129}, {64, 576}, {5, 2053}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        norms(v, shape[i][0], shape[i][1]);
        activations(v, shape[i][0], shape[i][1]);
        vectors(v, shape[i][0], shape[i][1]);
    }
    optimizer(v, 10007);
    positions(v, 13, 3, 64, 64);
    positions(v, 33, 2, 40, 16);
}
