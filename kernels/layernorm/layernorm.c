#include <math.h>

#include "kernels/cpu.h"

void layernorm_fwd_ref(kern *k, struct kref y, struct kref mean, struct kref rstd, struct kref x,
                       struct kref w, struct kref b, int rows, int cols, float eps)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        double sum = 0, sumsq = 0;
        for (int c = 0; c < cols; c++)
            sum += cpu_get(x, cpu_at(x, r, c));
        double mu = sum / cols;
        for (int c = 0; c < cols; c++) {
            double d = cpu_get(x, cpu_at(x, r, c)) - mu;
            sumsq += d * d;
        }
        double scale = 1 / sqrt(sumsq / cols + (double)eps);
        for (int c = 0; c < cols; c++) {
            double n = (cpu_get(x, cpu_at(x, r, c)) - mu) * scale;
            cpu_set(y, cpu_at(y, r, c), n * cpu_get(w, (size_t)c) + cpu_get(b, (size_t)c));
        }
        if (rstd.buf) {
            cpu_set(mean, (size_t)r, mu);
            cpu_set(rstd, (size_t)r, scale);
        }
    }
}

void layernorm_bwd_ref(kern *k, struct kref dx, struct kref dy, struct kref x, struct kref mean,
                       struct kref rstd, struct kref w, int rows, int cols, enum kwrite mode)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        double mu = cpu_get(mean, (size_t)r), scale = cpu_get(rstd, (size_t)r);
        double sum = 0, dot = 0;
        for (int c = 0; c < cols; c++) {
            double n = (cpu_get(x, cpu_at(x, r, c)) - mu) * scale;
            double h = cpu_get(dy, cpu_at(dy, r, c)) * cpu_get(w, (size_t)c);
            sum += h;
            dot += h * n;
        }
        for (int c = 0; c < cols; c++) {
            double n = (cpu_get(x, cpu_at(x, r, c)) - mu) * scale;
            double h = cpu_get(dy, cpu_at(dy, r, c)) * cpu_get(w, (size_t)c);
            double old = mode == K_ADD ? cpu_get(dx, cpu_at(dx, r, c)) : 0;
            cpu_set(dx, cpu_at(dx, r, c), old + scale * (h - sum / cols - n * dot / cols));
        }
    }
}
