# gpu-check.bats - what `make gpu-check` runs on a card, here with a tiny model on the emulated module
load helper

setup() {
    export MBERT_CUDA=$BUILD/tests/emu/mbert-emu.so MBERT_BUILD=$BUILD
    unset MBERT_PEERS NVCC CUDA_VISIBLE_DEVICES
    cd "$TMP"
    [ -r "$MBERT_CUDA" ] || skip "the GPU module is emulated on x86-64 alone"
    [ -x "$BUILD/tests/bench/gpu_check" ] || skip "not built: make tests"
}

bench() { "$ROOT/tests/bench/gpu" --work "$TMP/work" "$@"; }

@test "every comparison, and a line of every kind" {
    bench --smoke --seed 7 > out
    cat out
    run -1 grep -iE '^not ok|\bnan\b|\binf\b' out
    local line
    for line in 'ops/norm, seed 7' 'model in f32' 'model in bf16' 'gradients in f32' 'gradients in bf16' \
        'runs of 5 prompts' "times a step's gradients" 'packed and alone in f32' 'packed and alone in bf16' 'replayed in bf16'; do
        grep "^ok [0-9]* - .*$line" out
    done
    for line in product-128 forward-8 forward-33 forward-mix train-8 latency-8; do
        grep -E "^$line +ours-bf16 +[0-9.]+ +[0-9.]+ +([0-9]+|-) +[0-9.e-]+ .*\[smoke, emulated card, driver CUDA [0-9.]+, toolkit CUDA [^,]+, 2[0-9-]+\]$" out
    done
    # who has PyTorch gets lines of it, who has not is told so
    grep -E '^# SKIP peers: .|^ratio forward-8: ours-bf16 is [0-9.]+ times' out
    [ "$(tail -n 1 out | sed 's/.*; //')" = "0 of $(grep -c '^ok' out) failed" ]
}

@test "what fails says so, and there are no figures of it" {
    run -1 bench --smoke --only table --seconds 1
    [[ $output == *"not ok 1 - product: not done in the time it has"* ]]
    run -1 grep '\[smoke' <<< "$output"
}

@test "without a card there is no table" {
    MBERT_EMU_FAULT=driver run -4 bench
    [[ $output == *"no card to check: --device cuda: no NVIDIA driver"* ]]
    run -4 bench
    [[ $output == *"no card but its emulation"* ]]
    MBERT_CUDA=$TMP/none run -4 bench
    [[ $output == *"no GPU module '$TMP/none': make gpu"* ]]
    run -1 grep 'ours-' <<< "$output"
}

@test "options" {
    run -2 bench --only model,nothing
    [[ $output == *"no such step: 'nothing'"* ]]
    run -2 bench --rows
    run -0 bench --help
    [[ $output == *"--smoke"* ]]
}
