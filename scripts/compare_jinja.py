#!/usr/bin/env python3
"""Renders random templates, grown from a grammar, with jinja2 (as transformers sets it up) and with data/jinja, and
prints those on which they differ: not the same text, nor a refusal by both. What our engine says it does
not support is counted apart.

With --heavy, data/jinja alone renders them a hundred thousand times over in one template, with long strings and lists
for variables, and those that take the longest are printed: none may take a second of the processor.

    python3 scripts/compare_jinja.py [--driver PROGRAM] [--seed N] [--count N] [--heavy]
"""

import argparse
import collections
import json
import os
import random
import signal
import sys
import warnings

import chat_driver
import jinja_cases
from transformers.utils import chat_template_utils as ctu

V = jinja_cases.VARIABLES
STRINGS = ["''", "'a'", "'abc'", "'Hello World'", "' x y '", "'ß日🙂'", "'a,b,,c'", "'1'", "'-2.50'", "'x\\ny\\n'", "'<b>'", "'%s-%d'", "'{}:{}'", "'ǅΣ'", "'a\\tb'", "\"it's\""]
METHODS = ["upper()", "lower()", "title()", "capitalize()", "strip()", "lstrip()", "rstrip()", "strip({s})", "split()", "split({s})", "split({s}, {i})", "rsplit(none, {i})", "rsplit({s}, {i})", "replace({s}, {s})", "replace({s}, {s}, {i})", "find({s})", "rfind({s}, {i})", "find({s}, {i}, {i})", "count({s})", "count({s}, {i})", "startswith({s})", "endswith({s}, {i})", "join({e})", "splitlines()", "splitlines({e})", "partition({s})", "rpartition({s})", "isdigit()", "isalpha()", "islower()", "isupper()", "isspace()", "format({e}, {e})", "center({i})", "ljust({i}, {s})", "zfill({i})", "items()", "keys()", "values()", "get({s})", "get({e}, {e})", "index({e})", "swapcase()", "removeprefix({s})", "copy()", "expandtabs({i})", "append({e})", "nope()"]
FILTERS = ["upper", "lower", "title", "capitalize", "trim", "trim({s})", "length", "count", "first", "last", "list", "list", "string", "int", "int({e})", "float", "abs", "round", "round({i})", "round({i}, 'floor')", "join", "join({s})", "join({s}, {s})", "reverse", "reverse|list", "sort", "sort({e})", "sort(attribute={s})", "unique|list", "min", "max", "sum", "sum(start={e})", "map('{f}')|list", "map(attribute={s})|list", "select|list", "reject|list", "select('{t}')|list", "reject('{t}', {e})|list", "selectattr({s})|list", "rejectattr({s}, '{t}')|list", "default({e})", "default({e}, true)", "tojson", "tojson(indent={i})", "tojson(separators=(',', ':'))", "tojson(sort_keys=true)", "replace({s}, {s})", "items|list", "dictsort", "dictsort(false, 'value')", "batch({i})|list", "slice({i})|list", "groupby({s})|list", "safe", "e", "escape", "indent", "indent({i}, {e})", "truncate({i})", "wordcount", "center({i})", "format({e})", "attr({s})", "map('default', {e})|list", "random_filter", "select", "map('upper')"]
TESTS = ["defined", "undefined", "none", "string", "mapping", "iterable", "sequence", "number", "integer", "float", "boolean", "true", "false", "odd", "even", "lower", "upper", "callable", "escaped", "divisibleby({i})", "eq({e})", "ne({e})", "lt({e})", "ge({e})", "in({e})", "sameas({e})", "filter", "test", "equalto {s}", "in {v}"]
BINARY = ["+", "+", "-", "*", "/", "//", "%", "~", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
KEYS = ["'a'", "'b'", "'items'", "'x'", "'role'", "0", "1", "-1", "5", "true", "none", "1.0", "'upper'"]
ATTRS = ["a", "b", "items", "x", "role", "content", "y", "0", "1", "upper", "keys", "n", "v", "t", "get", "nope"]


# What gives a value of a kind: {S} a string, {I} an integer, {L} a list, {D} a dict, {B} a truth, {A} anything.
TYPED = {
    "S": ["{s}", "{s}", "s", "pad", "u", "html", "empty", "words[{I}]", "{S} + {S}", "{A} ~ {A}", "({S}).upper()", "({S}).lower()", "({S}).title()", "({S}).capitalize()", "({S}).strip()", "({S}).strip({s})", "({S}).lstrip({s})", "({S}).rstrip()", "({S}).replace({s}, {S})", "({S}).replace({s}, {s}, {I})", "({S}).join(({L})|map('string'))", "({S})[{I}]", "({S})[{i}:{i}]", "({S})[{i}:{i}:{i}]", "({S})[::-1]", "({S}).split({s})[{i}]", "({S}).split({s})[-1]", "({L})|join", "({L})|join({s})", "({A})|string", "({A})|tojson", "({A})|tojson(indent={i})", "({A})|tojson(sort_keys=true)", "({A})|tojson(ensure_ascii=true)", "({S})|trim", "({S})|upper", "({S})|lower", "({S})|title", "({S})|capitalize", "({S})|reverse", "({S})|replace({s}, {s})", "({S})|indent({i}, {B})", "({S})|indent(2, true, {B})", "({S})|truncate({i}, {B}, '.', 0)", "({S})|e", "({S})|safe", "({S})|first", "({S})|last", "'%s' % {A}", "'%5d|%-4s' % ({I}, {S})", "'{{}}-{{!r}}'.format({A}, {A})".replace("{{", "{").replace("}}", "}").replace("{}", "\x01").replace("{!r}", "\x02"), "({S}) * {i}", "({S}) if ({B}) else ({S})", "({S}) or ({S})", "({S}) and ({S})", "({S}).partition({s})[{i}]", "({S}).center({I})", "({S}).zfill({i})", "({S}).ljust({i}, '*')", "({S}).removesuffix({s})", "({S})|center({i})", "d.nope|default({S})", "({S})|default({S}, true)", "messages[{i}].role", "messages[{i}]['content']", "({D})|items|map('first')|join({s})", "({S}).swapcase()", "({S}).expandtabs({i})"],
    "I": ["{i}", "{i}", "i", "neg", "({I}) + ({I})", "({I}) - ({I})", "({I}) * ({I})", "({I}) // ({I})", "({I}) % ({I})", "({I}) / ({I})", "({L})|length", "({S})|length", "({S}).find({s})", "({S}).rfind({s}, {i})", "({S}).count({s})", "({S})|int", "({S})|int({I})", "({I})|abs", "({I})|float", "({I})|round", "({I})|round({i})", "({I})|round(1, 'floor')", "f", "xs[{i}]", "({L})|select('number')|sum", "(xs + [{I}])|max", "(xs + [{I}])|min", "-({I})", "({S})|wordcount", "({L})|count", "({S})|float", "({I}) ** 2", "d.a", "xs|sum(start={I})", "rows|sum(attribute='v')", "({I}) if ({B}) else ({I})", "loop.index", "loop.length"],
    "L": ["xs", "words", "rows", "mixed", "messages", "[{A}, {A}]", "[{I}, {I}, {I}]", "[{S}, {S}]", "[]", "({A}, {A})", "({S}).split()", "({S}).split({s})", "({S}).split({s}, {i})", "({S}).rsplit(none, {i})", "({S}).splitlines({B})", "({L}) + ({L})", "({L})[{i}:{i}]", "({L})[::{i}]", "({L})|list", "({S})|list", "({L})|map('string')|list", "({L})|map('upper')|list", "({L})|map(attribute='n')|list", "({L})|map(attribute='v', default={A})|list", "({L})|select('{t}')|list", "({L})|reject('{t}')|list", "({L})|select('eq', {A})|list", "rows|selectattr('t')|list", "rows|selectattr('v', 'gt', {I})|list", "rows|rejectattr('n', 'equalto', {S})|list", "messages|selectattr('role', 'in', ['user', {S}])|list", "({L})|reverse|list", "[{I}, {I}, {I}]|sort", "[{S}, {S}, {S}]|sort", "[{S}, {S}, {S}]|sort(case_sensitive={B}, reverse={B})", "rows|sort(attribute='v')", "[{S}, {S}, {I}, {I}]|unique|list", "({D})|dictsort", "({D})|items|list", "({D}).items()|list", "({D}).values()|list", "({D})|list", "range({i})|list", "range({i}, {i})|list", "({L})|batch(2, {A})|list", "({L})|slice(2)|list", "rows|groupby('n')", "rows|groupby('t', default={A})|list", "({L}) if ({B}) else ({L})", "({L}) * {i}", "({L}) or ({L})", "({S})|map('default', {A})|list", "tools[0].function.parameters.a"],
    "D": ["d", "nested", "rows[{i}]", "messages[{i}]", "tools[0]", "{{{s}: {A}}}", "{{{s}: {A}, 'a': {I}}}", "dict(a={A}, b={I})", "dict({D}, z={A})", "({D}) or ({D})", "({D}).copy()", "tools[0].function", "dict([(({S}), {A})])", "namespace(a={A})"],
    "B": ["true", "false", "no", "yes", "({A}) == ({A})", "({I}) < ({I})", "({S}) <= ({S})", "({I}) != ({I})", "({A}) in ({L})", "({S}) in ({S})", "({S}) not in ({D})", "not ({A})", "({A}) and ({A})", "({A}) is {t}", "({A}) is not {t}", "({I}) is odd", "({I}) is divisibleby 3", "({S}).startswith({s})", "({S}).endswith(({s}, {s}))", "({S}).isdigit()", "({S}).isalpha()", "({S}).isupper()", "({I}) < ({I}) <= ({I})", "({S}) is upper", "loop.last", "loop.first", "x is defined", "({D}).x is defined", "({I}) is ge({I})", "({S}) is in ({L})"],
    "A": ["{S}", "{S}", "{I}", "{I}", "{L}", "{D}", "{B}", "none", "undef", "({D}).a", "({D})['b']", "({D}).get({s}, {A})", "({L})[{i}]", "({L})|first", "({L})|last", "({D}).x.y", "q", "w", "({A})|default({A})", "({A}) if ({B})", "m({A})", "ns.a", "({L})|random_filter", "({D}).items()", "range({i})", "({I}) | round(1)", "1e16", "-0.0", "0.1 + 0.2", "({D})|length", "({A})"],
}


class Grower:
    def __init__(self, rng):
        self.r = rng
        self.names = list(V) + ["undef", "q", "w", "loop", "ns"]

    def fill(self, text, depth):
        while True:
            for key, make in (("{s}", self.string), ("{i}", self.small), ("{e}", lambda d: self.expr(d)), ("{v}", self.name), ("{f}", lambda d: self.r.choice(FILTERS).split("(")[0].split("|")[0]), ("{t}", lambda d: self.r.choice(TESTS).split("(")[0].split(" ")[0])):
                if key in text:
                    text = text.replace(key, make(depth - 1), 1)
                    break
            else:
                return text

    def string(self, depth):
        return self.r.choice(STRINGS) if self.r.random() < 0.85 or depth <= 0 else self.expr(depth)

    def small(self, depth):
        return self.r.choice(["0", "1", "2", "3", "5", "-1", "-2", "10", "true", "none", "1.5"]) if self.r.random() < 0.9 else "i"

    def name(self, depth):
        return self.r.choice(self.names)

    def literal(self):
        return self.r.choice(["0", "1", "2", "-3", "7", "0.5", "1.5", "2.0", "-0.0", "1e3", "1e17", "true", "false", "none", "100"]) if self.r.random() < 0.5 else self.r.choice(STRINGS)

    def expr(self, depth):
        r = self.r.random()
        if depth <= 0 or r < 0.1:
            return self.literal() if self.r.random() < 0.5 else self.name(0)
        if self.r.random() < 0.6:
            return self.typed(self.r.choice("SILDBA"), depth)
        d = depth - 1
        if r < 0.25:
            return f"{self.expr(d)} {self.r.choice(BINARY)} {self.expr(d)}"
        if r < 0.32:
            return f"({self.expr(d)})"
        if r < 0.47:
            return f"{self.atom(d)}|{self.fill(self.r.choice(FILTERS), d)}"
        if r < 0.57:
            return f"{self.atom(d)}.{self.fill(self.r.choice(METHODS), d)}"
        if r < 0.63:
            return f"{self.atom(d)} is {'not ' if self.r.random() < 0.2 else ''}{self.fill(self.r.choice(TESTS), d)}"
        if r < 0.70:
            return f"{self.atom(d)}[{self.r.choice(KEYS)}]"
        if r < 0.76:
            return f"{self.atom(d)}.{self.r.choice(ATTRS)}"
        if r < 0.82:
            parts = [self.r.choice(["", self.small(0)]) for _ in range(self.r.choice([2, 2, 3]))]
            return f"{self.atom(d)}[{':'.join(parts)}]"
        if r < 0.85:
            return f"{self.r.choice(['not ', '-', '+'])}{self.atom(d)}"
        if r < 0.88:
            return f"{self.expr(d)} if {self.expr(d)}" + (f" else {self.expr(d)}" if self.r.random() < 0.8 else "")
        if r < 0.92:
            return "[" + ", ".join(self.expr(d) for _ in range(self.r.randrange(4))) + "]"
        if r < 0.94:
            return "(" + ", ".join(self.expr(d) for _ in range(self.r.randrange(4))) + ")"
        if r < 0.97:
            return "{" + ", ".join(f"{self.expr(0)}: {self.expr(d)}" for _ in range(self.r.randrange(3))) + "}"
        return self.fill(self.r.choice(["range({i})", "range({i}, {i})", "dict(a={e})", "namespace(a={e}).a", "dict({e})", "{s} % {e}", "{s} % ({e}, {e})", "m({e})", "m({e}, w={e})"]), d)

    def atom(self, depth):
        e = self.expr(depth)
        return e if e.isidentifier() else f"({e})"

    def text(self):
        return self.r.choice(["", " ", "x", "\n", "  \n", "a\n  ", "\n\n", "  ", "\t", "y "])

    def tag(self, inside):
        return "{%" + self.r.choice(["", "-", "", "", "+"]) + " " + inside + " " + self.r.choice(["", "-", "", "", "+"]) + "%}"

    def out(self, inside):
        return "{{" + self.r.choice(["", "-", ""]) + " " + inside + " " + self.r.choice(["", "-", ""]) + "}}"

    def body(self, depth):
        return "".join(self.stmt(depth) for _ in range(self.r.randrange(1, 4)))

    def stmt(self, depth):
        r = self.r.random()
        t = self.text()
        if depth <= 0 or r < 0.35:
            return t + self.out(self.expr(self.r.randrange(3)))
        d = depth - 1
        if r < 0.5:
            target = self.r.choice(["q", "w", "x", "q, w", "k, v", "s", "i"])
            loop = self.r.choice(["", "", f" if {self.expr(1)}"])
            inside = self.body(d) + self.r.choice(["", self.out("loop." + self.r.choice(["index", "last", "first", "length", "nextitem", "previtem", "revindex"])), self.tag("if " + self.expr(1)) + self.tag(self.r.choice(["break", "continue"])) + self.tag("endif")])
            tail = self.tag("else") + self.body(d) if self.r.random() < 0.2 else ""
            return t + self.tag(f"for {target} in {self.r.choice(['xs', 'words', 'rows', 'd.items()', 'd', 'messages', 'range(3)', 's', 'undef', self.expr(1)])}{loop}") + inside + tail + self.tag("endfor")
        if r < 0.62:
            elif_ = self.tag("elif " + self.expr(1)) + self.body(d) if self.r.random() < 0.3 else ""
            else_ = self.tag("else") + self.body(d) if self.r.random() < 0.4 else ""
            return t + self.tag("if " + self.expr(2)) + self.body(d) + elif_ + else_ + self.tag("endif")
        if r < 0.78:
            target = self.r.choice(["q", "w", "q", "w", "s", "i", "xs", "q, w", "ns.a", "ns.b"])
            return t + self.tag(f"set {target} = {self.expr(2)}")
        if r < 0.83:
            return t + self.tag(f"set {self.r.choice(['q', 'w', 's', 'ns.a'])}{self.r.choice(['', '', ' | upper', ' | trim | length'])}") + self.body(d) + self.tag("endset")
        if r < 0.88:
            return t + self.tag(f"macro m({self.r.choice(['', 'q', 'q, w=1', 'q=s, w=q', 'q, i'])})") + self.body(d) + self.r.choice(["", self.out("caller()"), self.out("varargs"), self.out("kwargs")]) + self.tag("endmacro")
        if r < 0.91:
            return t + self.tag(f"call{self.r.choice(['', '(q)'])} m({self.r.choice(['', '1', 'q=2', '1, 2'])})") + self.body(d) + self.tag("endcall")
        if r < 0.94:
            return t + self.tag("filter " + self.r.choice(["upper", "trim", "indent", "replace('a', 'b')|title"])) + self.body(d) + self.tag("endfilter")
        if r < 0.96:
            return t + self.tag("with q = " + self.expr(1)) + self.body(d) + self.tag("endwith")
        if r < 0.98:
            return t + self.tag("generation") + self.body(d) + self.tag("endgeneration")
        return t + self.r.choice(["{# c #}", "{#- c -#}\n", "{# c #}\n", "{% raw %} {{ x }}{% endraw %}\n", "{%- raw -%} {{ {%- endraw -%}"])

    def typed(self, kind, depth):
        options = TYPED[kind]
        if depth <= 0:
            options = [o for o in options if "{S" not in o and "{L" not in o and "{A" not in o and "{I" not in o and "{D" not in o and "{B" not in o] or options[:2]
        text = self.r.choice(options).replace("{{{s}", "\x03{s}").replace("}}", "\x04")
        while True:
            start = min((text.find("{" + k + "}") for k in "SILDBAsit" if "{" + k + "}" in text), default=-1)
            if start < 0:
                break
            k = text[start + 1]
            fill = self.string(0) if k == "s" else self.small(0) if k == "i" else self.r.choice(TESTS[:17]) if k == "t" else self.typed(k, depth - 1)
            fill = fill.replace("{", "\x05").replace("}", "\x06")
            text = text[:start] + fill + text[start + 3:]
        for mark, what in (("\x01", "{}"), ("\x02", "{!r}"), ("\x03", "{"), ("\x04", "}"), ("\x05", "{"), ("\x06", "}")):
            text = text.replace(mark, what)
        return text

    def template(self):
        if self.r.random() < 0.5:
            return "{{ " + self.typed("A", 4) + " }}"
        if self.r.random() < 0.2:
            return "{{ " + self.expr(4) + " }}"
        return "{% set ns = namespace(a=1, b='z') %}" * (self.r.random() < 0.7) + self.body(3)


def oracle(source):
    signal.alarm(5)
    try:
        text = ctu._cached_compile_jinja_template(source).render(**V)
        text.encode()
        return text, ""
    except TimeoutError:
        return "?", "time"
    except Exception as e:
        return None, f"{type(e).__name__}: {e}"
    finally:
        signal.alarm(0)


def expired(*_):
    raise TimeoutError


HEAVY = "".join(f"{{% set {name} = {value} %}}" for name, value in {
    "s": "('x'*300000)~'é'", "pad": "' '*300000", "u": "'é🙂'*100000", "html": "'<\"'*150000", "xs": "range(30000)|list",
    "words": "['ab']*20000", "rows": "messages*10000", "mixed": "[1,'a',2.5,none]*5000", "nested": "[[1,[2]]]*5000"}.items())


def seconds_of(process):
    with open(f"/proc/{process.pid}/stat") as f:
        user, system = f.read().split()[13:15]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def heavy(ours, seed, count):
    times = []
    for k in range(count):
        body = Grower(random.Random(seed * 1000003 + k)).template()
        source = HEAVY + "{% for round in range(99999) %}" + body + "{% endfor %}"
        before = seconds_of(ours)
        ours.stdin.write(json.dumps({"template": source, "vars": V}).encode() + b"\n")
        ours.stdin.flush()
        if not ours.stdout.readline():
            print("CRASH", repr(body))
            return 1
        times.append((seconds_of(ours) - before, body))
    times.sort(reverse=True)
    for seconds, body in times[:5]:
        print(f"{seconds:.2f} s  {body!r}"[:300])
    return 1 if times[0][0] > 1 else 0


def main():
    parser = argparse.ArgumentParser()
    chat_driver.add_argument(parser)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--show", type=int, default=20)
    parser.add_argument("--heavy", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, expired)
    ours = chat_driver.start(args.driver)
    tally = collections.Counter()
    if args.heavy:
        return heavy(ours, args.seed, args.count)
    for k in range(args.count):
        source = Grower(random.Random(args.seed * 1000003 + k)).template()
        want, why = oracle(source)
        if want is not None and (" at 0x" in want or want == "?" or "built-in" in want or "\0" in want):
            tally["no fixture"] += 1
            continue
        ours.stdin.write(json.dumps({"template": source, "vars": V}).encode() + b"\n")
        ours.stdin.flush()
        line = ours.stdout.readline()
        if not line:
            print("CRASH", repr(source))
            return 1
        got = json.loads(line)
        if got.get("text") == want:
            tally["equal" if want is not None else "refused by both"] += 1
        elif want is not None and ("a slice cannot be had" in got.get("error", "") or "an index cannot be had" in got.get("error", "")):
            tally["bad slice of a constant"] += 1  # jinja2 folds it to an undefined value when it compiles
        elif got.get("status") in ("not supported", "value out of range"):
            tally["not supported"] += 1
            if tally["not supported"] <= 5:
                print("unsupported:", repr(source)[:200], got["error"])
        else:
            tally["DIFFER"] += 1
            if tally["DIFFER"] <= args.show:
                print(f"{source!r}\n  want {want!r} {why}\n  got  {got.get('text')!r} {got.get('error')}")
    print(dict(tally))
    return 1 if tally["DIFFER"] else 0


sys.exit(main())
