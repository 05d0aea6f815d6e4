#!/usr/bin/env python3
"""model.py - the model as mbert-tools(7) writes it out, one sequence at a time, in numpy.

    model.py DIR TOKENS.jsonl SCORES.jsonl

DIR is a classifier; TOKENS.jsonl is what `tens cat --json` prints of its tokens, SCORES.jsonl
what `clf-head --logits` prints.  Exit 1 when logits differ by more than 1e-4 of the largest.
Written from the page alone, so that a mistake in either shows.
"""
import json
import math
import sys

import numpy as np


def load(path):
    with open(path, "rb") as f:
        raw = f.read()
    n = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8:8 + n])
    out = {}
    for name, t in head.items():
        if name != "__metadata__":
            assert t["dtype"] == "F32", name
            a, b = (8 + n + x for x in t["data_offsets"])
            out[name] = np.frombuffer(raw[a:b], "<f4").astype(np.float64).reshape(t["shape"])
    return out


def gelu(z):
    return z / 2 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))


class Model:
    def __init__(self, directory):
        with open(directory + "/config.json", encoding="utf-8") as f:
            self.c = json.load(f)
        self.w = load(directory + "/model.safetensors")
        assert self.c["hidden_activation"] == self.c["classifier_activation"] == "gelu"
        assert not any(self.c[k + "_bias"] for k in ("attention", "mlp", "norm", "classifier"))

    def norm(self, x, name):
        d = x - x.mean(-1, keepdims=True)
        return d / np.sqrt((d * d).mean(-1, keepdims=True) + self.c["norm_eps"]) * self.w[name + ".weight"]

    def rotate(self, y, theta):
        """y [rows, K]"""
        half = y.shape[1] // 2
        angle = np.arange(len(y))[:, None] * theta ** (-2 * np.arange(half) / y.shape[1])
        a, b = y[:, :half], y[:, half:]
        return np.hstack([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)])

    def attention(self, x, i):
        kind, name = self.c["layer_types"][i], f"model.layers.{i}.attn."
        theta = self.c["rope_parameters"][kind]["rope_theta"]
        rows, d = x.shape
        k = d // self.c["num_attention_heads"]
        q, key, v = np.split(x @ self.w[name + "Wqkv.weight"].T, 3, axis=1)
        at = np.arange(rows)
        seen = np.ones((rows, rows), bool)
        if kind == "sliding_attention":
            seen = abs(at[:, None] - at) <= self.c["local_attention"] // 2
        out = np.empty((rows, d))
        for h in range(0, d, k):
            s = self.rotate(q[:, h:h + k], theta) @ self.rotate(key[:, h:h + k], theta).T / math.sqrt(k)
            p = np.exp(np.where(seen, s, -np.inf) - s.max(1, keepdims=True))
            out[:, h:h + k] = p / p.sum(1, keepdims=True) @ v[:, h:h + k]
        return out @ self.w[name + "Wo.weight"].T

    def glu(self, x, i):
        name = f"model.layers.{i}.mlp."
        first, gate = np.split(x @ self.w[name + "Wi.weight"].T, 2, axis=1)
        return gelu(first) * gate @ self.w[name + "Wo.weight"].T

    def logits(self, ids):
        x = self.norm(self.w["model.embeddings.tok_embeddings.weight"][ids], "model.embeddings.norm")
        for i in range(self.c["num_hidden_layers"]):
            x = x + self.attention(self.norm(x, f"model.layers.{i}.attn_norm") if i else x, i)
            x = x + self.glu(self.norm(x, f"model.layers.{i}.mlp_norm"), i)
        h = self.norm(x, "model.final_norm")
        p = h[0] if self.c["classifier_pooling"] == "cls" else h.mean(0)
        z = self.norm(gelu(p @ self.w["head.dense.weight"].T), "head.norm")
        return z @ self.w["classifier.weight"].T + self.w["classifier.bias"]


def main():
    directory, tokens, scores = sys.argv[1:]
    model = Model(directory)
    with open(tokens, encoding="utf-8") as t, open(scores, encoding="utf-8") as s:
        rows = [(json.loads(a), json.loads(b)) for a, b in zip(t, s, strict=True)]
    assert rows
    for a, b in rows:
        assert a["row"] == b["row"], (a["row"], b["row"])
        want, got = model.logits(a["input_ids"]), np.array(b["logits"])
        if not np.abs(want - got).max() <= 1e-4 * np.abs(want).max():
            sys.exit(f"row {a['row']}: the page gives {want}, the tools {got}")
    print(f"{len(rows)} rows agree")


if __name__ == "__main__":
    main()
