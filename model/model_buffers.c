/* Every buffer of a model, planned once: the same page first sums their bytes and then makes
 * them. After model_open nothing is allocated. */
#include <stdlib.h>

#include "model/model_impl.h"

struct plan {
    struct model *m;
    bool make;
    uint64_t bytes;
    struct fault *f; /* code set after the first failure */
};

static bool own(struct model *m, kbuf *b)
{
    if (m->own_count == m->own_cap) {
        int cap = m->own_cap ? 2 * m->own_cap : 64;
        kbuf **grown = realloc(m->own, (size_t)cap * sizeof(kbuf *));
        if (!grown)
            return false;
        m->own = grown;
        m->own_cap = cap;
    }
    m->own[m->own_count++] = b;
    return true;
}

static struct kref take(struct plan *p, enum dtype dtype, int64_t rows, int64_t cols,
                        const char *what)
{
    size_t count = (size_t)rows * (size_t)cols;
    kbuf *b = NULL;
    p->bytes += count * dtype_size(dtype);
    if (!p->make || p->f->code != ST_OK || count == 0)
        return KREF_NONE;
    if (kbuf_new(&b, p->m->k, dtype, count, what, p->f) != ST_OK)
        return KREF_NONE;
    if (!own(p->m, b)) {
        kbuf_free(&b);
        fault_nomem(p->f, what, sizeof b);
        return KREF_NONE;
    }
    return kref(b, 0, (int)cols);
}

static struct kref take_act(struct plan *p, int cols, const char *what)
{
    return take(p, kern_info(p->m->k)->activation, p->m->shape.rows_max, cols, what);
}

static struct kref take_f32(struct plan *p, int cols, const char *what)
{
    return take(p, DT_F32, p->m->shape.rows_max, cols, what);
}

/* The buffers of a layer whose backward will come; xm too, which passing layers do not have. */
static struct layer_set take_kept(struct plan *p, const struct layer_plan *like)
{
    const struct model *m = p->m;
    struct layer_set s = {.kept = true};
    s.xm = take_act(p, m->c.hidden, "the stream after attention");
    s.qkv = take_act(p, qkv_columns(&m->c), "q|k|v");
    s.o = take_act(p, att_cols(m), "attention outputs");
    s.gu = take_act(p, gu_cols(m), "gate|up");
    s.lse = take_f32(p, m->c.heads, "log-sum-exp");
    s.stat[0] = take_f32(p, 2, "norm statistics");
    s.stat[1] = take_f32(p, 2, "norm statistics");
    for (int site = 0; site < SITES; site++)
        s.h[site] = take_f32(p, klinear_rank(&like->lin[site]), "adapter activations");
    if (m->c.post_norms) {
        s.ao = take_act(p, m->c.hidden, "the attention branch");
        s.mo = take_act(p, m->c.hidden, "the MLP branch");
        s.ao_rstd = take_f32(p, 1, "norm statistics");
        s.mo_rstd = take_f32(p, 1, "norm statistics");
    }
    return s;
}

/* A passing layer works in x itself; `from` (a kept set, or NULL) lends the rest. */
static struct layer_set take_passing(struct plan *p, const struct layer_set *from, struct kref x)
{
    const struct model *m = p->m;
    struct layer_set s = {0};
    if (from) {
        s = (struct layer_set){.qkv = from->qkv, .o = from->o, .gu = from->gu, .ao = from->ao};
    } else {
        int rank = 0;
        for (int i = 0; i < m->c.layers; i++)
            if (klinear_rank(&m->layer[i].lin[SITE_O]) > rank)
                rank = klinear_rank(&m->layer[i].lin[SITE_O]);
        s.qkv = take_act(p, qkv_columns(&m->c), "q|k|v");
        s.o = take_act(p, att_cols(m), "attention outputs");
        s.gu = take_act(p, gu_cols(m), "gate|up");
        s.h[SITE_O] = take_f32(p, rank, "adapter activations");
        if (m->c.post_norms)
            s.ao = take_act(p, m->c.hidden, "a branch's output");
    }
    s.mo = s.ao;
    s.xm = x;
    return s;
}

/* A checkpointed set must hold H of any layer: the widest of each site. */
static struct layer_plan widest(const struct model *m)
{
    struct layer_plan w = {0};
    for (int i = 0; i < m->c.layers; i++)
        for (int site = 0; site < SITES; site++)
            if (klinear_rank(&m->layer[i].lin[site]) > klinear_rank(&w.lin[site]))
                w.lin[site] = m->layer[i].lin[site];
    return w;
}

/* A set that layers share gets this layer's view of H: as wide as its own ranks. */
static void fit_h(struct layer_plan *l)
{
    for (int site = 0; site < SITES; site++) {
        l->set.h[site].ld = klinear_rank(&l->lin[site]);
        if (l->set.h[site].ld == 0)
            l->set.h[site] = KREF_NONE;
    }
}

static void plan_layers(struct plan *p)
{
    struct model *m = p->m;
    struct layer_set passing, shared = {0};
    int layers = m->c.layers, first = m->first_layer;
    struct kref x = take_act(p, m->c.hidden, "the stream");
    if (m->shape.grad_checkpoint && first < layers) {
        struct layer_plan like = widest(m);
        shared = take_kept(p, &like);
    }
    for (int i = layers - 1; i >= first; i--) {
        struct layer_plan *l = &m->layer[i];
        l->set = m->shape.grad_checkpoint ? shared : take_kept(p, l);
        l->x = i == first ? x : take_act(p, m->c.hidden, "the stream");
    }
    m->x_out = first < layers ? take_act(p, m->c.hidden, "the stream") : x;
    passing = take_passing(p, first < layers ? &m->layer[layers - 1].set : NULL, x);
    for (int i = 0; i < first; i++) {
        m->layer[i].x = x;
        m->layer[i].set = passing;
    }
    for (int i = 0; i < layers; i++)
        fit_h(&m->layer[i]);
}

static void plan_training(struct plan *p)
{
    struct model *m = p->m;
    const struct model_config *c = &m->c;
    int64_t values = (int64_t)m->a->values;
    m->grads = take(p, DT_F32, 1, values, "adapter gradients");
    m->m1 = take(p, DT_F32, 1, values, "adapter moments");
    m->m2 = take(p, DT_F32, 1, values, "adapter moments");
    m->final_stat = take_f32(p, 2, "norm statistics");
    m->dx = take_act(p, c->hidden, "the stream's gradient");
    m->dqkv = take_act(p, qkv_columns(c), "the gradient of q|k|v");
    m->datt = take_act(p, att_cols(m), "the gradient of attention");
    if (c->post_norms) {
        m->dbranch = take_act(p, c->hidden, "the gradient of a branch");
        m->branch = take_act(p, c->hidden, "a branch's output");
    }
    if (c->qk_norm) {
        m->qk = take_act(p, att_cols(m) + kv_cols(m), "normed q|k");
        m->q_rstd = take_f32(p, c->heads, "norm statistics");
        m->k_rstd = take_f32(p, c->kv_heads, "norm statistics");
    }
}

static void plan_shared(struct plan *p)
{
    struct model *m = p->m;
    const struct model_config *c = &m->c;
    enum dtype act = kern_info(m->k)->activation;
    int half = c->rot_dim / 2, kv = kv_cols(m);
    m->ints = take(p, DT_I32, 5, m->shape.rows_max, "ids and labels");
    m->scalars = take(p, DT_F32, 1, SCALARS, "loss and norm");
    m->nll = take_f32(p, 1, "token losses");
    m->xn = take_act(p, c->hidden, "the normed stream");
    m->rows_picked = take(p, act, LOGIT_ROWS, c->hidden, "rows for logits");
    m->logits = take(p, DT_F32, LOGIT_ROWS, c->vocab, "logits");
    if (m->a)
        m->params = take(p, DT_F32, 1, (int64_t)m->a->values, "adapters");
    for (int i = 0; i < 2 && !c->learned_positions; i++) {
        m->rope[i].cosines = take(p, DT_F32, m->positions, half, "rotary tables");
        m->rope[i].sines = take(p, DT_F32, m->positions, half, "rotary tables");
        m->rope[i].choice = -1;
    }
    for (int i = 0; i < c->layers && m->shape.keys_max > 0; i++) {
        m->layer[i].keys = take(p, act, m->shape.keys_max, kv, "the key cache");
        m->layer[i].values = take(p, act, m->shape.keys_max, kv, "the value cache");
    }
}

static void plan_all(struct plan *p)
{
    plan_layers(p);
    plan_shared(p);
    if (p->m->first_layer < p->m->c.layers)
        plan_training(p);
}

uint64_t model_buffers_measure(struct model *m)
{
    struct fault none = {0};
    struct plan p = {.m = m, .f = &none};
    plan_all(&p);
    return p.bytes;
}

enum status model_buffers_make(struct model *m, struct fault *f)
{
    struct plan p = {.m = m, .make = true, .f = f};
    f->code = ST_OK;
    plan_all(&p);
    return f->code;
}

void model_buffers_free(struct model *m)
{
    for (int i = m->own_count - 1; i >= 0; i--)
        kbuf_free(&m->own[i]);
    free(m->own);
    m->own = NULL;
    m->own_count = 0;
}
