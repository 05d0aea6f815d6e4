#!/usr/bin/env python3
"""digest.py - `tens cat --json` of a tokens stream on stdin to one line: sequences, ids,
sha256 of all ids as u16 little-endian, sha256 of the lengths as u32 little-endian."""
import array, hashlib, json, sys

ids, lengths, rows, total = hashlib.sha256(), hashlib.sha256(), 0, 0
for line in sys.stdin:
    one = json.loads(line)["input_ids"]
    ids.update(array.array("H", one).tobytes())
    lengths.update(array.array("I", [len(one)]).tobytes())
    rows += 1
    total += len(one)
print(rows, total, ids.hexdigest(), lengths.hexdigest())
