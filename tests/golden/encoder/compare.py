#!/usr/bin/env python3
"""compare.py - tensors that our tools wrote against an encoder case.

    compare.py CASE MINE.safetensors [--rename OURS=THEIRS]... [--times 3] [--dtype f32|bf16]

CASE holds expected.safetensors and errors.json (README.md).  Every tensor of MINE that the case
knows under that name is compared; from final_hidden and logits, what the case knows instead is
computed: final_first, final_last (with cu_seqlens), final_rownorm, probs.  Fails when NMSE is not
<= 3 times that of transformers' own float32 run, or with --dtype bf16 twice that of its bf16
run under autocast, when a shape differs or a value is not finite.
Prints one line a tensor; exit status 0, 1 = a tensor failed, 2 = nothing was compared.
"""
import argparse
import json
import os
import sys
import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
         "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "u1"}


def read(path):
    with open(path, "rb") as f:
        b = f.read()
    n = int.from_bytes(b[:8], "little")
    header = json.loads(b[8:8 + n])
    meta = header.pop("__metadata__", None) or {}
    out = {}
    for name, t in header.items():
        start, end = t["data_offsets"]
        a = np.frombuffer(b[8 + n + start:8 + n + end], dtype=TYPES[t["dtype"]])
        if t["dtype"] == "BF16":
            a = (a.astype(np.uint32) << 16).view(np.float32)
        out[name] = a.reshape(t["shape"])
    return out, meta


def nmse(a, e):
    if a.shape != e.shape or not np.isfinite(a).all():
        return float("nan")
    a, e = a.astype(np.float64), e.astype(np.float64)
    total = (e ** 2).sum()
    return float(((a - e) ** 2).sum() / (total if total > 0 else 1))


def derive(mine, want, multi):
    """what the case stores in place of whole tensors"""
    if "final_hidden" in mine and "final_first" in want:
        h, cu = mine["final_hidden"], mine["cu_seqlens"]
        mine["final_first"], mine["final_last"] = h[cu[:-1]], h[cu[1:] - 1]
        mine["final_rownorm"] = np.sqrt((h.astype(np.float64) ** 2).sum(-1))
    if "logits" in mine and "probs" in want:
        x = mine["logits"].astype(np.float64)
        e = np.exp(x - x.max(-1, keepdims=True))
        mine["probs"] = 1 / (1 + np.exp(-x)) if multi else e / e.sum(-1, keepdims=True)


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    p.add_argument("case")
    p.add_argument("mine")
    p.add_argument("--rename", action="append", default=[])
    p.add_argument("--times", type=float)
    p.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
    o = p.parse_args()
    want, meta = read(os.path.join(o.case, "expected.safetensors"))
    inputs, _ = read(os.path.join(o.case, "inputs.safetensors"))
    with open(os.path.join(o.case, "errors.json")) as f:
        theirs = json.load(f)["hf_f32_eager" if o.dtype == "f32" else "hf_autocast_bf16_sdpa"]
    o.times = o.times or (3 if o.dtype == "f32" else 2)
    mine, _ = read(o.mine)
    for pair in o.rename:
        ours, name = pair.split("=")
        mine[name] = mine.pop(ours)
    derive(mine, want, inputs.get("labels", np.zeros(0)).ndim == 2)
    rows = want.get(json.loads(meta.get("partial", "{}")).get("rows") or "")
    failed = compared = 0
    for name in sorted(set(mine) & set(want)):
        key = "hidden_worst" if name.startswith("hidden.") else name
        if key not in theirs:
            continue
        a, e = mine[name], want[name]
        if rows is not None and a.ndim == 2 and len(a) > len(e) == len(rows):
            a = a[rows]
        limit, got = o.times * theirs[key][1], nmse(a, e)
        ok = got <= limit
        failed, compared = failed + (not ok), compared + 1
        print("%-4s %-14s NMSE %.2e  limit %.2e" % ("ok" if ok else "FAIL", name, got, limit))
    return 1 if failed else 0 if compared else 2


if __name__ == "__main__":
    sys.exit(main())
