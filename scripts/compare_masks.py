#!/usr/bin/env python3
"""Which tokens of random conversations the assistant wrote, by templates with {% generation %} blocks:
transformers' apply_chat_template(return_assistant_tokens_mask=True) against data/dataset_chat.c, over every
tokenizer.json given. Borders of blocks fall anywhere, also inside tokens and between a letter and its marks.

transformers loses its place where no token holds the border's character (a mark that NFC composed away; it then
marks nothing more, or everything up to the end), and where a block ends in the very first token (it takes index 0
for "none", and marks all that follows). Those conversations are counted apart.

    python3 scripts/compare_masks.py TOKENIZER.json... [--driver PROGRAM] [--seed N] [--count N]
"""

import argparse
import collections
import json
import os
import random
import sys

from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils as ctu

import chat_driver

LOOP = "{% for m in messages %}{% set c = m.content %}{% if m.role == 'assistant' %}"
OTHER = "{% else %}S{{ m.role }}\n{{ c }}E\n{% endif %}{% endfor %}"
TEMPLATES = {
    "chatml": LOOP + "Sassistant\n{% generation %}{{ c }}E{% endgeneration %}\n" + OTHER,
    "without end": LOOP + "Sassistant\n{% generation %}{{ c }}{% endgeneration %}E\n" + OTHER,
    "words": LOOP + "Assistant:{% generation %} {{ c }}\n{% endgeneration %}{% else %}{{ m.role }}: {{ c }}\n{% endif %}{% endfor %}",
    "glued": LOOP + "{% generation %}{{ c }}{% endgeneration %}{% else %}{{ c }}{% endif %}{% endfor %}",
    "inside": LOOP + "so{% generation %}me {{ c }} lamp{% endgeneration %}s and lanterns. " + OTHER,
    "two blocks": LOOP + "S{% generation %}think{{ c }}{% endgeneration %}{% generation %}{{ c }}E{% endgeneration %}\n" + OTHER,
    "cut": LOOP + "S{{ c[:1] }}{% generation %}{{ c[1:-1] }}{% endgeneration %}{{ c[-1:] }}E" + OTHER,
    "cut twice": LOOP + "{{ c[:2] }}{% generation %}{{ c[2:5] }}{% endgeneration %}{{ c[5:6] }}{% generation %}{{ c[6:] }}{% endgeneration %}" + OTHER,
    "empty block": LOOP + "S{{ c }}{% generation %}{% endgeneration %}{{ c }}E\n" + OTHER,
    "nested": LOOP + "S{% generation %}{{ c[:3] }}{% generation %}{{ c[3:] }}{% endgeneration %}E{% endgeneration %}" + OTHER,
    "SmolLM3": "{% for m in messages %}{% if m.role == 'user' %}{{ 'S' + 'user\n' + m.content + 'E\n' }}{% elif m.role == 'assistant' %}"
               "{% generation %}{{ 'S' + 'assistant\n' + m.content.lstrip('\n') + 'E\n' }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}",
}
PIECES = [
    "Hello", " world", " the", "a", " ", "  ", "\n", "\n\n", "\t", ".", ", ", "!", "12345", " 67", "don't", "it's", "é", "e\u0301", "e\u0301\u0323",
    "Ünïcödé", "ñ", "n\u0303", "日本語", "東", "한국어", "\u1112\u1161\u11ab", "🙂", "👩‍👩‍👧", "🇩🇪", "मैं", "עִבְ", "بَّ", "Ω", "\u212b", "ﬁ", "\u00a0", "\u3000",
    "\u200d", "S", "E", "<think>", "</think>", "<s>", "▁", "▁▁", "\r\n", "x\u0327\u0301", "q\u0307\u0323", "straße", "  trailing ", "\u0301", "𝔘𝔫𝔦", "\U0001F468\u200d",
]


def words(r):
    return "".join(r.choice(PIECES) for _ in range(r.choice([0, 0, 1, 1, 2, 3, 5, 9])))


def chat(r):
    n = r.randrange(1, 7)
    roles = [r.choice(["user", "assistant", "system"]) for _ in range(n)] if r.random() < 0.3 else [("user", "assistant")[i % 2] for i in range(n)]
    messages = [{"role": role, "content": words(r)} for role in roles]
    if not any(m["role"] == "assistant" and m["content"] for m in messages):
        messages.append({"role": "assistant", "content": r.choice(PIECES)})
    return messages


def loses_place(out, template, messages):
    """Whether transformers cannot find a border, or takes it for another."""
    text, spans = ctu.render_jinja_template(conversations=[messages], chat_template=template, return_assistant_tokens_mask=True)
    for at, end in spans[0]:
        if at < len(text[0]) and out.char_to_token(0, at) is None:
            return True
        if end > 0 and not out.char_to_token(0, end - 1):
            return True
    return False


def oracle(tokenizer, template, messages):
    try:
        return tokenizer.apply_chat_template(messages, chat_template=template, return_dict=True, return_assistant_tokens_mask=True)
    except OverflowError:  # an empty block at the beginning: a character before the first
        return None


def case(r, tokenizer):
    """The name of a template, the template with special tokens of the tokenizer, and a conversation."""
    special = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
    name = r.choice(list(TEMPLATES))
    start, end = r.choice(special + ["<|s|>"]), r.choice(special + ["", "<|e|>"])
    template = TEMPLATES[name].replace("Sassistant", start + "assistant").replace("S{", start + "{").replace("'S'", f"'{start}'")
    template = template.replace("E\n", end + "\n").replace("E{", end + "{")
    return name, template, chat(r)


def compare(path, ours, args, tally):
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=path)
    bad = 0
    for k in range(args.count):
        name, template, messages = case(random.Random(f"{args.seed} {path} {k}"), tokenizer)
        want = oracle(tokenizer, template, messages)
        if want is None:
            tally["refused by transformers"] += 1
            continue
        ours.stdin.write(json.dumps({"tokenizer": path, "files": {"chat_template.jinja": template}, "messages": messages}).encode() + b"\n")
        ours.stdin.flush()
        got = json.loads(ours.stdout.readline())
        mask = list(want["assistant_masks"])
        if mask:
            mask[0] = 0  # nothing comes before a first token that could predict it
        if not any(mask) and "no target" in got.get("error", ""):
            tally["no target, said so"] += 1
            continue
        rows = got.get("rows", [])
        if len(rows) == 1 and rows[0]["ids"] == list(want["input_ids"]) and rows[0]["mask"] == mask:
            tally["equal"] += 1
        elif loses_place(want, template, messages):
            tally["transformers loses its place"] += 1
        else:
            bad += 1
            tally["DIFFER"] += 1
            if bad <= args.show:
                print(f"{path}: {name}: {messages}\n  ids  {want['input_ids']}\n  want {mask}\n  got  {got}")
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", nargs="+")
    chat_driver.add_argument(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--show", type=int, default=3)
    args = parser.parse_args()
    ours = chat_driver.start(args.driver)
    total = collections.Counter()
    for path in args.paths:
        tally = collections.Counter()
        compare(path, ours, args, tally)
        print(f"{os.path.dirname(path).split('/')[-1]}: {dict(tally)}", flush=True)
        total += tally
    print(dict(total))
    return 1 if total["DIFFER"] else 0


if __name__ == "__main__":
    sys.exit(main())
