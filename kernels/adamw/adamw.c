#include <math.h>

#include "kernels/cpu.h"

void sumsq_ref(kern *k, struct kref out, struct kref x, size_t n)
{
    double sum = 0;
    if (!kern_ok(k))
        return;
    for (size_t i = 0; i < n; i++)
        sum += cpu_get(x, i) * cpu_get(x, i);
    cpu_set(out, 0, sum);
}

void clip_coef_ref(kern *k, struct kref out, struct kref sumsq, struct kref loss, float max_norm)
{
    if (!kern_ok(k))
        return;
    double norm = sqrt(cpu_get(sumsq, 0)), coef = 1;
    bool ok = isfinite(norm) && isfinite(cpu_get(loss, 0));
    if (max_norm > 0)
        coef = fmin(1, (double)max_norm / (norm + 1e-6));
    cpu_set(out, 0, ok ? coef : 0);
    cpu_set(out, 1, norm);
    cpu_set(out, 2, ok ? 0 : 1);
}

void adamw_ref(kern *k, struct kref param, struct kref m, struct kref v, struct kref grad,
               struct kref coef, size_t n, const struct adamw_hyper *hyper)
{
    if (!kern_ok(k))
        return;
    double c = cpu_get(coef, 0), lr = (double)hyper->lr, eps = (double)hyper->eps;
    double beta1 = (double)hyper->beta1, beta2 = (double)hyper->beta2;
    double decay = 1 - lr * (double)hyper->weight_decay;
    double correct1 = 1 - pow(beta1, hyper->step), correct2 = sqrt(1 - pow(beta2, hyper->step));
    if (c == 0) /* a step with a non-finite gradient: nothing changes */
        return;
    for (size_t i = 0; i < n; i++) {
        double g = c * cpu_get(grad, i), m_old = cpu_get(m, i);
        double m_new = m_old + (g - m_old) * (1 - beta1);
        double v_new = cpu_get(v, i) * beta2 + g * g * (1 - beta2);
        double update = lr / correct1 * m_new / (sqrt(v_new) / correct2 + eps);
        cpu_set(m, i, m_new);
        cpu_set(v, i, v_new);
        cpu_set(param, i, cpu_get(param, i) * decay - update);
    }
}
