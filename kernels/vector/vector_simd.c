#include "kernels/simd_rng.h"
#include "kernels/simd_rows.h"

/* Elements that are decoded to float, computed with, and encoded again at a time. */
enum { CHUNK = 1024 };

struct args {
    struct simd_grid grid;
    struct kref y, x, b;
    float a;
    const struct kdropout *drop;
    uint32_t id;
};

static void *place(struct kref m, int row, int col)
{
    size_t at = m.at + simd_at(row, (size_t)m.ld, col);
    return (unsigned char *)m.buf->p + at * dtype_size(m.buf->dtype);
}

/* ---- 16-bit elements ------------------------------------------------------------------------- */

static void decode(float *dst, const uint16_t *src, int n, bool bf16)
{
    int i = 0;
    for (; i <= n - VF_LANES; i += VF_LANES)
        vf_store(dst + i, bf16 ? vf_load_bf16(src + i) : vf_load_f16(src + i));
    if (i < n)
        vf_store_n(dst + i, bf16 ? vf_load_bf16_n(src + i, n - i) : vf_load_f16_n(src + i, n - i),
                   n - i);
}

static void encode(uint16_t *dst, const float *src, int n, bool bf16)
{
    for (int i = 0; i < n; i += VF_LANES) {
        int left = n - i;
        vf v = vf_get(src + i, left);
        if (left >= VF_LANES && bf16)
            vf_store_bf16(dst + i, v);
        else if (left >= VF_LANES)
            vf_store_f16(dst + i, v);
        else if (bf16)
            vf_store_bf16_n(dst + i, v, left);
        else
            vf_store_f16_n(dst + i, v, left);
    }
}

/* Where to read n elements as floats: in place, or decoded into buf. */
static const float *source(float *buf, struct kref m, int row, int col, int n)
{
    if (m.buf->dtype == DT_F32)
        return place(m, row, col);
    decode(buf, place(m, row, col), n, m.buf->dtype == DT_BF16);
    return buf;
}

/* Where to write floats: in place, or in buf, which target_done() then encodes. */
static float *target(float *buf, struct kref m, int row, int col)
{
    return m.buf->dtype == DT_F32 ? place(m, row, col) : buf;
}

static void target_done(const float *buf, struct kref m, int row, int col, int n)
{
    if (m.buf->dtype != DT_F32)
        encode(place(m, row, col), buf, n, m.buf->dtype == DT_BF16);
}

/* ---- rows over any floating type ------------------------------------------------------------- */

static inline int chunk_of(struct simd_span s, int col)
{
    return s.col_end - col < CHUNK ? s.col_end - col : CHUNK;
}

static void scale_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    vf factor = vf_set1(a->a);
    float bx[CHUNK], by[CHUNK];
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++) {
        for (int c = s.col, n; c < s.col_end; c += n) {
            n = chunk_of(s, c);
            const float *x = source(bx, a->x, r, c, n);
            float *y = target(by, a->y, r, c);
            for (int i = 0; i < n; i += VF_LANES)
                vf_put(y + i, vf_mul(vf_get(x + i, n - i), factor), n - i);
            target_done(by, a->y, r, c, n);
        }
    }
}

static void add_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    float bx[CHUNK], bb[CHUNK], by[CHUNK];
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++) {
        for (int c = s.col, n; c < s.col_end; c += n) {
            n = chunk_of(s, c);
            const float *x = source(bx, a->x, r, c, n), *b = source(bb, a->b, r, c, n);
            float *y = target(by, a->y, r, c);
            for (int i = 0; i < n; i += VF_LANES)
                vf_put(y + i, vf_add(vf_get(x + i, n - i), vf_get(b + i, n - i)), n - i);
            target_done(by, a->y, r, c, n);
        }
    }
}

static void cast_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    float buf[CHUNK];
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++) {
        for (int c = s.col, n; c < s.col_end; c += n) {
            n = chunk_of(s, c);
            if (a->y.buf->dtype == DT_F32 && a->x.buf->dtype != DT_F32)
                source(place(a->y, r, c), a->x, r, c, n);
            else if (a->y.buf->dtype != DT_F32)
                target_done(source(buf, a->x, r, c, n), a->y, r, c, n);
            else
                memmove(place(a->y, r, c), place(a->x, r, c), (size_t)n * sizeof(float));
        }
    }
}

static void copy_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    size_t bytes = (size_t)(s.col_end - s.col) * dtype_size(a->x.buf->dtype);
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++)
        memcpy(place(a->y, r, s.col), place(a->x, r, s.col), bytes);
}

/* The words of the elements from `first` on; the first one stands at the returned pointer. */
static const uint32_t *mask_words(uint32_t *word, const struct args *a, size_t first, int n)
{
    const struct kdropout *d = a->drop;
    uint64_t stream = (uint64_t)d->step << 32 | (uint64_t)d->micro << 16 | a->id;
    uint64_t block = first / 4;
    int skip = (int)(first % 4);
    for (int i = 0; i < n + skip; i += SIMD_PHILOX)
        simd_philox(word + i, d->seed, stream, block + (uint64_t)i / 4);
    return word + skip;
}

static void dropout_tile(kern *k, void *p, int tile, int worker)
{
    const struct args *a = p;
    struct simd_span s = simd_span(&a->grid, tile);
    vf rate = vf_set1(a->drop->p), scale = vf_set1(a->a);
    float bx[CHUNK], by[CHUNK];
    uint32_t word[CHUNK + 2 * SIMD_PHILOX];
    (void)k, (void)worker;
    for (int r = s.row; r < s.row_end; r++) {
        for (int c = s.col, n; c < s.col_end; c += n) {
            n = chunk_of(s, c);
            const uint32_t *w = mask_words(word, a, simd_at(r, (size_t)a->grid.cols, c), n);
            const float *x = source(bx, a->x, r, c, n);
            float *y = target(by, a->y, r, c);
            for (int i = 0; i < n; i += VF_LANES)
                vf_put(y + i, vf_dropout(vf_get(x + i, n - i), vi_load(w + i), rate, scale), n - i);
            target_done(by, a->y, r, c, n);
        }
    }
}

copy_fn V(copy);
void V(copy)(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    struct args a = {.grid = simd_grid(rows, cols), .y = y, .x = x};
    if (kern_ok(k))
        cpu_run(k, copy_tile, &a, a.grid.tiles);
}

cast_fn V(cast);
void V(cast)(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    struct args a = {.grid = simd_grid(rows, cols), .y = y, .x = x};
    if (kern_ok(k))
        cpu_run(k, cast_tile, &a, a.grid.tiles);
}

scale_fn V(scale);
void V(scale)(kern *k, struct kref y, struct kref x, int rows, int cols, float a)
{
    struct args args = {.grid = simd_grid(rows, cols), .y = y, .x = x, .a = a};
    if (kern_ok(k))
        cpu_run(k, scale_tile, &args, args.grid.tiles);
}

add_fn V(add);
void V(add)(kern *k, struct kref y, struct kref a, struct kref b, int rows, int cols)
{
    struct args args = {.grid = simd_grid(rows, cols), .y = y, .x = a, .b = b};
    if (kern_ok(k))
        cpu_run(k, add_tile, &args, args.grid.tiles);
}

dropout_fn V(dropout);
void V(dropout)(kern *k, struct kref y, struct kref x, int rows, int cols,
                const struct kdropout *drop, uint32_t id)
{
    if (!kern_ok(k))
        return;
    struct args a = {.grid = simd_grid(rows, cols), .y = y, .x = x, .a = 1.0f};
    if (!kdropout_on(drop)) {
        cpu_run(k, scale_tile, &a, a.grid.tiles);
        return;
    }
    a.a = (float)(1.0 / (1.0 - (double)drop->p));
    a.drop = drop;
    a.id = id;
    cpu_run(k, dropout_tile, &a, a.grid.tiles);
}

/* ---- fill ------------------------------------------------------------------------------------ */

struct fill_args {
    struct kref x;
    size_t n;
    uint32_t bits;
};

static void fill_tile(kern *k, void *p, int tile, int worker)
{
    const struct fill_args *a = p;
    size_t at = (size_t)tile * SIMD_TILE, left = a->n - at, size = dtype_size(a->x.buf->dtype);
    int n = left < SIMD_TILE ? (int)left : SIMD_TILE;
    unsigned char *dst = (unsigned char *)a->x.buf->p + (a->x.at + at) * size;
    (void)k, (void)worker;
    if (size == sizeof(uint32_t)) {
        vf v = vf_of_bits(vi_set1((int32_t)a->bits));
        for (int i = 0; i < n; i += VF_LANES)
            vf_put((float *)(void *)dst + i, v, n - i);
        return;
    }
    for (int i = 0; i < n; i++)
        ((uint16_t *)(void *)dst)[i] = (uint16_t)a->bits;
}

fill_fn V(fill);
void V(fill)(kern *k, struct kref x, size_t n, float value)
{
    if (!kern_ok(k))
        return;
    struct fill_args a = {.x = x, .n = n};
    switch (x.buf->dtype) {
    case DT_I32: a.bits = (uint32_t)(int32_t)value; break;
    case DT_F16: a.bits = f32_to_f16(value); break;
    case DT_BF16: a.bits = f32_to_bf16(value); break;
    default: memcpy(&a.bits, &value, sizeof a.bits); break;
    }
    cpu_run(k, fill_tile, &a, (int)((n + SIMD_TILE - 1) / SIMD_TILE));
}
