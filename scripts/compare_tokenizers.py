#!/usr/bin/env python3
"""Compares data/tokenizer.c with the `tokenizers` library over random Unicode strings.

    python3 scripts/compare_tokenizers.py [N] [--shared DIR] [--only NAME] [--seed S]
    python3 scripts/compare_tokenizers.py [--shared DIR] [--only NAME] --speed FILE...
    python3 scripts/compare_tokenizers.py [N] --random M [--seed S]
    python3 scripts/compare_tokenizers.py [N] --patterns [--seed S]

For every tokenizer in tests/fixtures/tokenizer and in DIR/data/tokenizers (skipped if absent), N
strings: ids with and without special tokens, and the text of the former with and without skipping
special tokens, must be equal; so must the texts and pieces of N / 4 lists of random ids. --speed
times both on each FILE instead, in one thread: the median of five. --random compares M made-up tokenizers (random_tokenizers.py), which start from the seeds S, S + 1, ...: each has to be
equal to the library or refused by name. --patterns does the same for the Split patterns of published
models. Exit code 1 if anything differs.
"""
import argparse
import collections
import glob
import json
import os
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["RUST_BACKTRACE"] = "0"
import random_tokenizers  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILES = ("tokenizer.json vocab.json merges.txt added_tokens.json special_tokens_map.json "
         "tokenizer_config.json config.json").split()
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+"
          r"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def driver(folder):
    """Builds the C side; CC and CFLAGS are honoured."""
    out = os.path.join(folder, "driver")
    sources = ["tests/data/tokenize_driver.c", "data/tokenizer.c", "data/text.c",
               "kernels/status.c", *glob.glob("data/tokenizer/*.c", root_dir=ROOT),
               *glob.glob("data/json*.c", root_dir=ROOT)]
    flags = os.environ.get("CFLAGS", "-O3 -g -DNDEBUG -fno-strict-aliasing").split()
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", *flags, "-I.", "-D_GNU_SOURCE",
                    "-o", out, *sources, "-lcjson", "-lm"], cwd=ROOT, check=True)
    return out


def llama3(folder, into):
    """A tokenizer.json around the vocabulary and merges of a tiktoken model."""
    vocab = json.load(open(folder + "/encoder.json", encoding="utf-8"))
    merges = open(folder + "/vocab.bpe", encoding="utf-8").read().split("\n")
    specials = ["<|begin_of_text|>", "<|end_of_text|>"]
    specials += [f"<|reserved_special_token_{i}|>" for i in range(4)]
    specials += ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    base = max(vocab.values()) + 1
    vocab = {k: v for k, v in vocab.items() if k not in specials}
    added = [dict(id=i + len(vocab), content=c, single_word=False, lstrip=False, rstrip=False,
                  normalized=False, special=True) for i, c in enumerate(specials)]
    assert base >= len(vocab)
    single = [{"SpecialToken": {"id": specials[0], "type_id": 0}},
              {"Sequence": {"id": "A", "type_id": 0}}]
    byte_level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=False)
    template = dict(type="TemplateProcessing", single=single,
                    pair=single + [{"Sequence": {"id": "B", "type_id": 1}}],
                    special_tokens={specials[0]: dict(id=specials[0], ids=[len(vocab)],
                                                      tokens=[specials[0]])})
    split = dict(type="Split", pattern=dict(Regex=LLAMA3), behavior="Isolated", invert=False)
    data = dict(version="1.0", truncation=None, padding=None, added_tokens=added, normalizer=None,
                pre_tokenizer=dict(type="Sequence", pretokenizers=[split, byte_level]),
                post_processor=dict(type="Sequence", processors=[byte_level, template]),
                decoder=byte_level,
                model=dict(type="BPE", dropout=None, unk_token=None, fuse_unk=False,
                           continuing_subword_prefix=None, end_of_word_suffix=None,
                           byte_fallback=False, ignore_merges=True, vocab=vocab,
                           merges=[m for m in merges if m and not m.startswith("#version")]))
    path = os.path.join(into, "tokenizer.json")
    json.dump(data, open(path, "w", encoding="utf-8"), ensure_ascii=False)
    return path


def oracle(paths):
    if "tokenizer.json" in paths:
        return Tokenizer.from_file(paths["tokenizer.json"])
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(os.path.dirname(paths["vocab.json"])).backend_tokenizer


def tokenizers(shared, work):
    for folder in sorted(glob.glob(ROOT + "/tests/fixtures/tokenizer/*/")) + \
            sorted(glob.glob(shared + "/data/tokenizers/*/")):
        name = os.path.basename(os.path.dirname(folder))
        paths = {n: folder + n for n in FILES if os.path.exists(folder + n)}
        if os.path.exists(folder + "encoder.json"):
            into = os.path.join(work, name)
            os.makedirs(into, exist_ok=True)
            paths = {"tokenizer.json": llama3(folder, into)}
        yield name, paths, oracle(paths)
        if "tokenizer.json" in paths and "vocab.json" in paths:
            del paths["tokenizer.json"]
            into = os.path.join(work, name + "-files")
            os.makedirs(into, exist_ok=True)
            for n in paths:
                os.symlink(os.path.abspath(paths[n]), os.path.join(into, n))
            paths = {n: os.path.join(into, n) for n in paths}
            yield name + "-files", paths, oracle(paths)


class Strings:
    """Random strings that look for trouble: every plane, marks, emoji, runs, pieces of tokens."""
    PLANES = [(0, 0x7F), (0, 0x7F), (0x20, 0x7E), (0x80, 0x24F), (0x300, 0x36F), (0x370, 0x5FF),
              (0x600, 0x8FF), (0x900, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF),
              (0x3000, 0x30FF), (0x3400, 0x9FFF), (0xA000, 0xABFF), (0x1100, 0x11FF),
              (0xAC00, 0xD7A3), (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x1F300, 0x1FAFF),
              (0x20000, 0x3FFFF), (0xE0000, 0x10FFFF)]
    BITS = ["'s", "'S", "'ll", "'LL", "'re", "'ve", "'d", "'\u017f", "'\u017F", "don't", "I'M",
            "\u00e9", "e\u0301", "a\u0323\u0307", "\u1112\u1161\u11ab", "\ud55c", "\u0344",
            "\u200d", "\ufe0f", "\U0001F468\u200D\U0001F469\u200D\U0001F467",
            "\U0001F1E9\U0001F1EA", "\r\n", "\n\n\n", "\t", " \n", "\u00a0", "\u3000", "\u2028",
            "\u0085", "\u200b", "\ufeff", "123", "1234567", "\u0664\u0665", "\u00bd", "\u2167", "/",
            "://", "...", "\u2581", "\u2581\u2581", "\u0000", "\ufffd", "<0x41>", "<unk>",
            "HelloWorld", "iPhone", "\u01c5a"]

    def __init__(self, seed, tokens, pieces):
        self.r = random.Random(seed)
        self.tokens, self.pieces = tokens, pieces

    def character(self):
        while True:
            low, high = self.r.choice(self.PLANES)
            c = self.r.randint(low, high)
            if not 0xD800 <= c < 0xE000:
                return chr(c)

    def part(self):
        r, kind = self.r, self.r.random()
        if kind < 0.15:
            return r.choice((" ", "\n", "\t", " ", "\u3000")) * r.randint(1, 9)
        if kind < 0.35:
            return r.choice(self.BITS)
        if kind < 0.45 and self.tokens:
            t = r.choice(self.tokens)
            return t if r.random() < 0.7 else t[:r.randint(0, len(t))]
        if kind < 0.65:
            return r.choice(self.pieces)
        if kind < 0.72:
            return self.character() * r.randint(1, 70 if r.random() < 0.05 else 4)
        if kind < 0.85:
            low, high = r.choice(self.PLANES)
            return "".join(chr(c) for c in (r.randint(low, high) for _ in range(r.randint(1, 8)))
                           if not 0xD800 <= c < 0xE000)
        return self.character()

    def string(self):
        return "".join(self.part() for _ in range(self.r.choice((0, 1, 2, 3, 5, 8, 13, 30))))


FAILED = 0xFFFFFFFF
PANIC = "panic"


def read_ids(pipe):
    n, = struct.unpack("<I", pipe.read(4))
    return None if n == FAILED else list(struct.unpack(f"<{n}i", pipe.read(4 * n)))


def read_text(pipe):
    n, = struct.unpack("<I", pipe.read(4))
    return None if n == FAILED else pipe.read(n).decode("utf-8")


def read_answer(pipe, record):
    """What the driver says of a text, or of a list of ids; a string is why it cannot."""
    if not isinstance(record, str):
        return [read_text(pipe) for _ in range(2 + len(record))]
    ids = read_ids(pipe)
    if ids is None:
        return read_text(pipe)
    return [ids, read_ids(pipe), read_text(pipe), read_text(pipe)]


def library_answer(library, record):
    """What the library says of it; None where it refuses, PANIC where it breaks down."""
    try:
        if isinstance(record, str):
            ids = library.encode(record, add_special_tokens=True).ids
            plain = library.encode(record, add_special_tokens=False).ids
            return [ids, plain, library.decode(ids, skip_special_tokens=False),
                    library.decode(ids, skip_special_tokens=True)]
        # For added tokens id_to_token() gives the normalized form in some versions.
        added = library.get_added_tokens_decoder()
        return [library.decode(record, skip_special_tokens=False),
                library.decode(record, skip_special_tokens=True),
                *[added[i].content if i in added else library.id_to_token(i) for i in record]]
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        return PANIC if "Panic" in type(e).__name__ else None


def agree(want, got):
    """A pattern that takes too many steps here may not there, and the other way round."""
    if isinstance(got, str):
        return want in (None, PANIC) or "too many steps" in got
    return want in (got, PANIC)


def ask(program, paths, records):
    """Runs the driver; its answers, or what it says when the tokenizer is refused."""
    with tempfile.TemporaryFile() as f, tempfile.TemporaryFile() as out:
        for r in records:
            if isinstance(r, str):
                b = r.encode("utf-8")
                f.write(struct.pack("<I", len(b)) + b)
            else:
                f.write(struct.pack(f"<I{len(r)}i", len(r) | 0x80000000, *r))
        f.seek(0)
        done = subprocess.run([program, *paths.values()], stdin=f, stdout=out,
                              stderr=subprocess.PIPE)
        if done.returncode != 0:
            return None, done.stderr.decode("utf-8", "replace").strip()
        out.seek(0)
        return [read_answer(out, r) for r in records], ""


def make_records(name, library, count, seed):
    """Texts, and one list of random ids for every four of them."""
    added = [t.content for t in library.get_added_tokens_decoder().values()]
    rng = random.Random(f"{seed} {name}")
    vocab = sorted(library.get_vocab())
    pieces = [library_answer(library, [library.token_to_id(p)])
              for p in rng.sample(vocab, min(len(vocab), 4000))]
    pieces = [p[0] for p in pieces if p not in (None, PANIC)] + ["a"]
    source = Strings(f"{seed} {name}", added, pieces)
    size = max(library.get_vocab(with_added_tokens=True).values(), default=0) + 3
    byte_ids = [i for i in map(library.token_to_id, (f"<0x{b:02X}>" for b in range(256)))
                if i is not None]
    out = [source.string() for _ in range(count)]
    for _ in range(count // 4):
        ids = [rng.randrange(size) for _ in range(rng.choice((1, 2, 4, 9, 20)))]
        if byte_ids and rng.random() < 0.5:
            ids = [rng.choice(byte_ids) if rng.random() < 0.7 else i for i in ids]
        out.append(ids)
    return out


def compare(program, name, paths, library, count, seed):
    records = make_records(name, library, count, seed)
    answers, refusal = ask(program, paths, records)
    bad = 0
    if answers is None:
        print(f"{name}: refused: {refusal}", flush=True)
        return 1
    for record, got in zip(records, answers):
        want = library_answer(library, record)
        if not agree(want, got):
            bad += 1
            if bad <= 3:
                print(f"{name}: differs on {record!r}\n  want {want}\n  got  {got}")
    print(f"{name}: {count} strings, {count // 4} lists of ids, {bad} differ", flush=True)
    return bad


def random_one(program, work, seed, strings):
    """One made-up tokenizer: what became of it, and what to say."""
    path = os.path.join(work, "tokenizer.json")
    data = json.dumps(random_tokenizers.Random(seed).tokenizer())
    with open(path, "w", encoding="utf-8") as f:
        f.write(data)
    try:
        library = Tokenizer.from_str(data)
    except KeyboardInterrupt:
        raise
    except BaseException:
        library = None
    records = make_records(f"{seed}", library, strings, seed) if library else []
    answers, refusal = ask(program, {"tokenizer.json": path}, records)
    if answers is None:
        if "tokenizer.json" not in refusal:
            return "bad", f"random {seed}: died: {refusal}"
        return ("refused", refusal) if library else ("refused by both", "")
    if library is None:
        return "bad", f"random {seed}: opened what the library refuses"
    for record, got in zip(records, answers):
        want = library_answer(library, record)
        if not agree(want, got):
            return "bad", f"random {seed}: differs on {record!r}\n  want {want}\n  got  {got}"
    return "equal", ""


def random_forked(*args):
    """The same in a process of its own, because the library can abort."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        with open(write, "w", encoding="utf-8") as f:
            json.dump(random_one(*args), f)
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as f:
        answer = f.read()
    os.waitpid(pid, 0)
    return json.loads(answer) if answer else ("library aborts", "")


def compare_random(program, work, count, seed, strings):
    """Made-up tokenizers: equal to the library, or refused by name."""
    became, refused = collections.Counter(), collections.Counter()
    for k in range(count):
        what, text = random_forked(program, work, seed + k, strings)
        became[what] += 1
        if what == "bad":
            print(text, flush=True)
        if what == "refused":
            refused[re.sub(r'"[^"]*"|pattern .* is not|merge \d+ names .*,|(?s:token .* (has|would))',
                           "...", text)] += 1
    for text, n in refused.most_common():
        print(f"{n:6} {text}")
    print(f"{count} tokenizers:", ", ".join(f"{n} {what}" for what, n in became.most_common()))
    return became["bad"]


def compare_patterns(program, work, count, seed):
    """The Split patterns of published models: equal to the library, or refused by name."""
    bad = 0
    for name, regex in random_tokenizers.PATTERNS.items():
        path = os.path.join(work, "tokenizer.json")
        data = json.dumps(random_tokenizers.pattern_tokenizer(regex))
        with open(path, "w", encoding="utf-8") as f:
            f.write(data)
        answers, refusal = ask(program, {"tokenizer.json": path}, [])
        if answers is None:
            print(f"{name}: refused: {refusal}", flush=True)
            bad += "Split" not in refusal
        else:
            bad += compare(program, name, {"tokenizer.json": path}, Tokenizer.from_str(data),
                           count, seed)
    return bad


def speed(program, name, paths, library, path):
    text = open(path, encoding="utf-8", newline="").read()
    took = []
    for _ in range(5):
        start = time.perf_counter()
        n = len(library.encode(text, add_special_tokens=False).ids)
        took.append(time.perf_counter() - start)
    theirs = statistics.median(took)
    out = subprocess.run([program, "-t", *paths.values()], input=text.encode("utf-8"),
                         stdout=subprocess.PIPE, check=True).stdout.split()
    ours = float(out[1])
    print(f"{os.path.basename(path)}, {name}: {len(text.encode()) / 1e6:.2f} MB, {n} ids: library "
          f"{theirs:.3f} s, ours {ours:.3f} s, {theirs / ours:.1f}x; opened in {float(out[0]):.3f} s"
          f"{'' if int(out[2]) == n else ', OTHER NUMBER OF IDS'}", flush=True)
    return int(out[2]) != n


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("count", type=int, nargs="?", default=1000)
    p.add_argument("--shared", default=os.path.join(ROOT, "../shared"))
    p.add_argument("--only")
    p.add_argument("--speed", nargs="+", metavar="FILE")
    p.add_argument("--random", type=int)
    p.add_argument("--patterns", action="store_true")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as work:
        program = driver(work)
        if a.patterns:
            sys.exit(compare_patterns(program, work, a.count, a.seed) > 0)
        if a.random:
            sys.exit(compare_random(program, work, a.random, a.seed, a.count) > 0)
        for name, paths, library in tokenizers(a.shared, work):
            if a.only and a.only != name:
                continue
            if a.speed:
                bad += sum(speed(program, name, paths, library, path) for path in a.speed)
            else:
                bad += compare(program, name, paths, library, a.count, a.seed)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
