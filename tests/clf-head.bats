# clf-head.bats - lines and streams of verdicts, what travels, what is refused
load helper

setup_file() { FIXTURES=$("$ROOT/tests/fixtures.sh"); export FIXTURES; }
setup() { cp -R "$FIXTURES/." "$TMP"; cd "$TMP"; }

# logits JSON: a logits stream with these tensors, head keys with @
logits() { python3 "$ROOT/tests/tensors.py" l.safetensors <<< "$1"; tens wrap --kind logits l.safetensors; }

@test "one line a prompt, in input order, gold where there was a label" {
    pack-batch test.st.zst | mbert-fwd -m guard | clf-head -m guard > s
    [ "$(wc -l < s)" = 100 ]
    seq 0 99 | diff - <(sed 's/{"row":\([0-9]*\),.*/\1/' s)
    [ "$(grep -c '"gold":"\(safe\|unsafe\)"}$' s)" = 100 ]
    pack-batch prompts.st.zst | mbert-fwd -m guard | clf-head -m guard > p
    [ "$(grep -c gold p)" = 0 ]
}

@test "the line's form, to the byte" {
    need_command python3
    logits '{"logits":["F32",[[0,0],[1,2]]],"row":["I64",[3,5]],"labels":["I32",[1,-100]]}' | clf-head -m guard --logits > s
    cat > want <<'END'
{"row":3,"label":"safe","score":0.5,"scores":{"safe":0.5,"unsafe":0.5},"gold":"unsafe","logits":[0,0]}
{"row":5,"label":"unsafe","score":0.731058598,"scores":{"safe":0.268941432,"unsafe":0.731058598},"logits":[1,2]}
END
    diff want s
}

@test "logits and pooled vectors give the same lines" {
    pack-batch test.st.zst > b
    mbert-fwd -m guard b | clf-head -m guard --logits > x
    mbert-fwd -m guard --emit logits b | clf-head -m guard --logits | cmp - x
    mbert-fwd -m guard b | clf-head -m guard --logits --threads 1 | cmp - x
    mbert-fwd -m guard b | clf-head -m guard --logits -o y
    cmp x y
}

@test "a shuffled stream comes back in order" {
    pack-batch test.st.zst | mbert-fwd -m guard | clf-head -m guard | sed 's/,"score.*//' > a
    pack-batch --shuffle 7 --tokens 300 test.st.zst | mbert-fwd -m guard | clf-head -m guard | sed 's/,"score.*//' | diff - a
}

@test "multi-label and regression models" {
    need_command python3
    sed -i 's/single_label_classification/multi_label_classification/' guard/config.json
    logits '{"logits":["F32",[[0,-1],[-3,-3]]],"row":["I64",[0,1]],"labels":["F32",[[1,0],[0,1]]]}' | clf-head -m guard > s
    cat > want <<'END'
{"row":0,"labels":["safe"],"scores":{"safe":0.5,"unsafe":0.268941432},"gold":["safe"]}
{"row":1,"labels":[],"scores":{"safe":0.0474258736,"unsafe":0.0474258736},"gold":["unsafe"]}
END
    diff want s
    sed -i 's/multi_label_classification/regression/' guard/config.json
    logits '{"logits":["F32",[[0.25,-1]]],"row":["I64",[0]]}' | clf-head -m guard > s
    [ "$(cat s)" = '{"row":0,"value":[0.25,-1]}' ]
}

@test "a one-class model is regression" {
    need_shared golden/encoder/silu-hd32/inputs.safetensors
    g=$SHARED/golden/encoder/silu-hd32
    tens wrap --kind batch "$g/inputs.safetensors" | mbert-fwd -m "$g" | clf-head -m "$g" > s
    grep -q '^{"row":0,"value":-\?[0-9.e-]*,"gold":-\?[0-9.e-]*}$' s
}

@test "kept fields and truncated; a name of ours is renamed" {
    printf '%s\n' '{"prompt":"one two three four five six seven","id":"x","score":[1,{"a":null}]}' '{"prompt":"b"}' > in.jsonl
    bpe-tok -q -m guard --keep id,score --max-length 5 in.jsonl | mbert-fwd -m guard | clf-head -m guard > s
    head -n 1 s | grep -q ',"truncated":true,"id":"x","input_score":\[1,{"a":null}\]}$'
    ! tail -n 1 s | grep -q 'truncated\|"id"'
}

@test "--stream: a scores stream that metrics' lines can be checked against" {
    need_command python3
    mbert-fwd -m guard test.st.zst | clf-head -m guard --stream --logits > s
    tens ls s | grep -q 'scores F32\[100,2\]'
    tens ls s | grep -q 'logits F32\[100,2\]'
    tens cat --json s > j
    mbert-fwd -m guard test.st.zst | clf-head -m guard > l
    python3 - <<'END'
import json
a = [json.loads(x)["scores"] for x in open("j")]
b = [list(json.loads(x)["scores"].values()) for x in open("l")]
assert len(a) == 100 and a == b
END
}

# refuse MESSAGE COMMAND: status 3 with the message
refuse() {
    run -3 --separate-stderr bash -c "$2"
    [[ $stderr == *"$1"* ]] || { echo "$stderr"; return 1; }
}

@test "NaN and infinity never make a verdict" {
    need_command python3
    logits '{"logits":["F32",[[0,1],[NaN,0]]],"row":["I64",[0,7]]}' > n
    refuse "row 7: a logit is not finite (NaN or infinity): no verdict" "clf-head -m guard n"
    logits '{"logits":["F32",[[Infinity,1]]],"row":["I64",[4]]}' > n
    refuse "row 4: a logit is not finite" "clf-head -m guard -o out n"
    [ ! -e out ]
}

@test "another model, other names, other shapes, labels of another kind" {
    need_command python3
    mbert-fwd -m guard test.st.zst > p
    cp -R guard other
    python3 - <<'END'
b = bytearray(open("other/model.safetensors", "rb").read())
n = int.from_bytes(b[:8], "little")
b[8 + n + 40] ^= 1
open("other/model.safetensors", "wb").write(b)
END
    refuse "was made by model" "clf-head -m other p"
    sed 's/"unsafe"/"bad"/g' guard/config.json > c && cp c other/config.json && cp guard/model.safetensors other
    logits '{"logits":["F32",[[0,1]]],"row":["I64",[0]],"@labels":"[\"safe\",\"unsafe\"]"}' > n
    refuse "names class 1 'unsafe', but 'other' names it 'bad'" "clf-head -m other n"
    sed 's/: "unsafe"/: "safe"/' guard/config.json > c && cp c other/config.json
    logits '{"logits":["F32",[[0,1]]],"row":["I64",[0]]}' > n
    refuse "'other': classes 0 and 1 are both named 'safe' (id2label in config.json)" "clf-head -m other n"
    logits '{"logits":["F32",[[0,1,2]]],"row":["I64",[0]]}' > n
    refuse "tensor 'logits' has the wrong shape" "clf-head -m guard n"
    logits '{"logits":["F32",[[0,1]]],"row":["I64",[0]],"labels":["I32",[2]]}' > n
    refuse "row 0: its label is outside the model's classes" "clf-head -m guard n"
    logits '{"logits":["F32",[[0,1]]],"row":["I64",[0]],"labels":["F32",[0.5]]}' > n
    refuse "row 0: its label is a number, but the model's problem is another" "clf-head -m guard n"
    refuse "a stream of tokens where pooled|logits is needed" "clf-head -m guard test.st.zst"
}

@test "a model without a classifier" {
    need_shared golden/encoder/embed-noprefix/config.json
    g=$SHARED/golden/encoder/embed-noprefix
    tens wrap --kind batch "$g/inputs.safetensors" | mbert-fwd -m "$g" > p
    run -3 clf-head -m "$g" p
}

@test "full disk, closed reader, dead writer, empty input, no model" {
    mbert-fwd -m guard test.st.zst > p
    run -4 sh -c 'clf-head -m guard p > /dev/full'
    run -0 bash -c 'yes p | head -n 400 | xargs clf-head -m guard | head -c 1 > /dev/null; echo ${PIPESTATUS[2]}'
    [ "$output" != 0 ]
    refuse "truncated" "head -c 3000 p | clf-head -m guard"
    refuse "truncated: empty" "clf-head -m guard < /dev/null"
    [ -z "$(bpe-tok -m guard < /dev/null | pack-batch | mbert-fwd -m guard | clf-head -m guard)" ]
    run -2 --separate-stderr clf-head p
    [ "$stderr" = "clf-head: no model: use -m DIR; try --help" ]
    run -4 clf-head -m nowhere p
}
