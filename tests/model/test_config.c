/* config.json as transformers 4 and 5 write it, what is refused, and hostile numbers. */
#include "model/family.h"
#include "tests/model/fixture.h"

#define SIZES                                                                       \
    "\"hidden_size\": 64, \"intermediate_size\": 96, \"num_hidden_layers\": 4,"     \
    "\"num_attention_heads\": 8, \"num_key_value_heads\": 2, \"vocab_size\": 100, " \
    "\"bos_token_id\": 1, \"eos_token_id\": 2"

static enum status parse(struct model_config *c, struct fault *said, const char *text,
                         const char *generation)
{
    struct blobs files = {0};
    OK(blobs_add(&files, "config.json", text, strlen(text), &f));
    if (generation)
        OK(blobs_add(&files, "generation_config.json", generation, strlen(generation), &f));
    enum status code = model_config_read(c, &files, said);
    blobs_free(&files);
    return code;
}

static struct model_config good(const char *text)
{
    struct model_config c;
    OK(parse(&c, &f, text, NULL));
    return c;
}

/* The fault must name config.json and every word given. */
static void refused(enum status code, const char *text, const char *word)
{
    struct model_config c;
    struct fault said = {0};
    memset(&c, 0x55, sizeof c);
    struct model_config before = c;
    if (parse(&c, &said, text, NULL) != code || !strstr(said.text, "config.json") ||
        !strstr(said.text, word))
        fail_msg("%s\n  gives [%s] %s", text, status_text(said.code), said.text);
    assert_memory_equal(&c, &before, sizeof c); /* out pointers stay as they were */
}

/* ---- what is read -------------------------------------------------------------------------- */

static void llama(void **state)
{
    (void)state;
    struct model_config c = good("{\"model_type\": \"llama\", " SIZES "}");
    assert_string_equal(c.family, "llama");
    assert_int_equal(c.hidden, 64);
    assert_int_equal(c.inter, 96);
    assert_int_equal(c.layers, 4);
    assert_int_equal(c.heads, 8);
    assert_int_equal(c.kv_heads, 2);
    assert_int_equal(c.head_dim, 8);
    assert_int_equal(c.rot_dim, 8);
    assert_int_equal(c.max_positions, 2048);
    assert_true(c.norm_eps == 1e-6 && c.rope[0].theta == 1e4 && c.embed_scale == 1);
    assert_true(c.attn_scale == 1 / sqrt(8.0) && c.attn_softcap == 0 && !c.tied);
    assert_false(c.qkv_bias || c.o_bias || c.mlp_bias || c.qk_norm || c.post_norms);
    assert_int_equal(c.layer[3].window, 0);
    assert_int_equal(c.eos_count, 1);
    assert_int_equal(c.eos[0], 2);
    c = good("{\"model_type\": \"llama\", " SIZES ", \"attention_bias\": true, \"mlp_bias\": true,"
             "\"tie_word_embeddings\": true, \"head_dim\": 16, \"rms_norm_eps\": 1e-5,"
             "\"pretraining_tp\": 2, \"torch_dtype\": \"bfloat16\", \"pad_token_id\": null}");
    assert_true(c.qkv_bias && c.o_bias && c.mlp_bias && c.tied && c.norm_eps == 1e-5);
    assert_int_equal(c.head_dim, 16);
    assert_int_equal(c.pad, -1);
}

static void qwen(void **state)
{
    (void)state;
    struct model_config c = good("{\"model_type\": \"qwen2\", " SIZES ", \"sliding_window\": 32,"
                                 "\"use_sliding_window\": false, \"max_window_layers\": 1}");
    assert_true(c.qkv_bias && !c.o_bias && c.layer[3].window == 0);
    c = good("{\"model_type\": \"qwen2\", " SIZES ", \"sliding_window\": 32,"
             "\"use_sliding_window\": true, \"max_window_layers\": 3}");
    assert_int_equal(c.layer[2].window, 0);
    assert_int_equal(c.layer[3].window, 32);
    c = good("{\"model_type\": \"qwen3\", " SIZES ", \"sliding_window\": 32,"
             "\"use_sliding_window\": true, \"layer_types\": [\"sliding_attention\","
             "\"full_attention\", \"sliding_attention\", \"full_attention\"]}");
    assert_true(c.qk_norm && !c.qkv_bias);
    assert_int_equal(c.head_dim, 128);
    assert_int_equal(c.layer[0].window, 32);
    assert_int_equal(c.layer[1].window, 0);
}

static void mistral(void **state)
{
    (void)state;
    struct model_config c = good("{\"model_type\": \"mistral\", " SIZES "}");
    assert_int_equal(c.layer[0].window, 4096); /* the class's default */
    c = good("{\"model_type\": \"mistral\", " SIZES ", \"sliding_window\": null}");
    assert_int_equal(c.layer[0].window, 0);
    c = good("{\"model_type\": \"mistral\", " SIZES ", \"sliding_window\": 7}");
    assert_int_equal(c.layer[3].window, 7);
}

static void gemma(void **state)
{
    (void)state;
    struct model_config c = good("{\"model_type\": \"gemma2\", " SIZES ", \"head_dim\": 8,"
                                 "\"sliding_window\": 16, \"query_pre_attn_scalar\": 4}");
    assert_true(c.tied && c.post_norms && c.norm_add == 1 && c.embed_scale == 8);
    assert_true(c.attn_scale == 0.5 && c.attn_softcap == 50 && c.logit_softcap == 30);
    assert_int_equal(c.layer[0].window, 16);
    assert_int_equal(c.layer[1].window, 0);
    c = good("{\"model_type\": \"gemma2\", " SIZES ", \"tie_word_embeddings\": null}");
    assert_false(c.tied); /* null is no, though an absent key is yes */
    c = good("{\"model_type\": \"gemma3_text\", " SIZES ", \"head_dim\": 8, \"sliding_window\": 16,"
             "\"sliding_window_pattern\": 2, \"rope_theta\": 1e6, \"rope_local_base_freq\": 1e4,"
             "\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 8.0}}");
    assert_true(c.qk_norm && c.attn_softcap == 0);
    assert_int_equal(c.layer[0].rope, 1);
    assert_int_equal(c.layer[1].rope, 0);
    assert_int_equal(c.layer[1].window, 0);
    assert_int_equal(c.rope[0].kind, ROPE_LINEAR);
    assert_true(c.rope[0].theta == 1e6 && c.rope[1].theta == 1e4);
    assert_int_equal(c.rope[1].kind, ROPE_DEFAULT);
}

static void others(void **state)
{
    (void)state;
    struct model_config c = good("{\"model_type\": \"smollm3\", " SIZES ","
                                 "\"no_rope_layers\": [1, 0, 1, 1]}");
    assert_int_equal(c.layer[0].rope, 0);
    assert_int_equal(c.layer[1].rope, -1);
    assert_true(c.tied && c.rope[0].theta == 2e6);
    c = good("{\"model_type\": \"gpt2\", \"n_embd\": 32, \"n_head\": 4, \"n_layer\": 2,"
             "\"vocab_size\": 100, \"n_inner\": null, \"eos_token_id\": 3}");
    assert_true(c.conv1d && c.learned_positions && c.norm == KNORM_LAYER && c.act == KACT_GELU);
    assert_int_equal(c.inter, 128);
    assert_int_equal(c.max_positions, 1024);
    assert_int_equal(c.layer[1].rope, -1);
    c = good("{\"model_type\": \"gpt2\", " SIZES
             ", \"max_position_embeddings\": 77, \"n_layer\": 4}");
    assert_int_equal(c.hidden, 64);
    assert_true(c.layers == 4 && c.heads == 8 && c.kv_heads == 8 && c.max_positions == 77);
    refused(ST_FORMAT, "{\"model_type\": \"gpt2\", " SIZES ", \"n_embd\": 65}", "hidden_size 64");
    c = good("{\"model_type\": \"phi3\", " SIZES ", \"partial_rotary_factor\": 0.5}");
    assert_true(c.fused_qkv && c.fused_gate_up);
    assert_int_equal(c.rot_dim, 4);
    assert_int_equal(c.head_dim, 8);
}

/* The same rope in both spellings. */
static void both_versions(void **state)
{
    (void)state;
    static const char *const rope[] = {
        ", \"rope_theta\": 5e5, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8.0,"
        "\"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0,"
        "\"original_max_position_embeddings\": 512}}",
        ", \"rope_parameters\": {\"rope_type\": \"llama3\", \"factor\": 8.0, \"rope_theta\": 5e5,"
        "\"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0,"
        "\"original_max_position_embeddings\": 512}}"};
    for (int i = 0; i < 2; i++) {
        char text[1000];
        snprintf(text, sizeof text, "{\"model_type\": \"llama\", " SIZES "%s", rope[i]);
        struct model_config c = good(text);
        assert_int_equal(c.rope[0].kind, ROPE_LLAMA3);
        assert_true(c.rope[0].theta == 5e5 && c.rope[0].factor == 8);
        assert_true(c.rope[0].low_freq_factor == 1 && c.rope[0].high_freq_factor == 4);
        assert_int_equal(c.rope[0].original_max, 512);
    }
    struct model_config c = good("{\"model_type\": \"llama\", " SIZES ", \"rope_scaling\":"
                                 "{\"type\": \"dynamic\", \"factor\": 4.0}}");
    assert_int_equal(c.max_positions, 8192); /* what the scaling is for */
    assert_int_equal(c.rope[0].original_max, 2048);
}

static void generation(void **state)
{
    (void)state;
    struct model_config c;
    OK(parse(&c, &f, "{\"model_type\": \"llama\", " SIZES "}", "{\"eos_token_id\": [5, 6, 2]}"));
    assert_int_equal(c.eos_count, 3);
    assert_int_equal(c.eos[1], 6);
    OK(parse(&c, &f, "{\"model_type\": \"llama\", " SIZES "}", "{\"eos_token_id\": null}"));
    assert_int_equal(c.eos_count, 1);
    struct fault said = {0};
    assert_int_equal(
        parse(&c, &said, "{\"model_type\": \"llama\", " SIZES "}", "{\"eos_token_id\": 100}"),
        ST_FORMAT);
    assert_non_null(strstr(said.text, "generation_config.json"));
}

/* ---- what is refused ----------------------------------------------------------------------- */

static void unsupported(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *word;
    } cases[] = {
        {"\"hidden_act\": \"gelu\"", "hidden_act"},
        {"\"num_local_experts\": 8", "num_local_experts"},
        {"\"num_experts\": 8", "num_experts"},
        {"\"quantization_config\": {\"quant_method\": \"gptq\", \"bits\": 4}", "gptq"},
        {"\"quantization_config\": {\"quant_method\": \"awq\"}", "awq"},
        {"\"quantization_config\": {\"quant_method\": \"fp8\"}", "fp8"},
        {"\"quantization_config\": {\"load_in_4bit\": true}", "bitsandbytes"},
        {"\"rope_scaling\": {\"type\": \"mrope\"}", "mrope"},
        {"\"rope_scaling\": {\"rope_type\": \"proportional\"}", "proportional"},
        {"\"partial_rotary_factor\": 0.5", "partial_rotary_factor"},
        {"\"text_config\": {}", "text_config"},
        {"\"add_cross_attention\": true", "add_cross_attention"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1000];
        snprintf(text, sizeof text, "{\"model_type\": \"llama\", " SIZES ", %s}", cases[i].keys);
        refused(ST_UNSUPPORTED, text, cases[i].word);
    }
    refused(ST_UNSUPPORTED, "{\"model_type\": \"mixtral\", " SIZES "}", "mixtral");
    char names[240], word[6];
    family_names(names, sizeof names);
    assert_non_null(strstr(names, "llama, mistral, "));
    assert_non_null(strstr(names, " and gpt2"));
    family_names(word, sizeof word);
    assert_string_equal(word, "llama");
    refused(ST_UNSUPPORTED,
            "{\"model_type\": \"qwen2\", " SIZES ", \"layer_types\": [\"full_attention\","
            "\"linear_attention\", \"full_attention\", \"full_attention\"]}",
            "linear_attention");
    struct model_config c = good("{\"model_type\": \"llama\", " SIZES
                                 ", \"quantization_config\": null, \"num_experts\": null}");
    assert_int_equal(c.layers, 4);
}

/* One key of a good config replaced by something hostile. */
static void hostile(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "hidden_size",         "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "vocab_size",        "head_dim",          "max_position_embeddings"};
    static const char *const values[] = {"0",  "-1", "1e300", "1.5",        "\"64\"",
                                         "[]", "{}", "true",  "99999999999"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            char text[1000] = "{\"model_type\": \"llama\"";
            for (size_t n = 0; n < sizeof keys / sizeof *keys; n++) {
                size_t at = strlen(text);
                snprintf(text + at, sizeof text - at, ", \"%s\": %s", keys[n],
                         n == i ? values[j] : "8");
            }
            strncat(text, "}", 2);
            refused(ST_FORMAT, text, keys[i]);
        }
    }
}

static void malformed(void **state)
{
    (void)state;
    static const struct {
        const char *keys, *word;
    } cases[] = {
        {"\"rms_norm_eps\": 0", "rms_norm_eps"},
        {"\"rms_norm_eps\": -1e-5", "rms_norm_eps"},
        {"\"rms_norm_eps\": \"1e-5\"", "rms_norm_eps"},
        {"\"rope_theta\": 0", "rope_theta"},
        {"\"rope_theta\": -5", "rope_theta"},
        {"\"rope_theta\": 1e300", "rope_theta"},
        {"\"rope_scaling\": []", "rope"},
        {"\"rope_scaling\": {\"type\": 3}", "type"},
        {"\"rope_scaling\": {\"type\": \"linear\"}", "factor"},
        {"\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0}", "factor"},
        {"\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8}", "low_freq_factor"},
        {"\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4,"
         "\"high_freq_factor\": 4}",
         "high_freq_factor"},
        {"\"rope_scaling\": {\"type\": \"longrope\", \"short_factor\": [1], \"long_factor\": [1]}",
         "short_factor"},
        {"\"head_dim\": 7", "rotary"},
        {"\"head_dim\": 2000", "head_dim"},
        {"\"tie_word_embeddings\": 1", "tie_word_embeddings"},
        {"\"attention_bias\": \"no\"", "attention_bias"},
        {"\"num_attention_heads\": 7", "num_attention_heads"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1000];
        const char *sizes = strstr(cases[i].keys, "num_attention_heads")
                                ? "\"hidden_size\": 64, \"intermediate_size\": 96, \"vocab_size\":"
                                  " 9, \"num_hidden_layers\": 4, \"num_key_value_heads\": 2"
                                : SIZES;
        snprintf(text, sizeof text, "{\"model_type\": \"llama\", %s, %s}", sizes, cases[i].keys);
        refused(ST_FORMAT, text, cases[i].word);
    }
    refused(ST_FORMAT, "[]", "object");
    refused(ST_FORMAT, "{}", "model_type");
    refused(ST_FORMAT, "{\"model_type\": 5}", "model_type");
    refused(ST_FORMAT, "{\"model_type\": \"llama\"}", "hidden_size");
    refused(ST_FORMAT, "{\"model_type\": \"llama\", " SIZES, "config.json");
    refused(ST_FORMAT,
            "{\"model_type\": \"qwen2\", " SIZES ", \"layer_types\": [\"full_attention\"]}",
            "layer_types");
    refused(ST_FORMAT,
            "{\"model_type\": \"llama\", \"hidden_size\": 1048576,"
            "\"intermediate_size\": 8, \"num_hidden_layers\": 1, \"vocab_size\": 9,"
            "\"num_attention_heads\": 4096, \"head_dim\": 1024}",
            "head_dim");
    struct blobs none = {0};
    struct model_config c;
    struct fault said = {0};
    assert_int_equal(model_config_read(&c, &none, &said), ST_ABSENT);
}

static void eos(void **state)
{
    (void)state;
    refused(ST_FORMAT,
            "{\"model_type\": \"qwen2\", \"hidden_size\": 64, \"intermediate_size\": 96,"
            "\"num_hidden_layers\": 4, \"num_attention_heads\": 32, \"vocab_size\": 100,"
            "\"eos_token_id\": [1, 100]}",
            "eos_token_id");
    struct model_config c = good("{\"model_type\": \"llama\", \"hidden_size\": 64,"
                                 "\"intermediate_size\": 96, \"num_hidden_layers\": 4,"
                                 "\"num_attention_heads\": 8, \"vocab_size\": 100,"
                                 "\"eos_token_id\": null, \"bos_token_id\": null}");
    assert_int_equal(c.eos_count, 0);
    assert_int_equal(c.bos, -1);
    assert_int_equal(c.kv_heads, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama),      cmocka_unit_test(qwen),
        cmocka_unit_test(mistral),    cmocka_unit_test(gemma),
        cmocka_unit_test(others),     cmocka_unit_test(both_versions),
        cmocka_unit_test(generation), cmocka_unit_test(unsupported),
        cmocka_unit_test(hostile),    cmocka_unit_test(malformed),
        cmocka_unit_test(eos),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
