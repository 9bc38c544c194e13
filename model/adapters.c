#include "model/adapters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/rng.h"
#include "model/adapter_targets.h"

void adapter_key(char to[ADAPTER_KEY_MAX], const struct adapter_entry *e, char which)
{
    snprintf(to, ADAPTER_KEY_MAX, "base_model.model.%s.lora_%c.weight", e->mod.name, which);
}

int adapters_at(const struct adapters *a, int layer, int slot)
{
    for (int i = 0; a && i < a->count; i++)
        if (a->p[i].mod.layer == layer && (int)a->p[i].mod.slot == slot)
            return i;
    return -1;
}

enum status adapters_add_target(struct adapters *a, const char *name, size_t length,
                                struct fault *f)
{
    char *copy = strndup(name, length);
    char **grown = copy ? realloc(a->targets, (a->target_count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(copy);
        return fault_nomem(f, "the names of target_modules", length);
    }
    a->targets = grown;
    a->targets[a->target_count++] = copy;
    return ST_OK;
}

/* ---- places in the flat array -------------------------------------------------------------- */

static int by_key(const void *x, const void *y)
{
    char kx[ADAPTER_KEY_MAX], ky[ADAPTER_KEY_MAX];
    adapter_key(kx, x, 'A');
    adapter_key(ky, y, 'A');
    return strcmp(kx, ky);
}

enum status adapters_lay_out(struct adapters *a, struct fault *f)
{
    size_t at = 0;
    qsort(a->p, (size_t)a->count, sizeof *a->p, by_key);
    for (int i = 0; i < a->count; i++) {
        struct adapter_entry *e = &a->p[i];
        e->a = at;
        e->b = at + (size_t)e->rank * (size_t)e->mod.in;
        at = e->b + (size_t)e->mod.out * (size_t)e->rank;
    }
    a->values = at;
    a->data = calloc(at, sizeof *a->data);
    if (!a->data)
        return fault_nomem(f, "the adapters", at * sizeof *a->data);
    return ST_OK;
}

/* ---- initial values ------------------------------------------------------------------------ */

/* FNV-1a: names a tensor's random stream, so that a matrix starts the same whatever else is
 * adapted. */
static uint64_t key_hash(const char *key)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    return h;
}

static void fill_a(struct adapters *a, const struct adapter_entry *e, uint64_t seed)
{
    size_t n = (size_t)e->rank * (size_t)e->mod.in;
    float bound = (float)(1 / sqrt((double)e->mod.in));
    char key[ADAPTER_KEY_MAX];
    uint32_t word[4];
    adapter_key(key, e, 'A');
    uint64_t stream = key_hash(key);
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0)
            rng_philox(word, seed, stream, i / 4);
        a->data[e->a + i] = (2.0f * rng_uniform(word[i % 4]) - 1.0f) * bound;
    }
}

/* ---- planning ------------------------------------------------------------------------------ */

static enum status check_spec(const struct adapter_spec *s, const struct model_config *c,
                              struct fault *f)
{
    if (s->rank < 1)
        return fault_set(f, ST_USAGE, "rank %d: an adapter needs at least rank 1", s->rank);
    if (!isfinite(s->alpha) || s->alpha <= 0)
        return fault_set(f, ST_USAGE, "alpha %g is not a positive number", s->alpha);
    if (!(s->dropout >= 0 && s->dropout < 1))
        return fault_set(f, ST_USAGE, "dropout %g is not in [0, 1)", s->dropout);
    if (s->num_layers < 0 || s->num_layers > c->layers) {
        fault_set(f, ST_USAGE, "num_layers %d: the model has %d layers", s->num_layers, c->layers);
        return fault_remedy(f, "give 1 to %d, or 0 for all", c->layers);
    }
    return ST_OK;
}

static enum status add_entry(struct adapters *a, const struct module *mod, struct fault *f)
{
    int smaller = mod->in < mod->out ? mod->in : mod->out;
    if (a->rank > smaller) {
        fault_set(f, ST_USAGE, "rank %d is above the smaller side of %s [%d, %d]", a->rank,
                  mod->name, mod->out, mod->in);
        return fault_remedy(f, "give a rank of at most %d, or leave it out of target_modules",
                            smaller);
    }
    struct adapter_entry *e = &a->p[a->count++];
    *e = (struct adapter_entry){.mod = *mod, .rank = a->rank, .alpha = a->alpha};
    e->scale = (float)(a->alpha / (a->use_rslora ? sqrt((double)a->rank) : (double)a->rank));
    return ST_OK;
}

static enum status choose(struct adapters *a, const struct model_config *c,
                          const struct adapter_targets *t, int first, struct fault *f)
{
    struct module mod;
    a->p = calloc((size_t)c->layers * MODULE_SLOTS, sizeof *a->p);
    if (!a->p)
        return fault_nomem(f, "the list of adapters", (size_t)c->layers * sizeof *a->p);
    for (int layer = first; layer < c->layers; layer++) {
        for (int slot = 0; slot < MODULE_SLOTS; slot++) {
            if (!module_get(&mod, c, layer, slot) || !adapter_targets_match(t, mod.name))
                continue;
            if (add_entry(a, &mod, f) != ST_OK)
                return f->code;
        }
    }
    if (a->count == 0)
        return fault_set(f, ST_USAGE, "target_modules matches nothing in the last %d layers",
                         c->layers - first);
    return ST_OK;
}

/* target_modules as adapter_config.json will hold it. With num_layers the full names stand there:
 * they say the same without layers_to_transform. So they do where a vision tower has layers of
 * the same names, which PEFT would adapt too. */
static enum status save_targets(struct adapters *a, const struct model_config *c,
                                const struct adapter_targets *t, const char *text, bool some_layers,
                                struct fault *f)
{
    const struct family *fam = family_find(c->family);
    const char *name;
    bool whole = some_layers || (fam->nested && !adapter_targets_regex(t));
    for (int i = 0; whole && i < a->count; i++)
        if (adapters_add_target(a, a->p[i].mod.name, strlen(a->p[i].mod.name), f) != ST_OK)
            return f->code;
    if (whole)
        return ST_OK;
    a->target_is_regex = adapter_targets_regex(t);
    if (a->target_is_regex)
        return adapters_add_target(a, text, strlen(text), f);
    for (size_t i = 0; (name = adapter_targets_name(t, i)) != NULL; i++)
        if (adapters_add_target(a, name, strlen(name), f) != ST_OK)
            return f->code;
    for (int slot = 0; adapter_targets_all(t) && slot < MODULE_SLOTS; slot++) {
        const char *linear = fam->linear[slot], *dot = linear ? strrchr(linear, '.') : NULL;
        name = dot ? dot + 1 : linear;
        bool twice = false; /* GPT-2's two c_proj */
        for (size_t i = 0; name && i < a->target_count; i++)
            twice = twice || strcmp(a->targets[i], name) == 0;
        if (name && !twice && adapters_add_target(a, name, strlen(name), f) != ST_OK)
            return f->code;
    }
    return ST_OK;
}

enum status adapters_new(struct adapters **out, const struct model_config *c,
                         const struct adapter_spec *spec, uint64_t seed, struct fault *f)
{
    struct adapter_targets *t = NULL;
    struct adapters *a = NULL;
    const char *text = spec->target_modules ? spec->target_modules : "all-linear";
    if (check_spec(spec, c, f) != ST_OK || adapter_targets_open(&t, text, c, f) != ST_OK)
        return f->code;
    a = calloc(1, sizeof *a);
    if (!a) {
        fault_nomem(f, "the adapters", sizeof *a);
        goto fail;
    }
    a->family = family_find(c->family);
    a->rank = spec->rank;
    a->alpha = spec->alpha;
    a->dropout = spec->dropout;
    a->use_rslora = spec->use_rslora;
    a->fan_in_fan_out = c->conv1d;
    int first = spec->num_layers > 0 ? c->layers - spec->num_layers : 0;
    if (choose(a, c, t, first, f) != ST_OK || adapters_lay_out(a, f) != ST_OK ||
        save_targets(a, c, t, text, first > 0, f) != ST_OK)
        goto fail;
    for (int i = 0; i < a->count; i++)
        fill_a(a, &a->p[i], seed);
    adapter_targets_close(&t);
    *out = a;
    return ST_OK;
fail:
    adapter_targets_close(&t);
    adapters_free(&a);
    return f->code;
}

void adapters_free(struct adapters **ap)
{
    struct adapters *a = *ap;
    if (!a)
        return;
    for (size_t i = 0; i < a->target_count; i++)
        free(a->targets[i]);
    free(a->targets);
    free(a->p);
    free(a->data);
    free(a);
    *ap = NULL;
}

size_t adapters_values(const struct adapters *a)
{
    return a->values;
}

int adapters_count(const struct adapters *a)
{
    return a->count;
}

double adapters_scale(const struct adapters *a)
{
    return (double)a->p[0].scale;
}

float *adapters_data(struct adapters *a)
{
    return a->data;
}
