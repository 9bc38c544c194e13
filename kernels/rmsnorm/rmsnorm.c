#include <math.h>

#include "kernels/cpu.h"

void rmsnorm_fwd_ref(kern *k, struct kref y, struct kref rstd, struct kref x, struct kref w,
                     int rows, int groups, int cols, float eps, float w_add)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        for (int g = 0; g < groups; g++) {
            double sum = 0;
            for (int c = 0; c < cols; c++) {
                double v = cpu_get(x, cpu_at(x, r, g * cols + c));
                sum += v * v;
            }
            double scale = 1 / sqrt(sum / cols + (double)eps);
            for (int c = 0; c < cols; c++) {
                double v = cpu_get(x, cpu_at(x, r, g * cols + c));
                double weight = (double)w_add + cpu_get(w, (size_t)c);
                cpu_set(y, cpu_at(y, r, g * cols + c), v * scale * weight);
            }
            if (rstd.buf)
                cpu_set(rstd, (size_t)r * (size_t)groups + (size_t)g, scale);
        }
    }
}

void rmsnorm_bwd_ref(kern *k, struct kref dx, struct kref dy, struct kref x, struct kref rstd,
                     struct kref w, int rows, int groups, int cols, float w_add, enum kwrite mode)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        for (int g = 0; g < groups; g++) {
            double scale = cpu_get(rstd, (size_t)r * (size_t)groups + (size_t)g), dot = 0;
            for (int c = 0; c < cols; c++) {
                double n = cpu_get(x, cpu_at(x, r, g * cols + c)) * scale;
                double weight = (double)w_add + cpu_get(w, (size_t)c);
                dot += cpu_get(dy, cpu_at(dy, r, g * cols + c)) * weight * n;
            }
            for (int c = 0; c < cols; c++) {
                size_t at = cpu_at(dx, r, g * cols + c);
                double n = cpu_get(x, cpu_at(x, r, g * cols + c)) * scale;
                double weight = (double)w_add + cpu_get(w, (size_t)c);
                double h = cpu_get(dy, cpu_at(dy, r, g * cols + c)) * weight;
                double old = mode == K_ADD ? cpu_get(dx, at) : 0;
                cpu_set(dx, at, old + scale * (h - n * dot / cols));
            }
        }
    }
}
