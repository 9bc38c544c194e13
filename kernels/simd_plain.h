/* kernels/simd.h in plain C, for processors without a header of their own: four lanes in a struct,
 * each function a loop over them that a compiler may or may not vectorise. */
#ifndef KERNELS_SIMD_PLAIN_H
#define KERNELS_SIMD_PLAIN_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/dtype.h"

enum { VF_LANES = 4 };
typedef struct {
    float lane[VF_LANES];
} vf;
typedef struct {
    uint32_t lane[VF_LANES];
} vi;
typedef vi vm; /* lanes of 0 or ~0 */

#define PLAIN_MAP(type, expr)          \
    type plain_r;                      \
    for (int l = 0; l < VF_LANES; l++) \
        plain_r.lane[l] = (expr);      \
    return plain_r
#define PLAIN_MASK(cond) PLAIN_MAP(vm, (cond) ? UINT32_MAX : 0u)

static inline vf vf_set1(float x)
{
    PLAIN_MAP(vf, x);
}
static inline vf vf_zero(void)
{
    return vf_set1(0.0f);
}
static inline vf vf_load(const float *p)
{
    PLAIN_MAP(vf, p[l]);
}
static inline void vf_store(float *p, vf a)
{
    memcpy(p, a.lane, sizeof a.lane);
}
static inline vf vf_load_n(const float *p, int n)
{
    PLAIN_MAP(vf, l < n ? p[l] : 0.0f);
}
static inline void vf_store_n(float *p, vf a, int n)
{
    for (int l = 0; l < n; l++)
        p[l] = a.lane[l];
}
static inline vf vf_add(vf a, vf b)
{
    PLAIN_MAP(vf, a.lane[l] + b.lane[l]);
}
static inline vf vf_sub(vf a, vf b)
{
    PLAIN_MAP(vf, a.lane[l] - b.lane[l]);
}
static inline vf vf_mul(vf a, vf b)
{
    PLAIN_MAP(vf, a.lane[l] * b.lane[l]);
}
static inline vf vf_div(vf a, vf b)
{
    PLAIN_MAP(vf, a.lane[l] / b.lane[l]);
}
static inline vf vf_sqrt(vf a)
{
    PLAIN_MAP(vf, sqrtf(a.lane[l]));
}
static inline vf vf_fma(vf a, vf b, vf c)
{
    PLAIN_MAP(vf, a.lane[l] * b.lane[l] + c.lane[l]);
}
static inline vf vf_fnma(vf a, vf b, vf c)
{
    PLAIN_MAP(vf, c.lane[l] - a.lane[l] * b.lane[l]);
}
static inline vf vf_min(vf a, vf b)
{
    PLAIN_MAP(vf, a.lane[l] < b.lane[l] ? a.lane[l] : b.lane[l]);
}
static inline vf vf_max(vf a, vf b)
{
    PLAIN_MAP(vf, a.lane[l] > b.lane[l] ? a.lane[l] : b.lane[l]);
}
static inline vm vf_lt(vf a, vf b)
{
    PLAIN_MASK(a.lane[l] < b.lane[l]);
}
static inline vm vf_eq(vf a, vf b)
{
    PLAIN_MASK(a.lane[l] == b.lane[l]);
}
static inline vf vf_sel(vm m, vf a, vf b)
{
    PLAIN_MAP(vf, m.lane[l] ? a.lane[l] : b.lane[l]);
}
static inline vi vf_bits(vf a)
{
    vi r;
    memcpy(r.lane, a.lane, sizeof r.lane);
    return r;
}
static inline vf vf_of_bits(vi a)
{
    vf r;
    memcpy(r.lane, a.lane, sizeof r.lane);
    return r;
}
static inline vf vf_of_vi(vi a)
{
    PLAIN_MAP(vf, (float)(int32_t)a.lane[l]);
}
static inline vf vf_scale2(vf a, vf t)
{
    PLAIN_MAP(vf, t.lane[l] == t.lane[l] ? ldexpf(a.lane[l], (int)t.lane[l]) : t.lane[l]);
}
static inline float vf_sum(vf a)
{
    return (a.lane[0] + a.lane[2]) + (a.lane[1] + a.lane[3]);
}
static inline float vf_top(vf a)
{
    float m = a.lane[0];
    for (int l = 1; l < VF_LANES; l++)
        m = m > a.lane[l] ? m : a.lane[l];
    return m;
}

static inline vi vi_set1(int32_t x)
{
    PLAIN_MAP(vi, (uint32_t)x);
}
static inline vi vi_load(const void *p)
{
    vi r;
    memcpy(r.lane, p, sizeof r.lane);
    return r;
}
static inline void vi_store(void *p, vi a)
{
    memcpy(p, a.lane, sizeof a.lane);
}
static inline vi vi_add(vi a, vi b)
{
    PLAIN_MAP(vi, a.lane[l] + b.lane[l]);
}
static inline vi vi_sub(vi a, vi b)
{
    PLAIN_MAP(vi, a.lane[l] - b.lane[l]);
}
static inline vi vi_and(vi a, vi b)
{
    PLAIN_MAP(vi, a.lane[l] & b.lane[l]);
}
static inline vi vi_or(vi a, vi b)
{
    PLAIN_MAP(vi, a.lane[l] | b.lane[l]);
}
static inline vi vi_xor(vi a, vi b)
{
    PLAIN_MAP(vi, a.lane[l] ^ b.lane[l]);
}
static inline vi vi_shl(vi a, int n)
{
    PLAIN_MAP(vi, a.lane[l] << n);
}
static inline vi vi_shr(vi a, int n)
{
    PLAIN_MAP(vi, a.lane[l] >> n);
}
static inline vm vi_eq(vi a, vi b)
{
    PLAIN_MASK(a.lane[l] == b.lane[l]);
}
static inline vm vi_gt(vi a, vi b)
{
    PLAIN_MASK((int32_t)a.lane[l] > (int32_t)b.lane[l]);
}
static inline vi vi_sel(vm m, vi a, vi b)
{
    PLAIN_MAP(vi, m.lane[l] ? a.lane[l] : b.lane[l]);
}
static inline vi vi_mul_wide(vi *hi, vi a, vi b)
{
    for (int l = 0; l < VF_LANES; l++)
        hi->lane[l] = (uint32_t)((uint64_t)a.lane[l] * b.lane[l] >> 32);
    PLAIN_MAP(vi, a.lane[l] * b.lane[l]);
}
static inline void vi_transpose4(vi v[4])
{
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < i; j++) {
            uint32_t x = v[i].lane[j];
            v[i].lane[j] = v[j].lane[i];
            v[j].lane[i] = x;
        }
    }
}

static inline vi vi_load_u16(const uint16_t *p)
{
    PLAIN_MAP(vi, p[l]);
}
static inline vi vi_load_u16_n(const uint16_t *p, int n)
{
    PLAIN_MAP(vi, l < n ? p[l] : 0u);
}
static inline void vi_store_u16_n(uint16_t *p, vi a, int n)
{
    for (int l = 0; l < n; l++)
        p[l] = (uint16_t)a.lane[l];
}
static inline void vi_store_u16(uint16_t *p, vi a)
{
    vi_store_u16_n(p, a, VF_LANES);
}
static inline vf vf_load_f16(const uint16_t *p)
{
    PLAIN_MAP(vf, f16_to_f32(p[l]));
}
static inline vf vf_load_f16_n(const uint16_t *p, int n)
{
    PLAIN_MAP(vf, l < n ? f16_to_f32(p[l]) : 0.0f);
}
static inline void vf_store_f16_n(uint16_t *p, vf a, int n)
{
    for (int l = 0; l < n; l++)
        p[l] = f32_to_f16(a.lane[l]);
}
static inline void vf_store_f16(uint16_t *p, vf a)
{
    vf_store_f16_n(p, a, VF_LANES);
}

#endif
