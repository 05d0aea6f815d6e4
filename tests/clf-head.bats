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

@test "prompts that had been cut are counted" {
    bpe-tok -q -m guard --max-length 8 test.jsonl > t
    n=$(mbert-fwd -m guard t | clf-head -q -m guard | grep -c '"truncated":true')
    [ "$n" -gt 50 ]
    run -0 --separate-stderr bash -c 'mbert-fwd -m guard t | clf-head -m guard -o s'
    [ "$stderr" = "clf-head: warning: $n of 100 prompts had been cut (truncated): their verdicts are of what was left" ]
    run -0 --separate-stderr bash -c 'mbert-fwd -m guard t | clf-head -m guard --stream -o s'
    [[ $stderr == *"$n of 100 prompts had been cut"* ]]
    run -0 --separate-stderr bash -c 'mbert-fwd -m guard test.st.zst | clf-head -m guard -o s'
    [ -z "$stderr" ]
}

@test "--calibration: scores change, logits are printed as they were" {
    need_command python3
    logits '{"logits":["F32",[[0,4],[2,1]]],"row":["I64",[0,1]]}' > l
    echo '{"method":"temperature","temperature":2,"classes":2}' > t
    clf-head -m guard --logits --calibration t l > s
    cat > want <<'END'
{"row":0,"label":"unsafe","score":0.880797088,"scores":{"safe":0.119202919,"unsafe":0.880797088},"logits":[0,4]}
{"row":1,"label":"safe","score":0.622459352,"scores":{"safe":0.622459352,"unsafe":0.377540678},"logits":[2,1]}
END
    diff want s
    echo '{"method":"platt","a":0.5,"b":-1,"classes":2}' > t # unsafe: sigmoid of 1, of -1.5
    clf-head -m guard --calibration t l | diff - <(cat <<'END'
{"row":0,"label":"unsafe","score":0.731058598,"scores":{"safe":0.268941432,"unsafe":0.731058598}}
{"row":1,"label":"safe","score":0.817574501,"scores":{"safe":0.817574501,"unsafe":0.182425529}}
END
)
    clf-head -m guard --stream --calibration t l > s
    tens cat --json --name scores s | grep -q '0.268941432,0.731058598'
    tens ls s | grep -q '"tool":"clf-head","version":"[0-9.]*","options":"--calibration"'
    sed -i 's/single_label_classification/multi_label_classification/' guard/config.json
    echo '{"method":"temperature","temperature":0.5,"classes":2}' > t
    clf-head -m guard --calibration t l | grep -q '"scores":{"safe":0.5,"unsafe":0.999664664}'
}

@test "what metrics calibrate fits makes scores of less log loss" {
    mbert-fwd -m guard test.st.zst > p
    nll() { metrics --json | sed 's/.*"nll":\([0-9.]*\).*/\1/'; }
    before=$(clf-head -m guard p | nll)
    for method in temperature platt; do
        clf-head -m guard --logits p | metrics calibrate -q --method $method -o $method
        after=$(clf-head -m guard --calibration $method p | nll)
        awk "BEGIN { exit !($after < $before && $after > 0) }" || { echo "$method: $before, then $after"; false; }
    done
}

@test "calibrations that are not for this model" {
    need_command python3
    logits '{"logits":["F32",[[0,4]]],"row":["I64",[0]]}' > l
    echo '{"method":"temperature","temperature":2,"classes":3}' > t
    refuse "'t' is for 3 classes, but 'guard' has 2" "clf-head -m guard --calibration t l"
    echo '{"method":"temperature","temperature":0,"classes":2}' > t
    refuse "t: 'temperature' is not above 0" "clf-head -m guard --calibration t l"
    run -4 clf-head -m guard --calibration nowhere l
    echo '{"method":"platt","a":0.5,"b":-1,"classes":2}' > t
    sed -i 's/single_label_classification/multi_label_classification/' guard/config.json
    refuse "'t' is Platt scaling, which is for one of two classes; 'guard' gives sets" "clf-head -m guard --calibration t l"
    sed -i 's/multi_label_classification/regression/' guard/config.json
    refuse "'t': 'guard' gives numbers, which have no calibration" "clf-head -m guard --calibration t l"
}

@test "a line a window, or with --aggregate one a prompt" {
    need_command python3
    logits '{"logits":["F32",[[1,0],[0,1],[2,1],[3,0],[0,3]]],"row":["I64",[0,0,0,2,2]],"window":["I32",[0,1,2,0,1]],
             "labels":["I32",[1,1,1,0,0]],"truncated":["U8",[0,0,1,0,0]],
             "keep.id":["U8","11133"],"keep.id.offsets":["I32",[0,1,2,3,4,5]]}' > l
    clf-head -q -m guard l > s
    [ "$(sed 's/,"label".*//' s | tr '\n' ' ')" = '{"row":0,"window":0 {"row":0,"window":1 {"row":0,"window":2 {"row":2,"window":0 {"row":2,"window":1 ' ]
    clf-head -q -m guard --aggregate none l | cmp - s
    clf-head -q -m guard --aggregate max --logits l > s
    cat > want <<'END'
{"row":0,"window":1,"windows":3,"label":"unsafe","score":0.731058598,"scores":{"safe":0.268941432,"unsafe":0.731058598},"gold":"unsafe","logits":[0,1],"truncated":true,"id":1}
{"row":2,"window":1,"windows":2,"label":"unsafe","score":0.952574134,"scores":{"safe":0.0474258736,"unsafe":0.952574134},"gold":"safe","logits":[0,3],"id":3}
END
    diff want s
    clf-head -q -m guard --aggregate mean --logits l | tail -n 1 > s
    echo '{"row":2,"windows":2,"label":"safe","score":0.5,"scores":{"safe":0.5,"unsafe":0.5},"gold":"safe","logits":[1.5,1.5],"id":3}' | diff - s
    sed -i 's/single_label_classification/multi_label_classification/' guard/config.json
    logits '{"logits":["F32",[[1,-1],[-2,2]]],"row":["I64",[4,4]],"window":["I32",[0,1]]}' > l
    clf-head -q -m guard --aggregate max --logits l > s
    echo '{"row":4,"windows":2,"labels":["safe","unsafe"],"scores":{"safe":0.731058598,"unsafe":0.880797088},"logits":[1,2]}' | diff - s
}

@test "an attack amid a long text: some window shows it, wherever the windows are" {
    need_command python3
    python3 - <<'END'
import json
rows = [json.loads(x) for x in open("test.jsonl")]
safe = [r["prompt"] for r in rows if r["label"] == "safe"]
bad = [r["prompt"] for r in rows if r["label"] == "unsafe"]
with open("long.jsonl", "w") as f:
    for i in range(12):
        text = [safe[(i * 7 + k) % len(safe)] for k in range(24)]
        print(json.dumps({"prompt": " ".join(text[:12] + [bad[i]] + text[12:]), "label": "unsafe"}), file=f)
END
    flagged() { grep -c '"label":"unsafe"' "$1"; }
    bpe-tok -q -m guard --window 48 --stride 24 long.jsonl > w
    pack-batch --tokens 200 w | mbert-fwd -m guard > p
    [ "$(tens count --json p | sed 's/.*"records":\([0-9]*\).*/\1/')" -gt 12 ] # a prompt's windows lie in several records
    clf-head -m guard p > each
    clf-head -m guard --aggregate max p > s
    [ "$(wc -l < s)" = 12 ]
    [ "$(flagged s)" -ge 11 ]
    python3 - <<'END'
import json
each, rows = {}, [json.loads(x) for x in open("s")]
for x in map(json.loads, open("each")):
    each.setdefault(x["row"], []).append(x)
assert [x["row"] for x in rows] == list(range(12))
for x in rows:
    w = each[x["row"]]
    assert x["windows"] == len(w) > 12 and [y["window"] for y in w] == list(range(len(w)))
    worst = max(w, key=lambda y: y["scores"]["unsafe"])
    assert worst["scores"] == x["scores"] and worst["window"] == x["window"] and x["gold"] == "unsafe"
END
    pack-batch --shuffle 5 --tokens 200 w | mbert-fwd -m guard | clf-head -m guard --aggregate max > shuffled
    diff <(sed 's/"score.*//' s) <(sed 's/"score.*//' shuffled)
    tens split --test 0.5 p a b # parts have rows in common, and neither has all
    clf-head -m guard --aggregate max a b | cmp - s
    bpe-tok -q -m guard long.jsonl | mbert-fwd -m guard | clf-head -m guard > whole
    [ "$(flagged whole)" -lt "$(flagged s)" ]
}

@test "--aggregate: what it refuses" {
    need_command python3
    logits '{"logits":["F32",[[1,0],[0,1],[2,1]]],"row":["I64",[3,4,3]],"window":["I32",[0,0,1]]}' > l
    refuse "row 3 comes after row 4: --aggregate needs a prompt's windows together" "clf-head -m guard --aggregate max l"
    run -2 --separate-stderr clf-head -m guard --aggregate max --stream l
    [ "$stderr" = "clf-head: option --aggregate: not with --stream; try --help" ]
}

# tagger: guard as a model that classifies tokens: O, B-PER, I-PER
tagger() {
    cp -R guard tagger
    python3 - <<'END'
import json, random, struct
c = json.load(open("tagger/config.json"))
c["architectures"] = ["ModernBertForTokenClassification"]
c["id2label"] = {"0": "O", "1": "B-PER", "2": "I-PER"}
del c["problem_type"], c["label2id"]
json.dump(c, open("tagger/config.json", "w"))
b = open("tagger/model.safetensors", "rb").read()
n = int.from_bytes(b[:8], "little")
h, data, r = json.loads(b[8:8 + n]), b"", random.Random(2)
meta = h.pop("__metadata__", None)
for k, v in h.items():
    raw = b[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]
    if k.startswith("classifier."):
        v["shape"][0] = 3
        count = 3 * (96 if k.endswith("weight") else 1)
        raw = struct.pack("<%df" % count, *[r.gauss(0, .3) if count > 3 else 0 for _ in range(count)])
    v["data_offsets"] = [len(data), len(data) + len(raw)]
    data += raw
t = json.dumps(h).encode()
t += b" " * (-len(t) % 64)
open("tagger/model.safetensors", "wb").write(struct.pack("<Q", len(t)) + t + data)
END
}

@test "a model that classifies tokens prints spans" {
    need_command python3
    tagger
    logits '{"logits":["F32",[[5,0,0],[0,5,0],[0,0,5],[5,0,0],[5,0,0],[0,0,2],[9,0,0]]],"cu_seqlens":["I32",[0,5,7]],
             "row":["I64",[0,1]],"spans":["I32",[[0,0],[0,3],[3,7],[7,8],[0,0],[0,4],[0,0]]],"labels":["I32",[-100,1,-100,0,-100,0,-100]],
             "truncated":["U8",[0,1]],"keep.id":["U8","78"],"keep.id.offsets":["I32",[0,1,2]]}' > l
    clf-head -q -m tagger l > s
    cat > want <<'END'
{"row":0,"spans":[{"start":0,"end":7,"label":"PER","score":0.986703277}],"id":7}
{"row":1,"spans":[{"start":0,"end":4,"label":"PER","score":0.786986053}],"truncated":true,"id":8}
END
    diff want s
    logits '{"logits":["F32",[[5,0,0],[0,5,0],[0,0,5]]],"cu_seqlens":["I32",[0,3]],"row":["I64",[0]]}' > l
    clf-head -m tagger l > s # no offsets: numbers of tokens
    echo '{"row":0,"spans":[{"start":1,"end":3,"label":"PER","score":0.986703277}]}' | diff - s
    echo '{"method":"temperature","temperature":2,"classes":3}' > t
    clf-head -m tagger --calibration t l | grep -q '"score":0.85898[0-9]*}'
    clf-head -m tagger --stream l | tens ls | grep -q 'scores F32\[3,3\]'
}

@test "spans end to end: offsets of the text, in order" {
    need_command python3
    tagger
    printf '%s\n' '{"prompt":"Ada Lovelace met Charles Babbage, of course."}' '{"prompt":"\u00e9l\u00e8ve \u65e5\u672c"}' > in.jsonl
    bpe-tok -q -m tagger --offsets chars --keep prompt in.jsonl > t
    pack-batch t | mbert-fwd -m tagger --emit logits > l
    clf-head -m tagger l > s
    pack-batch --shuffle 1 --tokens 16 t | mbert-fwd -m tagger --emit logits | clf-head -m tagger > shuffled
    diff <(sed 's/"score":[0-9.e-]*//g' s) <(sed 's/"score":[0-9.e-]*//g' shuffled)
    [ "$(wc -l < s)" = 2 ]
    grep -q '"label":"PER"' s
    python3 - <<'END'
import json, re
for x in map(json.loads, open("s")): # whole words
    at, words = 0, [w.span() for w in re.finditer(r"\w+|[^\w\s]+", x["prompt"])]
    for e in x["spans"]:
        assert at <= e["start"] < e["end"] and 1 / 3 <= e["score"] <= 1, x
        assert e["start"] in [w[0] for w in words] and e["end"] in [w[1] for w in words], (x, words)
        at = e["end"]
END
}

@test "names and places: learned from spans, found as spans in other text" {
    need_command python3
    python3 - <<'END'
import json, random
r = random.Random(1)
first, last = "Ada Grace Alan Edsger Barbara".split(), "Lovelace Hopper Turing Dijkstra Liskov Knuth".split()
places = "London Paris Rome Oslo Vienna Madrid".split()
def line(known):
    name = r.choice(first) + " " + r.choice(last) if r.random() < .7 else r.choice(last)
    parts = r.choice([["yesterday ", (name, "PER"), " went to ", (r.choice(places), "LOC"), "."],
                      ["we met ", (name, "PER"), ", who lives in ", (r.choice(places), "LOC"), ", by chance"],
                      ["in ", (r.choice(places), "LOC"), " nobody knew ", (name, "PER")]])
    text, labels = "", []
    for x in parts:
        s, label = x if isinstance(x, tuple) else (x, None)
        if label:
            labels.append({"start": len(text), "end": len(text) + len(s), "label": label})
        text += s
    return json.dumps({"text": text, "labels" if known else "want": labels})
print(*[line(1) for _ in range(400)], sep="\n", file=open("names.jsonl", "w"))
print(*[line(0) for _ in range(40)], sep="\n", file=open("new.jsonl", "w"))
END
    bpe-tok -q -m mini --task token --labels O,B-PER,I-PER,B-LOC,I-LOC names.jsonl |
        mbert-train -q -m mini --init random -o ner --train - --epochs 4 --lr 2e-3 --warmup-ratio 0.1
    bpe-tok -q -m ner --offsets chars --keep want new.jsonl | pack-batch | mbert-fwd -m ner | clf-head -m ner > s
    python3 - <<'END'
import json
place = lambda spans: {(x["start"], x["end"], x["label"]) for x in spans}
rows = [json.loads(x) for x in open("s")]
right = sum(place(x["spans"]) == place(x["want"]) for x in rows)
assert len(rows) == 40 and right >= 38, right
END
}

@test "what a model that classifies tokens does not take" {
    need_command python3
    tagger
    mbert-fwd -m tagger --emit pooled test.st.zst > p
    refuse "'tagger' classifies tokens, but 'p' has a vector a sequence: use mbert-fwd --emit logits" "clf-head -m tagger p"
    logits '{"logits":["F32",[[5,0,0],[0,5,0]]],"row":["I64",[0]]}' > l
    refuse "tensor 'cu_seqlens' is missing" "clf-head -m tagger l"
    logits '{"logits":["F32",[[5,0,0],[0,"nan",0]]],"cu_seqlens":["I32",[0,1,2]],"row":["I64",[4,6]]}' > l
    refuse "row 6: a logit is not finite" "clf-head -m tagger l"
    run -2 --separate-stderr clf-head -m tagger --aggregate max l
    [ "$stderr" = "clf-head: option --aggregate: 'tagger' classifies tokens; try --help" ]
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
