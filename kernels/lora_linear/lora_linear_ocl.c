#include "kernels/ocl.h"

void lora_linear_fwd_ocl(kern *k, struct kref y, struct kref h, struct kref x, struct kref res,
                         struct kref params, const struct klinear *lin, int rows,
                         const struct kdropout *drop)
{
    (void)y, (void)h, (void)x, (void)res, (void)params, (void)lin, (void)rows, (void)drop;
    kern_stick(k, ST_UNSUPPORTED, "lora_linear_fwd", "there is no kernel for it yet");
}

void lora_linear_bwd_ocl(kern *k, struct kref dx, struct kref grads, struct kref dy, struct kref x,
                         struct kref h, struct kref params, const struct klinear *lin, int rows,
                         const struct kdropout *drop, enum kwrite mode)
{
    (void)dx, (void)grads, (void)dy, (void)x, (void)h, (void)params, (void)lin, (void)rows;
    (void)drop, (void)mode;
    kern_stick(k, ST_UNSUPPORTED, "lora_linear_bwd", "there is no kernel for it yet");
}
