# bpe-tok.bats - lines in, labels, limits, errors by file and line, exact ids where references are
load helper

setup() {
    M=$ROOT/examples/mini
    cd "$TMP"
}

# lines CONTENT...: one JSON line each into in.jsonl
lines() { printf '%s\n' "$@" > in.jsonl; }
ids() { tens cat --json | sed 's/.*"input_ids":\[\([0-9,]*\)\].*/\1/'; }

@test "prompt, or else text, or the field that is named" {
    lines '{"text":"hello","prompt":"a dog"}' '{"text":"a dog"}' '{"x":"a dog"}'
    head -n 2 in.jsonl | bpe-tok -m "$M" | ids > got
    [ "$(sort -u got | wc -l)" = 1 ]
    tail -n 1 in.jsonl | bpe-tok -m "$M" --text-field x | ids | diff - <(head -n 1 got)
}

@test "JSON lines, plain lines, zstd, several files: the same ids, rows numbered on" {
    need_command zstd
    lines '{"prompt":"a dog"}' '' '{"prompt":"two  dogs\n"}'
    printf 'a dog\n' > in.txt
    zstd -q in.jsonl -o in.jsonl.zst
    bpe-tok -m "$M" in.jsonl > a
    bpe-tok -m "$M" in.jsonl.zst | cmp - a
    bpe-tok -m "$M" < in.jsonl | cmp - a
    [ "$(bpe-tok -m "$M" --format text in.txt | ids)" = "$(ids < a | head -n 1)" ]
    bpe-tok -m "$M" in.jsonl - in.jsonl < in.jsonl | tens cat --json | sed 's/,"input.*//' | paste -sd ' ' > rows
    [ "$(cat rows)" = '{"row":0 {"row":2 {"row":3 {"row":5 {"row":6 {"row":8' ]
    [ "$(tens count --json a)" = "{\"records\":1,\"examples\":2,\"tokens\":$(ids < a | tr ',' '\n' | wc -l),\"rows\":3}" ]
}

@test "CRLF, BOM, no newline at the end, NUL in a text, U+2028 in a text" {
    printf '\357\273\277{"prompt":"a"}\r\n{"prompt":"a\\u0000b"}\n{"prompt":"a\342\200\250b"}' > in.jsonl
    bpe-tok -m "$M" in.jsonl > a
    [ "$(tens count --json a | sed 's/.*"rows":\([0-9]*\).*/\1/')" = 3 ]
    [ "$(bpe-tok -m "$M" --decode --skip-special a | sed -n 2p)" = '{"row":1,"text":"a\u0000b"}' ]
    printf '{"prompt":"a"}\n' | bpe-tok -m "$M" | ids | diff - <(ids < a | head -n 1)
}

@test "labels: numbers, names, sets, values" {
    lines '{"prompt":"a","label":1}' '{"prompt":"b","label":"safe"}' '{"prompt":"c"}' '{"prompt":"d","label":null}'
    bpe-tok -m "$M" --labels safe,unsafe in.jsonl > a
    tens cat --json a | sed 's/.*\],*//' | paste -sd ' ' > got
    [ "$(cat got)" = '"label":1} "label":0} "label":-100} "label":-100}' ] || { cat got; false; }
    tens ls a | grep -q 'labels=\["safe","unsafe"\].*task=single'
    lines '{"prompt":"a","label":["x","z"]}' '{"prompt":"b","label":[]}'
    bpe-tok -m "$M" --labels x,y,z in.jsonl > a
    tens ls a | grep -q 'task=multi'
    tens ls a | grep -q 'labels F32\[2,3\]'
    lines '{"prompt":"a","label":0.5}' '{"prompt":"b","label":2}'
    bpe-tok -m "$M" in.jsonl > a
    tens ls a | grep -q 'task=regression'
    tens ls a | grep -q 'labels F32\[2\]'
    lines '{"prompt":"a","y":3}'
    bpe-tok -m "$M" --label-field y --labels a,b,c,d --task single in.jsonl | tens cat --json | grep -q '"label":3}'
}

# bad MESSAGE LINE OPTION...: the second of two lines is bad
bad() {
    local message=$1 line=$2
    shift 2
    printf '{"prompt":"fine","label":0}\n%s\n' "$line" > in.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" "$@" in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:2: $message" ] || { echo "$stderr"; return 1; }
}

@test "a bad line is named by file and line, status 3" {
    bad "no field 'prompt' or 'text' (use --text-field)" '{"x":1}'
    bad "field 'prompt' is not a string" '{"prompt":7}'
    bad "not a JSON object" '["a"]'
    bad "label 2 is outside 0..1 (use --labels)" '{"prompt":"a","label":2}'
    bad "label -1 is outside 0..1 (use --labels)" '{"prompt":"a","label":-1}'
    bad "label 'maybe' is not one of the 2 known (use --labels)" '{"prompt":"a","label":"maybe"}'
    bad "label is neither a class number nor a name" '{"prompt":"a","label":{}}'
    printf '{"prompt":"fine","label":["a"]}\n{"prompt":"a","label":"a"}\n' > in.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" --labels a,b in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:2: label is not an array of names, as --task multi wants" ]
    printf '{"prompt":"fine","label":0.5}\n{"prompt":"a"}\n' > in.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:2: no label, but the lines before have one" ]
    printf '{"prompt":"fine"}\n{"prompt":"a","label":0.5}\n' > in.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" --task regression in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:2: a label, but the lines before have none" ]
    printf '{"prompt":"fine","label":["a"]}\n{"prompt":"a"}\n' > in.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" --labels a,b in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:2: no label, but the lines before have one" ]
}

@test "lone surrogates, invalid UTF-8, duplicate keys, broken JSON, raw controls: status 3" {
    local line
    for line in '{"prompt":"\ud83d"}' '{"prompt":"a","prompt":"b"}' '{"prompt":"a"' '{"prompt":"a"} x' '{"prompt":NaN}'; do
        printf '{"prompt":"fine"}\n%s\n' "$line" > in.jsonl
        run -3 --separate-stderr bpe-tok -m "$M" in.jsonl
        [[ $stderr == "bpe-tok: in.jsonl:2: "* ]] || { echo "$line: $stderr"; false; }
    done
    printf '{"prompt":"\377"}\n' > in.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" in.jsonl
    printf '{"prompt":"a\001b"}\n' > in.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" in.jsonl
    printf 'fine\nb\377d\n' > in.txt
    run -3 --separate-stderr bpe-tok -m "$M" --format text in.txt
    [ "$stderr" = "bpe-tok: in.txt:2: invalid UTF-8" ]
}

@test "--on-error skip names each, counts, and goes on" {
    lines '{"prompt":"a"}' 'junk' '{"prompt":"b"}' '{"x":1}'
    bpe-tok -m "$M" --on-error skip in.jsonl > a 2> err
    [ "$(wc -l < err)" = 3 ]
    grep -q '^bpe-tok: warning: in.jsonl:2: ' err
    grep -qx "bpe-tok: warning: in.jsonl:4: no field 'prompt' or 'text' (use --text-field) (skipped)" err
    grep -qx 'bpe-tok: warning: 2 of 4 lines skipped' err
    tens cat --json a | sed 's/,"input.*//' | paste -sd ' ' > got
    [ "$(cat got)" = '{"row":0 {"row":2' ]
    tens count --json a | grep -q '"rows":4'
}

@test "limits: text at 4 MiB passes and above is refused; line at 16 MiB" {
    need_command python3
    python3 -c "print('{\"prompt\":\"' + 'a' * (4 << 20) + '\"}')" > in.jsonl
    bpe-tok -q -m "$M" in.jsonl > a
    python3 -c "print('{\"prompt\":\"' + 'a' * ((4 << 20) + 1) + '\"}')" > in.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:1: text longer than 4 MiB" ]
    python3 -c "print('{\"prompt\":\"a\",\"x\":\"' + 'a' * ((16 << 20) - 21) + '\"}')" > in.jsonl
    bpe-tok -q -m "$M" in.jsonl > a
    python3 -c "print('{\"prompt\":\"a\",\"x\":\"' + 'a' * ((16 << 20) + 1) + '\"}')" > in.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" in.jsonl
    [ "$stderr" = "bpe-tok: in.jsonl:1: line longer than 16 MiB" ]
}

@test "limits: 1,024 fields, names of 256 bytes, 64 levels" {
    need_command python3
    python3 - <<'END'
import json
def put(name, o): open(name, "w").write(json.dumps(o) + "\n")
put("f1", {"prompt": "a", **{f"k{i}": i for i in range(1023)}})
put("f2", {"prompt": "a", **{f"k{i}": i for i in range(1024)}})
put("n1", {"prompt": "a", "k" * 256: 1})
put("n2", {"prompt": "a", "k" * 257: 1})
deep = lambda n: '{"prompt":"a","x":' + "[" * n + "]" * n + "}\n"
open("d1", "w").write(deep(63)), open("d2", "w").write(deep(64))
END
    for f in f1 n1 d1; do bpe-tok -m "$M" $f > a; done
    run -3 --separate-stderr bpe-tok -m "$M" f2
    [ "$stderr" = "bpe-tok: f2:1: more than 1024 fields" ]
    run -3 --separate-stderr bpe-tok -m "$M" n2
    [ "$stderr" = "bpe-tok: n2:1: a field name longer than 256 bytes" ]
    run -3 --separate-stderr bpe-tok -m "$M" d2
    [ "$stderr" = "bpe-tok: d2:1: JSON nested deeper than 64" ]
}

@test "truncation is counted, flagged and said" {
    lines '{"prompt":"one two three four five six"}' '{"prompt":"a"}'
    bpe-tok -m "$M" --max-length 4 in.jsonl > a 2> err
    [ "$(cat err)" = "bpe-tok: warning: 1 of 2 prompts cut at 4 tokens" ]
    tens cat --json a | head -n 1 | grep -q '"truncated":true'
    [ "$(ids < a | head -n 1 | tr ',' '\n' | wc -l)" = 4 ]
    [ -z "$(bpe-tok -q -m "$M" --max-length 4 in.jsonl 2>&1 > /dev/null)" ]
    run -2 --separate-stderr bpe-tok -m "$M" --max-length 1 in.jsonl
    [ "$stderr" = "bpe-tok: option --max-length: 1 leaves no room beside 2 special tokens; try --help" ]
}

@test "--keep carries fields of any type, missing ones stay away" {
    lines '{"prompt":"a","id":"x","n":{"k":[1,2.5,"é"]}}' '{"prompt":"b"}'
    bpe-tok -m "$M" --keep id,n in.jsonl | tens cat --json > got
    head -n 1 got | grep -qF '"id":"x","n":{"k":[1,2.5,"é"]}'
    ! tail -n 1 got | grep -q '"id"'
}

@test "--no-special, and the way back: --decode of streams and of lines" {
    lines '{"prompt":"A dog, [SEP]  two\tdogs é"}'
    bpe-tok -m "$M" --no-special in.jsonl > a
    [ "$(bpe-tok -m "$M" --decode a)" = '{"row":0,"text":"A dog, [SEP]  two\tdogs é"}' ]
    bpe-tok -m "$M" in.jsonl > b
    [ "$(bpe-tok -m "$M" --decode b)" = '{"row":0,"text":"[CLS]A dog, [SEP]  two\tdogs é[SEP]"}' ]
    [ "$(bpe-tok -m "$M" --decode --skip-special b)" = '{"row":0,"text":"A dog,   two\tdogs é"}' ]
    tens cat --json b > l.jsonl
    bpe-tok -m "$M" --decode l.jsonl | diff - <(bpe-tok -m "$M" --decode b)
    sed 's/.*\(\[[0-9,]*\]\).*/\1/' l.jsonl | bpe-tok -m "$M" --decode --format text | diff - <(bpe-tok -m "$M" --decode b)
    echo '[-1]' > l.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" --decode l.jsonl
    [ "$stderr" = "bpe-tok: l.jsonl:1: an id is not a whole number from 0" ]
    echo '{"x":1}' > l.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" --decode l.jsonl
    [ "$stderr" = "bpe-tok: l.jsonl:1: no field 'input_ids'" ]
}

@test "records are cut by content, --flush-every cuts sooner, the ids stay" {
    yes '{"prompt":"a dog"}' | head -n 2500 > in.jsonl
    bpe-tok -m "$M" in.jsonl > a
    [ "$(tens ls a | grep -c '	tokens	row')" = 3 ]
    bpe-tok -m "$M" --flush-every 100 in.jsonl > b
    [ "$(tens ls b | grep -c '	tokens	row')" = 25 ]
    tens cat --json a | cmp - <(tens cat --json b)
}

@test "decode of reference ids, mini tokenizer" {
    need_command python3
    python3 - "$GOLDEN/mini-tokenizer/decode.jsonl" <<'END' > l.jsonl
import json, sys
for l in open(sys.argv[1]):
    print(json.dumps(json.loads(l)["ids"]))
END
    for k in text text_skip_special; do
        o=; [ $k = text ] || o=--skip-special
        bpe-tok -q -m "$M" --decode $o l.jsonl > got
        python3 - "$GOLDEN/mini-tokenizer/decode.jsonl" got $k <<'END'
import json, sys
want = [json.loads(l)[sys.argv[3]] for l in open(sys.argv[1])]
got = [json.loads(l)["text"] for l in open(sys.argv[2])]
assert len(want) > 5 and got == want, [(g, w) for g, w in zip(got, want) if g != w][:3]
END
    done
}

@test "ids equal the reference on every file and variant (digests)" {
    need_shared golden/tokenizer/digests.tsv data/train.jsonl.zst models/modernbert-base/tokenizer.json
    need_command python3
    mkdir m && cp "$SHARED/models/modernbert-base/tokenizer.json" m
    local f v o n=0
    for f in train test notinject unicode; do
        for v in plain special special_trunc512 special_trunc64; do
            case $v in plain) o=--no-special ;; special) o= ;; *) o=--max-length=${v#special_trunc} ;; esac
            bpe-tok -q -m m $o "$SHARED/data/$f.jsonl.zst" | tens cat --json | python3 "$ROOT/tests/digest.py" > got
            awk -v f=$f -v v=$v '$1 == f && $2 == v { print $3, $4, $5, $6 }' "$SHARED/golden/tokenizer/digests.tsv" |
                diff - got || { echo "$f $v"; false; }
            n=$((n + 1))
        done
    done
    [ $n = 16 ]
}

@test "the same ids with every instruction set, the same bytes with any number of threads" {
    need_shared data/test.jsonl.zst data/unicode.jsonl.zst models/modernbert-base/tokenizer.json
    mkdir m && cp "$SHARED/models/modernbert-base/tokenizer.json" m
    local f c
    for f in test unicode; do
        bpe-tok -q -m m --threads 1 "$SHARED/data/$f.jsonl.zst" > one
        for c in generic avx2 avx512; do
            MBERT_CPU=$c bpe-tok -q -m m --threads 2 "$SHARED/data/$f.jsonl.zst" | cmp - one
        done
        zstd -dc "$SHARED/data/$f.jsonl.zst" | { sleep 0.1; cat; } | bpe-tok -q -m m --threads 7 | cmp - one
    done
}

@test "texts of up to a million characters, no blank in them: the reference's ids" {
    need_shared golden/tokenizer/long.tsv models/modernbert-base/tokenizer.json
    need_command python3
    mkdir m && cp "$SHARED/models/modernbert-base/tokenizer.json" m
    python3 - "$SHARED/golden/tokenizer/long.tsv" <<'END' > in.jsonl
import ast, json, sys
for line in list(open(sys.argv[1]))[1:]:
    unit, count = ast.literal_eval(line.split("\t")[0]), int(line.split("\t")[1])
    text, x = unit * count, 1
    if unit == "lcg_letters":
        text = []
        for _ in range(count):
            x = (x * 1103515245 + 12345) % 2**31
            text.append(chr(97 + (x >> 16) % 26))
        text = "".join(text)
    print(json.dumps({"prompt": text}))
END
    bpe-tok -m m --no-special in.jsonl | tens cat --json > got
    while read -r line; do echo "$line" | python3 "$ROOT/tests/digest.py"; done < got | cut -d ' ' -f 2,3 > ids
    tail -n +2 "$SHARED/golden/tokenizer/long.tsv" | cut -f 3,4 | tr '\t' ' ' | diff - ids
    [ "$(wc -l < ids)" -gt 25 ]
}

@test "a tokenizer of another structure is refused naming the field" {
    need_command python3
    mkdir m
    edit() {
        python3 - "$M/tokenizer.json" "$1" <<'END' > m/tokenizer.json
import json, sys
t = json.load(open(sys.argv[1]))
exec(sys.argv[2])
json.dump(t, sys.stdout)
END
        run -3 --separate-stderr bpe-tok -m m /dev/null
        [[ $stderr == "bpe-tok: 'm/tokenizer.json'"*"$2"* || $stderr == "bpe-tok: m/tokenizer.json: "*"$2"* ]] || { echo "$stderr"; return 1; }
    }
    edit 't["pre_tokenizer"] = {"type": "Metaspace"}' pre_tokenizer
    edit 't["normalizer"] = {"type": "Lowercase"}' normalizer
    edit 't["model"]["type"] = "Unigram"' model
    edit 't["model"]["byte_fallback"] = True' byte_fallback
    edit 'del t["model"]["vocab"]' vocab
    edit 't["model"]["merges"].append("zz@@ qq@@")' merges
}

@test "a model directory without tokenizer.json, without -m, with a small vocabulary" {
    mkdir m
    run -4 --separate-stderr bpe-tok -m m
    [[ $stderr == *m/tokenizer.json*"No such file"* ]]
    run -2 --separate-stderr bpe-tok
    [ "$stderr" = "bpe-tok: no model: use -m DIR; try --help" ]
    cp "$M/tokenizer.json" m
    sed 's/"vocab_size": *[0-9]*/"vocab_size": 99/' "$M/config.json" > m/config.json
    run -3 --separate-stderr bpe-tok -m m
    [[ $stderr == *"vocab_size 99 is less than"* ]]
    run -2 --separate-stderr bpe-tok -m "$M" --labels a,,b
    [ "$stderr" = "bpe-tok: option --labels: an empty name in 'a,,b'; try --help" ]
    run -2 --separate-stderr bpe-tok -m "$M" --labels a,a
    [ "$stderr" = "bpe-tok: option --labels: 'a' is there twice; try --help" ]
    run -2 --separate-stderr bpe-tok -m "$M" --keep a,,b
    [[ $stderr == *"option --keep"* ]]
    run -2 --separate-stderr bpe-tok -m "$M" --keep a,b,a
    [ "$stderr" = "bpe-tok: option --keep: 'a' is there twice; try --help" ]
}

@test "full disk, closed reader, missing file, empty input" {
    lines '{"prompt":"a"}'
    run -4 sh -c 'bpe-tok -m "$1" in.jsonl > /dev/full' _ "$M"
    run -4 --separate-stderr bpe-tok -m "$M" nowhere.jsonl
    [ "$stderr" = "bpe-tok: can't open 'nowhere.jsonl': No such file or directory" ]
    yes '{"prompt":"a dog and another dog"}' | head -n 20000 > big.jsonl
    run -0 bash -c 'bpe-tok -m "$1" big.jsonl | head -c 1 > /dev/null; echo ${PIPESTATUS[0]}' _ "$M"
    [ "$output" = 141 ]
    [ "$(bpe-tok -m "$M" < /dev/null | tens count --json)" = '{"records":0,"examples":0,"tokens":0,"rows":0}' ]
    bpe-tok -m "$M" -o out.st.zst in.jsonl
    tens check out.st.zst
    ! ls out.st.zst.tmp.* 2> /dev/null
}

@test "what a file says is not obeyed by the terminal that shows it" {
    mkdir m && printf '{"version":"1.0","normalizer":{"type":"N\\n\\u001b[31mFC"}}' > m/tokenizer.json
    run -3 --separate-stderr bpe-tok -m m < /dev/null
    [[ "$stderr" = *"'N??[31mFC' is not supported" ]] || { echo "$stderr"; false; }
}
