/* The backward pages: each layer's equations from the last to the first, and no further than
 * the lowest adapted matrix needs. Below it there is nothing to learn. */
#include "model/model_impl.h"

/* Whether this site is the lowest that is adapted: nothing below it wants a gradient. */
static bool lowest(const struct model *m, int layer, enum site site)
{
    return layer == m->first_layer && site == m->first_site;
}

/* What a branch's output gets: the stream's gradient, through the branch's norm where it has
 * one. */
static struct kref branch_gradient(struct model *m, const struct knorm *norm, struct kref branch,
                                   struct kref rstd)
{
    if (!m->c.post_norms)
        return m->dx;
    m->k->op.rmsnorm_bwd(m->k, m->dbranch, m->dx, branch, rstd, norm->w, m->pass.rows, 1,
                         m->c.hidden, norm->w_add, K_SET);
    return m->dbranch;
}

/* False: this was the lowest adapted site. */
static bool mlp_backward(struct model *m, const struct layer_plan *l, int layer)
{
    const struct layer_set *s = &l->set;
    const struct ksaved saved = {.stat = s->stat[1], .h = s->h[SITE_GATE_UP]};
    const struct ksaved saved_down = {.h = s->h[SITE_DOWN]};
    struct kref dy = branch_gradient(m, &l->norm[NORM_MLP_OUT], s->mo, s->mo_rstd);
    bool last = lowest(m, layer, SITE_GATE_UP);
    kern *k = m->k;
    k->op.act_linear_bwd(k, s->gu, m->grads, dy, &saved_down, s->gu, m->params, m->c.act,
                         &l->lin[SITE_DOWN], m->pass.rows, m->pass.drop);
    if (lowest(m, layer, SITE_DOWN))
        return false;
    k->op.norm_linear_bwd(k, last ? KREF_NONE : m->dx, m->grads, s->gu, &saved, s->xm, m->params,
                          &l->norm[NORM_MLP], &l->lin[SITE_GATE_UP], m->pass.rows, m->pass.drop);
    return !last;
}

/* dq and dk back through rope and the heads' norms, in place. */
static void heads_backward(struct model *m, const struct layer_plan *l, struct kref dq,
                           struct kref dk)
{
    const struct model_config *c = &m->c;
    kern *k = m->k;
    int rows = m->pass.rows, hd = c->head_dim;
    if (l->rope >= 0) {
        const struct rope_tables *t = &m->rope[l->rope];
        k->op.rope_bwd(k, dq, dq, m->pass.pos, t->cosines, t->sines, rows, c->heads, hd,
                       c->rot_dim);
        k->op.rope_bwd(k, dk, dk, m->pass.pos, t->cosines, t->sines, rows, c->kv_heads, hd,
                       c->rot_dim);
    }
    if (c->qk_norm) {
        const struct knorm *nq = &l->norm[NORM_Q], *nk = &l->norm[NORM_K];
        struct kref raw_k = kref_col(l->set.qkv, att_cols(m));
        k->op.rmsnorm_bwd(k, dq, dq, l->set.qkv, m->q_rstd, nq->w, rows, c->heads, hd, nq->w_add,
                          K_SET);
        k->op.rmsnorm_bwd(k, dk, dk, raw_k, m->k_rstd, nk->w, rows, c->kv_heads, hd, nk->w_add,
                          K_SET);
    }
}

static bool attention_backward(struct model *m, const struct layer_plan *l, int layer)
{
    const struct layer_set *s = &l->set;
    const struct ksaved saved = {.stat = s->stat[0], .h = s->h[SITE_QKV]};
    struct kref dy = branch_gradient(m, &l->norm[NORM_ATTN_OUT], s->ao, s->ao_rstd);
    bool last = lowest(m, layer, SITE_QKV);
    kern *k = m->k;
    int rows = m->pass.rows;
    k->op.lora_linear_bwd(k, lowest(m, layer, SITE_O) ? KREF_NONE : m->datt, m->grads, dy, s->o,
                          s->h[SITE_O], m->params, &l->lin[SITE_O], rows, m->pass.drop, K_SET);
    if (lowest(m, layer, SITE_O))
        return false;
    struct attention_refs r = pages_heads(m, l, true);
    struct attention_dims d = pages_attention_dims(m, l);
    struct kref dk = kref_col(m->dqkv, att_cols(m)), dv = kref_col(dk, kv_cols(m));
    k->op.attention_bwd(k, m->dqkv, dk, dv, m->datt, r.q, r.k, r.v, s->o, s->lse, m->pass.start,
                        &d);
    heads_backward(m, l, m->dqkv, dk);
    k->op.norm_linear_bwd(k, last ? KREF_NONE : m->dx, m->grads, m->dqkv, &saved, l->x, m->params,
                          &l->norm[NORM_ATTN], &l->lin[SITE_QKV], rows, m->pass.drop);
    return !last;
}

static void final_norm_backward(struct model *m)
{
    const struct knorm *n = &m->final_norm;
    kern *k = m->k;
    int rows = m->pass.rows, cols = m->c.hidden;
    struct kref stat = m->final_stat, mean = kref_col(stat, rows);
    if (n->kind == KNORM_RMS)
        k->op.rmsnorm_bwd(k, m->dx, m->dx, m->x_out, stat, n->w, rows, 1, cols, n->w_add, K_SET);
    else
        k->op.layernorm_bwd(k, m->dx, m->dx, m->x_out, mean, stat, n->w, rows, cols, K_SET);
    probe(m, PROBE_GRADIENT, m->c.layers, m->dx, cols);
}

void pages_backward(struct model *m)
{
    final_norm_backward(m);
    for (int i = m->c.layers - 1; i >= m->first_layer; i--) {
        const struct layer_plan *l = &m->layer[i];
        if (m->shape.grad_checkpoint && i < m->c.layers - 1) /* the last one still stands there */
            pages_layer(m, i, m->xn); /* its output is not wanted again: xn is free by now */
        if (!mlp_backward(m, l, i) || !attention_backward(m, l, i))
            return;
        probe(m, PROBE_GRADIENT, i, m->dx, m->c.hidden);
    }
}
