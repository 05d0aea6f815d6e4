# bpe-tok-sequences.bats - what becomes of a prompt's tokens: pairs, windows, cuts, spans, counts;
# the ids and spans written here are those of the reference (tokenizers 0.23.3)
load helper

setup() {
    M=$ROOT/examples/mini
    cd "$TMP"
}

lines() { printf '%s\n' "$@" > in.jsonl; }
ids() { tens cat --json "$@" | sed 's/.*"input_ids":\[\([0-9,]*\)\].*/\1/'; }
real() {
    need_shared models/modernbert-base/tokenizer.json
    mkdir -p m && cp "$SHARED/models/modernbert-base/tokenizer.json" m
}

@test "--pair-field: one sequence of two texts, the longer one cut first" {
    real
    lines '{"prompt":"one two three","answer":"four"}' '{"prompt":"","answer":""}'
    bpe-tok -m m --pair-field answer in.jsonl > a
    [ "$(ids a | paste -sd ' ')" = "50281,531,767,1264,50282,12496,50282 50281,50282,50282" ]
    bpe-tok -q -m m --pair-field answer --max-length 6 in.jsonl > a
    [ "$(ids a | head -n 1)" = "50281,531,767,50282,12496,50282" ]
    bpe-tok -q -m m --pair-field answer --max-length 6 --truncate left in.jsonl > a
    [ "$(ids a | head -n 1)" = "50281,767,1264,50282,12496,50282" ]
    [ "$(bpe-tok -q -m m --pair-field answer --no-special in.jsonl | ids | head -n 1)" = 531,767,1264,12496 ]
    lines '{"prompt":"one"}'
    run -3 --separate-stderr bpe-tok -m m --pair-field answer in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:1: no field 'answer' (see --pair-field)" ]
    lines '{"prompt":"one","answer":1}'
    run -3 --separate-stderr bpe-tok -m m --pair-field answer in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:1: field 'answer' is not a string" ]
}

@test "pairs of the reference" {
    need_shared golden/tokenizer/pairs.jsonl
    need_command python3
    real
    python3 - "$SHARED/golden/tokenizer/pairs.jsonl" <<'END' > jobs
import json, sys
for n, line in enumerate(open(sys.argv[1])):
    p = json.loads(line)
    if p.get("strategy", "longest_first") != "longest_first" or not isinstance(p.get("ids"), list):
        continue
    most = p.get("max_length")
    options = ["--truncate", p.get("direction", "right")] + (["--max-length", str(most)] if most else [])
    options += [] if p.get("add_special_tokens", True) else ["--no-special"]
    json.dump({"prompt": p["a"], "b": p["b"]}, open(f"p{n}.jsonl", "w"))
    print(n, ",".join(map(str, p["ids"])) or "-", *options)
END
    [ "$(wc -l < jobs)" -gt 50 ]
    while read -r n want options; do
        # shellcheck disable=SC2086 # options are several words
        bpe-tok -q -m m --pair-field b $options "p$n.jsonl" | ids > got
        [ "$(cat got)" = "${want#-}" ] || { echo "pair $n: $options"; false; }
    done < jobs
}

@test "--window, --stride: rows and windows are numbered, nothing is cut" {
    real
    lines '{"prompt":"one two three four five six seven eight","label":1}' '{"prompt":"a","label":0}' '{"prompt":""}'
    bpe-tok -m m --window 6 --stride 1 in.jsonl > a
    [ "$(ids a | paste -sd ' ')" = "50281,531,767,1264,1740,50282 50281,1740,2620,2800,5093,50282 50281,5093,4314,50282 50281,66,50282 50281,50282" ]
    [ "$(tens cat --json a | sed 's/.*"row":\([0-9]*\).*"window":\([0-9]*\).*/\1.\2/' | paste -sd ' ')" = "0.0 0.1 0.2 1.0 2.0" ]
    [ "$(tens cat --json a | grep -c '"label":1')" = 3 ]
    pack-batch a | tens cat --json | cmp - <(tens cat --json a)
    bpe-tok -m m --window 8192 in.jsonl | ids | cmp - <(bpe-tok -m m in.jsonl | ids)
    run -2 --separate-stderr bpe-tok -m m --window 6 --stride 4 in.jsonl
    [ "$stderr" = "bpe-tok: option --stride: 4 is not less than the 4 tokens of text in a window; try --help" ]
    run -2 --separate-stderr bpe-tok -m m --window 2 in.jsonl
    [ "$stderr" = "bpe-tok: option --window: 2 leaves no room beside 2 special tokens; try --help" ]
    run -2 --separate-stderr bpe-tok -m m --window 6 --max-length 5 in.jsonl
    [ "$stderr" = "bpe-tok: option --window: not with --pair-field, --max-length or --truncate; try --help" ]
    run -2 --separate-stderr bpe-tok -m m --stride 1 in.jsonl
    [ "$stderr" = "bpe-tok: option --stride: only with --window; try --help" ]
    run -2 --separate-stderr bpe-tok -m "$M" --window 99999 in.jsonl
    [[ "$stderr" = "bpe-tok: option --window: 99999 is over the model's "*" positions; try --help" ]]
}

@test "windows that would be too much for one prompt are refused" {
    need_command python3
    python3 -c "print('{\"prompt\":\"' + 'a b ' * 500000 + '\"}')" > in.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" --window 128 --stride 125 in.jsonl
    [[ "$stderr" = "bpe-tok: in.jsonl:1: "*" windows of 128 tokens: too much for one prompt" ]] || { echo "$stderr"; false; }
    bpe-tok -m "$M" --window 128 in.jsonl > a
    run -3 --separate-stderr bpe-tok -m "$M" --window 128 --keep prompt in.jsonl
    [[ "$stderr" = *" windows of 128 tokens and kept fields: too much for one prompt" ]]
}

@test "a record is cut where its kept fields grow large" {
    need_command python3
    python3 -c "for i in range(8): print('{\"prompt\":\"a\",\"x\":\"' + 'b' * (9 << 20) + '\"}')" > in.jsonl
    bpe-tok -m "$M" --keep x --flush-every 8 in.jsonl > a
    [ "$(tens count a | head -n 1)" = 'records	2' ] || { tens count a; false; }
}

@test "--truncate right, left, error" {
    real
    lines '{"prompt":"one two three four"}' '{"prompt":"a"}'
    [ "$(bpe-tok -q -m m --max-length 4 in.jsonl | ids | head -n 1)" = 50281,531,767,50282 ]
    [ "$(bpe-tok -q -m m --max-length 4 --truncate left in.jsonl | ids | head -n 1)" = 50281,1264,1740,50282 ]
    run -3 --separate-stderr bpe-tok -m m --max-length 4 --truncate error in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:1: 6 tokens, over the limit of 4" ]
    bpe-tok -m m --max-length 4 --truncate error --on-error skip in.jsonl > a 2> err
    [ "$(head -n 1 err)" = "bpe-tok: warning: in.jsonl:1: 6 tokens, over the limit of 4 (skipped)" ]
    [ "$(ids a)" = 50281,66,50282 ]
}

@test "errors come in the order of lines, and what came before is written" {
    real
    lines '{"prompt":"a"}' '{"prompt":"one two three four"}' 'junk'
    run -3 --separate-stderr bpe-tok -m m --max-length 4 --truncate error in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:2: 6 tokens, over the limit of 4" ]
    run -3 bpe-tok -q -m m in.jsonl
    bpe-tok -q -m m in.jsonl > a 2> err || true
    run -3 --separate-stderr tens cat --json a
    [ "${#lines[@]}" = 2 ]
    [[ "$stderr" = *"upstream bpe-tok failed: in.jsonl:3: "* ]]
    yes '{"prompt":"many lines, several chunks of them"}' | head -n 40000 > in.jsonl
    echo junk >> in.jsonl
    yes '{"prompt":"and others after that"}' | head -n 20000 >> in.jsonl
    for t in 1 4; do
        run -3 --separate-stderr bpe-tok -m m --threads $t in.jsonl
        [[ "$stderr" = "bpe-tok: in.jsonl:40001: "* ]]
        bpe-tok -q -m m --threads $t in.jsonl > a$t || true
    done
    cmp a1 a4
    [ "$(tens cat --json a1 2> /dev/null | wc -l)" = 40000 ]
}

@test "--special literal: typed special tokens are letters; counted either way" {
    real
    lines '{"prompt":"a [SEP] b"}' '{"prompt":"x  [MASK] y"}'
    bpe-tok -m m --no-special in.jsonl > a 2> err
    [ "$(ids a | paste -sd ' ')" = "66,209,50282,270 89,50284,340" ]
    [ "$(cat err)" = "bpe-tok: warning: 2 special tokens were typed in prompts and taken as such (see --special)" ]
    bpe-tok -m m --no-special --special literal in.jsonl > a 2> err
    [ "$(ids a | paste -sd ' ')" = "66,544,2354,49,62,270 89,50276,60,18690,62,340" ]
    [ "$(cat err)" = "bpe-tok: warning: 2 special tokens were typed in prompts and taken as text" ]
    [ "$(bpe-tok -q -m m --no-special --special literal in.jsonl | bpe-tok -m m --decode | head -n 1)" = '{"row":0,"text":"a [SEP] b"}' ]
}

@test "--offsets: spans in characters and in bytes" {
    real
    lines '{"prompt":"a  b caf\u00e9 \u65e5\u672c [SEP]"}'
    bpe-tok -q -m m --offsets chars in.jsonl > a
    tens cat --json a | grep -qF '"spans":[[0,0],[0,1],[1,3],[3,4],[4,9],[9,10],[10,12],[12,13],[13,18],[0,0]]' ||
        { tens cat --json a; false; }
    bpe-tok -q -m m --no-special --offsets bytes in.jsonl > a
    tens cat --json a | grep -qF '"spans":[[0,1],[1,3],[3,4],[4,10],[10,11],[11,17],' || { tens cat --json a; false; }
    lines '{"prompt":"xe\u0301 y"}' # composed: the span of both characters
    bpe-tok -q -m m --no-special --offsets chars in.jsonl | tens cat --json | grep -qF '[1,3],[3,5]]'
}

@test "--offsets: the word of each token, less its blanks; of pairs, windows, cuts" {
    words() { bpe-tok -q -m "$M" "$@" in.jsonl | tens cat --json | sed 's/.*"words":\(.*\)}$/\1/'; }
    lines '{"prompt":"xyq ab,  \u00e9f"}'
    [ "$(words --offsets chars --no-special)" = "[[0,3],[0,3],[0,3],[4,6],[6,7],[7,9],[9,11],[9,11]]" ]
    [ "$(words --offsets bytes --no-special)" = "[[0,3],[0,3],[0,3],[4,6],[6,7],[7,9],[9,12],[9,12]]" ]
    [ "$(words --offsets chars --window 5 --stride 1 | paste -sd ' ')" = \
        "[[0,0],[0,3],[0,3],[0,3],[0,0]] [[0,0],[0,3],[4,6],[6,7],[0,0]] [[0,0],[6,7],[7,9],[9,11],[0,0]] [[0,0],[9,11],[9,11],[0,0]]" ]
    [ "$(words --offsets chars --max-length 5 --truncate left)" = "[[0,0],[7,9],[9,11],[9,11],[0,0]]" ]
    lines '{"prompt":"xy ab","b":" cd e"}'
    [ "$(words --offsets chars --pair-field b)" = "[[0,0],[0,2],[0,2],[3,5],[0,0],[1,3],[1,3],[4,5],[0,0]]" ]
    lines '{"prompt":"xe\u0301y z"}'
    [ "$(words --offsets chars --no-special)" = "[[0,4],[0,4],[0,4],[5,6]]" ]
}

@test "spans cover every byte of text that NFC leaves alone" {
    need_shared data/test.jsonl.zst
    need_command python3
    real
    zstd -dc "$SHARED/data/test.jsonl.zst" | head -n 2000 > in.jsonl
    bpe-tok -q -m m --no-special --offsets bytes in.jsonl | tens cat --json > got
    python3 - in.jsonl got <<'END'
import json, sys, unicodedata
n = 0
for a, b in zip(open(sys.argv[1]), open(sys.argv[2])):
    text, spans = json.loads(a)["prompt"], json.loads(b)["spans"]
    if unicodedata.normalize("NFC", text) != text or len(spans) == 8192:
        continue
    assert [s[0] for s in spans] == ([0] + [s[1] for s in spans])[:len(spans)], text
    assert not spans or spans[-1][1] == len(text.encode()), text
    n += 1
assert n > 1500
END
}

@test "--count: a number a prompt, nothing cut, the id before it" {
    real
    lines '{"prompt":"one two three","id":"x"}' '' '{"prompt":"","id":7}'
    [ "$(bpe-tok -m m --count --max-length 3 in.jsonl | paste -sd ' ')" = "5 2" ]
    [ "$(bpe-tok -m m --count --no-special in.jsonl | paste -sd ' ')" = "3 0" ]
    [ "$(bpe-tok -m m --count --id-field id in.jsonl | paste -sd ' ')" = '"x"	5 7	2' ]
    bpe-tok -m m --count -o n in.jsonl && [ "$(wc -l < n)" = 2 ]
    run -4 bpe-tok -m m --count in.jsonl -o /dev/full
}

@test "--id-field is carried, and must be there" {
    lines '{"prompt":"a","id":"x"}' '{"prompt":"b"}'
    run -3 --separate-stderr bpe-tok -m "$M" --id-field id in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:2: no field 'id' (see --id-field)" ]
    [ "$(bpe-tok -q -m "$M" --on-error skip --id-field id in.jsonl | tens cat --json | grep -c '"id":"x"')" = 1 ]
    run -2 --separate-stderr bpe-tok -m "$M" --id-field id --keep id in.jsonl
    [ "$stderr" = "bpe-tok: option --keep: 'id' is there twice; try --help" ]
}

@test "-0: texts of several lines; plain text is the field text" {
    printf 'a\nb\0c d\0e' > in.txt
    [ "$(bpe-tok -m "$M" -0 --count in.txt | wc -l)" = 3 ]
    bpe-tok -m "$M" -0 --no-special --keep text in.txt > a
    [ "$(bpe-tok -m "$M" --decode a | head -n 1)" = '{"row":0,"text":"a\nb"}' ]
    tens cat --json a | head -n 1 | grep -qF '"text":"a\nb"'
    run -2 --separate-stderr bpe-tok -m "$M" -0 --keep other in.txt
    [ "$stderr" = "bpe-tok: plain text has no fields but 'text': --format text and -0 go without --pair-field, --id-field, --text-field and other --keep; try --help" ]
}

@test "--flush-every gives records to a live pipe before its end" {
    mkfifo in out
    bpe-tok -m "$M" --flush-every 2 < in > out &
    exec 8> in 9< out
    printf '{"prompt":"a"}\n{"prompt":"b"}\n' >&8
    timeout 10 head -c 200 <&9 > got # the head and the record are there while the pipe is open
    [ "$(wc -c < got)" = 200 ]
    exec 8>&-
    cat <&9 > rest
    wait
    [ "$(cat got rest | tens cat --json | wc -l)" = 2 ]
}

@test "--progress writes into a log" {
    yes '{"prompt":"many lines"}' | head -n 30000 > in.jsonl
    bpe-tok -m "$M" --progress in.jsonl 2> err > /dev/null
    grep -Eqx 'bpe-tok: [0-9]+ prompts, [0-9]+ a second' err
}
