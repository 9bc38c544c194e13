#include "kernels/gemm/gemm.h"

/* Vectors of one row of B that are in flight: independent sums hide what an addition takes. */
enum { STEPS = 2 };

static inline vf lanes(const void *b, const enum dtype dtype, size_t i, int left)
{
    const uint16_t *half = (const uint16_t *)b + i;
    switch (dtype) {
    case DT_F16: return left >= VF_LANES ? vf_load_f16(half) : vf_load_f16_n(half, left);
    case DT_BF16: return left >= VF_LANES ? vf_load_bf16(half) : vf_load_bf16_n(half, left);
    default: return vf_get((const float *)b + i, left);
    }
}

/* One row of B with `m` rows of A; m and dtype are constants in each call. */
static inline __attribute__((always_inline)) void dots(float *sum, const float *a, size_t lda,
                                                       const void *b, const enum dtype dtype,
                                                       size_t at, const int m, int depth)
{
    vf s[GEMM_FEW][STEPS];
    int d = 0;
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < STEPS; j++)
            s[i][j] = vf_zero();
    }
    for (; d <= depth - STEPS * VF_LANES; d += STEPS * VF_LANES) {
        for (int j = 0; j < STEPS; j++) {
            vf w = lanes(b, dtype, at + (size_t)(d + j * VF_LANES), VF_LANES);
            for (int i = 0; i < m; i++)
                s[i][j] = vf_fma(w, vf_load(a + (size_t)i * lda + d + j * VF_LANES), s[i][j]);
        }
    }
    for (; d < depth; d += VF_LANES) {
        vf w = lanes(b, dtype, at + (size_t)d, depth - d);
        for (int i = 0; i < m; i++)
            s[i][0] = vf_fma(w, vf_get(a + (size_t)i * lda + d, depth - d), s[i][0]);
    }
    for (int i = 0; i < m; i++)
        sum[i] = vf_sum(vf_add(s[i][0], s[i][1]));
}

static inline __attribute__((always_inline)) void dots_of(float *sum, const float *a, size_t lda,
                                                          const void *b, const enum dtype dtype,
                                                          size_t at, int m, int depth)
{
    switch (m) {
    case 1: dots(sum, a, lda, b, dtype, at, 1, depth); break;
    case 2: dots(sum, a, lda, b, dtype, at, 2, depth); break;
    case 3: dots(sum, a, lda, b, dtype, at, 3, depth); break;
    default: dots(sum, a, lda, b, dtype, at, GEMM_FEW, depth);
    }
}

void V(gemm_few)(float *c, size_t ldc, const float *c0, size_t ld0, const float *a, size_t lda,
                 const void *b, enum dtype dtype, size_t ldb, float scale, int m, int n, int depth)
{
    float sum[GEMM_FEW];
    for (int o = 0; o < n; o++) {
        size_t at = (size_t)o * ldb;
        switch (dtype) {
        case DT_F16: dots_of(sum, a, lda, b, DT_F16, at, m, depth); break;
        case DT_BF16: dots_of(sum, a, lda, b, DT_BF16, at, m, depth); break;
        default: dots_of(sum, a, lda, b, DT_F32, at, m, depth);
        }
        for (int i = 0; i < m; i++)
            c[(size_t)i * ldc + (size_t)o] =
                (c0 ? c0[(size_t)i * ld0 + (size_t)o] : 0.0f) + scale * sum[i];
    }
}
