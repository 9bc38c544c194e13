/* kernels/simd.h for every x86-64 processor: four lanes, no fused multiply-add, halves by integer
 * arithmetic. */
#ifndef KERNELS_SIMD_SSE2_H
#define KERNELS_SIMD_SSE2_H

#if defined(__SSE2__)

#include <emmintrin.h>
#include <stdint.h>

enum { VF_LANES = 4 };
typedef __m128 vf;
typedef __m128i vi;
typedef __m128 vm;

static inline vf vf_zero(void)
{
    return _mm_setzero_ps();
}
static inline vf vf_set1(float x)
{
    return _mm_set1_ps(x);
}
static inline vf vf_load(const float *p)
{
    return _mm_loadu_ps(p);
}
static inline void vf_store(float *p, vf a)
{
    _mm_storeu_ps(p, a);
}
static inline vf vf_load_n(const float *p, int n)
{
    return _mm_setr_ps(p[0], n > 1 ? p[1] : 0.0f, n > 2 ? p[2] : 0.0f, 0.0f);
}
static inline void vf_store_n(float *p, vf a, int n)
{
    float full[4];
    _mm_storeu_ps(full, a);
    for (int i = 0; i < n; i++)
        p[i] = full[i];
}
static inline vf vf_add(vf a, vf b)
{
    return _mm_add_ps(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return _mm_sub_ps(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return _mm_mul_ps(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return _mm_div_ps(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return _mm_sqrt_ps(a);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return _mm_add_ps(_mm_mul_ps(a, b), c);
}
static inline vf vf_fnma(vf a, vf b, vf c)
{
    return _mm_sub_ps(c, _mm_mul_ps(a, b));
}
static inline vf vf_min(vf a, vf b)
{
    return _mm_min_ps(a, b);
}
static inline vf vf_max(vf a, vf b)
{
    return _mm_max_ps(a, b);
}
static inline vm vf_lt(vf a, vf b)
{
    return _mm_cmplt_ps(a, b);
}
static inline vm vf_eq(vf a, vf b)
{
    return _mm_cmpeq_ps(a, b);
}
static inline vf vf_sel(vm m, vf a, vf b)
{
    return _mm_or_ps(_mm_and_ps(m, a), _mm_andnot_ps(m, b));
}
static inline vi vf_bits(vf a)
{
    return _mm_castps_si128(a);
}
static inline vf vf_of_bits(vi a)
{
    return _mm_castsi128_ps(a);
}
static inline vf vf_of_vi(vi a)
{
    return _mm_cvtepi32_ps(a);
}
/* In two steps: 2^t itself may be no normal number. The first product is exact. */
static inline vf vf_scale2(vf a, vf t)
{
    vi n = _mm_cvtps_epi32(t), half = _mm_srai_epi32(n, 1), bias = _mm_set1_epi32(127);
    vi rest = _mm_sub_epi32(n, half);
    a = _mm_mul_ps(a, vf_of_bits(_mm_slli_epi32(_mm_add_epi32(half, bias), 23)));
    return _mm_mul_ps(a, vf_of_bits(_mm_slli_epi32(_mm_add_epi32(rest, bias), 23)));
}
static inline float vf_sum(vf a)
{
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_shuffle_ps(a, a, 1)));
}
static inline float vf_top(vf a)
{
    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_shuffle_ps(a, a, 1)));
}

static inline vi vi_set1(int32_t x)
{
    return _mm_set1_epi32(x);
}
static inline vi vi_load(const void *p)
{
    return _mm_loadu_si128(p);
}
static inline void vi_store(void *p, vi a)
{
    _mm_storeu_si128(p, a);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm_add_epi32(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm_sub_epi32(a, b);
}
static inline vi vi_and(vi a, vi b)
{
    return _mm_and_si128(a, b);
}
static inline vi vi_or(vi a, vi b)
{
    return _mm_or_si128(a, b);
}
static inline vi vi_xor(vi a, vi b)
{
    return _mm_xor_si128(a, b);
}
static inline vi vi_shl(vi a, int n)
{
    return _mm_slli_epi32(a, n);
}
static inline vi vi_shr(vi a, int n)
{
    return _mm_srli_epi32(a, n);
}
static inline vm vi_eq(vi a, vi b)
{
    return vf_of_bits(_mm_cmpeq_epi32(a, b));
}
static inline vm vi_gt(vi a, vi b)
{
    return vf_of_bits(_mm_cmpgt_epi32(a, b));
}
static inline vi vi_sel(vm m, vi a, vi b)
{
    return vf_bits(vf_sel(m, vf_of_bits(a), vf_of_bits(b)));
}
static inline vi vi_mul_wide(vi *hi, vi a, vi b)
{
    vi even = _mm_mul_epu32(a, b);
    vi odd = _mm_mul_epu32(_mm_srli_epi64(a, 32), _mm_srli_epi64(b, 32));
    vi low = _mm_unpacklo_epi32(even, odd), high = _mm_unpackhi_epi32(even, odd);
    *hi = _mm_unpackhi_epi64(low, high);
    return _mm_unpacklo_epi64(low, high);
}
static inline void vi_transpose4(vi v[4])
{
    vi a = _mm_unpacklo_epi32(v[0], v[1]), b = _mm_unpackhi_epi32(v[0], v[1]);
    vi c = _mm_unpacklo_epi32(v[2], v[3]), d = _mm_unpackhi_epi32(v[2], v[3]);
    v[0] = _mm_unpacklo_epi64(a, c);
    v[1] = _mm_unpackhi_epi64(a, c);
    v[2] = _mm_unpacklo_epi64(b, d);
    v[3] = _mm_unpackhi_epi64(b, d);
}

static inline vi vi_load_u16(const uint16_t *p)
{
    return _mm_unpacklo_epi16(_mm_loadl_epi64((const void *)p), _mm_setzero_si128());
}
static inline vi vi_load_u16_n(const uint16_t *p, int n)
{
    return _mm_setr_epi32(p[0], n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, 0);
}
/* Packing saturates signed words, so bit 15 is made the sign first. */
static inline void vi_store_u16(uint16_t *p, vi a)
{
    a = _mm_srai_epi32(_mm_slli_epi32(a, 16), 16);
    _mm_storel_epi64((void *)p, _mm_packs_epi32(a, a));
}
static inline void vi_store_u16_n(uint16_t *p, vi a, int n)
{
    int32_t full[4];
    vi_store(full, a);
    for (int i = 0; i < n; i++)
        p[i] = (uint16_t)full[i];
}

/* The exponent's bias is corrected by a product with 2^112, which makes subnormals right too. */
static inline vf sse2_of_f16(vi h)
{
    vi sign = vi_shl(vi_and(h, vi_set1(0x8000)), 16), em = vi_and(h, vi_set1(0x7fff));
    vi bits = vi_shl(em, 13);
    vi finite = vf_bits(vf_mul(vf_of_bits(bits), vf_set1(0x1p112f)));
    vi special = vi_or(bits, vi_set1(0x7f800000));
    return vf_of_bits(vi_or(sign, vi_sel(vi_gt(em, vi_set1(0x7bff)), special, finite)));
}
/* f32_to_f16 in kernels/dtype.h, a lane each. */
static inline vi sse2_to_f16(vf a)
{
    vi u = vf_bits(a), sign = vi_and(vi_shr(u, 16), vi_set1(0x8000));
    u = vi_and(u, vi_set1(0x7fffffff));
    vi m = vi_shr(u, 13);
    vi nan = vi_or(vi_set1(0x7e00), vi_and(m, vi_set1(0x3ff)));
    vi small = vi_sub(vf_bits(vf_add(vf_of_bits(u), vf_set1(0.5f))), vi_set1(0x3f000000));
    vi h = vi_add(vi_add(u, vi_set1(0xfff - 0x38000000)), vi_and(m, vi_set1(1)));
    h = vi_sel(vi_gt(vi_set1(0x38800000), u), small, vi_shr(h, 13));
    h = vi_sel(vi_gt(u, vi_set1(0x477fefff)), vi_set1(0x7c00), h);
    return vi_or(sign, vi_sel(vi_gt(u, vi_set1(0x7f800000)), nan, h));
}
static inline vf vf_load_f16(const uint16_t *p)
{
    return sse2_of_f16(vi_load_u16(p));
}
static inline vf vf_load_f16_n(const uint16_t *p, int n)
{
    return sse2_of_f16(vi_load_u16_n(p, n));
}
static inline void vf_store_f16(uint16_t *p, vf a)
{
    vi_store_u16(p, sse2_to_f16(a));
}
static inline void vf_store_f16_n(uint16_t *p, vf a, int n)
{
    vi_store_u16_n(p, sse2_to_f16(a), n);
}

#endif
#endif
