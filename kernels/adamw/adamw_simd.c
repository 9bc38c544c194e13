#include "kernels/simd_rows.h"

#include <math.h>

/* ---- sumsq ------------------------------------------------------------------------------------ */

/* Partial sums of a tile are doubles of SUMSQ_RUN elements each, so that rounding does not grow with
 * n; tiles grow with n instead, so that their sums fit here and need no scratch. */
enum { SUMSQ_RUN = 1024, SUMSQ_TILES = 256 };

struct sumsq_args {
    const float *x;
    size_t n, tile;
    double part[SUMSQ_TILES];
};

static void sumsq_tile(kern *k, void *p, int tile, int worker)
{
    struct sumsq_args *a = p;
    size_t at = (size_t)tile * a->tile, end = at + a->tile < a->n ? at + a->tile : a->n;
    double sum = 0.0;
    (void)k, (void)worker;
    for (; at < end; at += SUMSQ_RUN) {
        size_t left = end - at;
        sum += (double)simd_sumsq(a->x + at, left < SUMSQ_RUN ? (int)left : SUMSQ_RUN);
    }
    a->part[tile] = sum;
}

sumsq_fn V(sumsq);
void V(sumsq)(kern *k, struct kref out, struct kref x, size_t n)
{
    if (!kern_ok(k))
        return;
    struct sumsq_args a = {.x = cpu_f32(x), .n = n, .tile = n / SUMSQ_TILES + 1};
    if (a.tile < SIMD_TILE)
        a.tile = SIMD_TILE;
    a.tile = (a.tile + SUMSQ_RUN - 1) / SUMSQ_RUN * SUMSQ_RUN;
    int tiles = (int)((n + a.tile - 1) / a.tile);
    cpu_run(k, sumsq_tile, &a, tiles);
    double sum = 0.0;
    for (int i = 0; i < tiles; i++)
        sum += a.part[i];
    *cpu_f32(out) = (float)sum;
}

/* ---- adamw ------------------------------------------------------------------------------------ */

struct adamw_args {
    float *param, *m, *v;
    const float *grad;
    size_t n;
    float coef;
    float decay;        /* lr * weight_decay */
    float rise1;        /* 1 - beta1 */
    float beta2, rise2; /* rise2 = 1 - beta2 */
    float rate;         /* lr / (1 - beta1^step) */
    float root, eps;    /* root = 1 / sqrt(1 - beta2^step) */
};

/* The decay is subtracted as one term: 1 - lr * weight_decay, rounded to a float, would err by
 * percents of what it takes away. */
static void adamw_span(const struct adamw_args *a, size_t at, int n)
{
    const vf coef = vf_set1(a->coef), decay = vf_set1(a->decay), rise1 = vf_set1(a->rise1);
    const vf beta2 = vf_set1(a->beta2), rise2 = vf_set1(a->rise2), rate = vf_set1(a->rate);
    const vf root = vf_set1(a->root), eps = vf_set1(a->eps);
    float *param = a->param + at, *mom = a->m + at, *var = a->v + at;
    const float *grad = a->grad + at;
    for (int i = 0; i < n; i += VF_LANES) {
        int left = n - i;
        vf g = vf_mul(vf_get(grad + i, left), coef), p = vf_get(param + i, left);
        vf m = vf_get(mom + i, left), v = vf_get(var + i, left);
        m = vf_fma(vf_sub(g, m), rise1, m);
        v = vf_fma(v, beta2, vf_mul(vf_mul(g, g), rise2));
        vf step = vf_div(vf_mul(rate, m), vf_fma(vf_sqrt(v), root, eps));
        vf_put(mom + i, m, left);
        vf_put(var + i, v, left);
        vf_put(param + i, vf_sub(p, vf_fma(p, decay, step)), left);
    }
}

static void adamw_tile(kern *k, void *p, int tile, int worker)
{
    const struct adamw_args *a = p;
    size_t at = (size_t)tile * SIMD_TILE, left = a->n - at;
    (void)k, (void)worker;
    adamw_span(a, at, left < SIMD_TILE ? (int)left : SIMD_TILE);
}

adamw_fn V(adamw);
void V(adamw)(kern *k, struct kref param, struct kref m, struct kref v, struct kref grad,
              struct kref coef, size_t n, const struct adamw_hyper *hyper)
{
    if (!kern_ok(k) || *cpu_f32(coef) == 0.0f)
        return;
    double lr = (double)hyper->lr, beta1 = (double)hyper->beta1, beta2 = (double)hyper->beta2;
    struct adamw_args a = {
        .param = cpu_f32(param),
        .m = cpu_f32(m),
        .v = cpu_f32(v),
        .grad = cpu_f32(grad),
        .n = n,
        .coef = *cpu_f32(coef),
        .decay = (float)(lr * (double)hyper->weight_decay),
        .rise1 = (float)(1.0 - beta1),
        .beta2 = hyper->beta2,
        .rise2 = (float)(1.0 - beta2),
        .rate = (float)(lr / (1.0 - pow(beta1, hyper->step))),
        .root = (float)(1.0 / sqrt(1.0 - pow(beta2, hyper->step))),
        .eps = hyper->eps,
    };
    cpu_run(k, adamw_tile, &a, (int)((n + SIMD_TILE - 1) / SIMD_TILE));
}
