#include "kernels/simd_rows.h"

#include <math.h>

struct args {
    struct simd_grid grid;
    float *out; /* y or dx */
    float *mean, *rstd;
    const float *dy, *x, *w, *b;
    size_t ld_out, ld_dy, ld_x;
    float eps;
    bool add;
};

struct stat {
    float mean, rstd;
};

/* In double: for the rare row whose float sums are not finite. */
static struct stat stat_wide(const float *x, int cols, float eps)
{
    double mean = simd_sum_wide(x, cols, 0.0, 1) / cols;
    double var = simd_sum_wide(x, cols, mean, 2) / cols;
    return (struct stat){(float)mean, (float)(1.0 / sqrt(var + (double)eps))};
}

/* The second pass also adds up what rounding left in the first pass's mean: with |mean| much larger
 * than the deviations that is most of the error. */
static struct stat stat_of(const float *x, int cols, float eps)
{
    float first = simd_sum(x, cols) / (float)cols;
    vf m = vf_set1(first), sum[2] = {vf_zero(), vf_zero()}, square[2] = {vf_zero(), vf_zero()};
    int c = 0;
    for (; c <= cols - 2 * VF_LANES; c += 2 * VF_LANES) {
        for (int j = 0; j < 2; j++) {
            vf d = vf_sub(vf_load(x + c + j * VF_LANES), m);
            sum[j] = vf_add(sum[j], d);
            square[j] = vf_fma(d, d, square[j]);
        }
    }
    for (; c < cols; c += VF_LANES) {
        vf d = vf_head(vf_sub(vf_get(x + c, cols - c), m), vf_zero(), cols - c);
        sum[0] = vf_add(sum[0], d);
        square[0] = vf_fma(d, d, square[0]);
    }
    float delta = vf_sum(vf_add(sum[0], sum[1])) / (float)cols;
    float var = vf_sum(vf_add(square[0], square[1])) / (float)cols - delta * delta;
    if (!isfinite(var))
        return stat_wide(x, cols, eps);
    return (struct stat){first + delta, 1.0f / sqrtf(var + eps)};
}

static void fwd_row(const struct args *a, float *y, const float *x, struct stat s)
{
    vf m = vf_set1(s.mean), r = vf_set1(s.rstd);
    for (int c = 0; c < a->grid.cols; c += VF_LANES) {
        int left = a->grid.cols - c;
        vf n = vf_mul(vf_sub(vf_get(x + c, left), m), r);
        vf_put(y + c, vf_fma(n, vf_get(a->w + c, left), vf_get(a->b + c, left)), left);
    }
}

static void fwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span span = simd_span(&a->grid, tile);
    (void)k, (void)worker;
    for (int r = span.row; r < span.row_end; r++) {
        const float *x = a->x + simd_at(r, a->ld_x, 0);
        struct stat s = stat_of(x, a->grid.cols, a->eps);
        fwd_row(a, a->out + simd_at(r, a->ld_out, 0), x, s);
        if (a->mean) {
            a->mean[r] = s.mean;
            a->rstd[r] = s.rstd;
        }
    }
}

layernorm_fwd_fn V(layernorm_fwd);
void V(layernorm_fwd)(kern *k, struct kref y, struct kref mean, struct kref rstd, struct kref x,
                      struct kref w, struct kref b, int rows, int cols, float eps)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid_rows(rows, cols),
        .out = cpu_f32(y),
        .mean = mean.buf ? cpu_f32(mean) : NULL,
        .rstd = mean.buf ? cpu_f32(rstd) : NULL,
        .x = cpu_f32(x),
        .w = cpu_f32(w),
        .b = cpu_f32(b),
        .ld_out = (size_t)y.ld,
        .ld_x = (size_t)x.ld,
        .eps = eps,
    };
    cpu_run(k, fwd_tile, &a, a.grid.tiles);
}

static void bwd_row(const struct args *a, float *dx, const float *dy, const float *x, struct stat s)
{
    vf m = vf_set1(s.mean), r = vf_set1(s.rstd), sum = vf_zero(), dot = vf_zero();
    int cols = a->grid.cols;
    for (int c = 0; c < cols; c += VF_LANES) {
        int left = cols - c;
        vf h = vf_mul(vf_get(dy + c, left), vf_get(a->w + c, left));
        vf n = vf_mul(vf_sub(vf_get(x + c, left), m), r);
        sum = vf_add(sum, h);
        dot = vf_fma(h, vf_head(n, vf_zero(), left), dot);
    }
    vf mean_h = vf_set1(vf_sum(sum) / (float)cols), mean_hn = vf_set1(vf_sum(dot) / (float)cols);
    for (int c = 0; c < cols; c += VF_LANES) {
        int left = cols - c;
        vf h = vf_mul(vf_get(dy + c, left), vf_get(a->w + c, left));
        vf n = vf_mul(vf_sub(vf_get(x + c, left), m), r);
        vf d = vf_mul(vf_fnma(n, mean_hn, vf_sub(h, mean_h)), r);
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
    for (int r = s.row; r < s.row_end; r++)
        bwd_row(a, a->out + simd_at(r, a->ld_out, 0), a->dy + simd_at(r, a->ld_dy, 0),
                a->x + simd_at(r, a->ld_x, 0), (struct stat){a->mean[r], a->rstd[r]});
}

layernorm_bwd_fn V(layernorm_bwd);
void V(layernorm_bwd)(kern *k, struct kref dx, struct kref dy, struct kref x, struct kref mean,
                      struct kref rstd, struct kref w, int rows, int cols, enum kwrite mode)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid_rows(rows, cols),
        .out = cpu_f32(dx),
        .mean = cpu_f32(mean),
        .rstd = cpu_f32(rstd),
        .dy = cpu_f32(dy),
        .x = cpu_f32(x),
        .w = cpu_f32(w),
        .ld_out = (size_t)dx.ld,
        .ld_dy = (size_t)dy.ld,
        .ld_x = (size_t)x.ld,
        .add = mode == K_ADD,
    };
    cpu_run(k, bwd_tile, &a, a.grid.tiles);
}
