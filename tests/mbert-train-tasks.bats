# mbert-train-tasks.bats - classes of tokens, and masked language modelling
load helper

setup_file() { FIXTURES=$("$ROOT/tests/fixtures.sh"); export FIXTURES; }
setup() { cp -R "$FIXTURES/." "$TMP"; cd "$TMP"; }

figure() { sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p" "$2" | tail -n 1; }
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

# people and places, in sentences that name them
named() {
    python3 - "$1" "$2" <<'END'
import json, random, sys
who, where = ["Ann", "Bob", "Eve", "Max", "Zoe", "Ida"], ["Rome", "Oslo", "Bonn", "Lima", "Kiev", "Graz"]
n, seed = map(int, sys.argv[1:])
r = random.Random(seed)
for i in range(n):
    a, b, c = r.choice(who), r.choice(where), r.choice(where)
    text = ["%s lives in %s", "in %s today", "we met %s there", "%s is far from %s"][i % 4]
    words = {0: [(a, "PER"), (b, "LOC")], 1: [(b, "LOC")], 2: [(a, "PER")], 3: [(b, "LOC"), (c, "LOC")]}[i % 4]
    text, at, labels = text % tuple(w for w, _ in words), 0, []
    for w, k in words:
        s = text.index(w, at)
        labels.append({"start": s, "end": s + len(w), "label": k})
        at = s + len(w)
    print(json.dumps({"prompt": text, "labels": labels}))
END
}

@test "classes of tokens: a ForTokenClassification directory that finds them in text" {
    need_command python3
    named 240 0 > train.jsonl
    named 40 1 > test.jsonl
    bpe-tok -m mini --task token --labels O,PER,LOC train.jsonl > a.st
    bpe-tok -m mini --task token --labels O,PER,LOC test.jsonl > b.st
    run -0 --separate-stderr mbert-train -m mini --init random --train a.st --eval b.st -o ner --epochs 4 --lr 1e-3 --best f1
    grep -q '"ModernBertForTokenClassification"' ner/config.json
    python3 -c 'import json; c = json.load(open("ner/config.json")); assert c["id2label"] == {"0": "O", "1": "PER", "2": "LOC"}, c'
    less 0.95 "$(figure eval_macro_f1 ner/log.jsonl)"
    run -1 grep -q auroc ner/log.jsonl
    bpe-tok -m ner --offsets chars test.jsonl | pack-batch | mbert-fwd -m ner | clf-head -m ner > spans.jsonl
    python3 - <<'END'
import json
gold = [json.loads(l) for l in open("test.jsonl")]
ours = [json.loads(l) for l in open("spans.jsonl")]
key = lambda spans: {(s["start"], s["end"], s["label"]) for s in spans}
right = sum(key(g["labels"]) == key(o["spans"]) for g, o in zip(gold, ours, strict=True))
assert right >= 36, right
END
    # the same for 1 and 2 threads, and weights of classes count
    for t in 1 2; do
        mbert-train -q -m mini --init random --train a.st -o t$t --epochs 1 --threads $t --class-weights balanced --label-smoothing 0.1
    done
    cmp t1/model.safetensors t2/model.safetensors
    run -2 --separate-stderr mbert-train -q -m mini --init random --train a.st --eval b.st -o x --best auroc
    [[ $stderr == *"--best auroc: there is none of labels a token"* ]]
    run -3 --separate-stderr mbert-train -q -m mini --init random --train a.st --eval test.st.zst -o x
    [[ $stderr == *"'test.st.zst' has labels of another kind than 'a.st'"* ]]
}

@test "masked language modelling: 200 steps lower the loss of hidden words, in a ForMaskedLM directory" {
    need_command python3
    tens cat --json test.st.zst > /dev/null
    mbert-train -q -m mini --init random --task mlm --train train.st.zst --eval test.st.zst -o mlm --epochs 16 --lr 1e-3 \
        --eval-every 8 --log-every 1
    first=$(sed -n 's/.*"step":8,.*"eval_loss":\([^,}]*\).*/\1/p' mlm/log.jsonl)
    less "$(figure eval_loss mlm/log.jsonl)" "$(awk -v a="$first" 'BEGIN { print a - 0.8 }')"
    grep -q '"ModernBertForMaskedLM"' mlm/config.json
    run -1 grep -q 'problem_type": "' mlm/config.json
    [ "$(sed -n 's/{"step":\([0-9]*\),.*"lr".*/\1/p' mlm/log.jsonl | tail -n 1)" = 208 ]
    tens ls mlm/model.safetensors | grep -q 'head.dense.weight'
    # continued, and then a classifier
    mbert-train -q -m mlm --task mlm --train train.st.zst -o more --epochs 1 --lr 1e-4
    run -0 --separate-stderr mbert-train -m mlm --train train.st.zst --eval test.st.zst -o guard2 --epochs 3 --lr 1e-3
    [[ $stderr == *"new: classifier.weight classifier.bias"* ]]
    less 0.8 "$(figure eval_auroc guard2/log.jsonl)"
    # a classifier's text can be learned from as well
    run -0 --separate-stderr mbert-train -m guard --task mlm --train prompts.st.zst -o from --epochs 1
    [[ $stderr == *"dropped: classifier.bias classifier.weight"* ]]
}

@test "what is hidden depends on seed, epoch and row: not on threads, --tokens or a resume" {
    m=(mbert-train -q -m mini --init random --task mlm --train train.st.zst --lr 1e-3 --epochs 1 --log-every 1 --dtype f32)
    "${m[@]}" -o a --threads 1
    "${m[@]}" -o b --threads 2
    cmp a/model.safetensors b/model.safetensors
    "${m[@]}" -o c --tokens 100
    awk -v a="$(sed -n '1s/.*"loss":\([^,]*\),.*/\1/p' a/log.jsonl)" -v c="$(sed -n '1s/.*"loss":\([^,]*\),.*/\1/p' c/log.jsonl)" \
        'BEGIN { d = a - c; exit !(d <= 1e-6 * a && -d <= 1e-6 * a) }'
    "${m[@]}" -o d --seed 43
    run -1 cmp a/model.safetensors d/model.safetensors
    "${m[@]}" -o e --mask 0.15
    run -1 cmp a/model.safetensors e/model.safetensors
    "${m[@]}" -o f --save-every 5 --keep 100
    cmp a/model.safetensors f/model.safetensors
    rm -rf f/model.safetensors f/checkpoint-10 f/checkpoint-13
    "${m[@]}" -o f --save-every 5 --keep 100 --resume
    cmp a/model.safetensors f/model.safetensors
}

@test "--task mlm: what does not go with it" {
    for o in "--labels a,b" "--class-weights balanced" "--label-smoothing 0.1" "--focal 2"; do
        run -2 --separate-stderr mbert-train -q -m mini --init random --task mlm --train train.st.zst -o x $o
        [[ $stderr == *"--task mlm: not with --labels, --class-weights, --label-smoothing or --focal"* ]]
    done
    run -2 --separate-stderr mbert-train -q -m mini --init random --task mlm --train train.st.zst --eval test.st.zst --best f1 -o x
    [[ $stderr == *"--task mlm: its only figure is --best loss"* ]]
    mbert-train -q -m mini --init random --task mlm --train train.st.zst --eval test.st.zst --best loss --epochs 1 -o best
    need_command python3
    cp -R mini other
    python3 - <<'END'
import json
t = json.load(open("other/tokenizer.json"))
for a in t["added_tokens"]:
    if a["content"] == "[MASK]":
        a["content"] = "[HIDE]"
json.dump(t, open("other/tokenizer.json", "w"))
END
    bpe-tok -m other --label-field none test.jsonl > other.st
    run -3 --separate-stderr mbert-train -q -m other --init random --task mlm --train other.st -o x
    [[ $stderr == *"'other.st': its tokenizer has no token [MASK]: nothing to hide words with"* ]]
    [ ! -e x ]
}

@test "transformers loads token classifiers and masked language models: no tensor missing, same logits" {
    local py=${MBERT_TRANSFORMERS:-python3}
    "$py" -c 'import torch, transformers' 2> /dev/null || skip "no python3 with torch and transformers (MBERT_TRANSFORMERS names one)"
    named 40 0 | bpe-tok -m mini --task token --labels O,PER,LOC > a.st
    mbert-train -q -m mini --init random --train a.st -o ner --epochs 2 --lr 1e-3
    mbert-train -q -m mini --init random --task mlm --train train.st.zst -o mlm --epochs 1 --lr 1e-3
    for d in ner mlm; do
        mbert-fwd --dtype f32 -m $d --emit logits test.st.zst | tens cat --json | head -n 20 > z.jsonl
        tens cat --json test.st.zst | head -n 20 > ids.jsonl
        "$py" "$ROOT/tests/transformers_load.py" $d ids.jsonl z.jsonl
    done
}
