#!/usr/bin/env python3
"""Random and hostile config.json of every family, and what transformers builds of each.

    python3 scripts/random_configs.py OUT.json [--count 3000] [--seed 0]
    build/release/tests/model/test_config_defaults OUT.json

One to three keys of a small config are left out, or given values that families have, that classes
have as defaults, or that are wrong. Rows are those of make_config_fixtures.py; "want" is null where
transformers refuses. The test compares where both accept, and prints how many either refuses.
"""
import argparse
import copy
import json
import random

import make_config_fixtures as fixtures
import oracle
from transformers import CONFIG_MAPPING

S, F = fixtures.S, fixtures.F
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)  # fmt: skip
YARN = dict(rope_type="yarn", factor=4.0)
LONG = dict(rope_type="longrope", short_factor=[1.0] * 4, long_factor=[2.0] * 4)
ROPES = [
    None, {}, [], "linear", 3, {"factor": 2.0}, {"rope_theta": None}, {"rope_type": None},
    {"rope_type": ""}, {"rope_type": "axial"}, {"rope_type": "mrope"},
    {"rope_type": "proportional"}, {"type": "linear", "factor": 2.0},
    {"rope_type": "default", "type": "linear", "factor": 2}, {"rope_type": "linear", "factor": 0.5},
    {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "default", "rope_theta": 77.0}, YARN, dict(YARN, factor=None),
    dict(YARN, original_max_position_embeddings=64, attention_factor=1.2, beta_fast=16, beta_slow=2,
         mscale=0.7, mscale_all_dim=0.5, truncate=False),
    LONG, dict(LONG, factor=3.0), dict(LONG, short_factor=[1.0] * 3, long_factor=[2.0] * 3),
    {"type": "su", "short_factor": [1.0] * 4, "long_factor": [2.0] * 4}, LLAMA3,
    dict(LLAMA3, rope_theta=33.0), {"rope_type": "default", "mrope_section": [1, 1, 2]},
    {"rope_type": "default", "partial_rotary_factor": 0.75},
    {F: {"rope_type": "linear", "factor": 2.0}, S: {"rope_type": "default", "rope_theta": 5.0}},
    {F: None, S: {"rope_theta": 3.0}}, {F: {}, S: {}}, {S: {"rope_type": "linear", "factor": 2.0}},
]  # fmt: skip
INTS = [None, 0, -1, 1, 2, 3, 4, 7, 8, 16, 1.0, 2.5, "4", True, [], {}]
BOOLS = [None, True, False, 0, 1, "true"]
NUMBERS = [None, 0, 0.0, 1, 2.5, 30, -1, "8"]
TYPES = [None, [], [F] * 4, [S] * 4, [S, F, S, F], [F, S, F, F], [F] * 3, [F] * 5,
         ["attention"] * 4, [S, F, "linear_attention", F], [F, F, F, 3], F, [None] * 4,
         ["sparse"] * 4, {}]  # fmt: skip
IDS = [None, 0, 1, 31, 32, 99, -1, [1], [1, 2], [1, 99], [None], "1"]
SHARED = {
    "vocab_size": INTS, "bos_token_id": IDS, "eos_token_id": IDS, "pad_token_id": IDS,
    "tie_word_embeddings": BOOLS, "layer_types": TYPES, "is_causal": BOOLS,
    "per_layer_config": [None, {}, {"0": {"intermediate_size": 5}}, {"1": {"sliding_window": 3}}],
    "dtype": ["bfloat16", "float32", None], "architectures": [["X"], None],
    "num_experts": [4, None],
}  # fmt: skip
LLAMA = {
    "hidden_size": INTS + [24, 33], "intermediate_size": INTS, "num_hidden_layers": INTS,
    "num_attention_heads": INTS, "num_key_value_heads": INTS, "head_dim": INTS + [6, 10],
    "max_position_embeddings": INTS + [128], "rms_norm_eps": [None, 0, -1e-5, 1e-12, 1e-3, "1e-5"],
    "rope_theta": [None, 0, -1, 1.0, 100, 1e7, "1e4"], "rope_local_base_freq": [None, 5.0, 0],
    "rope_scaling": ROPES, "rope_parameters": ROPES, "attention_bias": BOOLS, "mlp_bias": BOOLS,
    "partial_rotary_factor": [None, 0, 0.25, 0.5, 0.75, 1, 1.0, 1.5, -0.5, "0.5"],
    "sliding_window": INTS, "use_sliding_window": BOOLS, "max_window_layers": INTS + [28],
    "sliding_window_pattern": INTS, "no_rope_layer_interval": INTS,
    "no_rope_layers": [None, [], [1, 0, 1, 0], [0] * 4, [1] * 3, [1] * 6, [2, 1, 0, 1], 3],
    "query_pre_attn_scalar": NUMBERS, "attn_logit_softcapping": NUMBERS,
    "final_logit_softcapping": NUMBERS, "use_bidirectional_attention": BOOLS,
    "hidden_act": [None, "silu", "swish", "gelu", "gelu_new", "relu", "", 3],
    "hidden_activation": [None, "silu", "gelu_pytorch_tanh", "gelu_new", "gelu"],
    "original_max_position_embeddings": INTS + [50, 64], "attention_dropout": [0.5, 1, None],
    "attention_chunk_size": [None, 4], "attention_multiplier": [0.5, 1.0], "logits_scaling": [8.0],
}  # fmt: skip
GPT2 = {
    "n_embd": INTS + [24], "n_layer": INTS, "n_head": INTS, "n_inner": INTS, "n_positions": INTS,
    "activation_function": [None, "gelu_new", "gelu", "gelu_pytorch_tanh", "relu"],
    "layer_norm_epsilon": [None, 0, -1, 1e-3, 0.5], "scale_attn_weights": BOOLS,
    "scale_attn_by_inverse_layer_idx": BOOLS, "add_cross_attention": BOOLS, "attn_pdrop": [0.5],
    "reorder_and_upcast_attn": BOOLS,
}  # fmt: skip
SIZES = dict(hidden_size=32, intermediate_size=20, num_hidden_layers=4, num_attention_heads=4,
             num_key_value_heads=2, vocab_size=32, head_dim=8, bos_token_id=1, eos_token_id=2,
             pad_token_id=0)  # fmt: skip
SIZES2 = dict(n_embd=32, n_layer=4, n_head=4, vocab_size=32, bos_token_id=1, eos_token_id=2)


def text(rng):
    kind = rng.choice(list(fixtures.CASES))
    values = {**SHARED, **(GPT2 if kind == "gpt2" else LLAMA)}
    config = dict(SIZES2 if kind == "gpt2" else SIZES)
    for key in ("head_dim", "num_key_value_heads"):
        if rng.random() < 0.2 and not (key == "num_key_value_heads" and kind.startswith("qwen")):
            config.pop(key, None)
    for key in rng.sample(list(values), rng.choice([1, 1, 2, 2, 3])):
        config[key] = copy.deepcopy(rng.choice(values[key]))
    if kind != "gemma3":
        return {"model_type": kind, **config}
    outer = {"model_type": kind, "vision_config": fixtures.VISION, "text_config": config}
    if rng.random() < 0.3:
        key = rng.choice(["tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id"])
        outer[key] = copy.deepcopy(rng.choice(SHARED[key]))
    return outer


def row(config):
    try:
        made = CONFIG_MAPPING[config["model_type"]].from_dict(json.loads(json.dumps(config)))
        return {"config": config, "want": json.loads(json.dumps(fixtures.want(made)))}
    except Exception as e:  # whatever transformers and torch raise is a refusal
        return {"config": config, "want": None, "error": f"{type(e).__name__}: {str(e)[:100]}"}


if __name__ == "__main__":
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("out")
    cli.add_argument("--count", type=int, default=3000)
    cli.add_argument("--seed", type=int, default=0)
    args = cli.parse_args()
    oracle.transformers.utils.logging.set_verbosity_error()
    rng = random.Random(args.seed)
    rows = [row(text(rng)) for _ in range(args.count)]
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump(rows, f)
    print(f"{args.count} configs, transformers takes {sum(r['want'] is not None for r in rows)}")
