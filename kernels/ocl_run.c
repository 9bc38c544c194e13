/* Launching kernels: work sizes, arguments, scratch. */
#include "kernels/ocl.h"

/* ---- work sizes ---------------------------------------------------------------------------------- */

int ocl_group(const kern *k)
{
    const struct ocl_device *d = ocl_device(k);
    size_t most = ocl_is_cpu(d) ? 16 : 256;
    int group = 1;
    while ((size_t)group * 2 <= most && (size_t)group * 2 <= d->group_max)
        group *= 2;
    return group;
}

/* About four columns a lane. */
static size_t lanes_for(const kern *k, int cols)
{
    size_t lanes = 1, most = (size_t)ocl_group(k);
    while (lanes < most && lanes * 4 < (size_t)cols)
        lanes *= 2;
    return lanes;
}

struct ocl_range ocl_rows(const kern *k, size_t rows, int cols)
{
    size_t lanes = lanes_for(k, cols), high = (size_t)ocl_group(k) / lanes;
    return (struct ocl_range){{(rows + high - 1) / high, 1, 1}, {lanes, high, 1}};
}

struct ocl_range ocl_cells(const kern *k, size_t rows, int cols)
{
    struct ocl_range r = ocl_rows(k, rows, cols);
    size_t each = r.local[0] * 4;
    if (!ocl_is_cpu(ocl_device(k)))
        r.groups[1] = ((size_t)cols + each - 1) / each;
    if (r.groups[1] > UINT16_MAX) /* as many as every driver takes */
        r.groups[1] = UINT16_MAX;
    return r;
}

struct ocl_range ocl_flat(const kern *k, size_t n, int each, size_t most)
{
    size_t local = (size_t)ocl_group(k), step = local * (size_t)each;
    size_t groups = n / step + (n % step != 0);
    if (groups > INT32_MAX / local)
        groups = INT32_MAX / local;
    if (most > 0 && groups > most)
        groups = most;
    return (struct ocl_range){{groups, 1, 1}, {local, 1, 1}};
}

/* ---- arguments ----------------------------------------------------------------------------------- */

/* Sets the arguments that one struct ocl_arg stands for, from number *n on. */
static cl_int set_arg(cl_kernel kernel, cl_uint *n, const struct ocl_arg *a)
{
    cl_mem mem = a->ref.buf ? a->ref.buf->p : NULL;
    cl_long at = (cl_long)a->ref.at;
    cl_int ld = a->ref.ld, err;
    switch (a->kind) {
    case OCL_VALUE: return clSetKernelArg(kernel, (*n)++, a->size, a->value);
    case OCL_WEIGHT:
        mem = ocl_weight(a->weight)->mem;
        ld = ocl_weight(a->weight)->ld;
        break;
    default: break;
    }
    err = clSetKernelArg(kernel, (*n)++, sizeof mem, &mem);
    if (err == CL_SUCCESS && a->kind != OCL_WEIGHT)
        err = clSetKernelArg(kernel, (*n)++, sizeof at, &at);
    if (err == CL_SUCCESS && a->kind != OCL_VECTOR)
        err = clSetKernelArg(kernel, (*n)++, sizeof ld, &ld);
    return err;
}

void ocl_run(kern *k, const char *name, struct ocl_range range, const struct ocl_arg *arg,
             size_t args)
{
    struct ocl *o = ocl_own(k);
    size_t global[3];
    cl_uint n = 0;
    if (!kern_ok(k))
        return;
    cl_kernel kernel = ocl_program_kernel(k, name);
    if (!kernel) {
        kern_stick(k, ST_RANGE, name, "kern_prepare has not built it");
        return;
    }
    for (size_t i = 0; i < args; i++) {
        cl_int err = set_arg(kernel, &n, &arg[i]);
        if (err != CL_SUCCESS) {
            kern_stick(k, ST_DEVICE, name, "argument %u: OpenCL error %d, %s", n, (int)err,
                       ocl_error(err));
            return;
        }
    }
    for (int i = 0; i < 3; i++)
        global[i] = range.groups[i] * range.local[i];
    ocl_stick(
        k, name,
        clEnqueueNDRangeKernel(o->queue, kernel, 3, NULL, global, range.local, 0, NULL, NULL));
    /* Some drivers start only when told to; telling costs little now and then. */
    if (++o->counts.launches % OCL_FLUSH == 0)
        clFlush(o->queue);
}

/* ---- scratch ------------------------------------------------------------------------------------- */

size_t ocl_scratch_mark(kern *k)
{
    return ocl_own(k)->scratch_used;
}

struct kref ocl_scratch(kern *k, size_t rows, int cols, const char *op)
{
    struct ocl *o = ocl_own(k);
    size_t all = o->scratch ? o->scratch->count : 0, left = all - o->scratch_used;
    size_t want = rows * (size_t)cols;
    size_t padded = (want + OCL_SCRATCH_ALIGN - 1) / OCL_SCRATCH_ALIGN * OCL_SCRATCH_ALIGN;
    if (padded > left) {
        kern_stick(k, ST_RANGE, op, "%zu floats of scratch are wanted, %zu of %zu are free", want,
                   left, all);
        return KREF_NONE;
    }
    struct kref r = kref(o->scratch, o->scratch_used, cols);
    o->scratch_used += padded;
    return r;
}

void ocl_scratch_release(kern *k, size_t mark)
{
    ocl_own(k)->scratch_used = mark;
}
