#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/adapter.h"
#include "data/file.h"
#include "data/json.h"
#include "data/safetensors.h"

struct key {
    char *name;
    const struct adapter_part *part;
    bool is_b;
};

static int by_name(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static struct tensor tensor_of(const struct key *k)
{
    const struct adapter_part *p = k->part;
    struct tensor t = {.name = k->name, .dtype = DT_F32, .ndim = 2};
    t.shape[0] = k->is_b ? p->out : p->rank;
    t.shape[1] = k->is_b ? p->rank : p->in;
    return t;
}

static enum status make_keys(struct key *keys, const struct adapter *a, struct fault *f)
{
    for (size_t i = 0; i < 2 * a->n; i++) {
        struct text t = {0};
        keys[i].part = &a->p[i / 2];
        keys[i].is_b = i % 2;
        if (text_addf(&t, f, "base_model.model.%s.lora_%c.weight", keys[i].part->module,
                      keys[i].is_b ? 'B' : 'A') != ST_OK)
            return f->code;
        keys[i].name = t.p;
    }
    if (a->n > 0)
        qsort(keys, 2 * a->n, sizeof *keys, by_name);
    return ST_OK;
}

static enum status check_finite(const float *p, size_t n, const char *key, struct fault *f)
{
    for (size_t i = 0; i < n; i++) {
        if (isfinite(p[i]))
            continue;
        fault_set(f, ST_NUMERIC, "the adapter's %.200s holds a value that is not finite", key);
        return fault_remedy(f, "lower the learning rate");
    }
    return ST_OK;
}

static enum status write_tensors(struct safetensors_out *w, const struct key *keys, size_t n,
                                 struct fault *f)
{
    for (size_t i = 0; i < n; i++) {
        struct tensor t = tensor_of(&keys[i]);
        const float *p = keys[i].is_b ? keys[i].part->b : keys[i].part->a;
        if (tensor_measure(&t, "an adapter", f) != ST_OK ||
            check_finite(p, t.bytes / sizeof *p, t.name, f) != ST_OK ||
            safetensors_declare(w, &t, f) != ST_OK)
            return f->code;
    }
    for (size_t i = 0; i < n; i++) { /* one dtype: written in the order of declaring */
        const float *p = keys[i].is_b ? keys[i].part->b : keys[i].part->a;
        if (safetensors_write(w, p, safetensors_next(w)->bytes, f) != ST_OK)
            return f->code;
    }
    return safetensors_commit(w, f);
}

static enum status write_weights(const char *path, const struct adapter *a, struct fault *f)
{
    struct safetensors_out *w = NULL;
    struct key *keys = calloc(2 * a->n + 1, sizeof *keys);
    if (!keys)
        return fault_nomem(f, path, 2 * a->n * sizeof *keys);
    enum status s = make_keys(keys, a, f);
    if (s == ST_OK)
        s = safetensors_create(&w, path, 0, f);
    if (s == ST_OK)
        s = write_tensors(w, keys, 2 * a->n, f);
    safetensors_out_close(&w);
    for (size_t i = 0; i < 2 * a->n; i++)
        free(keys[i].name);
    free(keys);
    return s;
}

/* Last components of the modules, each once, where the caller named no targets. */
static void add_targets_of_parts(struct json *to, const struct adapter *a)
{
    for (size_t i = 0; i < a->n; i++) {
        const char *dot = strrchr(a->p[i].module, '.'), *last = dot ? dot + 1 : a->p[i].module;
        bool there = false;
        for (const struct json *v = json_first(to); v && !there; v = json_next(v))
            there = strcmp(json_string(v), last) == 0;
        if (!there)
            json_add_string(to, NULL, last);
    }
}

static void add_targets(struct json *root, const struct adapter *a)
{
    bool one =
        a->target_count == 1 && (a->target_is_regex || strcmp(a->targets[0], "all-linear") == 0);
    if (one) {
        json_add_string(root, "target_modules", a->targets[0]);
        return;
    }
    struct json *list = json_add_array(root, "target_modules");
    for (size_t i = 0; i < a->target_count; i++)
        json_add_string(list, NULL, a->targets[i]);
    if (a->target_count == 0)
        add_targets_of_parts(list, a);
}

/* The keys as PEFT sorts them. A module's whole name is a pattern that fits that module. */
static void fill_config(struct json *root, const struct adapter *a)
{
    struct json *alphas = json_add_object(root, "alpha_pattern");
    for (size_t i = 0; i < a->n; i++)
        if (a->p[i].alpha != a->alpha)
            json_add_number(alphas, a->p[i].module, a->p[i].alpha);
    json_add_null(root, "auto_mapping");
    json_add_string(root, "base_model_name_or_path", a->base_name);
    json_add_string(root, "bias", "none");
    json_add_bool(root, "fan_in_fan_out", a->fan_in_fan_out);
    json_add_bool(root, "inference_mode", true);
    json_add_bool(root, "init_lora_weights", true);
    json_add_null(root, "layers_pattern");
    json_add_null(root, "layers_to_transform");
    json_add_number(root, "lora_alpha", a->alpha);
    json_add_number(root, "lora_dropout", a->dropout);
    json_add_null(root, "modules_to_save");
    json_add_string(root, "peft_type", "LORA");
    json_add_int(root, "r", a->rank);
    struct json *ranks = json_add_object(root, "rank_pattern");
    for (size_t i = 0; i < a->n; i++)
        if (a->p[i].rank != a->rank)
            json_add_int(ranks, a->p[i].module, a->p[i].rank);
    json_add_null(root, "revision");
    add_targets(root, a);
    json_add_string(root, "task_type", "CAUSAL_LM");
    json_add_bool(root, "use_dora", false);
    json_add_bool(root, "use_rslora", a->use_rslora);
}

static enum status write_config(const char *path, const struct adapter *a, struct fault *f)
{
    struct text t = {0};
    struct json_doc *doc = json_new_object();
    if (doc)
        fill_config(json_edit(doc), a);
    enum status s = json_print(&t, doc, true, f);
    if (s == ST_OK)
        s = text_adds(&t, "\n", f);
    if (s == ST_OK)
        s = file_write(path, t.p, t.n, f);
    json_close(&doc);
    text_free(&t);
    return s;
}

enum status adapter_write(const char *dir, const struct adapter *a, struct fault *f)
{
    struct text weights = {0}, config = {0};
    enum status s = file_mkdirs(dir, f);
    if (s == ST_OK)
        s = file_join(&weights, dir, "adapter_model.safetensors", f);
    if (s == ST_OK)
        s = file_join(&config, dir, "adapter_config.json", f);
    if (s == ST_OK)
        s = write_weights(weights.p, a, f);
    if (s == ST_OK)
        s = write_config(config.p, a, f);
    text_free(&weights);
    text_free(&config);
    return s;
}
