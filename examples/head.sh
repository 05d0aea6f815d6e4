#!/bin/sh -e
# head.sh - a guard in seconds: the encoder stays as it is, a head is fitted on its vectors
bpe-tok -m guard --labels safe,unsafe train.jsonl | pack-batch | mbert-fwd -m guard -o v.st.zst
clf-head --train -m guard -o headed --l2 1e-3 v.st.zst
pack-batch test.st.zst | mbert-fwd -m headed | clf-head -m headed | metrics
