#include "kernels/gemm/gemm_ocl.h"

static const char text[] = {
#include "kernels/cross_entropy/cross_entropy.cl.h"
};

/* Logits that stand in scratch at a time: enough rows to fill a GPU in both products, and no more than a
 * small part of its memory. */
enum { ROWS_GRAIN = 128, ROWS_MIN = 16, LD_GRAIN = 32 };
static const uint64_t bytes_min = 16 << 20, bytes_max = 768 << 20, bytes_cpu = 256 << 10;

static int padded(int vocab)
{
    return vocab > INT32_MAX - LD_GRAIN ? vocab : (vocab + LD_GRAIN - 1) / LD_GRAIN * LD_GRAIN;
}

/* Rows of a chunk at most: a function of the device and the vocabulary. */
static size_t most_of(const kern *k, int vocab)
{
    const struct ocl_device *d = ocl_device(k);
    uint64_t bytes = d->memory / 128;
    bytes = bytes < bytes_min ? bytes_min : bytes > bytes_max ? bytes_max : bytes;
    size_t most = (size_t)((ocl_is_cpu(d) ? bytes_cpu : bytes) / 4 / (uint64_t)padded(vocab));
    if (most >= ROWS_GRAIN)
        return most / ROWS_GRAIN * ROWS_GRAIN;
    return most < ROWS_MIN ? ROWS_MIN : most;
}

/* All chunks of about the same size. */
static size_t chunk_of(const kern *k, int vocab, size_t n)
{
    size_t most = most_of(k, vocab), chunks = (n + most - 1) / most;
    size_t grain = most < ROWS_GRAIN ? 1 : ROWS_GRAIN;
    return ((n + chunks - 1) / chunks + grain - 1) / grain * grain;
}

static bool options(const kern *k, const struct kern_specs *s, char *out, size_t size)
{
    (void)k, (void)out, (void)size;
    return s->vocab > 0;
}

/* The logits of a chunk and the losses of all rows. */
static size_t scratch(const kern *k, const struct kern_specs *s)
{
    if (s->vocab == 0 || s->rows == 0)
        return 0;
    size_t most = most_of(k, s->vocab), rows = (size_t)s->rows;
    return (rows < most ? rows : most) * (size_t)padded(s->vocab) + rows + 2 * OCL_SCRATCH_ALIGN;
}

const struct ocl_source ocl_source_cross_entropy = {"kernels/cross_entropy/cross_entropy.cl", text,
                                                    options, scratch};

struct call {
    struct kref dx, x, index, labels, nll, z;
    const struct kweight *w;
    const struct cross_entropy_dims *d;
};

/* Labelled rows [at, at + n): logits, losses and, where dx is wanted, their rows of it. */
static void run_chunk(kern *k, const struct call *c, int at, int n)
{
    const struct cross_entropy_dims *d = c->d;
    const int gradient = c->dx.buf != NULL;
    struct kref index = kref_col(c->index, at);
    struct gemm_ocl logits = {.c = c->z, .a = c->x, .w = c->w, .side = GEMM_NT, .rows = n};
    struct gemm_ocl back = {.c = c->dx, .a = c->z, .w = c->w, .side = GEMM_NN, .rows = n};
    logits.index = back.index = index;
    logits.gather = back.scatter = true;
    gemm_ocl(k, &logits);
    OCL_RUN(k, "cross_entropy_rows", ocl_rows(k, (size_t)n, d->vocab), BUF(c->z),
            VEC(kref_col(c->nll, at)), VEC(kref_col(c->labels, at)), ARG(n), ARG(d->vocab),
            ARG(d->grad_scale), ARG(d->softcap), ARG(gradient));
    if (gradient)
        gemm_ocl(k, &back);
}

void linear_cross_entropy_ocl(kern *k, struct kref loss, struct kref nll, struct kref dx,
                              struct kref x, struct kref index, struct kref labels,
                              const struct kweight *w, const struct cross_entropy_dims *d)
{
    struct call c = {.dx = dx, .x = x, .index = index, .labels = labels, .nll = nll};
    size_t chunk = chunk_of(k, d->vocab, (size_t)d->n), n = (size_t)d->n,
           mark = ocl_scratch_mark(k);
    struct ocl_range one = {{1, 1, 1}, {(size_t)ocl_group(k), 1, 1}};
    chunk = chunk < n ? chunk : n;
    c.w = w;
    c.d = d;
    c.z = ocl_scratch(k, chunk, padded(d->vocab), "linear_cross_entropy");
    if (!nll.buf)
        c.nll = ocl_scratch(k, n, 1, "linear_cross_entropy");
    if (dx.buf && d->n < d->rows)
        OCL_RUN(k, "cross_entropy_zero", ocl_cells(k, (size_t)d->rows, d->cols), BUF(dx),
                ARG(d->rows), ARG(d->cols));
    for (int at = 0; at < d->n && kern_ok(k); at += (int)chunk)
        run_chunk(k, &c, at, d->n - at < (int)chunk ? d->n - at : (int)chunk);
    OCL_RUN(k, "cross_entropy_loss", one, VEC(loss), VEC(c.nll), ARG(d->n));
    ocl_scratch_release(k, mark);
}
