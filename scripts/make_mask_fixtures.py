#!/usr/bin/env python3
"""Writes tests/fixtures/data/masks.json: our own chat templates with {% generation %} blocks over conversations, and
which tokens transformers says the assistant wrote (apply_chat_template(return_assistant_tokens_mask=True)): some by
hand, tokenized with configs/wickling, whose borders fall on special tokens, on spaces, on line ends and inside what
would be one token; and random ones (seed 0), by scripts/compare_masks.py, over every tokenizer of
tests/fixtures/tokenizer, but for those where transformers loses its place.

    python3 scripts/make_mask_fixtures.py
"""

import glob
import json
import random

from transformers import AutoTokenizer, PreTrainedTokenizerFast

import compare_masks

HEAD = "{% for m in messages %}{% if m.role == 'assistant' %}"
TEMPLATES = {
    "chatml": HEAD + "<|im_start|>assistant\n{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}\n"
              "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
              "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "without_end": HEAD + "<|im_start|>assistant\n{% generation %}{{ m.content }}{% endgeneration %}<|im_end|>\n"
                   "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}",
    "words": HEAD + "Assistant:{% generation %} {{ m.content }}\n{% endgeneration %}"
             "{% else %}{{ m.role }}: {{ m.content }}\n{% endif %}{% endfor %}",
    "inside": HEAD + "so{% generation %}me {{ m.content }} lamp{% endgeneration %}s and lanterns. "
              "{% else %}{{ m.content }}. {% endif %}{% endfor %}",
    "two_blocks": HEAD + "<|im_start|>assistant\n{% generation %}think{% endgeneration %}\n"
                  "{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}\n"
                  "{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}",
}
CHATS = [
    [("user", "What burned?"), ("assistant", "The lamp burned every night.")],
    [("system", "Be brief."), ("user", "Who?"), ("assistant", "Ned."), ("user", "And where?"),
     ("assistant", "At the lighthouse, in the morning.")],
    [("user", "  spaces  "), ("assistant", " leading and trailing ")],
    [("user", "é 日本 🙂"), ("assistant", "Ünï 🙂🙂 日本語 e\u0301."), ("user", "x"), ("assistant", "日.")],
    [("user", "lines\n\n"), ("assistant", "\n\nmore\nlines\n")],
    [("assistant", "I begin."), ("user", "Then me."), ("assistant", "")],
    [("user", "numbers 12345"), ("assistant", "67 890, 1.5"), ("user", "?"), ("assistant", "!"), ("user", "?!")],
]


def with_mask(tokenizer, template, messages):
    out = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=True, return_dict=True,
                                        return_assistant_tokens_mask=True)
    return out, {"template": template, "messages": messages, "ids": list(out["input_ids"]),
                 "mask": list(out["assistant_masks"])}


def random_cases(path, count):
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=path)
    cases, r = [], random.Random(f"0 {path}")
    while len(cases) < count:
        _, template, messages = compare_masks.case(r, tokenizer)
        if compare_masks.oracle(tokenizer, template, messages) is None:
            continue
        out, case = with_mask(tokenizer, template, messages)
        if any(case["mask"][1:]) and len(case["ids"]) < 100 and not compare_masks.loses_place(out, template, messages):
            cases.append({"tokenizer": path, **case})
    return cases


def main():
    tokenizer = AutoTokenizer.from_pretrained("configs/wickling")
    cases = []
    for template in TEMPLATES.values():
        for chat in CHATS:
            messages = [{"role": role, "content": content} for role, content in chat]
            cases.append({"tokenizer": "configs/wickling/tokenizer.json", **with_mask(tokenizer, template, messages)[1]})
    for path in sorted(glob.glob("tests/fixtures/tokenizer/*/tokenizer.json")):
        cases += random_cases(path, 6)
    for case in cases:
        case["mask"] = "".join(map(str, case["mask"]))
    with open("tests/fixtures/data/masks.json", "w", encoding="utf-8") as f:
        f.write("[" + ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases) + "]\n")


if __name__ == "__main__":
    main()
