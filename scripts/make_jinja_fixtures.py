#!/usr/bin/env python3
"""Writes tests/fixtures/data/jinja.json: small templates of our own for every construct of the language, each with
what jinja2 makes of it (text, or null for a refusal), set up exactly as transformers sets it up; and
tests/fixtures/data/chat.json: our own chat templates over conversations, with the spans that
{% generation %} blocks mark (in characters, as transformers counts them).

    python3 scripts/make_jinja_fixtures.py
"""

import datetime
import json
import os

import jinja_cases
from transformers.utils import chat_template_utils as ctu

NOW = 1721000000


class Frozen(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(NOW)


ctu.datetime = Frozen


def render(source, variables):
    try:
        text = ctu._compile_jinja_template(source).render(**variables)
        text.encode()  # half a surrogate pair is no text
        return text
    except Exception:
        return None


def main():
    os.environ["TZ"] = "UTC"
    out = "tests/fixtures/data"
    os.makedirs(out, exist_ok=True)
    cases = []
    for source in jinja_cases.TEMPLATES:
        text = render(source, jinja_cases.VARIABLES)
        if text is None or " at 0x" not in text:  # addresses are no fixtures
            cases.append([source, text])
    with open(f"{out}/jinja.json", "w", encoding="utf-8") as f:
        json.dump({"variables": jinja_cases.VARIABLES, "cases": cases}, f, ensure_ascii=False, indent=0)
    chats = []
    for name, template in jinja_cases.CHAT_TEMPLATES.items():
        for messages, tools, prompt, extra in jinja_cases.CHATS:
            chat = {"template": name, "messages": messages, "tools": tools, "add_generation_prompt": prompt, "extra": extra}
            try:
                plain = [{k: v for k, v in m.items() if v is not None} for m in messages]
                text, spans = ctu.render_jinja_template(
                    conversations=[plain], tools=tools, chat_template=template, add_generation_prompt=prompt,
                    return_assistant_tokens_mask=True, **{**jinja_cases.TOKENS, **extra})
                chat["text"], chat["spans"] = text[0], spans[0]
            except Exception:
                chat["text"], chat["spans"] = None, []
            chats.append(chat)
    with open(f"{out}/chat.json", "w", encoding="utf-8") as f:
        json.dump({"tokens": jinja_cases.TOKENS, "templates": jinja_cases.CHAT_TEMPLATES, "chats": chats}, f,
                  ensure_ascii=False, indent=0)
    refused = sum(1 for c in cases if c[1] is None)
    print(f"{len(cases)} templates ({refused} refused), {len(chats)} conversations")


if __name__ == "__main__":
    main()
