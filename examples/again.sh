#!/bin/sh -e
# again.sh - go on from a trained model with a lower learning rate, straight from a pipe
cat train.jsonl test.jsonl | bpe-tok -m guard |
    mbert-train -m guard -o again --train - --epochs 1 --lr 1e-4
bpe-tok -m again test.jsonl | pack-batch | mbert-fwd -m again | clf-head -m again | metrics
