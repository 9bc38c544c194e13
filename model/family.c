#include "model/family.h"

#include <stdio.h>
#include <string.h>

/* Names that most families share. */
#define SELF_ATTN                                                     \
    [MODULE_Q] = "self_attn.q_proj", [MODULE_K] = "self_attn.k_proj", \
    [MODULE_V] = "self_attn.v_proj", [MODULE_O] = "self_attn.o_proj"
#define GATED_MLP \
    [MODULE_GATE] = "mlp.gate_proj", [MODULE_UP] = "mlp.up_proj", [MODULE_DOWN] = "mlp.down_proj"
#define LINEARS .linear = {SELF_ATTN, GATED_MLP}
#define LLAMA_NAMES                                                                               \
    .prefix = "model.", .other = {""}, .embed = "model.embed_tokens", .final_norm = "model.norm", \
    .layer = "model.layers.%d."
#define LLAMA_NORMS [NORM_ATTN] = "input_layernorm", [NORM_MLP] = "post_attention_layernorm"
#define GEMMA_NORMS                                                                \
    [NORM_ATTN] = "input_layernorm", [NORM_ATTN_OUT] = "post_attention_layernorm", \
    [NORM_MLP] = "pre_feedforward_layernorm", [NORM_MLP_OUT] = "post_feedforward_layernorm"
#define HEAD_NORMS [NORM_Q] = "self_attn.q_norm", [NORM_K] = "self_attn.k_norm"

/* What two model_types of one line of models have in common. */
#define QWEN_ABSENT                                                               \
    .kv_heads = 32, .max_positions = 32768, .window = 4096, .bos = -1, .eos = -1, \
    .norm_eps = 1e-6, .theta = 1e4
#define GEMMA                                                                                   \
    LINEARS, .act = KACT_GEGLU, .bias_switch = true, .norm_plus_one = true, .embed_sqrt = true, \
             .query_scalar = true, .activation_key = true
#define GEMMA_ABSENT                                                                  \
    .tied = true, .kv_heads = 4, .head_dim = 256, .window = 4096, .bos = 2, .eos = 1, \
    .norm_eps = 1e-6, .query_scalar = 256
#define GEMMA3        GEMMA, .norm = {GEMMA_NORMS, HEAD_NORMS}, .window = WINDOW_PATTERN
#define GEMMA3_ABSENT GEMMA_ABSENT, .max_positions = 131072, .theta = 1e6, .theta_local = 1e4

static const struct family families[] = {
    {.model_type = "llama",
     LLAMA_NAMES,
     LINEARS,
     .norm = {LLAMA_NORMS},
     .bias_switch = true,
     .mlp_bias_switch = true,
     .absent = {.max_positions = 2048, .bos = 1, .eos = 2, .norm_eps = 1e-6, .theta = 1e4}},
    {.model_type = "mistral",
     LLAMA_NAMES,
     LINEARS,
     .norm = {LLAMA_NORMS},
     .window = WINDOW_ALL,
     .absent = {.kv_heads = 8,
                .max_positions = 131072,
                .window = 4096,
                .bos = 1,
                .eos = 2,
                .norm_eps = 1e-6,
                .theta = 1e4}},
    {.model_type = "qwen2",
     LLAMA_NAMES,
     LINEARS,
     .norm = {LLAMA_NORMS},
     .window = WINDOW_QWEN,
     .qkv_bias = true,
     .absent = {QWEN_ABSENT}},
    {.model_type = "qwen3",
     LLAMA_NAMES,
     LINEARS,
     .norm = {LLAMA_NORMS, HEAD_NORMS},
     .window = WINDOW_QWEN,
     .bias_switch = true,
     .absent = {QWEN_ABSENT, .head_dim = 128}},
    {.model_type = "gemma2",
     LLAMA_NAMES,
     GEMMA,
     .norm = {GEMMA_NORMS},
     .window = WINDOW_ALTERNATE,
     .attn_softcap = true,
     .logit_softcap = true,
     .absent = {GEMMA_ABSENT, .max_positions = 8192, .theta = 1e4, .attn_softcap = 50,
                .logit_softcap = 30}},
    {.model_type = "gemma3_text",
     LLAMA_NAMES,
     GEMMA3,
     .logit_softcap = true,
     .absent = {GEMMA3_ABSENT}},
    {.model_type = "gemma3", /* its text part */
     .prefix = "model.language_model.",
     .other = {"language_model.model.", "language_model."},
     .other_head = "language_model.lm_head",
     .nested = "text_config",
     .nested_type = "gemma3_text",
     .embed = "model.language_model.embed_tokens",
     .final_norm = "model.language_model.norm",
     .layer = "model.language_model.layers.%d.",
     GEMMA3,
     .absent = {GEMMA3_ABSENT, .hidden = 2304, .inter = 9216, .layers = 26, .heads = 8,
                .vocab = 262208}},
    {.model_type = "phi3",
     LLAMA_NAMES,
     .linear = {[MODULE_Q] = "self_attn.qkv_proj",
                [MODULE_O] = "self_attn.o_proj",
                [MODULE_GATE] = "mlp.gate_up_proj",
                [MODULE_DOWN] = "mlp.down_proj"},
     .norm = {LLAMA_NORMS},
     .window = WINDOW_ALL,
     .partial_rotary = true,
     .longrope_only = true,
     .absent = {.max_positions = 4096,
                .original_max = 4096,
                .bos = 1,
                .eos = 32000,
                .norm_eps = 1e-5,
                .theta = 1e4}},
    {.model_type = "smollm3",
     LLAMA_NAMES,
     LINEARS,
     .norm = {LLAMA_NORMS},
     .window = WINDOW_NO_ROPE,
     .bias_switch = true,
     .mlp_bias_switch = true,
     .no_rope = true,
     .absent = {.tied = true,
                .kv_heads = 4,
                .max_positions = 32768,
                .bos = 128000,
                .eos = 128001,
                .norm_eps = 1e-6,
                .theta = 2e6}},
    {.model_type = "gpt2",
     .prefix = "transformer.",
     .other = {""},
     .embed = "transformer.wte",
     .final_norm = "transformer.ln_f",
     .positions = "transformer.wpe",
     .layer = "transformer.h.%d.",
     .linear = {[MODULE_Q] = "attn.c_attn",
                [MODULE_O] = "attn.c_proj",
                [MODULE_GATE] = "mlp.c_fc",
                [MODULE_DOWN] = "mlp.c_proj"},
     .norm = {[NORM_ATTN] = "ln_1", [NORM_MLP] = "ln_2"},
     .norm_kind = KNORM_LAYER,
     .act = KACT_GELU,
     .qkv_bias = true,
     .o_bias = true,
     .mlp_bias = true,
     .conv1d = true,
     .gpt2_keys = true,
     .absent = {.tied = true, .max_positions = 1024, .bos = 50256, .eos = 50256, .norm_eps = 1e-5}},
};

enum { FAMILIES = sizeof families / sizeof *families };

const struct family *family_find(const char *model_type)
{
    for (size_t i = 0; i < FAMILIES; i++)
        if (strcmp(families[i].model_type, model_type) == 0)
            return &families[i];
    return NULL;
}

void family_names(char *to, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < FAMILIES && at < n; i++) {
        const char *between = i == 0 ? "" : i + 1 < FAMILIES ? ", " : " and ";
        at += (size_t)snprintf(to + at, n - at, "%s%s", between, families[i].model_type);
    }
}

bool family_alias(char to[FAMILY_NAME_MAX], const struct family *fam, const char *name, int n)
{
    static const char head[] = "lm_head";
    enum { OTHERS = sizeof fam->other / sizeof *fam->other };
    size_t skip = strlen(fam->prefix);
    const char *other = n < OTHERS ? fam->other[n] : NULL;
    if (strncmp(name, head, strlen(head)) == 0) {
        skip = strlen(head);
        other = n == 0 ? fam->other_head : NULL;
    } else if (strncmp(name, fam->prefix, skip) != 0) {
        return false;
    }
    if (!other)
        return false;
    int length = snprintf(to, FAMILY_NAME_MAX, "%s%s", other, name + skip);
    return length > 0 && length < FAMILY_NAME_MAX;
}

bool family_same(const struct family *fam, const char *name, const char *found)
{
    char other[FAMILY_NAME_MAX];
    if (strcmp(name, found) == 0)
        return true;
    for (int n = 0; family_alias(other, fam, name, n); n++)
        if (strcmp(other, found) == 0)
            return true;
    return false;
}
