#include "kernels/ocl.h"

void attention_fwd_ocl(kern *k, struct kref o, struct kref lse, struct kref q, struct kref key,
                       struct kref v, struct kref start, const struct attention_dims *d)
{
    (void)o, (void)lse, (void)q, (void)key, (void)v, (void)start, (void)d;
    kern_stick(k, ST_UNSUPPORTED, "attention_fwd", "there is no kernel for it yet");
}

void attention_bwd_ocl(kern *k, struct kref dq, struct kref dk, struct kref dv, struct kref dout,
                       struct kref q, struct kref key, struct kref v, struct kref o,
                       struct kref lse, struct kref start, const struct attention_dims *d)
{
    (void)dq, (void)dk, (void)dv, (void)dout, (void)q, (void)key, (void)v, (void)o, (void)lse;
    (void)start, (void)d;
    kern_stick(k, ST_UNSUPPORTED, "attention_bwd", "there is no kernel for it yet");
}
