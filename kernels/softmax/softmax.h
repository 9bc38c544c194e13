/* Stand-alone softmax over rows (attention has its own fused form).
 *
 *   y[r,c] = exp(x[r,c] - max_c x[r,c]) / sum_c exp(x[r,c] - max_c x[r,c])
 *   y [rows, cols] = may be x      x [rows, cols]; -inf elements give 0, a row of -inf gives NaN
 *
 * Backward:  dx[r,c] = y[r,c] * (dy[r,c] - sum_c dy[r,c] y[r,c])
 *   dx [rows, cols] = may be dy */
#ifndef KERNELS_SOFTMAX_H
#define KERNELS_SOFTMAX_H

#include "kernels/kern.h"

typedef void softmax_fwd_fn(kern *k, struct kref y, struct kref x, int rows, int cols);
typedef void softmax_bwd_fn(kern *k, struct kref dx, struct kref dy, struct kref y, int rows,
                            int cols);

#endif
