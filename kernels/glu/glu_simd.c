#include "kernels/simd_act.h"
#include "kernels/simd_rows.h"

typedef vf act_fn(vf g, vf *slope);

struct args {
    struct simd_grid grid;
    float *out; /* h or dgu */
    const float *dh, *gu;
    size_t ld_out, ld_dh, ld_gu;
};

/* The activation is a constant where these are called: each caller gets a loop without calls. */
static inline void fwd_span(const struct args *a, struct simd_span s, act_fn *act)
{
    for (int r = s.row; r < s.row_end; r++) {
        float *h = a->out + simd_at(r, a->ld_out, 0);
        const float *g = a->gu + simd_at(r, a->ld_gu, 0), *u = g + a->grid.cols;
        for (int c = s.col; c < s.col_end; c += VF_LANES) {
            int left = s.col_end - c;
            vf slope;
            vf_put(h + c, vf_mul(act(vf_get(g + c, left), &slope), vf_get(u + c, left)), left);
        }
    }
}

static inline void bwd_span(const struct args *a, struct simd_span s, act_fn *act)
{
    for (int r = s.row; r < s.row_end; r++) {
        float *dg = a->out + simd_at(r, a->ld_out, 0), *du = dg + a->grid.cols;
        const float *g = a->gu + simd_at(r, a->ld_gu, 0), *u = g + a->grid.cols;
        const float *dh = a->dh + simd_at(r, a->ld_dh, 0);
        for (int c = s.col; c < s.col_end; c += VF_LANES) {
            int left = s.col_end - c;
            vf slope, d = vf_get(dh + c, left), gate = vf_mul(d, vf_get(u + c, left));
            vf up = vf_mul(d, act(vf_get(g + c, left), &slope));
            vf_put(dg + c, vf_mul(gate, slope), left);
            vf_put(du + c, up, left);
        }
    }
}

static void swiglu_fwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    (void)k, (void)worker;
    fwd_span(a, simd_span(&a->grid, tile), vf_silu);
}

static void swiglu_bwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    (void)k, (void)worker;
    bwd_span(a, simd_span(&a->grid, tile), vf_silu);
}

static void geglu_fwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    (void)k, (void)worker;
    fwd_span(a, simd_span(&a->grid, tile), vf_gelu);
}

static void geglu_bwd_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    (void)k, (void)worker;
    bwd_span(a, simd_span(&a->grid, tile), vf_gelu);
}

static void run_fwd(kern *k, cpu_tile_fn *tile, struct kref h, struct kref gu, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid(rows, cols),
        .out = cpu_f32(h),
        .gu = cpu_f32(gu),
        .ld_out = (size_t)h.ld,
        .ld_gu = (size_t)gu.ld,
    };
    cpu_run(k, tile, &a, a.grid.tiles);
}

static void run_bwd(kern *k, cpu_tile_fn *tile, struct kref dgu, struct kref dh, struct kref gu,
                    int rows, int cols)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid(rows, cols),
        .out = cpu_f32(dgu),
        .dh = cpu_f32(dh),
        .gu = cpu_f32(gu),
        .ld_out = (size_t)dgu.ld,
        .ld_dh = (size_t)dh.ld,
        .ld_gu = (size_t)gu.ld,
    };
    cpu_run(k, tile, &a, a.grid.tiles);
}

swiglu_fwd_fn V(swiglu_fwd);
void V(swiglu_fwd)(kern *k, struct kref h, struct kref gu, int rows, int cols)
{
    run_fwd(k, swiglu_fwd_tile, h, gu, rows, cols);
}

swiglu_bwd_fn V(swiglu_bwd);
void V(swiglu_bwd)(kern *k, struct kref dgu, struct kref dh, struct kref gu, int rows, int cols)
{
    run_bwd(k, swiglu_bwd_tile, dgu, dh, gu, rows, cols);
}

geglu_fwd_fn V(geglu_fwd);
void V(geglu_fwd)(kern *k, struct kref h, struct kref gu, int rows, int cols)
{
    run_fwd(k, geglu_fwd_tile, h, gu, rows, cols);
}

geglu_bwd_fn V(geglu_bwd);
void V(geglu_bwd)(kern *k, struct kref dgu, struct kref dh, struct kref gu, int rows, int cols)
{
    run_bwd(k, geglu_bwd_tile, dgu, dh, gu, rows, cols);
}
