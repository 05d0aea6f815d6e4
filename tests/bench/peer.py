#!/usr/bin/env python3
"""peer.py - one other tokenizer in a process of its own, for tests/bench/tokenizer.

    peer.py list                                          which can be imported, as JSON
    peer.py time NAME THREADS PASSES TOKENIZER.JSON FILE  passes over prompts in memory
    peer.py file NAME THREADS TOKENIZER.JSON FILE         JSON lines to ids in memory
    peer.py stream FILE                                   the digest of a stream of ours
    peer.py size FILE                                     MB of prompt text

`time` reads the prompts, and turns them into what suits the library, before the clock
starts; the first pass is the first call after loading.  `file` prints "done" when the ids
are there, then a line of JSON.  The digest is the SHA-256 of all ids as U16 and then all
lengths as U32, the bytes that tests/bench/tokenizer.c writes.
"""
import array
import hashlib
import importlib
import json
import os
import sys
import time

PACKAGES = {"hf": "tokenizers", "gigatoken": "gigatoken", "gigatoken-buffer": "gigatoken",
            "fastokens": "fastokens"}


def peak_mb():
    with open("/proc/self/status", encoding="ascii") as f:
        kib = next(line for line in f if line.startswith("VmHWM")).split()[1]
    return int(kib) * 1024 / 1e6


def digest(ids, lengths):
    """Of numpy arrays or array.arrays; ids of other widths than 16 bits are narrowed."""
    h = hashlib.sha256()
    for values, code in ((ids, "<u2"), (lengths, "<u4")):
        values = values.astype(code) if hasattr(values, "astype") else values
        h.update(values.tobytes())
    return h.hexdigest()[:16]


def prompts_of(path):
    with open(path, "rb") as f:
        return [json.loads(line)["prompt"] for line in f]


class HuggingFace:
    """Batches of 1,000, lists of Encoding."""

    def load(self, path):
        import tokenizers
        self.t = tokenizers.Tokenizer.from_file(path)
        self.t.no_truncation()
        self.t.no_padding()

    def prepare(self, texts):
        return [texts[i:i + 1000] for i in range(0, len(texts), 1000)]

    def encode(self, batches, threads):
        return [self.t.encode_batch_fast(b, add_special_tokens=False) for b in batches]

    def flat(self, result):
        ids, lengths = array.array("H"), array.array("I")
        for batch in result:
            for e in batch:
                one = e.ids
                ids.extend(one)
                lengths.append(len(one))
        return ids, lengths

    def file(self, path, threads):
        """As a program would: no more Encodings at a time than those of a batch."""
        ids, lengths = array.array("H"), array.array("I")
        for batch in self.prepare(prompts_of(path)):
            more, n = self.flat(self.encode([batch], threads))
            ids.extend(more)
            lengths.extend(n)
        return ids, lengths


class Gigatoken:
    """A list of bytes to one awkward array; files by its own reader."""

    def load(self, path):
        import gigatoken
        self.module, self.t = gigatoken, gigatoken.Tokenizer(path)

    def prepare(self, texts):
        return [t.encode() for t in texts]

    def encode(self, texts, threads):
        return self.t.encode_batch(texts, parallel=threads > 1)

    def flat(self, result):
        import awkward
        ids, lengths = awkward.flatten(result), awkward.num(result)
        return awkward.to_numpy(ids), awkward.to_numpy(lengths)

    def file(self, path, threads):
        source = self.module.JsonlFileSource([path], field="prompt")
        return self.t.encode_files(source, parallel=threads > 1)


class GigatokenBuffer(Gigatoken):
    """All prompts in one buffer that it cuts itself."""

    def prepare(self, texts):
        return self.module.BytesSource("\0".join(texts).encode(), separator=b"\0")


class Fastokens:
    """A list of strings to one buffer of ids and one of offsets."""

    def load(self, path):
        import fastokens
        self.t = fastokens.Tokenizer.from_file(path)

    def prepare(self, texts):
        return texts

    def encode(self, texts, threads):
        return self.t.encode_batch_flat(texts, add_special_tokens=False)

    def flat(self, result):
        import numpy
        offsets = numpy.frombuffer(result[1], "<u8").astype(numpy.int64)
        return numpy.frombuffer(result[0], "<u4"), numpy.diff(offsets)

    def file(self, path, threads):
        return self.encode(prompts_of(path), threads)


KINDS = {"hf": HuggingFace, "gigatoken": Gigatoken, "gigatoken-buffer": GigatokenBuffer,
         "fastokens": Fastokens}


def time_passes(name, threads, passes, tokenizer, path):
    peer, texts = KINDS[name](), prompts_of(path)
    text_mb = sum(len(t.encode()) for t in texts) / 1e6
    importlib.import_module(PACKAGES[name])
    begin = time.perf_counter()
    peer.load(tokenizer)
    load = time.perf_counter() - begin
    given = peer.prepare(texts)
    before, seconds, cpu, result = peak_mb(), [], [], None
    for _ in range(passes):
        result = None
        begin, busy = time.perf_counter(), time.process_time()
        result = peer.encode(given, threads)
        seconds.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - busy)
    peak = peak_mb()
    ids, lengths = peer.flat(result)
    print(json.dumps({"text_mb": text_mb, "load_s": load, "s": seconds, "cpu_s": cpu,
                      "ids": len(ids), "before_mb": before, "peak_mb": peak,
                      "digest": digest(ids, lengths)}))


def time_file(name, threads, tokenizer, path):
    peer = KINDS[name]()
    peer.load(tokenizer)
    result = peer.file(path, threads)
    peak = peak_mb()
    print("done", flush=True)
    ids, lengths = result if name == "hf" else peer.flat(result)
    print(json.dumps({"ids": len(ids), "peak_mb": peak, "digest": digest(ids, lengths)}))


def digest_stream(path):
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, os.path.join(os.path.dirname(here), "spec"))
    from read_stream import decode, undress
    with open(path, "rb") as f:
        data, _ = undress(f.read(), False)
    ids, lengths, at, kind = array.array("H"), array.array("I"), 0, ""
    while at < len(data):
        record, _, at = decode(data, at)
        kind = record.meta["kind"]
        if kind not in ("head", "end"):
            a, b = record.tensors["input_ids"]["data_offsets"]
            ids.frombytes(record.data[a:b])
            cu = record.array("cu_seqlens")
            lengths.extend(y - x for x, y in zip(cu, cu[1:]))
    if kind != "end":
        sys.exit("no end record")
    print(json.dumps({"ids": len(ids), "digest": digest(ids, lengths)}))


def size(path):
    total = 0
    with open(path, "rb") as f:
        for line in f:
            total += len(json.loads(line)["prompt"].encode())
    print(json.dumps({"text_mb": total / 1e6}))


def importable():
    from importlib.metadata import version
    found = {}
    for name, package in PACKAGES.items():
        try:
            importlib.import_module(package)
            found[name] = version(package)
        except ImportError:
            pass
    print(json.dumps(found))


def main(what, *args):
    if what == "list":
        importable()
    elif what == "time":
        time_passes(args[0], int(args[1]), int(args[2]), *args[3:])
    elif what == "file":
        time_file(args[0], int(args[1]), *args[2:])
    elif what == "size":
        size(*args)
    else:
        digest_stream(*args)


if __name__ == "__main__":
    main(*sys.argv[1:])
