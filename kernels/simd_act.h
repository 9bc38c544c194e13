/* Inside *_simd.c files: activations and their derivatives. */
#ifndef KERNELS_SIMD_ACT_H
#define KERNELS_SIMD_ACT_H

#include "kernels/simd.h"

/* silu(x) = x s, s = sigmoid(x);  *d = silu'(x) = s (1 + x (1 - s)), 0 where s has vanished. */
static inline vf vf_silu(vf x, vf *d)
{
    const vf one = vf_set1(1.0f), zero = vf_zero();
    vf s = vf_sigmoid(x);
    *d = vf_sel(vf_eq(s, zero), zero, vf_mul(s, vf_fma(x, vf_sub(one, s), one)));
    return vf_mul(x, s);
}

/* gelu in its tanh form. (1 + tanh z) / 2 = sigmoid(2z) saves a polynomial and, for negative x, the
 * cancellation: gelu(x) = x s with s = sigmoid(2z), z = sqrt(2/pi) (x + 0.044715 x^3), and
 *   *d = s + x s (1 - s) 2z',   2z' = sqrt(8/pi) (1 + 3 * 0.044715 x^2)
 * whose second term is 0 where s is 0 or 1, however large x is. */
static inline vf vf_gelu(vf x, vf *d)
{
    const vf one = vf_set1(1.0f), rate = vf_set1(1.59576912f);
    vf x2 = vf_mul(x, x);
    vf s = vf_sigmoid(vf_mul(vf_mul(x, rate), vf_fma(x2, vf_set1(0.044715f), one)));
    vf change = vf_mul(s, vf_sub(one, s));
    vf slope = vf_mul(rate, vf_fma(x2, vf_set1(0.134145f), one));
    *d = vf_sel(vf_eq(change, vf_zero()), s, vf_fma(vf_mul(x, change), slope, s));
    return vf_mul(x, s);
}

#endif
