#include "model/family.h"

#include <string.h>

/* Names that most families share. */
#define SELF_ATTN                                                     \
    [MODULE_Q] = "self_attn.q_proj", [MODULE_K] = "self_attn.k_proj", \
    [MODULE_V] = "self_attn.v_proj", [MODULE_O] = "self_attn.o_proj"
#define GATED_MLP \
    [MODULE_GATE] = "mlp.gate_proj", [MODULE_UP] = "mlp.up_proj", [MODULE_DOWN] = "mlp.down_proj"
#define LLAMA_NAMES                                                                \
    .prefix = "model.", .embed = "model.embed_tokens", .final_norm = "model.norm", \
    .layer = "model.layers.%d."
#define LLAMA_NORMS [NORM_ATTN] = "input_layernorm", [NORM_MLP] = "post_attention_layernorm"

static const struct family families[] = {
    {.model_type = "llama",
     LLAMA_NAMES,
     .linear = {SELF_ATTN, GATED_MLP},
     .norm = {LLAMA_NORMS},
     .bias_switch = true,
     .mlp_bias_switch = true,
     .absent = {.max_positions = 2048, .bos = 1, .eos = 2, .norm_eps = 1e-6, .theta = 1e4}},
    {.model_type = "mistral",
     LLAMA_NAMES,
     .linear = {SELF_ATTN, GATED_MLP},
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
     .linear = {SELF_ATTN, GATED_MLP},
     .norm = {LLAMA_NORMS},
     .window = WINDOW_QWEN,
     .qkv_bias = true,
     .absent = {.kv_heads = 32,
                .max_positions = 32768,
                .window = 4096,
                .bos = -1,
                .eos = -1,
                .norm_eps = 1e-6,
                .theta = 1e4}},
    {.model_type = "qwen3",
     LLAMA_NAMES,
     .linear = {SELF_ATTN, GATED_MLP},
     .norm = {LLAMA_NORMS, [NORM_Q] = "self_attn.q_norm", [NORM_K] = "self_attn.k_norm"},
     .window = WINDOW_QWEN,
     .bias_switch = true,
     .absent = {.kv_heads = 32,
                .head_dim = 128,
                .max_positions = 32768,
                .window = 4096,
                .bos = -1,
                .eos = -1,
                .norm_eps = 1e-6,
                .theta = 1e4}},
};

enum { FAMILIES = sizeof families / sizeof *families };

const struct family *family_find(const char *model_type)
{
    for (size_t i = 0; i < FAMILIES; i++)
        if (strcmp(families[i].model_type, model_type) == 0)
            return &families[i];
    return NULL;
}

const char *family_names(void)
{
    return "llama, mistral, qwen2 and qwen3";
}
