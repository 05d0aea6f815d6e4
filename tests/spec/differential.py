#!/usr/bin/env python3
"""Random prompts to bpe-tok and to the reference; their ids must be equal.

    differential.py [--tool PATH] [--args ARGS] [--model DIR] [--count N] [--seed S]
                    [--decode] [--reference DIR] [--keep-going] [--show N]
    differential.py --random-tokenizers K [--write DIR] ...

Run by hand, with a Python that has tokenizers 0.23.3.  Strings come from the generators of
Strings below, go to the tool as JSON lines (raw UTF-8, \\u escapes, or any escapes mixed),
with the special tokens and without, and its streams are read back by read_stream.py.  The
tool sees DIR/tokenizer.json alone, so that no config.json cuts a prompt.

Prints each of the first mismatches as a JSON object a line, what the finite generators
covered, and last `N strings, M mismatches`; exits 1 when there is one.  ARGS are more
options for the tool (--args=--threads=2); its environment is that of this program
(MBERT_CPU=generic).  --reference gives the reference another tokenizer.json, to see the
comparison fail.

--random-tokenizers makes K small tokenizer.json files instead of --model, K taken from the
seed, and divides the strings among them; --write keeps the files.  A tokenizer that the
reference refuses is left out and counted, and so is one that bpe-tok refuses for what
tokenizer.h says it refuses.
"""
import argparse
import array
import contextlib
import json
import os
import random
import shlex
import subprocess
import sys
import tempfile

from random_texts import Strings, random_tokenizer
from read_stream import Bad, decode, need, undress
from tokenizers import Tokenizer, __version__

BATCH = 20000


def json_line(rng, i, text):
    """One of the ways to write it; half are \\u escapes, most others raw."""
    how = rng.random()
    if how >= 0.1:
        return json.dumps({"prompt": text}, ensure_ascii=how < 0.6)
    short = dict(zip("\b\f\n\r\t\"\\/", map("\\".__add__, "bfnrt\"\\/")))
    out = []
    for c in text:
        if c in short and rng.random() < 0.7:
            out.append(short[c])
        elif c < " " or c in '"\\' or rng.random() < 0.3:
            units = c.encode("utf-16-be").hex()
            units = units if rng.random() < 0.5 else units.upper()
            out += ["\\u" + units[k:k + 4] for k in range(0, len(units), 4)]
        else:
            out.append(c)
    line = ' {"id" : [%d, {"prompt":"no"}],\t"prompt" :"%s" , "label":null} '
    return line % (i, "".join(out))


@contextlib.contextmanager
def silent():
    """Without standard error, where each panic of the reference would leave a page."""
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


class Refused(Exception):
    """The tool ended with another status than 0."""


class Model:
    """One tokenizer.json, for both."""

    def __init__(self, options, path, reference):
        self.o, self.panics = options, 0
        self.scratch = tempfile.TemporaryDirectory(prefix="differential.")
        self.dir = self.scratch.name
        os.symlink(os.path.abspath(path), self.dir + "/tokenizer.json")
        self.reference = Tokenizer.from_file(reference or path)
        self.reference.no_truncation()
        self.reference.no_padding()

    def start(self, to, *args):
        with open(f"{self.dir}/{to}", "wb") as out, open(self.dir + "/stderr", "ab") as err:
            command = [self.o.tool, "-m", self.dir, *args]
            return subprocess.Popen(command, stdout=out, stderr=err)

    def stderr(self):
        with open(self.dir + "/stderr", encoding="utf-8", errors="replace") as f:
            return f.read().replace(self.dir + "/", "")[-500:]

    def rows(self, name):
        """The id lists of a stream."""
        with open(f"{self.dir}/{name}", "rb") as f:
            data, _ = undress(f.read(), False)
        at, out, kind = 0, [], ""
        while at < len(data):
            record, _, at = decode(data, at)
            kind = record.meta["kind"]
            if kind in ("head", "end"):
                continue
            tensor = record.tensors["input_ids"]
            ids = array.array("H" if tensor["dtype"] == "U16" else "i")
            a, b = tensor["data_offsets"]
            ids.frombytes(record.data[a:b])
            cu, row = record.array("cu_seqlens"), record.array("row")
            need(row == list(range(len(out), len(out) + len(row))), "rows out of order")
            out += [ids[x:y].tolist() for x, y in zip(cu, cu[1:])]
        need(kind == "end", "no end record")
        return out

    def encode(self, strings, special):
        """The reference's ids; None for a string that it panics on."""
        try:
            with silent():
                found = self.reference.encode_batch(strings, add_special_tokens=special)
            return [e.ids for e in found]
        except BaseException as e:
            if type(e).__name__ != "PanicException":
                raise
            if len(strings) == 1:
                self.panics += 1
                return [None]
        half = len(strings) // 2
        return self.encode(strings[:half], special) + self.encode(strings[half:], special)

    def compare(self, strings, lines):
        """Yields ('ids', 'special_ids' or 'text', index, wanted, got) where they differ."""
        with open(self.dir + "/in.jsonl", "w", encoding="utf-8", newline="") as f:
            f.write("\n".join(lines) + "\n")
        extra = shlex.split(self.o.args)
        running = [(name, self.start(name, *option, *extra, self.dir + "/in.jsonl"))
                   for name, option in (("ids", ["--no-special"]), ("special_ids", []))]
        want = {name: self.encode(strings, name == "special_ids") for name, _ in running}
        for name, child in running:
            if child.wait():
                raise Refused(f"status {child.returncode}: {self.stderr()}")
            got = self.rows(name)
            need(len(got) == len(strings), f"{len(got)} sequences of {len(strings)} lines")
            if got != want[name]:
                yield from ((name, i, w, g) for i, (w, g) in enumerate(zip(want[name], got))
                            if w != g and w is not None)
            if self.o.decode:
                yield from self.compare_text(name, got)

    def compare_text(self, name, ids):
        want = self.reference.decode_batch(ids, skip_special_tokens=False)
        if self.start("text", "--decode", f"{self.dir}/{name}").wait():
            raise Refused("--decode: " + self.stderr())
        with open(self.dir + "/text", encoding="utf-8", newline="\n") as f:
            got = [json.loads(line) for line in f]
        need([g["row"] for g in got] == list(range(len(want))), "rows of the decoded text")
        yield from (("text", i, w, g["text"]) for i, (w, g) in enumerate(zip(want, got))
                    if w != g["text"])


class Run:
    def __init__(self, options):
        self.o = options
        self.strings = self.mismatches = self.shown = 0

    def show(self, **what):
        self.mismatches += 1
        if self.shown < self.o.show:
            print(json.dumps(what), flush=True)
        self.shown += 1

    def stop(self):
        return self.mismatches and not self.o.keep_going

    def batches(self, model, source, count, **where):
        rng = source.rng
        while count > 0 and not self.stop():
            names, strings = zip(*(source.next() for _ in range(min(count, BATCH))))
            lines = [json_line(rng, i, s) for i, s in enumerate(strings)]
            try:
                for what, i, want, got in model.compare(strings, lines):
                    self.show(**where, generator=names[i], text=strings[i], line=lines[i],
                              what=what, want=want, got=got)
            except (Refused, Bad) as e:
                self.show(**where, what="failed", why=str(e))
            count -= len(strings)
            self.strings += len(strings)
            if sys.stderr.isatty():
                print(f"\r{self.strings} strings", end="", file=sys.stderr)

    def one(self):
        path = self.o.model + "/tokenizer.json"
        with open(path, encoding="utf-8") as f:
            source = Strings(random.Random(self.o.seed), json.load(f), False)
        reference = self.o.reference and self.o.reference + "/tokenizer.json"
        self.batches(Model(self.o, path, reference), source, self.o.count)
        print("covered: " + source.covered())

    def many(self, to):
        each = max(1, self.o.count // self.o.random_tokenizers)
        left_out = refused = panics = 0
        for k in range(self.o.random_tokenizers):
            rng = random.Random(f"{self.o.seed} {k}")
            tok = random_tokenizer(rng)
            path = f"{to}/{k}.json"
            with open(path, "w", encoding="utf-8") as f:
                json.dump(tok, f, ensure_ascii=rng.random() < 0.5)
            try:
                model = Model(self.o, path, None)
            except Exception:  # the binding raises nothing narrower
                left_out += 1
                continue
            child = model.start("none", "/dev/null")
            if child.wait() == 3 and "which model.vocab uses" in model.stderr():
                refused += 1
                continue
            self.batches(model, Strings(rng, tok, True), each, tokenizer=k)
            panics += model.panics
            if self.stop():
                break
        print(f"{k + 1} tokenizers; refused by the reference {left_out}, by bpe-tok "
              f"{refused}; panics of the reference {panics}")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    p.add_argument("--tool", default=root + "/build/bin/bpe-tok")
    p.add_argument("--args", default="")
    p.add_argument("--model", default=root + "/examples/mini")
    p.add_argument("--reference")
    p.add_argument("--count", type=int, default=100000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--show", type=int, default=10)
    p.add_argument("--decode", action="store_true")
    p.add_argument("--keep-going", action="store_true")
    p.add_argument("--random-tokenizers", type=int, default=0, metavar="K")
    p.add_argument("--write", metavar="DIR")
    o = p.parse_args()
    if __version__ != "0.23.3":
        print(f"tokenizers {__version__}, not 0.23.3: ids may differ", file=sys.stderr)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("MBERT_LEVEL", "1")
    run = Run(o)
    if o.random_tokenizers:
        with tempfile.TemporaryDirectory() as scratch:
            os.makedirs(o.write or scratch, exist_ok=True)
            run.many(o.write or scratch)
    else:
        run.one()
    print(f"{run.strings} strings, {run.mismatches} mismatches")
    return run.mismatches > 0


if __name__ == "__main__":
    sys.exit(main())
