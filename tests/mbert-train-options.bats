# mbert-train-options.bats - evaluation, schedules, losses, freezing, forecasts
load helper

setup_file() { FIXTURES=$("$ROOT/tests/fixtures.sh"); export FIXTURES; }
setup() { cp -R "$FIXTURES/." "$TMP"; cd "$TMP"; tens head -n 64 train.st.zst > few.st.zst; }

train() { mbert-train -q -m mini --init random --train few.st.zst --epochs 1 --lr 1e-3 "$@"; }
rates() { sed -n 's/.*"lr":\([^,]*\),.*/\1/p' "$1/log.jsonl" | paste -sd ' '; }
# figure NAME LOG: the last one
figure() { sed -n "s/.*\"$1\":\([^,}]*\).*/\1/p" "$2" | tail -n 1; }
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

@test "evaluations: each epoch, or every N steps and at the end" {
    train -o a --batch-size 16 --epochs 2 --eval test.st.zst
    [ "$(grep eval_loss a/log.jsonl | sed 's/.*"step":\([0-9]*\),.*/\1/' | paste -sd ' ')" = "4 8" ]
    train -o b --batch-size 16 --epochs 2 --eval test.st.zst --eval-every 3
    [ "$(grep eval_loss b/log.jsonl | sed 's/.*"step":\([0-9]*\),.*/\1/' | paste -sd ' ')" = "3 6 8" ]
    cmp a/model.safetensors b/model.safetensors
}

@test "what is logged is what metrics says of the model" {
    need_command python3
    train -o a --epochs 2 --eval test.st.zst --dtype f32
    mbert-fwd --dtype f32 -m a test.st.zst | clf-head -m a | metrics --json > m.json
    python3 - <<'END'
import json
log = [json.loads(l) for l in open("a/log.jsonl")][-1]
m = json.load(open("m.json"))
for ours, theirs in (("eval_loss", "nll"), ("eval_accuracy", "accuracy"), ("eval_macro_f1", "macro_f1"), ("eval_auroc", "auroc")):
    assert abs(log[ours] - m[theirs]) <= 1e-6 * abs(m[theirs]), (ours, log[ours], m[theirs])
END
}

@test "--best: the model that is written is the best evaluation's" {
    need_command python3
    # the rate is so high that it ends worse than it was
    train -o a --train train.st.zst --epochs 6 --eval test.st.zst --lr 3e-2 --schedule constant --best auroc 2> err
    python3 - <<'END'
import json
log = [json.loads(l) for l in open("a/log.jsonl")]
areas = [(r["eval_auroc"], -r["step"]) for r in log if "eval_auroc" in r]
assert len(areas) == 6
open("best", "w").write("%d %.9g\n" % (-max(areas)[1], max(areas)[0]))
END
    read -r step area < best
    mbert-train -q -m mini --init random --train train.st.zst --epochs 6 --lr 3e-2 --schedule constant --save-every "$step" --keep 100 -o b
    cmp a/model.safetensors "b/checkpoint-$step/model.safetensors"
    [ -z "$(ls -d a/checkpoint-* 2> /dev/null)" ]
    run -0 --separate-stderr mbert-train -m mini --init random --train few.st.zst --epochs 1 --eval test.st.zst --best f1 -o c
    [[ $stderr == *"mbert-train: the best is of step 2"* ]]
    for f in accuracy loss; do train -o d-$f --epochs 2 --eval test.st.zst --best $f; done
}

@test "--patience ends a run that gets no better" {
    run -0 --separate-stderr mbert-train -m mini --init random --train few.st.zst --eval test.st.zst --epochs 50 --batch-size 8 --lr 3e-3 \
        --schedule constant --eval-every 4 --best loss --patience 3 -o a
    [[ $stderr =~ "stopped at step "([0-9]+)" of 400: no better for 3 evaluations" ]]
    best=$(sed -n 's/.*the best is of step \([0-9]*\)$/\1/p' <<< "$stderr")
    [ "${BASH_REMATCH[1]}" = $((best + 12)) ]
}

@test "a figure that was never defined: the last weights, with a warning" {
    grep '"label": *"safe"\|"label":"safe"' test.jsonl > one.jsonl || grep safe test.jsonl | grep -v unsafe > one.jsonl
    bpe-tok -m mini --labels safe,unsafe one.jsonl > one.st
    run -0 --separate-stderr mbert-train -m mini --init random --train few.st.zst --epochs 1 --eval one.st --best auroc -o a
    [[ $stderr == *"the figure of --best was never defined: the last weights are taken"* ]]
    train -o b --lr 5e-5
    cmp a/model.safetensors b/model.safetensors
}

@test "wsd and warm-up steps" {
    train -o a --batch-size 8 --log-every 1 --schedule wsd --decay-ratio 0.5 --warmup-steps 2
    [ "$(rates a)" = "0 0.0005 0.001 0.001 0.001 0.00075 0.0005 0.00025" ]
    run -2 --separate-stderr train -o b --warmup-steps 3 --warmup-ratio 0.1
    [[ $stderr == *"--warmup-ratio and --warmup-steps: one of them"* ]]
    run -2 --separate-stderr train -o b --warmup-steps 3
    [[ $stderr == *"option --warmup-steps: 3, but the run has 2 steps"* ]]
}

@test "betas, eps, layer-wise rates: other bytes each; the defaults said aloud: the same" {
    train -o a
    for o in "--beta1 0.8" "--beta2 0.9" "--eps 1e-3" "--llrd 0.5"; do
        train -o b --force $o
        run -1 cmp a/model.safetensors b/model.safetensors
    done
    train -o c --beta1 0.9 --beta2 0.999 --eps 1e-8 --llrd 1
    cmp a/model.safetensors c/model.safetensors
}

@test "--freeze: what stays is the same to the bit, what does not has moved" {
    need_command python3
    mbert-train -q -m guard --train few.st.zst --epochs 1 --lr 1e-3 -o none
    mbert-train -q -m guard --train few.st.zst --epochs 1 --lr 1e-3 -o two --freeze 2
    mbert-train -q -m guard --train few.st.zst --epochs 1 --lr 1e-3 -o all --freeze encoder
    python3 - "$ROOT/tests" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import json
def load(d):
    b = open(d + "/model.safetensors", "rb").read()
    n = int.from_bytes(b[:8], "little")
    h = json.loads(b[8:8 + n])
    return {k: b[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]] for k, v in h.items() if k != "__metadata__"}
guard, none, two, every = map(load, ("guard", "none", "two", "all"))
low = ("model.embeddings.", "model.layers.0.", "model.layers.1.")
for k in guard:
    assert none[k] != guard[k], k
    assert (two[k] == guard[k]) == k.startswith(low), k
    assert (every[k] == guard[k]) == k.startswith("model."), k
END
    run -2 --separate-stderr train -o x --freeze some
    [[ $stderr == *"option --freeze: 'some' is not a number of layers or 'encoder'"* ]]
    run -2 --separate-stderr train -o x --freeze 5
    [[ $stderr == *"option --freeze: 5 layers, but the model has 4"* ]]
}

@test "class weights: balanced is the list that it stands for; what does not fit" {
    safe=$(head -n 64 train.jsonl | grep -c '"label": *"safe"')
    unsafe=$((64 - safe))
    weights=$(awk -v a="$safe" -v b="$unsafe" 'BEGIN { printf "%.9g,%.9g", (a + b) / (2 * a), (a + b) / (2 * b) }')
    train -o a --class-weights balanced
    train -o b --class-weights "$weights"
    cmp a/model.safetensors b/model.safetensors
    train -o c
    run -1 cmp a/model.safetensors c/model.safetensors
    train -o d --class-weights 1,1
    cmp c/model.safetensors d/model.safetensors
    for w in 1 1,2,3; do
        run -2 --separate-stderr train -o x --class-weights $w
        [[ $stderr == *"option --class-weights: "?" of them for 2 classes"* ]]
    done
    for w in 1,x 0,1 -1,1 1, nan,1; do
        run -2 --separate-stderr train -o x --class-weights $w
        [[ $stderr == *"option --class-weights: '$w' is not 'balanced' or numbers above 0"* ]]
    done
    printf '%s\n' '{"prompt":"a","label":0.5}' '{"prompt":"b","label":-2}' | bpe-tok -m mini --labels score --task regression > r
    run -2 --separate-stderr train -o x --train r --class-weights 1
    [[ $stderr == *"--class-weights: 'r' has no classes (regression)"* ]]
    run -2 --separate-stderr train -o x --train r --focal 2
    [[ $stderr == *"--label-smoothing and --focal: 'r' has no classes (regression)"* ]]
    run -2 --separate-stderr train -o x --train r --eval r --best f1
    [[ $stderr == *"--best: the only figure of regression is loss"* ]]
    printf '%s\n' '{"prompt":"a","label":["x","z"]}' '{"prompt":"b","label":[]}' | bpe-tok -m mini --labels x,y,z > m
    run -2 --separate-stderr train -o x --train m --class-weights balanced
    [[ $stderr == *"--class-weights balanced: 'm' has sets of classes: give numbers"* ]]
    run -2 --separate-stderr train -o x --train m --label-smoothing 0.1
    [[ $stderr == *"--label-smoothing and --focal: 'm' has sets of classes"* ]]
    train -o e --train m --class-weights 1,2,3
    printf '%s\n' '{"prompt":"a","label":0}' '{"prompt":"b","label":0}' | bpe-tok -m mini --labels x,y > one
    run -0 --separate-stderr mbert-train -m mini --init random --train one --epochs 1 --class-weights balanced -o f
    [[ $stderr == *"'one': class 'y' has no rows: it weighs 1"* ]]
}

@test "smoothing and focal loss: other losses, by their formulas at the first step" {
    need_command python3
    train -o a --log-every 1 --batch-size 64
    train -o b --log-every 1 --batch-size 64 --focal 2
    train -o c --log-every 1 --batch-size 64 --label-smoothing 0.2
    # the losses of the first step are of the same weights: focal is below, smoothing of p near .5 hardly differs
    less "$(figure loss b/log.jsonl)" "$(figure loss a/log.jsonl)"
    run -1 cmp a/model.safetensors c/model.safetensors
    run -2 --separate-stderr train -o x --focal 2 --label-smoothing 0.1
    [[ $stderr == *"--focal and --label-smoothing: one of them"* ]]
}

@test "--recompute: the same bytes" {
    for d in mini dropping; do
        [ $d = mini ] || { cp -R mini $d; sed -i -E 's/(attention|embedding|mlp|classifier)_dropout": 0.0/\1_dropout": 0.1/' $d/config.json; }
        train -m $d -o a-$d
        train -m $d -o b-$d --recompute
        cmp a-$d/model.safetensors b-$d/model.safetensors
    done
}

@test "the first loss for other --tokens within 1e-6, twenty losses within 1e-4" {
    need_command python3
    train -o a --train train.st.zst --epochs 2 --log-every 1 --dtype f32 --tokens 1024
    train -o b --train train.st.zst --epochs 2 --log-every 1 --dtype f32 --tokens 8192
    python3 - <<'END'
import json
a, b = ([json.loads(l)["loss"] for l in open(d + "/log.jsonl")][:20] for d in "ab")
assert len(a) == 20 and abs(a[0] - b[0]) <= 1e-6 * a[0], (a[0], b[0])
assert all(abs(x - y) <= 1e-4 * x for x, y in zip(a, b)), [abs(x - y) / x for x, y in zip(a, b)]
END
}

@test "steps that are not finite: left out and counted, or the end" {
    broken=(--train train.st.zst --lr 10 --max-grad-norm 0 --weight-decay 10 --epochs 40 --schedule constant)
    run -3 --separate-stderr train "${broken[@]}" -o a --save-every 1 --keep 2
    [[ $stderr =~ "step "[0-9]+": the "(loss|"gradient of '".*"'")" is not finite (a lower --lr may help); the last checkpoint stays"$ ]] ||
        [[ $stderr == *"is not finite after the last step (a lower --lr may help); it was not saved" ]]
    ls -d a/checkpoint-*
    # one row of 32 has a label whose square is not finite
    for ((i = 0; i < 32; i++)); do echo "{\"prompt\":\"number $i\",\"label\":$([ $i = 7 ] && echo 3e38 || echo 0.$i)}"; done |
        bpe-tok -m mini --labels score --task regression > r.st
    numbers=(-m mini --init random --train r.st --epochs 2 --batch-size 8)
    run -3 --separate-stderr mbert-train -q "${numbers[@]}" -o out
    [[ $stderr =~ "step "[1-4]": the loss is not finite (a lower --lr may help); nothing was saved"$ ]]
    [ ! -e out ]
    run -3 mbert-train -q "${numbers[@]}" --skip-nonfinite 1 -o out
    run -0 --separate-stderr mbert-train "${numbers[@]}" --skip-nonfinite 2 -o out
    [ "$(grep -c "the loss is not finite: skipped" <<< "$stderr")" = 2 ]
    [[ $stderr == *": the loss is not finite: skipped (2 of at most 2)"* ]]
    [ "$(grep -c '"skipped":"the loss is not finite"' out/log.jsonl)" = 2 ]
    run -3 --separate-stderr mbert-train -q "${numbers[@]}" --skip-nonfinite 2 --eval r.st -o x
    [[ $stderr == *"step 4: the eval loss is not finite (a lower --lr may help); nothing was saved" ]]
    # what was left out has changed nothing: killed and resumed it is counted still
    mbert-train -q "${numbers[@]}" --skip-nonfinite 2 --save-every 1 --keep 100 -o half
    cmp half/model.safetensors out/model.safetensors
    rm -rf half/model.safetensors half/checkpoint-[5678]
    mbert-train -q "${numbers[@]}" --skip-nonfinite 2 --save-every 1 --keep 100 -o half --resume
    cmp half/model.safetensors out/model.safetensors
}

@test "--dry-run: a forecast, nothing written; 4 when it cannot fit" {
    run -0 --separate-stderr mbert-train -q -m mini --init random --train train.st.zst --eval test.st.zst --dry-run -o out
    [ ! -e out ]
    [[ $output == *"673922 parameters, on cpu"* ]]
    [[ $output == *"steps       26: 2 epochs of 13, 32 prompts each; 0 of warm-up"* ]]
    [[ $output == *"labels      safe 230 (57.5 %), unsafe 170 (42.5 %)"* ]]
    [[ $output == *"duplicates  0 rows (0.0 %) have the tokens of a row before, 0 of them another label"* ]]
    [[ $output == *"overlap     0 of 100 rows of 'test.st.zst' (0.0 %) are in the training data"* ]]
    [[ $output =~ "time        "[0-9.]+" s a step (median of 3), "[0-9]+" tokens/s: about " ]]
    cat few.st.zst few.st.zst > twice
    printf '%s\n' '{"prompt":"a","label":"safe"}' '{"prompt":"a","label":"unsafe"}' | bpe-tok -m mini --labels safe,unsafe > other
    mbert-train -q -m mini --init random --train twice --eval few.st.zst --dry-run > text
    grep -q "duplicates  64 rows (50.0 %) have the tokens of a row before, 0 of them another label" text
    grep -q "overlap     64 of 64 rows of 'few.st.zst' (100.0 %) are in the training data" text
    mbert-train -q -m mini --init random --train other --dry-run > text
    grep -q "duplicates  1 rows (50.0 %) have the tokens of a row before, 1 of them another label" text
    cp -R mini huge
    sed -i -E 's/"hidden_size": [0-9]+/"hidden_size": 8192/; s/"intermediate_size": [0-9]+/"intermediate_size": 65536/; s/"num_attention_heads": [0-9]+/"num_attention_heads": 128/' huge/config.json
    run -4 --separate-stderr mbert-train -q -m huge --init random --train train.st.zst --dry-run --tokens 1048576
    [[ $output == *"does not fit: a lower --tokens or --recompute may help"* ]]
    [[ $output != *"s a step"* ]]
}

@test "--overfit: 0 when the rows are learned, 1 when not, nothing written" {
    run -0 --separate-stderr mbert-train -m mini --init random --train train.st.zst --overfit 8 --epochs 20 --lr 1e-3
    [[ $stderr =~ "learned 8 rows in 20 steps: loss "0\.[0-9]+" to 0.00" ]]
    run -1 --separate-stderr mbert-train -m mini --init random --train train.st.zst --overfit 8 --epochs 1 --lr 1e-9
    [[ $stderr == *"did not learn 8 rows in 1 steps"* ]]
    printf '%s\n' '{"prompt":"a","label":0.5}' '{"prompt":"b","label":-2}' | bpe-tok -m mini --labels score --task regression > r
    mbert-train -q -m mini --init random --train r --overfit 2 --epochs 60 --lr 1e-3
    run -1 mbert-train -q -m mini --init random --train r --overfit 2 --epochs 1 --lr 1e-9
    for o in "-o out" "--eval few.st.zst" "--resume"; do
        run -2 --separate-stderr mbert-train -m mini --train few.st.zst --overfit 2 $o
        [[ $stderr == *"--overfit writes nothing: not with -o, --eval or --resume"* ]]
    done
    run -2 --separate-stderr mbert-train -m mini --train few.st.zst --overfit 2 --dry-run
    [[ $stderr == *"--overfit and --dry-run: one of them"* ]]
}

@test "options that need one another" {
    for o in "--best f1" "--patience 2" "--eval-every 5"; do
        run -2 --separate-stderr train -o x $o
        [[ $stderr == *"--best, --patience and --eval-every need --eval FILE"* ]]
    done
    run -2 --separate-stderr train -o x --eval few.st.zst --patience 2
    [[ $stderr == *"option --patience: say which figure by --best"* ]]
    [ ! -e x ]
}

@test "a line every so often where there is no terminal, a line that is redrawn where there is" {
    run -0 --separate-stderr mbert-train -m mini --init random --train few.st.zst --epochs 60 --report-every 1 -o a
    [[ $stderr =~ "epoch "[0-9.]+" of 60, step "[0-9]+" of 120, loss "[0-9.]+", lr "[0-9.e-]+", "[0-9]+" tokens/s, "[0-9]+" MB, eta "[0-9]+"m"[0-9]+"s" ]]
    need_terminal
    script -qec "mbert-train -m mini --init random --train few.st.zst --epochs 20 -o b" /dev/null < /dev/null > tty
    grep -q $'\r''epoch [0-9.]*/20  step [0-9]*/40  loss .* tokens/s  [0-9]* MB  eta 0m0[0-9]s' tty
}
