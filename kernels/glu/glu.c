#include "kernels/cpu.h"
#include "kernels/gelu/gelu_ref.h"

static double silu(double g)
{
    return g / (1 + exp(-g));
}

static double silu_grad(double g)
{
    double s = 1 / (1 + exp(-g));
    return s == 0 ? 0 : s * (1 + g * (1 - s));
}

static void forward(struct kref h, struct kref gu, int rows, int cols, double (*act)(double))
{
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++) {
            double g = cpu_get(gu, cpu_at(gu, r, c)), u = cpu_get(gu, cpu_at(gu, r, cols + c));
            cpu_set(h, cpu_at(h, r, c), act(g) * u);
        }
    }
}

static void backward(struct kref dgu, struct kref dh, struct kref gu, int rows, int cols,
                     double (*act)(double), double (*grad)(double))
{
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++) {
            double g = cpu_get(gu, cpu_at(gu, r, c)), u = cpu_get(gu, cpu_at(gu, r, cols + c));
            double d = cpu_get(dh, cpu_at(dh, r, c));
            cpu_set(dgu, cpu_at(dgu, r, c), d * u * grad(g));
            cpu_set(dgu, cpu_at(dgu, r, cols + c), d * act(g));
        }
    }
}

void swiglu_fwd_ref(kern *k, struct kref h, struct kref gu, int rows, int cols)
{
    if (kern_ok(k))
        forward(h, gu, rows, cols, silu);
}

void swiglu_bwd_ref(kern *k, struct kref dgu, struct kref dh, struct kref gu, int rows, int cols)
{
    if (kern_ok(k))
        backward(dgu, dh, gu, rows, cols, silu, silu_grad);
}

void geglu_fwd_ref(kern *k, struct kref h, struct kref gu, int rows, int cols)
{
    if (kern_ok(k))
        forward(h, gu, rows, cols, gelu_ref);
}

void geglu_bwd_ref(kern *k, struct kref dgu, struct kref dh, struct kref gu, int rows, int cols)
{
    if (kern_ok(k))
        backward(dgu, dh, gu, rows, cols, gelu_ref, gelu_grad_ref);
}
