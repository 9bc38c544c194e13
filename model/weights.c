/* What a checkpoint must hold, and where tensors are found. */
#include "model/weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sources ------------------------------------------------------------------------------- */

static const struct tensor *base_source_find(void *ctx, const char *name)
{
    return base_find(ctx, name);
}

static const void *base_source_data(void *ctx, const struct tensor *t)
{
    return base_data(ctx, t);
}

static enum status base_source_read(void *ctx, const struct tensor *t, size_t at, void *to,
                                    size_t n, uint32_t *crc, struct fault *f)
{
    return base_read(ctx, t, at, to, n, crc, f);
}

static void base_source_release(void *ctx, const struct tensor *t)
{
    base_release(ctx, t);
}

struct tensor_source weights_of_base(const struct base *b)
{
    union {
        const struct base *from;
        void *to;
    } ctx = {b}; /* the callbacks above only read it */
    return (struct tensor_source){base_path(b),     base_source_find,    base_source_data,
                                  base_source_read, base_source_release, ctx.to};
}

static const struct tensor *file_source_find(void *ctx, const char *name)
{
    return safetensors_find(ctx, name);
}

static const void *file_source_data(void *ctx, const struct tensor *t)
{
    return safetensors_data(ctx, t);
}

static enum status file_source_read(void *ctx, const struct tensor *t, size_t at, void *to,
                                    size_t n, uint32_t *crc, struct fault *f)
{
    (void)crc, (void)f; /* safetensors files carry no checksums */
    memcpy(to, (const char *)safetensors_data(ctx, t) + at, n);
    return ST_OK;
}

static void file_source_release(void *ctx, const struct tensor *t)
{
    safetensors_release(ctx, t);
}

struct tensor_source weights_of_safetensors(const struct safetensors *st, const char *where)
{
    union {
        const struct safetensors *from;
        void *to;
    } ctx = {st};
    return (struct tensor_source){
        where, file_source_find, file_source_data, file_source_read, file_source_release, ctx.to};
}

const struct tensor *weights_find(const struct tensor_source *s, const struct model_config *c,
                                  const char *name)
{
    const struct family *fam = family_find(c->family);
    const struct tensor *t = s->find(s->ctx, name);
    char other[FAMILY_NAME_MAX];
    for (int n = 0; !t && family_alias(other, fam, name, n); n++)
        t = s->find(s->ctx, other);
    return t;
}

/* ---- the list ------------------------------------------------------------------------------ */

struct list {
    struct wanted *p;
    size_t n, cap;
};

static struct wanted *add(struct list *l, const char *stem, const char *suffix, int rows, int cols)
{
    struct wanted *w = &l->p[l->n++];
    *w = (struct wanted){.rows = rows, .cols = cols};
    snprintf(w->name, sizeof w->name, "%s.%s", stem, suffix);
    return w;
}

static void add_norm(struct list *l, const struct model_config *c, const char *stem, int cols)
{
    add(l, stem, "weight", cols, 0)->norm = true;
    if (c->norm == KNORM_LAYER)
        add(l, stem, "bias", cols, 0);
}

static void add_layer(struct list *l, const struct model_config *c, int layer)
{
    char name[MODULE_NAME_MAX];
    struct module mod;
    for (int slot = 0; slot < NORM_SLOTS; slot++) {
        bool head = slot == NORM_Q || slot == NORM_K;
        if (norm_name(name, c, layer, (enum norm_slot)slot))
            add_norm(l, c, name, head ? c->head_dim : c->hidden);
    }
    for (int slot = 0; slot < MODULE_SLOTS; slot++) {
        if (!module_get(&mod, c, layer, slot))
            continue;
        add(l, mod.name, "weight", mod.out, mod.in)->transposed = c->conv1d;
        if (mod.bias)
            add(l, mod.name, "bias", mod.out, 0);
    }
}

enum status weights_wanted(struct wanted **out, size_t *count, const struct model_config *c,
                           struct fault *f)
{
    const struct family *fam = family_find(c->family);
    struct list l = {0};
    l.cap = (size_t)c->layers * 2 * (NORM_SLOTS + MODULE_SLOTS) + 8;
    l.p = calloc(l.cap, sizeof *l.p);
    if (!l.p)
        return fault_nomem(f, "the list of tensors", l.cap * sizeof *l.p);
    add(&l, fam->embed, "weight", c->vocab, c->hidden);
    if (c->learned_positions)
        add(&l, fam->positions, "weight", c->max_positions, c->hidden);
    for (int i = 0; i < c->layers; i++)
        add_layer(&l, c, i);
    add_norm(&l, c, fam->final_norm, c->hidden);
    if (!c->tied)
        add(&l, "lm_head", "weight", c->vocab, c->hidden);
    *out = l.p;
    *count = l.n;
    return ST_OK;
}

/* ---- the check ----------------------------------------------------------------------------- */

static enum status check_one(const struct tensor_source *s, const struct model_config *c,
                             const struct wanted *w, struct fault *f)
{
    const struct tensor *t = weights_find(s, c, w->name);
    int first = w->transposed ? w->cols : w->rows, second = w->transposed ? w->rows : w->cols;
    char found[160];
    if (!t) {
        fault_set(f, ST_FORMAT, "%s: tensor %s is missing", s->where, w->name);
        return fault_remedy(f,
                            "config.json describes a %s model of %d layers: take the checkpoint "
                            "that it belongs to",
                            c->family, c->layers);
    }
    bool same = t->ndim == (w->cols ? 2 : 1) && t->shape[0] == first &&
                (w->cols == 0 || t->shape[1] == second);
    if (!same) {
        tensor_describe(found, sizeof found, t);
        if (w->cols)
            fault_set(f, ST_FORMAT, "%s: tensor %s is %s; by config.json it is [%d, %d]", s->where,
                      w->name, found, first, second);
        else
            fault_set(f, ST_FORMAT, "%s: tensor %s is %s; by config.json it is [%d]", s->where,
                      w->name, found, first);
        return fault_remedy(f, "take the config.json that belongs to this checkpoint");
    }
    if (t->dtype != DT_F32 && t->dtype != DT_F16 && t->dtype != DT_BF16) {
        fault_set(f, ST_UNSUPPORTED, "%s: tensor %s has type %s", s->where, w->name,
                  dtype_name(t->dtype));
        return fault_remedy(f, "take the checkpoint in F32, F16 or BF16");
    }
    return ST_OK;
}

/* A bias that config.json has switched off would be left out of every product. */
static enum status check_no_bias(const struct tensor_source *s, const struct model_config *c,
                                 const struct module *mod, struct fault *f)
{
    char name[MODULE_NAME_MAX + 16];
    snprintf(name, sizeof name, "%s.bias", mod->name);
    if (mod->bias || !weights_find(s, c, name))
        return ST_OK;
    fault_set(f, ST_UNSUPPORTED, "%s: tensor %s is a bias, and by config.json there is none",
              s->where, name);
    return fault_remedy(f, "take the config.json that belongs to this checkpoint, maybe one with "
                           "attention_bias or mlp_bias true");
}

static enum status check_biases(const struct tensor_source *s, const struct model_config *c,
                                struct fault *f)
{
    struct module mod;
    for (int layer = 0; layer < c->layers; layer++)
        for (int slot = 0; slot < MODULE_SLOTS; slot++)
            if (module_get(&mod, c, layer, slot) && check_no_bias(s, c, &mod, f) != ST_OK)
                return f->code;
    return ST_OK;
}

enum status weights_check(const struct tensor_source *s, const struct model_config *c,
                          struct fault *f)
{
    struct wanted *w = NULL;
    size_t n = 0;
    if (weights_wanted(&w, &n, c, f) != ST_OK)
        return f->code;
    enum status code = ST_OK;
    for (size_t i = 0; i < n && code == ST_OK; i++)
        code = check_one(s, c, &w[i], f);
    free(w);
    return code == ST_OK ? check_biases(s, c, f) : code;
}
