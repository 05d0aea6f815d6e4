# metrics.bats - figures equal to the reference's, two forms of lines, every message
load helper

@test "every golden case: all figures, counts, thresholds and nulls" {
    need_command python3
    local n=0 e b dir boot
    for dir in "$GOLDEN/metrics" "$SHARED/golden/metrics"; do
        for e in "$dir"/*.expected.json; do
            [ -f "$e" ] || continue
            b=${e%.expected.json}
            # the reference's replicates and seed, where it has intervals
            boot=$(tr -d ' \n' < "$e" | sed -n 's/.*"boot":\([0-9]*\),"seed":\([0-9]*\).*/--bootstrap \1 --seed \2/p')
            metrics --json $boot "$b.jsonl" | python3 "$ROOT/tests/figures.py" "$e" || { echo "$b"; false; }
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
    plain() { metrics --json "$@" | sed 's/,"name":"[a-z]*"//g'; }
    plain "$TMP/a" | diff - <(plain "$GOLDEN/metrics/ties.jsonl")
    metrics --json --positive yes "$TMP/a" | diff - <(metrics --json "$TMP/a")
    # the other class as the positive one: the matrix turned round
    metrics --json --positive no "$TMP/a" | grep -q '"n_pos":22,"n_neg":38'
    # lines without gold are left out, and said
    printf '%s\n' '{"scores":{"no":0.5,"yes":0.5}}' >> "$TMP/a"
    plain "$TMP/a" 2> "$TMP/err" | diff - <(plain "$GOLDEN/metrics/ties.jsonl")
    [ "$(cat "$TMP/err")" = "metrics: warning: '$TMP/a': 1 lines without a gold label left out" ]
    [ -z "$(metrics -q "$TMP/a" 2>&1 > "$TMP/b")" ]
}

@test "a class against the rest, a threshold, the table" {
    cd "$TMP"
    printf '%s\n' '{"scores":{"a":0.6,"b":0.3,"c":0.1},"gold":"a"}' '{"scores":{"a":0.1,"b":0.3,"c":0.6},"gold":"b"}' \
        '{"scores":{"a":0.2,"b":0.7,"c":0.1},"gold":"b"}' > s
    metrics --json s | grep -q '"confusion":\[\[1,0,0\],\[0,1,1\],\[0,0,0\]\]'
    metrics --json --positive b s | grep -q '"confusion":\[\[1,0\],\[1,1\]\]'
    metrics --json --positive b --threshold 0.3 s | grep -q '"confusion":\[\[0,1\],\[0,2\]\]'
    run -0 metrics s
    [ "${lines[0]}" = "class                   rows precision    recall        F1     AUROC     AUPRC" ]
    [ "${lines[1]}" = "a                          1    1.0000    1.0000    1.0000    1.0000    1.0000" ]
    [ "${lines[3]}" = "c                          0    0.0000         -    0.0000         -         -" ]
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
    refused "no field 'scores', 'score', 'logits' or 'value'" '{"label":1}'
    refused "'value' is not a number" '{"value":"1","gold":2}'
    refused "'gold' is not a number" '{"value":1,"gold":"a"}'
    refused 'a line of the form "value" after lines of the form "scores"' '{"scores":{"a":0,"b":1},"gold":"a"}' '{"value":1,"gold":2}'
    refused 'a line of the form "label" with "score" after lines of the form "scores"' '{"scores":{"a":0,"b":1},"gold":"a"}' '{"label":0,"score":1}'
    refused 'a line of the form "label" with "logits" after lines of the form "label" with "score"' '{"label":0,"score":1}' '{"label":0,"logits":[0,1]}'
    refused "'scores' is not an object" '{"scores":[1]}'
    refused "'scores' has 3 classes, but the first line has 2" '{"scores":{"a":0,"b":1},"gold":"a"}' '{"scores":{"a":0,"b":1,"c":0},"gold":"a"}'
    refused "class 'c' is not in the first line" '{"scores":{"a":0,"b":1},"gold":"a"}' '{"scores":{"a":0,"c":1},"gold":"a"}'
    refused "a score is not a probability from 0 to 1" '{"scores":{"a":0,"b":null},"gold":"a"}'
    refused "'gold' is not one of the classes" '{"scores":{"a":0,"b":1},"gold":"z"}'
    refused "'gold' is not one of the classes" '{"scores":{"a":0,"b":1},"gold":["a","z"]}'
    refused "'gold' is a list, but the first line's is not" '{"scores":{"a":0,"b":1},"gold":"a"}' '{"scores":{"a":0,"b":1},"gold":["a"]}'
    refused "'gold' is not a list, but the first line's is" '{"scores":{"a":0,"b":1},"gold":[]}' '{"scores":{"a":0,"b":1},"gold":"a"}'
    refused "1 classes: metrics scores 2 to 4096 of them" '{"scores":{"a":1},"gold":"a"}'
    refused "0 classes: metrics scores 1 to 4096 of them" '{"scores":{},"gold":["a"]}'
    refused "3 logits for 2 classes" '{"scores":{"a":0,"b":1},"logits":[0,1,2],"gold":"a"}'
    refused "'logits', but the first line has none" '{"scores":{"a":0,"b":1},"gold":"a"}' '{"scores":{"a":0,"b":1},"logits":[0,1],"gold":"a"}'
    refused "no 'logits', but the first line has them" '{"scores":{"a":0,"b":1},"logits":[0,1],"gold":"a"}' '{"scores":{"a":0,"b":1},"gold":"a"}'
    refused "no field 'label'" '{"score":1}'
    refused "'logits' is not a list" '{"label":0,"logits":3}'
    refused "3 logits, but the first line has 2" '{"label":0,"logits":[1,2]}' '{"label":0,"logits":[1,2,3]}'
    refused "a logit is not a number" '{"label":0,"logits":[1,"x"]}'
}

@test "intervals: the same bytes for the same seed, others for another, in the table too" {
    cd "$GOLDEN/metrics"
    metrics --json --bootstrap 50 ties.jsonl > "$TMP/a"
    metrics --json --bootstrap 50 --seed 42 ties.jsonl | cmp - "$TMP/a"
    metrics --json --bootstrap 50 --seed 43 ties.jsonl > "$TMP/b"
    run -1 cmp -s "$TMP/a" "$TMP/b"
    metrics ties.jsonl | grep -qx 'accuracy                  0.6833   \[0.5577, 0.7869\]'
    metrics ties.jsonl | grep -qx 'AUROC                     0.7141'
    metrics --bootstrap 1000 --seed 7 ties.jsonl | grep -qx 'AUROC                     0.7141   \[0.5745, 0.8425\]'
    metrics --json --bootstrap 20 three_class.jsonl | grep -q '"ci":{"accuracy":\[.*"auprc_ovr_macro":\[.*"boot":20,"seed":42'
    run -2 --separate-stderr metrics --bootstrap 0 ties.jsonl
    [ "$stderr" = "metrics: option --bootstrap: 0 is outside 1..1000000; try --help" ]
}

# two positives in three on a test file, and validation rows to choose a threshold on
thresholds() {
    printf '{"label":%s,"score":0%s}\n' 1 .9 1 .8 0 .7 1 .6 0 .5 0 .4 0 .3 0 .2 > "$TMP/val"
    printf '{"label":%s,"score":0%s}\n' 1 .95 0 .85 1 .65 1 .1 0 .6 0 .05 > "$TMP/test"
    cd "$TMP"
}

@test "--target-fpr and --target-precision: chosen there, tried here" {
    thresholds
    run -0 metrics --target-fpr 0.2 --validation val test
    [[ $output == *"threshold 0.6: FPR <= 0.2 on the validation rows
FPR, validation           0.2000   [0.0362, 0.6245]
FPR, test                 0.6667   [0.2077, 0.9385]
recall, validation        1.0000   [0.4385, 1.0000]
recall, test              0.6667   [0.2077, 0.9385]
precision, validation     0.7500   [0.3006, 0.9544]
precision, test           0.5000   [0.1500, 0.8500]"* ]]
    metrics --json --target-fpr 0.2 --validation val test > got
    grep -q '"threshold":0.59999999999999998,"precision":0.5,"recall":0.66666666666666663,' got
    grep -q '"target":{"figure":"fpr","limit":0.20000000000000001,"chosen_on":"validation","threshold":0.59999999999999998,"there":{"n":8,"fpr":0.20000000000000001,"recall":1,"precision":0.75,"wilson":{"fpr":\[' got
    grep -q ',"realised":{"n":6,"fpr":0.66666666666666663,"recall":0.66666666666666663,"precision":0.5,"wilson":{"fpr":\[' got
    # as if the threshold had been given
    metrics --json --threshold 0.6 test | sed 's/}$//' | tr -d '\n' > given
    head -c "$(wc -c < given)" got | cmp - given
    # the lowest threshold with that precision, not the first
    metrics --json --target-precision 0.7 --validation val test | grep -q '"target":{"figure":"precision","limit":0.69999999999999996,"chosen_on":"validation","threshold":0.59999999999999998,'
    metrics --json --target-precision 1 --validation val test | grep -q '"chosen_on":"validation","threshold":0.80000000000000004,'
    run -0 metrics --target-fpr 0 val
    [[ $output == *"threshold 0.8: FPR <= 0 on these rows themselves, for want of --validation
FPR, same rows            0.0000"* ]]
    metrics --json --target-fpr 0 val | grep -q '"chosen_on":"same rows"'
}

@test "no threshold for the target: status 1; options that do not go together" {
    thresholds
    sed 's/1,"score":0.9/0,"score":0.9/' val > worst
    run -1 --separate-stderr metrics --target-fpr 0.1 --validation worst test
    [ "$stderr" = "metrics: no threshold has FPR <= 0.1 on the validation rows" ]
    [ -z "$output" ]
    grep -v '"label":1' val > negatives
    run -1 --separate-stderr metrics --target-precision 0.1 negatives
    [ "$stderr" = "metrics: no threshold has precision >= 0.1 on the same rows" ]
    run -2 --separate-stderr metrics --target-fpr 0.1 --target-precision 0.9 test
    [ "$stderr" = "metrics: --target-fpr and --target-precision exclude each other; try --help" ]
    run -2 --separate-stderr metrics --target-fpr 0.1 --threshold 0.9 test
    [ "$stderr" = "metrics: --threshold and --target-fpr exclude each other; try --help" ]
    run -2 --separate-stderr metrics --target-precision 0.1 --threshold 0.9 test
    [ "$stderr" = "metrics: --threshold and --target-precision exclude each other; try --help" ]
    run -2 --separate-stderr metrics --validation val test
    [ "$stderr" = "metrics: --validation needs --target-fpr or --target-precision; try --help" ]
    run -2 --separate-stderr metrics --target-fpr 0.1 "$GOLDEN/metrics/three_class.jsonl"
    [ "$stderr" = "metrics: --target-fpr needs two classes: name the positive one with --positive; try --help" ]
    # a threshold of other classes, or of the same the other way round, is none for these
    echo '{"scores":{"a":0.1,"b":0.9},"gold":"a"}' > ab
    echo '{"scores":{"b":0.9,"a":0.1},"gold":"a"}' > ba
    for other in ba "$GOLDEN/metrics/three_class.jsonl"; do
        run -3 --separate-stderr metrics --target-precision 0.1 --validation "$other" ab
        [ "$stderr" = "metrics: 'ab' and '$other' have not the same classes in the same order" ]
    done
}

@test "gates: kept, missed, undefined, unknown" {
    thresholds
    run -0 --separate-stderr metrics --gate 'auroc>=0.55' --gate 'fpr<0.7' --gate 'recall@fpr=0.5>0.6' --gate 'brier<=0.5' --gate 'f1[1]>.5' test
    [ -z "$stderr" ]
    [[ $output == *"auroc>=0.55               0.6667   kept"* ]]
    run -1 --separate-stderr metrics --json --gate 'auroc>=0.7' --gate 'n>=6' --gate 'n>6' --gate 'n<6' --gate 'n<=5' test
    [ "$stderr" = "metrics: gate missed 'auroc>=0.7': 0.666666667
metrics: gate missed 'n>6': 6
metrics: gate missed 'n<6': 6
metrics: gate missed 'n<=5': 6" ]
    [[ $output == *'"gates":[{"gate":"auroc>=0.7","value":0.66666666666666663,"kept":false},{"gate":"n>=6","value":6,"kept":true},'* ]]
    # what is undefined keeps no bound, neither of them
    grep -v '"label":1' test > negatives
    run -1 --separate-stderr metrics --gate 'auroc>=0' --gate 'auroc<=1' negatives
    [ "$stderr" = "metrics: gate missed 'auroc>=0': undefined
metrics: gate missed 'auroc<=1': undefined" ]
    run -2 --separate-stderr metrics --gate 'aurok>0' test
    [[ $stderr == "metrics: option --gate: no figure 'aurok' here, but n, classes, accuracy, "*", recall@precision=X; try --help" ]]
    run -2 --separate-stderr metrics --gate 'auroc=1' test
    [ "$stderr" = "metrics: option --gate: 'auroc=1' has none of >=, >, <= and <; try --help" ]
    for bound in '' x 1x nan; do
        run -2 --separate-stderr metrics --gate "auroc>$bound" test
        [ "$stderr" = "metrics: option --gate: 'auroc>$bound' does not end in a number; try --help" ]
    done
    run -2 --separate-stderr metrics $(printf -- '--gate n>0 %.0s' $(seq 65)) test
    [ "$stderr" = "metrics: option --gate: given more than 64 times; try --help" ]
}

@test "a gate knows every number of --json, by its name" {
    need_command python3
    cd "$GOLDEN/metrics"
    for f in ties.jsonl three_class.jsonl; do
        metrics --json $f > "$TMP/j"
        python3 -c '
import json, sys
for k, v in json.load(open(sys.argv[1])).items():
    if type(v) in (int, float) and k != "ece_bins":
        print("--gate\n%s>=%.17g\n--gate\n%s<=%.17g" % (k, v, k, v))' "$TMP/j" > "$TMP/gates"
        mapfile -t gates < "$TMP/gates"
        [ ${#gates[@]} -ge 40 ]
        metrics -o "$TMP/out" "${gates[@]}" $f
    done
}

@test "--by: groups by name, with those that have none, strings and numbers" {
    cd "$TMP"
    printf '{"label":%s,"score":0%s%s}\n' 1 .9 ',"source":"web"' 0 .6 ',"source":"web"' 1 .4 ',"source":7' 0 .1 ',"source":7' \
        0 .2 '' 1 .8 ',"source":null' 1 .7 ',"source":"a\"b"' 0 .3 ',"source":true' > s
    run -0 metrics --by source s
    [[ $output == *'
source                        rows  positive  accuracy  macro F1     AUROC    recall       FPR
(none)                           2         1    1.0000    1.0000    1.0000    1.0000    0.0000
7                                2         1    0.5000    0.3333    1.0000    0.0000    0.0000
a"b                              1         1    1.0000    1.0000         -    1.0000         -
true                             1         0    1.0000    1.0000         -         -    0.0000
web                              2         1    0.5000    0.3333    1.0000    1.0000    1.0000' ]]
    metrics --json --by source s > got
    grep -q '"by_field":"source","by":{"(none)":{"n":2,"classes":2,"accuracy":1,' got
    grep -q '},"a\\"b":{"n":1,' got
    # a group is what its rows alone give
    grep '"web"' s > web
    metrics --json web | sed 's/,"temperature":.*//; s/^{//' > alone
    grep -qF "\"web\":{$(cat alone)}" got
    metrics --json --by source --threshold 0.35 s | grep -q '"7":{"n":2,"classes":2,"accuracy":1,'
    run -3 --separate-stderr metrics --by source <<< '{"label":1,"score":1,"source":["x"]}'
    [ "$stderr" = "metrics: standard input:1: 'source' is neither a string nor a number" ]
    run -3 --separate-stderr metrics --by source <<< '{"label":1,"score":1,"source":"x\u0000y"}'
    [ "$stderr" = "metrics: standard input:1: 'source' holds a NUL" ]
}

@test "names that are long, not ASCII or move the cursor" {
    cd "$TMP"
    printf '{"scores":{"%s":0.9,"a\\u001b[2Jb":0.1},"gold":"a\\u001b[2Jb","s":"äöüäöüäöüäöüäöü"}\n' gefährlichgefährlich > s
    run -0 metrics --by s s
    [[ ${lines[1]} == "gefährlichgefähr "* ]]
    [[ ${lines[2]} == "a?[2Jb "* ]]
    [[ $output == *$'\näöüäöüäöüäö '* ]]
    # a name of a file that is not UTF-8
    cp s $'x\xff'
    metrics compare --json --bootstrap 1 $'x\xff' s | grep -q $'"a":"x\xEF\xBF\xBD"'
    metrics --json s | grep -q '"name":"a\\u001b\[2Jb"'
}

@test "multi-label: by class, all together, one class against the rest" {
    cd "$TMP"
    printf '{"scores":{"a":0%s,"b":0%s,"c":0%s},"gold":%s,"source":"%s"}\n' .9 .2 .6 '["a","c"]' x .8 .7 .1 '["a"]' x .3 .6 .2 '["b"]' y \
        .1 .4 .3 '[]' y > s
    run -0 metrics --by source s
    [ "${lines[0]}" = "class                   rows precision    recall        F1     AUROC     AUPRC" ]
    [ "${lines[1]}" = "a                          2    1.0000    1.0000    1.0000    1.0000    1.0000" ]
    [ "${lines[2]}" = "b                          1    0.5000    1.0000    0.6667    0.6667    0.5000" ]
    [[ $output == *"subset accuracy           0.7500   [0.3006, 0.9544]
Hamming loss              0.0833
micro F1                  0.8889"* ]]
    [[ $output == *"
source                        rows    subset  micro F1  macro F1     AUROC
x                                2    0.5000    0.8571    0.6667         -
y                                2    1.0000    1.0000    1.0000         -" ]]
    metrics --json --gate 'f1[b]>0.6' --gate 'auroc>0.8' --gate 'ece<0.5' s > got
    grep -q '{"n":4,"classes":3,"threshold":0.5,"subset_accuracy":0.75,"hamming":0.083333333333333329,' got
    grep -q '"per_class":\[{"class":0,"name":"a","support":2,"tp":2,"fp":0,"fn":0,"precision":1,' got
    metrics --json --threshold 0.65 s | grep -q '"name":"b","support":1,"tp":0,"fp":1,"fn":1,"precision":0,"recall":0,"f1":0,'
    metrics --json --bootstrap 20 s | grep -q '"ci":{"subset_accuracy":\['
    # one class: two classes, as if it were alone
    metrics --json --positive b s > one
    printf '{"scores":{"the rest":0%s,"b":0%s},"gold":"%s"}\n' .8 .2 'the rest' .3 .7 'the rest' .4 .6 b .6 .4 'the rest' > two
    metrics --json two | cmp - one
    # one class alone is a model too
    echo '{"scores":{"a":0.3},"gold":[]}' | metrics --json | grep -q '"subset_accuracy":1,'
}

@test "regression: errors and correlations" {
    cd "$TMP"
    printf '{"value":%s,"gold":%s}\n' 1 1 2.5 2 2 3 5 4 1 null > s
    run -0 --separate-stderr metrics s
    [ "$output" = "rows                           4
MSE                       0.5625
RMSE                      0.7500
MAE                       0.6250
R2                        0.5500
Pearson                   0.8724
Spearman                  0.8000" ]
    [ "$stderr" = "metrics: warning: 's': 1 lines without a gold label left out" ]
    metrics -q --json --gate 'rmse<=0.75' --bootstrap 20 s | grep -q '^{"n":4,"mse":0.5625,"rmse":0.75,"mae":0.625,.*"ci":{"mse":\['
    metrics -q --by source s | grep -qx 'source                        rows      RMSE       MAE        R2   Pearson  Spearman'
    run -2 --separate-stderr metrics -q --positive a s
    [ "$stderr" = "metrics: option --positive: no class is named 'a'; try --help" ]
}

@test "logits beside the scores: exact NLL, unless a calibration lies between" {
    cd "$TMP"
    printf '{"scores":{"a":%s,"b":%s},"logits":[%s],"gold":"%s"}\n' 1 0 40,0 a 0.119202922 0.880797078 -1,1 a > s
    printf '{"label":%s,"logits":[%s]}\n' 0 40,0 0 -1,1 > plain
    [ "$(metrics --json s | sed 's/.*"nll":\([^,]*\).*/\1/')" = "$(metrics --json plain | sed 's/.*"nll":\([^,]*\).*/\1/')" ]
    # halved logits: the scores alone count, as if the lines had no logits
    printf '{"scores":{"a":%s,"b":%s},"logits":[%s],"gold":"%s"}\n' 1 0 40,0 a 0.268941421 0.731058579 -1,1 a > s
    sed 's/,"logits":[^]]*\]//' s > without
    metrics --json without > want
    metrics --json s | cmp - want
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
