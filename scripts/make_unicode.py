#!/usr/bin/env python3
"""Writes data/tokenizer/unicode_tables.c: what the `tokenizers` library knows about Unicode.

The library mixes several Unicode versions (its regex engine, Rust's char methods, the regex crate
and its normalization crate each have their own), so nothing here is taken from the Unicode data
files: every class is what the library itself answers for every code point.

    python3 scripts/make_unicode.py > data/tokenizer/unicode_tables.c
"""
import functools
import sys
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
ALL = "".join(map(chr, POINTS))
# The order is that of enum unicode_category in unicode.h; Cn, the rest, is 0.
CATEGORIES = ("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So "
              "Zs Zl Zp Cc Cf Co").split()
NUMERIC, WORD, NORMAL = 32, 64, 128
# The tables hold the planes 0 to 3 and the start of plane 14; above, all is as in far().
NEAR, TAGS, TAGS_END = 0x40000, 0xE0000, 0xE1000
nfd, nfc = normalizers.NFD().normalize_str, normalizers.NFC().normalize_str


def matching(regex):
    """The code points that a one-character pattern matches."""
    split = pre_tokenizers.Split(Regex(regex), "removed")
    kept = set()
    for piece, _ in split.pre_tokenize_str(ALL):
        kept.update(map(ord, piece))
    return set(POINTS) - kept


def numeric():
    """Rust's char::is_numeric, which Digits uses."""
    pieces = pre_tokenizers.Digits(True).pre_tokenize_str("a".join(map(chr, POINTS)))
    return {ord(p) for p, _ in pieces if len(p) == 1 and p != "a"}


def word():
    """The regex crate's word characters, which single_word looks at."""
    t = Tokenizer(models.BPE(vocab={"b": 0}, merges=[]))
    t.add_tokens([AddedToken("+", single_word=True, normalized=False)])
    return {c for c in POINTS if 1 not in t.encode("+" + chr(c)).ids and c != ord("+")}


def odd_punctuation():
    """Runs where the pre-tokenizer Punctuation and \\p{P}, in ASCII also \\p{S}, disagree."""
    kept = set()
    for piece, _ in pre_tokenizers.Punctuation("removed").pre_tokenize_str(ALL):
        kept.update(map(ord, piece))
    taken = matching(r"\p{P}") | {c for c in matching(r"\p{S}") if c < 128}
    runs = []
    for c in sorted((set(POINTS) - kept) ^ taken):
        if runs and runs[-1][1] == c - 1:
            runs[-1][1] = c
        else:
            runs.append([c, c])
    return runs


def combining():
    """Code point -> rank of its combining class (1, 2, ...); only their order matters."""
    def later(a, b):  # the class of a is above that of b, both being above 0
        return nfd("a" + chr(a) + chr(b)) == "a" + chr(b) + chr(a)

    low, high = 0x334, 0x345  # classes 1 and 240, the lowest and the highest
    marks = [c for c in POINTS if nfd(chr(c)) == chr(c) and (later(high, c) or later(c, low))]
    marks += [c for c in (low, high) if c not in marks]
    order = functools.cmp_to_key(lambda a, b: later(a, b) - later(b, a))
    rank, out, last = 0, {}, None
    for c in sorted(sorted(marks), key=order):
        if last is None or later(c, last):
            rank += 1
        out[c], last = rank, c
    return out


def normalization():
    hangul = range(0xAC00, 0xAC00 + 11172)
    decompose = {c: nfd(chr(c)) for c in POINTS if c not in hangul and nfd(chr(c)) != chr(c)}
    compose = {}
    for c, parts in decompose.items():
        if nfc(chr(c)) == chr(c):
            first = nfc(parts[:-1])
            assert len(parts) > 1 and len(first) == 1, hex(c)
            assert nfc(first + parts[-1]) == chr(c), hex(c)
            compose[ord(first), ord(parts[-1])] = c
    return decompose, compose


def far(c):
    """Private use in planes 15 and 16, nothing elsewhere."""
    return CATEGORIES.index("Co") + 1 if c >= 0xF0000 and c & 0xFFFF < 0xFFFE else 0


def two_stage(values):
    best = None
    for shift in (4, 5, 6, 7, 8):
        size, blocks, index = 1 << shift, {}, []
        for at in range(0, len(values), size):
            index.append(blocks.setdefault(bytes(values[at:at + size]), len(blocks)))
        cost = len(index) * 4 + len(blocks) * size * 3
        if best is None or cost < best[0]:
            best = cost, shift, index, b"".join(blocks)
    return best[1:]


def array(ctype, name, numbers):
    lines, line = [], ""
    for n in numbers:
        if len(line) + len(str(n)) + 1 > 100:
            lines.append(line)
            line = ""
        line += f"{n},"
    print(f"\nconst {ctype} {name}[{len(numbers)}] = {{")
    print("\n".join(lines + [line]) + "\n};")


def main():
    values = bytearray(0x110000)
    for i, name in enumerate(CATEGORIES):
        for c in matching(r"\p{%s}" % name):
            values[c] |= i + 1
    ranks = combining()
    decompose, compose = normalization()
    for bit, points in ((NUMERIC, numeric()), (WORD, word())):
        for c in points:
            values[c] |= bit
    seconds = {b for _, b in compose}
    jamo = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    for c in set(ranks) | set(decompose) | seconds | jamo:
        values[c] |= NORMAL
    for c in range(0xAC00, 0xAC00 + 11172):
        values[c] |= NORMAL
    for c in range(NEAR, 0x110000):
        assert TAGS <= c < TAGS_END or values[c] == far(c), hex(c)
    shift, index, blocks = two_stage(values[:NEAR] + values[TAGS:TAGS_END])
    assert max(index) < 65536
    print("/* Written by scripts/make_unicode.py from the answers of the tokenizers library "
          f"{tokenizers.__version__};\n * the arrays are explained in unicode_tables.h. */")
    print("/* clang-format off */")
    print('#include "data/tokenizer/unicode_tables.h"\n')
    print(f'_Static_assert(UNICODE_SHIFT == {shift}, "unicode_tables.h fits these tables");')
    array("uint16_t" if max(index) > 255 else "uint8_t", "unicode_index", index)
    array("uint8_t", "unicode_blocks", blocks)

    runs = []
    for c in sorted(ranks):
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == ranks[c]:
            runs[-1][1] = c
        else:
            runs.append([c, c, ranks[c]])
    array("uint32_t", "unicode_marks", [n for a, b, r in runs for n in (a, (b - a) << 8 | r)])
    pool, where = "", {}
    for parts in sorted(set(decompose.values()), key=lambda p: (-len(p), p)):
        at = pool.find(parts)
        if at < 0:
            at, pool = len(pool), pool + parts
        where[parts] = at
    array("uint32_t", "unicode_decompose",
          [n for c in sorted(decompose)
           for n in (c, where[decompose[c]] << 3 | len(decompose[c]))])
    array("uint32_t", "unicode_decompose_pool", list(map(ord, pool)))
    array("uint32_t", "unicode_compose",
          [n for a, b in sorted(compose) for n in (a, b, compose[a, b])])
    odd = odd_punctuation()
    array("uint32_t", "unicode_odd", [n for run in odd for n in run])
    counts = [("ODD", len(odd)), ("MARKS", len(runs)), ("DECOMPOSE", len(decompose)), ("COMPOSE", len(compose)),
              ("INDEX", len(index)), ("BLOCKS", len(blocks)), ("POOL", len(pool))]
    print("", file=sys.stderr)
    for name, n in counts:
        print(f"UNICODE_{name} {n}", file=sys.stderr)


if __name__ == "__main__":
    main()
