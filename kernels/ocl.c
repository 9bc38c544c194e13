#include "kernels/gemm/gemm_ocl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the op table ------------------------------------------------------------------------------- */

/* OpenCL 1.2 C for every row. */
static const struct kern_ops ops_portable = {
#define OP(name)    .name = name##_ocl,
#define BLOCK(name) .name = name##_default,
#include "kernels/ops.def"
#undef OP
};

/* Tiers, each over the ones before it. A tier that uses more than OpenCL 1.2 C (a vendor's matrix units)
 * is a sparse table, and a probe that builds and runs a small kernel of it: no device is told by its
 * name. */
static const struct tier {
    const char *name;
    const struct kern_ops *rows;
    bool (*probe)(kern *k); /* NULL: always there */
} tiers[] = {{"portable", &ops_portable, NULL}};

static void take_tiers(kern *k)
{
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
        const struct tier *t = &tiers[i];
        if (t->probe && !t->probe(k))
            continue;
        snprintf(k->state->info.tier, sizeof k->state->info.tier, "%s", t->name);
#define OP(row)       \
    if (t->rows->row) \
        k->op.row = t->rows->row;
#include "kernels/ops.def"
#undef OP
    }
}

/* ---- what this device is ------------------------------------------------------------------------ */

const struct ocl_device *ocl_device(const kern *k)
{
    return &ocl_own(k)->dev;
}

const struct ocl_counts *ocl_counts(const kern *k)
{
    return &ocl_own(k)->counts;
}

static void fill_info(struct kern_info *info, const struct ocl_device *d, int index)
{
    memset(info, 0, sizeof *info);
    snprintf(info->id, sizeof info->id, "opencl:%d", index);
    snprintf(info->name, sizeof info->name, "%s", d->name);
    snprintf(info->backend, sizeof info->backend, "opencl");
    snprintf(info->platform, sizeof info->platform, "%s", d->platform_name);
    snprintf(info->version, sizeof info->version, "%.60s, %.60s", d->version, d->driver);
    snprintf(info->tier, sizeof info->tier, "%s", d->usable ? "portable" : "not usable");
    snprintf(info->limits, sizeof info->limits,
             "buffers of %llu MiB, local memory of %llu KiB, work-groups of %zu, %d compute units",
             (unsigned long long)(d->buffer_max >> 20), (unsigned long long)(d->local_size >> 10),
             d->group_max, d->units);
    info->memory_bytes = d->memory;
    info->threads = d->units;
    info->precision = KERN_F32;
    info->activation = DT_F32;
}

enum status ocl_list(struct kern_info **out, size_t *count, struct fault *f)
{
    struct ocl_device *d = NULL;
    size_t n = 0;
    if (ocl_devices(&d, &n, f) != ST_OK)
        return f->code;
    struct kern_info *all = calloc(n, sizeof *all);
    for (size_t i = 0; all && i < n; i++)
        fill_info(&all[i], &d[i], (int)i);
    free(d);
    if (!all)
        return fault_nomem(f, "the list of devices", n * sizeof *all);
    *out = all;
    *count = n;
    return ST_OK;
}

/* GPUs before other accelerators before CPUs; then those with memory of their own, because compute
 * units of different makers do not compare: an integrated GPU may count more of them than a card
 * that is ten times as fast. */
static uint64_t rank_of(const struct ocl_device *d)
{
    uint64_t kind = d->type & CL_DEVICE_TYPE_GPU ? 2 : ocl_is_cpu(d) ? 0 : 1;
    return kind << 33 | (uint64_t)!d->unified << 32 | (uint64_t)d->units;
}

int ocl_best(const struct ocl_device *d, size_t n, bool cpus)
{
    int best = -1;
    for (size_t i = 0; i < n; i++) {
        if (!d[i].usable || (!cpus && ocl_is_cpu(&d[i])))
            continue;
        if (best < 0 || rank_of(&d[i]) > rank_of(&d[best]))
            best = (int)i;
    }
    return best;
}

static enum status choose(int *out, const struct ocl_device *d, size_t n, int index,
                          struct fault *f)
{
    int best = ocl_best(d, n, index != OCL_GPU);
    if (index >= 0 && (size_t)index >= n) {
        fault_set(f, ST_NODEVICE, "there is no device opencl:%d, only %zu of them", index, n);
        return fault_remedy(f, "wick devices lists them");
    }
    if (index >= 0 && !d[index].usable) {
        fault_set(f, ST_NODEVICE,
                  "opencl:%d (%s) cannot be used: it is not available, has no compiler "
                  "or no OpenCL 1.2",
                  index, d[index].name);
        return fault_remedy(f, "wick devices lists the devices");
    }
    if (index < 0 && best < 0) {
        fault_set(f, ST_NODEVICE, "no OpenCL device of this machine %s",
                  index == OCL_GPU ? "is a GPU that can be used" : "can be used");
        return fault_remedy(f, "wick devices lists the devices; --device cpu always works");
    }
    *out = index >= 0 ? index : best;
    return ST_OK;
}

/* ---- open and close ------------------------------------------------------------------------------ */

static void ocl_close(kern *k)
{
    struct ocl *o = ocl_own(k);
    if (!o)
        return;
    kbuf_free(&o->scratch);
    ocl_stage_close(k);
    ocl_program_close(k);
    for (int i = 0; i < OCL_MARKS; i++) {
        if (o->mark[i])
            clReleaseEvent(o->mark[i]);
    }
    if (o->queue) {
        clFinish(o->queue);
        clReleaseCommandQueue(o->queue);
    }
    if (o->context)
        clReleaseContext(o->context);
    free(o->cache_dir);
    free(o);
    k->state->own = NULL;
}

static const struct kern_device device = {
    .close = ocl_close,
    .buf_new = ocl_mem_new,
    .buf_free = ocl_mem_free,
    .write = ocl_mem_write,
    .read = ocl_mem_read,
    .finish = ocl_mem_finish,
    .mark = ocl_mem_mark,
    .wait = ocl_mem_wait,
    .weight_bytes = ocl_weight_bytes,
    .weight_load = ocl_weight_load,
    .weight_free = ocl_weight_free,
    .prepare = ocl_program_prepare,
    .scratch_bytes = ocl_program_scratch,
    .rival = gemm_rival,
};

/* What one wants to know before a device is taken: that it compiles and computes. */
static enum status self_check(kern *k, struct fault *f)
{
    const float sent[3] = {1.0f, -2.5f, 3e5f};
    struct ocl_counts *c = &ocl_own(k)->counts;
    float got[3] = {0};
    kbuf *b = NULL;
    if (ocl_program_prepare(k, &(struct kern_specs){0}, f) != ST_OK ||
        kbuf_new(&b, k, DT_F32, 3, "a self-check", f) != ST_OK)
        return f->code;
    kern_write(k, kref(b, 0, 3), sent, 3);
    k->op.scale(k, kref(b, 0, 3), kref(b, 0, 3), 1, 3, 4.0f);
    kern_read(k, got, kref(b, 0, 3), 3);
    enum status s = kern_sync(k, f);
    kbuf_free(&b);
    for (int i = 0; s == ST_OK && i < 3; i++) {
        if (got[i] == 4 * sent[i])
            continue;
        fault_set(f, ST_DEVICE, "%s (%s) computes wrongly", k->state->info.id, k->state->info.name);
        s = fault_remedy(f, "get another version of its driver, or use --device cpu");
    }
    /* Opening ends here, and what is counted is counted from then on. */
    *c = (struct ocl_counts){.built = c->built, .loaded = c->loaded};
    return s;
}

static enum status start(kern *k, int index, const struct kern_options *opt, struct fault *f)
{
    struct ocl *o = ocl_own(k);
    struct ocl_device *d = NULL;
    size_t n = 0;
    int at = 0;
    cl_int err;
    if (ocl_devices(&d, &n, f) != ST_OK)
        return f->code;
    enum status s = choose(&at, d, n, index, f);
    if (s == ST_OK)
        o->dev = d[at];
    free(d);
    if (s != ST_OK)
        return s;
    fill_info(&k->state->info, &o->dev, at);
    if (opt->precision == KERN_BF16) {
        fault_set(f, ST_UNSUPPORTED,
                  "%s (%s) computes in f32: this program has no bf16 kernels for it",
                  k->state->info.id, o->dev.name);
        return fault_remedy(f, "use --precision f32 (weights may still be bf16)");
    }
    if (opt->cache_dir && !(o->cache_dir = strdup(opt->cache_dir)))
        return fault_nomem(f, "the device", strlen(opt->cache_dir));
    const cl_context_properties p[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)o->dev.platform,
                                       0};
    o->context = clCreateContext(p, 1, &o->dev.id, NULL, NULL, &err);
    if (err == CL_SUCCESS)
        o->queue = clCreateCommandQueue(o->context, o->dev.id, 0, &err);
    if (err != CL_SUCCESS)
        return ocl_fault(f, k->state->info.id, err);
    take_tiers(k);
    return self_check(k, f);
}

enum status ocl_open(kern *k, int index, const struct kern_options *o, struct fault *f)
{
    k->state->own = calloc(1, sizeof(struct ocl));
    if (!k->state->own)
        return fault_nomem(f, "the device", sizeof(struct ocl));
    k->state->device = &device;
    if (start(k, index, o, f) == ST_OK)
        return ST_OK;
    ocl_close(k);
    memset(&k->state->info, 0, sizeof k->state->info);
    memset(&k->state->memory, 0, sizeof k->state->memory);
    k->state->stuck = ST_OK;
    return f->code;
}
