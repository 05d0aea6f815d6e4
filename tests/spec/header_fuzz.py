#!/usr/bin/env python3
"""Spoils the headers of header_cases.py at random and asks both readers about each.

    header_fuzz.py N SEED TENS

TENS is the tens program.  Prints what the readers disagree on, or where ours ends with
another status than 0 and 3; exits 1 if there was any.
"""
import random
import subprocess
import sys
from header_cases import CASES, second_opinion, stream

PIECES = ["[", "]", "{", "}", ",", ":", '"', "\\", "\\u0000", "\\ud83d", "\\u00e9", "0", "-1", "-0", "1e3", "1.5", "3",
          "9223372036854775807", "18446744073709551616", "true", "null", " ", "\n", "\t", "\x0b", "\x7f", "\xa0",
          "\u2028", "\ufeff", "\u00e9", '"x"', '"dtype"', '"shape"', '"data_offsets"', '"U8"', '"BF16"', "%M", "%K", "/"]


def spoil(rng, text):
    for _ in range(rng.randint(1, 3)):
        at, how = rng.randrange(len(text) + 1), rng.random()
        cut = 0 if how < 0.4 else rng.randint(1, 4)
        text = text[:at] + ("" if 0.4 <= how < 0.7 else rng.choice(PIECES)) + text[at + cut:]
    return text


def main(n, seed, tens):
    rng = random.Random(seed)
    names = [k for k in CASES if len(CASES[k][0]) < 1000]
    differ = 0
    for _ in range(n):
        text, data, _ = CASES[rng.choice(names)]
        text = spoil(rng, text)
        raw = stream(text, data + b"z" * (rng.random() < 0.1))
        said = second_opinion(raw)
        ours = subprocess.run([tens, "count"], input=raw, capture_output=True)
        if ours.returncode != (0 if said is None else 3):
            print(repr(text), data, "status", ours.returncode, ours.stderr.decode(errors="replace"), "second:", said)
            differ = 1
    return differ


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
