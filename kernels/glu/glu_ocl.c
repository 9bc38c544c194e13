#include "kernels/ocl.h"

static const char text[] = {
#include "kernels/glu/glu.cl.h"
};
const struct ocl_source ocl_source_glu = {"kernels/glu/glu.cl", text, NULL, NULL};

static void forward(kern *k, const char *kernel, struct kref h, struct kref gu, int rows, int cols)
{
    OCL_RUN(k, kernel, ocl_cells(k, (size_t)rows, cols), BUF(h), BUF(gu), ARG(rows), ARG(cols));
}

static void backward(kern *k, const char *kernel, struct kref dgu, struct kref dh, struct kref gu,
                     int rows, int cols)
{
    OCL_RUN(k, kernel, ocl_cells(k, (size_t)rows, cols), BUF(dgu), BUF(dh), BUF(gu), ARG(rows),
            ARG(cols));
}

void swiglu_fwd_ocl(kern *k, struct kref h, struct kref gu, int rows, int cols)
{
    forward(k, "swiglu_fwd", h, gu, rows, cols);
}

void swiglu_bwd_ocl(kern *k, struct kref dgu, struct kref dh, struct kref gu, int rows, int cols)
{
    backward(k, "swiglu_bwd", dgu, dh, gu, rows, cols);
}

void geglu_fwd_ocl(kern *k, struct kref h, struct kref gu, int rows, int cols)
{
    forward(k, "geglu_fwd", h, gu, rows, cols);
}

void geglu_bwd_ocl(kern *k, struct kref dgu, struct kref dh, struct kref gu, int rows, int cols)
{
    backward(k, "geglu_bwd", dgu, dh, gu, rows, cols);
}
