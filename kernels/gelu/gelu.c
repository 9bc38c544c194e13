#include "kernels/cpu.h"
#include "kernels/gelu/gelu_ref.h"

void gelu_fwd_ref(kern *k, struct kref h, struct kref x, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++)
            cpu_set(h, cpu_at(h, r, c), gelu_ref(cpu_get(x, cpu_at(x, r, c))));
    }
}

void gelu_bwd_ref(kern *k, struct kref dx, struct kref dh, struct kref x, int rows, int cols)
{
    if (!kern_ok(k))
        return;
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++) {
            double grad = gelu_grad_ref(cpu_get(x, cpu_at(x, r, c)));
            cpu_set(dx, cpu_at(dx, r, c), cpu_get(dh, cpu_at(dh, r, c)) * grad);
        }
    }
}
