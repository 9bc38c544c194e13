/* Layer norm with weight and bias (Ba et al. 2016, arXiv:1607.06450).
 *
 *   y[r,c] = (x[r,c] - mean[r]) * rstd[r] * w[c] + b[c]
 *   mean[r] = mean_c x[r,c],   rstd[r] = 1 / sqrt(mean_c (x[r,c] - mean[r])^2 + eps)
 *
 *   y [rows, cols] = may be x     mean, rstd [rows] f32 = (both or neither KREF_NONE)
 *   x [rows, cols]                w, b [cols] f32
 *
 * Backward, with n = (x - mean) * rstd and h = dy * w:
 *   dx = rstd * (h - mean_c(h) - n * mean_c(h * n))
 *   dx [rows, cols] = or += by mode; may be dy with K_SET */
#ifndef KERNELS_LAYERNORM_H
#define KERNELS_LAYERNORM_H

#include "kernels/kern.h"

typedef void layernorm_fwd_fn(kern *k, struct kref y, struct kref mean, struct kref rstd,
                              struct kref x, struct kref w, struct kref b, int rows, int cols,
                              float eps);
typedef void layernorm_bwd_fn(kern *k, struct kref dx, struct kref dy, struct kref x,
                              struct kref mean, struct kref rstd, struct kref w, int rows, int cols,
                              enum kwrite mode);

#endif
