# mbert-train.bats - what a run writes, what it repeats, what it refuses
load helper

setup_file() { FIXTURES=$("$ROOT/tests/fixtures.sh"); export FIXTURES; }
setup() { cp -R "$FIXTURES/." "$TMP"; cd "$TMP"; tens head -n 64 train.st.zst > few.st.zst; }

train() { mbert-train -q -m mini --init random --train few.st.zst --epochs 1 --lr 1e-3 "$@"; }

@test "OUT is a model directory that the tools use" {
    need_command python3
    train -o out --eval test.st.zst --log-every 1
    [ "$(cd out && ls | paste -sd ' ')" = "config.json log.jsonl model.safetensors tokenizer.json" ]
    cmp mini/tokenizer.json out/tokenizer.json
    python3 - <<'END'
import json
c = json.load(open("out/config.json"))
assert c["architectures"] == ["ModernBertForSequenceClassification"] and c["dtype"] == "float32"
assert c["id2label"] == {"0": "safe", "1": "unsafe"} and c["label2id"] == {"safe": 0, "unsafe": 1}
assert c["problem_type"] == "single_label_classification"
b = open("out/model.safetensors", "rb").read()
h = json.loads(b[8:8 + int.from_bytes(b[:8], "little")])
assert h["__metadata__"] == {"format": "pt"}
assert h["classifier.weight"]["shape"] == [2, 96] and h["classifier.bias"]["shape"] == [2]
assert all(t["dtype"] == "F32" for n, t in h.items() if n != "__metadata__")
log = [json.loads(l) for l in open("out/log.jsonl")]
assert [r["step"] for r in log] == [1, 2, 2], log
assert set(log[0]) == {"step", "epoch", "loss", "lr", "grad_norm", "tokens_per_s"}
assert set(log[2]) == {"step", "epoch", "eval_loss", "eval_accuracy", "eval_macro_f1", "eval_auroc"}
assert log[0]["lr"] == 0.001 and log[1]["lr"] == 0.0005
END
    mbert-fwd -m out test.st.zst | clf-head -m out | metrics --json | grep -q '"n":100'
}

@test "steps are epochs * ceil(n / batch), the last partial batch is one" {
    train -o out --batch-size 10 --epochs 2 --log-every 1
    [ "$(grep -c '"lr"' out/log.jsonl)" = 14 ]
}

@test "the same bytes for 1 and 2 threads and again; another seed, other bytes" {
    train -o a --threads 1
    train -o b --threads 2
    cmp a/model.safetensors b/model.safetensors
    train -o c --seed 43
    run -1 cmp a/model.safetensors c/model.safetensors
}

@test "--tokens bounds memory, not the result" {
    need_command python3
    train -o a --log-every 1 --tokens 65536
    train -o b --log-every 1 --tokens 100
    python3 - <<'END'
import json
a, b = ([json.loads(l) for l in open(d + "/log.jsonl")] for d in "ab")
assert abs(a[0]["loss"] - b[0]["loss"]) <= 1e-6 * a[0]["loss"], (a[0], b[0])
assert abs(a[0]["grad_norm"] - b[0]["grad_norm"]) <= 1e-5 * a[0]["grad_norm"], (a[0], b[0])
END
}

@test "schedules and warm-up" {
    rates() { sed -n 's/.*"lr":\([^,]*\),.*/\1/p' "$1/log.jsonl" | paste -sd ' '; }
    train -o a --batch-size 16 --log-every 1
    [ "$(rates a)" = "0.001 0.00075 0.0005 0.00025" ]
    train -o b --batch-size 16 --log-every 1 --warmup-ratio 0.5
    [ "$(rates b)" = "0 0.0005 0.001 0.0005" ]
    train -o c --batch-size 16 --log-every 1 --schedule constant
    [ "$(rates c)" = "0.001 0.001 0.001 0.001" ]
    train -o d --batch-size 16 --log-every 1 --schedule cosine
    [ "$(rates d)" = "0.001 0.000853553391 0.0005 0.000146446609" ]
}

@test "a pipe is enough, for several epochs too" {
    train -o a --epochs 2
    cat few.st.zst | mbert-train -q -m mini --init random --train - --epochs 2 --lr 1e-3 -o b
    cmp a/model.safetensors b/model.safetensors
}

@test "multi-label and regression data set the problem" {
    printf '%s\n' '{"prompt":"a","label":["x","z"]}' '{"prompt":"b","label":[]}' | bpe-tok -m mini --labels x,y,z > m
    mbert-train -q -m mini --init random --train m --eval m --epochs 1 -o a
    grep -q '"problem_type": "multi_label_classification"' a/config.json
    grep -q '"eval_macro_f1"' a/log.jsonl
    mbert-fwd -m a m | clf-head -m a | grep -q '"gold":\["x","z"\]}$'
    printf '%s\n' '{"prompt":"a","label":0.5}' '{"prompt":"b","label":-2}' | bpe-tok -m mini --labels score --task regression > r
    mbert-train -q -m mini --init random --train r --epochs 1 -o b
    grep -q '"problem_type": "regression"' b/config.json
    mbert-fwd -m b r | clf-head -m b | grep -q '"value":.*,"gold":-2}$'
}

@test "names of the classes: the stream's, --labels, or LABEL_i" {
    printf '%s\n' '{"prompt":"a","label":0}' '{"prompt":"b","label":2}' > n.jsonl
    mkdir bare && cp mini/tokenizer.json bare && bpe-tok -m bare n.jsonl > n
    run -0 --separate-stderr mbert-train -m mini --init random --train n --epochs 1 -o a
    [[ $stderr == *"'n' names no labels: LABEL_0 to LABEL_2 (use --labels)"* ]]
    grep -q '"2": "LABEL_2"' a/config.json
    mbert-train -q -m mini --init random --train n --epochs 1 -o b --labels x,y,z
    grep -q '"2": "z"' b/config.json
    run -3 --separate-stderr mbert-train -q -m mini --init random --train n --epochs 1 -o c --labels x,y
    [[ $stderr == *"has labels for 3 classes, but there are 2 names"* ]]
    run -3 --separate-stderr train -o c --labels bad,good
    [[ $stderr == *"has the labels safe,unsafe, but --labels says bad,good"* ]]
    [ ! -e c ]
}

@test "what is new and what is dropped is said" {
    run -0 --separate-stderr mbert-train -m guard --train few.st.zst --epochs 1 -o a
    [[ $stderr != *"new:"* ]]
    need_command python3
    cp -R guard mlm
    python3 - <<'END'
import json
b = open("mlm/model.safetensors", "rb").read()
n = int.from_bytes(b[:8], "little")
h, d = json.loads(b[8:8 + n]), b[8 + n:]
keep = {k: v for k, v in h.items() if not k.startswith("classifier")}
keep["decoder.bias"] = {"dtype": "F32", "shape": [3456], "data_offsets": [0, 0]}
out, at = {}, 0
data = b""
for k, v in sorted(keep.items()):
    if k == "__metadata__":
        out[k] = v
        continue
    s, e = v["data_offsets"]
    part = d[s:e] if k != "decoder.bias" else bytes(4 * 3456)
    out[k] = {"dtype": v["dtype"], "shape": v["shape"], "data_offsets": [at, at + len(part)]}
    data, at = data + part, at + len(part)
t = json.dumps(out).encode()
t += b" " * (-len(t) % 8)
open("mlm/model.safetensors", "wb").write(len(t).to_bytes(8, "little") + t + data)
END
    sed -i 's/ForSequenceClassification/ForMaskedLM/' mlm/config.json
    run -0 --separate-stderr mbert-train -m mlm --train few.st.zst --epochs 1 -o b
    [[ $stderr == *"new: classifier.weight classifier.bias"* ]]
    [[ $stderr == *"dropped: decoder.bias"* ]]
}

# refuse STATUS MESSAGE ARGUMENT...
refuse() {
    local status=$1 message=$2
    shift 2
    run "-$status" --separate-stderr mbert-train -q "$@"
    [[ $stderr == *"$message"* ]] || { echo "$stderr"; return 1; }
    [ ! -e out ]
    [ -z "$(ls -d out.tmp.* 2> /dev/null)" ]
}

@test "every refusal, and nothing is left behind" {
    refuse 2 "no model: use -m DIR" -o out --train few.st.zst
    refuse 2 "no output: use -o DIR" -m mini --train few.st.zst
    refuse 2 "no data: use --train FILE" -m mini -o out
    refuse 2 "unexpected operand 'x'" -m mini -o out --train few.st.zst x
    MBERT_CPU=generic refuse 2 "has no such products" -m mini --init random -o out --train few.st.zst --dtype bf16
    refuse 2 "'guard' is already there: choose another -o, or use --force" -m mini --init random -o guard --train few.st.zst
    refuse 2 "'shards' is not a model directory" -m mini --init random -o shards --force --train few.st.zst
    refuse 3 "no row has a label: nothing to learn from" -m mini --init random -o out --train prompts.st.zst
    bpe-tok -m mini < /dev/null > none
    mkdir bare && cp mini/tokenizer.json bare
    printf '%s\n' '{"prompt":"a","label":0}' '{"prompt":"b","label":1}' | bpe-tok -m bare > n
    refuse 3 "no rows: nothing to learn from" -m mini --init random -o out --train none
    head -c 500 few.st.zst > cut
    refuse 3 "truncated" -m mini --init random -o out --train cut
    printf '%s\n' '{"prompt":"a","label":0}' | bpe-tok -m mini --labels x,y > other
    refuse 3 "has the labels x,y" -m mini --init random -o out --train few.st.zst --eval other
    refuse 4 "" -m mini -o out --train few.st.zst
    refuse 2 "option --labels: an empty name in 'x,'" -m mini --init random -o out --train n --labels x,
    refuse 3 "two classes are named 'x'" -m mini --init random -o out --train n --labels x,x
    cp -R mini changed && sed -i 's/"lstrip": true/"lstrip": false/' changed/tokenizer.json
    run -1 cmp mini/tokenizer.json changed/tokenizer.json
    refuse 3 "but 'changed/tokenizer.json' is" -m changed --init random -o out --train few.st.zst
    cp -R mini small && sed -i 's/"vocab_size": 3456/"vocab_size": 300/' small/config.json
    refuse 3 "'few.st.zst' was made with a vocabulary of" -m small --init random -o out --train few.st.zst
    cp -R mini short && sed -i 's/_position_embeddings": 512/_position_embeddings": 4/' short/config.json
    refuse 3 "tokens" -m short --init random -o out --train few.st.zst
    refuse 3 "is not finite (a lower --lr may help); nothing was saved" -m mini --init random -o out --train train.st.zst --lr 10 \
        --max-grad-norm 0 --weight-decay 10 --epochs 200 --schedule constant
}

@test "--force replaces a model directory, an empty one is taken" {
    mkdir out
    train -o out
    echo x > out/stray
    train -o out --force --seed 1
    [ ! -e out/stray ]
    [ -f out/model.safetensors ]
    [ -z "$(ls -d out.* 2> /dev/null)" ]
}

@test "a stderr that nobody reads does not end the run" {
    mbert-train -m mini --init random -o out --train few.st.zst --epochs 2 --eval few.st.zst 2> >(true)
    [ -f out/model.safetensors ]
}

@test "dropout: other bytes, the same for 1 and 2 threads" {
    cp -R mini dropping
    sed -i -E 's/(attention|embedding|mlp|classifier)_dropout": 0.0/\1_dropout": 0.1/' dropping/config.json
    train -o a
    train -o b -m dropping --threads 1
    train -o c -m dropping --threads 2
    cmp b/model.safetensors c/model.safetensors
    run -1 cmp a/model.safetensors b/model.safetensors
    grep -q '"mlp_dropout": 0.1' b/config.json
}

@test "bf16: the losses of f32 but for rounding, by every instruction set, for any number of threads" {
    need_command python3
    sets=$(sets)
    [[ $sets == *bf16* ]] || skip "this processor does not multiply bf16"
    train -o f --dtype f32 --log-every 1
    for s in $sets; do
        [ "$s" != generic ] && [ "$s" != avx512 ] || continue
        MBERT_CPU=$s train -o $s-1 --dtype bf16 --log-every 1 --threads 1
        MBERT_CPU=$s train -o $s-2 --dtype bf16 --threads 2
        cmp $s-1/model.safetensors $s-2/model.safetensors
        run -1 cmp f/model.safetensors $s-1/model.safetensors
        python3 - f $s-1 <<'END'
import json, sys
a, b = ([json.loads(l) for l in open(d + "/log.jsonl")] for d in sys.argv[1:])
for x, y in zip(a, b, strict=True):
    assert abs(x["loss"] - y["loss"]) <= 5e-3 * x["loss"], (x, y)
    assert abs(x["grad_norm"] - y["grad_norm"]) <= 5e-2 * x["grad_norm"], (x, y)
END
    done
    train -o auto
    train -o best --dtype bf16
    cmp auto/model.safetensors best/model.safetensors
    run -2 --separate-stderr train -o out --dtype int8
}

@test "a full disk under OUT is status 4, nothing half written" {
    run -4 mbert-train -q -m mini --init random -o /dev/full/out --train few.st.zst --epochs 1
    run -4 mbert-train -q -m mini --init random -o nowhere/out --train few.st.zst --epochs 1
}

@test "transformers loads what was written: no tensor missing, same logits" {
    local py=${MBERT_TRANSFORMERS:-python3}
    "$py" -c 'import torch, transformers' 2> /dev/null || skip "no python3 with torch and transformers (MBERT_TRANSFORMERS names one)"
    train -o random
    mbert-train -q -m guard --train few.st.zst --epochs 1 -o tuned
    dirs="random tuned"
    if [ -f "$SHARED/tools/make-model.py" ]; then # the usual start
        python3 "$SHARED/tools/make-model.py" --config mini/config.json --head mlm mlm > /dev/null
        cp mini/tokenizer.json mlm
        mbert-train -q -m mlm --train few.st.zst --epochs 1 -o from-mlm
        dirs+=" from-mlm"
    fi
    for d in $dirs; do
        mbert-fwd --dtype f32 -m $d --emit logits test.st.zst | tens cat --json > z.jsonl
        tens cat --json test.st.zst > ids.jsonl
        "$py" "$ROOT/tests/transformers_load.py" $d ids.jsonl z.jsonl
    done
}
