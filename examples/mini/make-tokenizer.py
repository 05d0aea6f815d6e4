#!/usr/bin/env python3
"""make-tokenizer.py - train the mini model's tokenizer.json.

    pip install tokenizers==0.23.3; python3 make-tokenizer.py [--out tokenizer.json]

The same structure as ModernBERT's tokenizer: NFC, GPT-2's byte-level pre-tokenizer, BPE,
added tokens of every kind around the trained vocabulary (two in front, the rest behind),
[CLS] A [SEP] and [CLS] A [SEP] B [SEP].  The text is what lies in this directory: the
prose, the fillers, the training templates and the training rows.  config.json's vocab_size
is the number of ids rounded up to a multiple of 64.
"""
import argparse
import json
import pathlib

import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).resolve().parent
FRONT = ["|||IP_ADDRESS|||", "<|padding|>"]
RUNS = [" " * n for n in range(24, 1, -1)]
BEHIND = ["|||EMAIL_ADDRESS|||", "|||PHONE_NUMBER|||", "<|endoftext|>"]
SPECIAL = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
UNUSED = 10
ENTRIES = 4000  # at most; BPE ends earlier, when no pair is left that occurs twice


def text():
    for name in ("prose.txt", "slots.txt", "train.txt"):
        for line in (HERE / name).read_text(encoding="utf-8").split("\n"):
            if not line.startswith(("#", "= ")):
                yield line
    for line in (HERE / "train.jsonl").read_text(encoding="utf-8").split("\n"):
        if line:
            yield json.loads(line)["prompt"]


def flags(content, at):
    named = content.startswith("[") and not content.startswith("[unused")
    special = named or content.startswith("<|")
    return {"id": at, "content": content, "single_word": False, "lstrip": content == "[MASK]",
            "rstrip": False, "normalized": not special, "special": special}


def train(entries):
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    # bytes that UTF-8 never holds get no entry, as in ModernBERT's vocabulary
    never = {0xC0, 0xC1, *range(0xF5, 0x100)}
    kept = [b for b in range(256) if b not in never]
    tok.train_from_iterator(text(), trainers.BpeTrainer(
        vocab_size=entries, min_frequency=2, show_progress=False,
        initial_alphabet=sorted(byte_char(b) for b in kept)))
    return json.loads(tok.to_str())


def byte_char(b):
    """GPT-2's printable stand-in for a byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    if b in plain:
        return chr(b)
    return chr(256 + [c for c in range(256) if c not in plain].index(b))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default=HERE / "tokenizer.json")
    out = p.parse_args().out
    assert tokenizers.__version__ == "0.23.3", tokenizers.__version__
    extra = len(FRONT) + len(RUNS) + len(BEHIND) + len(SPECIAL) + UNUSED
    j = train(ENTRIES - extra)
    pieces = FRONT + sorted(j["model"]["vocab"], key=j["model"]["vocab"].get)
    behind = RUNS + BEHIND + SPECIAL + [f"[unused{n}]" for n in range(UNUSED)]
    at = {c: i for i, c in enumerate(FRONT)}
    at.update({c: len(pieces) + i for i, c in enumerate(behind)})
    # as in the original, the runs of spaces and their kind are vocabulary too; [UNK] and what
    # follows it are added tokens only
    j["model"]["vocab"] = {c: i for i, c in enumerate(pieces + RUNS + BEHIND)}
    j["added_tokens"] = [flags(c, at[c]) for c in FRONT + behind]

    def one(name):
        return {"SpecialToken": {"id": name, "type_id": 0}}

    def seq(name):
        return {"Sequence": {"id": name, "type_id": 0}}
    single = [one("[CLS]"), seq("A"), one("[SEP]")]
    j["post_processor"] = {
        "type": "TemplateProcessing", "single": single, "pair": single + [seq("B"), one("[SEP]")],
        "special_tokens": {c: {"id": c, "ids": [at[c]], "tokens": [c]} for c in sorted(SPECIAL)}}
    j["model"]["merges"] = [m if isinstance(m, str) else " ".join(m) for m in j["model"]["merges"]]
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        json.dump(j, f, ensure_ascii=False, indent=1)
        f.write("\n")
    tok = Tokenizer.from_file(str(out))
    assert all(tok.token_to_id(c) == i for c, i in at.items())
    print(f"{len(j['model']['vocab'])} entries, {len(j['model']['merges'])} merges, "
          f"{tok.get_vocab_size()} ids")


if __name__ == "__main__":
    main()
