#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/rng.h"
#include "tests/check.h"

enum { PAD = 35 }; /* elements before and after: odd, so that rows start unaligned */

const struct check_shape check_shapes[CHECK_SHAPES] = {{1, 1},   {1, 7},  {3, 8},    {5, 15},
                                                       {7, 16},  {2, 17}, {11, 31},  {64, 33},
                                                       {5, 127}, {9, 64}, {3, 1031}, {32, 1024}};

/* ---- random numbers ------------------------------------------------------------------------------ */

static double uniform(struct check *t)
{
    uint32_t r[4];
    rng_philox(r, t->seed >> 32, 0x746573, t->seed);
    t->seed++;
    return (double)r[0] * 0x1p-32;
}

int check_rand(struct check *t, int n)
{
    return (int)(uniform(t) * n);
}

double check_normal(struct check *t)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform(t);
    return sum;
}

static double draw(struct check *t, enum check_kind kind)
{
    uint32_t r[4];
    rng_philox(r, t->seed >> 32, 0x64726177, t->seed);
    t->seed++;
    /* Three uniforms have nearly the normal shape, and one block gives four. */
    double x = ((double)r[0] + (double)r[1] + (double)r[2]) * 0x1p-31 - 3,
           u = (double)r[3] * 0x1p-32;
    switch (kind) {
    case CHECK_MIXED: return u < 0.125 ? 0 : x * pow(10, 4 * u - 3);
    case CHECK_ZERO: return 0;
    case CHECK_TINY: return x * 1e-20;
    case CHECK_HUGE: return x * 1e30;
    case CHECK_BIG: return x * 1e12;
    default: return x;
    }
}

/* ---- matrices ------------------------------------------------------------------------------------ */

static void object_add(struct check *t, kbuf *buf, struct kweight *weight)
{
    assert_true(t->objects < CHECK_OBJECTS);
    t->object[t->objects].buf = buf;
    t->object[t->objects++].weight = weight;
}

void check_free(struct check *t)
{
    for (int i = 0; i < t->objects; i++) {
        kbuf_free(&t->object[i].buf);
        kweight_free(&t->object[i].weight);
    }
    t->objects = 0;
}

static void *checked_malloc(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    if (!p)
        fail_msg("no memory for %zu bytes", bytes);
    return p;
}

static size_t count_of(const struct check_mat *m)
{
    return 2 * PAD + (size_t)m->rows * (size_t)m->ld;
}

/* NaN of F32, F16 and BF16; huge in F64; out of range as an index. */
static void canary(unsigned char *p, enum dtype dtype, size_t count)
{
    static const unsigned char bytes[4] = {0xa1, 0x7f, 0xa1, 0x7f};
    for (size_t i = 0; i < count * dtype_size(dtype); i++)
        p[i] = bytes[i % 4];
}

struct check_mat check_mat_of(struct check *t, const char *name, enum dtype dtype, int rows,
                              int cols, int ld)
{
    struct check_mat m = {name, dtype, rows, cols, ld, PAD, {NULL, NULL}};
    size_t count = count_of(&m);
    unsigned char *p = checked_malloc(count * dtype_size(dtype));
    canary(p, dtype, count);
    for (int i = 0; i < 2; i++) {
        struct fault f = {0};
        if (kbuf_new(&m.b[i], t->k[i], dtype, count, name, &f) != ST_OK)
            fail_msg("%s", f.text);
        object_add(t, m.b[i], NULL);
        kern_write(t->k[i], kref(m.b[i], 0, 0), p, count);
    }
    free(p);
    return m;
}

struct check_mat check_mat(struct check *t, const char *name, int rows, int cols)
{
    return check_mat_of(t, name, DT_F32, rows, cols, cols + t->slack);
}

static void put(void *p, enum dtype dtype, size_t i, double v)
{
    switch (dtype) {
    case DT_F64: ((double *)p)[i] = v; break;
    case DT_F16: ((uint16_t *)p)[i] = f32_to_f16((float)v); break;
    case DT_BF16: ((uint16_t *)p)[i] = f32_to_bf16((float)v); break;
    case DT_I32: ((int32_t *)p)[i] = (int32_t)v; break;
    default: ((float *)p)[i] = (float)v;
    }
}

static double value(const void *p, enum dtype dtype, size_t i)
{
    switch (dtype) {
    case DT_F64: return ((const double *)p)[i];
    case DT_F16: return (double)f16_to_f32(((const uint16_t *)p)[i]);
    case DT_BF16: return (double)bf16_to_f32(((const uint16_t *)p)[i]);
    case DT_I32: return ((const int32_t *)p)[i];
    default: return (double)((const float *)p)[i];
    }
}

void check_set(struct check *t, const struct check_mat *m, const double *values)
{
    unsigned char *row = checked_malloc((size_t)m->cols * dtype_size(m->dtype));
    for (int r = 0; r < m->rows; r++) {
        for (int c = 0; c < m->cols; c++)
            put(row, m->dtype, (size_t)c, values[(size_t)r * (size_t)m->cols + (size_t)c]);
        for (int i = 0; i < 2; i++)
            kern_write(t->k[i], kref_row(check_ref(m, i), r), row, (size_t)m->cols);
    }
    free(row);
}

void check_set_i32(struct check *t, const struct check_mat *m, const int32_t *values)
{
    size_t n = (size_t)m->rows * (size_t)m->cols;
    double *v = checked_malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = values[i];
    check_set(t, m, v);
    free(v);
}

void check_fill(struct check *t, const struct check_mat *m, enum check_kind kind)
{
    size_t n = (size_t)m->rows * (size_t)m->cols;
    double *v = checked_malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = draw(t, kind);
    check_set(t, m, v);
    free(v);
}

/* The whole buffer of device i, canaries and all. */
static unsigned char *read_all(struct check *t, const struct check_mat *m, int i)
{
    unsigned char *p = checked_malloc(count_of(m) * dtype_size(m->dtype));
    kern_read(t->k[i], p, kref(m->b[i], 0, 0), count_of(m));
    check_sync(t);
    return p;
}

double *check_get(struct check *t, const struct check_mat *m, int i)
{
    unsigned char *p = read_all(t, m, i);
    double *v = checked_malloc((size_t)m->rows * (size_t)m->cols * sizeof *v);
    for (int r = 0; r < m->rows; r++) {
        for (int c = 0; c < m->cols; c++)
            v[(size_t)r * (size_t)m->cols + (size_t)c] =
                value(p, m->dtype, m->at + (size_t)r * (size_t)m->ld + (size_t)c);
    }
    free(p);
    return v;
}

double check_max(struct check *t, const struct check_mat *m)
{
    double *v = check_get(t, m, 0), max = 0;
    for (size_t i = 0; i < (size_t)m->rows * (size_t)m->cols; i++)
        max = fabs(v[i]) > max ? fabs(v[i]) : max;
    free(v);
    return max;
}

/* ---- comparison ---------------------------------------------------------------------------------- */

static void check_canaries(struct check *t, const struct check_mat *m, int i)
{
    size_t size = dtype_size(m->dtype), count = count_of(m);
    unsigned char *got = read_all(t, m, i), *want = checked_malloc(count * size);
    canary(want, m->dtype, count);
    for (size_t at = 0; at < count; at++) {
        size_t e = at - m->at;
        bool inside = at >= m->at && e < (size_t)m->rows * (size_t)m->ld &&
                      e % (size_t)m->ld < (size_t)m->cols;
        if (!inside && memcmp(got + at * size, want + at * size, size) != 0)
            fail_msg("%s: wrote outside, at element %zd (ld %d, cols %d)", m->name,
                     (ptrdiff_t)(at - m->at), m->ld, m->cols);
    }
    free(got);
    free(want);
}

static bool near_enough(double got, double want, double bound, bool exact)
{
    if (isnan(want))
        return isnan(got);
    if (exact || isinf(want))
        return memcmp(&got, &want, sizeof got) == 0;
    return fabs(got - want) <= bound; /* false for a NaN */
}

void check_same(struct check *t, const struct check_mat *m, double tolerance, double floor)
{
    double *want = check_get(t, m, 0), *got = check_get(t, m, 1), max = floor;
    size_t n = (size_t)m->rows * (size_t)m->cols;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(want[i]) && fabs(want[i]) > max)
            max = fabs(want[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (!near_enough(got[i], want[i], tolerance * max, t->exact))
            fail_msg("%s [%d x %d]: [%zu,%zu] is %.9g, not %.9g (off by %.3g of %.3g)", m->name,
                     m->rows, m->cols, i / (size_t)m->cols, i % (size_t)m->cols, got[i], want[i],
                     fabs(got[i] - want[i]), tolerance * max);
    }
    free(want);
    free(got);
    check_canaries(t, m, 0);
    check_canaries(t, m, 1);
}

/* ---- weights ------------------------------------------------------------------------------------- */

struct source {
    const float *values;
    enum dtype dtype;
    int cols;
};

static enum status read_rows(void *ctx, int part, int row, int rows, void *dst, struct fault *f)
{
    const struct source *s = ctx;
    (void)f;
    size_t at = (size_t)(row + 3 * part) * (size_t)s->cols; /* parts before the last have 3 rows */
    for (size_t i = 0; i < (size_t)rows * (size_t)s->cols; i++)
        put(dst, s->dtype, i, (double)s->values[at + i]);
    return ST_OK;
}

struct check_weight check_weight(struct check *t, int rows, int cols, enum dtype dtype)
{
    size_t n = (size_t)rows * (size_t)cols;
    struct check_weight w = {.values = checked_malloc(n * sizeof(float))};
    struct source s = {w.values, dtype, cols};
    struct kweight_spec spec = {.rows = rows, .cols = cols, .dtype = dtype, .name = "W"};
    spec.read = read_rows;
    spec.ctx = &s;
    spec.parts = rows > 3 ? 2 : 1; /* joined, wherever there is something to join */
    spec.part_rows[0] = rows > 3 ? 3 : rows;
    spec.part_rows[1] = rows - 3;
    for (size_t i = 0; i < n; i++) {
        double rounded; /* room for any dtype */
        put(&rounded, dtype, 0, draw(t, CHECK_NORMAL) / sqrt(cols));
        w.values[i] = (float)value(&rounded, dtype, 0);
    }
    for (int i = 0; i < 2; i++) {
        struct fault f = {0};
        if (kweight_load(&w.w[i], t->k[i], &spec, &f) != ST_OK)
            fail_msg("%s", f.text);
        object_add(t, NULL, w.w[i]);
    }
    return w;
}

void check_weight_values_free(struct check_weight *w)
{
    free(w->values);
    w->values = NULL;
}

/* ---- gradients ----------------------------------------------------------------------------------- */

struct check_mat check_f64(struct check *t, const char *name, int rows, int cols)
{
    struct check_mat m = check_mat_of(t, name, DT_F64, rows, cols, cols + t->slack);
    check_fill(t, &m, CHECK_NORMAL);
    return m;
}

double check_dot(struct check *t, const struct check_mat *a, const struct check_mat *b)
{
    double *x = check_get(t, a, 0), *y = check_get(t, b, 0), sum = 0;
    for (size_t i = 0; i < (size_t)a->rows * (size_t)a->cols; i++)
        sum += x[i] * y[i];
    free(x);
    free(y);
    return sum;
}

static double loss_at(struct check *t, double (*loss)(struct check *, void *), void *ctx,
                      struct kref at, double x)
{
    kern_write(t->k[0], at, &x, 1);
    return loss(t, ctx);
}

/* Differences of step h err by h^2 and by 1e-16 / h: at 1e-5 both are near 1e-10. */
void check_gradient(struct check *t, double (*loss)(struct check *t, void *ctx), void *ctx,
                    const struct check_mat *x, const struct check_mat *grad)
{
    double *v = check_get(t, x, 0), *g = check_get(t, grad, 0), max = check_max(t, grad);
    for (int r = 0; r < x->rows; r++) {
        for (int c = 0; c < x->cols; c++) {
            size_t i = (size_t)r * (size_t)x->cols + (size_t)c;
            struct kref at = kref_col(kref_row(check_ref(x, 0), r), c);
            double h = 1e-5 * (1 + fabs(v[i]));
            double up = loss_at(t, loss, ctx, at, v[i] + h);
            double down = loss_at(t, loss, ctx, at, v[i] - h);
            double want = (up - down) / (2 * h);
            kern_write(t->k[0], at, &v[i], 1);
            if (!(fabs(g[i] - want) <= 1e-7 * (max + 1)))
                fail_msg("d%s[%d,%d] is %.12g, differences give %.12g", x->name, r, c, g[i], want);
        }
    }
    free(v);
    free(g);
}
