/* A frozen linear layer with low-rank adapters (Hu et al. 2021, arXiv:2106.09685): the heart of the
 * project. W may join several layers that share their input (q|k|v, gate|up); each adapter owns a
 * range of output columns.
 *
 *   forward:   H_j = X_j A_j^T                                  X_j = dropout_j(X) or X
 *              Y   = X W^T + bias + sum_j s_j H_j B_j^T (columns of j) [+ res]
 *   backward:  G_j = s_j dY_j B_j            dB_j += s_j dY_j^T H_j        dA_j += G_j^T X_j
 *              dX  = dY W + sum_j dropout_j(G_j A_j)
 *
 *   y   [rows, out]   =  may be res            res [rows, out] or KREF_NONE
 *   h   [rows, sum of ranks] f32 =             kept for backward, adapters side by side; ld = the sum
 *   x   [rows, in]       params, grads: the flat adapter buffers (f32)
 *   dx  [rows, in]    = or += by mode; KREF_NONE: not wanted
 *   dA, dB            += into grads
 * A_j is [rank, in] at params[a], B_j [cols, rank] at params[b], both row-major. nlora = 0 is a plain
 * frozen linear (h, params, grads then KREF_NONE).
 *
 * H is staged once and W is passed over once in each direction. dW is never formed, and s·BA is never
 * merged into W. Accumulation is f32 whatever W's dtype; W is never held as a whole f32 copy.
 *
 * Dropout, as in PEFT, acts on each adapter's input with a mask of its own: element (r, c) of adapter
 * `id` is dropped when rng_uniform(philox(seed, step<<32 | micro<<16 | id, (r*in + c) / 4)[(r*in+c) % 4]) < p,
 * and scaled by 1/(1-p) when kept. Backward makes the same mask again. */
#ifndef KERNELS_LORA_LINEAR_H
#define KERNELS_LORA_LINEAR_H

#include "kernels/kern.h"
#include "kernels/rng.h"

enum { KLORA_MAX = 4 };

struct klora {
    int col, cols; /* the output columns [col, col + cols) it adds to */
    int rank;
    float scale; /* s */
    size_t a, b; /* where A and B start in the flat buffers */
    uint32_t id; /* names its dropout masks; < 65536 */
};

struct klinear {
    const struct kweight *w; /* [out, in] */
    struct kref bias;        /* [out] f32 or KREF_NONE */
    int in, out;
    int nlora;
    struct klora lora[KLORA_MAX];
};

struct kdropout {
    float p; /* 0: none */
    uint64_t seed;
    uint32_t step, micro; /* micro < 65536 */
};

typedef void lora_linear_fwd_fn(kern *k, struct kref y, struct kref h, struct kref x,
                                struct kref res, struct kref params, const struct klinear *lin,
                                int rows, const struct kdropout *drop);
typedef void lora_linear_bwd_fn(kern *k, struct kref dx, struct kref grads, struct kref dy,
                                struct kref x, struct kref h, struct kref params,
                                const struct klinear *lin, int rows, const struct kdropout *drop,
                                enum kwrite mode);

static inline bool kdropout_on(const struct kdropout *d)
{
    return d && d->p > 0.0f;
}

/* Whether element number r*in + c of adapter id's input is dropped. */
static inline bool kdropout_drops(const struct kdropout *d, uint32_t id, size_t element)
{
    uint32_t word[4];
    uint64_t stream = (uint64_t)d->step << 32 | (uint64_t)d->micro << 16 | id;
    rng_philox(word, d->seed, stream, element / 4);
    return rng_uniform(word[element % 4]) < d->p;
}

/* The sum of a linear's adapter ranks: columns of h. */
static inline int klinear_rank(const struct klinear *lin)
{
    int r = 0;
    for (int j = 0; j < lin->nlora; j++)
        r += lin->lora[j].rank;
    return r;
}

#endif
