/* Gated linear units (Shazeer 2020, arXiv:2002.05202) on a joined row gate|up.
 *
 *   swiglu: h[r,c] = g * sigmoid(g) * u          g = gu[r,c],  u = gu[r,cols+c]
 *   geglu:  h[r,c] = gelu_tanh(g) * u            (gelu/gelu.h)
 *
 *   h [rows, cols] =        gu [rows, 2*cols]
 *
 * Backward:  dgu[r,c] = dh * u * act'(g),   dgu[r,cols+c] = dh * act(g)
 *   dgu [rows, 2*cols] = may be gu */
#ifndef KERNELS_GLU_H
#define KERNELS_GLU_H

#include "kernels/kern.h"

typedef void swiglu_fwd_fn(kern *k, struct kref h, struct kref gu, int rows, int cols);
typedef void swiglu_bwd_fn(kern *k, struct kref dgu, struct kref dh, struct kref gu, int rows,
                           int cols);
typedef swiglu_fwd_fn geglu_fwd_fn;
typedef swiglu_bwd_fn geglu_bwd_fn;

#endif
