#include "kernels/cpu.h"

void fill_ref(kern *k, struct kref x, size_t n, float value)
{
    if (!kern_ok(k))
        return;
    for (size_t i = 0; i < n; i++) {
        if (x.buf->dtype == DT_I32)
            cpu_i32(x)[i] = (int32_t)value;
        else
            cpu_set(x, i, (double)value);
    }
}

void copy_ref(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    size_t size = dtype_size(x.buf->dtype);
    for (int r = 0; r < rows; r++)
        memcpy((unsigned char *)y.buf->p + (y.at + cpu_at(y, r, 0)) * size,
               (const unsigned char *)x.buf->p + (x.at + cpu_at(x, r, 0)) * size,
               (size_t)cols * size);
}

void cast_ref(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++)
            cpu_set(y, cpu_at(y, r, c), cpu_get(x, cpu_at(x, r, c)));
    }
}

void scale_ref(kern *k, struct kref y, struct kref x, int rows, int cols, float a)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++)
            cpu_set(y, cpu_at(y, r, c), (double)a * cpu_get(x, cpu_at(x, r, c)));
    }
}

void add_ref(kern *k, struct kref y, struct kref a, struct kref b, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++)
            cpu_set(y, cpu_at(y, r, c), cpu_get(a, cpu_at(a, r, c)) + cpu_get(b, cpu_at(b, r, c)));
    }
}

void dropout_ref(kern *k, struct kref y, struct kref x, int rows, int cols,
                 const struct kdropout *drop, uint32_t id)
{
    if (!kern_ok(k))
        return;
    double keep = kdropout_on(drop) ? 1 / (1 - (double)drop->p) : 1;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++) {
            size_t element = (size_t)r * (size_t)cols + (size_t)c;
            bool dropped = kdropout_on(drop) && kdropout_drops(drop, id, element);
            cpu_set(y, cpu_at(y, r, c), dropped ? 0 : keep * cpu_get(x, cpu_at(x, r, c)));
        }
    }
}
