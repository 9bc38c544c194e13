#include "model/merge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/adapters.h"
#include "model/weights.h"

enum { PIECE = 1 << 20 };

struct merge {
    const struct base *base;
    const struct model_config *c;
    const struct adapters *a;
    bool *done;         /* [count]: this adapter's tensor came by */
    double lost, whole; /* sums of |delta - (new - old)| and |delta| */
    struct merge_stats stats;
    unsigned char *piece; /* [PIECE] */
    float *delta;         /* a row */
    unsigned char *row;
    size_t row_cap;
};

enum status merge_open(struct merge **out, const struct base *base, const struct model_config *c,
                       const struct adapters *a, struct fault *f)
{
    struct merge *m = calloc(1, sizeof *m);
    size_t widest = 1;
    if (!m)
        return fault_nomem(f, "the merge", sizeof *m);
    m->base = base;
    m->c = c;
    m->a = a;
    for (int i = 0; a && i < a->count; i++) {
        size_t in = (size_t)a->p[i].mod.in, rows = (size_t)a->p[i].mod.out;
        widest = in > widest ? in : widest;
        widest = rows > widest ? rows : widest;
    }
    m->row_cap = widest;
    m->done = calloc(a ? (size_t)a->count : 1, sizeof *m->done);
    m->piece = malloc(PIECE);
    m->delta = malloc(widest * sizeof *m->delta);
    m->row = malloc(widest * sizeof(float));
    if (!m->done || !m->piece || !m->delta || !m->row) {
        merge_close(&m);
        return fault_nomem(f, "the merge", PIECE + 8 * widest);
    }
    *out = m;
    return ST_OK;
}

void merge_close(struct merge **mp)
{
    struct merge *m = *mp;
    if (!m)
        return;
    free(m->done);
    free(m->piece);
    free(m->delta);
    free(m->row);
    free(m);
    *mp = NULL;
}

/* ---- tensors that pass through ------------------------------------------------------------- */

static enum status pass_through(struct merge *m, const struct tensor *t, merge_sink_fn *sink,
                                void *ctx, struct fault *f)
{
    uint32_t crc = 0;
    if (t->bytes == 0)
        return sink(ctx, m->piece, 0, f);
    for (size_t at = 0; at < t->bytes; at += PIECE) {
        size_t n = t->bytes - at < PIECE ? t->bytes - at : PIECE;
        if (base_read(m->base, t, at, m->piece, n, &crc, f) != ST_OK ||
            sink(ctx, m->piece, n, f) != ST_OK)
            return f->code;
    }
    return ST_OK;
}

/* ---- adapted tensors ----------------------------------------------------------------------- */

/* delta [cols] = s B[row,:] A; columns of a Conv1D tensor are rows of the matrix. */
static void delta_row(struct merge *m, const struct adapter_entry *e, int row)
{
    const float *a = m->a->data + e->a, *b = m->a->data + e->b;
    size_t in = (size_t)e->mod.in, out = (size_t)e->mod.out, rank = (size_t)e->rank;
    size_t cols = m->c->conv1d ? out : in;
    float *d = m->delta;
    for (size_t c = 0; c < cols; c++)
        d[c] = 0;
    for (size_t r = 0; r < rank; r++) {
        if (m->c->conv1d) {
            float ar = a[r * in + (size_t)row];
            for (size_t c = 0; c < cols; c++)
                d[c] += b[c * rank + r] * ar;
        } else {
            float br = b[(size_t)row * rank + r];
            for (size_t c = 0; c < cols; c++)
                d[c] += br * a[r * in + c];
        }
    }
    for (size_t c = 0; c < cols; c++)
        d[c] *= e->scale;
}

/* What adding did, summed over a tensor. */
struct sums {
    double lost, whole; /* as in struct merge */
    size_t over;        /* finite values that are not so any more */
};

/* Adds m->delta to the row of t's type in m->row. */
static void add_row(struct merge *m, enum dtype dtype, size_t cols, struct sums *sums)
{
    for (size_t c = 0; c < cols; c++) {
        float old, sum, now;
        uint16_t h;
        if (dtype == DT_F32) {
            memcpy(&old, m->row + 4 * c, 4);
            now = sum = old + m->delta[c];
            memcpy(m->row + 4 * c, &now, 4);
        } else {
            memcpy(&h, m->row + 2 * c, 2);
            old = dtype == DT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
            sum = old + m->delta[c];
            h = dtype == DT_F16 ? f32_to_f16(sum) : f32_to_bf16(sum);
            now = dtype == DT_F16 ? f16_to_f32(h) : bf16_to_f32(h);
            memcpy(m->row + 2 * c, &h, 2);
        }
        sums->lost += fabs((double)m->delta[c] - ((double)now - (double)old));
        sums->whole += fabs((double)m->delta[c]);
        sums->over += isfinite(old) && !isfinite(now);
    }
}

/* A delta that is not finite is the adapter's fault; a sum that is not, the type's. */
static enum status account(struct merge *m, const struct tensor *t, const struct adapter_entry *e,
                           const struct sums *sums, struct fault *f)
{
    double share = sums->whole > 0 ? sums->lost / sums->whole : 0;
    if (!isfinite(sums->whole))
        return fault_set(f, ST_NUMERIC, "the adapter of %s is not finite", e->mod.name);
    if (sums->over > 0) {
        fault_set(f, ST_NUMERIC, "with the adapter %zu value%s of tensor %s would not fit %s",
                  sums->over, sums->over == 1 ? "" : "s", t->name, dtype_name(t->dtype));
        return fault_remedy(f, t->dtype == DT_F32 ? "the adapter is not one to merge: train it "
                                                    "again with a lower --learning-rate"
                                                  : "import the base with --dtype f32 and merge "
                                                    "again");
    }
    m->lost += sums->lost;
    m->whole += sums->whole;
    m->stats.tensors_merged++;
    if (share > m->stats.worst_lost) {
        m->stats.worst_lost = share;
        snprintf(m->stats.worst, sizeof m->stats.worst, "%.159s", t->name);
    }
    return ST_OK;
}

static enum status add_adapter(struct merge *m, const struct tensor *t,
                               const struct adapter_entry *e, merge_sink_fn *sink, void *ctx,
                               struct fault *f)
{
    int rows = m->c->conv1d ? e->mod.in : e->mod.out;
    size_t cols = (size_t)(m->c->conv1d ? e->mod.out : e->mod.in);
    size_t bytes = cols * dtype_size(t->dtype);
    struct sums sums = {0};
    uint32_t crc = 0;
    bool known = t->dtype == DT_F32 || t->dtype == DT_F16 || t->dtype == DT_BF16;
    if (!known || t->bytes != bytes * (size_t)rows)
        return fault_set(f, ST_FORMAT, "%s: tensor %s is not what its adapter [%d, %d] needs",
                         base_path(m->base), t->name, e->mod.out, e->mod.in);
    for (int r = 0; r < rows; r++) {
        if (base_read(m->base, t, (size_t)r * bytes, m->row, bytes, &crc, f) != ST_OK)
            return f->code;
        delta_row(m, e, r);
        add_row(m, t->dtype, cols, &sums);
        if (sink(ctx, m->row, bytes, f) != ST_OK)
            return f->code;
    }
    return account(m, t, e, &sums, f);
}

/* The adapter whose matrix this tensor is, or -1. */
static int adapter_of(const struct merge *m, const char *tensor)
{
    const struct family *fam = family_find(m->c->family);
    char module[FAMILY_NAME_MAX];
    size_t n = strlen(tensor), tail = strlen(".weight");
    if (!m->a || n <= tail || n - tail >= sizeof module ||
        strcmp(tensor + n - tail, ".weight") != 0)
        return -1;
    memcpy(module, tensor, n - tail);
    module[n - tail] = '\0';
    for (int i = 0; i < m->a->count; i++)
        if (family_same(fam, m->a->p[i].mod.name, module))
            return i;
    return -1;
}

enum status merge_tensor(struct merge *m, const struct tensor *t, merge_sink_fn *sink, void *ctx,
                         struct fault *f)
{
    const struct tensor *own = base_find(m->base, t->name);
    if (!own)
        return fault_set(f, ST_ABSENT, "%s has no tensor %s", base_path(m->base), t->name);
    int i = adapter_of(m, own->name);
    enum status code;
    if (i < 0) {
        code = pass_through(m, own, sink, ctx, f);
    } else {
        code = add_adapter(m, own, &m->a->p[i], sink, ctx, f);
        m->done[i] = code == ST_OK;
    }
    base_release(m->base, own);
    return code;
}

enum status merge_check(const struct merge *m, struct fault *f)
{
    for (int i = 0; m->a && i < m->a->count; i++)
        if (!m->done[i])
            return fault_set(f, ST_FORMAT, "%s has no tensor for the adapter of %s",
                             base_path(m->base), m->a->p[i].mod.name);
    return ST_OK;
}

struct merge_stats merge_stats(const struct merge *m)
{
    struct merge_stats s = m->stats;
    s.delta_lost = m->whole > 0 ? m->lost / m->whole : 0;
    return s;
}
