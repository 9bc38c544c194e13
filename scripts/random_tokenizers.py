"""tokenizer.json files made up at random, for scripts/compare_tokenizers.py --random.

    data = Random(seed).tokenizer()       # a dict; str(seed) makes the same one again

A small BPE model over random merges, and normalizers, pre-tokenizers, post-processors, decoders and
added tokens drawn from all that the `tokenizers` library has, often in the forms of model families.
Half of the pre-tokenizers end in two Metaspaces that make every cut between words visible.
"""
import random

CUT, SPACE = "\ue002", "\ue001"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SUFFIX = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = (SUFFIX + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL)
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
START = r"[^\r\n\p{L}\p{N}]?"
O200K = (f"{START}{UPPER}*{LOWER}+{SUFFIX}?|{START}{UPPER}+{LOWER}*{SUFFIX}?" +
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + TAIL)
TEKKEN = O200K.replace(SUFFIX + "?", "").replace("{1,3}", "")
ASCII_PUNCTUATION = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"""
# Patterns of published models, by the name under which they are known.
PATTERNS = {
    "gpt2": GPT2,
    "llama3": LLAMA3,
    "qwen2": LLAMA3.replace("{1,3}", ""),
    "qwen3.5": (SUFFIX + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" +
                TAIL),
    "tekken": TEKKEN,
    "o200k": O200K,
    "cl100k": (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+|"
               r" ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"),
    "cl100k-first": (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}|"
                     r" ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"),
    "bailing": (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"
                r"|\s*[\r\n]|\s+(?!\S)|\s+"),
    "seed-coder": (SUFFIX + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|" + TAIL),
    "dbrx": (r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|"
             r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL),
    "numbers": r"\p{N}{1,3}",
    "number": r"\p{N}",
    "three-digits": "[0-9][0-9][0-9]",
    "digits-from-the-right": r"(?=(\d{3})+(?!\d))",
    "digits-thousands": r"\d{1,3}(?=(?:\d{3})*\b)",
    "han": "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    "deepseek3": (ASCII_PUNCTUATION + r"[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
                  r" ?[\p{P}\p{S}]+[\r\n]*|" + TAIL),
    "afmoe": ("[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f"
              "\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\uac00-\ud7af\u1100-\u11ff]+"),
    "deepseek-lines": "[\r\n]",
    "deepseek-letters": ("\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf"
                         "\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u1e00-\u1f15\ua722-\ua76f"
                         "\uff21-\uff3a\U00010400-\U0001044f]+"),
    "deepseek-punctuation": "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
    "deepseek-spaces": r"\s+$",
    "deepseek-east": "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
    "deepseek-coder-letters": r"\s?\p{L}+",
    "deepseek-coder-punctuation": r"\s?\p{P}+",
    "falcon": r"[\p{P}\$\+<=>\^~\|`]+",
    "bloom": " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+",
    "olmo-digits": r" ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "kimi": (r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
             r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+|\p{N}{1,3}|" + TAIL),
    "chameleon-image": "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
    "chameleon-space": "([\\t\\n]|    |  )",
    "words": r"\w+|[^\w\s]+",
    "newlines": r"\n+",
    "clip": (r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|"
             r"[^\s\p{L}\p{N}]+"),
    "catastrophe": "(a+)+$",
}
BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEST 0123456789.,'-\n\t\u00e9\u2581\u65e5\u672c\u0301"
WORDS = ("the and st ing hello ka lo mi ter a b ab e s S st\u00e9 na\u00efve \u65e5\u672c \u8a9e "
         "\u043c\u0438\u0440 1 12 123 2024 ... !? ' 's don't <s> _ - \n \n\n \t a\u0301 e\u0323\u0307"
         ).split(" ")


def byte_alphabet():
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in keep}
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + len(table) - len(keep))
    return table


BYTES = byte_alphabet()


def pattern_tokenizer(regex, **more):
    """Bytes alone, with a mark before every word and another one for spaces: all cuts are seen."""
    split = dict(type="Split", pattern=dict(Regex=regex), behavior="Isolated", invert=False, **more)
    marks = [dict(type="Metaspace", replacement=mark, prepend_scheme=scheme, split=False)
             for mark, scheme in ((SPACE, "never"), (CUT, "always"))]
    model = dict(type="BPE", byte_fallback=True, vocab={f"<0x{b:02X}>": b for b in range(256)},
                 merges=[])
    return dict(version="1.0", added_tokens=[], normalizer=None, post_processor=None, decoder=None,
                pre_tokenizer=dict(type="Sequence", pretokenizers=[split, *marks]), model=model)


class Random(random.Random):
    """Draws parts; every method gives a JSON value."""

    def maybe(self, p, value, otherwise=None):
        return value if self.random() < p else otherwise

    def flag(self):
        return self.random() < 0.5

    # ---- the model --------------------------------------------------------------------------

    def words(self, byte_level, mark):
        for _ in range(120):
            word = "".join(self.choices(WORDS, k=self.randint(1, 4)))
            word = self.choice(("", " ", " ", "  ")) + word
            if byte_level:
                yield [BYTES[b] for b in word.encode()]
            else:
                yield list(word.replace(" ", mark))

    def model(self, byte_level, mark):
        words = list(self.words(byte_level, mark))
        alphabet = sorted({c for w in words for c in w})
        if byte_level:
            alphabet += [c for c in BYTES.values() if c not in alphabet]
        if self.random() < 0.4:
            alphabet = [c for c in alphabet if self.random() < 0.9]
        merges, known = [], set(alphabet)
        for _ in range(self.choice((0, 30, 150))):
            word = self.choice(words)
            if len(word) < 2:
                continue
            at = self.randrange(len(word) - 1)
            a, b = word[at:at + 2]
            if a in known and b in known:
                merges.append([a, b])
                known.add(a + b)
                for w in words:
                    for i in range(len(w) - 2, -1, -1):
                        if i + 1 < len(w) and w[i] == a and w[i + 1] == b:
                            w[i:i + 2] = [a + b]
        fallback = self.random() < (0.1 if byte_level else 0.6)
        names = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256) if fallback]
        if fallback and self.random() < 0.1:
            names.remove(self.choice(names[3:]))
        names += [p for p in sorted(known) if p not in names]
        if self.random() < 0.3:
            self.shuffle(names)
        if self.random() < 0.2:
            self.shuffle(merges)
        step = self.maybe(0.04, 2, 1)
        model = dict(type="BPE", dropout=self.maybe(0.02, self.choice((0.0, 0.1))),
                     unk_token=self.choice((None, "<unk>", "<unk>", "a", "nowhere")
                                           if self.random() < 0.3 else ("<unk>", None)),
                     continuing_subword_prefix=self.maybe(0.03, self.choice(("", "##"))),
                     end_of_word_suffix=self.maybe(0.03, self.choice(("", "</w>"))),
                     fuse_unk=self.flag(), byte_fallback=self.maybe(0.9, fallback, not fallback),
                     ignore_merges=self.flag(), vocab={p: step * i for i, p in enumerate(names)},
                     merges=merges if self.flag() or any(" " in x for m in merges for x in m)
                     else [" ".join(m) for m in merges])
        return model

    # ---- patterns ---------------------------------------------------------------------------

    def pattern(self):
        if self.random() < 0.2:
            return {"String": self.choice((" ", "\u2581", "a", "st", "\n", "  ", "\u00e9", "-"))}
        if self.random() < 0.5:
            return {"Regex": self.choice(list(PATTERNS.values()))}
        return {"Regex": self.regex(3)}

    def regex_set(self):
        parts = [r"\s", r"\S", r"\d", r"\D", r"\p{L}", r"\p{N}", r"\P{L}", r"\p{Lu}", r"\p{M}",
                 r"\r", r"\n", r"\t", "a-z", "A-Z", "0-9", "a", "b", "'", " ", "/", r"\-", r"\]",
                 "\u4e00-\u9fa5", "\u00e9", r"\p{P}", "st", r"\w", r"\W", r"\p{^L}", "[a]", "&&",
                 ".", "-", r"\x41", r"\h"]
        weights = [4] * (len(parts) - 9) + [0.1] * 9
        body = "".join(self.choices(parts, weights, k=self.randint(1, 4)))
        return f"[{self.maybe(0.4, '^', '')}{body}]"

    def regex_atom(self, depth):
        kind = self.random()
        if depth > 0 and kind < 0.3:
            head = self.choices(("(?:", "(", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?s:"),
                                (8, 4, 5, 3, 5, 0.3, 0.3, 0.5, 0.2))[0]
            return head + self.regex(depth - 1) + ")"
        if kind < 0.6:
            return self.regex_set()
        return self.choices((r"\s", r"\S", r"\d", r"\p{L}", r"\p{N}", r"\p{Lu}", r"\p{Ll}", " ",
                             "a", "s", "t", "'", "1", "\u00e9", "\u65e5", r"\r", r"\n", r"\.", "S",
                             "K", "ss", "fi", ".", "^", "$", r"\b", r"\w", r"\A", r"\z", r"\R"),
                            [6] * 22 + [0.4] * 8)[0]

    def regex(self, depth):
        choices = []
        for _ in range(self.choice((1, 1, 2, 2, 3))):
            parts = []
            for _ in range(self.randint(1, 3)):
                parts.append(self.regex_atom(depth) + self.choices(
                    ("", "?", "*", "+", "{2}", "{1,3}", "{2,}", "{0,2}", "++", "?+", "+?", "*?",
                     "{0}", "{,3}", "*+", "{2}+", "{1,3}+"),
                    (12, 3, 3, 6, 1, 1, 1, 1, .5, .5, .4, .3, .1, .1, .4, .1, .3))[0])
            choices.append("".join(parts))
        return "|".join(choices)

    # ---- normalizers ------------------------------------------------------------------------

    def normalizer(self, mark, depth=1):
        kind = self.random()
        if kind < 0.35:
            return None
        if kind < 0.6:
            return self.choice((
                dict(type="NFC"), dict(type="Replace", pattern={"String": " "}, content=mark),
                dict(type="Sequence", normalizers=[
                    dict(type="Prepend", prepend=mark),
                    dict(type="Replace", pattern={"String": " "}, content=mark)]),
                dict(type="Sequence", normalizers=[])))
        if depth and kind < 0.75:
            return dict(type="Sequence", normalizers=[
                p for p in (self.normalizer(mark, depth - 1) for _ in range(self.randint(0, 4)))
                if p])
        return self.choice((
            dict(type="NFC"), dict(type="NFD"), dict(type="NFKC"), dict(type="NFKD"),
            dict(type="Lowercase"), dict(type="StripAccents"), dict(type="Nmt"),
            dict(type="ByteLevel"), dict(type="BertNormalizer", clean_text=True, lowercase=True,
                                         handle_chinese_chars=True, strip_accents=None),
            dict(type="Strip", strip_left=self.flag(), strip_right=self.flag()),
            dict(type="Strip", strip_left=self.flag(), strip_right=self.flag()),
            dict(type="Prepend", prepend=self.choice((mark, " ", "ab", "", "\u0301"))),
            dict(type="Prepend", prepend=self.choice((mark, " ", "ab"))),
            dict(type="Replace", pattern=self.maybe(0.2, {"Regex": " +"}, {"String": self.choice(
                (" ", "  ", "a", "st", "\u00e9", "\n"))}),
                content=self.choice((mark, "", "b", " ", "xyz", "\u0301"))),
            dict(type="Replace", pattern={"String": self.choice((" ", "  ", "a", "st"))},
                 content=self.choice((mark, "", "b", "xyz")))))

    # ---- pre-tokenizers ---------------------------------------------------------------------

    def split(self):
        common = self.random() < 0.6
        return dict(type="Split", pattern=self.pattern(),
                    behavior="Isolated" if common else self.choice(BEHAVIORS),
                    invert=not common and self.flag())

    def metaspace(self, mark):
        scheme = self.choice(("first", "always", "never"))
        out = dict(type="Metaspace", replacement=mark, prepend_scheme=scheme, split=self.flag())
        if self.random() < 0.2:
            out["add_prefix_space"] = self.maybe(0.8, scheme != "never", self.flag())
        if self.random() < 0.1:
            del out["split"]
        if self.random() < 0.1:
            del out["prepend_scheme"]
        return out

    def byte_level(self):
        out = dict(type="ByteLevel", add_prefix_space=self.random() < 0.3, trim_offsets=self.flag(),
                   use_regex=self.flag())
        if self.random() < 0.1:
            del out["use_regex"]
        return out

    def cutter(self, mark):
        return self.choice((
            self.split(), self.split(), self.split(), self.split(),
            dict(type="Digits", individual_digits=self.flag()),
            dict(type="Digits", individual_digits=self.flag()),
            dict(type="WhitespaceSplit"), dict(type="Whitespace"),
            dict(type="CharDelimiterSplit", delimiter=self.choice(" a_\u00e9")),
            dict(type="Punctuation", behavior=self.choice(BEHAVIORS)), dict(type="Punctuation"),
            self.metaspace(mark), self.metaspace(mark),
            dict(type="BertPreTokenizer") if self.random() < 0.2 else self.split(),
            dict(type="UnicodeScripts") if self.random() < 0.2 else self.split(),
            dict(type="FixedLength", length=self.randint(1, 5)) if self.random() < 0.2
            else self.split()))

    def pre_tokenizer(self, byte_level, mark):
        parts = [self.cutter(mark) for _ in range(self.choice((0, 0, 1, 1, 1, 2, 3)))]
        if byte_level:
            parts.append(self.byte_level())
            if self.random() < 0.15:
                parts += [self.cutter(mark) for _ in range(self.randint(1, 2))]
        elif self.flag():
            parts += [dict(type="Metaspace", replacement=SPACE, prepend_scheme="never", split=False),
                      dict(type="Metaspace", replacement=CUT, prepend_scheme="always", split=False)]
        if not parts:
            return None
        if len(parts) == 1 and self.flag():
            return parts[0]
        if len(parts) > 2 and self.random() < 0.1:
            parts[:2] = [dict(type="Sequence", pretokenizers=parts[:2])]
        return dict(type="Sequence", pretokenizers=parts)

    # ---- post-processors --------------------------------------------------------------------

    def template(self, vocab):
        names = [n for n in ("<s>", "</s>", "<unk>", "a") if n in vocab]

        def token():
            return {"SpecialToken": {"id": self.choice(names), "type_id": 0}}

        text = {"Sequence": {"id": "A", "type_id": 0}}
        single = [token() for _ in range(self.choice((0, 1, 1, 2)))] + [text]
        single += [token() for _ in range(self.choice((0, 0, 1)))]
        if self.random() < 0.05:
            single.append(text)
        return dict(type="TemplateProcessing", single=single, pair=single + [
            {"Sequence": {"id": "B", "type_id": 1}}], special_tokens={
                n: dict(id=n, ids=[vocab[n]], tokens=[n]) for n in names})

    def post_processor(self, vocab):
        byte_level = dict(type="ByteLevel", add_prefix_space=self.flag(),
                          trim_offsets=self.flag(), use_regex=self.flag())
        kind = self.random()
        if kind < 0.2:
            return None
        if kind < 0.4:
            return byte_level
        if kind < 0.7:
            return self.template(vocab)
        if kind < 0.95:
            parts = [byte_level, self.template(vocab)]
            if self.random() < 0.1:
                parts.append(self.template(vocab))
            return dict(type="Sequence", processors=parts)
        return dict(type=self.choice(("BertProcessing", "RobertaProcessing")), sep=["</s>", 2],
                    cls=["<s>", 1], trim_offsets=True, add_prefix_space=True)

    # ---- decoders ---------------------------------------------------------------------------

    def decoder(self, byte_level, mark, depth=1):
        kind = self.random()
        if kind < 0.05:
            return None
        if kind < 0.5:
            if byte_level:
                return dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True,
                            use_regex=True)
            parts = [dict(type="Replace", pattern={"String": mark}, content=" "),
                     dict(type="ByteFallback"), dict(type="Fuse")]
            if self.flag():
                parts.append(dict(type="Strip", content=" ", start=1, stop=0))
            return dict(type="Sequence", decoders=parts)
        if depth and kind < 0.75:
            return dict(type="Sequence", decoders=[
                p for p in (self.decoder(byte_level, mark, 0)
                            for _ in range(self.randint(0, 4))) if p])
        return self.choice((
            dict(type="ByteFallback"), dict(type="ByteFallback"), dict(type="Fuse"),
            dict(type="Fuse"),
            dict(type="Strip", content=self.choice((" ", "a", mark)), start=self.randint(0, 3),
                 stop=self.randint(0, 2)),
            dict(type="Replace", pattern=self.maybe(0.1, {"Regex": "a+"}, {"String": self.choice(
                (mark, "a", " ", "st"))}), content=self.choice((" ", "", "b", mark))),
            dict(type="Metaspace", replacement=mark, prepend_scheme=self.choice(
                ("first", "always", "never")), split=self.flag()),
            dict(type="ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True),
            dict(type="WordPiece", prefix="##", cleanup=self.flag()) if self.random() < 0.3
            else dict(type="Fuse"),
            dict(type="BPEDecoder", suffix="</w>") if self.random() < 0.3 else dict(type="Fuse"),
            dict(type="CTC", pad_token="<pad>", word_delimiter_token="|", cleanup=True)
            if self.random() < 0.3 else dict(type="Fuse")))

    # ---- all of it --------------------------------------------------------------------------

    def added(self, vocab):
        contents = ["<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>", "[INST]", " ", "  ", "\n\n",
                    "ab", "st", "St", "\u00e9", "e\u0301", "\u2581\u2581", "<a b>", "a", "\u65e5", "-",
                    "ka lo", "1", "\t", " x", "x "]
        out, after = [], []
        for c in self.sample(contents, self.choice((0, 2, 3, 6, 12))):
            rare = self.random() < 0.5
            special = c.startswith("<") or self.random() < 0.2
            entry = dict(content=c, single_word=rare and self.flag(), lstrip=rare and self.flag(),
                         rstrip=rare and self.flag(),
                         normalized=self.flag() if rare else not special, special=special)
            (out if c in vocab else after).append(entry)
        at = len(vocab)
        for entry in out:
            entry["id"] = vocab[entry["content"]]
        for i, entry in enumerate(after):
            entry["id"] = max([at] + [e["id"] + 1 for e in out + after[:i]
                                      if e["id"] >= at])
        if self.random() < 0.05 and after:
            after[-1]["id"] += self.choice((1, -1))
        return [dict(id=e.pop("id"), **e) for e in out + after]

    def tokenizer(self):
        byte_level = self.flag()
        mark = self.choice(("\u2581", "\u2581", "\u2581", "_"))
        model = self.model(byte_level, mark)
        return dict(version="1.0", truncation=None, padding=None,
                    added_tokens=self.added(model["vocab"]),
                    normalizer=self.normalizer(mark),
                    pre_tokenizer=self.pre_tokenizer(byte_level, mark),
                    post_processor=self.post_processor(model["vocab"]),
                    decoder=self.decoder(byte_level, mark), model=model)
