#include "kernels/simd_rows.h"

#include <string.h>

struct args {
    struct simd_grid grid;
    float *y;
    const float *x, *cos, *sin;
    const int32_t *pos;
    size_t ld_y, ld_x;
    int heads, head_dim, half;
    float turn; /* 1 forward, -1 backward */
};

static void turn_head(const struct args *a, float *y, const float *x, const float *cos,
                      const float *sin)
{
    vf turn = vf_set1(a->turn);
    int m = a->half;
    for (int c = 0; c < m; c += VF_LANES) {
        int left = m - c;
        vf co = vf_get(cos + c, left), si = vf_mul(vf_get(sin + c, left), turn);
        vf lo = vf_get(x + c, left), hi = vf_get(x + m + c, left);
        vf_put(y + c, vf_fnma(hi, si, vf_mul(lo, co)), left);
        vf_put(y + m + c, vf_fma(lo, si, vf_mul(hi, co)), left);
    }
}

static void tile_rows(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    size_t rest = (size_t)(a->head_dim - 2 * a->half) * sizeof(float);
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++) {
        const float *cos = a->cos + (size_t)a->pos[r] * (size_t)a->half;
        const float *sin = a->sin + (size_t)a->pos[r] * (size_t)a->half;
        for (int h = 0; h < a->heads; h++) {
            float *y = a->y + simd_at(r, a->ld_y, h * a->head_dim);
            const float *x = a->x + simd_at(r, a->ld_x, h * a->head_dim);
            turn_head(a, y, x, cos, sin);
            if (rest > 0 && y != x)
                memcpy(y + 2 * a->half, x + 2 * a->half, rest);
        }
    }
}

static void run(kern *k, const struct kref ref[5], int rows, int heads, int head_dim, int rot_dim,
                float turn)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid_rows(rows, heads * head_dim),
        .y = cpu_f32(ref[0]),
        .x = cpu_f32(ref[1]),
        .pos = cpu_i32(ref[2]),
        .cos = cpu_f32(ref[3]),
        .sin = cpu_f32(ref[4]),
        .ld_y = (size_t)ref[0].ld,
        .ld_x = (size_t)ref[1].ld,
        .heads = heads,
        .head_dim = head_dim,
        .half = rot_dim / 2,
        .turn = turn,
    };
    cpu_run(k, tile_rows, &a, a.grid.tiles);
}

rope_fwd_fn V(rope_fwd);
void V(rope_fwd)(kern *k, struct kref y, struct kref x, struct kref pos, struct kref cos,
                 struct kref sin, int rows, int heads, int head_dim, int rot_dim)
{
    const struct kref ref[5] = {y, x, pos, cos, sin};
    run(k, ref, rows, heads, head_dim, rot_dim, 1.0f);
}

rope_bwd_fn V(rope_bwd);
void V(rope_bwd)(kern *k, struct kref dx, struct kref dy, struct kref pos, struct kref cos,
                 struct kref sin, int rows, int heads, int head_dim, int rot_dim)
{
    const struct kref ref[5] = {dx, dy, pos, cos, sin};
    run(k, ref, rows, heads, head_dim, rot_dim, -1.0f);
}
