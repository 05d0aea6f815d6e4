#!/usr/bin/env bash
# fixtures.sh - a small trained model and its inputs, for every test that needs one.
#
#     dir=$(tests/fixtures.sh)
#
# Prints the directory build/fixtures (under $MBERT_BUILD when set), made on the first call
# and made again when a tool or an example changed; callers at the same time wait for the
# one that works.  It is for reading: a test that writes copies it (cp -R "$dir/." "$TMP").
# In a .bats file:
#
#     load helper
#     setup_file() { FIXTURES=$("$ROOT/tests/fixtures.sh"); export FIXTURES; }
#
# It holds
#     guard/           the mini model, trained for a few seconds: config.json,
#                      model.safetensors, tokenizer.json, log.jsonl; labels safe, unsafe
#     mini/            the untrained base: config.json and tokenizer.json alone
#     prompts.jsonl    12 prompts without labels
#     train.jsonl      400 labelled rows {"prompt","label","source"}
#     test.jsonl       100 of the held-out rows
#     shards/          a.jsonl b.jsonl c.jsonl: 5 prompts each
#     train.st.zst test.st.zst prompts.st.zst    the three files through bpe-tok
#     scores.jsonl     test.jsonl through the whole pipe, gold labels included
# What went wrong is in build/fixtures.log.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
build=${MBERT_BUILD:-$root/build}
dir=$build/fixtures
mini=$root/examples/mini
PATH=$build/bin:$PATH
unset MBERT_LEVEL

stamp() {
    cat "$root/tests/fixtures.sh" "$mini/config.json" "$mini/tokenizer.json" "$mini/train.jsonl" "$mini/test.jsonl" \
        "$build/bin/bpe-tok" "$build/bin/pack-batch" "$build/bin/mbert-fwd" \
        "$build/bin/clf-head" "$build/bin/mbert-train" | cksum
}

make_all() {
    mkdir mini shards
    cp "$mini/config.json" "$mini/tokenizer.json" mini
    head -n 1600 "$mini/train.jsonl" > long.jsonl
    head -n 400 "$mini/train.jsonl" > train.jsonl
    head -n 100 "$mini/test.jsonl" > test.jsonl
    unlabelled 101,112 > prompts.jsonl
    unlabelled 113,117 > shards/a.jsonl
    unlabelled 118,122 > shards/b.jsonl
    unlabelled 123,127 > shards/c.jsonl
    bpe-tok -q -m mini --labels safe,unsafe -o long.st.zst long.jsonl
    mbert-train -q -m mini --init random -o guard --train long.st.zst \
        --epochs 2 --lr 1e-3 --warmup-ratio 0.1
    for f in train test prompts; do
        bpe-tok -q -m guard --labels safe,unsafe -o $f.st.zst $f.jsonl
    done
    pack-batch test.st.zst | mbert-fwd -m guard | clf-head -m guard -o scores.jsonl
    rm long.jsonl long.st.zst
}

# lines FIRST,LAST of the held-out rows, the prompt alone
unlabelled() {
    sed -n "$1p" "$mini/test.jsonl" | sed 's/, "label": "[a-z]*", "source": .*/}/'
}

# errexit does not hold inside a list that is tested, so the making is a process of its own
[ "${1-}" != --make ] || { cd "$2"; make_all; exit; }
mkdir -p "$build"
exec 9> "$dir.lock"
flock 9
now=$(stamp)
if [ "$(cat "$dir/stamp" 2>/dev/null)" != "$now" ]; then
    rm -rf "$dir" "$dir.new"
    mkdir "$dir.new"
    "$root/tests/fixtures.sh" --make "$dir.new" > "$dir.log" 2>&1 9>&- || {
        echo "fixtures.sh: could not make $dir: see $dir.log" >&2
        tail -n 3 "$dir.log" >&2
        exit 1
    }
    echo "$now" > "$dir.new/stamp"
    mv "$dir.new" "$dir"
fi
echo "$dir"
