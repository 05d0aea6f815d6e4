#!/bin/sh
# score.sh - one line of scores for each line of prompts, worst first
bpe-tok -m guard --keep prompt prompts.jsonl | pack-batch | mbert-fwd -m guard |
    clf-head -m guard -o out.jsonl
sed 's/.*"unsafe":\([-+.0-9e]*\).*/\1 &/' out.jsonl | sort -rg | cut -d' ' -f2- | head -n 3
