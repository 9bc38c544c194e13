#include "kernels/ocl.h"

static const char text[] = {
#include "kernels/gelu/gelu.cl.h"
};
const struct ocl_source ocl_source_gelu = {"kernels/gelu/gelu.cl", text, NULL, NULL};

void gelu_fwd_ocl(kern *k, struct kref h, struct kref x, int rows, int cols)
{
    OCL_RUN(k, "gelu_fwd", ocl_cells(k, (size_t)rows, cols), BUF(h), BUF(x), ARG(rows), ARG(cols));
}

void gelu_bwd_ocl(kern *k, struct kref dx, struct kref dh, struct kref x, int rows, int cols)
{
    OCL_RUN(k, "gelu_bwd", ocl_cells(k, (size_t)rows, cols), BUF(dx), BUF(dh), BUF(x), ARG(rows),
            ARG(cols));
}
