/* The op table of a device: one function pointer per line of ops.def, filled once at open (the
 * scalar reference first, then the fastest variant the device has). Calls read
 *
 *     k->op.rmsnorm_fwd(k, y, rstd, x, w, rows, 1, cols, 1e-5f, 0.0f);
 *
 * This is the header that users of ops include. */
#ifndef KERNELS_OPS_H
#define KERNELS_OPS_H

#include "kernels/adamw/adamw.h"
#include "kernels/attention/attention.h"
#include "kernels/blocks/blocks.h"
#include "kernels/cross_entropy/cross_entropy.h"
#include "kernels/embedding/embedding.h"
#include "kernels/gelu/gelu.h"
#include "kernels/glu/glu.h"
#include "kernels/layernorm/layernorm.h"
#include "kernels/lora_linear/lora_linear.h"
#include "kernels/rmsnorm/rmsnorm.h"
#include "kernels/rope/rope.h"
#include "kernels/softmax/softmax.h"
#include "kernels/vector/vector.h"

struct kern_ops {
#define OP(name) name##_fn *name;
#include "kernels/ops.def"
#undef OP
};

struct kern_state; /* the device's own; kernels/ alone looks inside */

struct kern {
    struct kern_ops op;
    struct kern_state *state;
};

#endif
