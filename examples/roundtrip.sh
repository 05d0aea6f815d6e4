#!/bin/sh -e
# roundtrip.sh - tokens lose nothing: decoded, plain lines are what they were
sed 's/^{"prompt": "//; s/"}$//' prompts.jsonl | grep -v '\\' > lines.txt
bpe-tok -m guard --format text --no-special lines.txt | bpe-tok -m guard --decode > back.jsonl
head -n 2 back.jsonl
sed 's/^{"row":[0-9]*,"text":"//; s/"}$//' back.jsonl | cmp - lines.txt
