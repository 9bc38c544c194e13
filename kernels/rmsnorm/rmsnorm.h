/* Root-mean-square norm (Zhang & Sennrich 2019, arXiv:1910.07467), of whole rows or of the heads of a
 * row: each row holds `groups` groups of `cols` adjacent elements, each normalised by itself with
 * the same w (Qwen3's QK-norm is groups = heads, cols = head_dim).
 *
 *   y[r,g,c] = x[r,g,c] * rstd[r,g] * (w_add + w[c]),   rstd[r,g] = 1 / sqrt(mean_c x[r,g,c]^2 + eps)
 *
 *   y    [rows, groups*cols]  =    may be x
 *   rstd [rows*groups] f32    =    kept for backward; may be KREF_NONE
 *   x    [rows, groups*cols]       w [cols] f32        w_add is 1 for Gemma's (1 + w), else 0
 *
 * Backward, with n = x * rstd and h = dy * (w_add + w):
 *   dx = rstd * (h - n * mean_c(h * n))              (no gradient of w: it is frozen)
 *   dx   [rows, groups*cols]  = or += by mode; may be dy with K_SET */
#ifndef KERNELS_RMSNORM_H
#define KERNELS_RMSNORM_H

#include "kernels/kern.h"

typedef void rmsnorm_fwd_fn(kern *k, struct kref y, struct kref rstd, struct kref x, struct kref w,
                            int rows, int groups, int cols, float eps, float w_add);
typedef void rmsnorm_bwd_fn(kern *k, struct kref dx, struct kref dy, struct kref x,
                            struct kref rstd, struct kref w, int rows, int groups, int cols,
                            float w_add, enum kwrite mode);

#endif
