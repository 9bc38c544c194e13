/* What config.json may ask for that no page of model/ computes: refused by the key's name. Keys
 * that a family's class in transformers does not read are no switches and are passed over. */
#include "model/config_impl.h"

static bool given(const struct json *root, const char *key)
{
    return json_kind(json_get(root, key)) != JSON_NULL;
}

/* Anything but null and false: some of these keys are names in other models. */
static bool on(const struct json *root, const char *key)
{
    return given(root, key) &&
           (json_kind(json_get(root, key)) != JSON_BOOL || json_bool(json_get(root, key), false));
}

static enum status refuse(const struct config_reader *r, const char *key)
{
    return fault_set(r->f, ST_UNSUPPORTED, "config.json: %s is not supported for %s", key,
                     r->c->family);
}

static enum status refuse_quantized(const struct config_reader *r, const struct json *root)
{
    const struct json *q = json_get(root, "quantization_config");
    const char *method = NULL;
    if (json_kind(q) == JSON_NULL && !given(root, "quantization") &&
        !given(root, "compression_config"))
        return ST_OK;
    if (json_kind(q) == JSON_OBJECT) {
        method = json_string(json_get(q, "quant_method"));
        if (!method && (json_bool(json_get(q, "load_in_4bit"), false) ||
                        json_bool(json_get(q, "load_in_8bit"), false)))
            method = "bitsandbytes";
    }
    fault_set(r->f, ST_UNSUPPORTED, "config.json: quantization_config: weights quantized by %.40s",
              method ? method : "an unnamed method");
    return fault_remedy(r->f,
                        "take the checkpoint in bf16, f16 or f32 that this one was made from");
}

/* Factors of other families (Granite, MiniCPM, Falcon-H1, Cohere) that a model may have under a
 * known family's model_type: 1 is none. */
static enum status refuse_multipliers(const struct config_reader *r, const struct json *root)
{
    static const char *const keys[] = {
        "attention_multiplier", "embedding_multiplier", "residual_multiplier", "lm_head_multiplier",
        "logits_scaling",       "logit_scale",          "scale_emb",           "scale_depth"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (given(root, keys[i]) && json_number(json_get(root, keys[i]), 0) != 1)
            return refuse(r, keys[i]);
    return ST_OK;
}

/* Keys that make another model of a known family, whatever their value or when true. */
static enum status refuse_structure(const struct config_reader *r, const struct json *root)
{
    static const char *const present[] = {
        "num_experts",           "num_local_experts",   "n_routed_experts", "num_experts_per_tok",
        "moe_intermediate_size", "kv_lora_rank",        "mamba_d_state",    "ssm_cfg",
        "per_layer_config",      "attention_chunk_size"};
    static const char *const switches[] = {"is_encoder_decoder",
                                           "add_cross_attention",
                                           "use_bidirectional_attention",
                                           "use_mrope",
                                           "use_qk_norm",
                                           "qk_layernorm",
                                           "lm_head_bias",
                                           "scale_attn_by_inverse_layer_idx"};
    for (size_t i = 0; i < sizeof present / sizeof *present; i++)
        if (given(root, present[i]))
            return refuse(r, present[i]);
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (on(root, switches[i]))
            return refuse(r, switches[i]);
    if (refuse_multipliers(r, root) != ST_OK)
        return r->f->code;
    if (given(root, "is_causal") && !json_bool(json_get(root, "is_causal"), false))
        return refuse(r, "is_causal false");
    return refuse_quantized(r, root);
}

/* Keys that some families read, where this one does not. */
static enum status refuse_foreign(const struct config_reader *r)
{
    const struct family *fam = r->family;
    const struct {
        const char *key;
        bool known;
    } read[] = {{"attn_logit_softcapping", fam->attn_softcap},
                {"final_logit_softcapping", fam->logit_softcap},
                {"query_pre_attn_scalar", fam->query_scalar},
                {"no_rope_layers", fam->no_rope},
                {"attention_bias", fam->bias_switch || fam->qkv_bias},
                {"mlp_bias", fam->mlp_bias_switch || fam->mlp_bias}};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        if (!read[i].known && on(r->root, read[i].key))
            return refuse(r, read[i].key);
    return ST_OK;
}

enum status config_refuse(const struct config_reader *r)
{
    static const char *const parts[] = {"text_config", "vision_config", "audio_config"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (given(r->root, parts[i]))
            return refuse(r, parts[i]);
    if (refuse_structure(r, r->root) != ST_OK ||
        (r->outer != r->root && refuse_structure(r, r->outer) != ST_OK))
        return r->f->code;
    return refuse_foreign(r);
}
