# examples.bats - the embedded default and the five-line pipelines
load helper

setup_file() {
    FIXTURES=$("$ROOT/tests/fixtures.sh")
    export FIXTURES
}

@test "make-data.py makes the committed rows again" {
    need_command python3
    run -0 python3 "$ROOT/examples/mini/make-data.py" --out "$TMP"
    cmp "$TMP/train.jsonl" "$ROOT/examples/mini/train.jsonl"
    cmp "$TMP/test.jsonl" "$ROOT/examples/mini/test.jsonl"
}

@test "no held-out template and no held-out prompt is in the training part" {
    cd "$ROOT/examples/mini"
    grep -vE '^(#|=|$)' train.txt | sort > "$TMP/train"
    grep -vE '^(#|=|$)' test.txt | sort > "$TMP/test"
    [ -s "$TMP/train" ] && [ -s "$TMP/test" ]
    [ -z "$(comm -12 "$TMP/train" "$TMP/test")" ]
    sed 's/", "label".*//' train.jsonl | sort > "$TMP/a"
    sed 's/", "label".*//' test.jsonl | sort > "$TMP/b"
    [ -z "$(comm -12 "$TMP/a" "$TMP/b")" ]
}

@test "config.json and tokenizer.json agree" {
    need_command python3
    cd "$ROOT/examples/mini"
    python3 - <<'END'
import json
c, t = json.load(open("config.json")), json.load(open("tokenizer.json", encoding="utf-8"))
ids = {a["content"]: a["id"] for a in t["added_tokens"]}
top = max(max(ids.values()), max(t["model"]["vocab"].values())) + 1
assert c["vocab_size"] % 64 == 0 and 0 <= c["vocab_size"] - top < 64, (c["vocab_size"], top)
for key, name in (("cls", "[CLS]"), ("sep", "[SEP]"), ("pad", "[PAD]"), ("bos", "[CLS]"), ("eos", "[SEP]")):
    assert c[key + "_token_id"] == ids[name], key
assert len(c["layer_types"]) == c["num_hidden_layers"]
END
}

@test "make-tokenizer.py and make-vectors.py make the committed files again" {
    local py
    for py in "${MBERT_PYTHON:-python3}" python3; do
        "$py" -c 'import tokenizers; assert tokenizers.__version__ == "0.23.3"' 2>/dev/null && break
        py=
    done
    [ -n "$py" ] || skip "the Python package tokenizers 0.23.3 is not installed (MBERT_PYTHON names a python3)"
    "$py" "$ROOT/examples/mini/make-tokenizer.py" --out "$TMP/tokenizer.json"
    cmp "$TMP/tokenizer.json" "$ROOT/examples/mini/tokenizer.json"
    "$py" "$ROOT/examples/mini/make-vectors.py" --out "$TMP/v"
    diff -r "$TMP/v" "$GOLDEN/mini-tokenizer"
}

# same KEY OPTION...: bpe-tok on the texts of $TMP/v equals KEY of each line
same() {
    local key=$1
    shift
    bpe-tok -q -m "$ROOT/examples/mini" --text-field text "$@" "$TMP/v" | tens cat --json > "$TMP/got"
    python3 - "$key" "$TMP/v" "$TMP/got" <<'END'
import json, sys
key, want, got = sys.argv[1:]
want = [json.loads(l) for l in open(want, encoding="ascii")]
got = {(j := json.loads(l))["row"]: j["input_ids"] for l in open(got)}
assert want and not set(got) - set(range(len(want))), "rows that nobody asked for"
bad = [(w["why"], w["text"], w[key], got.get(n, [])) for n, w in enumerate(want) if got.get(n, []) != w[key]]
for b in bad[:5]:
    print("%s: %a: want %s got %s" % b)
sys.exit(f"{len(bad)} of {len(want)} differ" if bad else 0)
END
}

@test "ids of the mini tokenizer: every vector, without and with specials" {
    need_command python3
    grep -v '"max_length"' "$GOLDEN/mini-tokenizer/vectors.jsonl" > "$TMP/v"
    [ "$(wc -l < "$TMP/v")" -ge 400 ]
    same ids --no-special --max-length 100000
    same special_ids --max-length 100000
}

@test "ids of the mini tokenizer: truncation" {
    need_command python3
    local n
    for n in $(sed -n 's/.*"max_length":\([0-9]*\)}$/\1/p' "$GOLDEN/mini-tokenizer/vectors.jsonl" | sort -un); do
        grep "\"max_length\":$n}" "$GOLDEN/mini-tokenizer/vectors.jsonl" > "$TMP/v"
        same ids --no-special --max-length "$n"
        same special_ids --max-length "$n"
    done
}

@test "examples/*.sh run, each in a scratch copy" {
    local f n=0
    for f in "$ROOT"/examples/*.sh; do
        [ "${f##*/}" != demo.sh ] || continue
        [ "$(grep -cvE '^(#|$)' "$f")" -le 6 ] || { echo "$f is no five-liner"; return 1; }
        rm -rf "$TMP/s"
        cp -R "$FIXTURES/." "$TMP/s"
        (cd "$TMP/s" && "$f" < /dev/null > log 2>&1) || { echo "$f"; cat "$TMP/s/log"; return 1; }
        n=$((n + 1))
    done
    [ "$n" -ge 5 ]
}

@test "the fixtures are what their header says" {
    cd "$FIXTURES"
    [ "$(wc -l < prompts.jsonl)" = 12 ]
    [ "$(wc -l < scores.jsonl)" = 100 ]
    [ "$(ls shards | wc -l)" = 3 ]
    run -1 grep -q label prompts.jsonl
    tens check train.st.zst
    tens check test.st.zst
    tens check prompts.st.zst
}
