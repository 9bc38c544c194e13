#include "kernels/bench/bench_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCHES = 11, CALLS_MAX = 400 };
static const double batch_seconds = 4e-3, case_seconds = 4.0;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- what a case needs --------------------------------------------------------------------------- */

static void keep(struct bench *b, kbuf *buf, struct kweight *weight)
{
    b->object[b->objects].buf = buf;
    b->object[b->objects++].weight = weight;
}

static bool room(struct bench *b)
{
    if (b->status == ST_OK && b->objects == BENCH_OBJECTS)
        b->status = fault_set(b->f, ST_RANGE, "a benchmark has too many buffers");
    return b->status == ST_OK;
}

void bench_prepare(struct bench *b, const struct kern_specs *s)
{
    if (b->status == ST_OK)
        b->status = kern_prepare(b->k, s, b->f);
}

/* Uniform in [-1, 1). */
static float draw(struct bench *b)
{
    b->seed = b->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (float)(int32_t)(b->seed >> 32) * 0x1p-31f;
}

struct kref bench_mat(struct bench *b, int rows, int cols)
{
    enum { PIECE = 1 << 16 };
    size_t n = (size_t)rows * (size_t)cols;
    kbuf *buf = NULL;
    float *piece = room(b) ? malloc(PIECE * sizeof *piece) : NULL;
    if (!piece) {
        if (b->status == ST_OK)
            b->status = fault_nomem(b->f, "a benchmark", PIECE * sizeof *piece);
        return KREF_NONE;
    }
    b->status = kbuf_new(&buf, b->k, DT_F32, n, "a benchmark", b->f);
    for (size_t at = 0; b->status == ST_OK && at < n; at += PIECE) {
        size_t count = n - at < PIECE ? n - at : PIECE;
        for (size_t i = 0; i < count; i++)
            piece[i] = draw(b);
        kern_write(b->k, kref(buf, at, 1), piece, count);
    }
    free(piece);
    if (b->status != ST_OK)
        return KREF_NONE;
    keep(b, buf, NULL);
    return kref(buf, 0, cols);
}

struct kref bench_ints(struct bench *b, const int32_t *values, int n)
{
    kbuf *buf = NULL;
    if (!room(b))
        return KREF_NONE;
    b->status = kbuf_new(&buf, b->k, DT_I32, (size_t)n, "a benchmark", b->f);
    if (b->status != ST_OK)
        return KREF_NONE;
    kern_write(b->k, kref(buf, 0, 1), values, (size_t)n);
    keep(b, buf, NULL);
    return kref(buf, 0, n);
}

struct reader {
    struct bench *b;
    int cols;
};

/* Values so small that sums of thousands stay of size 1. */
static enum status read_rows(void *ctx, int part, int row, int rows, void *dst, struct fault *f)
{
    const struct reader *r = ctx;
    struct bench *b = r->b;
    size_t n = (size_t)rows * (size_t)r->cols;
    (void)part, (void)row, (void)f;
    for (size_t i = 0; i < n; i++) {
        float x = 0.03f * draw(b);
        if (b->o->dtype == DT_F32)
            ((float *)dst)[i] = x;
        else
            ((uint16_t *)dst)[i] = b->o->dtype == DT_F16 ? f32_to_f16(x) : f32_to_bf16(x);
    }
    return ST_OK;
}

const struct kweight *bench_weight(struct bench *b, int rows, int cols)
{
    struct kweight *w = NULL;
    struct reader reader = {b, cols};
    struct kweight_spec s = {.rows = rows, .cols = cols, .dtype = b->o->dtype, .parts = 1};
    s.part_rows[0] = rows;
    s.read = read_rows;
    s.ctx = &reader;
    s.name = "a benchmark's matrix";
    if (!room(b))
        return NULL;
    b->status = kweight_load(&w, b->k, &s, b->f);
    if (b->status != ST_OK)
        return NULL;
    keep(b, NULL, w);
    return w;
}

void bench_done(struct bench *b)
{
    struct fault ignored = {0};
    kern_sync(b->k, b->status == ST_OK ? b->f : &ignored);
    for (int i = 0; i < b->objects; i++) {
        kbuf_free(&b->object[i].buf);
        kweight_free(&b->object[i].weight);
    }
    b->objects = 0;
}

/* ---- time ---------------------------------------------------------------------------------------- */

/* Seconds of one call in a batch of `calls`. */
static double batch(struct bench *b, bench_call *call, const void *args, int calls)
{
    double began = now();
    for (int i = 0; i < calls; i++)
        call(b, args);
    if (b->status == ST_OK)
        b->status = kern_sync(b->k, b->f);
    return (now() - began) / calls;
}

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, c = *(const double *)y;
    return a < c ? -1 : a > c;
}

static struct kern_bench_time summary(double *t, int n)
{
    qsort(t, (size_t)n, sizeof *t, by_value);
    return (struct kern_bench_time){t[n / 2], t[0], t[n - 1]};
}

/* Calls of a batch, by a first one that also warms up. */
static int calls_for(struct bench *b, bench_call *call, const void *args, double *seconds)
{
    batch(b, call, args, 1);
    *seconds = batch(b, call, args, 1);
    double n = batch_seconds / (*seconds > 1e-7 ? *seconds : 1e-7);
    return n < 1 ? 1 : n > CALLS_MAX ? CALLS_MAX : (int)n;
}

void bench_run(struct bench *b, const struct bench_case *c)
{
    struct kern_bench_result r = {.op = c->op, .bytes = c->bytes, .flops = c->flops};
    double own[BATCHES], other[BATCHES], each = 0, rival_each = 0;
    int calls = 1, rival_calls = 1, n = BATCHES;
    memcpy(r.shape, c->shape, sizeof r.shape);
    if (b->status == ST_OK)
        calls = calls_for(b, c->call, c->args, &each);
    if (b->status == ST_OK && c->rival_call)
        rival_calls = calls_for(b, c->rival_call, c->args, &rival_each);
    if ((each * calls + rival_each * rival_calls) * n > case_seconds)
        n = 3;
    for (int i = 0; i < n && b->status == ST_OK; i++) {
        own[i] = batch(b, c->call, c->args, calls);
        if (c->rival_call)
            other[i] = batch(b, c->rival_call, c->args, rival_calls);
    }
    if (b->status != ST_OK)
        return;
    r.time = summary(own, n);
    if (c->rival_call) {
        r.rival = c->rival;
        r.rival_time = summary(other, n);
    }
    b->report(b->ctx, &r);
}

bool bench_wanted(struct bench *b, const char *op, const char *shape, double flops)
{
    struct kern_bench_result r = {.op = op, .flops = flops, .skipped = true};
    double most = b->o->seconds_max > 0 ? b->o->seconds_max : 1.0;
    if (b->status != ST_OK || (b->o->only && !strstr(op, b->o->only)))
        return false;
    if (b->rate == 0 || flops / b->rate <= most)
        return true;
    snprintf(r.shape, sizeof r.shape, "%s", shape);
    b->report(b->ctx, &r);
    return false;
}

/* ---- all of it ----------------------------------------------------------------------------------- */

struct probe {
    struct kref y, x;
    struct klinear lin;
};

static void probe_call(struct bench *b, const void *args)
{
    const struct probe *p = args;
    b->k->op.lora_linear_fwd(b->k, p->y, KREF_NONE, p->x, KREF_NONE, KREF_NONE, &p->lin, 128, NULL);
}

/* A small product tells how long the large ones would take. */
static void probe_rate(struct bench *b)
{
    enum { ROWS = 128, WIDTH = 512 };
    struct probe p = {.lin = {.in = WIDTH, .out = WIDTH}};
    double seconds = 0;
    bench_prepare(b, &(struct kern_specs){.rows = ROWS, .width = WIDTH});
    p.x = bench_mat(b, ROWS, WIDTH);
    p.y = bench_mat(b, ROWS, WIDTH);
    p.lin.w = bench_weight(b, WIDTH, WIDTH);
    if (b->status == ST_OK)
        calls_for(b, probe_call, &p, &seconds);
    if (b->status == ST_OK)
        b->rate = 2.0 * ROWS * WIDTH * WIDTH / (seconds > 1e-7 ? seconds : 1e-7);
    bench_done(b);
}

enum status kern_bench(kern *k, const struct kern_bench_options *o, kern_bench_report *report,
                       void *ctx, struct fault *f)
{
    struct bench b = {.k = k, .o = o, .report = report, .ctx = ctx, .f = f, .seed = 1};
    probe_rate(&b);
    bench_lora(&b);
    bench_rowwise(&b);
    bench_attention(&b);
    bench_cross_entropy(&b);
    bench_gemm(&b);
    return b.status;
}
