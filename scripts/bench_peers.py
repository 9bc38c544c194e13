#!/usr/bin/env python3
"""wick beside PyTorch + PEFT: the same shape, the same work, alternating, each run a fresh process.

    python3 scripts/bench_peers.py [--wick build/release/wick] [--rounds 2] [--iters 10]
        [--batch-size 1] [--seq 512] [--rank 16] [--threads N] [--precision f32|bf16] [--out F.json]

SmolLM2-135M with random weights, LoRA on every linear layer, AdamW, clipping at 1, random tokens.
The peer runs as its users run it at its best on a CPU: eager, scaled-dot-product attention, no KV
cache, gradients of adapters only, as many threads as cores. Figures:
    tokens/s      batch x seq / median step, first step left out; then the median over the rounds
    peak memory   of the process, by the kernel (the resident high water; both sides alike)
    first step    seconds from the start of the process to the end of the first optimizer step
Prints a Markdown table; --out keeps every run as JSON. Needs an otherwise idle machine: the load
average stands in the JSON. The interpreter that runs this must have torch, transformers, peft.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

SHAPE = dict(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
             num_key_value_heads=3, vocab_size=49152, tie_word_embeddings=True, rms_norm_eps=1e-5,
             max_position_embeddings=8192, rope_parameters={"rope_type": "default",
                                                            "rope_theta": 100000.0})  # fmt: skip
WIDTH = {"f32": "float32", "bf16": "bfloat16"}


def peer(args):
    """One run of PyTorch + PEFT in this process; one JSON value on standard output."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    torch.set_default_dtype(getattr(torch, WIDTH[args.precision]))
    model = LlamaForCausalLM(LlamaConfig(attn_implementation="sdpa", use_cache=False, **SHAPE))
    torch.set_default_dtype(torch.float32)
    lora = LoraConfig(r=args.rank, lora_alpha=2 * args.rank, target_modules="all-linear")
    model = get_peft_model(model, lora).train()
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=2e-4)
    seconds, first, losses = [], None, []
    for _ in range(args.iters):
        ids = torch.randint(SHAPE["vocab_size"], (args.batch_size, args.seq))
        begin = time.perf_counter()
        opt.zero_grad(set_to_none=True)
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - begin)
        first = first or time.time() - args.peer
    print(json.dumps({"step_seconds": seconds, "first_step_seconds": first, "loss": losses[-1],
                      "adapter_values": sum(p.numel() for p in params),
                      "device": f"torch {torch.__version__}"}))  # fmt: skip


def started(command):
    """Runs a process; its JSON, with its peak memory as the kernel counted it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        out, err = child.stdout.read(), child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{command[0]}: exit {child.returncode}: {err.decode()[-600:]}")
    run = json.loads(out)
    run["peak_bytes"] = usage.ru_maxrss * 1024
    return run


def shared_flags(args):
    return ["--batch-size", str(args.batch_size), "--seq", str(args.seq), "--rank", str(args.rank),
            "--iters", str(args.iters), "--threads", str(args.threads),
            "--precision", args.precision]  # fmt: skip


def run_wick(args):
    return started([args.wick, "bench", "train", "--shape", "smollm2-135m", "--device", "cpu",
                    "--json", *shared_flags(args)])  # fmt: skip


def run_peer(args):
    me = os.path.abspath(__file__)
    env = ["env", f"OMP_NUM_THREADS={args.threads}"]
    return started([*env, sys.executable, me, "--peer", str(time.time()), *shared_flags(args)])


def speed(run, args):
    """Tokens a second of the steps after the first; a program may give its own median."""
    steps = run["step_seconds"]
    step = statistics.median(steps[1:] or steps) if isinstance(steps, list) else steps
    return args.batch_size * args.seq / step


def table(runs, args):
    """Medians over the rounds, and the ratios."""
    rows = {}
    for name in runs:
        some = runs[name]
        rows[name] = dict(tokens_per_second=statistics.median(speed(r, args) for r in some),
                          slowest=min(speed(r, args) for r in some),
                          fastest=max(speed(r, args) for r in some),
                          peak_bytes=statistics.median(r["peak_bytes"] for r in some),
                          first_step_seconds=statistics.median(r["first_step_seconds"]
                                                               for r in some))  # fmt: skip
    lines = ["| | tokens/s (slowest–fastest round) | peak memory, MiB | first step, s |",
             "|---|---|---|---|"]  # fmt: skip
    for name, r in rows.items():
        lines.append(f"| {name} | {r['tokens_per_second']:.0f} ({r['slowest']:.0f}–"
                     f"{r['fastest']:.0f}) | {r['peak_bytes'] / 2**20:.0f} | "
                     f"{r['first_step_seconds']:.2f} |")  # fmt: skip
    ratios = {}
    if len(rows) == 2:
        a, b = rows.values()
        keys = ("tokens_per_second", "peak_bytes", "first_step_seconds")
        ratios = {k: a[k] / b[k] for k in keys}
        lines.append("| ratio | " + " | ".join(f"{ratios[k]:.2f}×" for k in keys) + " |")
    return "\n".join(lines), rows, ratios


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        names = [x.split(":", 1)[1].strip() for x in f if x.startswith("model name")]
    return names[0] if names else platform.machine()


def main():
    cores = len(os.sched_getaffinity(0))
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("--wick", default="build/release/wick")
    cli.add_argument("--precision", default="f32", choices=list(WIDTH))
    cli.add_argument("--out", help="every run, as JSON")
    cli.add_argument("--only", choices=["wick", "peft"], help="one side alone")
    cli.add_argument("--peer", type=float, help=argparse.SUPPRESS)
    for name, value in dict(rounds=2, iters=10, seq=512, rank=16, threads=cores).items():
        cli.add_argument(f"--{name}", type=int, default=value)
    cli.add_argument("--batch-size", type=int, default=1)
    args = cli.parse_args()
    if args.peer:
        return peer(args)
    sides = {"wick": run_wick, "peft": run_peer}
    names = {"wick": "wick", "peft": "PyTorch + PEFT"}
    runs = {names[s]: [] for s in sides if args.only in (None, s)}
    load = os.getloadavg()[0]
    for at in range(args.rounds):
        for side, run in sides.items():
            if args.only not in (None, side):
                continue
            one = run(args)
            runs[names[side]].append(one)
            print(f"round {at + 1} {side}: {speed(one, args):.0f} tokens/s, "
                  f"{one['peak_bytes'] / 2**20:.0f} MiB, first step "
                  f"{one['first_step_seconds']:.2f} s", file=sys.stderr, flush=True)  # fmt: skip
    text, rows, ratios = table(runs, args)
    print(f"SmolLM2-135M shape, {args.batch_size}×{args.seq}, rank {args.rank} on all linear "
          f"layers, {args.precision}, {args.threads} threads, {cpu_name()}; {args.rounds} rounds "
          f"of {args.iters} steps, alternating\n\n{text}")  # fmt: skip
    if args.out:
        setup = dict(cpu=cpu_name(), load_before=load, **{k: v for k, v in vars(args).items()
                                                          if k not in ("peer", "out", "wick")})
        with open(args.out, "w", encoding="utf-8") as f:
            json.dump(dict(setup=setup, rows=rows, ratios=ratios, runs=runs), f, indent=2)
            f.write("\n")


if __name__ == "__main__":
    main()
