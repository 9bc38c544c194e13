#!/usr/bin/env python3
"""The task of configs/wickling-task with PEFT: what an adapter does to wickling, without wick.

    python3 scripts/check_wickling.py [--base configs/wickling] [--task configs/wickling-task]
        [--iters 80] [--rank 8] [--alpha 16] [--lr 5e-3] [--batch 8] [--threads 2]

Prints the perplexity on valid (targets: the assistant's turn) before and after, the answer to the
same request before and after, and how many cards of test are right line by line. It is how the
settings of the embedded default were chosen, and what wick's run of it is compared with.
"""
import argparse
import math
import os
import time

import torch
from peft import LoraConfig, get_peft_model

import oracle

START, END = "<|im_start|>", "<|im_end|>"


def rendered(tok, row):
    """ids and the position of the first target: the assistant's words and its end token."""
    user, answer = (m["content"] for m in row["messages"])
    head = tok.encode(f"{START}user\n{user}{END}\n{START}assistant\n").ids
    return head + tok.encode(f"{answer}{END}\n").ids, len(head)


def loss_sum(model, rows, stop):
    """Sum and number of the target losses of a padded batch; END is the last target of a row."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    want = torch.full((len(rows), width), -100)
    for i, (row, first) in enumerate(rows):
        end = row.index(stop, first) + 1
        ids[i, : len(row)] = torch.tensor(row)
        want[i, first:end] = torch.tensor(row[first:end])
    logits = model(ids, use_cache=False).logits[:, :-1].float()
    total = torch.nn.functional.cross_entropy(logits.flatten(0, 1), want[:, 1:].flatten(),
                                              ignore_index=-100, reduction="sum")  # fmt: skip
    return total, int((want[:, 1:] >= 0).sum())


def perplexity(model, rows, stop):
    with torch.no_grad():
        parts = [loss_sum(model, rows[i : i + 16], stop) for i in range(0, len(rows), 16)]
    return math.exp(sum(float(t) for t, _ in parts) / sum(n for _, n in parts))


def answer(model, tok, ids, first, stop, count=90):
    new, _ = oracle.greedy(model, ids[:first], count, (0, stop))
    return tok.decode(new, skip_special_tokens=True)


def train(model, rows, stop, args):
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=args.lr, weight_decay=0.01)
    sched = oracle.optimization.get_cosine_schedule_with_warmup(opt, args.warmup, args.iters)
    order, gen = [], torch.Generator().manual_seed(0)
    for step in range(args.iters):
        while len(order) < args.batch:
            order += torch.randperm(len(rows), generator=gen).tolist()
        part, order = order[: args.batch], order[args.batch :]
        total, count = loss_sum(model, [rows[i] for i in part], stop)
        opt.zero_grad()
        (total / count).backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        sched.step()
        if (step + 1) % 20 == 0:
            print(f"step {step + 1}  loss {total.item() / count:.4f}", flush=True)


def main():
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "configs")
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("--base", default=os.path.join(here, "wickling"))
    cli.add_argument("--task", default=os.path.join(here, "wickling-task"))
    for name, value in dict(iters=80, rank=8, alpha=16, batch=8, warmup=8, threads=2).items():
        cli.add_argument(f"--{name}", type=int, default=value)
    cli.add_argument("--lr", type=float, default=5e-3)
    args = cli.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    tok = oracle.tokenizer(args.base)
    stop = tok.token_to_id(END)
    data = {n: [(r, *rendered(tok, r)) for r in oracle.jsonl(f"{args.task}/{n}.jsonl")]
            for n in ("train", "valid", "test")}  # fmt: skip
    rows = {n: [(ids, first) for _, ids, first in part] for n, part in data.items()}
    print("longest row", max(len(ids) for part in rows.values() for ids, _ in part), "tokens")
    base = oracle.load(args.base, torch.float32)
    shown, ids, first = data["test"][0]
    before = answer(base, tok, ids, first, stop)
    print(f"perplexity before {perplexity(base, rows['valid'], stop):.2f}")
    lora = LoraConfig(r=args.rank, lora_alpha=args.alpha, target_modules="all-linear")
    model = get_peft_model(base, lora)
    begin = time.monotonic()
    train(model, rows["train"], stop, args)
    print(f"{args.iters} steps in {time.monotonic() - begin:.1f} s")
    print(f"perplexity after {perplexity(model, rows['valid'], stop):.3f}")
    print(f"---- request\n{shown['messages'][0]['content']}\n---- before\n{before}\n---- after\n"
          f"{answer(model, tok, ids, first, stop)}")  # fmt: skip
    right = lines = whole = 0
    for row, ids, first in data["test"]:
        want = row["messages"][1]["content"].split("\n")
        got = answer(model, tok, ids, first, stop).strip().split("\n")
        hits = sum(a == b for a, b in zip(want, got))
        right, lines, whole = right + hits, lines + len(want), whole + (hits == len(want))
    print(f"test: {right} of {lines} lines right, {whole} of {len(data['test'])} cards")


if __name__ == "__main__":
    main()
