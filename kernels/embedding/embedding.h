/* Rows of a frozen matrix:  y[r,:] = scale * W[ids[r],:]
 *
 *   y [rows, cols of W] =      ids [rows] i32, 0 <= id < rows of W (the caller has checked)
 * scale is 1, or Gemma's sqrt(hidden). The same matrix serves tied logits. */
#ifndef KERNELS_EMBEDDING_H
#define KERNELS_EMBEDDING_H

#include "kernels/kern.h"

typedef void embedding_fwd_fn(kern *k, struct kref y, struct kref ids, const struct kweight *w,
                              int rows, float scale);

#endif
