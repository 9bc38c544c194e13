/* Optimizer rows over the flat adapter buffers.
 *
 * sumsq:      out[0] = sum_i x[i]^2                             (two stages, fixed order)
 * clip_coef:  norm = sqrt(sumsq[0]);  ok = isfinite(norm) and isfinite(loss[0])
 *             out[0] = ok ? (max_norm > 0 ? min(1, max_norm / (norm + 1e-6)) : 1) : 0
 *             out[1] = norm,  out[2] = ok ? 0 : 1      (torch.nn.utils.clip_grad_norm_, kept on device)
 * adamw:      g = coef[0] * grad;   if coef[0] is 0: nothing changes
 *             param *= 1 - lr * weight_decay
 *             m += (g - m) * (1 - beta1)
 *             v = v * beta2 + g * g * (1 - beta2)
 *             param -= lr / (1 - beta1^step) * m / (sqrt(v) / sqrt(1 - beta2^step) + eps)
 * as torch.optim.AdamW computes it (Loshchilov & Hutter 2017, arXiv:1711.05101). All f32. */
#ifndef KERNELS_ADAMW_H
#define KERNELS_ADAMW_H

#include "kernels/kern.h"

struct adamw_hyper {
    float lr, beta1, beta2, eps, weight_decay;
    int step; /* counts from 1 */
};

typedef void sumsq_fn(kern *k, struct kref out, struct kref x, size_t n);
typedef void clip_coef_fn(kern *k, struct kref out, struct kref sumsq, struct kref loss,
                          float max_norm);
typedef void adamw_fn(kern *k, struct kref param, struct kref m, struct kref v, struct kref grad,
                      struct kref coef, size_t n, const struct adamw_hyper *hyper);

#endif
