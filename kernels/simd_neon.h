/* kernels/simd.h for 64-bit ARM: four lanes, fused multiply-add. (32-bit NEON flushes subnormals and
 * is not used.) */
#ifndef KERNELS_SIMD_NEON_H
#define KERNELS_SIMD_NEON_H

#if defined(__aarch64__) && defined(__ARM_NEON)

#include <arm_neon.h>
#include <stdint.h>

enum { VF_LANES = 4 };
typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm;

static inline vf vf_zero(void)
{
    return vdupq_n_f32(0.0f);
}
static inline vf vf_set1(float x)
{
    return vdupq_n_f32(x);
}
static inline vf vf_load(const float *p)
{
    return vld1q_f32(p);
}
static inline void vf_store(float *p, vf a)
{
    vst1q_f32(p, a);
}
static inline vf vf_load_n(const float *p, int n)
{
    float full[4] = {0};
    for (int i = 0; i < n; i++)
        full[i] = p[i];
    return vf_load(full);
}
static inline void vf_store_n(float *p, vf a, int n)
{
    float full[4];
    vf_store(full, a);
    for (int i = 0; i < n; i++)
        p[i] = full[i];
}
static inline vf vf_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}
static inline vf vf_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}
static inline vf vf_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}
static inline vf vf_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}
static inline vf vf_sqrt(vf a)
{
    return vsqrtq_f32(a);
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}
static inline vf vf_fnma(vf a, vf b, vf c)
{
    return vfmsq_f32(c, a, b);
}
/* By comparison: the instructions fmin and fmax treat NaN otherwise than simd.h says. */
static inline vf vf_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline vf vf_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline vm vf_lt(vf a, vf b)
{
    return vcltq_f32(a, b);
}
static inline vm vf_eq(vf a, vf b)
{
    return vceqq_f32(a, b);
}
static inline vf vf_sel(vm m, vf a, vf b)
{
    return vbslq_f32(m, a, b);
}
static inline vi vf_bits(vf a)
{
    return vreinterpretq_s32_f32(a);
}
static inline vf vf_of_bits(vi a)
{
    return vreinterpretq_f32_s32(a);
}
static inline vf vf_of_vi(vi a)
{
    return vcvtq_f32_s32(a);
}
/* In two steps: 2^t itself may be no normal number. The first product is exact. */
static inline vf vf_scale2(vf a, vf t)
{
    vi n = vcvtnq_s32_f32(t), half = vshrq_n_s32(n, 1), bias = vdupq_n_s32(127);
    vi rest = vsubq_s32(n, half);
    a = vmulq_f32(a, vf_of_bits(vshlq_n_s32(vaddq_s32(half, bias), 23)));
    return vmulq_f32(a, vf_of_bits(vshlq_n_s32(vaddq_s32(rest, bias), 23)));
}
static inline float vf_sum(vf a)
{
    return (vgetq_lane_f32(a, 0) + vgetq_lane_f32(a, 2)) +
           (vgetq_lane_f32(a, 1) + vgetq_lane_f32(a, 3));
}
static inline float vf_top(vf a)
{
    a = vf_max(a, vextq_f32(a, a, 2));
    a = vf_max(a, vextq_f32(a, a, 1));
    return vgetq_lane_f32(a, 0);
}

static inline vi vi_set1(int32_t x)
{
    return vdupq_n_s32(x);
}
static inline vi vi_load(const void *p)
{
    return vld1q_s32(p);
}
static inline void vi_store(void *p, vi a)
{
    vst1q_s32(p, a);
}
static inline vi vi_add(vi a, vi b)
{
    return vaddq_s32(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return vsubq_s32(a, b);
}
static inline vi vi_and(vi a, vi b)
{
    return vandq_s32(a, b);
}
static inline vi vi_or(vi a, vi b)
{
    return vorrq_s32(a, b);
}
static inline vi vi_xor(vi a, vi b)
{
    return veorq_s32(a, b);
}
static inline vi vi_shl(vi a, int n)
{
    return vshlq_s32(a, vdupq_n_s32(n));
}
static inline vi vi_shr(vi a, int n)
{
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-n)));
}
static inline vm vi_eq(vi a, vi b)
{
    return vceqq_s32(a, b);
}
static inline vm vi_gt(vi a, vi b)
{
    return vcgtq_s32(a, b);
}
static inline vi vi_sel(vm m, vi a, vi b)
{
    return vbslq_s32(m, a, b);
}
static inline vi vi_mul_wide(vi *hi, vi a, vi b)
{
    uint32x4_t x = vreinterpretq_u32_s32(a), y = vreinterpretq_u32_s32(b);
    uint32x4_t low = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(x), vget_low_u32(y)));
    uint32x4_t high = vreinterpretq_u32_u64(vmull_u32(vget_high_u32(x), vget_high_u32(y)));
    *hi = vreinterpretq_s32_u32(vuzp2q_u32(low, high));
    return vreinterpretq_s32_u32(vuzp1q_u32(low, high));
}
static inline void vi_transpose4(vi v[4])
{
    int32x4x4_t t = {{v[0], v[1], v[2], v[3]}};
    int32_t full[16];
    vst4q_s32(full, t);
    for (int i = 0; i < 4; i++)
        v[i] = vi_load(full + 4 * i);
}

static inline uint16x4_t neon_load_u16_n(const uint16_t *p, int n)
{
    uint16_t full[4] = {0};
    for (int i = 0; i < n; i++)
        full[i] = p[i];
    return vld1_u16(full);
}
static inline void neon_store_u16_n(uint16_t *p, uint16x4_t a, int n)
{
    uint16_t full[4];
    vst1_u16(full, a);
    for (int i = 0; i < n; i++)
        p[i] = full[i];
}
static inline vi vi_load_u16(const uint16_t *p)
{
    return vreinterpretq_s32_u32(vmovl_u16(vld1_u16(p)));
}
static inline vi vi_load_u16_n(const uint16_t *p, int n)
{
    return vreinterpretq_s32_u32(vmovl_u16(neon_load_u16_n(p, n)));
}
static inline void vi_store_u16(uint16_t *p, vi a)
{
    vst1_u16(p, vmovn_u32(vreinterpretq_u32_s32(a)));
}
static inline void vi_store_u16_n(uint16_t *p, vi a, int n)
{
    neon_store_u16_n(p, vmovn_u32(vreinterpretq_u32_s32(a)), n);
}
static inline vf vf_load_f16(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline vf vf_load_f16_n(const uint16_t *p, int n)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(neon_load_u16_n(p, n)));
}
static inline void vf_store_f16(uint16_t *p, vf a)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a)));
}
static inline void vf_store_f16_n(uint16_t *p, vf a, int n)
{
    neon_store_u16_n(p, vreinterpret_u16_f16(vcvt_f16_f32(a)), n);
}

#endif
#endif
