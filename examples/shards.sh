#!/bin/sh -e
# shards.sh - many files, two processes, one score file beside each
ls shards/*.jsonl | xargs -P2 -I{} sh -c '
    bpe-tok -m guard {} | pack-batch | mbert-fwd -m guard --threads 1 |
        clf-head -m guard -o {}.scores'
wc -l shards/*.scores
