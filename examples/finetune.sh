#!/bin/sh -e
# finetune.sh - split, tokenize, fine-tune, measure: the usual recipe in five lines
tens split --test 0.25 --seed 42 train.jsonl tr.jsonl te.jsonl
bpe-tok -m mini --labels safe,unsafe -o tr.st.zst tr.jsonl
bpe-tok -m mini --labels safe,unsafe -o te.st.zst te.jsonl
mbert-train -m mini --init random --lr 1e-3 -o tuned --train tr.st.zst --eval te.st.zst
pack-batch te.st.zst | mbert-fwd -m tuned | clf-head -m tuned | metrics
