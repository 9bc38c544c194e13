#!/usr/bin/env python3
"""Random tiny models of every family against transformers + PEFT, through tests and program.

    python3 scripts/check_random.py WICK [--count 40] [--seed 0] [--device opencl]

Each model of random_specs.py is made as the committed fixtures are, into a folder that goes when
all is equal. Then test_fixtures (beside WICK; its OpenCL twin for --device opencl) holds logits,
gradients and a training run against float64 transformers + PEFT within the fixtures' own bounds,
and check_families holds generation, evaluation, adapters and merges.

Random models may be ill-conditioned: where a bound is passed, the same is asked of PyTorch in
float32, and a failure is what is SLACK times as far away as PyTorch's own worst, or as FLOOR where
that is luckier. Such cases are counted. Exit 1 when anything fails.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file

import check_families
import make_model_fixtures
import oracle
import random_specs

SLACK, FLOOR = 10, 1e-5
AT = 30  # models for one run of the test program


def relative(got, want):
    return float((got - want).norm() / want.norm())


def way_apart(folder, trained):
    """How far trained tensors are from the final adapter, over the way from the first."""
    name, apart, way = "adapter_model.safetensors", 0.0, 0.0
    init, final = (load_file(os.path.join(folder, x, name)) for x in ("init", "final"))
    for key, p in trained.items():
        apart += float((p.detach() - final[key]).square().sum())
        way += float((final[key] - init[key]).square().sum())
    return (apart / way) ** 0.5


def noise(folder):
    """The worst that float32 does in PyTorch: to logits, gradients, losses, norms, the adapter."""
    with open(os.path.join(folder, "ref.json"), encoding="utf-8") as f:
        ref = json.load(f)
    want, worst = load_file(os.path.join(folder, "ref.safetensors")), FLOOR
    hf, init = os.path.join(folder, "hf"), os.path.join(folder, "init")
    peft = oracle.adapt(oracle.load(hf, torch.float32), init)
    for i, (ids, at) in enumerate(zip(ref["ids"], ref["positions"])):
        with torch.no_grad():
            far = (oracle.logits(peft, ids)[at] - want[f"init.{i}"]).abs().max()
        worst = max(worst, float(far / want[f"init.{i}"].abs().max()))
    oracle.window_loss(peft, ref["ids"], len(ref["ids"]))
    for key, p in oracle.lora_params(peft).items():
        worst = max(worst, relative(p.grad, want[f"grad.{key}"]))
    peft = oracle.adapt(oracle.load(hf, torch.float32), init)
    log = oracle.train(peft, ref["rows"], ref["hp"])
    worst = max(worst, way_apart(folder, oracle.lora_params(peft)))
    for key in ("losses", "grad_norms"):
        worst = max([worst] + [abs(a - b) / b for a, b in zip(log[key], ref[key])])
    return worst


def distance(line):
    """How far away a failure's message says that it is, relative; infinity if it does not."""
    found = re.search(r"differs? by ([-+.\de]+)", line)
    if found:
        return float(found.group(1))
    found = re.search(r"step \d+: \w+ ([.\d]+), transformers \+ PEFT ([.\d]+)", line)
    if found:
        ours, theirs = map(float, found.groups())
        return abs(ours - theirs) / theirs
    return float("inf")


def failures(program, folder, names):
    """{(model, test): message} of one run of the test program."""
    done = subprocess.run([program, folder, *names], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)  # fmt: skip
    out, message = {}, "no message"
    for line in done.stdout.splitlines():
        if "ERROR:" in line:
            message = line.split("ERROR:")[1].strip()
        found = re.match(r"\[  FAILED  \] (\S+?)/(\S+)$", line.strip())
        if found and found.groups() not in out:
            out[found.groups()] = message
            message = "no message"
    if done.returncode not in (0, len(out)) or not re.search(r"PASSED", done.stdout):
        raise SystemExit(f"{program} ended with {done.returncode}")
    return out


def tested(program, folder, names):
    """Names that failed, and how many were only ill-conditioned."""
    bad, soft = set(), 0
    for at in range(0, len(names), AT):
        for (name, test), message in failures(program, folder, names[at : at + AT]).items():
            limit = SLACK * noise(os.path.join(folder, name))
            if distance(message) <= limit:
                soft += 1
                continue
            print(f"{name}/{test}: {message}; {SLACK} times PyTorch's float32 is {limit:.1e}")
            bad.add(name)
    return bad, soft


def made(folder, first, count):
    names = []
    make_model_fixtures.ROOT = folder
    for seed in range(first, first + count):
        spec = random_specs.spec(seed)
        names.append(f"{spec['type']}_{seed}")
        make_model_fixtures.make(names[-1], spec)
    return names


def main():
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("wick")
    cli.add_argument("--count", type=int, default=40)
    cli.add_argument("--seed", type=int, default=0)
    cli.add_argument("--device", default="cpu", choices=["cpu", "opencl"])
    args = cli.parse_args()
    torch.set_num_threads(1)
    folder = tempfile.mkdtemp(prefix="wick-random-")
    names = made(folder, args.seed, args.count)
    program = "test_fixtures" + ("_ocl" if args.device == "opencl" else "")
    tests = os.path.join(os.path.dirname(os.path.abspath(args.wick)), "tests", "model", program)
    bad, soft = tested(tests, folder, names)
    for name in names:
        if not check_families.check(args.wick, args.device, folder, name):
            bad.add(name)
    print(f"{len(names)} models on {args.device}: {len(bad)} differ; {soft} of {3 * len(names)} "
          f"comparisons were beyond a fixture's bound, within {SLACK} times PyTorch's")  # fmt: skip
    if not bad:
        shutil.rmtree(folder)
        return 0
    print(f"left in {folder}: {' '.join(sorted(bad))}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
