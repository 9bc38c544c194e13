#include <math.h>

#include "kernels/cpu.h"

void softmax_fwd_ref(kern *k, struct kref y, struct kref x, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        double max = -INFINITY, sum = 0;
        for (int c = 0; c < cols; c++)
            max = fmax(max, cpu_get(x, cpu_at(x, r, c)));
        for (int c = 0; c < cols; c++)
            sum += exp(cpu_get(x, cpu_at(x, r, c)) - max);
        for (int c = 0; c < cols; c++)
            cpu_set(y, cpu_at(y, r, c), exp(cpu_get(x, cpu_at(x, r, c)) - max) / sum);
    }
}

void softmax_bwd_ref(kern *k, struct kref dx, struct kref dy, struct kref y, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        double dot = 0;
        for (int c = 0; c < cols; c++)
            dot += cpu_get(dy, cpu_at(dy, r, c)) * cpu_get(y, cpu_at(y, r, c));
        for (int c = 0; c < cols; c++) {
            double d = cpu_get(dy, cpu_at(dy, r, c)) - dot;
            cpu_set(dx, cpu_at(dx, r, c), cpu_get(y, cpu_at(y, r, c)) * d);
        }
    }
}
