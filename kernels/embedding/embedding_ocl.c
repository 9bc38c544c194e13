#include "kernels/ocl.h"

static const char text[] = {
#include "kernels/embedding/embedding.cl.h"
};
const struct ocl_source ocl_source_embedding = {"kernels/embedding/embedding.cl", text, NULL, NULL};

void embedding_fwd_ocl(kern *k, struct kref y, struct kref ids, const struct kweight *w, int rows,
                       float scale)
{
    int dtype = (int)w->dtype;
    OCL_RUN(k, "embedding_fwd", ocl_cells(k, (size_t)rows, w->cols), BUF(y), VEC(ids), WGT(w),
            ARG(dtype), ARG(rows), ARG(w->cols), ARG(scale));
}
