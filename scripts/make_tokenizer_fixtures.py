#!/usr/bin/env python3
"""Writes tests/fixtures/tokenizer/STYLE/{tokenizer,cases}.json with the `tokenizers` library.

One small tokenizer per style that a model family has, trained on text that this script makes up,
and what the library says of some strings: ids with and without special tokens, and the text of the
former with and without skipping special tokens.

    python3 scripts/make_tokenizer_fixtures.py
"""
import json
import os
import random
import sys

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
SUFFIX = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = (SUFFIX + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL)
QWEN = LLAMA3.replace("{1,3}", "")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
START = r"[^\r\n\p{L}\p{N}]?"
TEKKEN = (f"{START}{UPPER}*{LOWER}+|{START}{UPPER}+{LOWER}*" +
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + TAIL)
O200K = (f"{START}{UPPER}*{LOWER}+{SUFFIX}?|{START}{UPPER}+{LOWER}*{SUFFIX}?" +
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + TAIL)
DEEPSEEK = [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
            r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?"""
            r"""[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|""" + TAIL]
DEEPSEEK_LLM = ["[\r\n]", "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\uff21-\uff3a]+",
                "\\s?[!-/:-~\uff01-\uff0f\u2018-\u201f\u3000-\u3002]+", r"\s+$",
                "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"]
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|"
          r"\s++$|\s*[\r\n]|\s+(?!\S)|\s")

SYLLABLES = ("ka lo mi ter sun wa ne ri do pel ash gren tu vo in st the and ing er "
             "\u00e9t\u00e9 na\u00efve \u043c\u0438\u0440 \u0434\u043e\u043c "
             "\u65e5\u672c \u8a9e").split()


def corpus():
    r = random.Random(7)
    for _ in range(1500):
        words = ["".join(r.choices(SYLLABLES, k=r.randint(1, 3))) for _ in range(r.randint(3, 9))]
        words = [w.capitalize() if r.random() < 0.2 else w for w in words]
        line = " ".join(words) + r.choice([".", "!", "?", ", it's", " 12", "  2024", ":\n\n"])
        yield line


def byte_level(split=None, prefix=False, regex=True):
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex and split is None)
    parts = [pre_tokenizers.Split(Regex(s), "isolated") for s in split or ()]
    return pre_tokenizers.Sequence(parts + [last]) if parts else last


def template(t, bos, eos=None):
    ids = [(x, t.token_to_id(x)) for x in (bos, eos) if x]
    single = f"{bos} $A" + (f" {eos}" if eos else "")
    return processors.TemplateProcessing(single=single, pair=single + " $B:1", special_tokens=ids)


def train(t, specials, size=450, alphabet=None, limit=None):
    more = dict(limit_alphabet=limit) if limit else {}
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, show_progress=False,
                                  initial_alphabet=sorted(alphabet or []), **more)
    t.train_from_iterator(corpus(), trainer)


def with_bytes(t, specials, **options):
    """The trained model with byte tokens after the special ones, and options set."""
    data = json.loads(t.to_str())
    names = specials + [f"<0x{b:02X}>" for b in range(256)]
    rest = [p for p, _ in sorted(data["model"]["vocab"].items(), key=lambda kv: kv[1])
            if p not in names]
    data["model"]["vocab"] = {p: i for i, p in enumerate(names + rest)}
    data["model"].update(byte_fallback=True, fuse_unk=True, unk_token="<unk>", **options)
    for token in data["added_tokens"]:
        token["id"] = data["model"]["vocab"][token["content"]]
    return Tokenizer.from_str(json.dumps(data))


def gpt2():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = byte_level(), decoders.ByteLevel()
    train(t, ["<|endoftext|>"], alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def llama3():
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer, t.decoder = byte_level([LLAMA3]), decoders.ByteLevel()
    train(t, ["<|begin_of_text|>", "<|eot_id|>"], alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False),
                                            template(t, "<|begin_of_text|>")])
    return t


def qwen():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer, t.decoder = byte_level([QWEN]), decoders.ByteLevel()
    train(t, [], alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    t.add_tokens([AddedToken("<think>", normalized=False),
                  AddedToken("\u00e9\u0301", normalized=True)])
    return t


def smollm2():
    """Some bytes are missing, so that their characters vanish."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte_level()])
    t.decoder = decoders.ByteLevel()
    train(t, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
          alphabet=[c for c in pre_tokenizers.ByteLevel.alphabet() if ord(c) < 0x110])
    return t


def tekken():
    t = Tokenizer(models.BPE(ignore_merges=True))
    t.pre_tokenizer, t.decoder = byte_level([TEKKEN]), decoders.ByteLevel()
    train(t, ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"],
          alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.post_processor = template(t, "<s>")
    return t


def o200k():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = byte_level([O200K]), decoders.ByteLevel()
    train(t, ["<|endoftext|>"], alphabet=pre_tokenizers.ByteLevel.alphabet())
    return t


def deepseek():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = byte_level(DEEPSEEK), decoders.ByteLevel()
    train(t, ["<bos>"], alphabet=pre_tokenizers.ByteLevel.alphabet())
    return t


def deepseek_llm():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(s), "isolated") for s in DEEPSEEK_LLM] +
        [pre_tokenizers.Digits(True), byte_level()])
    t.decoder = decoders.ByteLevel()
    train(t, ["<bos>"], alphabet=pre_tokenizers.ByteLevel.alphabet())
    return t


def falcon():
    """Parts behind ByteLevel see its alphabet."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Punctuation("contiguous"), byte_level(), pre_tokenizers.Digits(False),
        pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")])
    t.decoder = decoders.ByteLevel()
    train(t, ["<|endoftext|>"], alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.post_processor = processors.ByteLevel(trim_offsets=True)
    return t


def cl100k():
    """Split written inside out, with possessive quantifiers and the end of a line."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(CL100K), "removed", invert=True), byte_level(regex=False)])
    t.decoder = decoders.ByteLevel()
    train(t, ["<|endoftext|>"], alphabet=pre_tokenizers.ByteLevel.alphabet())
    return t


def llama2():
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = ["<unk>", "<s>", "</s>"]
    train(t, specials)
    t = with_bytes(t, specials)
    t.pre_tokenizer = None
    t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"),
                                         normalizers.Replace(" ", "\u2581")])
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(),
                                   decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = template(t, "<s>")
    return t


def metaspace():
    t = llama2()
    t.normalizer = None
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.post_processor = template(t, "<s>", "</s>")
    return t


def metaspace_unk():
    """Without bytes: unknown characters become <unk>, one each; words are cut."""
    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.decoder = decoders.Metaspace()
    train(t, ["<unk>", "<s>"], limit=40)
    return t


def gemma():
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.normalizer = normalizers.Replace(" ", "\u2581")
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    train(t, specials)
    t = with_bytes(t, specials)
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(),
                                   decoders.Fuse()])
    t.add_tokens([AddedToken(c * n, normalized=False) for c in "\n\t\u2581" for n in (2, 3, 4)])
    t.add_special_tokens(["<start_of_turn>", "<end_of_turn>"])
    t.post_processor = template(t, "<bos>")
    return t


def added():
    """Added tokens with every property, a normalizer that changes them, cut digits."""
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.NFD(),
                                         normalizers.Replace("ka", "KA")])
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split("st", "contiguous"),
        pre_tokenizers.CharDelimiterSplit("_"), pre_tokenizers.Digits(False),
        pre_tokenizers.Split("-", "merged_with_next"), byte_level(prefix=True)])
    t.decoder = decoders.ByteLevel()
    train(t, ["<s>"], alphabet=pre_tokenizers.ByteLevel.alphabet())
    for n in range(16):
        flags = dict(lstrip=bool(n & 1), rstrip=bool(n & 2), single_word=bool(n & 4),
                     normalized=bool(n & 8))
        t.add_tokens([AddedToken(f"<ka{n}>", **flags), AddedToken(f"kalo{n}", **flags)])
    t.add_special_tokens([AddedToken("\u00e9t\u00e9", normalized=True),
                          AddedToken(" \n", rstrip=True)])
    return t


STYLES = [gpt2, llama3, qwen, smollm2, tekken, o200k, deepseek, deepseek_llm, falcon, cl100k, llama2, metaspace, metaspace_unk,
          gemma, added]


def texts(t, style):
    from compare_tokenizers import Strings
    tokens = [a.content for a in t.get_added_tokens_decoder().values()]
    source = Strings("fixture " + style, tokens, SYLLABLES)
    fixed = ["", " ", "a", " a", "Hello, world!", "  two  spaces ", "I'M it's 'S '\u017f we'LL",
             "e\u0301 \u00e9 \u1112\u1161\u11ab", "1234567 \u0664\u0665 \u00bd",
             "\n\n\n x\r\n\t\ty",
             "\u65e5\u672c\u8a9e \u043c\u0438\u0440", "HelloWorld iPhone ABCdef",
             "\U0001F468\u200d\U0001F469",
             "x" * 300 + " " + "st" * 120, " ".join(tokens[:4]) + "".join(tokens[4:8])]
    out = fixed + [source.string() for _ in range(36)]
    return [x for x in out if "\0" not in x and len(x) < 800]


def main():
    for make in STYLES:
        t = make()
        folder = os.path.join(ROOT, "tests/fixtures/tokenizer", make.__name__)
        os.makedirs(folder, exist_ok=True)
        data = json.loads(t.to_str())
        if make in (gpt2, llama2):  # the older form of merges
            data["model"]["merges"] = [" ".join(m) for m in data["model"]["merges"]]
        dump = dict(ensure_ascii=False, separators=(",", ":"))
        with open(folder + "/tokenizer.json", "w", encoding="utf-8") as f:
            json.dump(data, f, **dump)
        cases = []
        for text in texts(t, make.__name__):
            ids = t.encode(text).ids
            plain = t.encode(text, add_special_tokens=False).ids
            cases.append(dict(text=text, ids=ids, plain=plain,
                              decoded=t.decode(ids, skip_special_tokens=False),
                              skipped=t.decode(ids, skip_special_tokens=True)))
            if cases[-1]["plain"] == ids:
                del cases[-1]["plain"]
            for key, other in (("skipped", "decoded"), ("decoded", "text")):
                if cases[-1][key] == cases[-1][other]:
                    del cases[-1][key]
        with open(folder + "/cases.json", "w", encoding="utf-8") as f:
            f.write("[\n" + ",\n".join(json.dumps(c, **dump) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
