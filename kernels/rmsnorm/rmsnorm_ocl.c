#include "kernels/ocl.h"

static const char text[] = {
#include "kernels/rmsnorm/rmsnorm.cl.h"
};
const struct ocl_source ocl_source_rmsnorm = {"kernels/rmsnorm/rmsnorm.cl", text, NULL, NULL};

void rmsnorm_fwd_ocl(kern *k, struct kref y, struct kref rstd, struct kref x, struct kref w,
                     int rows, int groups, int cols, float eps, float w_add)
{
    int all = rows * groups;
    OCL_RUN(k, "rmsnorm_fwd", ocl_rows(k, (size_t)all, cols), BUF(y), VEC(rstd), BUF(x), VEC(w),
            ARG(all), ARG(groups), ARG(cols), ARG(eps), ARG(w_add));
}

void rmsnorm_bwd_ocl(kern *k, struct kref dx, struct kref dy, struct kref x, struct kref rstd,
                     struct kref w, int rows, int groups, int cols, float w_add, enum kwrite mode)
{
    int all = rows * groups, add = mode == K_ADD;
    OCL_RUN(k, "rmsnorm_bwd", ocl_rows(k, (size_t)all, cols), BUF(dx), BUF(dy), BUF(x), VEC(rstd),
            VEC(w), ARG(all), ARG(groups), ARG(cols), ARG(w_add), ARG(add));
}
