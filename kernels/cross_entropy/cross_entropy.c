#include <math.h>

#include "kernels/cpu.h"

struct args {
    struct kref nll, dx, x, index, labels;
    const struct kweight *w;
    const struct cross_entropy_dims *d;
    double *losses; /* [n] */
};

/* The worker's scratch: logits [vocab], the gradient of x's row [cols], a row of W [cols]. */
struct rows {
    double *z, *dx;
    float *w;
};

static struct rows rows_of(kern *k, const struct cross_entropy_dims *d, int worker)
{
    struct rows s = {.z = cpu_worker_scratch(k, worker)};
    s.dx = s.z + d->vocab;
    s.w = (float *)(s.dx + d->cols);
    return s;
}

/* Fills z with the logits of X's row; gives log sum exp z. */
static double logits(const struct args *a, struct rows s, int row)
{
    const struct cross_entropy_dims *d = a->d;
    double max = -INFINITY, sum = 0, cap = (double)d->softcap;
    for (int v = 0; v < d->vocab; v++) {
        double z = 0;
        cpu_weight_row(a->w, v, s.w);
        for (int c = 0; c < d->cols; c++)
            z += cpu_get(a->x, cpu_at(a->x, row, c)) * (double)s.w[c];
        s.z[v] = cap > 0 ? cap * tanh(z / cap) : z;
        max = fmax(max, s.z[v]);
    }
    for (int v = 0; v < d->vocab; v++)
        sum += exp(s.z[v] - max);
    return max + log(sum);
}

static void gradient(const struct args *a, struct rows s, int row, int label, double lse)
{
    const struct cross_entropy_dims *d = a->d;
    double cap = (double)d->softcap;
    memset(s.dx, 0, (size_t)d->cols * sizeof *s.dx);
    for (int v = 0; v < d->vocab; v++) {
        double dz = (double)d->grad_scale * (exp(s.z[v] - lse) - (v == label ? 1 : 0));
        if (cap > 0)
            dz *= 1 - s.z[v] / cap * (s.z[v] / cap);
        cpu_weight_row(a->w, v, s.w);
        for (int c = 0; c < d->cols; c++)
            s.dx[c] += dz * (double)s.w[c];
    }
    for (int c = 0; c < d->cols; c++)
        cpu_set(a->dx, cpu_at(a->dx, row, c), s.dx[c]);
}

static void tile(kern *k, void *args, int i, int worker)
{
    const struct args *a = args;
    struct rows s = rows_of(k, a->d, worker);
    int row = cpu_i32(a->index)[i], label = cpu_i32(a->labels)[i];
    double lse = logits(a, s, row);
    a->losses[i] = lse - s.z[label];
    if (a->nll.buf)
        cpu_set(a->nll, (size_t)i, a->losses[i]);
    if (a->dx.buf)
        gradient(a, s, row, label, lse);
}

static void zero(struct kref dx, int rows, int cols)
{
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < cols; c++)
            cpu_set(dx, cpu_at(dx, r, c), 0);
    }
}

void linear_cross_entropy_ref(kern *k, struct kref loss, struct kref nll, struct kref dx,
                              struct kref x, struct kref index, struct kref labels,
                              const struct kweight *w, const struct cross_entropy_dims *d)
{
    struct args a = {.nll = nll, .dx = dx, .x = x, .index = index, .labels = labels};
    size_t row_bytes = (size_t)d->vocab * 8 + (size_t)d->cols * 12;
    if (!kern_ok(k))
        return;
    if (row_bytes > CPU_WORKER_BYTES) {
        kern_stick(k, ST_RANGE, "linear_cross_entropy", "%d logits are too many", d->vocab);
        return;
    }
    size_t mark = cpu_scratch_mark(k);
    a.w = w;
    a.d = d;
    a.losses = cpu_scratch(k, (size_t)d->n * sizeof *a.losses, "linear_cross_entropy");
    if (a.losses) {
        double sum = 0;
        if (dx.buf)
            zero(dx, d->rows, d->cols);
        cpu_run(k, tile, &a, d->n);
        for (int i = 0; i < d->n; i++)
            sum += a.losses[i];
        cpu_set(loss, 0, cpu_get(loss, 0) + sum);
    }
    cpu_scratch_release(k, mark);
}
