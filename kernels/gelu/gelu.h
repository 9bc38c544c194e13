/* GELU in its tanh form (Hendrycks & Gimpel 2016, arXiv:1606.08415; "gelu_new",
 * "gelu_pytorch_tanh").
 *
 *   h = 0.5 x (1 + tanh(z)),   z = sqrt(2/pi) (x + 0.044715 x^3)
 *   dx = dh * (0.5 (1 + tanh z) + 0.5 x (1 - tanh^2 z) sqrt(2/pi) (1 + 3 * 0.044715 x^2))
 *
 *   h [rows, cols] = may be x      dx [rows, cols] = may be dh or x */
#ifndef KERNELS_GELU_H
#define KERNELS_GELU_H

#include "kernels/kern.h"

typedef void gelu_fwd_fn(kern *k, struct kref h, struct kref x, int rows, int cols);
typedef void gelu_bwd_fn(kern *k, struct kref dx, struct kref dh, struct kref x, int rows,
                         int cols);

#endif
