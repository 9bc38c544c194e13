#!/usr/bin/env python3
"""Every fixture through the program and back into transformers + PEFT.

    python3 scripts/check_families.py WICK [NAME ...]

Of each tests/fixtures/model/NAME: import, five steps of training from its init adapter, and then
the negative log-likelihoods of eval.txt's tokens, of the trained adapter
    peft     by the program, and by PEFT with the adapter that it wrote
    merged   by the program on the merged base, and by transformers on the merged folder
    kept     tensors of the merged folder that no adapter is for: the checkpoint's, byte for byte
The largest differences are printed; exit 1 where one is above 1e-4 (nats; f32 against f64).
"""
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open

import oracle

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "fixtures", "model")
CTX = 32


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def ours(wick, base, text, out, adapter=None):
    with_adapter = ["--adapter", adapter] if adapter else []
    run(wick, "eval", base, "--data", text, "--mode", "blocks", "--ctx", str(CTX), "--token-nll",
        out, "--device", "cpu", "--quiet", *with_adapter)  # fmt: skip
    with open(out, encoding="utf-8") as f:
        return [float(x) for x in f]


def apart(a, b):
    return max(abs(x - y) for x, y in zip(a, b)) if len(a) == len(b) else float("inf")


def train(wick, base, folder, run_dir):
    with open(os.path.join(folder, "init", "adapter_config.json"), encoding="utf-8") as f:
        config = json.load(f)
    targets = config["target_modules"]
    run(wick, "train", "--model", base, "--data", os.path.join(folder, "train.jsonl"), "--output",
        run_dir, "--adapter-init", os.path.join(folder, "init"), "--rank", str(config["r"]),
        "--alpha", str(config["lora_alpha"]), "--use-rslora", str(config["use_rslora"]).lower(),
        "--target-modules", targets if isinstance(targets, str) else ",".join(targets),
        "--iters", "5", "--learning-rate", "1e-2", "--max-seq-length", "40", "--device", "cpu",
        "--quiet")  # fmt: skip


def kept(folder, merged, adapter):
    """How many tensors stayed as they were; it must be all that no adapter is for."""
    old = safe_open(os.path.join(folder, "hf", "model.safetensors"), "pt")
    new = safe_open(os.path.join(merged, "model.safetensors"), "pt")
    lora = safe_open(os.path.join(adapter, "adapter_model.safetensors"), "pt").keys()
    if set(old.keys()) != set(new.keys()):
        raise SystemExit(f"{merged}: not the checkpoint's tensors")
    same = sum(torch.equal(old.get_tensor(k).view(torch.uint8), new.get_tensor(k).view(torch.uint8))
               if old.get_tensor(k).dim() else True for k in old.keys())  # fmt: skip
    return same, len(old.keys()) - len(lora) // 2


def check(wick, name):
    folder, worst = os.path.join(ROOT, name), {}
    text = os.path.join(folder, "eval.txt")
    with tempfile.TemporaryDirectory() as tmp:
        base, run_dir, out = (os.path.join(tmp, x) for x in ("base.h5", "run", "nll"))
        merged, again = os.path.join(tmp, "merged"), os.path.join(tmp, "merged.h5")
        run(wick, "import", os.path.join(folder, "hf"), "-o", base, "--quiet")
        train(wick, base, folder, run_dir)
        run(wick, "merge", base, "--adapter", run_dir, "-o", merged, "--format", "hf", "--quiet")
        run(wick, "import", merged, "-o", again, "--quiet")
        with open(text, encoding="utf-8") as f:
            ids = oracle.tokenizer(os.path.join(folder, "hf")).encode(f.read()).ids
        peft = oracle.adapt(oracle.load(os.path.join(folder, "hf")), run_dir, False)
        theirs = oracle.nll_blocks(peft, ids, CTX)
        worst["peft"] = apart(ours(wick, base, text, out, run_dir), theirs)
        whole = oracle.load(merged)
        worst["merged"] = apart(ours(wick, again, text, out), oracle.nll_blocks(whole, ids, CTX))
        same, due = kept(folder, merged, run_dir)
    print(f"{name:14} peft {worst['peft']:.1e}  merged {worst['merged']:.1e}  kept {same} of {due}")
    return max(worst.values()) <= 1e-4 and same == due


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = sys.argv[2:] or sorted(os.listdir(ROOT))
    sys.exit(0 if all([check(sys.argv[1], name) for name in wanted]) else 1)
