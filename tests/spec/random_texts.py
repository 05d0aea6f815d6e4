"""Texts and tokenizers that a tokenizer may trip over, drawn at random for differential.py.

`Strings` draws texts from finite sets (words, pairs of characters, added tokens, code points)
without repetition and from open ones; `random_tokenizer` makes small tokenizer.json files with
added tokens of all flags, merges out of order, missing bytes.
"""
import unicodedata

BLANKS = [" ", "  ", "\t", "\n", "\r\n", " \n ", "\u00a0", "\u3000"]
SPACES = [chr(c) for c in (*range(9, 14), 0x20, 0x85, 0xa0, 0x1680, *range(0x2000, 0x200b),
                           0x2028, 0x2029, 0x202f, 0x205f, 0x3000)]
NOT_SPACES = list("\x1c\x1d\x1e\x1f\u180e\u200b\u200c\u200d\u2060\ufeff")
ASCII = [chr(c) for c in range(33, 127)]
POINTS = [*range(0xD800), *range(0xE000, 0x30000)]
MARKS = [chr(c) for a, b in [
    (0x300, 0x370), (0x483, 0x488), (0x591, 0x5c8), (0x64b, 0x660), (0x7eb, 0x7f4),
    (0x7fd, 0x7fe), (0x898, 0x8a0), (0x8ca, 0x900), (0x93c, 0x93d), (0x9fe, 0x9ff),
    (0xc3c, 0xc3d), (0xd3b, 0xd3d), (0xe38, 0xe3b), (0xeba, 0xebb), (0xf71, 0xf76),
    (0x1ab0, 0x1acf), (0x1dc0, 0x1e00), (0x20d0, 0x20f1), (0x3099, 0x309b),
    (0xfe20, 0xfe30), (0x110ba, 0x110bb), (0x11127, 0x11128), (0x11930, 0x11931),
    (0x16ff0, 0x16ff2), (0x1d165, 0x1d167), (0x1e2ec, 0x1e2f0)] for c in range(a, b)]
BASES = [*"aAeEoOuUiIcCnNsS<>=1;'` ", *map(chr, (
    0xe9, 0x344, 0x387, 0x958, 0x9c7, 0xb47, 0xdd9, 0x1025, 0x1e9b, 0x1fef, 0x2126, 0x212a,
    0x212b, 0x2260, 0x304b, 0x30ab, 0xf900, 0xfb1d, 0x37e, 0x2000, 0x2001, 0x11099, 0x11131,
    0x11347, 0x114b9, 0x115b8, 0x11935, 0x1d157, 0x1d1ba, 0x2f800, 0x2fa1d))]
EDGES = [
    "", " ", "\0", "a\0b", "\0\0", "\ufeffa", "a\ufeff", "\r", "\r\n\r\n", "a\n b", "a \nb",
    "a\n\nb", "x\u0085y", "\x1cx", "a\u180eb", "a\u200bb", "\u2167\u00b2\u00bd\u0663",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U00011935\U00011930", "a\u1df6\u0323",
    "a\u08d3\u0301", "e\u0301", "\u212b", "e\u0323\u0301", "q\u0307\u0323",
    "\u1100\u1161\u11a8", "\uac00\u11a7", "'rest", " 's", "x.'s", "'S", "''s", "don't",
    "I'LL", "we'll've", "\t'tis", "a\u2019s", "'d'd'd", "\n'm", "\u00a0'reading", "' s",
    "'\u017f", "'\u212a", "x'", "'", "\\u0041", "\\", '"', "\\n", '{"prompt":"x"}', "a/b",
    "<|endoftext|>\u0338", "[CLS] a [SEP]", "x  [MASK] y", "[MASK][MASK]", "[CLS]  a",
    "[cls]", "x \n\u3000[MASK] y", "[MASK", "[[MASK]]", "|||IP_ADDRESS||||", "[unused1]0",
    "||||||", "[UNK][PAD]", "<|padding|><|padding|>", "a  b", "a   b", "\U0010ffff",
    "\ufdd0", "\ue000", "\U000f0000", "\u2028\u2029", "\u05d0\u200f\u05d1", "100,000.00",
    "1'000", "\u00bd\u00bd", "_a_", "a_b", "\u203f", "\u0e01\u0e33", "\u3042\u309b",
    "\u30cf\u3099",
]


def byte_chars():
    """GPT-2's stand-in characters of the 256 bytes."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(b if b in plain else next(others)) for b in range(256)]


BYTE_CHAR = byte_chars()


def run_of(rng, c, most):
    """c so often that a multiple of what a token or a register holds is near."""
    near = rng.choice([2, 8, 16, 24, 32, 48, 60, 64, 72, 128, 256, most])
    return c * max(1, near + rng.randint(-1, 2))


class Strings:
    """An endless source of (generator's name, string) for one tokenizer.json."""

    def __init__(self, rng, tok, small):
        self.rng = rng
        of = {c: b for b, c in enumerate(BYTE_CHAR)}
        vocab = tok["model"]["vocab"]
        self.words = [bytes(of[c] for c in w).decode("utf-8", "replace")
                      if all(c in of for c in w) else w for w in vocab]
        self.added = [t["content"] for t in tok["added_tokens"]]
        self.chars = sorted(set("".join(self.words + self.added)) - {"\ufffd"})
        # name: (weight, function of a place among so many)
        finite = {"word": (8, self.word, 2 * len(self.words)),
                  "ascii": (8, self.ascii, len(ASCII) ** 2 * len(BLANKS) * 4),
                  "added": (4, self.added_blank, len(self.added) * len(BLANKS) * 6),
                  "point": (6, self.point, len(POINTS))}
        self.endless = {"edge": (1, self.edge), "unicode": (2, self.unicode),
                        "characters": (3, self.characters), "phrase": (6, self.phrase),
                        "run": (2, self.run), "marks": (3, self.marks),
                        "hangul": (1, self.hangul), "contraction": (2, self.contraction),
                        "long piece": (2, self.long_piece),
                        "near added": (2, self.near_added)}
        if small:  # most of Unicode is the same to it
            finite.pop("point")
            finite["ascii"] = (3, *finite["ascii"][1:])
            self.endless.update({"characters": (16, self.characters),
                                 "near added": (16, self.near_added)})
        self.total = {k: n for k, (_, _, n) in finite.items()}
        self.left = {k: [] for k in finite}
        self.finite = {k: (w, f) for k, (w, f, _) in finite.items()}
        self.done = dict.fromkeys(finite, 0)

    def next(self):
        if self.rng.random() < 0.06:
            n = self.rng.randint(2, 6)
            return "mixture", "".join(self.plain(self.endless)[1] for _ in range(n))
        return self.plain({**self.finite, **self.endless})

    def plain(self, table):
        name = self.rng.choices(list(table), [v[0] for v in table.values()])[0]
        if name in self.endless:
            return name, self.endless[name][1]()
        if not self.left[name]:  # once around, then again
            self.left[name] = self.rng.sample(range(self.total[name]), self.total[name])
        self.done[name] += 1
        return name, self.finite[name][1](self.left[name].pop())

    def covered(self):
        return ", ".join(f"{k} {min(n, self.total[k])}/{self.total[k]}"
                         for k, n in self.done.items())

    def pick(self, *sets):
        """Of one of the sets, each as likely; then of its members."""
        return self.rng.choice(self.rng.choice(sets))

    def word(self, i):
        w = self.words[i // 2]
        return w if i % 2 else self.rng.choice([
            " " + w, w + w, w + "'s", "x" + w, w + " ", w.upper(), "\t" + w, w + "\u0301",
            "7" + w, w + self.pick(self.words)])

    def ascii(self, i):
        i, k = divmod(i, 4)
        i, b = divmod(i, len(BLANKS))
        x, y = divmod(i, len(ASCII))
        apostrophe, end = ("", "'", "' ", " '")[k], self.pick(ASCII, ["", " ", "s", "\n"])
        return ASCII[x] + BLANKS[b] + apostrophe + ASCII[y] + end

    def added_blank(self, i):
        i, k = divmod(i, 6)
        i, b = divmod(i, len(BLANKS))
        t, blank = self.added[i], BLANKS[b]
        return (blank + t, t + blank, "x" + blank + t + blank + "y", t + blank + t,
                "a" + t + blank + "'s",
                "\u00e9" + blank * 2 + t + blank + self.pick(self.added))[k]

    def point(self, i):
        c = chr(POINTS[i])
        return (f"{c} a{c}b '{c}{c} 1{c}\u0301{c}\u0327\u0301 \u1100{c}"
                f"{self.pick(SPACES)}{c}'s")

    def edge(self):
        return self.pick(EDGES)

    def unicode(self):
        rng, n = self.rng, self.rng.randint(1, 24)
        if rng.random() < 0.3:
            points = [rng.randrange(rng.choice([0x80, 0x800, 0x10000, 0x110000]))
                      for _ in range(n)]
        else:
            at = rng.randrange(rng.choice([0x3000, 0x20000, 0x33480, 0xe01f0]))
            points = [at + rng.randrange(0x60) for _ in range(n)]
        return "".join(chr(p) for p in points if not 0xD800 <= p < 0xE000)

    def characters(self):
        return "".join(self.pick(self.chars, self.chars, ASCII[:32], SPACES[5:6])
                       for _ in range(self.rng.randint(1, 30)))

    def phrase(self):
        between = self.rng.choice(["", " ", "", " ", "\n", "\u00a0"])
        return between.join(self.pick(self.words) for _ in range(self.rng.randint(2, 10)))

    def run(self):
        rng = self.rng
        c = self.pick([" "], SPACES, ["\n", "a", "Z", "0", "-", "=", "^", "'"], ASCII,
                      self.chars, ["\u0301", "\u00e9", "ab", " a", "'s"])
        return (self.pick(["", "x", "x ", "\n", "\t"]) + run_of(rng, c, 400)
                + self.pick(["", "y", "\n", " y", "'t"]))

    def marks(self):
        rng, out = self.rng, []
        for _ in range(rng.randint(1, 8)):
            out.append(self.pick(BASES, BASES, self.chars, NOT_SPACES))
            out += rng.choices(MARKS, k=rng.choice([0, 1, 1, 2, 3, rng.randint(4, 40)]))
        s = "".join(out)
        return unicodedata.normalize("NFD", s) if rng.random() < 0.2 else s

    def hangul(self):
        rng = self.rng
        parts = ([0x10ff, 0x1100, 0x1112, 0x1113], [0x1160, 0x1161, 0x1175, 0x1176],
                 [0x11a6, 0x11a7, 0x11a8, 0x11c2, 0x11c3],
                 [0xac00, 0xac01, 0xac1c, 0xd788, 0xd7a3], [0x20, 0x61, 0x301])
        return "".join(chr(self.pick(*parts)) for _ in range(rng.randint(1, 12)))

    def contraction(self):
        ends = ["s", "t", "re", "ve", "m", "ll", "d", "r", "v", "l", "S", "RE", "lL"]
        out = []
        for _ in range(self.rng.randint(1, 5)):
            out += [self.pick(["", " ", "1", "\u00e9"], SPACES, ASCII, ["it", "we", "''"]),
                    self.pick(["'"], ["'", " '", "''", "\u2019", "\u02bc"]),
                    self.pick(ends), self.pick(["", "", " ", "x", "'", "\u017f", "9"])]
        return "".join(out)

    def long_piece(self):
        rng = self.rng
        n = rng.choice([*range(61, 67), 100, 127, 200, int(2 ** rng.uniform(8, 11))])
        pool = rng.choice([self.words, "0123456789\u00b2\u0664",
                           "-=_*#~<>/\\\u2500\u2026'\"", "aeinrst\u00e9\u4e2d\u0436"])
        s = "".join(rng.choices(pool, k=n))
        s = "".join(filter(str.isalpha, s)) if pool is self.words else s
        return self.pick(["", " ", "x ", "\n"]) + s[:n] + self.pick(["", " ", "\n", "1"])

    def near_added(self):
        rng, out = self.rng, []
        for _ in range(rng.randint(1, 6)):
            t = self.pick(self.added)
            if rng.random() < 0.3:
                at = rng.randrange(len(t) + 1)
                t = rng.choice([t[:at], t[at:], t.lower(),
                                t[:at] + self.pick(ASCII, SPACES, MARKS) + t[at:]])
            out += [t, self.pick([""], BLANKS, SPACES, self.chars,
                                 ["x", "_", "\u0301", "1", "-", "\u200d"])]
        return "".join(out)


def random_merges(rng, alphabet, vocab):
    """Grows vocab by merges of neighbours in random words, and some of any two tokens."""
    words = ["".join(rng.choices(alphabet, k=rng.randint(2, 9)))
             for _ in range(rng.randint(5, 80))]
    words = [[BYTE_CHAR[b] for b in (rng.choice(["", " ", "'"]) + w).encode()]
             for w in words]
    merges = []
    for _ in range(rng.choice([0, 3, rng.randint(5, 60), rng.randint(60, 400)])):
        word = rng.choice(words)
        if rng.random() < 0.15 or len(word) < 2:
            a, b = rng.choices(list(vocab), k=2)
        else:
            at = rng.randrange(len(word) - 1)
            a, b = word[at:at + 2]
        if a not in vocab or b not in vocab or len(a + b) > 200:
            continue
        vocab.setdefault(a + b, len(vocab))
        merges.append((a, b))
        for w in words:
            for k in range(len(w) - 2, -1, -1):
                if w[k:k + 2] == [a, b]:
                    w[k:k + 2] = [a + b]
    if rng.random() < 0.3:
        rng.shuffle(merges)
    if rng.random() < 0.3 and merges:  # a pair twice: its last rank counts
        for pair in rng.choices(merges, k=rng.randint(1, len(merges))):
            merges.insert(rng.randrange(len(merges) + 1), pair)
    return merges


def random_content(rng, alphabet, vocab, made):
    """An added token: a word, blanks, marks, or a neighbour of one that is there."""
    def letters(most):
        return "".join(rng.choices(alphabet, k=rng.randint(1, most)))
    other = rng.choice(made)
    return rng.choice([
        letters(2), letters(5), f"[{letters(2)}]", "<|x", "<|x|>", "\u2003",
        letters(2) + " " + letters(1), "\n" * rng.randint(1, 3), other + letters(1),
        other[1:] or "_", other[:-1] or "]", rng.choice(vocab),
        "e\u0301", "\u00e9a", "\u0301", "\u212b", " " + letters(1),
        letters(1) + "\t"])


def random_added(rng, alphabet, vocab):
    made = ["[CLS]", "[SEP]"]
    made += [" " * n for n in rng.sample(range(1, 30), rng.choice([0, 0, 1, 4, 12]))]
    for _ in range(rng.choice([0, 2, 6, 20])):
        made.append(random_content(rng, alphabet, list(vocab), made))
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    often = {f: rng.choice([0.1, 0.5, 0.9]) for f in flags}
    seen, out = set(), []
    for c in made:  # two of one normal form may be an error: seldom
        form = unicodedata.normalize("NFC", c)
        if form not in seen or rng.random() < 0.02:
            seen.add(form)
            out.append({"id": len(vocab) + len(out), "content": c,
                        **{f: rng.random() < often[f] for f in flags}})
    if rng.random() < 0.3:
        rng.shuffle(out)
    return out


def random_model(rng, alphabet):
    """The model's vocabulary and merges, and the added tokens."""
    chars = BYTE_CHAR[:]
    if rng.random() < 0.4:  # bytes without a token
        used = [BYTE_CHAR[b] for b in "".join(alphabet).encode()]
        lost = {rng.choice(used + chars) for _ in range(rng.choice([1, 5, 100]))}
        chars = [c for c in chars if c not in lost]
    rng.shuffle(chars)
    vocab = {c: i for i, c in enumerate(chars)}
    unk = rng.choice([None, None, "[UNK]", "a"])
    if unk:
        vocab.setdefault(unk, len(vocab))
    merges = random_merges(rng, alphabet, vocab)
    added = random_added(rng, alphabet, vocab)
    for t in added:  # some are vocabulary too, as ModernBERT's runs of blanks are
        if rng.random() < 0.2:
            vocab.setdefault(t["content"], len(vocab))
    if rng.random() < 0.4:  # ids in no order, now and then with holes
        ids = rng.sample(range(len(vocab) + rng.choice([0] * 7 + [9])), len(vocab))
        vocab = dict(zip(vocab, ids))
    merges = merges if rng.random() < 0.5 else [f"{x} {y}" for x, y in merges]
    return {"type": "BPE", "dropout": None, "unk_token": unk, "fuse_unk": False,
            "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "byte_fallback": False, "vocab": vocab, "merges": merges}, added


def random_tokenizer(rng):
    pool = [*"aabcdestlmrv'' 12.!\n\t\u00a0\u00e9\u0301\u65e5\U0001f600\u00c5\u212b\u0663",
            "\u3000", "e\u0301", "\u1100\u1161"]
    model, added = random_model(rng, rng.sample(pool, rng.randint(3, 10)))
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": True}
    cls, sep = ({"SpecialToken": {"id": t, "type_id": 0}} for t in ("[CLS]", "[SEP]"))
    a, b = ({"Sequence": {"id": t, "type_id": 0}} for t in "AB")
    post = {"type": "TemplateProcessing", "single": [cls, a, sep],
            "pair": [cls, a, sep, b, sep],
            "special_tokens": {t: {"id": t, "tokens": [t],
                                   "ids": [rng.choice(list(model["vocab"].values()))]}
                               for t in ("[CLS]", "[SEP]")}}
    nfc = {"type": "NFC"}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": rng.choice([None, nfc, nfc,
                                      {"type": "Sequence", "normalizers": [nfc]}]),
            "pre_tokenizer": level, "post_processor": rng.choice([None, post, post]),
            "decoder": level, "model": model}
