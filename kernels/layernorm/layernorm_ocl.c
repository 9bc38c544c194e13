#include "kernels/ocl.h"

static const char text[] = {
#include "kernels/layernorm/layernorm.cl.h"
};
const struct ocl_source ocl_source_layernorm = {"kernels/layernorm/layernorm.cl", text, NULL, NULL};

void layernorm_fwd_ocl(kern *k, struct kref y, struct kref mean, struct kref rstd, struct kref x,
                       struct kref w, struct kref b, int rows, int cols, float eps)
{
    OCL_RUN(k, "layernorm_fwd", ocl_rows(k, (size_t)rows, cols), BUF(y), VEC(mean), VEC(rstd),
            BUF(x), VEC(w), VEC(b), ARG(rows), ARG(cols), ARG(eps));
}

void layernorm_bwd_ocl(kern *k, struct kref dx, struct kref dy, struct kref x, struct kref mean,
                       struct kref rstd, struct kref w, int rows, int cols, enum kwrite mode)
{
    int add = mode == K_ADD;
    OCL_RUN(k, "layernorm_bwd", ocl_rows(k, (size_t)rows, cols), BUF(dx), BUF(dy), BUF(x),
            VEC(mean), VEC(rstd), VEC(w), ARG(rows), ARG(cols), ARG(add));
}
