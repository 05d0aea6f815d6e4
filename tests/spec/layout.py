"""What the section Kinds of mbert-stream(5) says of heads, tensors and totals, as checks.

    layout = Layout(head); layout.data(record); ...; layout.end(record)

raises ValueError naming what is not as the page says.  Records are read_stream.Record.
"""
import json
import re

FLOATS = ("F32", "BF16")


def need(ok, why):
    if not ok:
        raise ValueError("writer: " + why)


class Layout:
    """One stream's records, against its head and its end."""

    def __init__(self, head):
        m = self.head = head.meta
        need(not head.tensors, "a head with tensors")
        self.schema = m["schema"]
        self.records = self.examples = self.tokens = 0
        self.top = -1
        self.seen = None
        for key in ("tokenizer", "model"):
            need(re.fullmatch("[0-9a-f]{16}", m.get(key, "0" * 16)), f"{key} is not 16 hexadecimal digits")
        for key in ("vocab", "max_length"):
            need(re.fullmatch("[1-9][0-9]*", m.get(key, "1")), f"{key} is not a number")
        self.vocab = int(m.get("vocab", 1 << 31))
        self.longest = int(m.get("max_length", 1 << 31))
        need(m.get("task", "single") in ("single", "multi", "regression", "token"), "task " + m.get("task", ""))
        need(m.get("dtype", "F32") in FLOATS, "dtype " + m.get("dtype", ""))
        self.labels = json.loads(m.get("labels", "[]"))
        need(all(isinstance(x, str) for x in self.labels), "labels is not a list of names")
        need(all(isinstance(x, int) for x in json.loads(m.get("specials", "{}")).values()), "specials")
        chain = json.loads(m["chain"])
        need(chain and all(list(x) == ["tool", "version", "options"] for x in chain), "chain")
        need(all("/" not in x["tool"] for x in chain), "chain with a path")

    def fits(self, record, name, dtypes, *shape):
        t = record.tensors.get(name)
        if t is None:
            return None
        need(t["dtype"] in dtypes, f"{name} is {t['dtype']}")
        need(len(t["shape"]) == len(shape), f"{name} has {len(t['shape'])} dimensions")
        need(all(want is None or have == want for have, want in zip(t["shape"], shape)),
             f"{name} is {t['shape']}, not {shape}")
        return t["shape"]

    def data(self, record):
        need(record.meta["kind"] == self.schema, "kind is not the head's schema")
        row = record.array("row")
        cu = record.array("cu_seqlens") if "cu_seqlens" in record.tensors else None
        b, t = len(row), cu[-1] if cu else None
        self.fits(record, "row", ("I64",), b)
        self.fits(record, "cu_seqlens", ("I32",), b + 1)
        self.sequences(record, b, t)
        self.payload(record, b, t)
        if cu:
            need(cu[0] == 0 and all(x < y <= x + self.longest for x, y in zip(cu, cu[1:])), "cu_seqlens")
        need(not row or min(row) >= 0, "row below 0")
        self.top = max([self.top, *row])
        self.records += 1
        if row != self.seen or self.schema != "hidden":  # a record a layer counts once
            self.examples += b
            self.tokens += t or 0
        self.seen = row

    def sequences(self, record, b, t):
        self.fits(record, "truncated", ("U8",), b)
        self.fits(record, "window", ("I32",), b)
        self.fits(record, "spans", ("I32",), t, 2)
        self.fits(record, "words", ("I32",), t, 2)
        if "truncated" in record.tensors:
            need(set(record.array("truncated")) <= {0, 1}, "truncated is not 0 or 1")
        if "labels" in record.tensors:
            self.truth(record, b, t)
        for name in record.tensors:
            if name.startswith("keep.") and name.endswith(".offsets"):
                kept = self.fits(record, name[:-8], ("U8",), None)
                at = record.array(name)
                need(self.fits(record, name, ("I32",), b + 1), name)
                need(kept and at[0] == 0 and at == sorted(at) and at[-1] == kept[0], f"{name} do not cut the bytes")
                text = bytes(record.array(name[:-8]))
                for x, y in zip(at, at[1:]):
                    json.loads(text[x:y] or b"null")

    def truth(self, record, b, t):
        shape = record.tensors["labels"]["shape"]
        task = self.head.get("task", "single")
        if task == "multi":
            self.fits(record, "labels", ("F32",), b, len(self.labels) or None)
            need(set(record.array("labels")) <= {0.0, 1.0}, "multi-labels are 0 or 1")
        elif task == "regression":
            self.fits(record, "labels", ("F32",), b)
        else:
            need(shape == [t] or shape == [b] and task != "token", f"labels is {shape}")
            self.fits(record, "labels", ("I32",), None)
            top = len(self.labels) or 1 << 31
            need(all(x == -100 or 0 <= x < top for x in record.array("labels")), "a label outside the classes")

    def payload(self, record, b, t):
        kind = self.schema
        if kind in ("tokens", "batch"):
            need(self.fits(record, "input_ids", ("I32",) if self.vocab > 65536 else ("U16",), t), "no input_ids")
            need(all(0 <= x < self.vocab for x in record.array("input_ids")), "an id outside the vocabulary")
            need(kind == "batch" or b <= 1024 and (t <= 65536 or b == 1), "a tokens record that is too full")
        elif kind == "hidden":
            names = [k for k in record.tensors if k == "final_hidden" or re.fullmatch(r"hidden\.\d+", k)]
            need(len(names) == 1, f"{names} in one record")
            need(self.fits(record, names[0], FLOATS, t, None), "no hidden")
        elif kind == "logits" and record.tensors.get(kind, {}).get("shape", [b])[0] != b:
            need(self.fits(record, kind, ("F32",), t, None), "no logits")
        else:
            need(self.fits(record, kind, ("F32",), b, None), f"no {kind}")
            if kind != "pooled":
                width = len(self.labels) or None
                for name in ("logits", "scores"):
                    self.fits(record, name, ("F32",), b, width)

    def end(self, record):
        m = record.meta
        need(int(m["records"]) == self.records, f"{m['records']} records, there were {self.records}")
        need(int(m["examples"]) == self.examples, f"{m['examples']} examples, there were {self.examples}")
        need(int(m["tokens"]) == self.tokens or not self.tokens, f"{m['tokens']} tokens, there were {self.tokens}")
        need(int(m["rows"]) > self.top, f"{m['rows']} rows, and row {self.top}")
