/* Inside model/ only: what a model on a device is made of.
 *
 * Buffers of one layer (R = rows of the batch, d = hidden, F = inter, A = heads x head_dim):
 *
 *   x [R, d]          the residual stream as the layer gets it
 *   qkv [R, A + 2 kv] q|k|v; q and k roped in place, but raw under per-head norms
 *   o [R, A]          what attention gives, lse its log-sum-exp
 *   xm [R, d]         the stream after attention
 *   gu [R, 2F]        gate|up; its gradient takes its place in backward
 *   ao, mo [R, d]     the branches' outputs, where they have norms of their own (Gemma)
 *
 * A layer is kept (all of this lives until backward), or checkpointed (x alone is kept, the
 * rest is one set shared by all such layers and made again), or passing (evaluation, and
 * layers below the lowest adapted one: nothing is kept, x is worked on in place). Kept sets
 * own their buffers; a passing layer borrows those of the last kept one. */
#ifndef MODEL_MODEL_IMPL_H
#define MODEL_MODEL_IMPL_H

#include "kernels/ops.h"
#include "model/adapters.h"
#include "model/rotary.h"
#include "model/weights.h"

/* What one layer's forward leaves for its backward. */
struct layer_set {
    struct kref xm, qkv, o, gu, ao, mo;
    struct kref lse, ao_rstd, mo_rstd; /* f32 */
    struct kref stat[2];               /* of the two block norms */
    struct kref h[SITES];              /* f32 [R, sum of ranks]; KREF_NONE without adapters */
    bool kept;                         /* false: passing */
};

/* One layer as the pages see it. */
struct layer_plan {
    struct knorm norm[NORM_SLOTS];
    struct klinear lin[SITES];
    struct kref x;
    struct layer_set set;
    int window, rope;         /* rope: which tables; -1: none */
    struct kref keys, values; /* the generation cache [keys_max, kv] */
};

struct rope_tables {
    struct kref cosines, sines;
    int choice; /* what they hold now: rotary_choice, or -1: nothing */
};

/* The numbers of one optimizer step, on their way to the host. */
enum { SCALAR_LOSS, SCALAR_SUMSQ, SCALAR_COEF, SCALAR_NORM, SCALAR_FLAG, SCALAR_EVAL, SCALARS };
enum { RESULTS_MAX = 2 };
struct pending {
    float value[SCALARS];
    double targets;
    uint64_t mark;
};

/* What a page works on: set by batch_load. */
struct pass {
    int rows, labelled;
    struct kref ids, pos, start, index, labels;
    const struct kdropout *drop; /* NULL: none */
    int at;                      /* generation: rows cached before these; else 0 */
    bool cached;
};

/* Where a replay looks for the first value that is not finite: the pages tell it after each
 * step. */
enum probe_at {
    PROBE_EMBED,
    PROBE_QKV,
    PROBE_ATTENTION,
    PROBE_AFTER_ATTENTION,
    PROBE_GATE_UP,
    PROBE_AFTER_MLP,
    PROBE_FINAL_NORM,
    PROBE_GRADIENT /* of the stream below a layer */
};
struct probe {
    void (*fn)(struct probe *p, enum probe_at at, int layer, struct kref x, int rows, int cols);
};

enum { LOGIT_ROWS = 4 };

struct model {
    kern *k;
    struct model_config c;
    struct model_shape shape;
    const struct adapters *a; /* borrowed; NULL: the base alone */
    struct weights *w;
    struct layer_plan *layer; /* [layers] */
    struct knorm final_norm;
    struct kref x_out;    /* the stream after the last layer */
    int first_layer;      /* the lowest adapted layer; layers when there is no adapter */
    enum site first_site; /* and its lowest adapted site */
    int positions;        /* rows of the rotary tables */
    struct rope_tables rope[2];
    kbuf **own; /* every buffer, for closing */
    int own_count, own_cap;
    struct kref params, grads, m1, m2; /* f32, flat; KREF_NONE without adapters or training */
    struct kref scalars, ints, nll;
    struct kref xn, final_stat;          /* the normed last stream */
    struct kref rows_picked, logits;     /* [LOGIT_ROWS, hidden], [LOGIT_ROWS, vocab] f32 */
    struct kref qk, q_rstd, k_rstd;      /* normed and roped q|k, where q and k have norms */
    struct kref branch;                  /* a branch's normed output (Gemma) */
    struct kref dx, dqkv, datt, dbranch; /* gradients: the stream, q|k|v, attention, a branch */
    int32_t *host_ints; /* [7 rows_max]: a batch on its way, then decode's positions and starts */
    float *host_rope;   /* [2 positions rot_dim/2] */
    struct pass pass;
    struct kdropout drop;
    uint64_t seed;
    bool training; /* model_train_begin was called */
    double window_targets;
    struct pending pending[RESULTS_MAX];
    int pending_first, pending_count;
    struct probe *probe;
};

/* model_buffers.c: device bytes of all buffers, then the buffers themselves. */
uint64_t model_buffers_measure(struct model *m);
enum status model_buffers_make(struct model *m, struct fault *f);
void model_buffers_free(struct model *m);

/* batch_load.c: at least `reach` tokens long, for a rope that asks. */
enum status batch_load(struct model *m, const struct batch *b, int reach, struct fault *f);

/* forward.c */
void pages_embed(struct model *m);
void pages_layer(struct model *m, int layer, struct kref out);
void pages_forward(struct model *m); /* from ids to the normed last stream, m->xn */
struct kref layer_out(const struct model *m, int layer); /* where a layer's output goes */

/* q, k and v as attention reads them. again: in backward, where they are made once more if the
 * forward pass did not leave them (and the heads' norms leave their rstd). */
struct attention_refs {
    struct kref q, k, v;
};
struct attention_refs pages_heads(struct model *m, const struct layer_plan *l, bool again);
struct attention_dims pages_attention_dims(const struct model *m, const struct layer_plan *l);

/* The logits of rows of m->xn; waits for the device. */
enum status pages_logits(struct model *m, const int32_t *rows, int count, float *logits,
                         struct fault *f);

/* backward.c: from m->dx at the last stream down to the lowest adapted site. */
void pages_backward(struct model *m);

/* optimize.c: forward and backward of one micro-batch, gradients added up. */
enum status optimize_micro(struct model *m, const struct batch *b, int64_t window_targets, int step,
                           int micro, struct kref nll, struct fault *f);

static inline void probe(const struct model *m, enum probe_at at, int layer, struct kref x,
                         int cols)
{
    if (m->probe)
        m->probe->fn(m->probe, at, layer, x, m->pass.rows, cols);
}

/* Columns of the stream, of attention's output, of q|k|v, of gate|up. */
static inline int att_cols(const struct model *m)
{
    return m->c.heads * m->c.head_dim;
}
static inline int kv_cols(const struct model *m)
{
    return m->c.kv_heads * m->c.head_dim;
}
static inline int gu_cols(const struct model *m)
{
    return site_dims(&m->c, SITE_GATE_UP).out;
}

#endif
