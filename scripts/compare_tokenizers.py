#!/usr/bin/env python3
"""Compares data/tokenizer.c with the `tokenizers` library over random Unicode strings.

    python3 scripts/compare_tokenizers.py [N] [--shared DIR] [--only NAME] [--speed FILE] [--seed S]

For every tokenizer in tests/fixtures/tokenizer and in DIR/data/tokenizers (skipped if absent), N
strings: ids with and without special tokens, and the text of the former with and without skipping
special tokens, must be equal. --speed times both on the first megabyte of FILE instead, each in
one thread. Exit code 1 if anything differs.
"""
import argparse
import glob
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
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


def read_ids(pipe):
    n, = struct.unpack("<I", pipe.read(4))
    return list(struct.unpack(f"<{n}i", pipe.read(4 * n)))


def read_text(pipe):
    n, = struct.unpack("<I", pipe.read(4))
    return pipe.read(n).decode("utf-8")


def compare(program, name, paths, library, count, seed):
    added = [t.content for t in library.get_added_tokens_decoder().values()]
    rng = random.Random(seed)
    vocab = sorted(library.get_vocab())
    pieces = [library.decode([library.token_to_id(p)], skip_special_tokens=False)
              for p in rng.sample(vocab, min(len(vocab), 4000))] + ["a"]
    source = Strings(f"{seed} {name}", added, pieces)
    texts = [source.string() for _ in range(count)]
    with tempfile.TemporaryFile() as f:
        for t in texts:
            b = t.encode("utf-8")
            f.write(struct.pack("<I", len(b)) + b)
        f.seek(0)
        out = tempfile.TemporaryFile()
        subprocess.run([program, *paths.values()], stdin=f, stdout=out, check=True)
    out.seek(0)
    bad = 0
    for text in texts:
        got = read_ids(out), read_ids(out), read_text(out), read_text(out)
        ids = library.encode(text, add_special_tokens=True).ids
        want = (ids, library.encode(text, add_special_tokens=False).ids,
                library.decode(ids, skip_special_tokens=False),
                library.decode(ids, skip_special_tokens=True))
        if got != want:
            bad += 1
            if bad <= 3:
                print(f"{name}: differs on {text!r}\n  want {want}\n  got  {got}")
    print(f"{name}: {count} strings, {bad} differ", flush=True)
    return bad


def speed(program, name, paths, library, text):
    best = 1e9
    for _ in range(5):
        start = time.perf_counter()
        n = len(library.encode(text, add_special_tokens=False).ids)
        best = min(best, time.perf_counter() - start)
    out = subprocess.run([program, "-t", *paths.values()], input=text.encode("utf-8"),
                         stdout=subprocess.PIPE, check=True).stdout.split()
    ours = float(out[1])
    print(f"{name}: opened in {float(out[0]):.3f} s; {len(text.encode()) / 1e6:.2f} MB, {n} ids: "
          f"library {best:.3f} s, ours {ours:.3f} s, {best / ours:.1f}x"
          f"{'' if int(out[2]) == n else ', OTHER NUMBER OF IDS'}", flush=True)
    return int(out[2]) != n


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("count", type=int, nargs="?", default=1000)
    p.add_argument("--shared", default=os.path.join(ROOT, "../shared"))
    p.add_argument("--only")
    p.add_argument("--speed")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as work:
        program = driver(work)
        for name, paths, library in tokenizers(a.shared, work):
            if a.only and a.only != name:
                continue
            if a.speed:
                text = open(a.speed, encoding="utf-8").read().encode()[:1000000].decode("utf-8",
                                                                                        "ignore")
                bad += speed(program, name, paths, library, text)
            else:
                bad += compare(program, name, paths, library, a.count, a.seed)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
