#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/adapter_impl.h"

static const double RANK_MAX = 65536, ALPHA_MAX = 1e9;

/* What changes the mathematics in a way that wick does not have. Each must be absent, null, false
 * or empty. */
static const char *const foreign[] = {
    "use_dora",          "modules_to_save",
    "lora_bias",         "layer_replication",
    "megatron_config",   "trainable_token_indices",
    "target_parameters", "alora_invocation_tokens",
    "use_qalora",        "use_bdlora",
    "arrow_config",      "kasa_config",
    "monteclora_config",
};

/* Beginnings of init_lora_weights that subtract something from the base's weights. */
static const char *const moves_base[] = {"pissa", "olora", "corda", "loftq", "lora_ga"};

static bool is_set(const struct json *v)
{
    switch (json_kind(v)) {
    case JSON_NULL: return false;
    case JSON_BOOL: return json_bool(v, true);
    case JSON_ARRAY:
    case JSON_OBJECT: return json_first(v) != NULL;
    default: return true;
    }
}

static enum status refuse_foreign(const struct json *root, const char *where, struct fault *f)
{
    const char *bias = json_string(json_get(root, "bias"));
    const char *init = json_string(json_get(root, "init_lora_weights"));
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (!is_set(json_get(root, foreign[i])))
            continue;
        fault_set(f, ST_UNSUPPORTED, "%s: %s is not supported", where, foreign[i]);
        return fault_remedy(f, "train the adapter without %s", foreign[i]);
    }
    if (is_set(json_get(root, "bias")) && (!bias || strcmp(bias, "none") != 0)) {
        fault_set(f, ST_UNSUPPORTED, "%s: bias is %.40s; only \"none\" is supported", where,
                  bias ? bias : "not a string");
        return fault_remedy(f, "train the adapter with bias=\"none\"");
    }
    for (size_t i = 0; init && i < sizeof moves_base / sizeof *moves_base; i++) {
        if (strncmp(init, moves_base[i], strlen(moves_base[i])) != 0)
            continue;
        fault_set(f, ST_UNSUPPORTED,
                  "%s: init_lora_weights is %.40s, so the adapter is for changed base weights",
                  where, init);
        return fault_remedy(f, "save it with path_initial_model_for_weight_conversion in PEFT");
    }
    return ST_OK;
}

static enum status check_type(const struct json *root, const char *where, struct fault *f)
{
    const char *type = json_string(json_get(root, "peft_type"));
    if (json_kind(root) != JSON_OBJECT || !type) {
        fault_set(f, ST_FORMAT, "%s: the key \"peft_type\" is missing: this is no PEFT adapter",
                  where);
        return fault_remedy(f, "give the folder that holds adapter_config.json of a LoRA adapter");
    }
    if (strcmp(type, "LORA") != 0) {
        fault_set(f, ST_UNSUPPORTED, "%s: peft_type %.40s is not supported, only LORA", where,
                  type);
        return fault_remedy(f, "train a LoRA adapter");
    }
    return ST_OK;
}

static enum status read_targets(struct adapter_config *c, const struct json *v, const char *where,
                                struct fault *f)
{
    size_t n = json_kind(v) == JSON_ARRAY ? json_count(v) : 1;
    if (json_kind(v) == JSON_NULL)
        return ST_OK;
    c->targets = calloc(n + 1, sizeof *c->targets);
    if (!c->targets)
        return fault_nomem(f, where, n * sizeof *c->targets);
    if (json_string(v)) {
        c->targets[c->target_count++] = json_string(v);
        c->target_is_regex = strcmp(json_string(v), "all-linear") != 0;
        return ST_OK;
    }
    if (json_kind(v) != JSON_ARRAY)
        return fault_set(f, ST_FORMAT, "%s: \"target_modules\" must be a list or a string", where);
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        if (!json_string(m))
            return fault_set(f, ST_FORMAT, "%s: \"target_modules\" must hold only strings", where);
        c->targets[c->target_count++] = json_string(m);
    }
    return ST_OK;
}

static enum status read_config(struct adapter_config *c, const char *where, struct fault *f)
{
    const struct json *root = json_root(c->doc);
    if (check_type(root, where, f) != ST_OK || refuse_foreign(root, where, f) != ST_OK)
        return f->code;
    if (json_opt_int(&c->rank, root, "r", 1, (int64_t)RANK_MAX, where, f) != ST_OK ||
        json_opt_number(&c->alpha, root, "lora_alpha", 0, ALPHA_MAX, where, f) != ST_OK ||
        json_opt_number(&c->dropout, root, "lora_dropout", 0, 1, where, f) != ST_OK ||
        json_opt_bool(&c->use_rslora, root, "use_rslora", where, f) != ST_OK ||
        json_opt_bool(&c->fan_in_fan_out, root, "fan_in_fan_out", where, f) != ST_OK ||
        json_opt_string(&c->base_name, root, "base_model_name_or_path", where, f) != ST_OK)
        return f->code;
    if (adapter_patterns_read(&c->ranks, json_get(root, "rank_pattern"), "rank_pattern", 1,
                              RANK_MAX, where, f) != ST_OK ||
        adapter_patterns_read(&c->alphas, json_get(root, "alpha_pattern"), "alpha_pattern", 0,
                              ALPHA_MAX, where, f) != ST_OK)
        return f->code;
    return read_targets(c, json_get(root, "target_modules"), where, f);
}

enum status adapter_config_parse(struct adapter_config *out, const char *bytes, size_t n,
                                 const char *where, struct fault *f)
{
    struct adapter_config c = {.rank = 8, .alpha = 8};
    if (json_parse(&c.doc, bytes, n, where, f) != ST_OK || read_config(&c, where, f) != ST_OK) {
        adapter_config_free(&c);
        return f->code;
    }
    *out = c;
    return ST_OK;
}

void adapter_config_free(struct adapter_config *c)
{
    adapter_patterns_free(&c->ranks);
    adapter_patterns_free(&c->alphas);
    free(c->targets);
    json_close(&c->doc);
    *c = (struct adapter_config){0};
}

enum status adapter_check_config(const char *bytes, size_t n, const char *where, struct fault *f)
{
    struct adapter_config c = {0};
    enum status s = adapter_config_parse(&c, bytes, n, where, f);
    if (s == ST_OK)
        adapter_config_free(&c);
    return s;
}

float adapter_scale(double alpha, int rank, bool use_rslora)
{
    return (float)(alpha / (use_rslora ? sqrt(rank) : rank));
}
