/* Inside the two attention_*simd.c files: a block of queries, and its scores with a block of
 * keys.
 *
 * The query heads that share a key head are stacked: one column of a score matrix is one query
 * row of one head (column = head * block rows + row), one row is a key. So maxima, sums and
 * gradients of the softmax run over lanes without crossing them, keys and values are used as they
 * lie, and few rows of queries already fill a matrix product; few rows, in turn, waste little
 * above the diagonal. */
#ifndef KERNELS_ATTENTION_TILES_H
#define KERNELS_ATTENTION_TILES_H

#include "kernels/gemm/gemm.h"

enum {
    ATT_KEYS = 128, /* keys of a block: its scores stay near L1 */
    ATT_ROWS = 16,  /* query rows of a block of three heads and more */
    ATT_LANES = 16, /* columns are padded to a multiple: the widest vector */
};

/* Query rows [row, row + rows) of the heads of one key head. */
struct att_block {
    const struct attention_dims *d;
    int row, rows, head;  /* head: the first of the group */
    int group, width;     /* width: columns of a head, at least rows */
    int lanes;            /* columns, padded */
    int first, last;      /* keys [first, last) that any row sees */
    int all_from, all_to; /* keys [all_from, all_to) that every row sees */
    int32_t *lo, *hi;     /* [lanes]: the keys that a column sees, hi inclusive */
};

static inline int att_rows(const struct attention_dims *d)
{
    int group = d->heads / d->kv_heads, rows = group < 3 ? 3 * ATT_ROWS : ATT_ROWS;
    return gemm_min(rows, d->q_rows);
}

static inline int att_lanes(const struct attention_dims *d)
{
    int group = d->heads / d->kv_heads, lanes = group * att_rows(d);
    return (lanes + ATT_LANES - 1) / ATT_LANES * ATT_LANES;
}

/* The first key that query row i sees; its last one is q_offset + i. */
static inline int att_first_key(const struct attention_dims *d, const int32_t *start, int i)
{
    int t = d->q_offset + i, first = start[i];
    return d->window > 0 && t - d->window + 1 > first ? t - d->window + 1 : first;
}

/* lo and hi are room for att_lanes(d) each. Columns without a row see what row 0 sees. */
static inline struct att_block att_block(const struct attention_dims *d, const int32_t *start,
                                         int kv_head, int block, int32_t *lo, int32_t *hi)
{
    struct att_block b = {.d = d, .group = d->heads / d->kv_heads, .width = att_rows(d)};
    b.row = block * b.width;
    b.rows = gemm_min(d->q_rows - b.row, b.width);
    b.head = kv_head * b.group;
    b.lanes = att_lanes(d);
    b.lo = lo;
    b.hi = hi;
    b.last = d->q_offset + b.row + b.rows;
    b.all_to = d->q_offset + b.row + 1;
    b.first = b.last;
    for (int i = 0; i < b.rows; i++) {
        int key = att_first_key(d, start, b.row + i);
        b.first = gemm_min(b.first, key);
        b.all_from = key > b.all_from ? key : b.all_from;
    }
    for (int c = 0; c < b.lanes; c++) {
        int i = c % b.width < b.rows ? c % b.width : 0;
        lo[c] = att_first_key(d, start, b.row + i);
        hi[c] = d->q_offset + b.row + i;
    }
    return b;
}

/* dst [head_dim, lanes] = by * the block's rows of m, transposed; columns without a row are 0. */
static inline void att_lay(const struct att_block *b, float *dst, const float *m, size_t ld,
                           float by)
{
    int head_dim = b->d->head_dim, n = head_dim * b->lanes;
    memset(dst, 0, (size_t)n * sizeof *dst);
    for (int h = 0; h < b->group; h++)
        V(gemm_lay_t)
    (dst + h * b->width, (size_t)b->lanes, m + (size_t)b->row * ld + (b->head + h) * head_dim,
     DT_F32, ld, b->rows, head_dim);
    for (int i = 0; i < n && by != 1.0f; i += VF_LANES)
        vf_store(dst + i, vf_mul(vf_load(dst + i), vf_set1(by)));
}

/* The reverse: the block's rows of m = src [head_dim, lanes], transposed. */
static inline void att_unlay(const struct att_block *b, float *m, size_t ld, const float *src)
{
    int head_dim = b->d->head_dim;
    for (int h = 0; h < b->group; h++)
        V(gemm_lay_t)
    (m + (size_t)b->row * ld + (b->head + h) * head_dim, ld, src + h * b->width, DT_F32,
     (size_t)b->lanes, head_dim, b->rows);
}

/* Keys that a column does not see get -inf. */
static inline void att_mask(const struct att_block *b, float *s, int key, int keys)
{
    const vf never = vf_set1(-__builtin_inff());
    for (int j = 0; j < keys; j++) {
        vi at = vi_set1(key + j);
        for (int c = 0; c < b->lanes; c += VF_LANES) {
            float *p = s + j * b->lanes + c;
            vf v = vf_sel(vi_gt(at, vi_load(b->hi + c)), never, vf_load(p));
            vf_store(p, vf_sel(vi_gt(vi_load(b->lo + c), at), never, v));
        }
    }
}

/* s [keys, lanes]: the scores with keys [key, key + keys), k being the first one's head; qt is what
 * att_lay made of q times the scale. */
static inline void att_scores(const struct att_block *b, float *s, const float *qt, const float *k,
                              size_t ldk, int key, int keys)
{
    struct gemm_term t = {k, ldk, 1, qt, (size_t)b->lanes, b->d->head_dim};
    V(gemm)(s, (size_t)b->lanes, NULL, 0, &t, 1, keys, b->lanes);
    if (b->d->softcap > 0.0f) {
        vf cap = vf_set1(b->d->softcap), inverse = vf_set1(1.0f / b->d->softcap);
        for (int i = 0; i < keys * b->lanes; i += VF_LANES)
            vf_store(s + i, vf_mul(cap, vf_tanh(vf_mul(vf_load(s + i), inverse))));
    }
    if (key < b->all_from || key + keys > b->all_to)
        att_mask(b, s, key, keys);
}

#endif
