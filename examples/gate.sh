#!/bin/sh -e
# gate.sh - may this model go out?  threshold and calibration from rows it has not seen, held to others
tens split --test 0.5 --seed 42 test.jsonl val.jsonl new.jsonl
for f in val new; do bpe-tok -m guard $f.jsonl | pack-batch | mbert-fwd -m guard -o $f.v; clf-head -m guard --logits -o $f.s $f.v; done
metrics --validation val.s --target-fpr 0.05 --gate 'auroc>=0.9' --gate 'recall>=0.8' new.s
metrics calibrate -o temperature.json val.s
clf-head -m guard --calibration temperature.json new.v | metrics
