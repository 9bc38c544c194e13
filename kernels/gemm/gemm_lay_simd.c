#include "kernels/gemm/gemm.h"

static inline float element(const void *w, enum dtype dtype, size_t i)
{
    switch (dtype) {
    case DT_F16: return f16_to_f32(((const uint16_t *)w)[i]);
    case DT_BF16: return bf16_to_f32(((const uint16_t *)w)[i]);
    default: return ((const float *)w)[i];
    }
}

static inline vf lanes(const void *w, enum dtype dtype, size_t i)
{
    switch (dtype) {
    case DT_F16: return vf_load_f16((const uint16_t *)w + i);
    case DT_BF16: return vf_load_bf16((const uint16_t *)w + i);
    default: return vf_load((const float *)w + i);
    }
}

/* ---- as it lies ---------------------------------------------------------------------------- */

static inline void lay(float *dst, size_t ld_dst, const void *w, const enum dtype dtype, size_t ldw,
                       int rows, int cols)
{
    for (int r = 0; r < rows; r++) {
        size_t at = (size_t)r * ldw;
        float *d = dst + (size_t)r * ld_dst;
        int c = 0;
        for (; c <= cols - VF_LANES; c += VF_LANES)
            vf_store(d + c, lanes(w, dtype, at + (size_t)c));
        for (; c < cols; c++)
            d[c] = element(w, dtype, at + (size_t)c);
    }
}

/* The dtype is a constant in each call, so no loop asks for it. */
void V(gemm_lay)(float *dst, size_t ld_dst, const void *w, enum dtype dtype, size_t ldw, int rows,
                 int cols)
{
    switch (dtype) {
    case DT_F16: lay(dst, ld_dst, w, DT_F16, ldw, rows, cols); break;
    case DT_BF16: lay(dst, ld_dst, w, DT_BF16, ldw, rows, cols); break;
    default: lay(dst, ld_dst, w, DT_F32, ldw, rows, cols);
    }
}

/* ---- transposed ---------------------------------------------------------------------------- */

/* Group g of four lanes to dst + g * stride. */
static inline void store_fours(float *dst, size_t stride, vf v)
{
#if defined(__AVX512F__)
    _mm_storeu_ps(dst, _mm512_castps512_ps128(v));
    _mm_storeu_ps(dst + stride, _mm512_extractf32x4_ps(v, 1));
    _mm_storeu_ps(dst + 2 * stride, _mm512_extractf32x4_ps(v, 2));
    _mm_storeu_ps(dst + 3 * stride, _mm512_extractf32x4_ps(v, 3));
#elif defined(__AVX2__)
    _mm_storeu_ps(dst, _mm256_castps256_ps128(v));
    _mm_storeu_ps(dst + stride, _mm256_extractf128_ps(v, 1));
#else
    (void)stride;
    vf_store(dst, v);
#endif
}

/* Four rows of w by VF_LANES columns. */
static inline void lay_t_fours(float *dst, size_t ld_dst, const void *w, const enum dtype dtype,
                               size_t at, size_t ldw)
{
    vi v[4];
    for (int i = 0; i < 4; i++)
        v[i] = vf_bits(lanes(w, dtype, at + (size_t)i * ldw));
    vi_transpose4(v);
    for (int i = 0; i < 4; i++)
        store_fours(dst + (size_t)i * ld_dst, 4 * ld_dst, vf_of_bits(v[i]));
}

static inline void lay_t(float *dst, size_t ld_dst, const void *w, const enum dtype dtype,
                         size_t ldw, int rows, int cols)
{
    const int whole_rows = rows / 4 * 4, whole_cols = cols / VF_LANES * VF_LANES;
    for (int c = 0; c < whole_cols; c += VF_LANES) {
        for (int r = 0; r < whole_rows; r += 4)
            lay_t_fours(dst + (size_t)c * ld_dst + r, ld_dst, w, dtype, (size_t)r * ldw + (size_t)c,
                        ldw);
    }
    for (int r = 0; r < rows; r++) {
        for (int c = r < whole_rows ? whole_cols : 0; c < cols; c++)
            dst[(size_t)c * ld_dst + (size_t)r] = element(w, dtype, (size_t)r * ldw + (size_t)c);
    }
}

void V(gemm_lay_t)(float *dst, size_t ld_dst, const void *w, enum dtype dtype, size_t ldw, int rows,
                   int cols)
{
    switch (dtype) {
    case DT_F16: lay_t(dst, ld_dst, w, DT_F16, ldw, rows, cols); break;
    case DT_BF16: lay_t(dst, ld_dst, w, DT_BF16, ldw, rows, cols); break;
    default: lay_t(dst, ld_dst, w, DT_F32, ldw, rows, cols);
    }
}
