/* Causal attention over documents laid end to end; the q_rows x k_rows scores never exist whole
 * (FlashAttention-2: Dao 2023, arXiv:2307.08691, whose backward this is).
 *
 * Query row i stands at key index t = q_offset + i and sees the keys j with
 *     start[i] <= j <= t   and, if window > 0,   t - j < window.
 * start[i] <= t is the first key of row i's document, so a batch is just documents one after the
 * other: no padding and no batch dimension. In training q_offset = 0 and k_rows = q_rows; generation
 * has a key/value cache and q_offset = the rows before.
 *
 *   s[i,j] = scale * sum_d q[i,h,d] k[j,h',d],     h' = h / (heads / kv_heads)
 *   s[i,j] = softcap * tanh(s[i,j] / softcap)      if softcap > 0 (Gemma-2)
 *   o[i,h,:] = sum_j exp(s[i,j] - lse[i,h]) v[j,h',:],   lse[i,h] = log sum_j exp(s[i,j])
 *
 *   o   [q_rows, heads*head_dim] =        lse [q_rows, heads] f32 = (ld = heads; may be KREF_NONE)
 *   q   [q_rows, heads*head_dim]          key, v [k_rows, kv_heads*head_dim]
 *   start [q_rows] i32
 * q, key and v may be column slices of one joined buffer (their ld says so).
 *
 * All that is read is expected to be finite. A row of v that is not may make any row of o NaN,
 * those of other documents too: faster variants weigh keys that a row does not see with zero, and
 * 0 * NaN is NaN. That it is not hidden is guaranteed: rows that see it are never finite.
 *
 * Backward (k_rows = q_rows, q_offset = 0), with p = exp(s - lse), D[i,h] = sum_d dout o:
 *   dv += p^T dout,  ds = p * (dout v^T - D) [* (1 - (s/softcap)^2)],  dq = scale ds k,  dk = scale ds^T q
 *   dq, dk, dv shaped as q, key, v, =  (all written; must not overlap the inputs) */
#ifndef KERNELS_ATTENTION_H
#define KERNELS_ATTENTION_H

#include "kernels/kern.h"

struct attention_dims {
    int q_rows, k_rows, q_offset;
    int heads, kv_heads, head_dim;
    int window; /* 0: none */
    float scale, softcap;
};

typedef void attention_fwd_fn(kern *k, struct kref o, struct kref lse, struct kref q,
                              struct kref key, struct kref v, struct kref start,
                              const struct attention_dims *d);
typedef void attention_bwd_fn(kern *k, struct kref dq, struct kref dk, struct kref dv,
                              struct kref dout, struct kref q, struct kref key, struct kref v,
                              struct kref o, struct kref lse, struct kref start,
                              const struct attention_dims *d);

#endif
