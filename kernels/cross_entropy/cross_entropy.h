/* Logits, loss and the gradient of the last hidden states in one pass over the labelled rows, in
 * chunks: the rows x vocab logits never exist whole (the idea of Liger's and Apple's fused cross
 * entropy, arXiv:2411.09009; the head is frozen here, so the gradient is made in the same pass).
 *
 *   z[i,:] = X[index[i],:] W^T,   z = softcap * tanh(z / softcap) if softcap > 0
 *   nll[i] = log sum_v exp(z[i,v]) - z[i, labels[i]]
 *   dX[index[i],:] = grad_scale * (softmax(z[i,:]) - onehot(labels[i])) [* (1 - (z/softcap)^2)] W
 *
 *   loss [1] f32   += sum_i nll[i]          nll [n] f32 = or KREF_NONE
 *   dx [rows, cols] =  (rows without a label become 0) or KREF_NONE: forward only
 *   x [rows, cols]     w [vocab, cols]      index, labels [n] i32; index rising, without repeats
 * n >= 1. */
#ifndef KERNELS_CROSS_ENTROPY_H
#define KERNELS_CROSS_ENTROPY_H

#include "kernels/kern.h"

struct cross_entropy_dims {
    int n, rows, cols, vocab;
    float grad_scale, softcap;
};

typedef void linear_cross_entropy_fn(kern *k, struct kref loss, struct kref nll, struct kref dx,
                                     struct kref x, struct kref index, struct kref labels,
                                     const struct kweight *w, const struct cross_entropy_dims *d);

#endif
