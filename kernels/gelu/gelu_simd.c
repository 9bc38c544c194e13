#include "kernels/simd_act.h"
#include "kernels/simd_rows.h"

struct args {
    struct simd_grid grid;
    float *out; /* h or dx */
    const float *dh, *x;
    size_t ld_out, ld_dh, ld_x;
};

static void fwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++) {
        float *h = a->out + simd_at(r, a->ld_out, 0);
        const float *x = a->x + simd_at(r, a->ld_x, 0);
        for (int c = s.col; c < s.col_end; c += VF_LANES) {
            int left = s.col_end - c;
            vf slope;
            vf_put(h + c, vf_gelu(vf_get(x + c, left), &slope), left);
        }
    }
}

gelu_fwd_fn V(gelu_fwd);
void V(gelu_fwd)(kern *k, struct kref h, struct kref x, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid(rows, cols),
        .out = cpu_f32(h),
        .x = cpu_f32(x),
        .ld_out = (size_t)h.ld,
        .ld_x = (size_t)x.ld,
    };
    cpu_run(k, fwd_tile, &a, a.grid.tiles);
}

static void bwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++) {
        float *dx = a->out + simd_at(r, a->ld_out, 0);
        const float *dh = a->dh + simd_at(r, a->ld_dh, 0), *x = a->x + simd_at(r, a->ld_x, 0);
        for (int c = s.col; c < s.col_end; c += VF_LANES) {
            int left = s.col_end - c;
            vf slope;
            vf_gelu(vf_get(x + c, left), &slope);
            vf_put(dx + c, vf_mul(vf_get(dh + c, left), slope), left);
        }
    }
}

gelu_bwd_fn V(gelu_bwd);
void V(gelu_bwd)(kern *k, struct kref dx, struct kref dh, struct kref x, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid(rows, cols),
        .out = cpu_f32(dx),
        .dh = cpu_f32(dh),
        .x = cpu_f32(x),
        .ld_out = (size_t)dx.ld,
        .ld_dh = (size_t)dh.ld,
        .ld_x = (size_t)x.ld,
    };
    cpu_run(k, bwd_tile, &a, a.grid.tiles);
}
