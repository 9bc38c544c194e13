#!/usr/bin/env python3
"""Writes tests/fixtures/config.json: configs as people have them, and what transformers reads.

    python3 scripts/make_config_fixtures.py

Keys are left out so that the class's defaults show, or say what a family may switch. `want` is read
from the modules that transformers builds (on no device), not from the config: what is computed
counts. Of each layer: window (0: none), rope (its theta; 0: none) and rope kind.
"""
import json
import os

import oracle
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = os.path.join(HERE, "..", "tests", "fixtures", "config.json")
SIZES = dict(hidden_size=256, intermediate_size=96, num_hidden_layers=6, num_attention_heads=32,
             vocab_size=130000)  # fmt: skip
GPT2 = dict(n_embd=256, n_layer=2, n_head=32, vocab_size=60000)
VISION = dict(model_type="siglip_vision_model", hidden_size=8, intermediate_size=9,
              num_hidden_layers=1, num_attention_heads=2, image_size=4, patch_size=2)  # fmt: skip
S, F = "sliding_attention", "full_attention"
LINEAR = {"rope_type": "linear", "factor": 8.0}
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=512)  # fmt: skip
LONG = dict(short_factor=[1.0, 1.5], long_factor=[2.0, 3.0])

CASES = {
    "llama": [
        {},
        dict(attention_bias=True, mlp_bias=True, tie_word_embeddings=True, rms_norm_eps=1e-5),
        dict(num_key_value_heads=None, head_dim=None, rope_theta=5e5, bos_token_id=None),
        dict(num_key_value_heads=4, head_dim=12, eos_token_id=[5, 7], max_position_embeddings=99),
        dict(rope_theta=5e5, rope_scaling=LLAMA3),
        dict(rope_parameters=dict(LLAMA3, rope_theta=3e5)),
        dict(rope_scaling=dict(type="dynamic", factor=4.0)),
        dict(rope_parameters=dict(rope_type="yarn", factor=4.0)),
        dict(sliding_window=8, attention_dropout=0.1, pretraining_tp=2, rope_scaling=None),
        dict(layer_types=[F] * 6),
    ],
    "mistral": [
        {},
        dict(sliding_window=None, head_dim=128),
        dict(sliding_window=7, num_key_value_heads=2, rope_theta=1e6),
        dict(sliding_window=7, layer_types=[S] * 6),
    ],
    "qwen2": [
        {},
        dict(sliding_window=32, use_sliding_window=False, max_window_layers=2),
        dict(sliding_window=32, use_sliding_window=True, max_window_layers=4),
        dict(use_sliding_window=True),
        dict(use_sliding_window=True, max_window_layers=5),
        dict(sliding_window=9, use_sliding_window=True, layer_types=[S, F, S, F, F, S]),
        dict(num_key_value_heads=None, tie_word_embeddings=True, attention_bias=False),
    ],
    "qwen3": [
        {},
        dict(head_dim=16, attention_bias=True, num_key_value_heads=8),
        dict(sliding_window=9, use_sliding_window=True, layer_types=[S, F, S, F, F, S]),
        dict(sliding_window=None, use_sliding_window=True, max_window_layers=0),
    ],
    "gemma2": [
        {},
        dict(layer_types=[F, S, S, F, S, F], sliding_window=5, head_dim=16),
        dict(attn_logit_softcapping=None, query_pre_attn_scalar=144),
        dict(final_logit_softcapping=None, attn_logit_softcapping=20.0, attention_bias=True),
        dict(hidden_act="gelu", tie_word_embeddings=False, pad_token_id=None),
    ],
    "gemma3_text": [
        {},
        dict(sliding_window_pattern=3, sliding_window=5),
        dict(layer_types=[F, S, S, F, S, F], sliding_window_pattern=2),
        dict(rope_theta=2e6, rope_local_base_freq=2e4, rope_scaling=LINEAR),
        dict(rope_parameters={F: dict(LINEAR, rope_theta=3e6), S: dict(rope_theta=3e4)}),
        dict(rope_parameters={F: dict(LINEAR)}, rope_local_base_freq=2e4),
        dict(rope_parameters={S: dict(LINEAR, rope_theta=77.0)}, rope_theta=5e5),
        dict(final_logit_softcapping=30.0, use_bidirectional_attention=False),
    ],
    "phi3": [
        {},
        dict(sliding_window=2047, num_key_value_heads=8),
        dict(partial_rotary_factor=0.5, tie_word_embeddings=True),
        dict(rope_scaling=dict(type="su", original_max_position_embeddings=4096, **LONG),
             partial_rotary_factor=0.5, max_position_embeddings=8192),
        dict(rope_scaling=dict(type="longrope", **LONG), partial_rotary_factor=0.5,
             original_max_position_embeddings=64),
        dict(resid_pdrop=0.1, embd_pdrop=0.1, rope_scaling=None),
    ],
    "smollm3": [
        {},
        dict(no_rope_layer_interval=2),
        dict(no_rope_layers=[1, 0, 1, 1, 1, 0, 1, 1]),
        dict(no_rope_layer_interval=3, use_sliding_window=True, sliding_window=9),
        dict(use_sliding_window=True, sliding_window=9, layer_types=[S, F, F, S, F, F]),
        dict(sliding_window=9, attention_bias=True, mlp_bias=True, num_key_value_heads=None),
    ],
    "gpt2": [
        {},
        dict(n_inner=77, n_positions=33, layer_norm_epsilon=1e-6, n_ctx=33),
        dict(scale_attn_weights=False, reorder_and_upcast_attn=True, attn_pdrop=0.3),
        dict(tie_word_embeddings=False, n_inner=None, eos_token_id=None),
    ],
    "gemma3": [
        dict(text_config={}),
        dict(text_config=dict(num_hidden_layers=8, sliding_window=1024, rope_scaling=LINEAR,
                              hidden_size=2560), eos_token_id=[1, 106]),
        dict(text_config=dict(num_hidden_layers=4, bos_token_id=9, eos_token_id=3), pad_token_id=4),
        dict(text_config=dict(num_hidden_layers=2, tie_word_embeddings=False),
             tie_word_embeddings=False),
    ],
}  # fmt: skip


def written(kind, keys):
    if kind == "gemma3":
        return {"model_type": kind, "vision_config": VISION, **keys}
    return {"model_type": kind, **(GPT2 if kind == "gpt2" else SIZES), **keys}


def layers_of(model):
    for name, m in model.named_modules():
        if isinstance(m, torch.nn.ModuleList) and "vision" not in name:
            return list(m)


def layer_of(config, layer):
    """The window, the theta and the kind of rope of one layer."""
    attn = getattr(layer, "self_attn", None)
    if attn is None:
        return [0, 0.0, "none"]
    ropes, kind = config.rope_parameters, getattr(attn, "layer_type", None)
    rope = ropes[kind] if kind in ropes else ropes
    window = getattr(attn, "sliding_window", None)
    if config.model_type in ("mistral", "phi3"):
        window = config.sliding_window
    if not getattr(attn, "use_rope", True):
        return [window or 0, 0.0, "none"]
    return [window or 0, rope["rope_theta"], rope["rope_type"]]


def biased(module, *names):
    found = [getattr(module, n) for n in names if hasattr(module, n)]
    return all(x.bias is not None for x in found)


def ids(*values):
    known = next((v for v in values if v is not None), None)
    return known if isinstance(known, list) else [] if known is None else [known]


def want(config):
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    text, layers = config.get_text_config(), layers_of(model)
    attn = getattr(layers[0], "self_attn", None) or layers[0].attn
    embed = model.get_input_embeddings()
    width = attn.head_dim
    if hasattr(attn, "k_proj"):
        kv = attn.k_proj.weight.shape[0] // width
        heads = attn.q_proj.weight.shape[0] // width
    else:
        kv = getattr(attn, "num_key_value_heads", text.num_attention_heads)
        heads = text.num_attention_heads
    qkv, out = ("q_proj", "k_proj", "v_proj", "qkv_proj", "c_attn"), ("o_proj", "c_proj")
    mlp = ("gate_proj", "up_proj", "down_proj", "gate_up_proj", "c_fc", "c_proj")
    rope = getattr(text, "rope_parameters", None) or {}
    rotated = int(width * rope.get("partial_rotary_factor", 1))
    norm = getattr(layers[0], "input_layernorm", None) or layers[0].ln_1
    return dict(
        hidden=embed.weight.shape[1], vocab=embed.weight.shape[0], layers=len(layers),
        heads=heads, kv_heads=kv, head_dim=width,
        rot_dim=0 if text.model_type == "gpt2" else rotated,
        inter=layers[0].mlp.down_proj.weight.shape[1] if hasattr(layers[0].mlp, "down_proj")
        else layers[0].mlp.c_fc.weight.shape[1],
        max_positions=text.max_position_embeddings,
        original_max=rope.get("original_max_position_embeddings", 0),
        norm_eps=getattr(norm, "variance_epsilon", None) or norm.eps,
        tied=model.get_output_embeddings().weight is embed.weight,
        embed_scale=float(getattr(embed, "scalar_embed_scale", 1.0)),
        attn_scale=attn.scaling,
        attn_softcap=(getattr(attn, "attn_logit_softcapping", None) or 0.0)
        if text.model_type == "gemma2" else 0.0,
        logit_softcap=getattr(text, "final_logit_softcapping", None) or 0.0,
        qkv_bias=biased(attn, *qkv), o_bias=biased(attn, *out),
        mlp_bias=biased(layers[0].mlp, *mlp),
        qk_norm=hasattr(attn, "q_norm"),
        bos=(ids(getattr(config, "bos_token_id", None), text.bos_token_id) or [-1])[0],
        eos=ids(getattr(config, "eos_token_id", None), text.eos_token_id),
        layer=[layer_of(text, x) for x in layers],
    )  # fmt: skip


if __name__ == "__main__":
    oracle.transformers.utils.logging.set_verbosity_error()
    rows = []
    for kind, variants in CASES.items():
        for keys in variants:
            text = written(kind, keys)
            config = CONFIG_MAPPING[kind].from_dict(json.loads(json.dumps(text)))
            rows.append({"config": text, "want": want(config)})
    with open(PATH, "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")
    print(len(rows), "configs")
