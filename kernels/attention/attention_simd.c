#include "kernels/attention/attention_tiles.h"

#include <float.h>
#include <math.h>

struct args {
    const struct attention_dims *d;
    float *o, *lse;
    const float *q, *key, *v;
    const int32_t *start;
    size_t ldo, ld_lse, ldq, ldk, ldv;
    int blocks;
};

/* A worker's scratch. */
struct room {
    float *qt, *ot;        /* [head_dim, lanes] */
    float *s;              /* [ATT_KEYS, lanes] */
    float *max, *sum, *by; /* [lanes] */
    int32_t *lo, *hi;      /* [lanes] */
};

static size_t room_values(const struct attention_dims *d)
{
    return (size_t)att_lanes(d) * (2 * (size_t)d->head_dim + ATT_KEYS + 5);
}

static struct room room_of(const struct attention_dims *d, float *p)
{
    size_t lanes = (size_t)att_lanes(d), plane = lanes * (size_t)d->head_dim;
    struct room r = {.qt = p, .ot = p + plane, .s = p + 2 * plane};
    r.max = r.s + ATT_KEYS * lanes;
    r.sum = r.max + lanes;
    r.by = r.sum + lanes;
    r.lo = (int32_t *)(r.by + lanes);
    r.hi = r.lo + lanes;
    return r;
}

/* s becomes exp(s - max) under the raised maximum; by: what sums under the old one are worth now. A
 * column that has seen no key yet has the lowest finite maximum, so that nothing becomes NaN. */
static void exponentials(const struct room *r, int keys, int lanes)
{
    for (int c = 0; c < lanes; c += VF_LANES) {
        vf old = vf_load(r->max + c), top = old, total = vf_zero();
        for (int j = 0; j < keys; j++)
            top = vf_max(vf_load(r->s + j * lanes + c), top);
        for (int j = 0; j < keys; j++) {
            vf p = vf_exp(vf_sub(vf_load(r->s + j * lanes + c), top));
            total = vf_add(total, p);
            vf_store(r->s + j * lanes + c, p);
        }
        vf by = vf_exp(vf_sub(old, top));
        vf_store(r->max + c, top);
        vf_store(r->sum + c, vf_fma(vf_load(r->sum + c), by, total));
        vf_store(r->by + c, by);
    }
}

/* m [rows, lanes] *= by [lanes] */
static void scale_columns(float *m, const float *by, int rows, int lanes)
{
    for (int i = 0; i < rows; i++, m += lanes) {
        for (int c = 0; c < lanes; c += VF_LANES)
            vf_store(m + c, vf_mul(vf_load(m + c), vf_load(by + c)));
    }
}

static void finish(const struct args *a, const struct att_block *b, const struct room *r)
{
    for (int c = 0; c < b->lanes; c++)
        r->by[c] = 1.0f / r->sum[c];
    scale_columns(r->ot, r->by, a->d->head_dim, b->lanes);
    att_unlay(b, a->o, a->ldo, r->ot);
    for (int h = 0; h < b->group && a->lse; h++) {
        for (int i = 0; i < b->rows; i++) {
            int c = h * b->width + i;
            a->lse[(size_t)(b->row + i) * a->ld_lse + (size_t)(b->head + h)] =
                r->max[c] + logf(r->sum[c]);
        }
    }
}

/* The last blocks see most keys: they come first. */
static void tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    const struct attention_dims *d = a->d;
    struct room r = room_of(d, cpu_worker_scratch(k, worker));
    int kv_head = tile % d->kv_heads, column = kv_head * d->head_dim;
    struct att_block b =
        att_block(d, a->start, kv_head, a->blocks - 1 - tile / d->kv_heads, r.lo, r.hi);
    size_t lanes = (size_t)b.lanes;
    att_lay(&b, r.qt, a->q, a->ldq, d->scale);
    for (int c = 0; c < b.lanes; c++) {
        r.max[c] = -FLT_MAX;
        r.sum[c] = 0.0f;
    }
    for (int key = b.first; key < b.last; key += ATT_KEYS) {
        int keys = gemm_min(ATT_KEYS, b.last - key);
        att_scores(&b, r.s, r.qt, a->key + (size_t)key * a->ldk + column, a->ldk, key, keys);
        exponentials(&r, keys, b.lanes);
        if (key > b.first)
            scale_columns(r.ot, r.by, d->head_dim, b.lanes);
        struct gemm_term t = {a->v + (size_t)key * a->ldv + column, 1, a->ldv, r.s, lanes, keys};
        V(gemm)(r.ot, lanes, key > b.first ? r.ot : NULL, lanes, &t, 1, d->head_dim, b.lanes);
    }
    finish(a, &b, &r);
}

attention_fwd_fn V(attention_fwd);
void V(attention_fwd)(kern *k, struct kref o, struct kref lse, struct kref q, struct kref key,
                      struct kref v, struct kref start, const struct attention_dims *d)
{
    struct args a = {.d = d, .o = cpu_f32(o), .q = cpu_f32(q), .key = cpu_f32(key)};
    if (!kern_ok(k))
        return;
    if (room_values(d) * sizeof(float) > CPU_WORKER_BYTES) {
        kern_stick(k, ST_RANGE, "attention_fwd", "%d heads of %d are too many", d->heads,
                   d->head_dim);
        return;
    }
    a.v = cpu_f32(v);
    a.lse = lse.buf ? cpu_f32(lse) : NULL;
    a.start = cpu_i32(start);
    a.ldo = (size_t)o.ld;
    a.ld_lse = (size_t)lse.ld;
    a.ldq = (size_t)q.ld;
    a.ldk = (size_t)key.ld;
    a.ldv = (size_t)v.ld;
    a.blocks = (d->q_rows + att_rows(d) - 1) / att_rows(d);
    cpu_run(k, tile, &a, a.blocks * d->kv_heads);
}
