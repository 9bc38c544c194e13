#include "kernels/simd_rows.h"

#include <math.h>

struct args {
    struct simd_grid grid;
    float *out; /* y or dx */
    float *rstd;
    const float *dy, *x, *w;
    size_t ld_out, ld_dy, ld_x;
    int groups, cols;
    float eps, w_add;
    bool add;
};

static float rstd_of(const float *x, int cols, float eps)
{
    float sum = simd_sumsq(x, cols);
    if (!isfinite(sum))
        return (float)(1.0 / sqrt(simd_sum_wide(x, cols, 0.0, 2) / cols + (double)eps));
    return 1.0f / sqrtf(sum / (float)cols + eps);
}

static void fwd_group(const struct args *a, float *y, const float *x, float rstd)
{
    vf r = vf_set1(rstd), one = vf_set1(a->w_add);
    for (int c = 0; c < a->cols; c += VF_LANES) {
        int left = a->cols - c;
        vf w = vf_add(vf_get(a->w + c, left), one);
        vf_put(y + c, vf_mul(vf_mul(vf_get(x + c, left), r), w), left);
    }
}

static void fwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++) {
        for (int g = 0; g < a->groups; g++) {
            const float *x = a->x + simd_at(r, a->ld_x, g * a->cols);
            float rstd = rstd_of(x, a->cols, a->eps);
            fwd_group(a, a->out + simd_at(r, a->ld_out, g * a->cols), x, rstd);
            if (a->rstd)
                a->rstd[simd_at(r, (size_t)a->groups, g)] = rstd;
        }
    }
}

rmsnorm_fwd_fn V(rmsnorm_fwd);
void V(rmsnorm_fwd)(kern *k, struct kref y, struct kref rstd, struct kref x, struct kref w,
                    int rows, int groups, int cols, float eps, float w_add)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid_rows(rows, groups * cols),
        .out = cpu_f32(y),
        .rstd = rstd.buf ? cpu_f32(rstd) : NULL,
        .x = cpu_f32(x),
        .w = cpu_f32(w),
        .ld_out = (size_t)y.ld,
        .ld_x = (size_t)x.ld,
        .groups = groups,
        .cols = cols,
        .eps = eps,
        .w_add = w_add,
    };
    cpu_run(k, fwd_tile, &a, a.grid.tiles);
}

/* sum_c h * n */
static float bwd_dot(const struct args *a, const float *dy, const float *x, vf rstd)
{
    vf one = vf_set1(a->w_add), even = vf_zero(), odd = vf_zero();
    int c = 0;
    for (; c <= a->cols - 2 * VF_LANES; c += 2 * VF_LANES) {
        const int d = c + VF_LANES;
        vf h = vf_mul(vf_load(dy + c), vf_add(vf_load(a->w + c), one));
        even = vf_fma(h, vf_mul(vf_load(x + c), rstd), even);
        h = vf_mul(vf_load(dy + d), vf_add(vf_load(a->w + d), one));
        odd = vf_fma(h, vf_mul(vf_load(x + d), rstd), odd);
    }
    for (; c < a->cols; c += VF_LANES) {
        int left = a->cols - c;
        vf h = vf_mul(vf_get(dy + c, left), vf_add(vf_get(a->w + c, left), one));
        even = vf_fma(h, vf_mul(vf_get(x + c, left), rstd), even);
    }
    return vf_sum(vf_add(even, odd));
}

static void bwd_group(const struct args *a, float *dx, const float *dy, const float *x, float rstd)
{
    vf r = vf_set1(rstd), one = vf_set1(a->w_add);
    vf mean = vf_set1(bwd_dot(a, dy, x, r) / (float)a->cols);
    for (int c = 0; c < a->cols; c += VF_LANES) {
        int left = a->cols - c;
        vf h = vf_mul(vf_get(dy + c, left), vf_add(vf_get(a->w + c, left), one));
        vf d = vf_mul(vf_fnma(vf_mul(vf_get(x + c, left), r), mean, h), r);
        if (a->add)
            d = vf_add(d, vf_get(dx + c, left));
        vf_put(dx + c, d, left);
    }
}

static void bwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++) {
        for (int g = 0; g < a->groups; g++) {
            int at = g * a->cols;
            bwd_group(a, a->out + simd_at(r, a->ld_out, at), a->dy + simd_at(r, a->ld_dy, at),
                      a->x + simd_at(r, a->ld_x, at), a->rstd[simd_at(r, (size_t)a->groups, g)]);
        }
    }
}

rmsnorm_bwd_fn V(rmsnorm_bwd);
void V(rmsnorm_bwd)(kern *k, struct kref dx, struct kref dy, struct kref x, struct kref rstd,
                    struct kref w, int rows, int groups, int cols, float w_add, enum kwrite mode)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid_rows(rows, groups * cols),
        .out = cpu_f32(dx),
        .rstd = cpu_f32(rstd),
        .dy = cpu_f32(dy),
        .x = cpu_f32(x),
        .w = cpu_f32(w),
        .ld_out = (size_t)dx.ld,
        .ld_dy = (size_t)dy.ld,
        .ld_x = (size_t)x.ld,
        .groups = groups,
        .cols = cols,
        .w_add = w_add,
        .add = mode == K_ADD,
    };
    cpu_run(k, bwd_tile, &a, a.grid.tiles);
}
