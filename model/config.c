#include "model/config.h"

#include <math.h>
#include <string.h>

#include "model/config_impl.h"

enum status config_int(const struct config_reader *r, int *out, const char *key, int min, int max)
{
    int64_t v = *out;
    if (json_opt_int(&v, r->root, key, min, max, CONFIG_JSON, r->f) != ST_OK)
        return r->f->code;
    *out = (int)v;
    return ST_OK;
}

static enum status opt_number(const struct config_reader *r, double *out, const char *key,
                              double min, double max)
{
    return json_opt_number(out, r->root, key, min, max, CONFIG_JSON, r->f);
}

/* null is no for transformers, also where the class says yes of an absent key. */
static enum status opt_bool(const struct config_reader *r, bool *out, const struct json *o,
                            const char *key)
{
    const struct json *v = json_get(o, key);
    if (v && json_kind(v) == JSON_NULL)
        *out = false;
    return json_opt_bool(out, o, key, CONFIG_JSON, r->f);
}

enum status config_bool(const struct config_reader *r, bool *out, const char *key)
{
    return opt_bool(r, out, r->root, key);
}

/* ---- the family ---------------------------------------------------------------------------- */

/* The object that describes the text part of a model of several parts. */
static enum status enter_nested(struct config_reader *r)
{
    const char *key = r->family->nested, *type = NULL;
    const struct json *inner = json_get(r->outer, key);
    if (json_kind(inner) != JSON_OBJECT)
        return fault_set(r->f, ST_FORMAT, "config.json: %s %s", key,
                         json_kind(inner) == JSON_NULL ? "is missing" : "is not an object");
    r->root = inner;
    if (json_opt_string(&type, inner, "model_type", CONFIG_JSON, r->f) != ST_OK)
        return r->f->code;
    if (type && strcmp(type, r->family->nested_type) != 0)
        return fault_set(r->f, ST_UNSUPPORTED,
                         "config.json: %s: model_type \"%.60s\" is not supported", key, type);
    return ST_OK;
}

static enum status read_family(struct config_reader *r)
{
    const struct json *type = json_get(r->root, "model_type");
    const char *name = json_string(type);
    if (json_kind(r->root) != JSON_OBJECT)
        return fault_set(r->f, ST_FORMAT, "config.json is not a JSON object");
    if (!name)
        return fault_set(r->f, ST_FORMAT, "config.json: model_type %s",
                         json_kind(type) == JSON_NULL ? "is missing" : "is not a string");
    r->family = family_find(name);
    if (!r->family) {
        fault_set(r->f, ST_UNSUPPORTED, "config.json: model_type \"%.60s\" is not supported", name);
        char names[sizeof r->f->remedy];
        family_names(names, sizeof names);
        return fault_remedy(r->f, "supported are %s", names);
    }
    memcpy(r->c->family, name, strlen(name) + 1);
    if (r->family->nested && enter_nested(r) != ST_OK)
        return r->f->code;
    return config_refuse(r);
}

/* ---- switches ------------------------------------------------------------------------------ */

static enum status read_act(const struct config_reader *r)
{
    const struct family *fam = r->family;
    const char *key = fam->gpt2_keys ? "activation_function" : "hidden_act", *name = NULL;
    static const char *const names[][3] = {[KACT_SWIGLU] = {"silu", "swish"},
                                           [KACT_GEGLU] = {"gelu_pytorch_tanh", "gelu_new"},
                                           [KACT_GELU] = {"gelu_new", "gelu_pytorch_tanh"}};
    if (fam->activation_key) /* Gemma's old hidden_act is not what its class computes */
        key = "hidden_activation";
    if (json_opt_string(&name, r->root, key, CONFIG_JSON, r->f) != ST_OK)
        return r->f->code;
    r->c->act = fam->act;
    if (!name)
        return ST_OK;
    for (int i = 0; i < 2; i++)
        if (strcmp(name, names[fam->act][i]) == 0)
            return ST_OK;
    return fault_set(r->f, ST_UNSUPPORTED, "config.json: %s \"%.40s\" is not supported for %s", key,
                     name, r->c->family);
}

/* null turns a cap off. */
static enum status read_cap(const struct config_reader *r, double *cap, const char *key)
{
    if (json_get(r->root, key))
        *cap = 0;
    return opt_number(r, cap, key, 1e-3, 1e6);
}

static enum status read_scores(const struct config_reader *r)
{
    struct model_config *c = r->c;
    const struct family_defaults *d = &r->family->absent;
    double scalar = d->query_scalar > 0 ? d->query_scalar : c->head_dim;
    c->attn_softcap = d->attn_softcap;
    c->logit_softcap = d->logit_softcap;
    if (r->family->query_scalar &&
        opt_number(r, &scalar, "query_pre_attn_scalar", 1e-3, 1e6) != ST_OK)
        return r->f->code;
    if ((r->family->attn_softcap &&
         read_cap(r, &c->attn_softcap, "attn_logit_softcapping") != ST_OK) ||
        (r->family->logit_softcap &&
         read_cap(r, &c->logit_softcap, "final_logit_softcapping") != ST_OK))
        return r->f->code;
    bool scaled = true;
    if (r->family->gpt2_keys && config_bool(r, &scaled, "scale_attn_weights") != ST_OK)
        return r->f->code;
    c->attn_scale = scaled ? 1 / sqrt(scalar) : 1;
    return ST_OK;
}

/* Of a nested config the outer key rules: transformers ties the whole model's head by it. */
static enum status read_tied(const struct config_reader *r)
{
    static const char key[] = "tie_word_embeddings";
    bool *tied = &r->c->tied, inner;
    *tied = r->family->absent.tied;
    if (opt_bool(r, tied, r->outer, key) != ST_OK)
        return r->f->code;
    inner = *tied;
    if (config_bool(r, &inner, key) != ST_OK)
        return r->f->code;
    if (inner != *tied)
        return fault_set(r->f, ST_UNSUPPORTED, "config.json: %s is not the same in %s", key,
                         r->family->nested);
    return ST_OK;
}

static enum status read_switches(const struct config_reader *r)
{
    const struct family *fam = r->family;
    struct model_config *c = r->c;
    bool bias = false;
    c->norm = fam->norm_kind;
    c->norm_eps = fam->absent.norm_eps;
    c->norm_add = fam->norm_plus_one ? 1 : 0;
    c->embed_scale = fam->embed_sqrt ? (double)sqrtf((float)c->hidden) : 1;
    c->mlp_bias = fam->mlp_bias;
    c->qk_norm = fam->norm[NORM_Q] != NULL;
    c->post_norms = fam->norm[NORM_ATTN_OUT] != NULL;
    c->fused_qkv = fam->linear[MODULE_K] == NULL;
    c->fused_gate_up = fam->act != KACT_GELU && fam->linear[MODULE_UP] == NULL;
    c->conv1d = fam->conv1d;
    c->learned_positions = fam->positions != NULL;
    if (fam->bias_switch && config_bool(r, &bias, "attention_bias") != ST_OK)
        return r->f->code;
    if (fam->mlp_bias_switch && config_bool(r, &c->mlp_bias, "mlp_bias") != ST_OK)
        return r->f->code;
    c->qkv_bias = fam->qkv_bias || bias;
    c->o_bias = fam->o_bias || bias;
    if (read_tied(r) != ST_OK ||
        opt_number(r, &c->norm_eps, fam->gpt2_keys ? "layer_norm_epsilon" : "rms_norm_eps", 1e-30,
                   0.1) != ST_OK)
        return r->f->code;
    return read_act(r) == ST_OK ? read_scores(r) : r->f->code;
}

/* ---- ids ----------------------------------------------------------------------------------- */

/* eos_token_id: an id, a list of them, or null. Ids outside the vocabulary are refused. */
static enum status read_eos(struct model_config *c, const struct json *v, const char *where,
                            struct fault *f)
{
    const struct json *one = json_kind(v) == JSON_ARRAY ? json_first(v) : v;
    int n = 0;
    for (; one; one = json_kind(v) == JSON_ARRAY ? json_next(one) : NULL) {
        int64_t id;
        if (!json_int(one, &id) || id < 0 || id >= c->vocab)
            return fault_set(f, ST_FORMAT, "%s: eos_token_id is not an id below %d", where,
                             c->vocab);
        if (n == EOS_MAX)
            return fault_set(f, ST_FORMAT, "%s: eos_token_id lists more than %d ids", where,
                             EOS_MAX);
        c->eos[n++] = (int)id;
    }
    c->eos_count = n;
    return ST_OK;
}

static enum status read_generation(struct model_config *c, const struct blobs *files,
                                   struct fault *f)
{
    const char *where = "generation_config.json";
    const struct blob *file = blobs_find(files, where);
    struct json_doc *doc = NULL;
    if (!file)
        return ST_OK;
    if (json_parse(&doc, (const char *)file->data, file->size, where, f) != ST_OK)
        return f->code;
    const struct json *eos = json_get(json_root(doc), "eos_token_id");
    enum status code = json_kind(eos) == JSON_NULL ? ST_OK : read_eos(c, eos, where, f);
    json_close(&doc);
    return code;
}

/* An id of the whole model, else of its text part. */
static const struct json *special_id(const struct config_reader *r, const char *key)
{
    const struct json *v = json_get(r->outer, key);
    return json_kind(v) == JSON_NULL ? json_get(r->root, key) : v;
}

static enum status read_id(const struct config_reader *r, int *out, const char *key, int max)
{
    int64_t id;
    const struct json *v = special_id(r, key);
    if (json_kind(v) == JSON_NULL)
        return ST_OK;
    if (!json_int(v, &id) || id < -1 || id > max)
        return fault_set(r->f, ST_FORMAT, "config.json: %s is not an id from -1 to %d", key, max);
    *out = (int)id;
    return ST_OK;
}

static enum status read_ids(const struct config_reader *r)
{
    struct model_config *c = r->c;
    const struct family_defaults *d = &r->family->absent;
    const struct json *eos = special_id(r, "eos_token_id");
    c->bos = !special_id(r, "bos_token_id") && d->bos < c->vocab ? d->bos : -1;
    c->pad = -1;
    if (read_id(r, &c->bos, "bos_token_id", c->vocab - 1) != ST_OK ||
        read_id(r, &c->pad, "pad_token_id", CONFIG_VOCAB_MAX) != ST_OK)
        return r->f->code;
    if (c->pad >= c->vocab)
        c->pad = -1;
    if (!eos && d->eos >= 0 && d->eos < c->vocab) {
        c->eos[0] = d->eos;
        c->eos_count = 1;
    }
    return json_kind(eos) == JSON_NULL ? ST_OK : read_eos(c, eos, CONFIG_JSON, r->f);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static enum status read_root(struct model_config *c, const struct json *root, struct fault *f)
{
    struct config_reader r = {.root = root, .outer = root, .c = c, .f = f};
    bool sliding[LAYERS_MAX] = {false};
    if (read_family(&r) != ST_OK || config_read_sizes(&r) != ST_OK || read_switches(&r) != ST_OK ||
        config_read_layers(&r, sliding) != ST_OK || read_ids(&r) != ST_OK)
        return f->code;
    return config_read_rope(&r, sliding);
}

enum status model_config_read(struct model_config *out, const struct blobs *files, struct fault *f)
{
    static const struct model_config empty;
    struct model_config c = empty;
    struct json_doc *doc = NULL;
    const struct blob *file = blobs_find(files, CONFIG_JSON);
    if (!file)
        return fault_set(f, ST_ABSENT, "the model has no config.json");
    if (json_parse(&doc, (const char *)file->data, file->size, CONFIG_JSON, f) != ST_OK)
        return f->code;
    enum status code = read_root(&c, json_root(doc), f);
    json_close(&doc);
    if (code == ST_UNSUPPORTED && !f->remedy[0])
        return fault_remedy(f,
                            "this model would be computed wrongly, so it is not run at all: take "
                            "one that does without");
    if (code != ST_OK || read_generation(&c, files, f) != ST_OK)
        return f->code;
    *out = c;
    return ST_OK;
}

bool model_config_minds_length(const struct model_config *c)
{
    for (int i = 0; i < 2; i++)
        if (c->rope[i].kind == ROPE_DYNAMIC || c->rope[i].kind == ROPE_LONGROPE)
            return true;
    return false;
}
