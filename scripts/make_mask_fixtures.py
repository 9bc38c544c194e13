#!/usr/bin/env python3
"""Writes tests/fixtures/data/masks.json: our own chat templates with {% generation %} blocks over conversations,
tokenized with configs/wickling, and which tokens transformers says the assistant wrote
(apply_chat_template(return_assistant_tokens_mask=True)). Borders of blocks fall on special tokens, on spaces,
on line ends, and inside what would be one token; never on a character of several tokens, of which transformers marks the
first token alone.

    python3 scripts/make_mask_fixtures.py
"""

import json

from transformers import AutoTokenizer

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


def main():
    tokenizer = AutoTokenizer.from_pretrained("configs/wickling")
    cases = []
    for name, template in TEMPLATES.items():
        for chat in CHATS:
            messages = [{"role": role, "content": content} for role, content in chat]
            out = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=True, return_dict=True,
                                                return_assistant_tokens_mask=True)
            cases.append({"template": name, "messages": messages, "ids": out["input_ids"],
                          "mask": out["assistant_masks"]})
    with open("tests/fixtures/data/masks.json", "w", encoding="utf-8") as f:
        json.dump({"templates": TEMPLATES, "cases": cases}, f, ensure_ascii=False)
        f.write("\n")


if __name__ == "__main__":
    main()
