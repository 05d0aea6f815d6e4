# metrics.bats - figures equal to the reference's, two forms of lines, every message
load helper

@test "every golden case: all figures, counts, thresholds and nulls" {
    need_command python3
    local n=0 e b dir
    for dir in "$GOLDEN/metrics" "$SHARED/golden/metrics"; do
        for e in "$dir"/*.expected.json; do
            [ -f "$e" ] || continue
            b=${e%.expected.json}
            metrics --json "$b.jsonl" | python3 "$ROOT/tests/figures.py" "$e" || { echo "$b"; false; }
            n=$((n + 1))
        done
    done
    [ $n -ge 15 ]
}

@test "golden bad files are refused, naming the line" {
    cd "$GOLDEN/metrics"
    run -3 --separate-stderr metrics bad_empty.jsonl
    [ "$stderr" = "metrics: 'bad_empty.jsonl': no rows: nothing to measure" ]
    [ -z "$output" ]
    run -3 --separate-stderr metrics bad_label.jsonl
    [ "$stderr" = "metrics: bad_label.jsonl:1: 'label' is not a class number from 0 to 1" ]
    run -3 --separate-stderr metrics bad_nan.jsonl
    [[ $stderr == "metrics: bad_nan.jsonl:2: "* ]]
    run -3 --separate-stderr metrics bad_range.jsonl
    [ "$stderr" = "metrics: bad_range.jsonl:2: 'score' is not a probability from 0 to 1" ]
    [ -z "$output" ]
}

@test "lines of clf-head give what the plain form gives" {
    need_command python3
    python3 - "$GOLDEN/metrics/ties.jsonl" <<'END' > "$TMP/a"
import json, sys
for n, l in enumerate(open(sys.argv[1])):
    d = json.loads(l)
    print(json.dumps({"row": n, "label": "x", "score": 1, "scores": {"no": 1 - d["score"], "yes": d["score"]}, "gold": ["no", "yes"][d["label"]]}))
END
    metrics --json "$TMP/a" | diff - <(metrics --json "$GOLDEN/metrics/ties.jsonl")
    metrics --json --positive yes "$TMP/a" | diff - <(metrics --json "$TMP/a")
    # the other class as the positive one: the matrix turned round
    metrics --json --positive no "$TMP/a" | grep -q '"n_pos":22,"n_neg":38'
    # lines without gold are left out, and said
    printf '%s\n' '{"scores":{"no":0.5,"yes":0.5}}' >> "$TMP/a"
    metrics --json "$TMP/a" 2> "$TMP/err" | diff - <(metrics --json "$GOLDEN/metrics/ties.jsonl")
    [ "$(cat "$TMP/err")" = "metrics: warning: 1 lines without a gold label left out" ]
}

@test "a class against the rest, a threshold, the table" {
    cd "$TMP"
    printf '%s\n' '{"scores":{"a":0.6,"b":0.3,"c":0.1},"gold":"a"}' '{"scores":{"a":0.1,"b":0.3,"c":0.6},"gold":"b"}' \
        '{"scores":{"a":0.2,"b":0.7,"c":0.1},"gold":"b"}' > s
    metrics --json s | grep -q '"confusion":\[\[1,0,0\],\[0,1,1\],\[0,0,0\]\]'
    metrics --json --positive b s | grep -q '"confusion":\[\[1,0\],\[1,1\]\]'
    metrics --json --positive b --threshold 0.3 s | grep -q '"confusion":\[\[0,1\],\[0,2\]\]'
    run -0 metrics s
    [ "${lines[0]}" = "class                   rows precision    recall        F1" ]
    [ "${lines[1]}" = "a                          1    1.0000    1.0000    1.0000" ]
    [ "${lines[3]}" = "c                          0    0.0000         -    0.0000" ]
    metrics -o out s
    metrics s | cmp - out
}

# refused MESSAGE LINE...: the last line is wrong
refused() {
    local message=$1
    shift
    printf '%s\n' "$@" > "$TMP/s"
    run -3 --separate-stderr metrics "$TMP/s"
    [ "$stderr" = "metrics: $TMP/s:$#: $message" ] || { echo "$stderr"; return 1; }
}

@test "every refusal of a line" {
    refused "not a JSON object" '[1]'
    refused "no field 'scores', 'score' or 'logits'" '{"label":1}'
    refused "a regression line ('value'): regression is not measured yet" '{"value":1,"gold":2}'
    refused 'a line of the form "label" with "score" after lines of the form "scores"' '{"scores":{"a":0,"b":1},"gold":"a"}' '{"label":0,"score":1}'
    refused 'a line of the form "label" with "logits" after lines of the form "label" with "score"' '{"label":0,"score":1}' '{"label":0,"logits":[0,1]}'
    refused "'scores' is not an object" '{"scores":[1]}'
    refused "'scores' has 3 classes, but the first line has 2" '{"scores":{"a":0,"b":1},"gold":"a"}' '{"scores":{"a":0,"b":1,"c":0},"gold":"a"}'
    refused "class 'c' is not in the first line" '{"scores":{"a":0,"b":1},"gold":"a"}' '{"scores":{"a":0,"c":1},"gold":"a"}'
    refused "a score is not a probability from 0 to 1" '{"scores":{"a":0,"b":null},"gold":"a"}'
    refused "'gold' is not one of the classes" '{"scores":{"a":0,"b":1},"gold":"z"}'
    refused "'gold' is a list: multi-label scores are not measured yet" '{"scores":{"a":0,"b":1},"gold":["a"]}'
    refused "1 classes: metrics scores 2 to 4096 of them" '{"scores":{"a":1},"gold":"a"}'
    refused "no field 'label'" '{"score":1}'
    refused "'logits' is not a list" '{"label":0,"logits":3}'
    refused "3 logits, but the first line has 2" '{"label":0,"logits":[1,2]}' '{"label":0,"logits":[1,2,3]}'
    refused "a logit is not a number" '{"label":0,"logits":[1,"x"]}'
}

@test "no gold anywhere, unknown --positive, two files, closed reader, full disk, no file" {
    cd "$TMP"
    echo '{"scores":{"a":0,"b":1}}' > s
    run -3 --separate-stderr metrics s
    [ "$stderr" = "metrics: 's': no line has a gold label: nothing to measure" ]
    echo '{"scores":{"a":0,"b":1},"gold":"a"}' > s
    run -2 --separate-stderr metrics --positive c s
    [ "$stderr" = "metrics: option --positive: no class is named 'c'; try --help" ]
    run -2 --separate-stderr metrics s s
    [ "$stderr" = "metrics: one file of scores, not 2; try --help" ]
    run -4 sh -c 'metrics s > /dev/full'
    run -4 --separate-stderr metrics nowhere
    [ "$stderr" = "metrics: can't open 'nowhere': No such file or directory" ]
    run -3 --separate-stderr metrics < /dev/null
    [ "$stderr" = "metrics: 'standard input': no rows: nothing to measure" ]
    run -3 sh -c 'false | metrics'
    [ "$(metrics < s | head -c 1)" = c ]
}

@test "compressed scores, and numbers with a comma locale" {
    need_command zstd
    zstd -q "$GOLDEN/metrics/ties.jsonl" -o "$TMP/s.zst"
    metrics --json "$TMP/s.zst" | cmp - <(metrics --json "$GOLDEN/metrics/ties.jsonl")
    LC_ALL=de_DE.UTF-8 metrics --json "$TMP/s.zst" | cmp - <(metrics --json "$GOLDEN/metrics/ties.jsonl")
}
