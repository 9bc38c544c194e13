#!/usr/bin/env python3
"""Renders every chat template that is given (files *.jinja, or folders of tokenizers) over a set of
conversations with transformers' own function and with data/chat.c, and compares: the same text, or a
refusal by both. Prints one line a template; exit status 1 if any differs.

    python3 scripts/compare_templates.py PATH... [--driver PROGRAM] [-v]
"""

import argparse
import datetime
import json
import os
import sys

from transformers.utils import chat_template_utils as ctu

import chat_driver

NOW = 1721000000


class Frozen(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(NOW)


ctu.datetime = Frozen

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city — \"now\"",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "A city's name"},
                    "unit": {"type": "string", "enum": ["°C", "°F"]},
                    "days": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["city"],
            },
            "return": {"type": "number", "description": "degrees"},
        },
    },
    {"type": "function", "function": {"name": "noop", "description": "", "parameters": {"type": "object", "properties": {}}}},
]


def call(name, arguments, id="abcdef123"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def U(s):
    return {"role": "user", "content": s}


def A(s, **k):
    return {"role": "assistant", "content": s, **k}


def S(s):
    return {"role": "system", "content": s}


TOOL_TALK = [
    U("Weather in Zürich?"),
    A("", tool_calls=[call("get_weather", {"city": "Zürich", "days": [1, 2], "deep": {"a": 1.5, "b": None, "c": True}})]),
    {"role": "tool", "name": "get_weather", "tool_call_id": "abcdef123", "content": "{\"temp\": 21.5}"},
    A("It is 21.5 °C."),
]
TWO_CALLS = [
    S("Be brief."),
    U("Two at once"),
    A("I will.", tool_calls=[call("get_weather", {"city": "A"}), call("noop", {}, "123456789")]),
    {"role": "tool", "name": "get_weather", "tool_call_id": "abcdef123", "content": "1"},
    {"role": "tool", "name": "noop", "tool_call_id": "123456789", "content": "2"},
    A("Done"),
    U("thanks"),
]
FLAT_TOOLS = [
    {"name": "f", "description": "Does f", "parameter_definitions": {"x": {"description": "an x", "type": "str", "required": True}, "n": {"type": "int", "required": False}}, "parameters": {"x": {"type": "string"}}},
]
TYPED_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "many",
            "description": "Every type there is.\nTwo lines.",
            "parameters": {
                "type": "object",
                "properties": {
                    "s": {"type": "string", "description": "text", "default": "a\"b", "enum": ["a", "b"]},
                    "i": {"type": "integer", "minimum": 0, "default": 3},
                    "n": {"type": ["number", "null"], "nullable": True},
                    "b": {"type": "boolean", "default": False},
                    "a": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}, "required": ["k"]}},
                    "o": {"type": "object", "properties": {"p": {"type": "array", "items": {"type": "string"}}}, "additionalProperties": False},
                    "u": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "U"},
                    "v": {"oneOf": [{"type": "integer", "description": "one"}, {"type": "string"}]},
                    "r": {"$ref": "#/$defs/R"},
                    "e": {},
                },
                "required": ["s", "a"],
                "$defs": {"R": {"type": "integer"}},
            },
            "strict": True,
        },
    },
]
CONVERSATIONS = [
    ("one turn", [U("Hello")], None, {}),
    ("system", [S("You are terse."), U("Hi"), A("Hello."), U("Bye")], None, {}),
    ("multi-turn", [U("a"), A("b"), U("c"), A("d"), U("e"), A("f")], None, {}),
    ("tools offered", [U("Hello")], TOOLS, {}),
    ("tools offered, system", [S("Be good."), U("Hello"), A("Hi"), U("More")], TOOLS, {}),
    ("tool call and answer", TOOL_TALK, TOOLS, {}),
    ("tool call, no tools", TOOL_TALK, None, {}),
    ("two calls", TWO_CALLS, TOOLS, {}),
    ("arguments as text", [U("x"), A("", tool_calls=[call("f", "{\"a\": 1}")])], TOOLS, {}),
    ("short call id", [U("x"), A("", tool_calls=[call("f", {}, "1")])], TOOLS, {}),
    ("empty content", [U(""), A("")], None, {}),
    ("spaces", [S("  padded \n"), U("\n x \t"), A("  y  "), U(" z ")], None, {}),
    ("Unicode", [S("Ünïcödé ñ"), U("日本語 🙂 👩‍👩‍👧 e\u0301"), A("Ωμέγα \u2028 \u00a0 end"), U("\U0001F600<|im_end|>")], None, {}),
    ("wrong order", [U("a"), U("b")], None, {}),
    ("assistant first", [A("b"), U("a")], None, {}),
    ("system last", [U("a"), S("late")], None, {}),
    ("unknown role", [U("a"), {"role": "narrator", "content": "x"}], None, {}),
    ("no content", [U("a"), {"role": "assistant"}], None, {}),
    ("null content", [U("a"), {"role": "assistant", "content": None, "tool_calls": [call("f", {"x": 1})]}], TOOLS, {}),
    ("no role", [{"content": "x"}], None, {}),
    ("content parts", [U([{"type": "text", "text": "part"}, {"type": "image"}]), A("ok")], None, {}),
    ("thinking inside", [U("a"), A("<think>\nhm\n</think>\n\nb"), U("c"), A("<think>why</think>d")], None, {}),
    ("reasoning_content", [U("a"), A("b", reasoning_content="because"), U("c"), A("d", reasoning_content="thus")], None, {}),
    ("thinking key", [U("a"), A("b", thinking="because")], None, {}),
    ("enable_thinking true", [U("a")], None, {"enable_thinking": True}),
    ("enable_thinking false", [U("a"), A("b"), U("c")], None, {"enable_thinking": False}),
    ("builtin tools", [U("a"), A("", tool_calls=[call("brave_search", {"query": "q", "n": "2"})]), {"role": "ipython", "content": {"r": [1, "é"]}}], None, {"builtin_tools": ["brave_search", "code_interpreter"]}),
    ("tools in system", [S("s"), U("a")], TOOLS, {"tools_in_user_message": False, "date_string": "1 Jan 2025"}),
    ("flat tools", [U("a"), A("", tool_calls=[call("f", {"x": [1, {"y": "é"}]})]), {"role": "tool", "name": "f", "content": "1"}], FLAT_TOOLS, {}),
    ("parameter types", [S("s"), U("a"), A("b")], TYPED_TOOLS, {}),
    ("parts everywhere", [S([{"type": "text", "text": "s"}]), U([{"type": "text", "text": "a"}, {"type": "text", "text": " b "}]), A([{"type": "text", "text": "c"}]), U([{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "d"}])], None, {}),
    ("documents", [U("a")], None, {"documents": [{"title": "T", "text": "x\ny", "doc_id": 1}, {"title": "Ü", "text": ""}], "available_tools": TOOLS, "controls": {"length": "long"}}),
    ("functions", [U("a"), A("b")], None, {"functions": json.dumps(TOOLS), "datetime": "now", "date_string": "1 Jan 2025", "custom_tools": TOOLS}),
    ("reasoning effort", [{"role": "developer", "content": "Be \"good\"."}, U("a"), A("b", thinking="t"), U("c")], TYPED_TOOLS, {"reasoning_effort": "high", "thinking": True, "model_identity": "I am X.", "builtin_tools": ["browser", "python"]}),
    ("no thinking", [U("a"), A("b"), U("c")], TOOLS, {"thinking": False, "reasoning_effort": "none", "preserve_thinking": True, "clear_thinking": False, "keep_past_thinking": True}),
    ("reasoned call", [U("a"), A("", reasoning_content="hm\n", tool_calls=[call("get_weather", {"city": "Z\n", "days": []})]), {"role": "tool", "tool_call_id": "abcdef123", "content": "a"}, {"role": "tool", "tool_call_id": "abcdef124", "content": "b"}, A("c", reasoning_content="so"), U("d"), A("", tool_calls=[call("noop", {})])], TOOLS, {}),
    ("call without a type", [U("x"), A("pre", tool_calls=[{"name": "f", "arguments": {"a": "b", "n": 1.0, "l": [None, False]}}])], TOOLS, {}),
    ("last is assistant", [U("x"), A("<think>\n\n</think>\n\ny")], None, {"continue_final_message": False}),
    ("number content", [U(5)], None, {}),
    ("list result", [U("x"), A("", tool_calls=[call("f", {})]), {"role": "tool", "content": [1, {"a": "b"}], "tool_call_id": "abcdef123"}], TOOLS, {}),
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}


def templates_of(path):
    """(label, template, special tokens) of a file or of each tokenizer_config.json in a folder."""
    found = []
    if os.path.isdir(path):
        for root, _, names in sorted(os.walk(path)):
            for name in sorted(names):
                if name.endswith(".jinja") or name.endswith("tokenizer_config.json"):
                    found += templates_of(os.path.join(root, name))
        return found
    text = open(path, encoding="utf-8").read()
    label = "/".join(path.split("/")[-2:])
    if path.endswith(".jinja"):
        return [(label, text, TOKENS)]
    config = json.loads(text)
    tokens = {}
    for key, value in config.items():
        value = value.get("content") if isinstance(value, dict) else value
        if key.endswith("_token") and isinstance(value, str):
            tokens[key] = value
    template = config.get("chat_template")
    if isinstance(template, str):
        return [(label, template, tokens)]
    return [(f"{label} {t['name']}", t["template"], tokens) for t in template or []]


def oracle(template, tokens, messages, tools, prompt, extra):
    """What PreTrainedTokenizerBase.apply_chat_template does before it tokenizes."""
    try:
        chat = [{k: v for k, v in m.items() if v is not None} for m in messages]
        rendered, _ = ctu.render_jinja_template(
            conversations=[chat], tools=tools, chat_template=template, add_generation_prompt=prompt, **{**tokens, **extra}
        )
        return rendered[0], None
    except Exception as e:  # any exception is a refusal
        return None, f"{type(e).__name__}: {e}"


class Ours:
    def __init__(self, driver):
        self.p = chat_driver.start(driver)

    def ask(self, request):
        self.p.stdin.write(json.dumps(request).encode() + b"\n")
        self.p.stdin.flush()
        answer = json.loads(self.p.stdout.readline())
        return answer.get("text"), answer.get("error")


def compare(ours, template, tokens, verbose):
    failed, refused, total = [], 0, 0
    for name, messages, tools, extra in CONVERSATIONS:
        for prompt in (False, True):
            want, why = oracle(template, tokens, messages, tools, prompt, extra)
            files = {"chat_template.jinja": template, "tokenizer_config.json": json.dumps(tokens)}
            got, error = ours.ask(
                {"files": files, "messages": messages, "tools": tools, "add_generation_prompt": prompt, "extra": extra}
            )
            total += 1
            refused += want is None
            if want == got:
                continue
            failed.append(name)
            if verbose:
                print(f"  {name} (prompt {prompt}):\n    want {want!r} {why}\n    got  {got!r} {error}")
    return failed, refused, total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", nargs="+")
    chat_driver.add_argument(parser)
    parser.add_argument("-v", action="store_true")
    args = parser.parse_args()
    ours = Ours(args.driver)
    bad = 0
    for path in args.paths:
        for label, template, tokens in templates_of(path):
            failed, refused, total = compare(ours, template, tokens, args.v)
            bad += bool(failed)
            print(f"{'FAIL' if failed else 'pass'}  {label}: {total - len(failed)}/{total} equal, {refused} refused by both"
                  if not failed else f"FAIL  {label}: {len(failed)}/{total} differ: {', '.join(sorted(set(failed)))}")
    return 1 if bad else 0


sys.exit(main())
