#!/usr/bin/env bash
# demo.sh - train the toy guard, measure it, ask it three questions.  `make demo` builds and
# then runs this.  Writes into demo/ of the project, or $MBERT_DEMO; $MBERT_SEED is the seed.
set -euo pipefail
cd "$(dirname "$0")/.."
demo=${MBERT_DEMO:-demo}
seed=${MBERT_SEED:-42}
mini=examples/mini
PATH=${MBERT_BUILD:-build}/bin:$PATH
begin=$(date +%s)
say() { printf '\n%s\n' "$*"; }

mkdir -p "$demo"
for f in "$demo"/guard/{config.json,model.safetensors,tokenizer.json,log.jsonl}; do rm -f "$f"; done

say "== tokens: $(wc -l < $mini/train.jsonl) labelled prompts to train on, $(wc -l < $mini/test.jsonl) to test on; no template is in both"
bpe-tok -m $mini --labels safe,unsafe -o "$demo/train.st.zst" $mini/train.jsonl
bpe-tok -m $mini --labels safe,unsafe -o "$demo/test.st.zst" $mini/test.jsonl
tens ls "$demo/train.st.zst"

say "== training a small ModernBERT from random weights (seed $seed)"
mbert-train -m $mini --init random -o "$demo/guard" --train "$demo/train.st.zst" \
    --eval "$demo/test.st.zst" --epochs 3 --lr 1e-3 --warmup-ratio 0.1 --seed "$seed"

say "== the held-out templates, through the pipe: bpe-tok | pack-batch | mbert-fwd | clf-head"
bpe-tok -m "$demo/guard" $mini/test.jsonl | pack-batch | mbert-fwd -m "$demo/guard" |
    clf-head -m "$demo/guard" -o "$demo/scores.jsonl"
metrics "$demo/scores.jsonl"

say "== three prompts"
bpe-tok -m "$demo/guard" --keep prompt examples/three.jsonl | pack-batch |
    mbert-fwd -m "$demo/guard" | clf-head -m "$demo/guard"

say "== done in $(($(date +%s) - begin)) s; the model is $demo/guard"
cat <<END

This is a toy: it has seen a few dozen templates and knows nothing else.  For real work put
three files of a ModernBERT checkpoint, say huggingface.co/answerdotai/ModernBERT-base,
into one directory:

    config.json  model.safetensors  tokenizer.json

and run the same commands with -m ModernBERT-base, without --init random and with its usual
learning rate (the default, 5e-5) on your own labelled prompts.  README.md has the lines.
END
