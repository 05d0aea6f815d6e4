"""tensors.py OUT < JSON: writes a .safetensors file from what a test says.

    {"input_ids": ["I32", [1, 2, 3]], "x": ["F32", [[1, 2], [3, "nan"]]], "text": ["U8", "abc"]}

The shape is that of the nested lists; "@key": "value" is metadata, "nan" and "inf" are floats.
Only the standard library is used, and nothing of the project.
"""
import json
import struct
import sys

CODES = {"F32": "f", "F64": "d", "I64": "q", "I32": "i", "U16": "H", "U8": "B"}


def shape(values):
    dims = []
    while isinstance(values, list):
        dims.append(len(values))
        if not values:
            break
        values = values[0]
    return dims


def flat(values):
    if not isinstance(values, list):
        return [values]
    return [x for v in values for x in flat(v)]


def pack(dtype, values):
    if dtype == "BF16":
        return b"".join(struct.pack("<f", float(v))[2:] for v in values)
    if dtype.startswith("F"):
        values = [float(v) for v in values]
    return struct.pack("<%d%s" % (len(values), CODES[dtype]), *values)


header, data = {}, b""
said = json.load(sys.stdin)
meta = {name[1:]: what for name, what in said.items() if name.startswith("@")}
if meta:
    header["__metadata__"] = meta
# wide types first, as the safetensors library does, so that all are aligned
tensors = [(name, what) for name, what in said.items() if not name.startswith("@")]
for name, (dtype, values) in sorted(tensors, key=lambda t: -struct.calcsize(CODES.get(t[1][0], "H"))):
    values = list(values.encode()) if isinstance(values, str) else values
    raw = pack(dtype, flat(values))
    header[name] = {"dtype": dtype, "shape": shape(values), "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data)
