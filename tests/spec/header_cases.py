#!/usr/bin/env python3
"""Headers at the edge of mbert-stream(5), each as the second record of a whole stream.

    header_cases.py DIR

Writes DIR/NAME for each case, undressed, and DIR/list: a line `NAME good|bad MESSAGE` each,
where MESSAGE is a part of what our reader says.  The second reader (read_stream.py) must
agree on each, or this exits 1.
"""
import os
import struct
import sys
from edit_stream import build
from read_stream import Bad, Reader, xxh64

BIG = "9" * 64


def tensor(shape="[3]", offsets="[0,3]", dtype='"U8"', more=""):
    return '{"dtype":%s,"shape":%s,"data_offsets":%s%s}' % (dtype, shape, offsets, more)


def one(**how):
    return '{%M,"x":' + tensor(**how) + "}"


def unknown(value):
    return one(more=',"unknown":' + value)


def many(n):
    return "{%M," + ",".join(f'"t{i}":' + tensor("[0]", "[0,0]") for i in range(n)) + "}"


def nested(depth):
    """An unknown key whose innermost list is at this depth; header and tensor are two."""
    return unknown("[" * (depth - 2) + "]" * (depth - 2))


def wide(n):
    return one(shape="[" + ",".join(["1"] * (n - 1) + ["3"]) + "]")


# name: header (%M is the metadata, %K its inside), data, the part of the message or None
CASES = {
    "plain": (one(), b"abc", None),
    "no-tensors": ("{%M}", b"", None),
    "scalar": (one(shape="[]", offsets="[0,1]"), b"a", None),
    "no-elements": (one(shape="[0]", offsets="[0,0]"), b"", None),
    "metadata-last": ('{"x":' + tensor() + ",%M}", b"abc", None),
    "white-space": ('{ \t\r\n%M , "x" :\n' + tensor() + "\t}\n\n ", b"abc", None),
    "keys-in-any-order": ('{%M,"x":{"shape":[3],"data_offsets":[0,3],"dtype":"U8"}}', b"abc", None),
    "tensors-in-any-order": ('{%M,"a":' + tensor(offsets="[3,6]") + ',"b":' + tensor() + "}", b"abcdef", None),
    "empty-ones-between": ('{%M,"z":' + tensor() + ',"a":' + tensor("[0]", "[3,3]") + ',"b":' + tensor("[0]", "[0,0]")
                           + ',"y":' + tensor(offsets="[3,6]") + "}", b"abcdef", None),
    "escaped-key": ('{%M,"\\u0078\\n\\ud83d\\ude00":' + tensor() + "}", b"abc", None),
    "unknown-key": (unknown('{"a":[1,2.5,true,null,"s"]}'), b"abc", None),
    "unknown-dtype": (one(dtype='"Q7"'), b"abc", None),
    "depth-64": (nested(64), b"abc", None),
    "depth-65": (nested(65), b"abc", "nested deeper than 64"),
    "number-of-64": (unknown("0." + "1" * 62), b"abc", None),
    "number-of-65": (unknown("0." + "1" * 63), b"abc", "number longer than 64"),
    "dimensions-8": (wide(8), b"abc", None),
    "dimensions-9": (wide(9), b"abc", "more than 8 dimensions"),
    "tensors-65536": (many(65536), b"", None),
    "tensors-65537": (many(65537), b"", "tensors"),
    "twice-tensor": ('{%M,"x":' + tensor() + ',"x":' + tensor() + "}", b"abc", "duplicate"),
    "twice-escaped": ('{%M,"x":' + tensor() + ',"\\u0078":' + tensor("[0]", "[3,3]") + "}", b"abc", "duplicate"),
    "twice-shape": (one(more=',"shape":[3]'), b"abc", "duplicate"),
    "twice-unknown": (unknown('{"a":1,"a":1}'), b"abc", "duplicate"),
    "twice-in-list": (unknown('[{"a":1,"a":1}]'), b"abc", "duplicate"),
    "twice-metadata": ("{%M,%M}", b"", "duplicate"),
    "twice-in-metadata": ('{"__metadata__":{%K,"kind":"tokens"}}', b"", "duplicate"),
    "metadata-number": ('{"__metadata__":{%K,"n":1}}', b"", "not a string"),
    "metadata-null": ('{"__metadata__":{%K,"n":null}}', b"", "not a string"),
    "metadata-object": ('{"__metadata__":{%K,"n":{}}}', b"", "not a string"),
    "metadata-list": ('{"__metadata__":[]}', b"", "__metadata__"),
    "metadata-absent": ("{}", b"", "not a stream record"),
    "nul-in-value": ('{"__metadata__":{%K,"n":"a\\u0000b"}}', b"", "NUL"),
    "nul-in-key": ('{"__metadata__":{%K,"a\\u0000b":""}}', b"", "NUL"),
    "nul-in-name": ('{%M,"x\\u0000":' + tensor() + "}", b"abc", "NUL"),
    "control-character": ('{%M,"x\x01":' + tensor() + "}", b"abc", "control character"),
    "lone-surrogate": ('{%M,"\\ud800":' + tensor() + "}", b"abc", "string"),
    "bad-escape": ('{%M,"\\q":' + tensor() + "}", b"abc", "string"),
    "byte-order-mark": ("\ufeff{%M}", b"", "does not start with {"),
    "space-first": (" {%M}", b"", "does not start with {"),
    "no-object": ("[]", b"", "does not start with {"),
    "text-after": ("{%M} x", b"", "JSON"),
    "object-after": ("{%M}{}", b"", "JSON"),
    "zeros-after": ("{%M}\0\0", b"", "JSON"),
    "comma-last": ("{%M,}", b"", "JSON"),
    "comment": ("{%M/**/}", b"", "JSON"),
    "not-a-number": (unknown("NaN"), b"abc", "JSON"),
    "infinity": (unknown("Infinity"), b"abc", "JSON"),
    "leading-zero": (one(shape="[03]"), b"abc", "JSON"),
    "single-quotes": ("{%M,'x':1}", b"", "JSON"),
    "cut-off": ('{%M,"x":', b"", "JSON"),
    "tensor-number": ('{%M,"x":1}', b"", ""),
    "tensor-list": ('{%M,"x":[]}', b"", ""),
    "no-shape": ('{%M,"x":{"dtype":"U8","data_offsets":[0,3]}}', b"abc", ""),
    "no-dtype": ('{%M,"x":{"shape":[3],"data_offsets":[0,3]}}', b"abc", ""),
    "no-offsets": ('{%M,"x":{"dtype":"U8","shape":[3]}}', b"abc", ""),
    "dtype-number": (one(dtype="8"), b"abc", ""),
    "shape-number": (one(shape="3"), b"abc", "shape"),
    "shape-negative": (one(shape="[-3]"), b"abc", ""),
    "shape-float": (one(shape="[3.0]"), b"abc", ""),
    "shape-power": (one(shape="[3e0]"), b"abc", ""),
    "shape-string": (one(shape='["3"]'), b"abc", ""),
    "shape-true": (one(shape="[true]", offsets="[0,1]"), b"a", ""),
    "shape-long": (one(shape="[%s]" % BIG), b"abc", ""),
    "shape-wraps": (one(shape="[4294967296,4294967296]", offsets="[0,0]"), b"", "shape too large"),
    "shape-wraps-bytes": (one(shape="[2305843009213693952]", offsets="[0,0]", dtype='"I64"'), b"", "too large"),
    "shape-wraps-unknown": (one(shape="[4294967296,4294967296]", offsets="[0,0]", dtype='"Q7"'), b"", "too large"),
    "offsets-one": (one(offsets="[0]"), b"abc", "offsets"),
    "offsets-three": (one(offsets="[0,3,3]"), b"abc", "offsets"),
    "offsets-backwards": (one(offsets="[3,0]"), b"abc", ""),
    "offsets-negative": (one(offsets="[-3,0]"), b"abc", "offsets"),
    "offsets-float": (one(offsets="[0,3.0]"), b"abc", "offsets"),
    "hole-first": (one(offsets="[1,4]"), b"abcd", "hole"),
    "hole": ('{%M,"x":' + tensor() + ',"y":' + tensor(offsets="[4,7]") + "}", b"abcdefg", "hole"),
    "overlap": ('{%M,"x":' + tensor() + ',"y":' + tensor(offsets="[2,5]") + "}", b"abcde", "overlap"),
    "same-bytes": ('{%M,"x":' + tensor() + ',"y":' + tensor() + "}", b"abc", "overlap"),
    "inside": ('{%M,"x":' + tensor() + ',"y":' + tensor("[0]", "[1,1]") + "}", b"abc", "overlap"),
    "size-small": (one(shape="[4]"), b"abc", "size does not match its shape"),
    "size-large": (one(shape="[2]"), b"abc", "size does not match its shape"),
    "needed-dtype": ('{%M,"row":' + tensor("[1]", "[0,3]", '"Q7"') + "}", b"abc", "'row' has a dtype"),
    "kept-dtype": ('{%M,"keep.id":' + tensor(dtype='"Q7"') + "}", b"abc", "'keep.id' has a dtype"),
    "layer-dtype": ('{%M,"hidden.3":' + tensor(dtype='"Q7"') + "}", b"abc", "'hidden.3' has a dtype"),
    "bytes-left-over": (one(), b"abcd", ""),
    "prev-upper-case": ('{"__metadata__":{"kind":"tokens","prev":"%P","seq":"1","stz":"1"}}', b"", "prev does not match"),
    "seq-zeros": ('{"__metadata__":{"kind":"tokens","prev":"%p","seq":"01","stz":"1"}}', b"", "seq is missing or not a number"),
    "seq-sign": ('{"__metadata__":{"kind":"tokens","prev":"%p","seq":"+1","stz":"1"}}', b"", "seq is missing or not a number"),
    "seq-space": ('{"__metadata__":{"kind":"tokens","prev":"%p","seq":" 1","stz":"1"}}', b"", "seq is missing or not a number"),
    "stz-minor": ('{"__metadata__":{"kind":"tokens","prev":"%p","seq":"1","stz":"1.9"}}', b"", None),
    "stz-10": ('{"__metadata__":{"kind":"tokens","prev":"%p","seq":"1","stz":"10"}}', b"", "version 10 is newer"),
    "stz-empty": ('{"__metadata__":{"kind":"tokens","prev":"%p","seq":"1","stz":""}}', b"", "is not a version"),
}


def stream(text, data):
    head = build({"kind": "head", "schema": "tokens", "seq": "0", "stz": "1"}, {}, {})
    prev = f"{xxh64(head):016x}"
    inside = '"kind":"tokens","prev":"%s","seq":"1","stz":"1"' % prev
    text = text.replace("%M", '"__metadata__":{%s}' % inside).replace("%K", inside)
    text = text.replace("%p", prev).replace("%P", prev.upper()).encode()
    record = struct.pack("<Q", len(text)) + text + data
    # the counts do not matter to a reader, the number of records does
    end = build({"examples": "0", "kind": "end", "prev": f"{xxh64(record):016x}", "records": "1", "rows": "0",
                 "seq": "2", "stz": "1", "tokens": "0"}, {}, {})
    return head + record + end


def second_opinion(raw):
    """None, or what the second reader has against it."""
    try:
        for _ in Reader(None, False).file(raw):
            pass
    except (Bad, KeyError, TypeError, ValueError) as e:
        return str(e) or type(e).__name__
    return None


def main(to):
    differ = 0
    with open(os.path.join(to, "list"), "w", encoding="utf-8") as out:
        for name, (text, data, why) in CASES.items():
            raw = stream(text, data)
            with open(os.path.join(to, name), "wb") as f:
                f.write(raw)
            print(name, "good" if why is None else "bad", why or "", file=out)
            said = second_opinion(raw)
            if (said is None) != (why is None):
                print(f"{name}: the second reader says {said}", file=sys.stderr)
                differ = 1
    return differ


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
