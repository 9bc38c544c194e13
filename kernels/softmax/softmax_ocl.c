#include "kernels/ocl.h"

static const char text[] = {
#include "kernels/softmax/softmax.cl.h"
};
const struct ocl_source ocl_source_softmax = {"kernels/softmax/softmax.cl", text, NULL, NULL};

void softmax_fwd_ocl(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    OCL_RUN(k, "softmax_fwd", ocl_rows(k, (size_t)rows, cols), BUF(y), BUF(x), ARG(rows),
            ARG(cols));
}

void softmax_bwd_ocl(kern *k, struct kref dx, struct kref dy, struct kref y, int rows, int cols)
{
    OCL_RUN(k, "softmax_bwd", ocl_rows(k, (size_t)rows, cols), BUF(dx), BUF(dy), BUF(y), ARG(rows),
            ARG(cols));
}
