#!/usr/bin/env python3
"""Adapters as PEFT saves them, in each of its spellings: equal here, or refused by name.

    python3 scripts/check_adapters.py WICK [--device opencl]

Every case is a LoraConfig for one of the committed fixtures, with random A and B. Where a case ends
in a word, the program must exit 1 and name it. Else the negative log-likelihoods of eval.txt's
tokens, by the program and by PEFT in float64, differ by less than 1e-4. Exit 1 when one case does
not hold.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import torch
from peft import LoraConfig, get_peft_model

import oracle
from check_families import BOUND, CTX, ROOT, apart

QV = ["q_proj", "v_proj"]
CASES = [
    ("llama_yarn", dict(target_modules=QV)),
    ("llama_yarn", dict(target_modules="all-linear", use_rslora=True)),
    ("llama_yarn", dict(target_modules=r"model\.layers\.\d+\.self_attn\.(q|o)_proj")),
    ("llama_yarn", dict(target_modules=r".*(?<!down)_proj")),
    ("llama_yarn", dict(target_modules=QV, layers_to_transform=[1])),
    ("llama_yarn", dict(target_modules=QV, layers_to_transform=0, layers_pattern="layers")),
    ("llama_yarn", dict(target_modules="all-linear", exclude_modules=["mlp.up_proj", "o_proj"])),
    ("llama_yarn", dict(target_modules="all-linear", exclude_modules=r".*layers\.0\..*")),
    ("llama_yarn", dict(target_modules=QV, rank_pattern={"q_proj": 5}, lora_alpha=7)),
    ("llama_yarn", dict(target_modules=QV, rank_pattern={r"layers.0.*v_proj": 1},
                        alpha_pattern={"model.layers.1.self_attn.q_proj": 3, "^v_proj": 2})),
    ("llama_yarn", dict(target_modules=QV, rank_pattern={"q_proj": 4}, use_rslora=True,
                        alpha_pattern={"v_proj": 0.5})),
    ("llama_yarn", dict(target_modules=QV, lora_dropout=0.3, init_lora_weights="gaussian")),
    ("llama_yarn", dict(target_modules=QV, fan_in_fan_out=True)),
    ("llama_yarn", dict(target_modules=QV, ensure_weight_tying=True)),
    ("llama_yarn", dict(target_modules=QV, modules_to_save=["lm_head"]), "modules_to_save"),
    ("llama_yarn", dict(target_modules=QV, modules_to_save=["norm"]), "modules_to_save"),
    ("llama_yarn", dict(target_modules=QV + ["embed_tokens"]), "embed_tokens"),
    ("qwen3_untied", dict(target_modules=QV + ["lm_head"]), "lm_head"),
    ("llama_yarn", dict(target_modules=QV, use_dora=True), "use_dora"),
    ("llama_bias", dict(target_modules=QV, bias="lora_only"), "bias"),
    ("llama_bias", dict(target_modules=QV, bias="all"), "bias"),
    ("llama_yarn", dict(target_modules=QV, lora_bias=True), "lora_bias"),
    ("llama_yarn", dict(target_modules=QV, layer_replication=[[0, 2], [1, 2]]),
     "layer_replication"),
    ("llama2", dict(target_modules=QV, init_lora_weights="pissa"), "init_lora_weights"),
    ("llama2", dict(target_modules=QV, init_lora_weights="olora"), "init_lora_weights"),
    ("llama_yarn", dict(target_modules=QV, trainable_token_indices=[3, 4]),
     "trainable_token_indices"),
    ("phi3", dict(target_modules=["qkv_proj", "gate_up_proj"])),
    ("phi3", dict(target_modules="all-linear", rank_pattern={"qkv_proj": 6})),
    ("phi4", dict(target_modules=r".*\.mlp\.(gate_up|down)_proj")),
    ("gpt2", dict(target_modules=["c_attn"], fan_in_fan_out=True)),
    ("gpt2", dict(target_modules=["c_attn"])),  # PEFT turns fan_in_fan_out on
    ("gpt2", dict(target_modules=["c_proj"], layers_to_transform=[1])),
    ("gpt2", dict(target_modules="all-linear", exclude_modules=["attn.c_proj"])),
    ("gpt2", dict(target_modules=["c_attn", "wpe"]), "wpe"),
    ("gemma3_parts", dict(target_modules=r".*language_model.*\.(q|down)_proj")),
    ("gemma3_parts", dict(target_modules=["q_proj"]), "vision_tower"),
]  # fmt: skip


def saved(name, keys, folder):
    config = LoraConfig(**{"r": 3, "lora_alpha": 5, "task_type": "CAUSAL_LM", **keys})
    peft = get_peft_model(oracle.load(os.path.join(ROOT, name, "hf"), torch.float32), config)
    gen = torch.Generator().manual_seed(5)
    for key, p in oracle.lora_params(peft).items():
        if "lora_" in key and p.dim() == 2:
            p.data += 0.3 * p.shape[1] ** -0.5 * torch.randn(p.shape, generator=gen)
    peft.save_pretrained(folder)


def holds(wick, device, name, keys, word=None):
    with tempfile.TemporaryDirectory() as tmp:
        base, adapter, out = (os.path.join(tmp, x) for x in ("base.h5", "adapter", "nll"))
        hf, text = os.path.join(ROOT, name, "hf"), os.path.join(ROOT, name, "eval.txt")
        saved(name, keys, adapter)
        subprocess.run([wick, "import", hf, "-o", base, "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        done = subprocess.run([wick, "eval", base, "--adapter", adapter, "--data", text, "--mode",
                               "blocks", "--ctx", str(CTX), "--token-nll", out, "--device", device,
                               "--quiet"], capture_output=True, text=True)  # fmt: skip
        if word or done.returncode != 0:
            said = done.stderr.strip().splitlines()[0] if done.stderr.strip() else "no word"
            said = said.replace(tmp + "/", "")
            return word is not None and done.returncode == 1 and word in said, f"refused: {said}"
        with open(text, encoding="utf-8") as f:
            ids = oracle.tokenizer(hf).encode(f.read()).ids
        theirs = oracle.nll_blocks(oracle.adapt(oracle.load(hf), adapter, False), ids, CTX)
        with open(out, encoding="utf-8") as f:
            far = apart([float(x) for x in f], theirs)
        return far < BOUND, f"differs by {far:.1e}"


def main():
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("wick")
    cli.add_argument("--device", default="cpu")
    args = cli.parse_args()
    torch.set_num_threads(1)
    good = 0
    for name, keys, *word in CASES:
        well, said = holds(args.wick, args.device, name, keys, *word)
        good += well
        print(f"{'' if well else 'NO: '}{name} {keys}\n    {said}", flush=True)
    print(f"{good} of {len(CASES)} hold on {args.device}")
    return 0 if good == len(CASES) else 1


if __name__ == "__main__":
    sys.exit(main())
