#!/usr/bin/env python3
"""quality_peer.py - training steps of PyTorch and transformers, for tests/bench/quality.

    quality_peer.py DIR ROWS.jsonl f32|bf16

ROWS has "input_ids" and "label" a line.  Batches of 32 in the order of the file, padded to the
longest, AdamW (fused), clipping to norm 1; random weights from DIR/config.json.  Prints the median
of the real tokens a second, the first fifth of the steps left out.
"""
import json
import statistics
import sys
import time

import torch
import transformers

BATCH = 32


def main():
    directory, path, dtype = sys.argv[1:]
    torch.set_num_threads(2)
    torch.manual_seed(1)
    transformers.logging.set_verbosity_error()
    config = transformers.AutoConfig.from_pretrained(directory)
    config.num_labels = 2
    model = transformers.AutoModelForSequenceClassification.from_config(config).train()
    adam = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01, fused=True)
    with open(path, encoding="utf-8", newline="\n") as f:
        rows = [json.loads(line) for line in f]
    rates = []
    for at in range(0, len(rows), BATCH):
        part = rows[at:at + BATCH]
        begin = time.perf_counter()
        longest = max(len(r["input_ids"]) for r in part)
        ids = torch.full((len(part), longest), config.pad_token_id)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(part):
            n = len(row["input_ids"])
            ids[i, :n] = torch.tensor(row["input_ids"])
            mask[i, :n] = 1
        labels = torch.tensor([r["label"] for r in part])
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad(set_to_none=True)
        if not float(loss) < 1e9:
            sys.exit("the loss is not finite")
        rates.append(int(mask.sum()) / (time.perf_counter() - begin))
    print(statistics.median(rates[len(rates) // 5:]))


main()
