#!/usr/bin/env python3
"""Logits of ids from transformers, with a PEFT adapter if one is named.

    python3 scripts/check_peft.py MERGED_HF_DIR --ids "1 5 9" --out logits.json
    python3 scripts/check_peft.py BASE_HF_DIR ADAPTER_DIR --ids "1 5 9" --out logits.npy
    python3 scripts/check_peft.py BASE_HF_DIR ADAPTER_DIR --ids "1 5 9" --against ours.json

Proves that what the program writes loads where it should: an adapter in PEFT, a merged folder in
transformers. Half-precision bases are computed in --dtype (float32) on the widened weights. The
array is [ids, vocab], one row per id. --against compares with such an array (JSON, or .npy): the
largest difference over the largest logit; exit 1 above --bound. Without --out and --against, the
last row's best five are printed.
"""
import argparse
import json
import sys

import numpy
import torch

import oracle


def read(path):
    if path.endswith(".npy"):
        return numpy.load(path)
    with open(path, encoding="utf-8") as f:
        return numpy.array(json.load(f))


def main():
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("base")
    cli.add_argument("adapter", nargs="?")
    cli.add_argument("--ids", required=True, help="numbers, with blanks or commas between them")
    cli.add_argument("--out", help="FILE.npy, or FILE.json")
    cli.add_argument("--against", help="an array to compare with")
    cli.add_argument("--bound", type=float, default=1e-4)
    cli.add_argument("--dtype", default="float32", choices=["float32", "float64", "bfloat16"])
    args = cli.parse_args()
    ids = [int(x) for x in args.ids.replace(",", " ").split()]
    model = oracle.load(args.base, getattr(torch, args.dtype))
    if args.adapter:
        model = oracle.adapt(model, args.adapter, trainable=False)
    with torch.no_grad():
        got = oracle.logits(model, ids).double().numpy()
    if args.out and args.out.endswith(".npy"):
        numpy.save(args.out, got)
    elif args.out:
        with open(args.out, "w", encoding="utf-8") as f:
            json.dump([[float(f"{x:.9g}") for x in row] for row in got], f)
    if args.against:
        other = read(args.against).reshape(got.shape)
        worst = float(abs(other - got).max() / abs(got).max())
        print(f"largest difference {worst:.2e} of the largest logit {abs(got).max():.3f}")
        return int(not worst <= args.bound)
    if not args.out:
        for at in got[-1].argsort()[::-1][:5]:
            print(f"{at} {got[-1][at]:.6f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
