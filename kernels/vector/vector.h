/* Plain rows over vectors and matrices, any of F32, F16, BF16 (I32 for fill and copy).
 *
 *   fill:     x[i] = value                      i < n
 *   copy:     y[r,c] = x[r,c]                   same dtype; may not overlap
 *   cast:     y[r,c] = (dtype of y) x[r,c]      round to nearest even
 *   scale:    y[r,c] = a * x[r,c]               y may be x
 *   add:      y[r,c] = a[r,c] + b[r,c]          y may be a or b
 *   dropout:  y[r,c] = dropped ? 0 : x[r,c] / (1-p), with lora_linear.h's mask of adapter `id`
 *             (its own backward); y may be x */
#ifndef KERNELS_VECTOR_H
#define KERNELS_VECTOR_H

#include "kernels/kern.h"
#include "kernels/lora_linear/lora_linear.h"

typedef void fill_fn(kern *k, struct kref x, size_t n, float value);
typedef void copy_fn(kern *k, struct kref y, struct kref x, int rows, int cols);
typedef void cast_fn(kern *k, struct kref y, struct kref x, int rows, int cols);
typedef void scale_fn(kern *k, struct kref y, struct kref x, int rows, int cols, float a);
typedef void add_fn(kern *k, struct kref y, struct kref a, struct kref b, int rows, int cols);
typedef void dropout_fn(kern *k, struct kref y, struct kref x, int rows, int cols,
                        const struct kdropout *drop, uint32_t id);

#endif
