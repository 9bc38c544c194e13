/* Frozen matrices on an OpenCL device: row-major in their own dtype, zero-padded. */
#include "kernels/ocl.h"

#include <stdlib.h>

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static size_t ld_of(const struct kweight_spec *s)
{
    return round_up((size_t)s->cols, OCL_PAD_COLS);
}

size_t ocl_weight_bytes(const kern *k, const struct kweight_spec *s)
{
    size_t rows = round_up((size_t)s->rows, OCL_PAD_ROWS);
    (void)k;
    return (rows * ld_of(s) + OCL_PAD_ROWS) * dtype_size(s->dtype);
}

void ocl_weight_free(kern *k, struct kweight *head)
{
    struct ocl_weight *w = (struct ocl_weight *)(void *)head;
    (void)k;
    clReleaseMemObject(w->mem);
    free(w);
}

/* Where the next rows of the matrix go. */
struct upload {
    kern *k;
    const struct kweight_spec *spec;
    struct ocl_weight *w;
    size_t row;
};

/* Rows [row, row + rows) of a part, through a piece of pinned memory. */
static enum status send_rows(struct upload *u, int part, int row, int rows, struct fault *f)
{
    const struct kweight_spec *s = u->spec;
    size_t size = dtype_size(s->dtype), row_bytes = (size_t)s->cols * size;
    size_t pitch = (size_t)u->w->ld * size;
    void *host = ocl_stage_take(u->k, (size_t)rows * row_bytes, s->name);
    if (host && s->read(s->ctx, part, row, rows, host, f) != ST_OK)
        return f->code;
    if (host)
        ocl_stage_send(u->k, u->w->mem, u->row * pitch, (size_t)rows, row_bytes, pitch, s->name);
    if (!kern_ok(u->k))
        return kern_sync(u->k, f);
    u->row += (size_t)rows;
    ocl_own(u->k)->counts.upload_bytes += (size_t)rows * row_bytes;
    return ST_OK;
}

static enum status send_all(struct upload *u, struct fault *f)
{
    const struct kweight_spec *s = u->spec;
    size_t row_bytes = (size_t)s->cols * dtype_size(s->dtype);
    int most = row_bytes > OCL_STAGE_PIECE ? 0 : (int)(OCL_STAGE_PIECE / row_bytes);
    if (most == 0)
        return fault_set(f, ST_RANGE, "%s: rows of %zu bytes are too long", s->name, row_bytes);
    for (int part = 0; part < s->parts; part++) {
        for (int row = 0; row < s->part_rows[part]; row += most) {
            int left = s->part_rows[part] - row;
            if (send_rows(u, part, row, left < most ? left : most, f) != ST_OK)
                return f->code;
        }
    }
    return ST_OK;
}

enum status ocl_weight_load(struct kweight **out, kern *k, const struct kweight_spec *s,
                            struct fault *f)
{
    struct upload u = {.k = k, .spec = s};
    struct ocl_weight *w = calloc(1, sizeof *w);
    size_t rows = round_up((size_t)s->rows, OCL_PAD_ROWS);
    if (!w)
        return fault_nomem(f, s->name, sizeof *w);
    if (!kern_ok(k)) { /* an earlier failure: sending would do nothing, silently */
        kern_sync(k, f);
        goto fail;
    }
    if (ld_of(s) > INT32_MAX || rows > SIZE_MAX / 8 / ld_of(s)) {
        fault_set(f, ST_RANGE, "%s: %d x %d is too large", s->name, s->rows, s->cols);
        goto fail;
    }
    w->ld = (int)ld_of(s);
    if (ocl_mem_zeroed(&w->mem, k, ocl_weight_bytes(k, s), s->name, f) != ST_OK)
        goto fail;
    u.w = w;
    if (send_all(&u, f) != ST_OK) {
        clReleaseMemObject(w->mem);
        goto fail;
    }
    ocl_own(k)->counts.uploads++;
    *out = &w->head;
    return ST_OK;
fail:
    free(w);
    return f->code;
}
