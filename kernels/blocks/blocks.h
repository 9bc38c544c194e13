/* Block rows: what model/ calls. Their default (blocks.c) is written with the elementary rows of the
 * same table and is their reference; a device overlays the blocks that it can fuse.
 *
 *   norm_linear:  N = norm(x);        y = lora_linear(N)
 *   act_linear:   M = act(gu);        y = lora_linear(M) [+ res]
 *
 * norm_linear_bwd:  dx += norm_bwd(dN),  grads += …      dx [rows, in] += (the residual stream's)
 *                   dx = KREF_NONE: only the adapters' gradients are wanted
 * act_linear_bwd:   dgu = act_bwd(dM),   grads += …      dgu [rows, 2*in or in] = may be gu
 *
 * What a block keeps for its backward is struct ksaved, whose buffers the caller makes:
 *   stat  [2*rows] f32   rstd, then mean (norm_linear)
 *   h     [rows, sum of ranks] f32, ld = the sum (KREF_NONE without adapters)
 *   mid   [rows, in]     N or M; KREF_NONE: recompute mode, backward makes it again
 * With all of it KREF_NONE the block only runs forward. */
#ifndef KERNELS_BLOCKS_H
#define KERNELS_BLOCKS_H

#include "kernels/kern.h"
#include "kernels/lora_linear/lora_linear.h"

enum knorm_kind { KNORM_RMS, KNORM_LAYER };

struct knorm {
    enum knorm_kind kind;
    struct kref w, b; /* [cols] f32; b for layer norm alone */
    float eps, w_add;
};

enum kact { KACT_SWIGLU, KACT_GEGLU, KACT_GELU };

struct ksaved {
    struct kref stat, h, mid;
};

typedef void norm_linear_fwd_fn(kern *k, struct kref y, const struct ksaved *saved, struct kref x,
                                struct kref params, const struct knorm *norm,
                                const struct klinear *lin, int rows, const struct kdropout *drop);
typedef void norm_linear_bwd_fn(kern *k, struct kref dx, struct kref grads, struct kref dy,
                                const struct ksaved *saved, struct kref x, struct kref params,
                                const struct knorm *norm, const struct klinear *lin, int rows,
                                const struct kdropout *drop);
typedef void act_linear_fwd_fn(kern *k, struct kref y, const struct ksaved *saved, struct kref gu,
                               struct kref res, struct kref params, enum kact act,
                               const struct klinear *lin, int rows, const struct kdropout *drop);
typedef void act_linear_bwd_fn(kern *k, struct kref dgu, struct kref grads, struct kref dy,
                               const struct ksaved *saved, struct kref gu, struct kref params,
                               enum kact act, const struct klinear *lin, int rows,
                               const struct kdropout *drop);

#endif
