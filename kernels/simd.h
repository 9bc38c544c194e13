/* Vectors of float lanes for the files named *_simd.c, which are compiled once per instruction set:
 * the same source gives rmsnorm_fwd_base, rmsnorm_fwd_avx2 and rmsnorm_fwd_avx512.
 *
 *     static vf relu_sum(float *y, const float *x, int n)   // y = max(x, 0)
 *     {
 *         vf sum = vf_zero();
 *         for (int i = 0; i < n; i += VF_LANES) {
 *             int left = n - i;
 *             vf v = vf_max(vf_get(x + i, left), vf_zero());   // a partial load in the last turn
 *             vf_put(y + i, v, left);
 *             sum = vf_add(sum, v);
 *         }
 *         return sum;
 *     }
 *     void V(relu)(…) { … }                                 // relu_base, relu_avx2, relu_avx512
 *
 * Types: vf (VF_LANES floats), vi (as many 32-bit integers), vm (a mask a lane). One header an
 * instruction set (simd_avx512.h, simd_avx2.h, simd_sse2.h, simd_neon.h, simd_plain.h) gives the
 * elementary functions; those written with them stand here. All are static inline: nothing compiled
 * for a newer processor may get a symbol that the linker could hand to code for an older one. A
 * *_simd.c file for the same reason exports functions named by V() and nothing else.
 *
 * Elementary, in every one of those headers (a, b, c: vf; n: int):
 *   vf_zero() vf_set1(x) vf_load(p) vf_store(p, a)         unaligned
 *   vf_load_n(p, n) vf_store_n(p, a, n)                    the first n lanes, 0 < n < VF_LANES;
 *                                                          lanes not loaded are 0, memory beyond n
 *                                                          is not touched
 *   vf_add vf_sub vf_mul vf_div (a, b) vf_sqrt(a)
 *   vf_fma(a, b, c) = a * b + c    vf_fnma(a, b, c) = c - a * b       fused where the processor can
 *   vf_min(a, b) = a < b ? a : b   vf_max(a, b) = a > b ? a : b       b where either is NaN
 *   vf_lt vf_eq (a, b) -> vm       false where either is NaN
 *   vf_sel(m, a, b) = m ? a : b
 *   vf_sum(a) vf_top(a)            all lanes added, the largest of all lanes: in a fixed order
 *   vf_bits(a) vf_of_bits(i)       the same bits as the other type
 *   vf_of_vi(i)                    int32 to float
 *   vf_scale2(a, t) = a * 2^t      t integral in [-150, 129]; rounds once
 *   vi_set1(x) vi_load(p) vi_store(p, i) vi_add vi_sub vi_and vi_or vi_xor (i, j)
 *   vi_shl(i, n) vi_shr(i, n)      logical, n a constant
 *   vi_eq(i, j) vi_gt(i, j) -> vm  signed         vi_sel(m, i, j) = m ? i : j
 *   vi_mul_wide(&hi, i, j)         unsigned 32 x 32 bits: returns the low half, stores the high one
 *   vi_transpose4(v)                              vi v[4]: in each group of four lanes, lane j of
 *                                                 v[i] and lane i of v[j] change places
 *   vi_load_u16(p) vi_load_u16_n(p, n)            16-bit words, zero-extended
 *   vi_store_u16(p, i) vi_store_u16_n(p, i, n)    the low halves of lanes below 65536
 *   vf_load_f16(p) vf_load_f16_n(p, n) vf_store_f16(p, a) vf_store_f16_n(p, a, n)
 *
 * NaN, infinities and subnormals are those of IEEE arithmetic: none traps, none is flushed. */
#ifndef KERNELS_SIMD_H
#define KERNELS_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/dtype.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include "kernels/simd_avx512.h"
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include "kernels/simd_avx2.h"
#elif defined(__SSE2__)
#include "kernels/simd_sse2.h"
#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#include "kernels/simd_neon.h"
#else
#include "kernels/simd_plain.h"
#endif

#ifndef VARIANT /* a header compiled alone, by lint */
#define VARIANT base
#endif
#define SIMD_PASTE(name, variant)  name##_##variant
#define SIMD_EXPAND(name, variant) SIMD_PASTE(name, variant)
#define V(name)                    SIMD_EXPAND(name, VARIANT)

/* ---- loads and stores of `left` > 0 lanes or all of them, as tails want them ---------------- */

static inline vf vf_get(const float *p, int left)
{
    return left >= VF_LANES ? vf_load(p) : vf_load_n(p, left);
}

static inline void vf_put(float *p, vf a, int left)
{
    if (left >= VF_LANES)
        vf_store(p, a);
    else
        vf_store_n(p, a, left);
}

/* `a` in the first `left` lanes, `b` in the others: keeps a tail's empty lanes out of a sum. */
static inline vf vf_head(vf a, vf b, int left)
{
    static const int32_t index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return vf_sel(vi_gt(vi_set1(left), vi_load(index)), a, b);
}

/* ---- 16-bit floats --------------------------------------------------------------------------- */

static inline vf vf_of_bf16(vi h)
{
    return vf_of_bits(vi_shl(h, 16));
}

/* Round to nearest, ties to even; a NaN keeps its upper bits and becomes quiet (f32_to_bf16). */
static inline vi vi_to_bf16(vf a)
{
    vi u = vf_bits(a), top = vi_shr(u, 16);
    vi up = vi_add(vi_set1(0x7fff), vi_and(top, vi_set1(1)));
    vi nan = vi_or(top, vi_set1(0x40));
    return vi_sel(vf_eq(a, a), vi_shr(vi_add(u, up), 16), nan);
}

static inline vf vf_load_bf16(const uint16_t *p)
{
    return vf_of_bf16(vi_load_u16(p));
}

static inline vf vf_load_bf16_n(const uint16_t *p, int n)
{
    return vf_of_bf16(vi_load_u16_n(p, n));
}

static inline void vf_store_bf16(uint16_t *p, vf a)
{
    vi_store_u16(p, vi_to_bf16(a));
}

static inline void vf_store_bf16_n(uint16_t *p, vf a, int n)
{
    vi_store_u16_n(p, vi_to_bf16(a), n);
}

/* ---- functions ------------------------------------------------------------------------------- */

static inline vf vf_abs(vf a)
{
    return vf_of_bits(vi_and(vf_bits(a), vi_set1(0x7fffffff)));
}

static inline vf vf_neg(vf a)
{
    return vf_of_bits(vi_xor(vf_bits(a), vi_set1(INT32_MIN)));
}

/* e^x, error below 1 ulp everywhere, subnormal results included; -inf gives 0, too large an x gives
 * inf, NaN gives NaN. x = n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two parts, the first so short
 * that n times it is exact), e^r by the polynomial of Moshier's Cephes (expf), then times 2^n. n is
 * rounded by adding 1.5 * 2^23, which leaves no room for a fraction. */
static inline vf vf_exp(vf x)
{
    const vf magic = vf_set1(12582912.0f);
    x = vf_max(vf_set1(-104.0f), vf_min(vf_set1(89.0f), x)); /* NaN stays: it is the second one */
    vf n = vf_sub(vf_fma(x, vf_set1(1.44269504f), magic), magic);
    vf r = vf_fnma(n, vf_set1(0.693359375f), x);
    r = vf_fnma(n, vf_set1(-2.12194440e-4f), r);
    vf p = vf_set1(1.9875691500e-4f);
    p = vf_fma(p, r, vf_set1(1.3981999507e-3f));
    p = vf_fma(p, r, vf_set1(8.3334519073e-3f));
    p = vf_fma(p, r, vf_set1(4.1665795894e-2f));
    p = vf_fma(p, r, vf_set1(1.6666665459e-1f));
    p = vf_fma(p, r, vf_set1(5.0000001201e-1f));
    p = vf_add(vf_fma(p, vf_mul(r, r), r), vf_set1(1.0f));
    return vf_scale2(p, n);
}

/* 1 / (1 + e^-x), error below 2.5 ulp; for negative x as e^x / (1 + e^x): nothing overflows. */
static inline vf vf_sigmoid(vf x)
{
    const vf one = vf_set1(1.0f);
    vf e = vf_exp(vf_neg(vf_abs(x)));
    return vf_div(vf_sel(vf_lt(x, vf_zero()), e, one), vf_add(one, e));
}

/* Error below 1.5 ulp: near 0 the polynomial of Cephes (tanhf), from 0.625 on
 * 1 - 2 / (e^2|x| + 1) with the sign of x. */
static inline vf vf_tanh(vf x)
{
    const vf one = vf_set1(1.0f);
    vf a = vf_abs(x), z = vf_mul(x, x);
    vf p = vf_set1(-5.70498872745e-3f);
    p = vf_fma(p, z, vf_set1(2.06390887954e-2f));
    p = vf_fma(p, z, vf_set1(-5.37397155531e-2f));
    p = vf_fma(p, z, vf_set1(1.33314422036e-1f));
    p = vf_fma(p, z, vf_set1(-3.33332819422e-1f));
    p = vf_fma(vf_mul(p, z), x, x);
    vf e = vf_exp(vf_add(a, a));
    vf t = vf_sub(one, vf_div(vf_set1(2.0f), vf_add(e, one)));
    vi sign = vi_and(vf_bits(x), vi_set1(INT32_MIN));
    t = vf_sel(vf_lt(a, vf_set1(0.625f)), p, t);
    return vf_of_bits(vi_or(vf_bits(t), sign)); /* -0 too */
}

#endif
