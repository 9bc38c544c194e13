#include <math.h>

#include "kernels/ocl.h"

enum { PARTS = 1024 }; /* groups of the first stage of sumsq, at most */

static const char text[] = {
#include "kernels/adamw/adamw.cl.h"
};

static size_t scratch(const kern *k, const struct kern_specs *s)
{
    (void)k, (void)s;
    return PARTS;
}

const struct ocl_source ocl_source_adamw = {"kernels/adamw/adamw.cl", text, NULL, scratch};

void sumsq_ocl(kern *k, struct kref out, struct kref x, size_t n)
{
    size_t mark = ocl_scratch_mark(k);
    struct kref partial = ocl_scratch(k, 1, PARTS, "sumsq");
    struct ocl_range range = ocl_flat(k, n, 16, PARTS), one = ocl_flat(k, 1, 1, 1);
    int64_t count = (int64_t)n;
    int parts = (int)range.groups[0];
    if (!partial.buf)
        return;
    OCL_RUN(k, "sumsq_part", range, VEC(partial), VEC(x), ARG(count));
    OCL_RUN(k, "sumsq_all", one, VEC(out), VEC(partial), ARG(parts));
    ocl_scratch_release(k, mark);
}

void clip_coef_ocl(kern *k, struct kref out, struct kref sumsq, struct kref loss, float max_norm)
{
    OCL_RUN(k, "clip_coef", ocl_flat(k, 1, 1, 1), VEC(out), VEC(sumsq), VEC(loss), ARG(max_norm));
}

void adamw_ocl(kern *k, struct kref param, struct kref m, struct kref v, struct kref grad,
               struct kref coef, size_t n, const struct adamw_hyper *hyper)
{
    double lr = (double)hyper->lr, beta1 = (double)hyper->beta1, beta2 = (double)hyper->beta2;
    float decay = (float)(lr * (double)hyper->weight_decay), rate1 = (float)(1 - beta1);
    float rate2 = (float)(1 - beta2), step_size = (float)(lr / (1 - pow(beta1, hyper->step)));
    float root = (float)sqrt(1 - pow(beta2, hyper->step));
    int64_t count = (int64_t)n;
    OCL_RUN(k, "adamw", ocl_flat(k, n, 4, 0), VEC(param), VEC(m), VEC(v), VEC(grad), VEC(coef),
            ARG(count), ARG(decay), ARG(rate1), ARG(hyper->beta2), ARG(rate2), ARG(step_size),
            ARG(root), ARG(hyper->eps));
}
