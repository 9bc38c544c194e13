/* The forward pages: a decoder layer reads as its equations, one op a line. */
#include <math.h>
#include <string.h>

#include "model/model_impl.h"

struct kref layer_out(const struct model *m, int layer)
{
    return layer + 1 < m->c.layers ? m->layer[layer + 1].x : m->x_out;
}

/* ---- pages --------------------------------------------------------------------------------- */

void pages_embed(struct model *m)
{
    const struct pass *p = &m->pass;
    struct kref x = m->layer[0].x;
    m->k->op.embedding_fwd(m->k, x, p->ids, m->w->embed, p->rows, (float)m->c.embed_scale);
    if (m->c.learned_positions) {
        m->k->op.embedding_fwd(m->k, m->xn, p->pos, m->w->positions, p->rows, 1.0f);
        m->k->op.add(m->k, x, x, m->xn, p->rows, m->c.hidden);
    }
    probe(m, PROBE_EMBED, 0, x, m->c.hidden);
}

/* q and k of joined rows, normed per head and turned. Raw q and k survive where they have
 * norms and their backward will come; rstd is written when it is asked for. */
struct attention_refs pages_heads(struct model *m, const struct layer_plan *l, bool again)
{
    const struct model_config *c = &m->c;
    kern *k = m->k;
    int rows = m->pass.rows, hd = c->head_dim;
    struct kref q = l->set.qkv, key = kref_col(q, att_cols(m));
    struct attention_refs r = {q, key, kref_col(key, kv_cols(m))};
    if (c->qk_norm) {
        const struct knorm *nq = &l->norm[NORM_Q], *nk = &l->norm[NORM_K];
        if (l->set.kept) {
            r.q = m->qk;
            r.k = kref_col(m->qk, att_cols(m));
        }
        k->op.rmsnorm_fwd(k, r.q, again ? m->q_rstd : KREF_NONE, q, nq->w, rows, c->heads, hd,
                          nq->eps, nq->w_add);
        k->op.rmsnorm_fwd(k, r.k, again ? m->k_rstd : KREF_NONE, key, nk->w, rows, c->kv_heads, hd,
                          nk->eps, nk->w_add);
    } else if (again) {
        return r; /* turned in place by the forward pass */
    }
    if (l->rope >= 0) {
        const struct rope_tables *t = &m->rope[l->rope];
        k->op.rope_fwd(k, r.q, r.q, m->pass.pos, t->cosines, t->sines, rows, c->heads, hd,
                       c->rot_dim);
        k->op.rope_fwd(k, r.k, r.k, m->pass.pos, t->cosines, t->sines, rows, c->kv_heads, hd,
                       c->rot_dim);
    }
    return r;
}

struct attention_dims pages_attention_dims(const struct model *m, const struct layer_plan *l)
{
    const struct pass *p = &m->pass;
    return (struct attention_dims){.q_rows = p->rows,
                                   .k_rows = p->at + p->rows,
                                   .q_offset = p->at,
                                   .heads = m->c.heads,
                                   .kv_heads = m->c.kv_heads,
                                   .head_dim = m->c.head_dim,
                                   .window = l->window,
                                   .scale = (float)m->c.attn_scale,
                                   .softcap = (float)m->c.attn_softcap};
}

static void attend(struct model *m, const struct layer_plan *l)
{
    kern *k = m->k;
    struct attention_refs r = pages_heads(m, l, false);
    struct attention_dims d = pages_attention_dims(m, l);
    if (m->pass.cached) {
        k->op.copy(k, kref_row(l->keys, m->pass.at), r.k, m->pass.rows, kv_cols(m));
        k->op.copy(k, kref_row(l->values, m->pass.at), r.v, m->pass.rows, kv_cols(m));
        r.k = l->keys;
        r.v = l->values;
    }
    k->op.attention_fwd(k, l->set.o, l->set.lse, r.q, r.k, r.v, m->pass.start, &d);
}

/* out = x + norm(branch), where branches have norms of their own */
static void add_normed(struct model *m, struct kref out, struct kref rstd, struct kref branch,
                       struct kref x, const struct knorm *norm, bool kept)
{
    struct kref normed = kept ? m->branch : branch;
    int rows = m->pass.rows, cols = m->c.hidden;
    m->k->op.rmsnorm_fwd(m->k, normed, rstd, branch, norm->w, rows, 1, cols, norm->eps,
                         norm->w_add);
    m->k->op.add(m->k, out, x, normed, rows, cols);
}

static void attention_branch(struct model *m, const struct layer_plan *l, int layer)
{
    const struct layer_set *s = &l->set;
    const struct ksaved saved = {.stat = s->stat[0], .h = s->h[SITE_QKV]};
    struct kref to = m->c.post_norms ? s->ao : s->xm;
    kern *k = m->k;
    int rows = m->pass.rows;
    k->op.norm_linear_fwd(k, s->qkv, &saved, l->x, m->params, &l->norm[NORM_ATTN],
                          &l->lin[SITE_QKV], rows, m->pass.drop);
    probe(m, PROBE_QKV, layer, s->qkv, qkv_columns(&m->c));
    attend(m, l);
    probe(m, PROBE_ATTENTION, layer, s->o, att_cols(m));
    k->op.lora_linear_fwd(k, to, s->h[SITE_O], s->o, m->c.post_norms ? KREF_NONE : l->x, m->params,
                          &l->lin[SITE_O], rows, m->pass.drop);
    if (m->c.post_norms)
        add_normed(m, s->xm, s->ao_rstd, s->ao, l->x, &l->norm[NORM_ATTN_OUT], s->kept);
    probe(m, PROBE_AFTER_ATTENTION, layer, s->xm, m->c.hidden);
}

static void mlp_branch(struct model *m, const struct layer_plan *l, int layer, struct kref out)
{
    const struct layer_set *s = &l->set;
    const struct ksaved saved = {.stat = s->stat[1], .h = s->h[SITE_GATE_UP]};
    const struct ksaved saved_down = {.h = s->h[SITE_DOWN]};
    struct kref to = m->c.post_norms ? s->mo : out;
    kern *k = m->k;
    int rows = m->pass.rows;
    k->op.norm_linear_fwd(k, s->gu, &saved, s->xm, m->params, &l->norm[NORM_MLP],
                          &l->lin[SITE_GATE_UP], rows, m->pass.drop);
    probe(m, PROBE_GATE_UP, layer, s->gu, gu_cols(m));
    k->op.act_linear_fwd(k, to, &saved_down, s->gu, m->c.post_norms ? KREF_NONE : s->xm, m->params,
                         m->c.act, &l->lin[SITE_DOWN], rows, m->pass.drop);
    if (m->c.post_norms)
        add_normed(m, out, s->mo_rstd, s->mo, s->xm, &l->norm[NORM_MLP_OUT], s->kept);
    probe(m, PROBE_AFTER_MLP, layer, out, m->c.hidden);
}

void pages_layer(struct model *m, int layer, struct kref out)
{
    const struct layer_plan *l = &m->layer[layer];
    attention_branch(m, l, layer);
    mlp_branch(m, l, layer, out);
}

static void final_norm(struct model *m)
{
    const struct knorm *n = &m->final_norm;
    kern *k = m->k;
    int rows = m->pass.rows, cols = m->c.hidden;
    struct kref stat = m->final_stat;
    struct kref mean = stat.buf ? kref_col(stat, rows) : KREF_NONE;
    if (n->kind == KNORM_RMS)
        k->op.rmsnorm_fwd(k, m->xn, stat, m->x_out, n->w, rows, 1, cols, n->eps, n->w_add);
    else
        k->op.layernorm_fwd(k, m->xn, mean, stat, m->x_out, n->w, n->b, rows, cols, n->eps);
    probe(m, PROBE_FINAL_NORM, 0, m->xn, cols);
}

void pages_forward(struct model *m)
{
    pages_embed(m);
    for (int i = 0; i < m->c.layers; i++)
        pages_layer(m, i, layer_out(m, i));
    final_norm(m);
}

/* ---- loss and logits without gradients ----------------------------------------------------- */

enum status model_forward(struct model *m, const struct batch *b, float *nll, double *loss_sum,
                          struct fault *f)
{
    float sum = 0;
    kern *k = m->k;
    struct kref loss = kref_col(m->scalars, SCALAR_EVAL);
    if (batch_load(m, b, 0, f) != ST_OK)
        return f->code;
    *loss_sum = 0;
    if (b->labelled == 0)
        return ST_OK;
    struct cross_entropy_dims d = {.n = b->labelled,
                                   .rows = b->rows,
                                   .cols = m->c.hidden,
                                   .vocab = m->c.vocab,
                                   .softcap = (float)m->c.logit_softcap};
    pages_forward(m);
    k->op.fill(k, loss, 1, 0.0f);
    k->op.linear_cross_entropy(k, loss, nll ? m->nll : KREF_NONE, KREF_NONE, m->xn, m->pass.index,
                               m->pass.labels, m->w->head, &d);
    kern_read(k, &sum, loss, 1);
    if (nll)
        kern_read(k, nll, m->nll, (size_t)b->labelled);
    if (kern_sync(k, f) != ST_OK)
        return f->code;
    *loss_sum = (double)sum;
    return ST_OK;
}

/* The logits of some rows of m->xn, LOGIT_ROWS at a time. */
enum status pages_logits(struct model *m, const int32_t *rows, int count, float *logits,
                         struct fault *f)
{
    kern *k = m->k;
    float cap = (float)m->c.logit_softcap;
    size_t vocab = (size_t)m->c.vocab;
    const struct klinear head = {.w = m->w->head, .in = m->c.hidden, .out = m->c.vocab};
    for (int at = 0; at < count; at += LOGIT_ROWS) {
        int n = count - at < LOGIT_ROWS ? count - at : LOGIT_ROWS;
        for (int i = 0; i < n; i++)
            k->op.copy(k, kref_row(m->rows_picked, i), kref_row(m->xn, rows[at + i]), 1,
                       m->c.hidden);
        k->op.lora_linear_fwd(k, m->logits, KREF_NONE, m->rows_picked, KREF_NONE, KREF_NONE, &head,
                              n, NULL);
        kern_read(k, logits + (size_t)at * vocab, m->logits, (size_t)n * vocab);
        if (kern_sync(k, f) != ST_OK)
            return f->code;
    }
    for (size_t i = 0; cap > 0 && i < (size_t)count * vocab; i++)
        logits[i] = cap * tanhf(logits[i] / cap);
    return ST_OK;
}

enum status model_logits(struct model *m, const struct batch *b, const int32_t *rows, int count,
                         float *logits, struct fault *f)
{
    if (batch_load(m, b, 0, f) != ST_OK)
        return f->code;
    for (int i = 0; i < count; i++)
        if (rows[i] < 0 || rows[i] >= b->rows)
            return fault_set(f, ST_RANGE, "row %d is not one of the batch's %d", rows[i], b->rows);
    pages_forward(m);
    return pages_logits(m, rows, count, logits, f);
}
