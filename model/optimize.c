/* Training: micro-batches into gradients, windows into steps, and what comes back to the host. */
#include <math.h>
#include <string.h>

#include "model/model_impl.h"

static enum status want_training(const struct model *m, struct fault *f)
{
    if (m->training)
        return ST_OK;
    return fault_set(f, ST_USAGE, "the model was not opened and begun for training");
}

static void clear(struct model *m, struct kref flat)
{
    m->k->op.fill(m->k, flat, m->a->values, 0.0f);
}

enum status model_train_begin(struct model *m, uint64_t seed, struct fault *f)
{
    if (m->first_layer == m->c.layers)
        return fault_set(f, ST_USAGE, "a model without adapters or backward cannot be trained");
    m->training = true;
    m->seed = seed;
    m->pending_count = 0;
    m->window_targets = 0;
    clear(m, m->grads);
    clear(m, m->m1);
    clear(m, m->m2);
    m->k->op.fill(m->k, m->scalars, SCALARS, 0.0f);
    return kern_sync(m->k, f);
}

/* The pages of one micro-batch; shared with the replay that looks for bad values. */
enum status optimize_micro(struct model *m, const struct batch *b, int64_t window_targets, int step,
                           int micro, struct kref nll, struct fault *f)
{
    if (batch_load(m, b, 0, f) != ST_OK)
        return f->code;
    if (window_targets < b->labelled || window_targets < 1 || step < 0 || micro < 0 ||
        micro > 65535)
        return fault_set(f, ST_RANGE, "micro-batch %d of step %d: %lld targets in its window",
                         micro, step, (long long)window_targets);
    if (b->labelled == 0)
        return ST_OK;
    m->drop = (struct kdropout){.p = (float)m->a->dropout,
                                .seed = m->seed,
                                .step = (uint32_t)step,
                                .micro = (uint32_t)micro};
    m->pass.drop = &m->drop;
    struct cross_entropy_dims d = {.n = b->labelled,
                                   .rows = b->rows,
                                   .cols = m->c.hidden,
                                   .vocab = m->c.vocab,
                                   .grad_scale = (float)(1.0 / (double)window_targets),
                                   .softcap = (float)m->c.logit_softcap};
    pages_forward(m);
    m->k->op.linear_cross_entropy(m->k, kref_col(m->scalars, SCALAR_LOSS), nll, m->dx, m->xn,
                                  m->pass.index, m->pass.labels, m->w->head, &d);
    pages_backward(m);
    return ST_OK;
}

enum status model_train_micro(struct model *m, const struct batch *b, int64_t window_targets,
                              int step, int micro, struct fault *f)
{
    if (want_training(m, f) != ST_OK)
        return f->code;
    m->window_targets = (double)window_targets;
    return optimize_micro(m, b, window_targets, step, micro, KREF_NONE, f);
}

enum status model_train_update(struct model *m, const struct train_hyper *h, struct fault *f)
{
    kern *k = m->k;
    struct kref s = m->scalars, coef = kref_col(s, SCALAR_COEF);
    if (want_training(m, f) != ST_OK)
        return f->code;
    if (m->pending_count == RESULTS_MAX)
        return fault_set(f, ST_USAGE, "the results of %d steps were not taken", RESULTS_MAX);
    const struct adamw_hyper hyper = {.lr = (float)h->lr,
                                      .beta1 = (float)h->beta1,
                                      .beta2 = (float)h->beta2,
                                      .eps = (float)h->eps,
                                      .weight_decay = (float)h->weight_decay,
                                      .step = h->step};
    struct pending *p = &m->pending[(m->pending_first + m->pending_count) % RESULTS_MAX];
    k->op.sumsq(k, kref_col(s, SCALAR_SUMSQ), m->grads, m->a->values);
    k->op.clip_coef(k, coef, kref_col(s, SCALAR_SUMSQ), kref_col(s, SCALAR_LOSS),
                    (float)h->max_grad_norm);
    k->op.adamw(k, m->params, m->m1, m->m2, m->grads, coef, m->a->values, &hyper);
    kern_read(k, p->value, s, SCALARS);
    p->targets = m->window_targets;
    p->mark = kern_mark(k);
    m->pending_count++;
    k->op.fill(k, kref_col(s, SCALAR_LOSS), 1, 0.0f);
    clear(m, m->grads);
    return ST_OK;
}

enum status model_train_result(struct model *m, struct train_result *r, struct fault *f)
{
    struct pending *p = &m->pending[m->pending_first];
    if (m->pending_count == 0)
        return fault_set(f, ST_USAGE, "no optimizer step waits for its result");
    if (kern_wait(m->k, p->mark, f) != ST_OK)
        return f->code;
    m->pending_first = (m->pending_first + 1) % RESULTS_MAX;
    m->pending_count--;
    r->loss = p->targets > 0 ? (double)p->value[SCALAR_LOSS] / p->targets : 0;
    r->grad_norm = (double)p->value[SCALAR_NORM];
    r->finite = p->value[SCALAR_FLAG] == 0.0f;
    return ST_OK;
}

/* ---- state --------------------------------------------------------------------------------- */

enum status model_state_read(struct model *m, float *params, float *m1, float *m2, struct fault *f)
{
    if (!m->a)
        return ST_OK;
    if ((m1 || m2) && !m->m1.buf)
        return fault_set(f, ST_USAGE, "a model that is not trained has no moments");
    if (params)
        kern_read(m->k, params, m->params, m->a->values);
    if (m1)
        kern_read(m->k, m1, m->m1, m->a->values);
    if (m2)
        kern_read(m->k, m2, m->m2, m->a->values);
    return kern_sync(m->k, f);
}

enum status model_state_write(struct model *m, const float *params, const float *m1,
                              const float *m2, struct fault *f)
{
    if (!m->a)
        return ST_OK;
    if ((m1 || m2) && !m->m1.buf)
        return fault_set(f, ST_USAGE, "a model that is not trained has no moments");
    if (params)
        kern_write(m->k, m->params, params, m->a->values);
    if (m1)
        kern_write(m->k, m->m1, m1, m->a->values);
    if (m2)
        kern_write(m->k, m->m2, m2, m->a->values);
    return kern_sync(m->k, f);
}

enum status model_grads_read(struct model *m, float *grads, struct fault *f)
{
    if (want_training(m, f) != ST_OK)
        return f->code;
    kern_read(m->k, grads, m->grads, m->a->values);
    return kern_sync(m->k, f);
}
