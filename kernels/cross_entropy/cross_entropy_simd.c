#include "kernels/gemm/gemm.h"

#include <math.h>

/* The vocabulary is cut into splits; a tile is one split for GROUP rows of X. It goes over its part
 * of W once, in blocks that stay in L2, and treats X W^T and softmax W as attention treats its keys
 * and values: the logits of a block live only until they are multiplied by that same block, under a
 * running maximum that is corrected when it rises. So W is read once, and the logits of a row never
 * exist, not even for a few rows. The splits' maxima, sums and gradients are joined at the end.
 *
 * Logits are held transposed, a row of GEMM_COLS rows of X for each word: maxima and sums then run
 * over lanes without crossing them, and W serves both products as it lies. */
enum {
    CHUNK = 576,              /* rows of X in scratch at a time: twelve blocks of GEMM_COLS */
    GROUP = 288,              /* rows of a tile: half a chunk */
    SPLIT_VALUES = 8 << 20,   /* floats that all splits' gradients of a chunk may take */
    SPLITS_MAX = 16,          /* and how many splits at most */
    BLOCK_VALUES = 192 * 576, /* floats of a block of W: 432 KiB, half of L2 */
    BLOCK_MIN = 48,
    BLOCK_MAX = 256, /* its rows: too few make the second product shallow */
};

struct args {
    const struct kweight *w;
    const struct cross_entropy_dims *d;
    const float *x;
    float *dx;
    size_t ldx, lddx;
    const int32_t *index, *labels; /* of this chunk */
    int n, padded;                 /* rows of this chunk, and with the last block's empty ones */
    int block, splits, split;      /* rows of a block; how many splits; rows of a split */
    size_t ldw;                    /* of a block laid down */
    float *xt;                     /* [padded / GEMM_COLS][cols][GEMM_COLS] */
    float *acc;                    /* [splits][padded][cols]: sum of p W */
    float *max, *sum;              /* [splits][padded] */
    float *z_label;                /* [padded] */
    double *nll;                   /* [n] */
};

/* ---- the cut ------------------------------------------------------------------------------- */

static int block_rows(int cols)
{
    int block = BLOCK_VALUES / cols / 16 * 16;
    return block < BLOCK_MIN ? BLOCK_MIN : gemm_min(block, BLOCK_MAX);
}

/* Splits of the same number of whole blocks, the last one of fewer. */
static void cut(struct args *a, int cols, int vocab)
{
    int most = SPLIT_VALUES / (CHUNK * cols);
    a->block = block_rows(cols);
    a->ldw =
        (size_t)(cols + 15) / 16 * 16 + 16; /* rows a power of two apart would share cache sets */
    int blocks = (vocab + a->block - 1) / a->block;
    most = most < 1 ? 1 : gemm_min(most, SPLITS_MAX);
    a->split = (blocks + most - 1) / most * a->block;
    a->splits = (vocab + a->split - 1) / a->split;
}

/* ---- one block of words for GEMM_COLS rows ------------------------------------------------- */

static void logits(const struct args *a, float *z, const float *w, int words, const float *xt,
                   int lanes)
{
    int cols = a->d->cols, piece = gemm_piece(cols);
    for (int p = 0; p < cols; p += piece) {
        struct gemm_term t = {
            w + p, a->ldw, 1, xt + (size_t)p * GEMM_COLS, GEMM_COLS, gemm_min(piece, cols - p)};
        V(gemm)(z, GEMM_COLS, p ? z : NULL, GEMM_COLS, &t, 1, words, lanes);
    }
    if (a->d->softcap > 0.0f) {
        vf cap = vf_set1(a->d->softcap), inverse = vf_set1(1.0f / a->d->softcap);
        for (int i = 0; i < words; i++) {
            for (float *at = z + i * GEMM_COLS, *end = at + lanes; at < end; at += VF_LANES)
                vf_store(at, vf_mul(cap, vf_tanh(vf_mul(vf_load(at), inverse))));
        }
    }
}

static void take_labels(const struct args *a, const float *z, int word, int words, int row)
{
    for (int i = row; i < gemm_min(row + GEMM_COLS, a->n); i++) {
        int at = a->labels[i] - word;
        if (at >= 0 && at < words)
            a->z_label[i] = z[at * GEMM_COLS + i - row];
    }
}

/* z becomes exp(z - max) [* (1 - (z / softcap)^2)] under the raised maximum; correct[i] is what
 * sums under the old one must be multiplied by. */
static void exponentials(const struct args *a, float *z, int words, int lanes, float *max,
                         float *sum, float *correct)
{
    bool capped = a->d->softcap > 0.0f;
    vf inverse = capped ? vf_set1(1.0f / a->d->softcap) : vf_zero(), one = vf_set1(1.0f);
    for (int c = 0; c < lanes; c += VF_LANES) {
        vf old = vf_load(max + c), top = old, total = vf_zero();
        for (int i = 0; i < words; i++)
            top = vf_max(vf_load(z + i * GEMM_COLS + c), top);
        for (int i = 0; i < words; i++) {
            float *at = z + i * GEMM_COLS + c;
            vf v = vf_load(at), p = vf_exp(vf_sub(v, top)), t = vf_mul(v, inverse);
            total = vf_add(total, p);
            vf_store(at, capped ? vf_mul(p, vf_fnma(t, t, one)) : p);
        }
        vf by = vf_exp(vf_sub(old, top));
        vf_store(max + c, top);
        vf_store(sum + c, vf_fma(vf_load(sum + c), by, total));
        vf_store(correct + c, by);
    }
}

static void scale_row(float *y, int n, float by)
{
    for (int c = 0; c < n; c += VF_LANES)
        vf_put(y + c, vf_mul(vf_get(y + c, n - c), vf_set1(by)), n - c);
}

/* acc [rows, cols] = correct * acc + p^T W */
static void accumulate(const struct args *a, float *acc, bool first, const float *p, const float *w,
                       int words, int rows, const float *correct)
{
    size_t cols = (size_t)a->d->cols;
    struct gemm_term t = {p, 1, GEMM_COLS, w, a->ldw, words};
    for (int r = 0; r < rows && !first; r++) {
        if (correct[r] != 1.0f)
            scale_row(acc + (size_t)r * cols, a->d->cols, correct[r]);
    }
    V(gemm)(acc, cols, first ? NULL : acc, cols, &t, 1, rows, a->d->cols);
}

static void tile(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    int groups = (a->n + GROUP - 1) / GROUP, split = tile / groups, from = tile % groups * GROUP;
    int begin = split * a->split, end = gemm_min(begin + a->split, a->d->vocab);
    size_t cols = (size_t)a->d->cols;
    float *w = cpu_worker_scratch(k, worker), *z = w + (size_t)a->block * a->ldw;
    float correct[GEMM_COLS];
    for (int word = begin; word < end; word += a->block) {
        int words = gemm_min(a->block, end - word);
        const unsigned char *rows = a->w->p;
        V(gemm_lay)
        (w, a->ldw, rows + (size_t)word * cols * dtype_size(a->w->dtype), a->w->dtype, cols, words,
         a->d->cols);
        for (int row = from; row < gemm_min(from + GROUP, a->n); row += GEMM_COLS) {
            size_t at = (size_t)split * (size_t)a->padded + (size_t)row;
            int left = gemm_min(GEMM_COLS, a->n - row);
            int lanes = (left + VF_LANES - 1) / VF_LANES * VF_LANES;
            logits(a, z, w, words, a->xt + (size_t)row * cols, lanes);
            take_labels(a, z, word, words, row);
            exponentials(a, z, words, lanes, a->max + at, a->sum + at, correct);
            if (a->dx)
                accumulate(a, a->acc + at * cols, word == begin, z, w, words, left, correct);
        }
    }
}

/* ---- before and after ---------------------------------------------------------------------- */

/* GEMM_COLS rows of X, transposed; rows that are not there are zero. A few columns at a time, so that
 * a row of any length has room in the worker's scratch. */
static void lay_x(kern *k, void *args, int tile, int worker)
{
    const struct args *a = args;
    size_t cols = (size_t)a->d->cols;
    int row = tile * GEMM_COLS;
    float *rows = cpu_worker_scratch(k, worker), *to = a->xt + (size_t)row * cols;
    for (size_t p = 0; p < cols; p += GEMM_DEEP) {
        size_t some = cols - p < GEMM_DEEP ? cols - p : GEMM_DEEP;
        for (int i = 0; i < GEMM_COLS; i++) {
            if (row + i < a->n)
                memcpy(rows + (size_t)i * some, a->x + (size_t)a->index[row + i] * a->ldx + p,
                       some * sizeof *rows);
            else
                memset(rows + (size_t)i * some, 0, some * sizeof *rows);
        }
        V(gemm_lay_t)
        (to + p * GEMM_COLS, GEMM_COLS, rows, DT_F32, some, GEMM_COLS, (int)some);
    }
}

/* dx[row] = grad_scale * (sum of the splits' acc under the common maximum - W[label]) */
static void join_gradient(const struct args *a, int i, const double *weight, float *w)
{
    int cols = a->d->cols;
    float *dx = a->dx + (size_t)a->index[i] * a->lddx;
    double t = a->d->softcap > 0.0f ? (double)a->z_label[i] / (double)a->d->softcap : 0;
    cpu_weight_row(a->w, a->labels[i], w);
    for (int c = 0; c < cols; c += VF_LANES) {
        vf sum = vf_mul(vf_set1((float)(t * t - 1)), vf_get(w + c, cols - c));
        for (int s = 0; s < a->splits; s++) {
            const float *acc = a->acc + ((size_t)s * (size_t)a->padded + (size_t)i) * (size_t)cols;
            sum = vf_fma(vf_set1((float)weight[s]), vf_get(acc + c, cols - c), sum);
        }
        vf_put(dx + c, vf_mul(vf_set1(a->d->grad_scale), sum), cols - c);
    }
}

static void join(kern *k, void *args, int i, int worker)
{
    const struct args *a = args;
    double top = -INFINITY, total = 0, weight[SPLITS_MAX];
    for (int s = 0; s < a->splits; s++) { /* not fmax: gcc 12 for arm64 dies of vectorising it */
        double max = (double)a->max[s * a->padded + i];
        top = max > top ? max : top;
    }
    for (int s = 0; s < a->splits; s++) {
        weight[s] = exp((double)a->max[s * a->padded + i] - top);
        total += weight[s] * (double)a->sum[s * a->padded + i];
    }
    for (int s = 0; s < a->splits; s++)
        weight[s] /= total;
    a->nll[i] = log(total) + (top - (double)a->z_label[i]);
    if (a->dx)
        join_gradient(a, i, weight, cpu_worker_scratch(k, worker));
}

static void run_chunk(kern *k, struct args *a)
{
    size_t stats = (size_t)a->splits * (size_t)a->padded;
    for (size_t i = 0; i < stats; i++) {
        a->max[i] = -INFINITY;
        a->sum[i] = 0.0f;
    }
    cpu_run(k, lay_x, a, a->padded / GEMM_COLS);
    cpu_run(k, tile, a, a->splits * ((a->n + GROUP - 1) / GROUP));
    cpu_run(k, join, a, a->n);
}

static bool room(kern *k, struct args *a, const struct cross_entropy_dims *d)
{
    const char *op = "linear_cross_entropy";
    size_t padded = CHUNK, cols = (size_t)d->cols, stats;
    cut(a, d->cols, d->vocab);
    stats = (size_t)a->splits * padded;
    if (((size_t)a->block * (a->ldw + GEMM_COLS)) * sizeof(float) > CPU_WORKER_BYTES) {
        kern_stick(k, ST_RANGE, op, "%d columns are too many", d->cols);
        return false;
    }
    a->xt = cpu_scratch(k, padded * cols * sizeof(float), op);
    a->acc = a->dx ? cpu_scratch(k, stats * cols * sizeof(float), op) : NULL;
    a->max = cpu_scratch(k, stats * sizeof(float), op);
    a->sum = cpu_scratch(k, stats * sizeof(float), op);
    a->z_label = cpu_scratch(k, padded * sizeof(float), op);
    a->nll = cpu_scratch(k, (size_t)d->n * sizeof(double), op);
    return kern_ok(k);
}

linear_cross_entropy_fn V(linear_cross_entropy);
void V(linear_cross_entropy)(kern *k, struct kref loss, struct kref nll, struct kref dx,
                             struct kref x, struct kref index, struct kref labels,
                             const struct kweight *w, const struct cross_entropy_dims *d)
{
    struct args a = {.w = w, .d = d};
    if (!kern_ok(k))
        return;
    size_t mark = cpu_scratch_mark(k);
    a.x = cpu_f32(x);
    a.ldx = (size_t)x.ld;
    a.dx = dx.buf ? cpu_f32(dx) : NULL;
    a.lddx = (size_t)dx.ld;
    for (int r = 0; r < d->rows && a.dx; r++)
        memset(a.dx + (size_t)r * a.lddx, 0, (size_t)d->cols * sizeof *a.dx);
    if (room(k, &a, d)) {
        double sum = 0;
        for (int i = 0; i < d->n; i += CHUNK) {
            a.index = cpu_i32(index) + i;
            a.labels = cpu_i32(labels) + i;
            a.n = gemm_min(CHUNK, d->n - i);
            a.padded = (a.n + GEMM_COLS - 1) / GEMM_COLS * GEMM_COLS;
            run_chunk(k, &a);
            for (int r = 0; r < a.n; r++) {
                sum += a.nll[r];
                if (nll.buf)
                    cpu_f32(nll)[i + r] = (float)a.nll[r];
            }
        }
        cpu_f32(loss)[0] = (float)((double)cpu_f32(loss)[0] + sum);
    }
    cpu_scratch_release(k, mark);
}
