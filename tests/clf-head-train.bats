# clf-head-train.bats - clf-head --train: what is fitted, what is kept, what is written, what is refused
load helper

setup_file() { FIXTURES=$("$ROOT/tests/fixtures.sh"); export FIXTURES; }
setup() {
    cp -R "$FIXTURES/." "$TMP"
    cd "$TMP"
    pack-batch train.st.zst | mbert-fwd -m guard > tr
}

train() { clf-head --train -q -m guard "$@"; }
# vectors JSON: a pooled stream with these tensors, head keys with @
vectors() { python3 "$ROOT/tests/tensors.py" v.safetensors <<< "$1"; tens wrap --kind pooled v.safetensors; }
# noise N LABELS: a pooled stream of N rows of 96 numbers, and a python list of labels over i
noise() {
    python3 - "$1" "$2" <<'END' > noise.json
import json, random, sys
n = int(sys.argv[1])
r = random.Random(5)
x = [[round(r.gauss(0, 1), 4) for _ in range(96)] for _ in range(n)]
y = [eval(sys.argv[2], {"i": i, "x": x[i]}) for i in range(n)]
kind = "I32" if isinstance(y[0], int) else "F32"
print(json.dumps({"pooled": ["F32", x], "row": ["I64", list(range(n))], "labels": [kind, y]}))
END
    vectors "$(cat noise.json)"
}
# surgery FROM TO CODE: FROM/model.safetensors with CODE run over t = {name: [dtype, shape, bytes]}
surgery() {
    cp -R "$1" "$2"
    python3 - "$2/model.safetensors" "$3" <<'END'
import json, struct, sys
b = open(sys.argv[1], "rb").read()
n = int.from_bytes(b[:8], "little")
h = json.loads(b[8:8 + n])
h.pop("__metadata__", None)
t = {k: [v["dtype"], v["shape"], b[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]] for k, v in h.items()}
def bf16(d): return b"".join(d[i + 2:i + 4] for i in range(0, len(d), 4))
exec(sys.argv[2])
h, data = {}, b""
for k, (d, s, raw) in sorted(t.items(), key=lambda x: -{"F32": 4, "BF16": 2}[x[1][0]]):
    h[k] = {"dtype": d, "shape": s, "data_offsets": [len(data), len(data) + len(raw)]}
    data += raw
text = json.dumps(h).encode()
text += b" " * (-len(text) % 64)
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + data)
END
}
# refuse STATUS MESSAGE ARG...: clf-head --train -m guard ARG... says MESSAGE and leaves no directory
refuse() {
    local status=$1 message=$2
    shift 2
    run "-$status" --separate-stderr clf-head --train -q -m guard -o no "$@"
    [[ $stderr == *"$message"* ]] || { echo "$stderr"; return 1; }
    [ ! -e no ] && [ -z "$(ls -d no.tmp.* 2>/dev/null)" ]
}

@test "a frozen encoder, a new last layer, a model directory" {
    train --l2 1e-3 -o new tr
    ls new | sort | tr '\n' ' ' | grep -qx 'config.json log.jsonl model.safetensors tokenizer.json '
    cmp new/tokenizer.json guard/tokenizer.json
    run -1 tens cmp guard/model.safetensors new/model.safetensors
    [ "$(grep -c 'same' <<< "$output")" = $(($(wc -l <<< "$output") - 2)) ]
    [ "$(grep differs <<< "$output" | cut -f1 | tr '\n' ' ')" = "classifier.bias classifier.weight " ]
    grep -q '^{"fit":"classifier","model":0,"rows":400,"l2":0.001,"objective":[0-9.e-]*,"steps":[0-9]*,"gradient":[0-9.e-]*,"converged":true}$' new/log.jsonl
    pack-batch test.st.zst | mbert-fwd -m new | clf-head -m new > s
    [ "$(wc -l < s)" = 100 ]
    [ "$(sed 's/.*"label":"\([a-z]*\)".*"gold":"\([a-z]*\)".*/\1 \2/' s | awk '$1 == $2' | wc -l)" -ge 90 ]
}

@test "straight from a pipe; any number of threads, batches of any size: the same bytes" {
    train -o a tr
    train -o b --threads 1 tr
    train -o c --threads 3 < tr
    cmp a/model.safetensors b/model.safetensors
    cmp a/model.safetensors c/model.safetensors
    cmp a/log.jsonl b/log.jsonl
    train --fit head -o d --epochs 2 tr
    train --fit head -o e --epochs 2 --threads 1 tr
    cmp d/model.safetensors e/model.safetensors
    train --fit head -o f --epochs 2 --seed 1 tr
    run -1 cmp d/model.safetensors f/model.safetensors
}

@test "what is minimised is what the page says, in numpy" {
    need_numpy
    train --l2 0.01 --class-weights 1,3 -o new tr
    tens cat --npy --name pooled tr > x.npy
    tens cat --npy --name labels tr > y.npy
    "$PYTHON" - <<'END'
import json, math
import numpy as np
def load(path):
    b = open(path, "rb").read()
    n = int.from_bytes(b[:8], "little")
    return {k: np.frombuffer(b, "<f4", math.prod(v["shape"]), 8 + n + v["data_offsets"][0]).reshape(v["shape"]).astype(float)
            for k, v in json.loads(b[8:8 + n]).items() if k != "__metadata__"}
t, x, y = load("new/model.safetensors"), np.load("x.npy").astype(float), np.load("y.npy")
h = x @ t["head.dense.weight"].T
h = h * .5 * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
h = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 1e-5) * t["head.norm.weight"]
w, b = t["classifier.weight"], t["classifier.bias"]
assert (w[0] == -w[1]).all() and b[0] == -b[1]
mean, sd = h.mean(0), h.std(0)
w = (w[1] - w[0]) * sd
z = (h - mean) / sd @ w + (b[1] - b[0]) + mean / sd @ w
weight = np.where(y == 1, 3, 1)
r = weight * (1 / (1 + np.exp(-z)) - y) / len(y)
g = np.append(r @ ((h - mean) / sd) + .01 * w, r.sum())
loss = (weight * (np.logaddexp(0, z) - y * z)).mean() + .005 * (w ** 2).sum()
said = json.loads(open("new/log.jsonl").read())["objective"]
assert abs(g).max() < 1e-5 and abs(w).max() > .01, abs(g).max()
assert abs(loss / said - 1) < 1e-5, (loss, said)
END
}

@test "the penalty chosen by folds: a table, on stderr and in the log" {
    run -0 --separate-stderr clf-head --train -m guard -o new --folds 4 tr
    [ -z "$output" ]
    [ "${stderr_lines[0]}" = "clf-head: 4 folds, on the rows left out:" ]
    [[ ${stderr_lines[1]} =~ ^"clf-head:"\ +l2\ +auroc\ +sd\ +"log loss"$ ]]
    [ "$(grep -c '^clf-head:  *[0-9.e-]*  *[01]\.[0-9]* ' <<< "$stderr")" = 7 ]
    l2=$(sed -n 's/^clf-head:  *\([0-9.e-]*\) .*chosen$/\1/p' <<< "$stderr")
    head -n 1 new/log.jsonl | grep -q "^{\"folds\":4,\"l2\":$l2,\"table\":\[{\"l2\":1,\"auroc\":[0-9.]*,\"sd\":[0-9.e-]*,\"log_loss\":[0-9.e-]*},"
    train --l2 "$l2" -o given tr
    cmp new/model.safetensors given/model.safetensors
    run -0 --separate-stderr clf-head --train -q -m guard -o silent tr
    [ -z "$stderr" ]
}

@test "noise: folds choose the strongest penalty; three classes, sets and numbers" {
    need_command python3
    noise 120 'i * 7 % 3' > n
    train -o three --labels a,b,c n
    grep -q '^{"folds":5,"l2":1,' three/log.jsonl
    grep -q '"problem_type": "single_label_classification"' three/config.json
    noise 120 '[float(x[0] > 0), float(x[1] + x[2] > 1)]' > n
    train -o sets --labels a,b n
    [ "$(grep -c '"fit":"classifier","model":[01]' sets/log.jsonl)" = 2 ]
    grep -q '"problem_type": "multi_label_classification"' sets/config.json
    clf-head -m sets n > s
    [ "$(python3 -c 'import json
print(sum(x["labels"] == x["gold"] for x in map(json.loads, open("s"))) > 80)')" = True ]
    noise 120 '3 * x[0] + x[1] + 100' > n
    run -0 --separate-stderr clf-head --train -m guard -o number --labels score n
    [[ ${stderr_lines[1]} =~ ^"clf-head:"\ +l2\ +rmse\ +sd ]]
    grep -q '"problem_type": "regression"' number/config.json
    clf-head -m number n > s
    [ "$(python3 -c 'import json
print(max(abs(x["value"] - x["gold"]) for x in map(json.loads, open("s"))) < 4)')" = True ]
}

@test "class weights: balanced is numbers; both fits take them" {
    need_command python3
    noise 100 'int(i % 4 == 0)' > n
    train --l2 .1 --class-weights balanced -o a n
    train --l2 .1 --class-weights 0.66666666666666663,2 -o b n
    train --l2 .1 -o c n
    cmp a/model.safetensors b/model.safetensors
    run -1 cmp a/model.safetensors c/model.safetensors
    train --fit head --epochs 1 --class-weights balanced -o d n
    train --fit head --epochs 1 --class-weights 1,3 -o e n # a mean over weights: only their ratio counts
    train --fit head --epochs 1 -o f n
    run -1 cmp d/model.safetensors f/model.safetensors
    tens cmp --atol 1e-4 d/model.safetensors e/model.safetensors
}

@test "a bf16 encoder stays bf16, bit for bit" {
    need_command python3
    surgery guard half 't = {k: ["BF16", s, bf16(raw)] for k, (d, s, raw) in t.items()}'
    pack-batch train.st.zst | mbert-fwd -m half | clf-head --train -q -m half -o new --l2 1e-3
    run -1 tens cmp half/model.safetensors new/model.safetensors
    [ "$(grep -vc '	same	' <<< "$output")" = 2 ]
    tens ls new/model.safetensors | grep -q 'classifier.weight	F32'
    tens ls new/model.safetensors | grep -q 'embeddings.tok_embeddings.weight	BF16'
}

@test "from a masked language model, and from a bare encoder" {
    need_command python3
    surgery guard mlm 'del t["classifier.weight"], t["classifier.bias"]
t["decoder.bias"] = ["F32", [3456], bytes(4 * 3456)]'
    sed -i 's/ForSequenceClassification/ForMaskedLM/' mlm/config.json
    pack-batch train.st.zst | mbert-fwd -m mlm --emit pooled > p
    run -0 --separate-stderr clf-head --train -m mlm -o new --l2 1e-3 p
    [ "${stderr_lines[1]}" = "clf-head: dropped: decoder.bias" ]
    [[ ${stderr_lines[0]} =~ ^"clf-head: 400 rows, l2 0.001: objective "[0-9.e-]+" after "[0-9]+" steps"$ ]]
    grep -q ForSequenceClassification new/config.json
    train --l2 1e-3 -o old tr # the same encoder and head: the same classifier
    tens cmp old/model.safetensors new/model.safetensors > /dev/null
    surgery guard bare 't = {k[6:]: v for k, v in t.items() if k.startswith("model.")}'
    sed -i 's/ForSequenceClassification/Model/' bare/config.json
    pack-batch train.st.zst | mbert-fwd -m bare --emit pooled > p
    run -3 --separate-stderr clf-head --train -m bare -o no p
    [ "$stderr" = "clf-head: 'bare/model.safetensors': tensor 'head.dense.weight' is missing: there is no head to keep; use --fit head" ]
    [ ! -e no ]
    run -0 --separate-stderr clf-head --train --fit head -m bare -o whole p
    [ "${stderr_lines[0]}" = "clf-head: new: head.dense.weight head.norm.weight" ]
    [[ ${stderr_lines[1]} =~ ^"clf-head: 400 rows, 5 epochs: loss "[0-9.e-]+" in the last"$ ]]
    [ "$(wc -l < whole/log.jsonl)" = 5 ]
    pack-batch test.st.zst | mbert-fwd -m whole | clf-head -m whole > s
    [ "$(sed 's/.*"label":"\([a-z]*\)".*"gold":"\([a-z]*\)".*/\1 \2/' s | awk '$1 == $2' | wc -l)" -ge 90 ]
}

@test "the whole head: sets, numbers, dropout" {
    need_command python3
    noise 120 '[float(x[0] > 0), float(x[1] > 0)]' > n
    train --fit head -o sets --epochs 20 --labels a,b n
    clf-head -m sets n > s
    [ "$(python3 -c 'import json
print(sum(x["labels"] == x["gold"] for x in map(json.loads, open("s"))) > 80)')" = True ]
    noise 120 'x[0] * .5' > n
    train --fit head -o number --epochs 20 --batch-size 8 --lr 3e-3 n
    awk -F'"loss":' '{ sub("}", "", $2); v[NR] = $2 } END { exit !(v[NR] < v[1] / 2) }' number/log.jsonl
    train --fit head -o plain --epochs 1 tr
    sed -i 's/"classifier_dropout": 0.0/"classifier_dropout": 0.5/' guard/config.json
    train --fit head -o drop --epochs 1 tr
    run -1 cmp plain/model.safetensors drop/model.safetensors
}

@test "names: the stream's, --labels, or LABEL_0; a number has one of its own" {
    need_command python3
    noise 40 'i % 2' > n
    run -0 --separate-stderr clf-head --train -m guard -o a --l2 1 n
    [[ ${stderr_lines[0]} == *"names no labels: LABEL_0 to LABEL_1 (use --labels)" ]]
    refuse 3 "has the labels safe,unsafe, but --labels says a,b" --labels a,b tr
    noise 40 'x[0]' > n
    sed 's/^{/{"@labels":"[\\"safe\\",\\"unsafe\\"]",/' noise.json > m
    vectors "$(cat m)" > n
    train -o number --l2 1 --labels score n
    grep -q '"0": "score"' number/config.json
}

@test "rows without a label are left out; what there is too little of" {
    need_command python3
    noise 40 'i % 2 if i < 30 else -100' > n
    run -0 --separate-stderr clf-head --train -m guard -o a --l2 1 --labels a,b n
    [[ $stderr == *"warning: '"*"': 10 rows without a label left out"* ]]
    [[ $stderr == *"30 rows, l2 1: "* ]]
    noise 10 '-100' > n
    refuse 3 "no row has a label: nothing to learn from" n
    bpe-tok -m guard < /dev/null | pack-batch | mbert-fwd -m guard > n
    refuse 3 "no rows: nothing to learn from" n
    noise 10 '0' > n
    refuse 3 "class 'b' has no row with it: nothing to learn about it" --labels a,b --l2 1 n
    noise 10 'int(i < 3)' > n
    refuse 3 "class 'b' has 3 rows with it, too few for 5 folds (use --folds, or --l2)" --labels a,b n
    noise 10 '[1.0, float(i < 8)]' > n
    refuse 3 "class 'a' has no row without it: nothing to learn about it" --labels a,b --l2 1 n
    noise 3 'x[0]' > n
    refuse 3 "3 rows are too few for 5 folds (use --folds, or --l2)" n
}

@test "streams that do not fit" {
    need_command python3
    refuse 3 "a stream of tokens where pooled is needed" train.st.zst
    cp -R guard other
    sed -i 's/"window": 16/"window": 18/; s/"local_attention": 16/"local_attention": 18/' other/config.json
    pack-batch train.st.zst | mbert-fwd -m other > n
    refuse 3 "was made by model" n
    pack-batch train.st.zst | mbert-fwd -m guard --pooling cls > n
    refuse 3 "was pooled as cls, but 'guard' pools as mean (classifier_pooling in config.json)" n
    pack-batch train.st.zst | mbert-fwd -m guard --normalize > n
    refuse 3 "has normalized vectors: run mbert-fwd without --normalize" n
    pack-batch train.st.zst | mbert-fwd -m guard --attention global > n
    refuse 3 "was made with --attention global, which 'guard' does not have" n
    vectors '{"pooled":["F32",[[1,2]]],"row":["I64",[0]],"labels":["I32",[1]]}' > n
    refuse 3 "tensor 'pooled' has the wrong shape" n
    noise 4 'i % 2 if i else -3' > n
    refuse 3 "row 0: label -3 is negative" n
    noise 4 'float("nan") if i == 2 else 1.0' > n
    refuse 3 "row 2: its label is not finite" n
    sed 's/"labels".*/"labels": ["F32", [[[1]],[[1]],[[1]],[[1]]]]}/' noise.json > m
    vectors "$(cat m)" > n
    refuse 3 "tensor 'labels' is F32 of rank 3: I32 [B], F32 [B] or F32 [B,N] is wanted (one a sequence)" n
    noise 4 'i % 2' > n
    sed 's/"pooled": \["F32", \[\[[^,]*,/"pooled": ["F32", [["nan",/' noise.json > m
    vectors "$(cat m)" > bad
    refuse 3 "row 0: its vector is not finite (NaN or infinity)" bad
    noise 4 '0.5' > m
    refuse 3 "tensor 'labels' is of another kind than in the records before" n m
    refuse 3 "truncated" <(head -c 3000 tr)
}

@test "a fit that does not end says so" {
    need_command python3
    noise 30 'int(x[0] > 0)' > n # separable: without a penalty there is no minimum
    run -0 --separate-stderr clf-head --train -m guard -o a --l2 0 --labels a,b n
    [[ $stderr == *" rows, l2 0: objective "* ]]
    noise 40 'x[0] * 1e30' > n
    refuse 3 "step 1: the loss is not finite (a lower --lr may help); nothing was saved" --fit head n
}

@test "options that make no sense" {
    for o in "--fit head" "--l2 1" "--folds 3" "--class-weights 1,1" "--labels a,b" "--epochs 1" "--batch-size 1" "--lr 1" "--seed 1" "--force"; do
        # shellcheck disable=SC2086
        run -2 --separate-stderr clf-head -m guard $o tr
        [ "$stderr" = "clf-head: option ${o%% *}: only with --train; try --help" ]
    done
    touch c
    for o in "--logits" "--stream" "--calibration c" "--aggregate max"; do
        # shellcheck disable=SC2086
        run -2 --separate-stderr clf-head --train -m guard -o no $o tr
        [ "$stderr" = "clf-head: option ${o%% *}: not with --train; try --help" ]
    done
    refuse 2 "option --l2: not with --fit head" --fit head --l2 1 tr
    refuse 2 "option --folds: not with --fit head" --fit head --folds 3 tr
    refuse 2 "option --epochs: not with --fit classifier" --epochs 3 tr
    refuse 2 "option --batch-size: not with --fit classifier" --batch-size 3 tr
    refuse 2 "option --lr: not with --fit classifier" --lr 1 tr
    refuse 2 "option --folds: not with --l2, which it is to choose" --l2 1 --folds 3 tr
    refuse 2 "option --folds: 1 is outside 2..100" --folds 1 tr
    refuse 2 "option --class-weights: 'heavy' is not 'balanced' or numbers above 0" --class-weights heavy tr
    refuse 2 "option --class-weights: '1,-1' is not" --class-weights 1,-1 tr
    refuse 2 "option --class-weights: '1,' is not" --class-weights 1, tr
    refuse 2 "option --class-weights: 3 of them for 2 classes" --class-weights 1,1,1 tr
    run -2 --separate-stderr clf-head --train -m guard tr
    [ "$stderr" = "clf-head: no output: use -o DIR; try --help" ]
    noise 10 'x[0]' > n
    refuse 2 "has no classes (regression)" --class-weights balanced n
}

@test "the directory: there already, replaced, or not made" {
    train --l2 1 -o new tr
    run -2 --separate-stderr clf-head --train -m guard -o new --l2 .1 tr
    [[ $stderr == *"'new' is already there: choose another -o, or use --force"* ]]
    cp new/model.safetensors before
    train --l2 .1 -o new --force tr
    run -1 cmp before new/model.safetensors
    run -4 clf-head --train -q -m guard -o nowhere/out --l2 1 tr
    run -4 clf-head --train -q -m nowhere -o out --l2 1 tr
    [ ! -e out ]
}

@test "no room for the model: 4, nothing is left" {
    need_strace
    local n k
    n=$(strace -qq -f -e trace=write -o /dev/stdout clf-head --train -q -m guard --l2 1e-3 -o out tr | grep -c 'write(')
    rm -r out
    for k in 1 $((n / 2)) $n; do
        run -4 --separate-stderr strace -qq -f -o /dev/null -e trace=write -e "inject=write:error=ENOSPC:when=$k" \
            clf-head --train -q -m guard --l2 1e-3 -o out tr
        [[ $stderr == *"No space left on device"* ]]
        [ -z "$(ls -d out*)" ]
    done
}

@test "transformers loads what was written: no tensor missing, same logits" {
    local py=${MBERT_TRANSFORMERS:-python3}
    "$py" -c 'import torch, transformers' 2> /dev/null || skip "no python3 with torch and transformers (MBERT_TRANSFORMERS names one)"
    train --l2 1e-3 -o classifier tr
    train --fit head --epochs 1 -o head tr
    surgery guard half 't = {k: ["BF16", s, bf16(raw)] for k, (d, s, raw) in t.items()}'
    pack-batch train.st.zst | mbert-fwd -m half | clf-head --train -q -m half -o halved --l2 1e-3
    surgery guard bare 't = {k[6:]: v for k, v in t.items() if k.startswith("model.")}'
    sed -i 's/ForSequenceClassification/Model/' bare/config.json
    pack-batch train.st.zst | mbert-fwd -m bare --emit pooled | clf-head --train --fit head -q -m bare -o whole --epochs 1
    tens cat --json test.st.zst > ids.jsonl
    for d in classifier head halved whole; do
        mbert-fwd -m $d --dtype f32 --emit logits test.st.zst | tens cat --json > z.jsonl
        "$py" "$ROOT/tests/transformers_load.py" $d ids.jsonl z.jsonl
    done
}

@test "20,000 vectors of 768, a fixed penalty: less than 5 seconds" {
    [ -n "${MBERT_SLOW-}" ] || skip "slow: set MBERT_SLOW=1"
    need_numpy
    "$PYTHON" - <<'END'
import json
c = json.load(open("guard/config.json"))
c.update(hidden_size=768, num_attention_heads=12, num_hidden_layers=1, layer_types=["full_attention"])
json.dump(c, open("mini/config.json", "w"))
END
    head -n 4 train.jsonl | bpe-tok -q -m mini --labels safe,unsafe | mbert-train -q -m mini --init random -o wide --train - --epochs 1
    "$PYTHON" - <<'END'
import json, struct
import numpy as np
r = np.random.default_rng(3)
x = r.normal(size=(20000, 768)).astype("<f4")
y = (x[:, :50].sum(1) + 4 * r.normal(size=20000) > 0).astype("<i4")
with open("v.safetensors", "wb") as f:
    parts, at, head = [("row", "I64", np.arange(20000)), ("pooled", "F32", x), ("labels", "I32", y)], 0, {}
    for name, t, a in parts:
        head[name] = {"dtype": t, "shape": list(a.shape), "data_offsets": [at, at := at + a.nbytes]}
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 64)
    f.write(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for _, _, a in parts))
END
    tens wrap --kind pooled v.safetensors > v
    SECONDS=0
    clf-head --train -q -m wide -o fitted --l2 1e-3 --labels a,b v
    [ $SECONDS -lt 5 ]
}
