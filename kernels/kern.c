#include "kernels/device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- open, close, list -------------------------------------------------------------------------
 */

static enum status open_auto(kern *k, const struct kern_options *o, struct fault *f)
{
    struct fault why = {0};
    if (ocl_open(k, OCL_GPU, o, &why) == ST_OK)
        return ST_OK;
    if (cpu_open(k, "", o, f) != ST_OK)
        return f->code;
    snprintf(k->state->info.note, sizeof k->state->info.note, "no GPU: %.220s", why.text);
    return ST_OK;
}

static enum status open_named(kern *k, const char *device, const struct kern_options *o,
                              struct fault *f)
{
    int index, end = 0;
    if (strcmp(device, "auto") == 0)
        return open_auto(k, o, f);
    if (strcmp(device, "cpu") == 0 || strncmp(device, "cpu:", 4) == 0)
        return cpu_open(k, device + 3, o, f);
    if (strcmp(device, "opencl") == 0)
        return ocl_open(k, OCL_BEST, o, f);
    if (sscanf(device, "opencl:%4d%n", &index, &end) == 1 && device[end] == '\0' && index >= 0)
        return ocl_open(k, index, o, f);
    fault_set(f, ST_USAGE, "there is no device \"%s\"", device);
    return fault_remedy(f, "the names are auto, cpu, opencl and opencl:N; wick devices lists them");
}

enum status kern_open(kern **out, const char *device, const struct kern_options *o, struct fault *f)
{
    kern *k = calloc(1, sizeof *k);
    struct kern_state *s = calloc(1, sizeof *s);
    if (!k || !s) {
        fault_nomem(f, "the device", sizeof *k + sizeof *s);
        goto fail;
    }
    k->state = s;
    if (open_named(k, device, o, f) != ST_OK)
        goto fail;
    *out = k;
    return ST_OK;
fail:
    free(s);
    free(k);
    return f->code;
}

static void scratch_free(struct kern_scratch *s)
{
    kbuf_free(&s->mid);
    kbuf_free(&s->dmid);
    kbuf_free(&s->h);
}

void kern_close(kern **kp)
{
    kern *k = *kp;
    if (!k)
        return;
    scratch_free(&k->state->scratch);
    k->state->device->close(k);
    free(k->state);
    free(k);
    *kp = NULL;
}

const struct kern_info *kern_info(const kern *k)
{
    return &k->state->info;
}

enum status kern_list(struct kern_info **out, size_t *count, struct fault *f)
{
    struct kern_info *gpus = NULL;
    struct fault none = {0};
    size_t n = 0;
    if (ocl_list(&gpus, &n, &none) != ST_OK)
        n = 0;
    struct kern_info *all = calloc(n + 1, sizeof *all);
    if (!all) {
        free(gpus);
        return fault_nomem(f, "the list of devices", (n + 1) * sizeof *all);
    }
    if (cpu_list(&all[0], f) != ST_OK) {
        free(gpus);
        free(all);
        return f->code;
    }
    if (n > 0)
        memcpy(all + 1, gpus, n * sizeof *all);
    free(gpus);
    *out = all;
    *count = n + 1;
    return ST_OK;
}

struct kern_cache kern_cache_state(const char *dir)
{
    return ocl_cache_state(dir);
}

/* ---- failures and accounts ----------------------------------------------------------------------
 */

void kern_stick(kern *k, enum status code, const char *op, const char *fmt, ...)
{
    struct kern_state *s = k->state;
    char text[sizeof s->fault.text - 64];
    va_list ap;
    if (s->stuck != ST_OK)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    s->stuck = fault_set(&s->fault, code, "%s on %s: %s", op, s->info.id, text);
}

static enum status take_failure(kern *k, struct fault *f)
{
    enum status code = k->state->stuck;
    if (code != ST_OK)
        *f = k->state->fault;
    k->state->stuck = ST_OK;
    return code;
}

enum status kern_sync(kern *k, struct fault *f)
{
    k->state->device->finish(k);
    return take_failure(k, f);
}

uint64_t kern_mark(kern *k)
{
    return k->state->device->mark(k);
}

enum status kern_wait(kern *k, uint64_t mark, struct fault *f)
{
    k->state->device->wait(k, mark);
    return take_failure(k, f);
}

void kern_account(kern *k, int64_t bytes)
{
    struct kern_memory *m = &k->state->memory;
    m->now += (uint64_t)bytes;
    if (m->now > m->peak)
        m->peak = m->now;
}

struct kern_memory kern_memory(const kern *k)
{
    return k->state->memory;
}

/* ---- buffers ------------------------------------------------------------------------------------
 */

enum status kbuf_new(kbuf **out, kern *k, enum dtype dtype, size_t count, const char *what,
                     struct fault *f)
{
    size_t size = dtype_size(dtype);
    if (count == 0 || count > SIZE_MAX / 2 / size)
        return fault_set(f, ST_RANGE, "a buffer for %s cannot have %zu elements", what, count);
    kbuf *b = calloc(1, sizeof *b);
    if (!b)
        return fault_nomem(f, what, sizeof *b);
    *b = (kbuf){.k = k, .dtype = dtype, .count = count};
    if (k->state->device->buf_new(k, b, what, f) != ST_OK) {
        free(b);
        return f->code;
    }
    kern_account(k, (int64_t)(count * size));
    *out = b;
    return ST_OK;
}

void kbuf_free(kbuf **bp)
{
    kbuf *b = *bp;
    if (!b)
        return;
    b->k->state->device->buf_free(b->k, b);
    kern_account(b->k, -(int64_t)(b->count * dtype_size(b->dtype)));
    free(b);
    *bp = NULL;
}

enum dtype kbuf_dtype(const kbuf *b)
{
    return b->dtype;
}

size_t kbuf_count(const kbuf *b)
{
    return b->count;
}

static bool inside(kern *k, struct kref r, size_t count, const char *op)
{
    if (!kern_ok(k))
        return false;
    if (!r.buf || r.buf->k != k) {
        kern_stick(k, ST_RANGE, op, "the buffer is not one of this device");
        return false;
    }
    if (r.at > r.buf->count || count > r.buf->count - r.at) {
        kern_stick(k, ST_RANGE, op, "elements %zu to %zu of a buffer of %zu", r.at, r.at + count,
                   r.buf->count);
        return false;
    }
    return count > 0;
}

void kern_write(kern *k, struct kref dst, const void *src, size_t count)
{
    if (inside(k, dst, count, "kern_write"))
        k->state->device->write(k, dst, src, count);
}

void kern_read(kern *k, void *dst, struct kref src, size_t count)
{
    if (inside(k, src, count, "kern_read"))
        k->state->device->read(k, dst, src, count);
}

/* ---- frozen matrices ----------------------------------------------------------------------------
 */

size_t kweight_bytes(const kern *k, const struct kweight_spec *s)
{
    return k->state->device->weight_bytes(k, s);
}

static enum status spec_check(const struct kweight_spec *s, struct fault *f)
{
    bool parts_ok = s->parts >= 1 && s->parts <= KWEIGHT_PARTS;
    int64_t rows = 0;
    if (s->dtype != DT_F32 && s->dtype != DT_F16 && s->dtype != DT_BF16) {
        fault_set(f, ST_UNSUPPORTED, "%s: weights of type %s cannot be computed with", s->name,
                  dtype_name(s->dtype));
        return fault_remedy(f, "import the model with --dtype bf16 or --dtype f32");
    }
    for (int i = 0; parts_ok && i < s->parts; i++) {
        parts_ok = s->part_rows[i] >= 1;
        rows += s->part_rows[i];
    }
    if (!parts_ok || rows != s->rows || s->cols < 1)
        return fault_set(f, ST_RANGE, "%s: a matrix of %d x %d in %d parts makes no sense", s->name,
                         s->rows, s->cols, s->parts);
    return ST_OK;
}

enum status kweight_load(struct kweight **out, kern *k, const struct kweight_spec *s,
                         struct fault *f)
{
    struct kweight *w = NULL;
    if (spec_check(s, f) != ST_OK || k->state->device->weight_load(&w, k, s, f) != ST_OK)
        return f->code;
    w->k = k;
    w->rows = s->rows;
    w->cols = s->cols;
    w->dtype = s->dtype;
    w->bytes = kweight_bytes(k, s);
    kern_account(k, (int64_t)w->bytes);
    *out = w;
    return ST_OK;
}

void kweight_free(struct kweight **wp)
{
    struct kweight *w = *wp;
    if (!w)
        return;
    kern_account(w->k, -(int64_t)w->bytes);
    w->k->state->device->weight_free(w->k, w);
    *wp = NULL;
}

enum dtype kweight_dtype(const struct kweight *w)
{
    return w->dtype;
}

int kweight_rows(const struct kweight *w)
{
    return w->rows;
}

int kweight_cols(const struct kweight *w)
{
    return w->cols;
}

/* ---- prepare ------------------------------------------------------------------------------------
 */

static enum status grow(kbuf **b, kern *k, enum dtype dtype, size_t count, struct fault *f)
{
    kbuf *larger = NULL;
    if (count == 0 || (*b && (*b)->count >= count))
        return ST_OK;
    if (kbuf_new(&larger, k, dtype, count, "scratch", f) != ST_OK)
        return f->code;
    kbuf_free(b);
    *b = larger;
    return ST_OK;
}

/* What grow() would take. */
static size_t more(const kbuf *b, enum dtype dtype, size_t count)
{
    return b && b->count >= count ? 0 : count * dtype_size(dtype);
}

/* Elements of the blocks' scratch. */
static size_t mid_of(const struct kern_specs *s)
{
    return (size_t)s->rows * (size_t)(s->in_width > 0 ? s->in_width : s->width);
}

static size_t h_of(const struct kern_specs *s)
{
    return (size_t)s->rows * (size_t)s->rank;
}

uint64_t kern_prepare_bytes(const kern *k, const struct kern_specs *s)
{
    const struct kern_scratch *c = &k->state->scratch;
    enum dtype act = k->state->info.activation;
    return more(c->mid, act, mid_of(s)) + more(c->h, DT_F32, h_of(s)) +
           more(c->dmid, act, s->backward ? mid_of(s) : 0) + k->state->device->scratch_bytes(k, s);
}

enum status kern_prepare(kern *k, const struct kern_specs *s, struct fault *f)
{
    struct kern_scratch *c = &k->state->scratch;
    enum dtype act = k->state->info.activation;
    if (s->rows < 0 || s->width < 0 || s->rank < 0 || s->heads < 0 || s->kv_heads < 0 ||
        s->head_dim < 0 || s->keys < 0 || s->vocab < 0 || s->hidden < 0)
        return fault_set(f, ST_RANGE, "kern_prepare on %s: a size is negative", k->state->info.id);
    if (grow(&c->mid, k, act, mid_of(s), f) != ST_OK ||
        grow(&c->h, k, DT_F32, h_of(s), f) != ST_OK ||
        grow(&c->dmid, k, act, s->backward ? mid_of(s) : 0, f) != ST_OK)
        return f->code;
    return k->state->device->prepare(k, s, f);
}

struct kref kern_scratch_ref(kern *k, kbuf *b, int rows, int cols, const char *op)
{
    size_t count = (size_t)rows * (size_t)cols;
    if (!b || b->count < count) {
        kern_stick(k, ST_RANGE, op, "%d x %d is more than kern_prepare was told", rows, cols);
        return KREF_NONE;
    }
    return kref(b, 0, cols);
}
