#!/usr/bin/env python3
"""transformers_load.py DIR IDS.jsonl LOGITS.jsonl: DIR loads in transformers, as the class that its
config.json names, with no missing and no unexpected tensor, and its float32 logits agree with ours
to 1e-4."""
import json, sys
import torch, transformers

name = json.load(open(sys.argv[1] + "/config.json"))["architectures"][0]
model, info = getattr(transformers, name).from_pretrained(sys.argv[1], output_loading_info=True,
                                                          attn_implementation="eager", dtype=torch.float32)
for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
    assert not info.get(key), (key, info[key])
model.eval()
worst, n = 0.0, 0
for a, b in zip(open(sys.argv[2]), open(sys.argv[3])):
    ids, ours = json.loads(a)["input_ids"], torch.tensor(json.loads(b)["logits"])
    with torch.no_grad():
        z = model(input_ids=torch.tensor([ids])).logits[0]
    assert z.shape == ours.shape, (z.shape, ours.shape)
    d = (z - ours).abs().max().item()
    worst, n = max(worst, d), n + 1
    assert d <= 1e-4, (n, d)
assert n > 3
print("%s: %s, %d prompts, largest difference %.2e" % (sys.argv[1], name, n, worst))
