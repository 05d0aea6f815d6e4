#!/bin/sh -e
# archive.sh - tokenize once, keep it, score later; the file is checked when it is read
cat prompts.jsonl test.jsonl | bpe-tok -m guard > tokens.st.zst
tens check tokens.st.zst
zstd -q -t tokens.st.zst
pack-batch < tokens.st.zst | mbert-fwd -m guard | clf-head -m guard | tail -n 1
