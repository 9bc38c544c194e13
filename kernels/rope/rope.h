/* Rotary position embedding (Su et al. 2021, arXiv:2104.09864) in the rotate-half order of
 * transformers: in each head the first rot_dim elements turn in pairs (c, c + rot_dim/2), the rest
 * pass through.
 *
 *   y[r,h,c]       = x[r,h,c] * cos[p,c] - x[r,h,c+m] * sin[p,c]        p = pos[r],  m = rot_dim/2
 *   y[r,h,c+m]     = x[r,h,c+m] * cos[p,c] + x[r,h,c] * sin[p,c]        c < m
 *
 *   y [rows, heads*head_dim] = may be x     x [rows, heads*head_dim]
 *   pos [rows] i32                          cos, sin [positions, rot_dim/2] f32, ld = rot_dim/2
 *
 * The tables hold every scaling (linear, llama3, yarn's factor on both, …): model/ makes them.
 * rope_bwd turns the other way: dx from dy, dx may be dy. */
#ifndef KERNELS_ROPE_H
#define KERNELS_ROPE_H

#include "kernels/kern.h"

typedef void rope_fwd_fn(kern *k, struct kref y, struct kref x, struct kref pos, struct kref cos,
                         struct kref sin, int rows, int heads, int head_dim, int rot_dim);
typedef rope_fwd_fn rope_bwd_fn;

#endif
