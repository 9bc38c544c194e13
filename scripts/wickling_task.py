#!/usr/bin/env python3
"""Writes configs/wickling-task: read a story, fill in its card.

    python3 scripts/wickling_task.py [--out configs/wickling-task] [--seed 2026]

Each row is a conversation: a request with a story, and the six lines of its card. wickling knows
such stories and short questions about them, but no cards: asked for one, it goes on telling. A few
dozen steps of an adapter teach it the form. Stories of valid and test come from seeds of their own.
"""
import argparse
import json
import os
import random

from wickling_text import article, tell

ASK = ["Fill in the card.", "Please write the card.", "Make a card of this story.", "Card, please."]
SIZES = {"train": 360, "valid": 48, "test": 48}


def card(facts):
    return "\n".join([
        f"who: {facts['who']}, {article(facts['job'])}",
        f"where: {facts['where']}",
        f"thing: {facts['thing']}",
        f"trouble: {facts['trouble']}",
        f"helper: {facts['helper']}, {article(facts['helper_job'])}",
        f"mood: {facts['mood']}",
    ])  # fmt: skip


def row(rng):
    story = tell(rng, 0.3 * rng.random())
    ask = f"{rng.choice(ASK)}\n\n{story.text}"
    return {"messages": [{"role": "user", "content": ask},
                         {"role": "assistant", "content": card(story.facts)}]}  # fmt: skip


if __name__ == "__main__":
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("--out", default="configs/wickling-task")
    cli.add_argument("--seed", type=int, default=2026)
    args = cli.parse_args()
    os.makedirs(args.out, exist_ok=True)
    for at, (name, count) in enumerate(SIZES.items()):
        source = random.Random(1000003 * args.seed + at)
        with open(os.path.join(args.out, name + ".jsonl"), "w", encoding="utf-8") as f:
            f.writelines(json.dumps(row(source)) + "\n" for _ in range(count))
