#include "kernels/simd_rows.h"

#include <math.h>

struct args {
    struct simd_grid grid;
    float *out; /* y or dx */
    const float *dy, *in;
    size_t ld_out, ld_dy, ld_in;
};

/* NaN is passed over here: the sum of exponentials brings it back. */
static float row_max(const float *x, int cols)
{
    const vf low = vf_set1(-INFINITY);
    vf even = low, odd = low;
    int c = 0;
    for (; c <= cols - 2 * VF_LANES; c += 2 * VF_LANES) {
        even = vf_max(vf_load(x + c), even);
        odd = vf_max(vf_load(x + c + VF_LANES), odd);
    }
    for (; c < cols; c += VF_LANES)
        even = vf_max(vf_head(vf_get(x + c, cols - c), low, cols - c), even);
    return vf_top(vf_max(even, odd));
}

static void fwd_row(float *y, const float *x, int cols)
{
    vf top = vf_set1(row_max(x, cols)), even = vf_zero(), odd = vf_zero();
    int c = 0;
    for (; c <= cols - 2 * VF_LANES; c += 2 * VF_LANES) {
        vf e = vf_exp(vf_sub(vf_load(x + c), top));
        vf f = vf_exp(vf_sub(vf_load(x + c + VF_LANES), top));
        vf_store(y + c, e);
        vf_store(y + c + VF_LANES, f);
        even = vf_add(even, e);
        odd = vf_add(odd, f);
    }
    for (; c < cols; c += VF_LANES) {
        int left = cols - c;
        vf e = vf_head(vf_exp(vf_sub(vf_get(x + c, left), top)), vf_zero(), left);
        vf_put(y + c, e, left);
        even = vf_add(even, e);
    }
    vf scale = vf_set1(1.0f / vf_sum(vf_add(even, odd)));
    for (c = 0; c < cols; c += VF_LANES)
        vf_put(y + c, vf_mul(vf_get(y + c, cols - c), scale), cols - c);
}

static void fwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++)
        fwd_row(a->out + simd_at(r, a->ld_out, 0), a->in + simd_at(r, a->ld_in, 0), a->grid.cols);
}

softmax_fwd_fn V(softmax_fwd);
void V(softmax_fwd)(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid_rows(rows, cols),
        .out = cpu_f32(y),
        .in = cpu_f32(x),
        .ld_out = (size_t)y.ld,
        .ld_in = (size_t)x.ld,
    };
    cpu_run(k, fwd_tile, &a, a.grid.tiles);
}

static void bwd_row(float *dx, const float *dy, const float *y, int cols)
{
    vf even = vf_zero(), odd = vf_zero();
    int c = 0;
    for (; c <= cols - 2 * VF_LANES; c += 2 * VF_LANES) {
        even = vf_fma(vf_load(dy + c), vf_load(y + c), even);
        odd = vf_fma(vf_load(dy + c + VF_LANES), vf_load(y + c + VF_LANES), odd);
    }
    for (; c < cols; c += VF_LANES)
        even = vf_fma(vf_get(dy + c, cols - c), vf_get(y + c, cols - c), even);
    vf dot = vf_set1(vf_sum(vf_add(even, odd)));
    for (c = 0; c < cols; c += VF_LANES) {
        int left = cols - c;
        vf d = vf_mul(vf_get(y + c, left), vf_sub(vf_get(dy + c, left), dot));
        vf_put(dx + c, d, left);
    }
}

static void bwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++)
        bwd_row(a->out + simd_at(r, a->ld_out, 0), a->dy + simd_at(r, a->ld_dy, 0),
                a->in + simd_at(r, a->ld_in, 0), a->grid.cols);
}

softmax_bwd_fn V(softmax_bwd);
void V(softmax_bwd)(kern *k, struct kref dx, struct kref dy, struct kref y, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid_rows(rows, cols),
        .out = cpu_f32(dx),
        .dy = cpu_f32(dy),
        .in = cpu_f32(y),
        .ld_out = (size_t)dx.ld,
        .ld_dy = (size_t)dy.ld,
        .ld_in = (size_t)y.ld,
    };
    cpu_run(k, bwd_tile, &a, a.grid.tiles);
}
