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

static const struct tensor *base_source_at(void *ctx, size_t i)
{
    return i < base_count(ctx) ? base_tensor(ctx, i) : NULL;
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
    return (struct tensor_source){
        base_path(b),     base_source_find,    base_source_at, base_source_data,
        base_source_read, base_source_release, ctx.to};
}

static const struct tensor *file_source_find(void *ctx, const char *name)
{
    return safetensors_find(ctx, name);
}

static const struct tensor *file_source_at(void *ctx, size_t i)
{
    return i < safetensors_count(ctx) ? safetensors_tensor(ctx, i) : NULL;
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
    return (struct tensor_source){where,
                                  file_source_find,
                                  file_source_at,
                                  file_source_data,
                                  file_source_read,
                                  file_source_release,
                                  ctx.to};
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

/* ---- what does not belong ------------------------------------------------------------------ */

/* What follows the prefix, or one of those that files may have in its place; NULL at the end. */
static const char *inner_name(const struct family *fam, const char *name, int n)
{
    enum { OTHERS = sizeof fam->other / sizeof *fam->other };
    for (; n <= OTHERS; n++) {
        const char *prefix = n == 0 ? fam->prefix : fam->other[n - 1];
        if (prefix && strncmp(name, prefix, strlen(prefix)) == 0)
            return name + strlen(prefix);
    }
    return NULL;
}

static bool starts(const char *name, const char *stem)
{
    size_t n = strlen(stem);
    return strncmp(name, stem, n) == 0 && name[n] == '.';
}

/* Buffers that some versions of transformers have saved with the weights. */
static bool buffer(const struct family *fam, const char *name)
{
    static const char *const ends[] = {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias"};
    size_t count = fam->positions ? sizeof ends / sizeof *ends : 1, n = strlen(name);
    for (size_t i = 0; i < count; i++)
        if (n > strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* Whether the name is of the text model's layers, embedding, last norm or head. */
static bool of_model(const struct family *fam, const struct model_config *c, const char *name)
{
    size_t skip = strlen(fam->prefix), layers = strcspn(fam->layer + skip, "%");
    const char *inner;
    if (starts(name, "lm_head") || (fam->other_head && starts(name, fam->other_head)))
        return !(c->tied && strcmp(strrchr(name, '.'), ".weight") == 0);
    for (int n = 0; (inner = inner_name(fam, name, n)) != NULL; n++)
        if (strncmp(inner, fam->layer + skip, layers) == 0 || starts(inner, fam->embed + skip) ||
            starts(inner, fam->final_norm + skip))
            return !buffer(fam, name);
    return false;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const struct tensor *const *)a;
    uintptr_t y = (uintptr_t) * (const struct tensor *const *)b;
    return (x > y) - (x < y);
}

/* A bias that config.json has switched off, norms of another family, more layers: what the model
 * computes with and we would leave out. */
static enum status check_strangers(const struct tensor_source *s, const struct model_config *c,
                                   const struct wanted *w, size_t n, struct fault *f)
{
    const struct family *fam = family_find(c->family);
    const struct tensor *t, **known = malloc(n * sizeof *known);
    enum status code = ST_OK;
    if (!known)
        return fault_nomem(f, "the list of tensors", n * sizeof *known);
    for (size_t i = 0; i < n; i++)
        known[i] = weights_find(s, c, w[i].name);
    qsort(known, n, sizeof *known, by_address);
    for (size_t i = 0; code == ST_OK && (t = s->at(s->ctx, i)) != NULL; i++) {
        if (bsearch(&t, known, n, sizeof *known, by_address) || !of_model(fam, c, t->name))
            continue;
        code = fault_set(f, ST_UNSUPPORTED,
                         "%s: tensor %s is no part of the %s model of %d layers that config.json "
                         "describes",
                         s->where, t->name, c->family, c->layers);
        fault_remedy(f, "take the config.json that belongs to this checkpoint, maybe one with "
                        "attention_bias or mlp_bias true");
    }
    free(known);
    return code;
}

enum status weights_check(const struct tensor_source *s, const struct model_config *c,
                          struct fault *f)
{
    const struct wanted head = {.name = "lm_head.weight", .rows = c->vocab, .cols = c->hidden};
    struct wanted *w = NULL;
    size_t n = 0;
    if (weights_wanted(&w, &n, c, f) != ST_OK)
        return f->code;
    enum status code = ST_OK;
    for (size_t i = 0; i < n && code == ST_OK; i++)
        code = check_one(s, c, &w[i], f);
    if (code == ST_OK && c->tied && weights_find(s, c, head.name))
        code = check_one(s, c, &head, f);
    if (code == ST_OK)
        code = check_strangers(s, c, w, n, f);
    free(w);
    return code;
}
