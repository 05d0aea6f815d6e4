#!/usr/bin/env python3
"""A second reader of mbert-stream(5), written from the page alone.

    read_stream.py [--writer] [--kind A|B] [--cat] [FILE...]

Reads streams with the standard library and zstd(1), prints one line a record (or with
--cat one JSON line a sequence) and exits 0, or says what is wrong and exits 3.  --writer
also demands what the page demands of writers.
"""
import json
import re
import struct
import subprocess
import sys
from layout import Layout

SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
         "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8}
CODES = {"U8": "B", "I8": "b", "U16": "H", "I16": "h", "U32": "I", "I32": "i", "F32": "f",
         "U64": "Q", "I64": "q", "F64": "d", "BOOL": "?"}
MAX_HEADER, MAX_RECORD, MAX_TENSORS, MAX_DEPTH, MAX_NUMBER = 16 << 20, 256 << 20, 65536, 64, 64
# the tensors that Kinds lists; those of another dtype may be unknown, these may not
LISTED = re.compile(r"input_ids|cu_seqlens|row|labels|truncated|window|spans|words|pooled|final_hidden|logits|scores|hidden\.\d+|keep\..*")
AGREE = ("schema", "tokenizer", "model", "labels", "task", "dtype")
MASK = (1 << 64) - 1


class Bad(Exception):
    pass


def need(ok, why):
    if not ok:
        raise Bad(why)


def xxh64(data):
    """XXH64 with seed 0, from its specification."""
    p1, p2, p3, p4, p5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                          0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)

    def rol(x, r):
        return (x << r | x >> 64 - r) & MASK

    def turn(acc, lane):
        return rol((acc + lane * p2) & MASK, 31) * p1 & MASK

    n, i = len(data), 0
    if n >= 32:
        acc = [(p1 + p2) & MASK, p2, 0, -p1 & MASK]
        while i + 32 <= n:
            for k, lane in enumerate(struct.unpack_from("<4Q", data, i)):
                acc[k] = turn(acc[k], lane)
            i += 32
        h = sum(rol(a, r) for a, r in zip(acc, (1, 7, 12, 18))) & MASK
        for a in acc:
            h = ((h ^ turn(0, a)) * p1 + p4) & MASK
    else:
        h = p5
    h = (h + n) & MASK
    while i + 8 <= n:
        h = (rol(h ^ turn(0, struct.unpack_from("<Q", data, i)[0]), 27) * p1 + p4) & MASK
        i += 8
    if i + 4 <= n:
        h = (rol(h ^ struct.unpack_from("<I", data, i)[0] * p1 & MASK, 23) * p2 + p3) & MASK
        i += 4
    for b in data[i:]:
        h = rol(h ^ b * p5 & MASK, 11) * p1 & MASK
    h = (h ^ h >> 33) * p2 & MASK
    h = (h ^ h >> 29) * p3 & MASK
    return h ^ h >> 32


def frames(data):
    """(offset, end, checksum, content size or None, window, dictionary, skippable) of each frame."""
    at = 0
    while at < len(data):
        need(len(data) - at >= 5, "truncated inside a frame")
        magic, = struct.unpack_from("<I", data, at)
        if magic & 0xFFFFFFF0 == 0x184D2A50:
            need(len(data) - at >= 8, "truncated inside a frame")
            end = at + 8 + struct.unpack_from("<I", data, at + 4)[0]
            need(end <= len(data), "truncated inside a frame")
            yield at, end, False, None, 0, False, True
            at = end
            continue
        need(magic == 0xFD2FB528, "bytes that are not a zstd frame")
        d, p = data[at + 4], at + 5
        single, checksum, dictionary = bool(d & 32), bool(d & 4), d & 3
        window = 0
        try:
            if not single:
                w = data[p]
                window = (1 << 10 + (w >> 3)) + ((1 << 10 + (w >> 3)) >> 3) * (w & 7)
                p += 1
            p += (0, 1, 2, 4)[dictionary]
            width = (1 if single else 0, 2, 4, 8)[d >> 6]
            size = int.from_bytes(data[p:p + width], "little") + (256 if width == 2 else 0) if width else None
            p += width
            last = False
            while not last:
                block = data[p] | data[p + 1] << 8 | data[p + 2] << 16
                last = block & 1
                p += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)
        except IndexError:
            raise Bad("truncated inside a frame") from None
        p += 4 if checksum else 0
        need(p <= len(data), "truncated inside a frame")
        yield at, p, checksum, size, size if single else window, bool(dictionary), False
        at = p


def undress(data, writer):
    """The bytes of the records, and where each frame of them ends."""
    if data[:4] != b"\x28\xB5\x2F\xFD" and not (data[:1] in [bytes([0x50 + i]) for i in range(16)]
                                               and data[1:4] == b"\x2A\x4D\x18"):
        return data, None
    ends, total = [], 0
    for _, _, checksum, size, window, dictionary, skippable in frames(data):
        if skippable:
            need(not writer, "writer: skippable frame")
            continue
        need(checksum, "frame without a content checksum")
        need(not dictionary, "frame that needs a dictionary")
        need(window <= 1 << 27, "window over 2^27")
        need(not writer or size is not None, "writer: frame without content size")
        need(not writer or window <= 1 << 23 or window == size, "writer: window over 2^23")
        total += size or 0
        ends.append(total)
    done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True)
    need(done.returncode == 0, "damaged zstd: " + done.stderr.decode(errors="replace").strip())
    return done.stdout, ends


def pairs(items):
    keys = [k for k, _ in items]
    need(len(set(keys)) == len(keys), "duplicate key")
    return dict(items)


class Record:
    def __init__(self, image, header, size):
        self.meta = header.pop("__metadata__", {})
        self.tensors = header
        self.size = size
        self.data = image[-size:] if size else b""

    def array(self, name):
        t = self.tensors[name]
        a, b = t["data_offsets"]
        return list(struct.unpack(f"<{(b - a) // SIZES[t['dtype']]}{CODES[t['dtype']]}", self.data[a:b]))


def whole(x):
    return isinstance(x, int) and not isinstance(x, bool) and 0 <= x < 1 << 63


def limits(text):
    """Depth and numbers of JSON text that parsed."""
    depth = 0
    for token in re.findall(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|[-+.0-9eE]+', text):
        depth += (token in "[{") - (token in "]}")
        need(depth <= MAX_DEPTH, "JSON too deep")
        need(token[0] == '"' or len(token) <= MAX_NUMBER, "JSON number too long")


def decode(data, at):
    """The record at data[at:] and where it ends."""
    need(len(data) - at >= 8, "truncated inside a record")
    n, = struct.unpack_from("<Q", data, at)
    need(2 <= n <= MAX_HEADER, "header too long: not an image")
    need(len(data) - at - 8 >= n, "truncated inside a record")
    text = data[at + 8:at + 8 + n]
    need(text[:1] == b"{", "header does not start with {")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=pairs,
                            parse_constant=lambda c: need(False, c))
        text.decode("utf-8") and json.dumps(header, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as e:
        raise Bad(f"header is not JSON: {e}") from None
    limits(text.decode("utf-8"))
    meta = header.get("__metadata__", {})
    need(isinstance(meta, dict) and all(isinstance(v, str) for v in meta.values()), "metadata that is not strings")
    need("\0" not in "".join([*header, *meta, *meta.values()]), "NUL character")
    tensors = [t for k, t in header.items() if k != "__metadata__"]
    need(len(tensors) <= MAX_TENSORS, "too many tensors")
    end = 0
    for t in sorted(tensors, key=lambda t: t["data_offsets"]):
        a, b = t["data_offsets"]
        need(whole(a) and whole(b) and a <= b, "offsets that are none")
        need(a == end, "hole or overlap")
        need(len(t["shape"]) <= 8 and all(whole(x) for x in t["shape"]), "shape that is none")
        count = 1
        for x in t["shape"]:
            count *= x
        need(count < 1 << 64, "shape that overflows")
        need(isinstance(t["dtype"], str), "dtype that is not a string")
        need(t["dtype"] not in SIZES or count * SIZES[t["dtype"]] == b - a, "size does not match the shape")
        end = b
    need(8 + n + end <= MAX_RECORD, "record too large")
    need(len(data) - at - 8 - n >= end, "truncated inside a record")
    stop = at + 8 + n + end
    return Record(data[at:stop], header, end), text, stop


def string(s):
    return json.dumps(s, ensure_ascii=False)


def canonical(meta, tensors):
    """The header as the page wants it written, without its padding."""
    parts = []
    if meta:
        parts.append('"__metadata__":{' + ",".join(f"{string(k)}:{string(meta[k])}" for k in sorted(meta, key=str.encode)) + "}")
    order = sorted(tensors, key=lambda k: (-SIZES[tensors[k]["dtype"]], k.encode()))
    at = 0
    for k in order:
        t = tensors[k]
        size = t["data_offsets"][1] - t["data_offsets"][0]
        parts.append(f'{string(k)}:{{"data_offsets":[{at},{at + size}],"dtype":"{t["dtype"]}",'
                     f'"shape":[{",".join(map(str, t["shape"]))}]}}')
        at += size
    return ("{" + ",".join(parts) + "}").encode()


def check_writer(record, text):
    want = canonical(record.meta, record.tensors)
    need(text.rstrip(b" ") == want, "writer: header is not " + want.decode())
    need((8 + len(text)) % 64 == 0 and len(text) - len(want) < 64, "writer: data does not start on 64 bytes")


def number(meta, key):
    s = meta.get(key, "")
    need(s.isascii() and s.isdigit() and str(int(s)) == s and int(s) < 1 << 63, f"{key} is not a number")
    return int(s)


class Reader:
    def __init__(self, kinds, writer):
        self.kinds, self.writer = kinds, writer
        self.first = None
        self.rows = self.examples = self.tokens = 0

    def chain(self, r):
        m = r.meta
        need("stz" in m, "not a stream record")
        major = m["stz"].split(".")[0]
        need(major.isdigit() and int(major) == 1, f"version {m['stz']}")
        need("kind" in m, "no kind")
        need(number(m, "seq") == self.seq, f"seq {m['seq']}, not {self.seq}")
        need(("prev" in m) == (self.seq > 0), "prev in a head, or none after it")
        need(self.seq == 0 or m["prev"] == f"{self.prev:016x}", "prev does not match")

    def file(self, data):
        """Yields ('head' | 'data' | 'end', record, base)."""
        need(data, "truncated: empty")
        data, ends = undress(data, self.writer)
        at, state = 0, "start"
        while at < len(data):
            if state == "ended":
                state = "start"
            if state == "start":
                self.seq, self.count = 0, 0
            record, text, stop = decode(data, at)
            self.chain(record)
            if self.writer:
                check_writer(record, text)
                need(ends is None or stop in ends and (at == 0 or at in ends), "writer: not one frame a record")
                need(ends is None or not any(at < e < stop for e in ends), "writer: a record in several frames")
            kind = record.meta["kind"]
            self.prev, self.seq = xxh64(data[at:stop]), self.seq + 1
            at = stop
            if kind == "error":
                raise Bad("upstream failed: " + record.meta.get("message", ""))
            need((kind == "head") == (state == "start"), f"{kind} where it cannot be")
            if kind == "head":
                self.head(record)
                if self.writer:
                    self.layout = Layout(record)
                state = "body"
                yield "head", record, self.base
            elif kind == "end":
                self.end(record)
                if self.writer:
                    self.layout.end(record)
                state = "ended"
                yield "end", record, self.base
            else:
                self.count += 1
                for name, t in record.tensors.items():
                    need(t["dtype"] in SIZES or not LISTED.fullmatch(name), f"{name} has an unknown dtype")
                if self.writer:
                    self.layout.data(record)
                if not self.kinds or kind == record_kind(self.first):
                    yield "data", record, self.base
        need(state == "ended", "truncated: no end record")

    def head(self, record):
        schema = record.meta.get("schema", "")
        need(schema, "no schema")
        need(not self.kinds or schema in self.kinds, f"a stream of {schema}")
        if self.first:
            for key in AGREE:
                need(self.first.meta.get(key) == record.meta.get(key), f"{key} differs")
        self.first = self.first or record
        self.shard = "shard" in record.meta
        self.base = 0 if self.shard else self.rows

    def end(self, record):
        need(sorted(record.meta) == sorted(("stz", "kind", "seq", "prev", "records", "examples", "tokens", "rows"))
             and not record.tensors, "end with other keys")
        need(number(record.meta, "records") == self.count, "records missing")
        rows = number(record.meta, "rows")
        self.rows = max(self.rows, rows) if self.shard else self.rows + rows
        self.examples += number(record.meta, "examples")
        self.tokens += number(record.meta, "tokens")


def record_kind(head):
    return head.meta["schema"]


def sequences(record, base, first):
    ids, cu, row = record.array("input_ids"), record.array("cu_seqlens"), record.array("row")
    need(cu[0] == 0 and cu[-1] == len(ids) and len(cu) == len(row) + 1, "cu_seqlens")
    labels = record.array("labels") if "labels" in record.tensors else None
    for i, r in enumerate(row):
        line = {"row": r + base, "input_ids": ids[cu[i]:cu[i + 1]]}
        if labels is not None and len(labels) == len(row):
            line["label"] = labels[i]
        yield line


def main(argv):
    writer = kinds = cat = None
    names = []
    while argv:
        a = argv.pop(0)
        if a == "--writer":
            writer = True
        elif a == "--cat":
            cat = True
        elif a == "--kind":
            kinds = argv.pop(0).split("|")
        else:
            names.append(a)
    reader = Reader(kinds, writer)
    n = 0
    try:
        for name in names or ["-"]:
            data = sys.stdin.buffer.read() if name == "-" else open(name, "rb").read()
            for what, record, base in reader.file(data):
                n += 1
                if not cat:
                    print(what, json.dumps(record.meta, sort_keys=True), base,
                          {k: (t["dtype"], t["shape"]) for k, t in record.tensors.items()})
                elif what == "data":
                    for line in sequences(record, base, reader.first):
                        print(json.dumps(line))
    except (Bad, KeyError, TypeError, ValueError) as e:
        print(f"read_stream: record {n}: {e}", file=sys.stderr)
        return 3
    print(f"rows {reader.rows} examples {reader.examples} tokens {reader.tokens}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
