#include "kernels/verify/verify.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/rng.h"
#include "kernels/verify/verify_impl.h"

static void keep(struct verify *v, kbuf *buf, struct kweight *weight)
{
    if (v->objects < VERIFY_OBJECTS) {
        v->object[v->objects].buf = buf;
        v->object[v->objects++].weight = weight;
    }
}

struct pair verify_zeros(struct verify *v, int rows, int cols)
{
    struct pair m = {{NULL, NULL}, rows, cols};
    for (int i = 0; i < 2 && v->status == ST_OK; i++) {
        v->status =
            kbuf_new(&m.b[i], v->k[i], DT_F32, (size_t)rows * (size_t)cols, "selftest", v->f);
        if (v->status == ST_OK)
            keep(v, m.b[i], NULL);
    }
    return m;
}

/* Seeded and roughly normal: the sum of four uniforms. */
static void random_values(float *x, size_t n, uint64_t seed, double deviation)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t w[4];
        rng_philox(w, seed, 0x73656C66, i);
        double u = (double)rng_uniform(w[0]) + (double)rng_uniform(w[1]) +
                   (double)rng_uniform(w[2]) + (double)rng_uniform(w[3]) - 2.0;
        x[i] = (float)(u * deviation * 1.7320508);
    }
}

struct pair verify_fill(struct verify *v, int rows, int cols, double deviation)
{
    size_t n = (size_t)rows * (size_t)cols;
    struct pair m = verify_zeros(v, rows, cols);
    float *x = v->status == ST_OK ? malloc(n * sizeof *x) : NULL;
    if (!x) {
        if (v->status == ST_OK)
            v->status = fault_nomem(v->f, "selftest", n * sizeof *x);
        return m;
    }
    random_values(x, n, v->seed++, deviation);
    for (int i = 0; i < 2; i++)
        kern_write(v->k[i], kref(m.b[i], 0, cols), x, n);
    free(x);
    return m;
}

struct pair verify_ints(struct verify *v, const int32_t *values, int n)
{
    struct pair m = {{NULL, NULL}, 1, n};
    for (int i = 0; i < 2 && v->status == ST_OK; i++) {
        v->status = kbuf_new(&m.b[i], v->k[i], DT_I32, (size_t)n, "selftest", v->f);
        if (v->status == ST_OK) {
            keep(v, m.b[i], NULL);
            kern_write(v->k[i], kref(m.b[i], 0, n), values, (size_t)n);
        }
    }
    return m;
}

struct random_rows {
    uint64_t seed;
    int cols;
    enum dtype dtype;
};

static enum status read_random(void *ctx, int part, int row, int rows, void *dst, struct fault *f)
{
    const struct random_rows *r = ctx;
    float x[4];
    (void)part;
    (void)f;
    for (size_t i = 0, n = (size_t)rows * (size_t)r->cols; i < n; i++) {
        size_t at = (size_t)row * (size_t)r->cols + i;
        random_values(x, 1, r->seed * 1000003 + at, 0.2);
        if (r->dtype == DT_F32)
            ((float *)dst)[i] = x[0];
        else
            ((uint16_t *)dst)[i] = r->dtype == DT_F16 ? f32_to_f16(x[0]) : f32_to_bf16(x[0]);
    }
    return ST_OK;
}

void verify_weight(struct verify *v, const struct kweight *w[2], int rows, int cols,
                   enum dtype dtype)
{
    struct random_rows r = {v->seed++, cols, dtype};
    struct kweight_spec s = {.rows = rows,
                             .cols = cols,
                             .dtype = dtype,
                             .parts = 1,
                             .part_rows = {rows},
                             .read = read_random,
                             .ctx = &r,
                             .name = "selftest"};
    for (int i = 0; i < 2; i++) {
        struct kweight *made = NULL;
        if (v->status == ST_OK)
            v->status = kweight_load(&made, v->k[i], &s, v->f);
        if (made)
            keep(v, NULL, made);
        w[i] = made;
    }
}

void verify_prepare(struct verify *v, const struct kern_specs *s)
{
    for (int i = 0; i < 2 && v->status == ST_OK; i++)
        v->status = kern_prepare(v->k[i], s, v->f);
}

bool verify_worse(double error, double worst)
{
    return !isnan(worst) && !(error <= worst);
}

static double relative_error(const float *ref, const float *got, size_t n)
{
    double most = 0, largest = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)got[i] - (double)ref[i]), r = fabs((double)ref[i]);
        if (verify_worse(d, most))
            most = d;
        largest = r > largest ? r : largest;
    }
    return largest > 0 ? most / largest : most;
}

void verify_same(struct verify *v, const char *op, const char *output, const struct pair *m)
{
    size_t n = (size_t)m->rows * (size_t)m->cols;
    float *x = v->status == ST_OK ? malloc(2 * n * sizeof *x) : NULL;
    if (!x) {
        if (v->status == ST_OK)
            v->status = fault_nomem(v->f, "selftest", 2 * n * sizeof *x);
        return;
    }
    for (int i = 0; i < 2 && v->status == ST_OK; i++) { /* no read is left under way to x */
        kern_read(v->k[i], x + (size_t)i * n, kref(m->b[i], 0, m->cols), n);
        v->status = kern_sync(v->k[i], v->f);
    }
    if (v->status == ST_OK) {
        struct verify_result r = {.op = op, .output = output, .error = relative_error(x, x + n, n)};
        for (size_t c = 0; c < sizeof r.shape; c++)
            r.shape[c] = v->shape[c];
        if (verify_worse(r.error, v->worst))
            v->worst = r.error;
        if (v->report)
            v->report(v->ctx, &r);
    }
    free(x);
}

void verify_done(struct verify *v)
{
    for (int i = 0; i < 2; i++) {
        struct fault late = {0};
        enum status s = kern_sync(v->k[i], &late);
        if (s != ST_OK && v->status == ST_OK) {
            v->status = s;
            *v->f = late;
        }
    }
    while (v->objects > 0) {
        v->objects--;
        kbuf_free(&v->object[v->objects].buf);
        kweight_free(&v->object[v->objects].weight);
    }
}

enum status kern_verify(kern *ref, kern *k, verify_report_fn *report, void *ctx, double *worst,
                        struct fault *f)
{
    struct verify v = {.k = {ref, k}, .report = report, .ctx = ctx, .seed = 1, .f = f};
    verify_light(&v);
    verify_heavy(&v);
    verify_done(&v);
    *worst = v.worst;
    return v.status;
}
