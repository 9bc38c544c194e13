#include "kernels/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu_probe.h"
#include "kernels/pool.h"

enum { ALIGN = 64, THREADS_MAX = 1024 };

struct cpu {
    enum cpu_isa isa;
    bool ref;
    struct pool *pool;
    const struct cpu_blas *blas;
    unsigned char *worker_scratch; /* [workers][CPU_WORKER_BYTES] */
    unsigned char *scratch;        /* a stack: [0, used) is taken */
    size_t scratch_size, scratch_used;
    uint64_t marks;
};

static struct cpu *own(const kern *k)
{
    return k->state->own;
}

/* ---- memory -----------------------------------------------------------------------------------
 */

/* Zeroed and aligned. calloc takes large blocks straight from the system, so pages that are never
 * touched cost nothing; the block's own start stands before the aligned one. */
static void *aligned_new(size_t bytes)
{
    if (bytes > SIZE_MAX - 2 * ALIGN)
        return NULL;
    unsigned char *raw = calloc(1, bytes + ALIGN + sizeof raw);
    if (!raw)
        return NULL;
    uintptr_t at = ((uintptr_t)raw + sizeof raw + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
    memcpy((void *)(at - sizeof raw), &raw, sizeof raw);
    return (void *)at;
}

static void aligned_free(void *p)
{
    if (!p)
        return;
    unsigned char *raw;
    memcpy(&raw, (unsigned char *)p - sizeof raw, sizeof raw);
    free(raw);
}

static size_t round_up(size_t bytes)
{
    return (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* ---- buffers ----------------------------------------------------------------------------------
 */

static enum status buf_new(kern *k, kbuf *b, const char *what, struct fault *f)
{
    size_t bytes = b->count * dtype_size(b->dtype);
    (void)k;
    b->p = aligned_new(bytes);
    return b->p ? ST_OK : fault_nomem(f, what, bytes);
}

static void buf_free(kern *k, kbuf *b)
{
    (void)k;
    aligned_free(b->p);
}

static void *place(struct kref r)
{
    return (unsigned char *)r.buf->p + r.at * dtype_size(r.buf->dtype);
}

static void buf_write(kern *k, struct kref dst, const void *src, size_t count)
{
    (void)k;
    memcpy(place(dst), src, count * dtype_size(dst.buf->dtype));
}

static void buf_read(kern *k, void *dst, struct kref src, size_t count)
{
    (void)k;
    memcpy(dst, place(src), count * dtype_size(src.buf->dtype));
}

/* ---- the queue: there is none ------------------------------------------------------------------
 */

static void finish(kern *k)
{
    (void)k;
}

static uint64_t mark(kern *k)
{
    return ++own(k)->marks;
}

static void wait_mark(kern *k, uint64_t at)
{
    (void)k, (void)at;
}

/* ---- frozen matrices ---------------------------------------------------------------------------
 */

static size_t weight_bytes(const kern *k, const struct kweight_spec *s)
{
    (void)k;
    return (size_t)s->rows * (size_t)s->cols * dtype_size(s->dtype);
}

static void weight_free(kern *k, struct kweight *w)
{
    (void)k;
    aligned_free(w->p);
    free(w);
}

static enum status weight_load(struct kweight **out, kern *k, const struct kweight_spec *s,
                               struct fault *f)
{
    size_t bytes = weight_bytes(k, s), row_bytes = (size_t)s->cols * dtype_size(s->dtype);
    struct kweight *w = calloc(1, sizeof *w);
    if (!w || !(w->p = aligned_new(bytes))) {
        free(w);
        return fault_nomem(f, s->name, bytes);
    }
    unsigned char *dst = w->p;
    for (int part = 0; part < s->parts; part++) {
        if (s->read(s->ctx, part, 0, s->part_rows[part], dst, f) != ST_OK) {
            weight_free(k, w);
            return f->code;
        }
        dst += (size_t)s->part_rows[part] * row_bytes;
    }
    *out = w;
    return ST_OK;
}

void cpu_weight_row(const struct kweight *w, int row, float *dst)
{
    size_t n = (size_t)w->cols, at = (size_t)row * n;
    const uint16_t *half = (const uint16_t *)w->p + at;
    switch (w->dtype) {
    case DT_F16:
        for (size_t i = 0; i < n; i++)
            dst[i] = f16_to_f32(half[i]);
        break;
    case DT_BF16:
        for (size_t i = 0; i < n; i++)
            dst[i] = bf16_to_f32(half[i]);
        break;
    default: memcpy(dst, (const float *)w->p + at, n * sizeof *dst);
    }
}

/* ---- tiles and scratch -------------------------------------------------------------------------
 */

struct tile_job {
    kern *k;
    cpu_tile_fn *fn;
    void *args;
};

static void run_tile(void *ctx, int tile, int worker)
{
    struct tile_job *j = ctx;
    j->fn(j->k, j->args, tile, worker);
}

void cpu_run(kern *k, cpu_tile_fn *fn, void *args, int tiles)
{
    struct tile_job job = {k, fn, args};
    pool_run(own(k)->pool, run_tile, &job, tiles);
}

int cpu_workers(const kern *k)
{
    return pool_workers(own(k)->pool);
}

void *cpu_worker_scratch(kern *k, int worker)
{
    return own(k)->worker_scratch + (size_t)worker * CPU_WORKER_BYTES;
}

size_t cpu_scratch_mark(kern *k)
{
    return own(k)->scratch_used;
}

void *cpu_scratch(kern *k, size_t bytes, const char *op)
{
    struct cpu *c = own(k);
    if (bytes > c->scratch_size || round_up(bytes) > c->scratch_size - c->scratch_used) {
        kern_stick(k, ST_RANGE, op, "%zu bytes of scratch are wanted, %zu of %zu are free", bytes,
                   c->scratch_size - c->scratch_used, c->scratch_size);
        return NULL;
    }
    void *p = c->scratch + c->scratch_used;
    c->scratch_used += round_up(bytes);
    return p;
}

void cpu_scratch_release(kern *k, size_t at)
{
    own(k)->scratch_used = at;
}

static size_t scratch_bytes(const kern *k, const struct kern_specs *s)
{
    size_t bytes = round_up(cpu_scratch_need(s)), have = own(k)->scratch_size;
    return bytes > have ? bytes - have : 0;
}

static enum status prepare(kern *k, const struct kern_specs *s, struct fault *f)
{
    struct cpu *c = own(k);
    size_t bytes = round_up(cpu_scratch_need(s));
    if (bytes <= c->scratch_size)
        return ST_OK;
    unsigned char *p = aligned_new(bytes);
    if (!p)
        return fault_nomem(f, "scratch", bytes);
    aligned_free(c->scratch);
    kern_account(k, (int64_t)bytes - (int64_t)c->scratch_size);
    c->scratch = p;
    c->scratch_size = bytes;
    return ST_OK;
}

/* ---- open and close ----------------------------------------------------------------------------
 */

static void cpu_close(kern *k)
{
    struct cpu *c = own(k);
    if (!c)
        return;
    pool_close(&c->pool);
    aligned_free(c->worker_scratch);
    aligned_free(c->scratch);
    free(c);
    k->state->own = NULL;
}

static const struct kern_device device = {
    .close = cpu_close,
    .buf_new = buf_new,
    .buf_free = buf_free,
    .write = buf_write,
    .read = buf_read,
    .finish = finish,
    .mark = mark,
    .wait = wait_mark,
    .weight_bytes = weight_bytes,
    .weight_load = weight_load,
    .weight_free = weight_free,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .rival = blas_rival,
};

const struct cpu_blas *cpu_blas(const kern *k)
{
    return own(k)->blas;
}

/* What ":avx2" and the like ask for. */
static enum status choose(struct cpu *c, const char *which, struct fault *f)
{
    c->isa = cpu_isa_best();
    if (*which == '\0') {
        c->blas = cpu_blas_leads() ? blas_load() : NULL;
        return ST_OK;
    }
    if (strcmp(which, ":blas") == 0) {
        c->isa = CPU_BASE;
        c->blas = blas_load();
        if (c->blas)
            return ST_OK;
        fault_set(f, ST_NODEVICE, "there is no OpenBLAS here that threads may share");
        return fault_remedy(f, "use --device cpu: its own kernels need no library");
    }
    c->ref = strcmp(which, ":ref") == 0;
    if (c->ref)
        return ST_OK;
    for (int i = CPU_BASE; i <= CPU_AVX512; i++) {
        if (strcmp(which + 1, cpu_isa_name((enum cpu_isa)i)) != 0)
            continue;
        if (i > (int)c->isa) {
            fault_set(f, ST_NODEVICE, "this processor has no %s", which + 1);
            return fault_remedy(f, "use --device cpu: it takes the best that the processor has");
        }
        c->isa = (enum cpu_isa)i;
        return ST_OK;
    }
    fault_set(f, ST_USAGE, "there is no device \"cpu%s\"", which);
    return fault_remedy(f, "wick devices lists the devices");
}

static void describe(struct kern_info *info, const struct cpu *c)
{
    snprintf(info->id, sizeof info->id, "cpu");
    snprintf(info->backend, sizeof info->backend, "cpu");
    cpu_probe_name(info->name, sizeof info->name);
    info->memory_bytes = cpu_probe_memory();
    info->precision = KERN_F32;
    info->activation = DT_F32;
    if (c->ref)
        snprintf(info->tier, sizeof info->tier, "scalar reference");
    else if (c->blas)
        snprintf(info->tier, sizeof info->tier, "%s + OpenBLAS %s", cpu_isa_name(c->isa),
                 c->blas->core);
    else
        snprintf(info->tier, sizeof info->tier, "%s", cpu_isa_name(c->isa));
    if (c->blas)
        snprintf(info->version, sizeof info->version, "%s, core %s, one thread a tile",
                 c->blas->version, c->blas->core);
}

static enum status start(kern *k, struct cpu *c, const char *which, const struct kern_options *o,
                         struct fault *f)
{
    int threads = o->threads > 0 ? o->threads : cpu_probe_threads();
    if (choose(c, which, f) != ST_OK)
        return f->code;
    if (pool_open(&c->pool, threads < THREADS_MAX ? threads : THREADS_MAX, f) != ST_OK)
        return f->code;
    size_t bytes = (size_t)pool_workers(c->pool) * CPU_WORKER_BYTES;
    c->worker_scratch = aligned_new(bytes);
    if (!c->worker_scratch)
        return fault_nomem(f, "the workers' scratch", bytes);
    kern_account(k, (int64_t)bytes);
    describe(&k->state->info, c);
    k->state->info.threads = pool_workers(c->pool);
    cpu_table_fill(&k->op, c->ref, c->isa, c->blas != NULL);
    return ST_OK;
}

enum status cpu_open(kern *k, const char *which, const struct kern_options *o, struct fault *f)
{
    struct cpu *c = calloc(1, sizeof *c);
    if (!c)
        return fault_nomem(f, "the device", sizeof *c);
    k->state->device = &device;
    k->state->own = c;
    if (start(k, c, which, o, f) != ST_OK) {
        cpu_close(k);
        return f->code;
    }
    /* The reference computes with any dtype of activations; nothing else does yet. */
    if (o->precision == KERN_BF16 && c->ref) {
        k->state->info.precision = KERN_BF16;
        k->state->info.activation = DT_BF16;
    } else if (o->precision == KERN_BF16) {
        cpu_close(k);
        fault_set(f, ST_UNSUPPORTED, "the CPU device computes in f32: it has no bf16 activations");
        return fault_remedy(f, "use --precision f32 (weights may still be bf16)");
    }
    return ST_OK;
}

enum status cpu_list(struct kern_info *out, struct fault *f)
{
    const struct cpu_blas *blas = blas_load();
    struct cpu c = {.isa = cpu_isa_best(), .blas = cpu_blas_leads() ? blas : NULL};
    (void)f;
    memset(out, 0, sizeof *out);
    describe(out, &c);
    if (blas && !c.blas)
        snprintf(out->version, sizeof out->version, "%s, core %s (for AVX without AVX2)",
                 blas->version, blas->core);
    out->threads = cpu_probe_threads();
    return ST_OK;
}
