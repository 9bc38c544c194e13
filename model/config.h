/* config.json (as transformers 4 and 5 write it) as numbers and flags.
 *
 * Everything that a family may switch is here, so that the pages in model/ read flags and never a
 * family's name. Unknown model_type, an unsupported switch of a known one (MoE, a new rope type,
 * quantization_config, …) or an impossible number is refused with the key's name. Of a model of
 * several parts (gemma3) the text part alone is read.
 *
 * Dropout in the base (attention_dropout, attn_pdrop, resid_pdrop, embd_pdrop; a tenth in every
 * GPT-2) is not applied, as if the base were in evaluation: a run's --dropout is the adapters'. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "data/text.h"
#include "kernels/blocks/blocks.h"
#include "kernels/status.h"

enum rope_kind {
    ROPE_NONE,
    ROPE_DEFAULT,
    ROPE_LINEAR,
    ROPE_DYNAMIC,
    ROPE_LLAMA3,
    ROPE_YARN,
    ROPE_LONGROPE
};

enum { LAYERS_MAX = 256, EOS_MAX = 8, ROPE_DIMS_MAX = 256 };

struct rope_config {
    enum rope_kind kind;
    double theta, factor;
    double low_freq_factor, high_freq_factor;                              /* llama3 */
    double beta_fast, beta_slow, attention_factor, mscale, mscale_all_dim; /* yarn; 0: not given */
    bool truncate;                                                         /* yarn */
    int original_max; /* original_max_position_embeddings, else the class's or max_positions */
    int factors;      /* longrope: rot_dim/2 */
    float short_factor[ROPE_DIMS_MAX], long_factor[ROPE_DIMS_MAX];
};

struct layer_config {
    int window; /* sliding window; 0: full attention */
    int rope;   /* which of rope[] ; -1: no rope in this layer */
};

struct model_config {
    char family[32]; /* model_type: "llama", "mistral", "qwen2", "qwen3", … */
    int hidden, inter, layers, heads, kv_heads, head_dim, vocab;
    int max_positions; /* dynamic and yarn rope: as far as their factor reaches */
    int rot_dim;       /* partial rotary: the first rot_dim of head_dim */
    double norm_eps;
    double norm_add;      /* 1: weights are stored as (w - 1) (Gemma) */
    enum knorm_kind norm; /* RMS or layer norm */
    enum kact act;
    bool tied; /* logits by the embedding matrix */
    bool qkv_bias, o_bias, mlp_bias;
    bool qk_norm;                       /* per-head norm of q and k before rope */
    bool post_norms;                    /* Gemma: norms on the branches' outputs too */
    bool fused_qkv, fused_gate_up;      /* Phi-3: one tensor in the file, one adapter */
    bool conv1d;                        /* GPT-2: [in, out] tensors */
    bool learned_positions;             /* GPT-2 */
    double embed_scale;                 /* 1, or Gemma's sqrt(hidden): see below */
    double attn_scale;                  /* head_dim^-0.5 unless the config says otherwise */
    double attn_softcap, logit_softcap; /* 0: none */
    struct rope_config rope[2];
    struct layer_config layer[LAYERS_MAX];
    int eos[EOS_MAX], eos_count; /* generation_config.json, else config.json */
    int bos, pad;                /* -1: none */
};

/* Gemma's embed_scale is sqrt(hidden) in f32, not rounded further. transformers keeps it in the
 * dtype that the model is loaded in, so that one loaded in bf16 has 50.5 for the root of 2560
 * (50.596) where one loaded in f32 has 50.596. We compute in f32 from weights of any dtype, which
 * is the latter; the difference is that of any other bf16 rounding. */
enum status model_config_read(struct model_config *out, const struct blobs *files, struct fault *f);

/* Whether what a text says depends on the longest one of its batch: dynamic rope and longrope. Of
 * texts that are to be measured, each is then a batch of its own. */
bool model_config_minds_length(const struct model_config *c);

#endif
