#!/usr/bin/env python3
"""Every fixture through the program and back into transformers + PEFT.

    python3 scripts/check_families.py WICK [--device opencl] [--folder DIR] [NAME ...]

Of each tests/fixtures/model/NAME: import, five steps of training from its init adapter (an adapter
that has patterns, or a choice of layers, is taken as PEFT has trained it), and then
    greedy   the text that the program goes on with, by PEFT's adapter: transformers' ids
    peft     negative log-likelihoods of eval.txt's tokens by the program, and by PEFT with the same
             adapter, which the program has written
    merged   the same by the program on the merged base, and by transformers on the merged folder
    logits   what merge says of its logits against base and adapter, where nothing is rounded, over
             the largest logit
    kept     tensors of the merged folder that no adapter is for: the checkpoint's, byte for byte
The largest differences are printed; exit 1 where one is above 1e-4 (nats; f32 against f64) and
above ten times what PyTorch in float32 is away with the same adapter, or where other ids come out
although the likeliest is ahead by more than that.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors import safe_open

import oracle

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "fixtures", "model")
CTX, BOUND = 32, 1e-4


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


class Program:
    """The program on one device and one imported base."""

    def __init__(self, wick, device, source, base):
        self.wick, self.where, self.base = wick, ["--device", device, "--quiet"], base
        run(wick, "import", source, "-o", base, "--quiet")

    def nll(self, text, out, adapter=None):
        with_adapter = ["--adapter", adapter] if adapter else []
        run(self.wick, "eval", self.base, "--data", text, "--mode", "blocks", "--ctx", str(CTX),
            "--token-nll", out, *self.where, *with_adapter)  # fmt: skip
        with open(out, encoding="utf-8") as f:
            return [float(x) for x in f]

    def greedy(self, prompt, count, adapter):
        said = run(self.wick, "generate", self.base, "--adapter", adapter, "--prompt", prompt,
                   "--temperature", "0", "--max-tokens", str(count), "--json",
                   *self.where)  # fmt: skip
        return json.loads(said)["ids"]

    def merge(self, adapter, out):
        said = run(self.wick, "merge", self.base, "--adapter", adapter, "-o", out, "--format", "hf",
                   "--json", *self.where)  # fmt: skip
        return json.loads(said)["max_logit_diff"]

    def train(self, folder, config, run_dir):
        targets = config["target_modules"]
        run(self.wick, "train", "--model", self.base, "--data", os.path.join(folder, "train.jsonl"),
            "--output", run_dir, "--adapter-init", os.path.join(folder, "init"), "--rank",
            str(config["r"]), "--alpha", str(config["lora_alpha"]), "--use-rslora",
            str(config["use_rslora"]).lower(), "--target-modules",
            targets if isinstance(targets, str) else ",".join(targets), "--iters", "5",
            "--learning-rate", "1e-2", "--max-seq-length", "40", *self.where)  # fmt: skip


def apart(a, b):
    return max(abs(x - y) for x, y in zip(a, b)) if len(a) == len(b) else float("inf")


def adapter_of(program, folder, run_dir):
    """One that the program has trained where its flags can ask for it, else PEFT's own."""
    with open(os.path.join(folder, "init", "adapter_config.json"), encoding="utf-8") as f:
        config = json.load(f)
    apart_from_flags = ("rank_pattern", "alpha_pattern", "layers_to_transform", "exclude_modules")
    if any(config.get(key) for key in apart_from_flags):
        return os.path.join(folder, "final")
    program.train(folder, config, run_dir)
    return run_dir


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


def limit(hf, adapter, ids, theirs):
    """For ill-conditioned models: what float32 itself costs."""
    peft = oracle.adapt(oracle.load(hf, torch.float32), adapter, False)
    return 10 * apart(oracle.nll_blocks(peft, ids, CTX), theirs)


def check(wick, device, root, name):
    folder, worst = os.path.join(root, name), {}
    hf, text = os.path.join(folder, "hf"), os.path.join(folder, "eval.txt")
    with open(os.path.join(folder, "ref.json"), encoding="utf-8") as f:
        ref = json.load(f)
    with tempfile.TemporaryDirectory() as tmp:
        run_dir, out, merged = (os.path.join(tmp, x) for x in ("run", "nll", "merged"))
        program = Program(wick, device, hf, os.path.join(tmp, "base.h5"))
        ids = program.greedy(ref["prompt"], len(ref["greedy"]), os.path.join(folder, "final"))
        greedy = ids == ref["greedy"] or ref["greedy_gap"] < BOUND
        adapter = adapter_of(program, folder, run_dir)
        difference = program.merge(adapter, merged)
        with open(text, encoding="utf-8") as f:
            ids = oracle.tokenizer(hf).encode(f.read()).ids
        peft = oracle.adapt(oracle.load(hf), adapter, False)
        if ref["dtype"] == "float32":
            with torch.no_grad():
                worst["logits"] = difference / float(oracle.logits(peft, ids[:CTX]).abs().max())
        theirs = oracle.nll_blocks(peft, ids, CTX)
        worst["peft"] = apart(program.nll(text, out, adapter), theirs)
        allowed = max(BOUND, limit(hf, adapter, ids, theirs) if worst["peft"] > BOUND / 2 else 0)
        again = Program(wick, device, merged, os.path.join(tmp, "merged.h5"))
        theirs = oracle.nll_blocks(oracle.load(merged), ids, CTX)
        worst["merged"] = apart(again.nll(text, out), theirs)
        same, due = kept(folder, merged, adapter)
    said = "  ".join(f"{key} {value:.1e}" for key, value in worst.items())
    said = f"greedy {'same' if greedy else 'NO'}  {said}  kept {same} of {due}"
    print(f"{name:16} {said}", flush=True)
    return max(worst.values()) <= allowed and same == due and greedy


def main():
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("wick")
    cli.add_argument("names", nargs="*")
    cli.add_argument("--device", default="cpu")
    cli.add_argument("--folder", default=ROOT)
    args = cli.parse_args()
    torch.set_num_threads(1)
    names = args.names or sorted(os.listdir(args.folder))
    good = [check(args.wick, args.device, args.folder, name) for name in names]
    print(f"{sum(good)} of {len(good)} models equal on {args.device}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
