# metrics-verbs.bats - compare and calibrate, and how verbs are named
load helper

setup_file() {
    FIXTURES=$("$ROOT/tests/fixtures.sh")
    export FIXTURES
}

# two models on 40 rows: the first a little better
two() {
    cd "$TMP"
    awk 'function draw() { x = x * 16807 % 2147483647; return x / 2147483647 }
    BEGIN {
        x = 5
        for (i = 0; i < 40; i++) {
            y = i % 3 == 0; a = draw() * 0.6 + 0.35 * y; b = draw() * 0.7 + 0.2 * y
            gold = y ? "unsafe" : "safe"
            printf "{\"row\":%d,\"scores\":{\"safe\":%.6f,\"unsafe\":%.6f},\"gold\":\"%s\"}\n", i, 1 - a, a, gold > "a"
            printf "{\"row\":%d,\"scores\":{\"safe\":%.6f,\"unsafe\":%.6f},\"gold\":\"%s\"}\n", i, 1 - b, b, gold > "b"
        }
    }'
}

figure() { grep -o "\"$1\":[-0-9.e+]\+" | head -n 1 | cut -d : -f 2; }

@test "compare: the figures are those of each file, the interval by seed" {
    two
    metrics compare --json --metric accuracy --metric brier --metric recall@fpr=0.1 a b > got
    [ "$(sed 's/.*"accuracy":{"replicates":1000,"a":\([^,]*\),"b":\([^,]*\),.*/\1 \2/' got)" = \
        "$(metrics --json a | figure accuracy) $(metrics --json b | figure accuracy)" ]
    grep -q '"n":40,"a":"a","b":"b","mcnemar":{"both_right":[0-9]*,"a_only":[0-9]*,"b_only":[0-9]*,"both_wrong":[0-9]*,"method":"exact","chi2":null,"p":' got
    grep -q '"boot":1000,"seed":42,"metrics":{"accuracy":' got
    metrics compare --json --metric accuracy --metric brier --metric recall@fpr=0.1 --seed 42 --bootstrap 1000 a b | cmp - got
    metrics compare --json --metric brier --seed 1 a b > other
    run -1 cmp -s other got
    # turned round: the difference has the other sign, and no replicate has both better
    metrics compare --json --metric auroc a b > ab
    metrics compare --json --metric auroc b a > ba
    awk -v x="$(figure difference < ab)" -v y="$(figure difference < ba)" 'BEGIN { exit !(x == -y && x != 0) }'
    awk -v x="$(figure a_not_better < ab)" -v y="$(figure a_not_better < ba)" 'BEGIN { exit !(x + y >= 1 && x < 0.5) }'
    # with itself: nothing
    run -0 metrics compare --bootstrap 10 a a
    [[ $output == "A a
B a
rows 40

                         B right   B wrong
A right "*"
McNemar, exact                     p = 1

                               A         B     A - B   95 % interval       A not better
auroc "*" 0.0000   [0.0000, 0.0000]    1.0000" ]]
}

@test "compare: other tasks" {
    cd "$TMP"
    run -0 metrics compare --bootstrap 20 "$GOLDEN/metrics/three_class.jsonl" "$GOLDEN/metrics/three_class.jsonl"
    [[ $output == *"McNemar, exact "* ]]
    printf '{"value":%s,"gold":%s}\n' 1 1 2.5 2 2 3 5 4 > a
    printf '{"value":%s,"gold":%s}\n' 1 1 2 2 3 3 4 4 > b
    metrics compare --json a b > got
    grep -q '^{"n":4,"a":"a","b":"b","boot":1000,"seed":42,"metrics":{"rmse":{"replicates":1000,"a":0.75,"b":0,"difference":0.75,' got
    printf '{"scores":{"x":%s,"y":0.9},"gold":%s}\n' 0.9 '["x","y"]' 0.4 '["y"]' 0.1 '["y"]' > a
    printf '{"scores":{"x":%s,"y":0.9},"gold":%s}\n' 0.4 '["x","y"]' 0.9 '["y"]' 0.1 '["y"]' > b
    metrics compare --json --metric 'f1[x]' a b > got
    grep -q '"mcnemar":{"both_right":1,"a_only":2,"b_only":0,"both_wrong":0,' got
    grep -q '"f1\[x\]":{"replicates":[0-9]*,"a":1,"b":0,"difference":1,' got
    # more than 24 rows that one alone has right
    for i in $(seq 15); do printf '{"label":%s,"score":%s}\n' 1 0.9 0 0.1; done > a
    sed 's/0\.9/0.2/; s/0\.1/0.8/' a > b
    run -0 metrics compare --bootstrap 5 --threshold 0.5 a b
    [[ $output == *"
A right                        0        30
A wrong                        0         0
McNemar, chi-square      28.0333   p = 1.192e-07
"* ]]
}

@test "compare: refusals" {
    two
    sed 's/"row":7,/"row":70,/' b > rows
    run -3 --separate-stderr metrics compare a rows
    [ "$stderr" = "metrics: rows:8: 'row' is not that of a:8: not the same rows" ]
    sed '5s/"gold":"[a-z]*"/"gold":"unsafe"/' b > gold
    run -3 --separate-stderr metrics compare a gold
    [ "$stderr" = "metrics: gold:5: 'gold' is not that of a:5: not the same rows" ]
    head -n 39 b > short
    run -3 --separate-stderr metrics compare a short
    [ "$stderr" = "metrics: a:40: 'short' has no such row: 39 labelled rows, not 40" ]
    run -3 --separate-stderr metrics compare short a
    [ "$stderr" = "metrics: a:40: 'short' has no such row: 39 labelled rows, not 40" ]
    sed 's/unsafe/bad/g' b > names
    run -3 --separate-stderr metrics compare a names
    [ "$stderr" = "metrics: 'a' and 'names' have not the same classes in the same order" ]
    for n in a "a b a"; do
        run -2 --separate-stderr metrics compare $n
        [ "$stderr" = "metrics: compare needs two files of scores, A and B; try --help" ]
    done
    run -2 --separate-stderr metrics compare --metric temperature a b
    [[ $stderr == "metrics: option --metric: no figure 'temperature' here, but n, classes, accuracy, "* ]]
    run -2 --separate-stderr metrics compare --gate 'n>1' a b
    [ "$stderr" = "metrics: unknown or ambiguous option '--gate'; try --help" ]
    run -4 --separate-stderr metrics compare a nowhere
}

@test "calibrate: temperature, from scores and from logits" {
    two
    run -0 metrics calibrate -o cal.json a
    [ "${#lines[@]}" = 6 ]
    [ "${lines[1]}" = "                          before     after" ]
    t=$(figure temperature < cal.json)
    [ "$(cat cal.json)" = "{\"method\":\"temperature\",\"temperature\":$t,\"classes\":2}" ]
    [ "$t" = "$(metrics --json a | figure temperature)" ]
    metrics calibrate --json a > got
    grep -q "^{\"n\":40,\"method\":\"temperature\",\"temperature\":$t,\"before\":{\"ece_mass\":" got
    # NLL falls to what the figures promise
    [ "$(sed 's/.*"after":.*"nll":\(.*\)}}/\1/' got | cut -c 1-12)" = "$(metrics --json a | figure nll_at_temperature | cut -c 1-12)" ]
    metrics calibrate --json "$GOLDEN/metrics/three_class.jsonl" | grep -q '"temperature":2.2220127'
    # a calibration is fitted to the raw logits, whatever the scores went through
    printf '{"scores":{"a":%s,"b":%s},"logits":[0,%s],"gold":"%s"}\n' 0.5 0.5 2 b 0.5 0.5 -2 a 0.5 0.5 1 a > raw
    printf '{"label":%s,"logits":[0,%s]}\n' 1 2 0 -2 0 1 > plain
    [ "$(metrics calibrate --json raw | figure temperature)" = "$(metrics calibrate --json plain | figure temperature)" ]
    # multi-label: one temperature for every class
    printf '{"scores":{"x":%s,"y":0.9},"gold":%s}\n' 0.9 '["x","y"]' 0.4 '["y"]' 0.3 '["x"]' > multi
    metrics calibrate -o cal.json multi
    grep -q '^{"method":"temperature","temperature":[0-9.]*,"classes":2}$' cal.json
    # nothing is left behind where it cannot be written
    run -4 metrics calibrate -o nowhere/cal.json a
    metrics calibrate -q -o - a | grep -q '^{"method"'
}

@test "calibrate: Platt, and what it refuses" {
    two
    metrics calibrate --method platt -o cal.json a
    a=$(figure a < cal.json) b=$(figure b < cal.json)
    [ "$(cat cal.json)" = "{\"method\":\"platt\",\"a\":$a,\"b\":$b,\"classes\":2}" ]
    run -0 metrics calibrate --method platt a
    [[ ${lines[0]} == "Platt a "*", b "* ]]
    metrics calibrate --json --method platt a | grep -q "\"method\":\"platt\",\"a\":$a,\"b\":$b,\"before\":"
    grep '"safe"}' a > negatives
    run -3 --separate-stderr metrics calibrate --method platt -o never negatives
    [ "$stderr" = "metrics: Platt scaling needs rows of both classes" ]
    [ ! -e never ]
    run -3 --separate-stderr metrics calibrate --method platt -o never "$GOLDEN/metrics/inverted.jsonl"
    [[ $stderr == "metrics: Platt scaling would turn the order of the scores round (a = -"*")" ]]
    [ ! -e never ]
    run -2 --separate-stderr metrics calibrate --method platt "$GOLDEN/metrics/three_class.jsonl"
    [ "$stderr" = "metrics: option --method: Platt scaling needs two classes; try --help" ]
    run -3 --separate-stderr metrics calibrate "$GOLDEN/metrics/constant_half.jsonl"
    [ "$stderr" = "metrics: the logits of every row are equal: no temperature does better than another" ]
    run -0 --separate-stderr metrics calibrate negatives
    [ -z "$stderr" ] || [[ $stderr == "metrics: warning: temperature "*" is the end of what is searched" ]]
    run -0 --separate-stderr metrics calibrate "$GOLDEN/metrics/perfect.jsonl"
    [ "$stderr" = "metrics: warning: temperature 0.01 is the end of what is searched" ]
    run -2 --separate-stderr metrics calibrate <<< '{"value":1,"gold":1}'
    [ "$stderr" = "metrics: calibrate needs scores of classes, not values; try --help" ]
    run -2 --separate-stderr metrics calibrate a b
    [ "$stderr" = "metrics: one file of scores, not 2; try --help" ]
    run -2 --separate-stderr metrics calibrate --method isotonic a
    [ "$stderr" = "metrics: option --method: 'isotonic' is not one of temperature|platt; try --help" ]
}

@test "what calibrate promises is what clf-head --calibration gives" {
    cd "$TMP"
    mbert-fwd -m "$FIXTURES/guard" -o p.st "$FIXTURES/test.st.zst"
    clf-head -m "$FIXTURES/guard" --logits p.st > raw
    for method in temperature platt; do
        metrics calibrate --json --method $method -o cal.json raw > got
        clf-head -m "$FIXTURES/guard" --calibration cal.json p.st > calibrated
        want=$(sed 's/.*"after"://' got | figure brier)
        awk -v x="$want" -v y="$(metrics --json calibrated | figure brier)" \
            'BEGIN { d = x - y; exit !(x > 0 && d < 1e-6 && d > -1e-6) }'
        # the logits beside calibrated scores are the raw ones: the same calibration again
        clf-head -m "$FIXTURES/guard" --logits --calibration cal.json p.st > both
        metrics calibrate --method $method -o again.json both > /dev/null
        cmp cal.json again.json
        metrics --json both | cmp - <(metrics --json calibrated)
    done
}

@test "a verb is a word by itself; each has its options, help without one has all" {
    two
    cp a compare
    metrics --json ./compare | cmp - <(metrics --json a)
    metrics --json < compare | cmp - <(metrics --json a)
    metrics --help | grep -q -- '--method temperature|platt'
    metrics calibrate --help | grep -q '^usage: metrics calibrate '
    run -1 grep -q -- --gate <(metrics calibrate --help)
    run -2 --separate-stderr metrics --method platt a
    [ "$stderr" = "metrics: unknown or ambiguous option '--method'; try --help" ]
}
