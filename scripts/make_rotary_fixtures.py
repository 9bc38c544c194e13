#!/usr/bin/env python3
"""Writes tests/fixtures/rotary.json: rotary tables as transformers computes them.

    python3 scripts/make_rotary_fixtures.py

A case holds a config.json's worth of keys, the length of the longest row, the inverse frequencies, the
factor on cosines and sines, and both at a few positions. Needs torch and transformers >= 5.
"""
import json
import os

import torch
from transformers import AutoConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "fixtures")
BASE = dict(model_type="llama", hidden_size=64, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=4, num_key_value_heads=2, vocab_size=32,
            max_position_embeddings=64)  # fmt: skip
PHI = dict(BASE, model_type="phi3", original_max_position_embeddings=32, pad_token_id=0,
           partial_rotary_factor=0.75)  # fmt: skip
LONG = dict(type="longrope", short_factor=[1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
            long_factor=[1.0, 2.0, 3.0, 4.5, 6.0, 8.0])  # fmt: skip

# name: (config keys, longest row)
CASES = {
    "default": (dict(BASE, rope_theta=10000.0), 20),
    "theta": (dict(BASE, head_dim=32, rope_parameters=dict(rope_type="default", rope_theta=5e5)), 20),
    "linear": (dict(BASE, rope_theta=1e4, rope_scaling=dict(type="linear", factor=4.0)), 20),
    "llama3": (dict(BASE, rope_theta=5e5, head_dim=64, rope_scaling=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=1024)), 20),
    "llama3_short": (dict(BASE, rope_parameters=dict(
        rope_type="llama3", rope_theta=1e4, factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=16)), 20),
    "yarn": (dict(BASE, rope_theta=1e4, head_dim=32, rope_scaling=dict(
        type="yarn", factor=4.0, original_max_position_embeddings=32)), 20),
    "yarn_mscale": (dict(BASE, rope_parameters=dict(
        rope_type="yarn", rope_theta=1e6, factor=16.0, original_max_position_embeddings=128,
        beta_fast=16.0, beta_slow=2.0, mscale=1.0, mscale_all_dim=0.5, truncate=False)), 20),
    "yarn_factor": (dict(BASE, rope_parameters=dict(
        rope_type="yarn", rope_theta=1e4, factor=2.0, original_max_position_embeddings=64,
        attention_factor=0.75)), 20),
    "dynamic_short": (dict(BASE, rope_theta=1e4, rope_scaling=dict(
        rope_type="dynamic", factor=3.0)), 64),
    "dynamic_long": (dict(BASE, rope_theta=1e4, rope_scaling=dict(
        rope_type="dynamic", factor=3.0)), 150),
    "longrope_short": (dict(PHI, rope_theta=1e4, rope_scaling=LONG), 32),
    "longrope_long": (dict(PHI, rope_theta=1e4, rope_scaling=LONG), 33),
}  # fmt: skip


def make(keys, longest):
    keys = json.loads(json.dumps(keys))
    given = json.loads(json.dumps(keys))
    config = AutoConfig.for_model(keys.pop("model_type"), **keys)
    kind = Phi3RotaryEmbedding if given["model_type"] == "phi3" else LlamaRotaryEmbedding
    rope = kind(config)
    positions = [0, 1, 7, longest - 1]
    cos, sin = rope(torch.zeros(1), torch.tensor([list(range(longest))]))
    half = cos.shape[-1] // 2
    return dict(config=given, longest=longest, half=half, positions=positions,
                inv_freq=rope.inv_freq.tolist(), factor=float(rope.attention_scaling),
                cos=[cos[0, p, :half].tolist() for p in positions],
                sin=[sin[0, p, :half].tolist() for p in positions])  # fmt: skip


if __name__ == "__main__":
    made = {name: make(*case) for name, case in CASES.items()}
    with open(os.path.join(OUT, "rotary.json"), "w", encoding="utf-8") as f:
        json.dump(made, f, indent=None)
        f.write("\n")
