# long-prompts.bats - prompts longer than a window: what is cut, what is counted, and what is still found
load helper

setup_file() {
    FIXTURES=$("$ROOT/tests/fixtures.sh")
    MODEL=$FIXTURES/guard
    export FIXTURES MODEL
}

setup() {
    need_command python3
    MINI=$ROOT/examples/mini
    cd "$TMP"
}

# score MODEL OPTION...: a verdict a prompt, that of its worst window
score() {
    local model=$1
    shift
    bpe-tok -q -m "$model" "$@" | pack-batch | mbert-fwd -m "$model" | clf-head -m "$model" --aggregate max
}

haystack() { python3 "$ROOT/tests/haystack.py" "$@"; }

# hidden MODEL WINDOW STRIDE TOKENS N: figures of N attacks behind so many benign tokens, a verdict a prompt
hidden() {
    haystack prompts "$MINI/test.jsonl" alone.jsonl "$4" "$5" "$4" > hidden.jsonl
    score "$1" --window "$2" --stride "$3" hidden.jsonl | haystack figures hidden.jsonl
}

# holds CONDITION FIGURES: of r (recall), a (share of false alarms) and u (AUROC)
holds() {
    # shellcheck disable=SC2086 # the figures are words
    set -- "$1" $2
    [ $# = 12 ] || return 1
    awk -v r="$3/${5%,}" -v a="$8/${10%,}" -v u="${12}" "BEGIN {
        split(r, x, \"/\"); split(a, y, \"/\"); if (!(x[2] * y[2] > 0)) exit 1; r = x[1] / x[2]; a = y[1] / y[2]; exit !($1) }"
}

# say TEXT: a comment of the test's output
say() { echo "# $1" >&3; }

# guard_of TOKENS ROWS EPOCHS: the fixture's guard, trained on windows of so many tokens, and its
# verdicts of the held-out prompts as they are
guard_of() {
    cp -R "$FIXTURES/guard" base
    chmod -R u+w base
    sed -i 's/"classifier_pooling": *"mean"/"classifier_pooling": "cls"/' base/config.json
    haystack train "$MINI/train.jsonl" "$1" "$2" 2 | bpe-tok -q -m base --labels safe,unsafe -o windows.st.zst
    mbert-train -q -m base -o guard --train windows.st.zst --epochs "$3" --lr 1e-3 --warmup-ratio 0.1
    score guard "$MINI/test.jsonl" > alone.jsonl
    haystack figures "$MINI/test.jsonl" < alone.jsonl
}

@test "without --window nothing is cut up to the model's positions; a cut is counted and flagged" {
    limit=$(sed -n 's/.*"max_position_embeddings": \([0-9]*\).*/\1/p' "$MODEL/config.json")
    python3 - "$limit" <<'END' > in.jsonl
import json, sys
n = int(sys.argv[1]) - 2
for k in (n, n + 1, 3, 7000):
    print(json.dumps({"prompt": " a" * k, "n": k}))
END
    bpe-tok -m "$MODEL" --keep n in.jsonl > t 2> err
    [ "$(cat err)" = "bpe-tok: warning: 2 of 4 prompts cut at $limit tokens" ]
    [ "$(tens count t | sed -n 3p)" = "tokens	$((3 * limit + 5))" ]
    pack-batch t | mbert-fwd -m "$MODEL" | clf-head -m "$MODEL" > s
    python3 - s <<'END'
import json, sys
s = [json.loads(line) for line in open(sys.argv[1])]
assert [d["n"] for d in s] == [510, 511, 3, 7000], s
assert [d.get("truncated") for d in s] == [None, True, None, True], s
END
    # with it nothing is: all windows of a prompt have its row, and together all of its tokens
    bpe-tok -m "$MODEL" --window "$limit" --stride 256 in.jsonl > t 2> err
    [ ! -s err ]
    score "$MODEL" --window "$limit" --stride 256 in.jsonl > s
    run -1 grep truncated s
    tens cat --json t > ids
    bpe-tok -m "$MODEL" --no-special --count in.jsonl > count
    python3 - ids count "$limit" <<'END'
import json, math, sys
rows, most = {}, int(sys.argv[3]) - 2
for line in open(sys.argv[1]):
    d = json.loads(line)
    rows.setdefault(d["row"], []).append(d["input_ids"][1:-1])
    assert d["window"] == len(rows[d["row"]]) - 1
for row, n in enumerate(map(int, open(sys.argv[2]))):
    w = rows[row]
    assert len(w) == 1 + max(0, math.ceil((n - most) / (most - 256))), (n, len(w))
    assert all(a[-256:] == b[:256] for a, b in zip(w, w[1:]))
    assert len(w[0]) + sum(len(x) - 256 for x in w[1:]) == n
END
}

@test "an attack behind 500, 2000, 7000 benign tokens is found by a guard trained on windows" {
    alone=$(guard_of 126 1600 2)
    say "alone: $alone"
    holds "r >= .95" "$alone"
    for n in "500 30" "2000 20" "7000 10"; do
        # shellcheck disable=SC2086 # two words
        got=$(hidden guard 128 64 $n)
        say "--window 128 --stride 64, after ${n% *}: $got"
        holds "r >= .8 && u >= .8" "$got"
        [ "${n% *}" != 500 ] || holds "a <= .3" "$got"
    done
}

@test "a guard that knows short prompts alone finds it in narrow windows, not in wide ones" {
    score "$MODEL" "$MINI/test.jsonl" > alone.jsonl
    say "alone: $(haystack figures "$MINI/test.jsonl" < alone.jsonl)"
    wide=$(hidden "$MODEL" 512 256 500 30)
    narrow=$(hidden "$MODEL" 64 32 500 30)
    say "--window 512 --stride 256, after 500: $wide"
    say "--window 64 --stride 32, after 500: $narrow"
    holds "r <= .3" "$wide"
    holds "r >= .6" "$narrow"
}

@test "--window 512 --stride 256, a guard trained on windows of 512" {
    [ -n "${MBERT_SLOW-}" ] || skip "slow: set MBERT_SLOW=1"
    say "alone: $(guard_of 510 1600 2)"
    for n in "500 40" "2000 30" "7000 20"; do
        # shellcheck disable=SC2086 # two words
        got=$(hidden guard 512 256 $n)
        say "--window 512 --stride 256, after ${n% *}: $got"
        holds "r >= .75 && a <= .4" "$got"
    done
}
