#include <math.h>

#include "kernels/cpu.h"

struct args {
    struct kref o, lse, q, key, v, start, dq, dk, dv, dout;
    const struct attention_dims *d;
};

/* The keys [first, last] that query row i sees. */
static int first_key(const struct args *a, int i)
{
    int first = cpu_i32(a->start)[i], t = a->d->q_offset + i;
    return a->d->window > 0 && t - a->d->window + 1 > first ? t - a->d->window + 1 : first;
}

static int last_key(const struct args *a, int i)
{
    return a->d->q_offset + i;
}

static int kv_head(const struct args *a, int h)
{
    return h / (a->d->heads / a->d->kv_heads);
}

/* a[i, h-th head] . b[j, g-th head] */
static double dot(struct kref a, int i, int h, struct kref b, int j, int g, int head_dim)
{
    size_t at = cpu_at(a, i, h * head_dim), bt = cpu_at(b, j, g * head_dim);
    double sum = 0;
    for (int d = 0; d < head_dim; d++)
        sum += cpu_get(a, at + (size_t)d) * cpu_get(b, bt + (size_t)d);
    return sum;
}

/* The score s[i,j] after the soft cap, of head h. */
static double score(const struct args *a, int i, int h, int j)
{
    const struct attention_dims *d = a->d;
    double s = (double)d->scale * dot(a->q, i, h, a->key, j, kv_head(a, h), d->head_dim);
    double cap = (double)d->softcap;
    return cap > 0 ? cap * tanh(s / cap) : s;
}

static void fwd_head(const struct args *a, int i, int h, double *s)
{
    int first = first_key(a, i), last = last_key(a, i), head_dim = a->d->head_dim;
    double max = -INFINITY, sum = 0;
    for (int j = first; j <= last; j++) {
        s[j - first] = score(a, i, h, j);
        max = fmax(max, s[j - first]);
    }
    for (int j = first; j <= last; j++)
        sum += exp(s[j - first] - max);
    for (int c = 0; c < head_dim; c++) {
        double o = 0;
        for (int j = first; j <= last; j++)
            o += exp(s[j - first] - max) / sum *
                 cpu_get(a->v, cpu_at(a->v, j, kv_head(a, h) * head_dim + c));
        cpu_set(a->o, cpu_at(a->o, i, h * head_dim + c), o);
    }
    if (a->lse.buf)
        cpu_set(a->lse, cpu_at(a->lse, i, h), max + log(sum));
}

static void fwd_tile(kern *k, void *args, int i, int worker)
{
    const struct args *a = args;
    for (int h = 0; h < a->d->heads; h++)
        fwd_head(a, i, h, cpu_worker_scratch(k, worker));
}

void attention_fwd_ref(kern *k, struct kref o, struct kref lse, struct kref q, struct kref key,
                       struct kref v, struct kref start, const struct attention_dims *d)
{
    struct args a = {.o = o, .lse = lse, .q = q, .key = key, .v = v, .start = start, .d = d};
    if (!kern_ok(k))
        return;
    if ((size_t)d->k_rows * sizeof(double) > CPU_WORKER_BYTES) {
        kern_stick(k, ST_RANGE, "attention_fwd", "%d key rows are too many", d->k_rows);
        return;
    }
    cpu_run(k, fwd_tile, &a, d->q_rows);
}

/* ---- backward ---------------------------------------------------------------------------------- */

/* p[i,j] of head h, and ds[i,j] before the scale. */
static void prob_and_grad(const struct args *a, int i, int h, int j, double *p, double *ds)
{
    int head_dim = a->d->head_dim;
    double s = score(a, i, h, j), cap = (double)a->d->softcap;
    double dp = dot(a->dout, i, h, a->v, j, kv_head(a, h), head_dim);
    *p = exp(s - cpu_get(a->lse, cpu_at(a->lse, i, h)));
    *ds = *p * (dp - dot(a->dout, i, h, a->o, i, h, head_dim));
    if (cap > 0)
        *ds *= 1 - s / cap * (s / cap);
}

/* sum[c] += weight * m[row, c-th element of the head] */
static void accumulate(double *sum, double weight, struct kref m, int row, int head, int head_dim)
{
    for (int c = 0; c < head_dim; c++)
        sum[c] += weight * cpu_get(m, cpu_at(m, row, head * head_dim + c));
}

static void store(struct kref m, int row, int head, int head_dim, const double *sum, double scale)
{
    for (int c = 0; c < head_dim; c++)
        cpu_set(m, cpu_at(m, row, head * head_dim + c), scale * sum[c]);
}

static void dq_tile(kern *k, void *args, int i, int worker)
{
    const struct args *a = args;
    int head_dim = a->d->head_dim;
    double *sum = cpu_worker_scratch(k, worker), p, ds;
    for (int h = 0; h < a->d->heads; h++) {
        memset(sum, 0, (size_t)head_dim * sizeof *sum);
        for (int j = first_key(a, i); j <= last_key(a, i); j++) {
            prob_and_grad(a, i, h, j, &p, &ds);
            accumulate(sum, ds, a->key, j, kv_head(a, h), head_dim);
        }
        store(a->dq, i, h, head_dim, sum, (double)a->d->scale);
    }
}

static void dkv_tile(kern *k, void *args, int j, int worker)
{
    const struct args *a = args;
    int head_dim = a->d->head_dim, group = a->d->heads / a->d->kv_heads;
    double *dk = cpu_worker_scratch(k, worker), *dv = dk + head_dim, p, ds;
    for (int g = 0; g < a->d->kv_heads; g++) {
        memset(dk, 0, 2 * (size_t)head_dim * sizeof *dk);
        for (int i = 0; i < a->d->q_rows; i++) {
            if (j < first_key(a, i) || j > last_key(a, i))
                continue;
            for (int h = g * group; h < (g + 1) * group; h++) {
                prob_and_grad(a, i, h, j, &p, &ds);
                accumulate(dk, ds, a->q, i, h, head_dim);
                accumulate(dv, p, a->dout, i, h, head_dim);
            }
        }
        store(a->dk, j, g, head_dim, dk, (double)a->d->scale);
        store(a->dv, j, g, head_dim, dv, 1);
    }
}

void attention_bwd_ref(kern *k, struct kref dq, struct kref dk, struct kref dv, struct kref dout,
                       struct kref q, struct kref key, struct kref v, struct kref o,
                       struct kref lse, struct kref start, const struct attention_dims *d)
{
    struct args a = {.o = o, .lse = lse, .q = q, .key = key, .v = v, .start = start, .d = d};
    if (!kern_ok(k))
        return;
    if (2 * (size_t)d->head_dim * sizeof(double) > CPU_WORKER_BYTES) {
        kern_stick(k, ST_RANGE, "attention_bwd", "heads of %d are too wide", d->head_dim);
        return;
    }
    a.dq = dq;
    a.dk = dk;
    a.dv = dv;
    a.dout = dout;
    cpu_run(k, dq_tile, &a, d->q_rows);
    cpu_run(k, dkv_tile, &a, d->k_rows);
}
