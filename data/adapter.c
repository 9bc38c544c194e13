#include "data/adapter.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/adapter_impl.h"
#include "data/file.h"
#include "data/safetensors.h"

static const char PREFIX[] = "base_model.model.", END_A[] = ".lora_A.weight",
                  END_B[] = ".lora_B.weight";
static const size_t CONFIG_MAX = 16 << 20;

/* What adapter_open hands out, with what it owns. */
struct opened {
    struct adapter a; /* first */
    struct adapter_config config;
    struct text config_path, weights_path;
    struct adapter_part *parts;
    size_t n;
    char **modules;
    float *values;
};

static enum status refuse_key(struct fault *f, const char *where, const char *key)
{
    const char *why = strstr(key, "lora_magnitude_vector") ? "DoRA"
                      : strstr(key, "lora_embedding_")     ? "an embedding adapter"
                      : text_ends(key, ".bias")            ? "a trained bias"
                                                           : "a whole trained tensor";
    fault_set(f, ST_UNSUPPORTED, "%s: %.200s is %s, which is not supported", where, key, why);
    return fault_remedy(f, "train an adapter that has lora_A and lora_B of linear layers only");
}

/* Every key is base_model.model.MODULE.lora_A.weight or its lora_B. Counts the modules and their
 * values. */
static enum status check_keys(struct opened *o, const struct safetensors *st, size_t *values,
                              struct fault *f)
{
    size_t a = 0, b = 0;
    *values = 0;
    for (size_t i = 0; i < safetensors_count(st); i++) {
        const struct tensor *t = safetensors_tensor(st, i);
        bool is_a = text_ends(t->name, END_A), is_b = text_ends(t->name, END_B);
        if (strncmp(t->name, PREFIX, sizeof PREFIX - 1) != 0 || (!is_a && !is_b) ||
            strlen(t->name) <= sizeof PREFIX - 1 + sizeof END_A - 1)
            return refuse_key(f, o->weights_path.p, t->name);
        if (t->ndim != 2 || t->shape[0] < 1 || t->shape[1] < 1 || t->shape[0] > INT_MAX ||
            t->shape[1] > INT_MAX)
            return fault_set(f, ST_FORMAT, "%s: %.200s is not a matrix", o->weights_path.p,
                             t->name);
        if (t->dtype != DT_F32 && t->dtype != DT_F16 && t->dtype != DT_BF16)
            return fault_set(f, ST_UNSUPPORTED, "%s: %.200s has dtype %s, not F32, F16 or BF16",
                             o->weights_path.p, t->name, dtype_name(t->dtype));
        *values += t->bytes / dtype_size(t->dtype);
        a += is_a;
        b += is_b;
    }
    if (a == 0 && b == 0) {
        fault_set(f, ST_FORMAT, "%s holds no adapter", o->weights_path.p);
        return fault_remedy(f, "give the folder of a trained adapter");
    }
    o->parts = calloc(a + 1, sizeof *o->parts);
    o->modules = calloc(a + 1, sizeof *o->modules);
    o->values = *values > SIZE_MAX / sizeof *o->values ? NULL : malloc(*values * sizeof *o->values);
    if (!o->parts || !o->modules || !o->values)
        return fault_nomem(f, "an adapter", *values * sizeof *o->values);
    return ST_OK;
}

/* Converts to f32; values need not be aligned in the file. */
static enum status load_values(float *to, const struct safetensors *st, const struct tensor *t,
                               const char *where, struct fault *f)
{
    const unsigned char *p = safetensors_data(st, t);
    size_t size = dtype_size(t->dtype), n = t->bytes / size;
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        if (size == 4)
            memcpy(&to[i], p + 4 * i, 4);
        else
            memcpy(&half, p + 2 * i, 2);
        if (size == 2)
            to[i] = t->dtype == DT_BF16 ? bf16_to_f32(half) : f16_to_f32(half);
        if (isfinite(to[i]))
            continue;
        fault_set(f, ST_NUMERIC, "%s: %.200s holds a value that is not finite", where, t->name);
        return fault_remedy(f, "use an adapter from before the training diverged");
    }
    return ST_OK;
}

/* Rank and alpha as the config has them for this module, compared with the tensors. */
static enum status fill_part(struct adapter_part *p, struct opened *o, const struct tensor *a,
                             const struct tensor *b, struct fault *f)
{
    double rank = (double)o->config.rank, alpha = o->config.alpha;
    const char *config = o->config_path.p;
    if (adapter_patterns_apply(&rank, &o->config.ranks, p->module, config, f) != ST_OK ||
        adapter_patterns_apply(&alpha, &o->config.alphas, p->module, config, f) != ST_OK)
        return f->code;
    if (a->shape[0] != b->shape[1])
        return fault_set(f, ST_FORMAT, "%s: lora_A of %.160s has rank %lld, but lora_B %lld",
                         o->weights_path.p, p->module, (long long)a->shape[0],
                         (long long)b->shape[1]);
    if ((double)a->shape[0] != rank)
        return fault_set(f, ST_FORMAT, "%s: %.160s has rank %lld, but adapter_config.json says %g",
                         o->weights_path.p, p->module, (long long)a->shape[0], rank);
    p->rank = (int)rank;
    p->in = (int)a->shape[1];
    p->out = (int)b->shape[0];
    p->alpha = alpha;
    p->scale = adapter_scale(alpha, p->rank, o->config.use_rslora);
    return ST_OK;
}

static enum status load_part(struct opened *o, const struct safetensors *st, const struct tensor *a,
                             float **next, struct fault *f)
{
    struct text b_name = {0};
    size_t cut = strlen(a->name) - (sizeof END_A - 1);
    if (text_add(&b_name, a->name, cut, f) != ST_OK || text_adds(&b_name, END_B, f) != ST_OK) {
        text_free(&b_name);
        return f->code;
    }
    const struct tensor *b = safetensors_find(st, b_name.p);
    text_free(&b_name);
    if (!b)
        return fault_set(f, ST_FORMAT, "%s: %.200s has no lora_B", o->weights_path.p, a->name);
    struct adapter_part *p = &o->parts[o->n];
    o->modules[o->n] = strndup(a->name + sizeof PREFIX - 1, cut - (sizeof PREFIX - 1));
    p->module = o->modules[o->n];
    if (!p->module)
        return fault_nomem(f, a->name, cut);
    o->n++;
    if (fill_part(p, o, a, b, f) != ST_OK ||
        load_values(*next, st, a, o->weights_path.p, f) != ST_OK)
        return f->code;
    p->a = *next;
    *next += (size_t)p->rank * (size_t)p->in;
    if (load_values(*next, st, b, o->weights_path.p, f) != ST_OK)
        return f->code;
    p->b = *next;
    *next += (size_t)p->out * (size_t)p->rank;
    return ST_OK;
}

static enum status load_weights(struct opened *o, const struct safetensors *st, struct fault *f)
{
    size_t values;
    if (check_keys(o, st, &values, f) != ST_OK)
        return f->code;
    float *next = o->values;
    for (size_t i = 0; i < safetensors_count(st); i++) { /* in the order of the keys */
        const struct tensor *t = safetensors_tensor(st, i);
        if (text_ends(t->name, END_A) && load_part(o, st, t, &next, f) != ST_OK)
            return f->code;
    }
    if (2 * o->n == safetensors_count(st))
        return ST_OK;
    for (size_t i = 0; i < safetensors_count(st); i++) {
        const struct tensor *t = safetensors_tensor(st, i);
        struct text a_name = {0};
        if (!text_ends(t->name, END_B))
            continue;
        enum status s = text_add(&a_name, t->name, strlen(t->name) - (sizeof END_B - 1), f);
        if (s == ST_OK)
            s = text_adds(&a_name, END_A, f);
        if (s == ST_OK && !safetensors_find(st, a_name.p))
            s = fault_set(f, ST_FORMAT, "%s: %.200s has no lora_A", o->weights_path.p, t->name);
        text_free(&a_name);
        if (s != ST_OK)
            return s;
    }
    return ST_OK;
}

static enum status find_files(struct opened *o, const char *dir, struct fault *f)
{
    if (file_join(&o->config_path, dir, "adapter_config.json", f) != ST_OK ||
        file_join(&o->weights_path, dir, "adapter_model.safetensors", f) != ST_OK)
        return f->code;
    if (file_kind(o->config_path.p) == FILE_ABSENT) {
        fault_set(f, ST_ABSENT, "%s holds no adapter_config.json", dir);
        return fault_remedy(f, "give the folder of a trained adapter");
    }
    if (file_kind(o->weights_path.p) == FILE_ABSENT) {
        fault_set(f, ST_ABSENT, "%s holds no adapter_model.safetensors", dir);
        return fault_remedy(f, "save the adapter as safetensors; pickled .bin files are not read");
    }
    return ST_OK;
}

static enum status read_adapter(struct opened *o, const char *dir, struct fault *f)
{
    struct text json = {0};
    struct safetensors *st = NULL;
    enum status s = find_files(o, dir, f);
    if (s == ST_OK)
        s = file_read(&json, o->config_path.p, CONFIG_MAX, f);
    if (s == ST_OK)
        s = adapter_config_parse(&o->config, json.p, json.n, o->config_path.p, f);
    if (s == ST_OK)
        s = safetensors_open(&st, o->weights_path.p, f);
    if (s == ST_OK)
        s = load_weights(o, st, f);
    safetensors_close(&st);
    text_free(&json);
    return s;
}

enum status adapter_open(struct adapter **out, const char *dir, struct fault *f)
{
    struct opened *o = calloc(1, sizeof *o);
    if (!o)
        return fault_nomem(f, dir, sizeof *o);
    struct adapter *a = &o->a;
    if (read_adapter(o, dir, f) != ST_OK) {
        adapter_close(&a);
        return f->code;
    }
    *a = (struct adapter){.base_name = o->config.base_name,
                          .rank = (int)o->config.rank,
                          .alpha = o->config.alpha,
                          .dropout = o->config.dropout,
                          .use_rslora = o->config.use_rslora,
                          .fan_in_fan_out = o->config.fan_in_fan_out,
                          .targets = o->config.targets,
                          .target_count = o->config.target_count,
                          .target_is_regex = o->config.target_is_regex,
                          .p = o->parts,
                          .n = o->n};
    *out = a;
    return ST_OK;
}

void adapter_close(struct adapter **a)
{
    struct opened *o = (void *)*a;
    if (!o)
        return;
    adapter_config_free(&o->config);
    text_free(&o->config_path);
    text_free(&o->weights_path);
    for (size_t i = 0; i < o->n; i++)
        free(o->modules[i]);
    free(o->modules);
    free(o->parts);
    free(o->values);
    free(o);
    *a = NULL;
}
