#!/usr/bin/env python3
"""Makes bad streams of good ones, for the tests of mbert-stream(5).

    edit_stream.py frames N,N,...    < IN > OUT    these frames, in this order (0 is the head)
    edit_stream.py meta N K=V|K= ... < IN > OUT    metadata of record N set or removed, prev left alone
    edit_stream.py rechain N K=V ... < IN > OUT    the same, and every later prev made right
    edit_stream.py header N TEXT     < IN > OUT    another JSON header for record N, chain made right
    edit_stream.py nocheck N         < IN > OUT    frame N without its checksum
    edit_stream.py drop-tensor N T   < IN > OUT    record N without tensor T, chain made right
    edit_stream.py flip BYTE BIT     < IN > OUT    one bit of the compressed bytes
    edit_stream.py craft             < JSON > OUT  records from metadata alone, a list of objects
"""
import json
import struct
import subprocess
import sys
from read_stream import canonical, decode, frames, undress, xxh64


def zstd(image, *options):
    return subprocess.run(["zstd", "-cq", *options, "--stream-size=%d" % len(image)], input=image,
                          stdout=subprocess.PIPE, check=True).stdout


def build(meta, tensors, data):
    """An image: canonical order, `data` by name."""
    text = canonical(meta, tensors)
    text += b" " * (-(8 + len(text)) % 64)
    header = json.loads(text)
    names = sorted((k for k in header if k != "__metadata__"), key=lambda k: header[k]["data_offsets"])
    return struct.pack("<Q", len(text)) + text + b"".join(data[k] for k in names)


def images(raw):
    bare, _ = undress(raw, False)
    at, found = 0, []
    while at < len(bare):
        record, _, stop = decode(bare, at)
        found.append((record, bare[at:stop]))
        at = stop
    return found


def parts(record):
    return {k: record.data[t["data_offsets"][0]:t["data_offsets"][1]] for k, t in record.tensors.items()}


def rebuild(found, n, change, chain):
    """All images, record n changed, with prev made right from there on when chain is set."""
    out = []
    for i, (record, image) in enumerate(found):
        if i == n:
            image = change(record)
        elif i > n and chain and "prev" in record.meta:
            record.meta["prev"] = f"{xxh64(out[-1]):016x}"
            image = build(record.meta, record.tensors, parts(record))
        out.append(image)
    return out


def set_meta(words):
    def change(record):
        for word in words:
            key, _, value = word.partition("=")
            record.meta.pop(key, None)
            if value:
                record.meta[key] = value
        return build(record.meta, record.tensors, parts(record))
    return change


def drop(name):
    def change(record):
        data = parts(record)
        del record.tensors[name]
        return build(record.meta, record.tensors, data)
    return change


def main(op, *args):
    raw = sys.stdin.buffer.read()
    if op == "frames":
        found = [raw[f[0]:f[1]] for f in frames(raw)]
        out = [found[int(i)] for i in args[0].split(",")]
    elif op == "nocheck":
        out = [raw[f[0]:f[1]] for f in frames(raw)]
        n = int(args[0])
        out[n] = zstd(images(raw)[n][1], "--no-check")
    elif op == "flip":
        b = bytearray(raw)
        b[int(args[0])] ^= 1 << int(args[1])
        out = [bytes(b)]
    elif op == "craft":
        out, last = [], b""
        for meta in json.loads(raw):
            if meta.get("prev") == "PREV":
                meta["prev"] = f"{xxh64(last):016x}"
            last = build(meta, {}, {})
            out.append(zstd(last))
    else:
        n = int(args[0])
        change = {"meta": lambda: set_meta(args[1:]), "rechain": lambda: set_meta(args[1:]),
                  "drop-tensor": lambda: drop(args[1]),
                  "header": lambda: lambda r: struct.pack("<Q", len(args[1].encode())) + args[1].encode() + r.data}[op]()
        out = [zstd(i) for i in rebuild(images(raw), n, change, op != "meta")]
    sys.stdout.buffer.write(b"".join(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
