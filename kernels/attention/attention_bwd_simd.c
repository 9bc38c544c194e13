#include "kernels/attention/attention_tiles.h"

/* A tile is one key head and one part of the query rows. dq belongs to its rows; dk and dv are sums
 * over all rows, so each part makes its own and they are added up in order: unless there is but one
 * part, as with many key heads. */
enum { TILES = 16, PARTS_MAX = TILES, TERMS = 8 };

struct args {
    const struct attention_dims *d;
    float *dq, *dk, *dv;
    const float *dout, *q, *key, *v, *o, *lse;
    const int32_t *start;
    size_t lddq, lddk, lddv, lddo, ldq, ldk, ldv, ldo, ld_lse;
    int blocks, parts;
    int from[PARTS_MAX + 1]; /* part p has the blocks [from[p], from[p + 1]) */
    float *partial;          /* [parts][kv_heads][2][k_rows, head_dim]: dk, dv; NULL: one part */
};

/* A worker's scratch. */
struct room {
    float *qt, *dot, *dqt; /* [head_dim, lanes] */
    float *s, *ds;         /* [ATT_KEYS, lanes] */
    float *lse, *dots;     /* [lanes] */
    int32_t *lo, *hi;      /* [lanes] */
};

/* Where a tile's dk and dv go. */
struct sums {
    float *dk, *dv;
    size_t lddk, lddv;
};

static size_t room_values(const struct attention_dims *d)
{
    return (size_t)att_lanes(d) * (3 * (size_t)d->head_dim + 2 * ATT_KEYS + 4);
}

static struct room room_of(const struct attention_dims *d, float *p)
{
    size_t lanes = (size_t)att_lanes(d), plane = lanes * (size_t)d->head_dim;
    struct room r = {.qt = p, .dot = p + plane, .dqt = p + 2 * plane, .s = p + 3 * plane};
    r.ds = r.s + ATT_KEYS * lanes;
    r.lse = r.ds + ATT_KEYS * lanes;
    r.dots = r.lse + lanes;
    r.lo = (int32_t *)(r.dots + lanes);
    r.hi = r.lo + lanes;
    return r;
}

static float dot(const float *x, const float *y, int n)
{
    vf sum = vf_zero();
    for (int c = 0; c < n; c += VF_LANES)
        sum = vf_fma(vf_get(x + c, n - c), vf_get(y + c, n - c), sum);
    return vf_sum(sum);
}

/* lse and D of each column. */
static void lay_rows(const struct args *a, const struct att_block *b, const struct room *r)
{
    int head_dim = a->d->head_dim;
    memset(r->lse, 0, 2 * (size_t)b->lanes * sizeof(float));
    for (int h = 0; h < b->group; h++) {
        for (int i = 0; i < b->rows; i++) {
            size_t row = (size_t)(b->row + i), at = (size_t)((b->head + h) * head_dim);
            int c = h * b->width + i;
            r->lse[c] = a->lse[row * a->ld_lse + (size_t)(b->head + h)];
            r->dots[c] = dot(a->dout + row * a->lddo + at, a->o + row * a->ldo + at, head_dim);
        }
    }
}

/* s becomes p, ds (which holds dout v^T) becomes scale * ds. */
static void gradients(const struct attention_dims *d, const struct room *r, int keys, int lanes)
{
    const bool capped = d->softcap > 0.0f;
    const vf scale = vf_set1(d->scale), one = vf_set1(1.0f);
    const vf inverse = capped ? vf_set1(1.0f / d->softcap) : vf_zero();
    for (int c = 0; c < lanes; c += VF_LANES) {
        vf lse = vf_load(r->lse + c), dots = vf_load(r->dots + c);
        for (int j = 0; j < keys; j++) {
            float *sp = r->s + j * lanes + c, *dp = r->ds + j * lanes + c;
            vf s = vf_load(sp), p = vf_exp(vf_sub(s, lse));
            vf ds = vf_mul(vf_mul(p, vf_sub(vf_load(dp), dots)), scale);
            if (capped) { /* a key that is not seen has s = -inf and p = 0 */
                vf t = vf_max(vf_mul(s, inverse), vf_neg(one));
                ds = vf_mul(ds, vf_fnma(t, t, one));
            }
            vf_store(sp, p);
            vf_store(dp, ds);
        }
    }
}

/* sum [keys, head_dim] += weights [keys, lanes] times the block's rows of m: a term a head, as many
 * at once as possible. */
static void add_rows(const struct att_block *b, float *sum, size_t ld_sum, const float *weights,
                     const float *m, size_t ld, int keys)
{
    struct gemm_term t[TERMS];
    int head_dim = b->d->head_dim, terms = 0;
    for (int h = 0; h < b->group; h++) {
        const float *rows = m + (size_t)b->row * ld + (b->head + h) * head_dim;
        t[terms++] =
            (struct gemm_term){weights + h * b->width, (size_t)b->lanes, 1, rows, ld, b->rows};
        if (terms == TERMS || h == b->group - 1) {
            V(gemm)(sum, ld_sum, sum, ld_sum, t, terms, keys, head_dim);
            terms = 0;
        }
    }
}

static void do_block(const struct args *a, const struct att_block *b, const struct room *r,
                     const struct sums *to)
{
    const struct attention_dims *d = a->d;
    size_t lanes = (size_t)b->lanes, column = (size_t)(b->head / b->group * d->head_dim);
    att_lay(b, r->qt, a->q, a->ldq, d->scale);
    att_lay(b, r->dot, a->dout, a->lddo, 1.0f);
    lay_rows(a, b, r);
    for (int at = b->first; at < b->last; at += ATT_KEYS) {
        int keys = gemm_min(ATT_KEYS, b->last - at);
        const float *key = a->key + (size_t)at * a->ldk + column;
        const float *v = a->v + (size_t)at * a->ldv + column;
        struct gemm_term dp = {v, a->ldv, 1, r->dot, lanes, d->head_dim};
        struct gemm_term dq = {key, 1, a->ldk, r->ds, lanes, keys};
        att_scores(b, r->s, r->qt, key, a->ldk, at, keys);
        V(gemm)(r->ds, lanes, NULL, 0, &dp, 1, keys, b->lanes);
        gradients(d, r, keys, b->lanes);
        add_rows(b, to->dv + (size_t)at * to->lddv, to->lddv, r->s, a->dout, a->lddo, keys);
        add_rows(b, to->dk + (size_t)at * to->lddk, to->lddk, r->ds, a->q, a->ldq, keys);
        V(gemm)(r->dqt, lanes, at > b->first ? r->dqt : NULL, lanes, &dq, 1, d->head_dim, b->lanes);
    }
    att_unlay(b, a->dq, a->lddq, r->dqt);
}

static void tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    const struct attention_dims *d = a->d;
    struct room r = room_of(d, cpu_worker_scratch(k, worker));
    int kv_head = tile % d->kv_heads, part = tile / d->kv_heads;
    size_t head_dim = (size_t)d->head_dim, plane = (size_t)d->k_rows * head_dim;
    struct sums to = {a->dk + (size_t)kv_head * head_dim, a->dv + (size_t)kv_head * head_dim,
                      a->lddk, a->lddv};
    if (a->partial) {
        to.dk = a->partial + (size_t)(part * d->kv_heads + kv_head) * 2 * plane;
        to.dv = to.dk + plane;
        to.lddk = to.lddv = head_dim;
    }
    for (int j = 0; j < d->k_rows; j++) {
        memset(to.dk + (size_t)j * to.lddk, 0, head_dim * sizeof(float));
        memset(to.dv + (size_t)j * to.lddv, 0, head_dim * sizeof(float));
    }
    for (int i = a->from[part]; i < a->from[part + 1]; i++) {
        struct att_block b = att_block(d, a->start, kv_head, i, r.lo, r.hi);
        do_block(a, &b, &r, &to);
    }
}

/* Key rows of one key head: the parts' sums, in order. */
static void join(kern *k, void *args, int row, int worker)
{
    const struct args *a = args;
    size_t head_dim = (size_t)a->d->head_dim, plane = (size_t)a->d->k_rows * head_dim;
    (void)k, (void)worker;
    for (int i = 0; i < 2 * a->d->kv_heads; i++) {
        float *to = i % 2 ? a->dv + (size_t)row * a->lddv : a->dk + (size_t)row * a->lddk;
        to += (size_t)(i / 2) * head_dim;
        for (int c = 0; c < a->d->head_dim; c += VF_LANES) {
            int left = a->d->head_dim - c;
            vf sum = vf_zero();
            for (int p = 0; p < a->parts; p++) {
                size_t at = (size_t)(p * 2 * a->d->kv_heads + i) * plane + (size_t)row * head_dim;
                sum = vf_add(sum, vf_get(a->partial + at + c, left));
            }
            vf_put(to + c, sum, left);
        }
    }
}

/* Parts that see about as many keys each. */
static void cut(struct args *a)
{
    const struct attention_dims *d = a->d;
    int rows = att_rows(d), part = 0;
    int64_t all = 0, seen = 0;
    a->blocks = (d->q_rows + rows - 1) / rows;
    a->parts = gemm_min((TILES + d->kv_heads - 1) / d->kv_heads, a->blocks);
    for (int i = 0; i < d->q_rows; i++)
        all += d->q_offset + i + 1 - att_first_key(d, a->start, i);
    for (int i = 0; i < d->q_rows; i++) {
        if (i % rows == 0 && part < a->parts && seen * a->parts >= all * part)
            a->from[part++] = i / rows;
        seen += d->q_offset + i + 1 - att_first_key(d, a->start, i);
    }
    a->parts = part;
    a->from[part] = a->blocks;
}

static void run(kern *k, struct args *a)
{
    const struct attention_dims *d = a->d;
    size_t mark = cpu_scratch_mark(k), n = 2 * (size_t)d->k_rows * (size_t)d->head_dim;
    cut(a);
    if (a->parts > 1)
        a->partial =
            cpu_scratch(k, n * (size_t)(a->parts * d->kv_heads) * sizeof(float), "attention_bwd");
    if (kern_ok(k))
        cpu_run(k, tile, a, a->parts * d->kv_heads);
    if (kern_ok(k) && a->partial)
        cpu_run(k, join, a, d->k_rows);
    cpu_scratch_release(k, mark);
}

attention_bwd_fn V(attention_bwd);
void V(attention_bwd)(kern *k, struct kref dq, struct kref dk, struct kref dv, struct kref dout,
                      struct kref q, struct kref key, struct kref v, struct kref o, struct kref lse,
                      struct kref start, const struct attention_dims *d)
{
    struct args a = {.d = d, .dq = cpu_f32(dq), .dk = cpu_f32(dk), .dv = cpu_f32(dv)};
    if (!kern_ok(k))
        return;
    if (room_values(d) * sizeof(float) > CPU_WORKER_BYTES) {
        kern_stick(k, ST_RANGE, "attention_bwd", "%d heads of %d are too many", d->heads,
                   d->head_dim);
        return;
    }
    a.dout = cpu_f32(dout);
    a.q = cpu_f32(q);
    a.key = cpu_f32(key);
    a.v = cpu_f32(v);
    a.o = cpu_f32(o);
    a.lse = cpu_f32(lse);
    a.start = cpu_i32(start);
    a.lddq = (size_t)dq.ld;
    a.lddk = (size_t)dk.ld;
    a.lddv = (size_t)dv.ld;
    a.lddo = (size_t)dout.ld;
    a.ldq = (size_t)q.ld;
    a.ldk = (size_t)key.ld;
    a.ldv = (size_t)v.ld;
    a.ldo = (size_t)o.ld;
    a.ld_lse = (size_t)lse.ld;
    run(k, &a);
}
