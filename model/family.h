/* One line per model_type: the names a family's files use and what its class takes for
 * granted.
 *
 *     const struct family *fam = family_find(c.family);
 *     fam->linear[MODULE_Q];                  // "self_attn.q_proj"
 *
 * A family differs from another by this data and by its config.json, never by an `if` on its
 * name. A linear layer is one of seven slots; a family that joins some in one tensor (Phi-3's
 * qkv_proj, GPT-2's c_attn) names it in the first slot and leaves the others NULL.
 *
 * A name is what transformers calls a module today, which is what PEFT calls it. Files may have
 * another prefix: none, where a base model was saved; an older one, where transformers has renamed
 * a part of a model since (Gemma-3's language_model.model):
 *
 *     char other[FAMILY_NAME_MAX];
 *     for (int n = 0; family_alias(other, fam, name, n); n++)
 *         …the file's own tensor may be called `other` */
#ifndef MODEL_FAMILY_H
#define MODEL_FAMILY_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/blocks/blocks.h"

enum module_slot {
    MODULE_Q,
    MODULE_K,
    MODULE_V,
    MODULE_O,
    MODULE_GATE,
    MODULE_UP,
    MODULE_DOWN,
    MODULE_SLOTS
};

enum norm_slot {
    NORM_ATTN,     /* on what attention reads */
    NORM_ATTN_OUT, /* Gemma: on what attention adds */
    NORM_MLP,
    NORM_MLP_OUT,
    NORM_Q, /* per head */
    NORM_K,
    NORM_SLOTS
};

/* Which layers look through a sliding window. */
enum window_rule {
    WINDOW_NONE,
    WINDOW_ALL,       /* sliding_window in every layer, if it is given */
    WINDOW_QWEN,      /* use_sliding_window, then layer_types or max_window_layers */
    WINDOW_ALTERNATE, /* layer_types, else even layers */
    WINDOW_PATTERN,   /* layer_types, else all but every sixth (sliding_window_pattern) */
    WINDOW_NO_ROPE    /* use_sliding_window: layer_types, else the layers without rope */
};

/* What a key of config.json means when it is absent: the class's default. Sizes without one
 * must be there: transformers leaves them out of a nested text_config alone. */
struct family_defaults {
    bool tied;
    int hidden, inter, layers, heads, vocab;
    int kv_heads; /* 0: as many as heads */
    int head_dim; /* 0: hidden / heads */
    int max_positions, window;
    int original_max;                    /* of scaled ropes; 0: max_positions */
    int bos, eos;                        /* -1: none */
    double norm_eps, theta, theta_local; /* theta_local: of sliding layers; 0: the same */
    double attn_softcap, logit_softcap, query_scalar; /* query_scalar 0: head_dim */
};

struct family {
    const char *model_type;
    const char *prefix;             /* of every name but the head's: "model." */
    const char *other[2];           /* what files may have in its place */
    const char *other_head;         /* what files may call lm_head; NULL: nothing else */
    const char *nested;             /* the key of config.json that holds the text part; or NULL */
    const char *nested_type;        /* and its model_type */
    const char *embed, *final_norm; /* without ".weight" */
    const char *positions;          /* learned positions; NULL: rope */
    const char *layer;              /* "model.layers.%d." */
    const char *linear[MODULE_SLOTS], *norm[NORM_SLOTS];
    enum knorm_kind norm_kind;
    enum kact act;
    enum window_rule window;
    bool qkv_bias, o_bias, mlp_bias;        /* always there */
    bool bias_switch, mlp_bias_switch;      /* read attention_bias, mlp_bias */
    bool norm_plus_one, embed_sqrt;         /* Gemma */
    bool partial_rotary, no_rope;           /* read partial_rotary_factor, no_rope_layers */
    bool query_scalar;                      /* read query_pre_attn_scalar */
    bool attn_softcap, logit_softcap;       /* read attn_, final_logit_softcapping */
    bool conv1d, gpt2_keys, activation_key; /* activation_key: hidden_activation first */
    bool longrope_only;                     /* "su" and "yarn" say longrope; no other scaling */
    struct family_defaults absent;
};

/* NULL if there is no such family. */
const struct family *family_find(const char *model_type);

/* "llama, mistral, … and gpt2" for messages: to [n] = as much as there is room for. */
void family_names(char *to, size_t n);

enum { FAMILY_NAME_MAX = 160 };

/* The n-th other name that a file may have for a module or tensor; false when there is none. */
bool family_alias(char to[FAMILY_NAME_MAX], const struct family *fam, const char *name, int n);

/* Whether `found` is the name or one of its others. */
bool family_same(const struct family *fam, const char *name, const char *found);

#endif
