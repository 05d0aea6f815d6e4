#!/bin/sh -e
# look.sh - every stage can be looked at
bpe-tok -m guard prompts.jsonl | tens cat --json | head -n 2
pack-batch prompts.st.zst | tens ls
pack-batch prompts.st.zst | mbert-fwd -m guard --emit layers | tens stat
