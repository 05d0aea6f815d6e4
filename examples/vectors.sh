#!/bin/sh -e
# vectors.sh - one vector of length 1 for each prompt, for numpy or anything that reads .npy
bpe-tok -m guard prompts.jsonl | pack-batch |
    mbert-fwd -m guard --pooling mean --normalize | tens cat --npy > vectors.npy
