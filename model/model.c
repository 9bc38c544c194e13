#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "model/model_impl.h"
#include "model/random_weights.h"

/* ---- what the pages will call the ops with ------------------------------------------------- */

static struct kref vector_at(const struct model *m, int64_t at, int count)
{
    return at == NO_VECTOR ? KREF_NONE : kref(m->w->vectors, (size_t)at, count);
}

static struct knorm norm_at(const struct model *m, int64_t weight, int64_t bias, int cols)
{
    return (struct knorm){.kind = m->c.norm,
                          .w = vector_at(m, weight, cols),
                          .b = vector_at(m, bias, cols),
                          .eps = (float)m->c.norm_eps,
                          .w_add = (float)m->c.norm_add};
}

/* The adapters of one layer; before the weights are there, so that buffers can be measured. */
static void plan_adapters(struct model *m, int layer)
{
    struct layer_plan *l = &m->layer[layer];
    for (int site = 0; site < SITES; site++) {
        struct site_dims d = site_dims(&m->c, (enum site)site);
        l->lin[site].in = d.in;
        l->lin[site].out = d.out;
    }
    for (int i = 0; m->a && i < m->a->count; i++) {
        const struct adapter_entry *e = &m->a->p[i];
        if (e->mod.layer != layer)
            continue;
        struct klinear *lin = &l->lin[e->mod.site];
        lin->lora[lin->nlora++] = (struct klora){.col = e->mod.col,
                                                 .cols = e->mod.out,
                                                 .rank = e->rank,
                                                 .scale = e->scale,
                                                 .a = e->a,
                                                 .b = e->b,
                                                 .id = (uint32_t)i};
    }
    l->window = m->c.layer[layer].window;
    l->rope = m->c.layer[layer].rope;
}

static void plan_lowest(struct model *m)
{
    m->first_layer = m->c.layers;
    if (!m->a || !m->shape.backward)
        return;
    for (int layer = m->c.layers - 1; layer >= 0; layer--) {
        for (int site = SITES - 1; site >= 0; site--) {
            if (m->layer[layer].lin[site].nlora > 0) {
                m->first_layer = layer;
                m->first_site = (enum site)site;
            }
        }
    }
}

static void attach_weights(struct model *m)
{
    for (int i = 0; i < m->c.layers; i++) {
        const struct layer_weights *lw = &m->w->layer[i];
        struct layer_plan *l = &m->layer[i];
        for (int n = 0; n < NORM_SLOTS; n++) {
            int cols = n == NORM_Q || n == NORM_K ? m->c.head_dim : m->c.hidden;
            l->norm[n] = norm_at(m, lw->norm[n], lw->norm_bias[n], cols);
        }
        for (int site = 0; site < SITES; site++) {
            l->lin[site].w = lw->site[site];
            l->lin[site].bias = vector_at(m, lw->bias[site], l->lin[site].out);
        }
    }
    m->final_norm = norm_at(m, m->w->final_norm, m->w->final_bias, m->c.hidden);
}

static int largest(int a, int b)
{
    return a > b ? a : b;
}

static struct kern_specs specs_of(const struct model *m)
{
    struct kern_specs s = {.rows = m->shape.rows_max,
                           .heads = m->c.heads,
                           .kv_heads = m->c.kv_heads,
                           .head_dim = m->c.head_dim,
                           .keys = largest(m->shape.rows_max, m->shape.keys_max),
                           .vocab = m->c.vocab,
                           .hidden = m->c.hidden,
                           .adapter_values = m->a ? m->a->values : 0,
                           .backward = m->first_layer < m->c.layers,
                           .dropout = m->a && m->a->dropout > 0};
    s.in_width = largest(m->c.hidden, largest(att_cols(m), m->c.inter));
    s.width = largest(s.in_width, largest(qkv_columns(&m->c), gu_cols(m)));
    for (int i = 0; i < m->c.layers; i++)
        for (int site = 0; site < SITES; site++)
            s.rank = largest(s.rank, klinear_rank(&m->layer[i].lin[site]));
    return s;
}

/* The types that the loaded matrices have. */
static unsigned dtypes_of(const struct weights *w)
{
    unsigned types = 1u << kweight_dtype(w->head);
    for (int i = 0; i < w->layers; i++)
        for (int site = 0; site < SITES; site++)
            types |= 1u << kweight_dtype(w->layer[i].site[site]);
    return types;
}

static enum status prepare(struct model *m, struct fault *f)
{
    struct kern_specs s = specs_of(m);
    s.dtypes = dtypes_of(m->w);
    return kern_prepare(m->k, &s, f);
}

/* ---- open ---------------------------------------------------------------------------------- */

static enum status check_shape(const struct model_shape *s, const struct model_config *c,
                               const struct adapters *a, struct fault *f)
{
    if (s->rows_max < 1 || s->keys_max < 0)
        return fault_set(f, ST_RANGE, "a model for %d rows and %d cached keys", s->rows_max,
                         s->keys_max);
    if (s->keys_max > c->max_positions) {
        fault_set(f, ST_RANGE, "%d tokens are more than the %d that the model can tell apart",
                  s->keys_max, c->max_positions);
        return fault_remedy(f, "shorten the prompt or ask for fewer tokens");
    }
    for (int i = 0; a && i < a->count; i++) {
        struct module mod;
        const struct module *have = &a->p[i].mod;
        if (!module_get(&mod, c, have->layer, (int)have->slot) || mod.in != have->in ||
            mod.out != have->out)
            return fault_set(f, ST_FORMAT, "the adapter of %s belongs to another model",
                             have->name);
    }
    return ST_OK;
}

/* Bytes of device memory, with what is there already. */
static enum status measure(uint64_t *weights, uint64_t *buffers, struct model *m,
                           const struct tensor_source *s, struct fault *f)
{
    struct kern_specs specs = specs_of(m);
    *buffers = model_buffers_measure(m) + kern_prepare_bytes(m->k, &specs) + kern_memory(m->k).now;
    return weights_measure(weights, m->k, s, &m->c, f);
}

/* The sum is held against the device's memory before anything is loaded. */
static enum status check_memory(struct model *m, const struct tensor_source *s, struct fault *f)
{
    const double mb = 1e6;
    uint64_t have = kern_info(m->k)->memory_bytes, weights = 0, buffers;
    if (measure(&weights, &buffers, m, s, f) != ST_OK)
        return f->code;
    if (have == 0 || weights + buffers <= have)
        return ST_OK;
    fault_set(f, ST_NOMEM,
              "the model needs %.1f MB (%.1f of weights, %.1f of buffers for %d rows) and %s has "
              "%.1f MB",
              (double)(weights + buffers) / mb, (double)weights / mb, (double)buffers / mb,
              m->shape.rows_max, kern_info(m->k)->id, (double)have / mb);
    if (weights > have)
        return fault_remedy(f, "take a smaller model, or import this one with --dtype bf16");
    return fault_remedy(f, "lower --batch-size or --max-seq-length, or use --grad-checkpoint");
}

static enum status make_host(struct model *m, struct fault *f)
{
    int reach = largest(m->shape.rows_max, m->shape.keys_max);
    m->positions = reach < m->c.max_positions ? reach : m->c.max_positions;
    size_t ints = 7 * (size_t)m->shape.rows_max;
    size_t tables = (size_t)m->positions * (size_t)m->c.rot_dim + 1;
    m->layer = calloc((size_t)m->c.layers, sizeof *m->layer);
    m->host_ints = malloc(ints * sizeof *m->host_ints);
    m->host_rope = malloc(tables * sizeof *m->host_rope);
    if (!m->layer || !m->host_ints || !m->host_rope)
        return fault_nomem(f, "the model", ints * 4 + tables * 4);
    for (int i = 0; i < m->c.layers; i++)
        plan_adapters(m, i);
    plan_lowest(m);
    return ST_OK;
}

/* A model whose buffers and weights can be measured. */
static enum status make_plan(struct model **out, kern *k, const struct tensor_source *s,
                             const struct model_config *c, struct adapters *a,
                             const struct model_shape *shape, struct fault *f)
{
    if (check_shape(shape, c, a, f) != ST_OK || weights_check(s, c, f) != ST_OK)
        return f->code;
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return fault_nomem(f, "the model", sizeof *m);
    *out = m;
    m->k = k;
    m->c = *c;
    if (shape->layers > 0 && shape->layers < c->layers)
        m->c.layers = shape->layers;
    m->shape = *shape;
    m->a = a;
    return make_host(m, f);
}

static enum status open_source(struct model **out, kern *k, const struct tensor_source *s,
                               const struct model_config *c, struct adapters *a,
                               const struct model_shape *shape,
                               const struct model_progress *progress, struct fault *f)
{
    struct model *m = NULL;
    if (make_plan(&m, k, s, c, a, shape, f) != ST_OK || check_memory(m, s, f) != ST_OK ||
        weights_load(&m->w, k, s, &m->c, progress, f) != ST_OK ||
        model_buffers_make(m, f) != ST_OK || prepare(m, f) != ST_OK)
        goto fail;
    attach_weights(m);
    if (a)
        kern_write(k, m->params, a->data, a->values);
    if (kern_sync(k, f) != ST_OK)
        goto fail;
    *out = m;
    return ST_OK;
fail:
    model_close(&m);
    return f->code;
}

enum status model_measure(uint64_t *bytes, kern *k, struct base *base, const struct model_config *c,
                          struct adapters *a, const struct model_shape *shape, struct fault *f)
{
    struct tensor_source s = weights_of_base(base);
    struct model *m = NULL;
    uint64_t weights = 0, buffers = 0;
    enum status st = make_plan(&m, k, &s, c, a, shape, f);
    if (st == ST_OK)
        st = measure(&weights, &buffers, m, &s, f);
    *bytes = weights + buffers;
    model_close(&m);
    return st;
}

enum status model_open(struct model **out, kern *k, struct base *base, const struct model_config *c,
                       struct adapters *a, const struct model_shape *shape,
                       const struct model_progress *progress, struct fault *f)
{
    struct tensor_source s = weights_of_base(base);
    return open_source(out, k, &s, c, a, shape, progress, f);
}

enum status model_open_files(struct model **out, kern *k, const struct safetensors *st,
                             const char *where, const struct model_config *c, struct adapters *a,
                             const struct model_shape *shape, struct fault *f)
{
    struct tensor_source s = weights_of_safetensors(st, where);
    return open_source(out, k, &s, c, a, shape, NULL, f);
}

enum status model_open_random(struct model **out, kern *k, const struct model_config *c,
                              enum dtype dtype, struct adapters *a, const struct model_shape *shape,
                              uint64_t seed, struct fault *f)
{
    struct random_weights *r = NULL;
    if (random_weights_new(&r, c, dtype, seed, f) != ST_OK)
        return f->code;
    struct tensor_source s = weights_of_random(r);
    enum status code = open_source(out, k, &s, c, a, shape, NULL, f);
    random_weights_free(&r);
    return code;
}

void model_close(struct model **mp)
{
    struct model *m = *mp;
    if (!m)
        return;
    struct fault none = {0};
    kern_sync(m->k, &none); /* nothing may still be reading what goes away */
    model_buffers_free(m);
    weights_free(&m->w);
    free(m->layer);
    free(m->host_ints);
    free(m->host_rope);
    free(m);
    *mp = NULL;
}

const struct model_config *model_config_of(const struct model *m)
{
    return &m->c;
}

uint64_t model_weight_bytes(const struct model *m)
{
    return m->w->bytes;
}

enum status model_check_files(const struct safetensors *st, const char *where,
                              const struct model_config *c, struct fault *f)
{
    struct tensor_source s = weights_of_safetensors(st, where);
    return weights_check(&s, c, f);
}
