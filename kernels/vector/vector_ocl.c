#include "kernels/ocl.h"

static const char text[] = {
#include "kernels/vector/vector.cl.h"
};
const struct ocl_source ocl_source_vector = {"kernels/vector/vector.cl", text, NULL, NULL};

_Static_assert(DT_F32 == 0 && DT_F16 == 1 && DT_BF16 == 2, "prelude.cl has the same numbers");

/* ANY(x) of vector.cl */
#define ANY(x) BUF(x), ARG(x.buf->dtype)

/* F32, F16 and BF16 are what the device program knows. */
static bool known(kern *k, struct kref m, const char *op)
{
    if (kern_ok(k) && m.buf->dtype != DT_F32 && m.buf->dtype != DT_F16 && m.buf->dtype != DT_BF16)
        kern_stick(k, ST_UNSUPPORTED, op, "elements of type %s", dtype_name(m.buf->dtype));
    return kern_ok(k);
}

void fill_ocl(kern *k, struct kref x, size_t n, float value)
{
    size_t size = x.buf->dtype == DT_F16 || x.buf->dtype == DT_BF16 ? 2 : 4;
    int32_t whole = (int32_t)value;
    uint16_t half = x.buf->dtype == DT_F16 ? f32_to_f16(value) : f32_to_bf16(value);
    const void *pattern = x.buf->dtype == DT_I32 ? (const void *)&whole : &value;
    if (x.buf->dtype != DT_I32 && !known(k, x, "fill"))
        return;
    if (size == 2)
        pattern = &half;
    if (kern_ok(k))
        ocl_stick(k, "fill",
                  clEnqueueFillBuffer(ocl_own(k)->queue, x.buf->p, pattern, size, x.at * size,
                                      n * size, 0, NULL, NULL));
}

void copy_ocl(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    int size = (int)dtype_size(x.buf->dtype);
    OCL_RUN(k, "copy", ocl_cells(k, (size_t)rows, cols), BUF(y), BUF(x), ARG(rows), ARG(cols),
            ARG(size));
}

void scale_ocl(kern *k, struct kref y, struct kref x, int rows, int cols, float a)
{
    if (known(k, y, "scale") && known(k, x, "scale"))
        OCL_RUN(k, "scale", ocl_cells(k, (size_t)rows, cols), ANY(y), ANY(x), ARG(rows), ARG(cols),
                ARG(a));
}

void cast_ocl(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    const float one = 1.0f;
    if (known(k, y, "cast") && known(k, x, "cast"))
        OCL_RUN(k, "scale", ocl_cells(k, (size_t)rows, cols), ANY(y), ANY(x), ARG(rows), ARG(cols),
                ARG(one));
}

void add_ocl(kern *k, struct kref y, struct kref a, struct kref b, int rows, int cols)
{
    if (known(k, y, "add") && known(k, a, "add") && known(k, b, "add"))
        OCL_RUN(k, "add", ocl_cells(k, (size_t)rows, cols), ANY(y), ANY(a), ANY(b), ARG(rows),
                ARG(cols));
}

void dropout_ocl(kern *k, struct kref y, struct kref x, int rows, int cols,
                 const struct kdropout *drop, uint32_t id)
{
    size_t quads = ((size_t)rows * (size_t)cols + 3) / 4;
    if (!kdropout_on(drop)) {
        cast_ocl(k, y, x, rows, cols);
        return;
    }
    float keep = (float)(1 / (1 - (double)drop->p));
    uint64_t stream = (uint64_t)drop->step << 32 | (uint64_t)drop->micro << 16 | id;
    if (known(k, y, "dropout") && known(k, x, "dropout"))
        OCL_RUN(k, "dropout", ocl_flat(k, quads, 1, 0), ANY(y), ANY(x), ARG(rows), ARG(cols),
                ARG(drop->p), ARG(keep), ARG(drop->seed), ARG(stream));
}
