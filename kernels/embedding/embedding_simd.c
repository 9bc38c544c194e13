#include "kernels/simd_rows.h"

struct args {
    struct simd_grid grid;
    float *y;
    const int32_t *ids;
    const struct kweight *w;
    size_t ld_y;
    float scale;
};

static void scale_row(float *y, int cols, vf a)
{
    for (int c = 0; c < cols; c += VF_LANES)
        vf_put(y + c, vf_mul(vf_get(y + c, cols - c), a), cols - c);
}

static void half_row(float *y, const uint16_t *w, int cols, vf a, bool bf16)
{
    int c = 0;
    for (; c <= cols - VF_LANES; c += VF_LANES)
        vf_store(y + c, vf_mul(bf16 ? vf_load_bf16(w + c) : vf_load_f16(w + c), a));
    if (c < cols) {
        int left = cols - c;
        vf v = bf16 ? vf_load_bf16_n(w + c, left) : vf_load_f16_n(w + c, left);
        vf_store_n(y + c, vf_mul(v, a), left);
    }
}

static void row_of(const struct args *a, float *y, int id)
{
    const struct kweight *w = a->w;
    vf scale = vf_set1(a->scale);
    if (w->dtype != DT_F32) {
        const uint16_t *half = (const uint16_t *)w->p + (size_t)id * (size_t)w->cols;
        half_row(y, half, w->cols, scale, w->dtype == DT_BF16);
        return;
    }
    cpu_weight_row(w, id, y);
    if (a->scale != 1.0f)
        scale_row(y, w->cols, scale);
}

static void tile_rows(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++)
        row_of(a, a->y + simd_at(r, a->ld_y, 0), a->ids[r]);
}

embedding_fwd_fn V(embedding_fwd);
void V(embedding_fwd)(kern *k, struct kref y, struct kref ids, const struct kweight *w, int rows,
                      float scale)
{
    if (!kern_ok(k))
        return;
    struct args a = {
        .grid = simd_grid_rows(rows, w->cols),
        .y = cpu_f32(y),
        .ids = cpu_i32(ids),
        .w = w,
        .ld_y = (size_t)y.ld,
        .scale = scale,
    };
    cpu_run(k, tile_rows, &a, a.grid.tiles);
}
