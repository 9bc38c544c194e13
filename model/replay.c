/* Which value was the first that is not finite: one micro-batch again, with a look at every
 * step. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/model_impl.h"

struct replay {
    struct probe probe; /* first: the pages hand it back */
    struct model *m;
    const struct batch *b;
    float *host;   /* [host_count] */
    uint16_t *raw; /* the same, of bf16 activations */
    size_t host_count;
    struct fault *f; /* its code is set when something was found */
};

/* ---- reading back -------------------------------------------------------------------------- */

static bool fetch(struct replay *r, struct kref x, size_t count)
{
    bool half = kbuf_dtype(x.buf) == DT_BF16;
    kern_read(r->m->k, half ? (void *)r->raw : (void *)r->host, x, count);
    if (kern_sync(r->m->k, r->f) != ST_OK)
        return false;
    for (size_t i = 0; half && i < count; i++)
        r->host[i] = bf16_to_f32(r->raw[i]);
    return true;
}

/* The first element that is not finite, or count. */
static size_t first_bad(const float *x, size_t count)
{
    size_t i = 0;
    while (i < count && isfinite(x[i]))
        i++;
    return i;
}

/* ---- what to say --------------------------------------------------------------------------- */

static int document_of(const struct batch *b, int row)
{
    int doc = 0;
    for (int i = 1; i <= row; i++)
        doc += b->start[i] != b->start[i - 1];
    return doc < b->documents ? doc : -1;
}

/* The module that owns an output column of a site. */
static void module_output(char *to, size_t size, const struct model *m, int layer, enum site site,
                          int col)
{
    struct module mod;
    for (int slot = 0; slot < MODULE_SLOTS; slot++) {
        if (!module_get(&mod, &m->c, layer, slot) || mod.site != site || col < mod.col ||
            col >= mod.col + mod.out)
            continue;
        snprintf(to, size, "the output of %s", mod.name);
        return;
    }
}

static void describe(char *to, size_t size, const struct model *m, enum probe_at at, int layer,
                     int col)
{
    to[0] = '\0';
    switch (at) {
    case PROBE_EMBED: snprintf(to, size, "the embedding"); break;
    case PROBE_QKV: module_output(to, size, m, layer, SITE_QKV, col); break;
    case PROBE_ATTENTION: snprintf(to, size, "layer %d attention output", layer); break;
    case PROBE_AFTER_ATTENTION: module_output(to, size, m, layer, SITE_O, col); break;
    case PROBE_GATE_UP: module_output(to, size, m, layer, SITE_GATE_UP, col); break;
    case PROBE_AFTER_MLP: module_output(to, size, m, layer, SITE_DOWN, col); break;
    case PROBE_FINAL_NORM: snprintf(to, size, "the final norm"); break;
    case PROBE_GRADIENT:
        if (layer == m->c.layers)
            snprintf(to, size, "the gradient of the last layer's output");
        else
            snprintf(to, size, "the gradient of layer %d's input", layer);
        break;
    }
}

static void found(struct replay *r, const char *what, int row)
{
    int doc = document_of(r->b, row);
    if (doc >= 0 && r->b->line && r->b->path)
        fault_set(r->f, ST_NUMERIC, "%s is not finite at row %d (%s line %d)", what, row,
                  r->b->path[doc], (int)r->b->line[doc]);
    else if (doc >= 0 && r->b->line)
        fault_set(r->f, ST_NUMERIC, "%s is not finite at row %d (line %d of the data)", what, row,
                  (int)r->b->line[doc]);
    else
        fault_set(r->f, ST_NUMERIC, "%s is not finite at row %d", what, row);
    fault_remedy(r->f,
                 "lower --learning-rate, or look at that line; the last good adapter is kept");
}

static void look(struct probe *p, enum probe_at at, int layer, struct kref x, int rows, int cols)
{
    struct replay *r = (struct replay *)p;
    size_t count = (size_t)rows * (size_t)cols;
    char what[MODULE_NAME_MAX + 32];
    if (r->f->code != ST_OK || !fetch(r, x, count))
        return;
    size_t i = first_bad(r->host, count);
    if (i == count)
        return;
    describe(what, sizeof what, r->m, at, layer, (int)(i % (size_t)cols));
    found(r, what, (int)(i / (size_t)cols));
}

/* ---- adapters, losses ---------------------------------------------------------------------- */

/* A flat array (values or gradients), entry by entry; what: "adapter" or "the gradient of". */
static bool flat_finite(struct replay *r, struct kref flat, const char *what)
{
    for (int i = 0; i < r->m->a->count; i++) {
        const struct adapter_entry *e = &r->m->a->p[i];
        size_t n = e->b - e->a + (size_t)e->mod.out * (size_t)e->rank;
        char key[ADAPTER_KEY_MAX];
        if (!fetch(r, kref(flat.buf, e->a, 0), n))
            return false;
        size_t bad = first_bad(r->host, n);
        if (bad == n)
            continue;
        bool in_a = bad < e->b - e->a;
        adapter_key(key, e, in_a ? 'A' : 'B');
        fault_set(r->f, ST_NUMERIC, "%s %s is not finite at element %zu", what, key,
                  in_a ? bad : bad - (e->b - e->a));
        fault_remedy(r->f, "lower --learning-rate, or start from another adapter");
        return false;
    }
    return true;
}

static void losses_finite(struct replay *r)
{
    size_t n = (size_t)r->b->labelled;
    if (n == 0 || !fetch(r, r->m->nll, n))
        return;
    size_t bad = first_bad(r->host, n);
    if (bad < n)
        found(r, "the loss", r->b->index[bad]);
}

static enum status make_room(struct replay *r)
{
    const struct model *m = r->m;
    size_t widest = (size_t)gu_cols(m), qkv = (size_t)qkv_columns(&m->c);
    if (qkv > widest)
        widest = qkv;
    if ((size_t)m->c.hidden > widest)
        widest = (size_t)m->c.hidden;
    r->host_count = widest * (size_t)m->shape.rows_max;
    for (int i = 0; i < m->a->count; i++) {
        const struct adapter_entry *e = &m->a->p[i];
        size_t n = (size_t)e->rank * ((size_t)e->mod.in + (size_t)e->mod.out);
        if (n > r->host_count)
            r->host_count = n;
    }
    r->host = malloc(r->host_count * sizeof *r->host);
    r->raw = malloc(r->host_count * sizeof *r->raw);
    if (!r->host || !r->raw)
        return fault_nomem(r->f, "the replay", r->host_count * sizeof *r->host);
    return ST_OK;
}

enum status model_find_nonfinite(struct model *m, const struct batch *b, int64_t window_targets,
                                 int step, int micro, struct fault *f)
{
    struct replay r = {.probe = {look}, .m = m, .b = b, .f = f};
    if (!m->training)
        return fault_set(f, ST_USAGE, "the model was not opened and begun for training");
    f->code = ST_OK;
    enum status code = make_room(&r);
    if (code == ST_OK && flat_finite(&r, m->params, "adapter")) {
        struct fault own = {0}; /* the pages' own failures; what the probe finds is in f */
        m->k->op.fill(m->k, m->grads, m->a->values, 0.0f);
        m->probe = &r.probe;
        code = optimize_micro(m, b, window_targets, step, micro, m->nll, &own);
        m->probe = NULL;
        if (code != ST_OK)
            *f = own;
        else if (f->code == ST_OK)
            losses_finite(&r);
        if (f->code == ST_OK)
            flat_finite(&r, m->grads, "the gradient of");
        m->k->op.fill(m->k, m->grads, m->a->values, 0.0f);
        m->k->op.fill(m->k, kref_col(m->scalars, SCALAR_LOSS), 1, 0.0f);
    }
    free(r.host);
    free(r.raw);
    return f->code;
}
