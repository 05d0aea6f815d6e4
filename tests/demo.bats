# demo.bats - the demo trains a guard that holds on templates it has not seen
load helper

setup_file() {
    export MBERT_DEMO=$BATS_FILE_TMPDIR/demo
    begin=$(date +%s)
    make -s -C "$ROOT" demo > "$BATS_FILE_TMPDIR/log" 2>&1 || { cat "$BATS_FILE_TMPDIR/log"; return 1; }
    echo $(($(date +%s) - begin)) > "$BATS_FILE_TMPDIR/seconds"
}

# macro FILE: macro-F1 of scores, as metrics --json has it
macro() { metrics --json "$1" | sed -n 's/.*"macro_f1": *\([0-9.]*\).*/\1/p' | head -n 1; }

@test "macro-F1 on the held-out templates is at least 0.90" {
    f1=$(macro "$MBERT_DEMO/scores.jsonl")
    echo "macro-F1 $f1"
    awk -v f="$f1" 'BEGIN { exit !(f >= 0.90 && f <= 1) }'
    [ "$(wc -l < "$MBERT_DEMO/scores.jsonl")" = "$(wc -l < "$ROOT/examples/mini/test.jsonl")" ]
}

@test "it took less than 90 seconds" {
    [ "$(cat "$BATS_FILE_TMPDIR/seconds")" -lt 90 ]
}

@test "it scores the three prompts of the README and says what it is" {
    log=$(cat "$BATS_FILE_TMPDIR/log")
    [ "$(grep -c '^{"row":' <<< "$log")" = 3 ]
    [[ $log == *"This is a toy"* && $log == *model.safetensors* ]]
    while IFS= read -r line; do
        grep -qF "$(sed 's/^{"prompt": "//; s/"}$//' <<< "$line")" "$ROOT/README.md"
    done < "$ROOT/examples/three.jsonl"
}

@test "the verdicts on the three prompts are safe, safe, unsafe" {
    run -0 sed -n 's/^{"row":.*"label":"\([a-z]*\)".*/\1/p' "$BATS_FILE_TMPDIR/log"
    [ "${lines[*]}" = "safe safe unsafe" ]
}

@test "other seeds reach 0.90 too" {
    [ -n "${MBERT_SLOW-}" ] || skip "slow: set MBERT_SLOW=1"
    for s in 1 7; do
        MBERT_SEED=$s MBERT_DEMO=$TMP/demo make -s -C "$ROOT" demo > "$TMP/log" 2>&1
        f1=$(macro "$TMP/demo/scores.jsonl")
        echo "seed $s: macro-F1 $f1"
        awk -v f="$f1" 'BEGIN { exit !(f >= 0.90 && f <= 1) }'
    done
}
