/* Models of known families that ask for what is not computed, and models of unknown ones: refused
 * by the key's name. */
#include "tests/model/fixture.h"

#define SIZES                                                                       \
    "\"hidden_size\": 64, \"intermediate_size\": 96, \"num_hidden_layers\": 4,"     \
    "\"num_attention_heads\": 8, \"num_key_value_heads\": 2, \"vocab_size\": 100, " \
    "\"bos_token_id\": 1, \"eos_token_id\": 2, \"head_dim\": 8"
#define SLIDING "\"sliding_attention\""
#define FULL    "\"full_attention\""

static enum status read_text(const char *text, struct fault *said)
{
    struct model_config c;
    struct blobs files = {0};
    OK(blobs_add(&files, "config.json", text, strlen(text), &f));
    enum status code = model_config_read(&c, &files, said);
    blobs_free(&files);
    return code;
}

/* The fault must name config.json and the word. */
static void refused(const char *text, const char *word)
{
    struct fault said = {0};
    if (read_text(text, &said) != ST_UNSUPPORTED || !strstr(said.text, "config.json") ||
        !strstr(said.text, word) || !said.remedy[0])
        fail_msg("%s\n  gives [%s] %s", text, status_text(said.code), said.text);
}

static void accepted(const char *text)
{
    struct fault said = {0};
    if (read_text(text, &said) != ST_OK)
        fail_msg("%s\n  gives [%s] %s", text, status_text(said.code), said.text);
}

static void write_case(char to[1000], const char *family, const char *keys)
{
    const char *sizes = strcmp(family, "gpt2") == 0
                            ? "\"n_embd\": 64, \"n_layer\": 2, \"n_head\": 4, \"vocab_size\": 100"
                            : SIZES;
    snprintf(to, 1000, "{\"model_type\": \"%s\", %s, %s}", family, sizes, keys);
}

/* ---- families ------------------------------------------------------------------------------ */

static void families(void **state)
{
    (void)state;
    static const char *const unknown[] = {
        "mixtral",     "qwen2_moe", "qwen3_moe",   "qwen2_vl", "qwen3_next", "gemma",
        "gemma3n",     "gemma4",    "phi",         "phimoe",   "llama4",     "llama4_text",
        "mistral3",    "ministral", "mamba",       "mamba2",   "jamba",      "falcon_h1",
        "rwkv",        "gpt_neox",  "gpt_bigcode", "gpt_oss",  "granite",    "cohere2",
        "deepseek_v3", "olmo2",     "t5",          "bert",     "Llama",      ""};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        char text[1000], word[100];
        write_case(text, unknown[i], "\"hidden_act\": \"silu\"");
        snprintf(word, sizeof word, "model_type \"%s\"", unknown[i]);
        refused(text, word);
    }
}

/* ---- switches ------------------------------------------------------------------------------ */

struct refusal {
    const char *family, *keys, *word;
};

static void every(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[1000];
        write_case(text, cases[i].family, cases[i].keys);
        refused(text, cases[i].word);
    }
}

static void structure(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"llama", "\"num_experts\": 8", "num_experts"},
        {"qwen2", "\"num_experts_per_tok\": 2", "num_experts_per_tok"},
        {"qwen3", "\"moe_intermediate_size\": 8", "moe_intermediate_size"},
        {"mistral", "\"num_local_experts\": 8", "num_local_experts"},
        {"llama", "\"n_routed_experts\": 8", "n_routed_experts"},
        {"llama", "\"kv_lora_rank\": 8", "kv_lora_rank"},
        {"llama", "\"mamba_d_state\": 16", "mamba_d_state"},
        {"llama", "\"ssm_cfg\": {}", "ssm_cfg"},
        {"llama", "\"text_config\": {}", "text_config"},
        {"qwen2", "\"vision_config\": {}", "vision_config"},
        {"gemma3_text", "\"audio_config\": {}", "audio_config"},
        {"llama", "\"is_encoder_decoder\": true", "is_encoder_decoder"},
        {"qwen2", "\"is_causal\": false", "is_causal"},
        {"gemma2", "\"use_bidirectional_attention\": true", "use_bidirectional_attention"},
        {"gemma3_text", "\"use_bidirectional_attention\": true", "use_bidirectional_attention"},
        {"gemma3_text", "\"use_bidirectional_attention\": \"all\"", "use_bidirectional_attention"},
        {"qwen2", "\"use_mrope\": true", "use_mrope"},
        {"llama", "\"use_qk_norm\": true", "use_qk_norm"},
        {"mistral", "\"attention_bias\": true", "attention_bias"},
        {"phi3", "\"attention_bias\": true", "attention_bias"},
        {"qwen3", "\"mlp_bias\": true", "mlp_bias"},
        {"gemma2", "\"mlp_bias\": true", "mlp_bias"},
        {"gemma3_text", "\"attn_logit_softcapping\": 50.0", "attn_logit_softcapping"},
        {"llama", "\"final_logit_softcapping\": 30.0", "final_logit_softcapping"},
        {"gpt2", "\"scale_attn_by_inverse_layer_idx\": true", "scale_attn_by_inverse_layer_idx"},
        {"gpt2", "\"add_cross_attention\": true", "add_cross_attention"},
        {"smollm3", "\"quantization_config\": {\"quant_method\": \"torchao\"}", "torchao"},
        {"phi3", "\"quantization\": {\"bits\": 4}", "quantization_config"},
        {"llama", "\"compression_config\": {\"format\": \"x\"}", "quantization_config"},
        {"qwen3", "\"per_layer_config\": {\"1\": {\"sliding_window\": 3}}", "per_layer_config"},
        {"llama", "\"attention_chunk_size\": 8192", "attention_chunk_size"},
        {"phi3", "\"lm_head_bias\": true", "lm_head_bias"},
        {"llama", "\"qk_layernorm\": true", "qk_layernorm"},
        {"llama", "\"query_pre_attn_scalar\": 256", "query_pre_attn_scalar"},
        {"llama", "\"no_rope_layers\": [1, 1, 1, 0]", "no_rope_layers"},
        {"llama", "\"attention_multiplier\": 0.0078125", "attention_multiplier"},
        {"llama", "\"embedding_multiplier\": 12.0", "embedding_multiplier"},
        {"mistral", "\"residual_multiplier\": 0.22", "residual_multiplier"},
        {"llama", "\"logits_scaling\": 8.0", "logits_scaling"},
        {"llama", "\"scale_depth\": \"1\"", "scale_depth"},
    };
    every(cases, sizeof cases / sizeof *cases);
}

static void activations(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"llama", "\"hidden_act\": \"gelu\"", "hidden_act \"gelu\" is not supported for llama"},
        {"llama", "\"hidden_act\": \"relu\"", "hidden_act"},
        {"mistral", "\"hidden_act\": \"gelu_pytorch_tanh\"", "hidden_act"},
        {"qwen3", "\"hidden_act\": \"relu2\"", "hidden_act"},
        {"smollm3", "\"hidden_act\": \"gelu_new\"", "hidden_act"},
        {"phi3", "\"hidden_act\": \"gelu\"", "hidden_act"},
        {"gemma2", "\"hidden_activation\": \"gelu\"", "hidden_activation"},
        {"gemma3_text", "\"hidden_activation\": \"silu\"", "hidden_activation"},
        {"gpt2", "\"activation_function\": \"gelu\"", "activation_function"},
        {"gpt2", "\"activation_function\": \"relu\"", "activation_function"},
        {"gpt2", "\"activation_function\": \"gelu_fast\"", "activation_function"},
    };
    every(cases, sizeof cases / sizeof *cases);
}

static void ropes(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"llama", "\"rope_scaling\": {\"type\": \"mrope\", \"factor\": 2}", "mrope"},
        {"llama", "\"rope_parameters\": {\"rope_type\": \"proportional\"}", "proportional"},
        {"qwen2", "\"rope_scaling\": {\"rope_type\": \"axial\"}", "axial"},
        {"llama", "\"partial_rotary_factor\": 0.5", "partial_rotary_factor"},
        {"qwen3", "\"rope_parameters\": {\"partial_rotary_factor\": 0.5}", "partial_rotary_factor"},
        {"gemma3_text",
         "\"rope_parameters\": {\"full_attention\": {\"partial_rotary_factor\": 0.5}}",
         "partial_rotary_factor"},
        {"phi3", "\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}", "linear"},
        {"phi3", "\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}", "dynamic"},
        {"phi3", "\"rope_parameters\": {\"rope_type\": \"llama3\", \"factor\": 2}", "llama3"},
        {"qwen2", "\"rope_scaling\": {\"type\": \"default\", \"mrope_section\": [1, 1, 2]}",
         "mrope_section"},
        {"phi3", "\"rope_scaling\": {\"type\": \"longrope\", \"short_mscale\": 1.1}",
         "short_mscale"},
        {"llama", "\"rope_parameters\": {\"full_attention\": {}}", "rope_parameters"},
        {"gemma2", "\"rope_parameters\": {\"sliding_attention\": {}}", "rope_parameters"},
        {"gemma3_text", "\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 8}",
         "rope_parameters"},
        {"qwen2", "\"rope_scaling\": {\"full_attention\": {\"type\": \"linear\", \"factor\": 2}}",
         "rope_scaling by layer types"},
        {"gemma3_text", "\"rope_scaling\": {\"sliding_attention\": {}}", "rope_scaling"},
        {"gemma3_text",
         "\"rope_parameters\": {\"full_attention\": {}}, \"rope_scaling\": "
         "{\"factor\": 2}",
         "rope_scaling"},
    };
    every(cases, sizeof cases / sizeof *cases);
}

static void windows(void **state)
{
    (void)state;
#define MIXED "\"layer_types\": [" SLIDING ", " FULL ", " SLIDING ", " FULL "]"
    static const struct refusal cases[] = {
        {"llama", MIXED, "layer_types"},
        {"mistral", MIXED ", \"sliding_window\": 8", "layer_types"},
        {"mistral", MIXED ", \"sliding_window\": null", "layer_types"},
        {"phi3", MIXED ", \"sliding_window\": 8", "layer_types"},
        {"qwen2", MIXED ", \"sliding_window\": 8", "sliding_window"},
        {"qwen3", MIXED ", \"use_sliding_window\": false", "sliding_window"},
        {"smollm3", MIXED ", \"sliding_window\": 8", "sliding_window"},
        {"gemma2", MIXED ", \"sliding_window\": null", "sliding_window"},
        {"gemma2", "\"sliding_window\": null", "sliding_window"},
        {"gemma3_text", "\"sliding_window\": null", "sliding_window"},
        {"gemma3_text", "\"sliding_window\": 0", "sliding_window"},
        {"mistral", "\"sliding_window\": 0", "sliding_window"},
        {"phi3", "\"sliding_window\": -1", "sliding_window"},
        {"qwen2", "\"use_sliding_window\": true, \"sliding_window\": 0, \"max_window_layers\": 3",
         "sliding_window"},
        {"qwen3", "\"layer_types\": [" FULL ", " FULL ", \"linear_attention\", " FULL "]",
         "linear_attention"},
        {"llama", "\"layer_types\": [" FULL ", " FULL ", \"chunked_attention\", " FULL "]",
         "chunked_attention"},
    };
    every(cases, sizeof cases / sizeof *cases);
}

/* A model of several parts: switches of the whole and of the text part. */
static void parts(void **state)
{
    (void)state;
#define PARTS(outer, inner)                                      \
    "{\"model_type\": \"gemma3\", \"vision_config\": {}, " outer \
    "\"text_config\": {\"model_type\": \"gemma3_text\", " SIZES inner "}}"
    static const char *const cases[][2] = {
        {PARTS("\"quantization_config\": {\"quant_method\": \"gptq\"},", ""), "gptq"},
        {PARTS("", ", \"quantization_config\": {\"quant_method\": \"awq\"}"), "awq"},
        {PARTS("", ", \"final_logit_softcapping\": 30.0"), "final_logit_softcapping"},
        {PARTS("", ", \"attn_logit_softcapping\": 30.0"), "attn_logit_softcapping"},
        {PARTS("", ", \"use_bidirectional_attention\": true"), "use_bidirectional_attention"},
        {PARTS("\"is_encoder_decoder\": true,", ""), "is_encoder_decoder"},
        {PARTS("", ", \"num_experts\": 4"), "num_experts"},
        {PARTS("", ", \"tie_word_embeddings\": false"), "tie_word_embeddings"},
        {PARTS("\"tie_word_embeddings\": false,", ", \"tie_word_embeddings\": true"),
         "tie_word_embeddings"},
        {"{\"model_type\": \"gemma3\", \"text_config\": {\"model_type\": \"gemma2\"}}", "gemma2"},
        {PARTS("", ", \"vision_config\": {}"), "vision_config"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(cases[i][0], cases[i][1]);
    accepted(PARTS("", ""));
    struct fault said = {0};
    assert_int_equal(read_text("{\"model_type\": \"gemma3\"}", &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "text_config is missing"));
    assert_int_equal(read_text("{\"model_type\": \"gemma3\", \"text_config\": 3}", &said),
                     ST_FORMAT);
    assert_int_equal(read_text(PARTS("\"bos_token_id\": 100,", ""), &said), ST_FORMAT);
    assert_non_null(strstr(said.text, "bos_token_id"));
}

/* What has no effect on the computation, or is off, is no reason to refuse. */
static void harmless(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"llama", "\"num_experts\": null, \"is_causal\": true, \"use_qk_norm\": false", ""},
        {"llama", "\"attention_dropout\": 0.1, \"pretraining_tp\": 4, \"sliding_window\": 8", ""},
        {"phi3", "\"resid_pdrop\": 0.1, \"embd_pdrop\": 0.1, \"attention_dropout\": 0.1", ""},
        {"gpt2", "\"attn_pdrop\": 0.1, \"reorder_and_upcast_attn\": true, \"summary_type\": \"x\"",
         ""},
        {"qwen2", "\"attention_bias\": true, \"use_mrope\": false", ""},
        {"gemma2", "\"attn_logit_softcapping\": null, \"hidden_act\": \"gelu\"", ""},
        {"gemma3_text", "\"use_bidirectional_attention\": false", ""},
        {"mistral", "\"attention_bias\": false, \"mlp_bias\": false", ""},
        {"llama", "\"hidden_act\": \"swish\", \"quantization_config\": null", ""},
        {"gemma2", "\"hidden_activation\": \"gelu_new\"", ""}, /* the same function */
        {"llama", "\"attention_multiplier\": 1.0, \"logits_scaling\": null", ""},
        {"phi3", "\"lm_head_bias\": false, \"full_attn_mod\": 1, \"interpolate_factor\": 1", ""},
        {"smollm3", "\"max_window_layers\": 28, \"sliding_window\": null, \"pretraining_tp\": 2",
         ""},
        {"qwen2", "\"sliding_window\": 0", ""}, /* no layer slides */
        {"qwen3", "\"use_sliding_window\": false, \"sliding_window\": 0", ""},
        {"qwen3", "\"use_sliding_window\": true, \"sliding_window\": 0", ""},
        {"smollm3", "\"sliding_window\": 0, \"use_sliding_window\": false", ""},
        {"gemma2", "\"cache_implementation\": \"hybrid\", \"sliding_window_size\": 16", ""},
        {"llama", "\"attention_chunk_size\": null, \"per_layer_config\": null", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1000];
        write_case(text, cases[i].family, cases[i].keys);
        accepted(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families), cmocka_unit_test(structure), cmocka_unit_test(activations),
        cmocka_unit_test(ropes),    cmocka_unit_test(windows),   cmocka_unit_test(parts),
        cmocka_unit_test(harmless),
    };
    return cmocka_run_group_tests_name("config refusals", tests, NULL, NULL);
}
