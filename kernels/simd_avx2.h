/* kernels/simd.h for AVX2 with FMA and F16C: eight lanes, masks as lanes of ones. */
#ifndef KERNELS_SIMD_AVX2_H
#define KERNELS_SIMD_AVX2_H

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

enum { VF_LANES = 8 };
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

static inline __m256i vm_first(int n)
{
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const void *)(ones + 8 - n));
}

static inline vf vf_zero(void)
{
    return _mm256_setzero_ps();
}
static inline vf vf_set1(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a);
}
static inline vf vf_load_n(const float *p, int n)
{
    return _mm256_maskload_ps(p, vm_first(n));
}
static inline void vf_store_n(float *p, vf a, int n)
{
    _mm256_maskstore_ps(p, vm_first(n), a);
}
static inline vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vf vf_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
static inline vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
static inline vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vm vf_lt(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
static inline vm vf_eq(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
static inline vf vf_sel(vm m, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, m);
}
static inline vi vf_bits(vf a)
{
    return _mm256_castps_si256(a);
}
static inline vf vf_of_bits(vi a)
{
    return _mm256_castsi256_ps(a);
}
static inline vf vf_of_vi(vi a)
{
    return _mm256_cvtepi32_ps(a);
}
/* In two steps: 2^t itself may be no normal number. The first product is exact. */
static inline vf vf_scale2(vf a, vf t)
{
    vi n = _mm256_cvtps_epi32(t), half = _mm256_srai_epi32(n, 1), bias = _mm256_set1_epi32(127);
    vi rest = _mm256_sub_epi32(n, half);
    a = _mm256_mul_ps(a, vf_of_bits(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
    return _mm256_mul_ps(a, vf_of_bits(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23)));
}
static inline float vf_sum(vf a)
{
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
static inline float vf_top(vf a)
{
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

static inline vi vi_set1(int32_t x)
{
    return _mm256_set1_epi32(x);
}
static inline vi vi_load(const void *p)
{
    return _mm256_loadu_si256(p);
}
static inline void vi_store(void *p, vi a)
{
    _mm256_storeu_si256(p, a);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}
static inline vi vi_and(vi a, vi b)
{
    return _mm256_and_si256(a, b);
}
static inline vi vi_or(vi a, vi b)
{
    return _mm256_or_si256(a, b);
}
static inline vi vi_xor(vi a, vi b)
{
    return _mm256_xor_si256(a, b);
}
static inline vi vi_shl(vi a, int n)
{
    return _mm256_slli_epi32(a, n);
}
static inline vi vi_shr(vi a, int n)
{
    return _mm256_srli_epi32(a, n);
}
static inline vm vi_eq(vi a, vi b)
{
    return vf_of_bits(_mm256_cmpeq_epi32(a, b));
}
static inline vm vi_gt(vi a, vi b)
{
    return vf_of_bits(_mm256_cmpgt_epi32(a, b));
}
static inline vi vi_sel(vm m, vi a, vi b)
{
    return vf_bits(vf_sel(m, vf_of_bits(a), vf_of_bits(b)));
}
static inline vi vi_mul_wide(vi *hi, vi a, vi b)
{
    vi even = _mm256_mul_epu32(a, b);
    vi odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
    *hi = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
}
static inline void vi_transpose4(vi v[4])
{
    vi a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpackhi_epi32(v[0], v[1]);
    vi c = _mm256_unpacklo_epi32(v[2], v[3]), d = _mm256_unpackhi_epi32(v[2], v[3]);
    v[0] = _mm256_unpacklo_epi64(a, c);
    v[1] = _mm256_unpackhi_epi64(a, c);
    v[2] = _mm256_unpacklo_epi64(b, d);
    v[3] = _mm256_unpackhi_epi64(b, d);
}

static inline __m128i avx2_load_u16_n(const uint16_t *p, int n)
{
    uint16_t full[8] = {0};
    for (int i = 0; i < n; i++)
        full[i] = p[i];
    return _mm_loadu_si128((const void *)full);
}
static inline void avx2_store_u16_n(uint16_t *p, __m128i a, int n)
{
    uint16_t full[8];
    _mm_storeu_si128((void *)full, a);
    for (int i = 0; i < n; i++)
        p[i] = full[i];
}
static inline __m128i avx2_narrow(vi a)
{
    return _mm_packus_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
}
static inline vi vi_load_u16(const uint16_t *p)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p));
}
static inline vi vi_load_u16_n(const uint16_t *p, int n)
{
    return _mm256_cvtepu16_epi32(avx2_load_u16_n(p, n));
}
static inline void vi_store_u16(uint16_t *p, vi a)
{
    _mm_storeu_si128((void *)p, avx2_narrow(a));
}
static inline void vi_store_u16_n(uint16_t *p, vi a, int n)
{
    avx2_store_u16_n(p, avx2_narrow(a), n);
}
static inline vf vf_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p));
}
static inline vf vf_load_f16_n(const uint16_t *p, int n)
{
    return _mm256_cvtph_ps(avx2_load_u16_n(p, n));
}
static inline void vf_store_f16(uint16_t *p, vf a)
{
    _mm_storeu_si128((void *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
static inline void vf_store_f16_n(uint16_t *p, vf a, int n)
{
    avx2_store_u16_n(p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT), n);
}

#endif
#endif
