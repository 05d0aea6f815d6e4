#!/usr/bin/env python3
"""make-data.py - write train.jsonl and test.jsonl from the templates beside this script.

    python3 make-data.py [--train 4000] [--test 800] [--seed 1] [--out DIR]

The same bytes on every run and machine: the generator below is splitmix64, not the
library's.  Held-out rows come from templates that no training row uses; the fillers are
shared, and so are the surface changes (case, missing full stop, greeting), which are drawn
without looking at the label.
"""
import argparse
import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
MASK = (1 << 64) - 1


class Random:
    """splitmix64; below(n) is biased by less than n / 2^64."""

    def __init__(self, seed):
        self.state = seed & MASK

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return (z ^ (z >> 31)) % n

    def choice(self, items):
        return items[self.below(len(items))]


def lines(name):
    for line in (HERE / name).read_text(encoding="utf-8").split("\n"):
        if not line.startswith("#"):
            yield line


def read_slots():
    slots, name = {}, None
    for line in lines("slots.txt"):
        if not line:
            name = None
        elif name is None:
            name = line
            slots[name] = []
        else:
            slots[name].append(line)
    return slots


def read_templates(name):
    """[(label, family, weight, [template, ...]), ...]"""
    groups = []
    for line in lines(name):
        if line.startswith("= "):
            label, family, weight = line[2:].split()
            groups.append((label, family, int(weight), []))
        elif line:
            groups[-1][3].append(line)
    return groups


def fill(template, slots, rng):
    text = template
    while True:
        m = re.search(r"\{([a-z]+)\}|\(([^()]*\|[^()]*)\)", text)
        if not m:
            break
        new = rng.choice(slots[m[1]]) if m[1] else rng.choice(m[2].split("|"))
        text = text[: m.start()] + new + text[m.end():]
    return re.sub(r"  +", " ", text).strip()


def sentence_case(text):
    """Capitals at the start and after a full stop, as a careful writer has them."""
    return re.sub(r"(^|[.?!:] )([a-z])", lambda m: m[1] + m[2].upper(), text)


GREETINGS = ["Hi!", "Hello,", "Quick question:", "Good morning.", "Hey,", "One more thing:"]


def dress(text, rng):
    """Surface changes that say nothing about the label."""
    kind = rng.below(20)
    if kind < 3:
        text = text.lower()
    elif kind < 4:
        text = text.upper()
    elif kind < 6:
        text = text.rstrip(".?!")
    elif kind < 8:
        text = rng.choice(GREETINGS) + " " + text
    elif kind < 9:
        text = text.replace(", ", ",\n", 1)
    return text


def draw(groups, label, slots, rng):
    wheel = [g for g in groups if g[0] == label for _ in range(g[2])]
    group = rng.choice(wheel)
    return sentence_case(fill(rng.choice(group[3]), slots, rng)), group[1]


def row(groups, slots, rng):
    """One row; about a quarter carry a harmless sentence before or after."""
    label = "unsafe" if rng.below(100) < 45 else "safe"
    text, family = draw(groups, label, slots, rng)
    side = rng.below(8)
    if side < 2:
        other, _ = draw(groups, "safe", slots, rng)
        text = f"{other} {text}" if side == 0 else f"{text} {other}"
    return {"prompt": dress(text, rng), "label": label, "source": family}


def write(path, templates, count, slots, rng, seen):
    groups = read_templates(templates)
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        while count:
            r = row(groups, slots, rng)
            if r["prompt"] in seen:
                continue
            seen.add(r["prompt"])
            out.write(json.dumps(r, ensure_ascii=False) + "\n")
            count -= 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--train", type=int, default=4000)
    p.add_argument("--test", type=int, default=800)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--out", type=pathlib.Path, default=HERE)
    a = p.parse_args()
    slots, seen = read_slots(), set()
    write(a.out / "train.jsonl", "train.txt", a.train, slots, Random(a.seed), seen)
    write(a.out / "test.jsonl", "test.txt", a.test, slots, Random(a.seed + 1), seen)


if __name__ == "__main__":
    main()
