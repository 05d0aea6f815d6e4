# ladder.bats - examples/attention: each rung checks itself under emulation, and is CUDA
load helper

setup() {
    EMULATION=$BUILD/tests/emu
    case $BUILD in
    *asan) FLAGS="-O1 -fsanitize=address,undefined -fno-sanitize-recover=all" ;;
    *tsan) FLAGS="-O1 -fsanitize=thread" ;;
    *) FLAGS=-O2 ;;
    esac
    cd "$ROOT" || return
}

# emulated NAME [OPTION...]: $TMP/NAME, of examples/attention/NAME.cu, for the processor
emulated() {
    local name=$1
    shift
    [ -r "$EMULATION/libemu.a" ] || skip "the GPU module is emulated on x86-64 alone"
    # shellcheck disable=SC2086 # CXX and FLAGS are several words
    ${CXX:-g++} -std=c++17 -Wall -Wextra -Werror -Wno-unknown-pragmas -fno-strict-aliasing $FLAGS \
        "$@" -I. -Itests/emu -o "$TMP/$name" -x c++ "examples/attention/$name.cu" \
        -x none "$EMULATION/libemu.a"
}

# right NAME CHECKS: it builds, and its own checks pass
right() {
    emulated "$1"
    run -0 "$TMP/$1"
    [ "${lines[-1]}" = "1..$2" ]
}

@test "naive" { right naive 10; }
@test "tiled" { right tiled 10; }
@test "online" { right online 10; }
@test "tensor" { right tensor 10; }
@test "windowed" { right windowed 50; }

@test "a rung that is wrong says so, with status 1" {
    mkdir -p "$TMP/planted/examples/attention"
    sed 's/r->sum\[half\] \*= fade;/;/' examples/attention/warp.cuh > "$TMP/planted/examples/attention/warp.cuh"
    ! cmp -s examples/attention/warp.cuh "$TMP/planted/examples/attention/warp.cuh" || false
    emulated tensor -I"$TMP/planted"
    run -1 "$TMP/tensor" 130
    [[ "$output" == *"not ok 1 - tensor: 1 sequences, 130 rows, "* ]]
}

@test "the README's counts are those of the emulation" {
    for name in online tensor windowed; do
        emulated "$name"
        "$TMP/$name" 512 | grep '^# counted' | while read -r line; do
            grep -qF "$line" examples/attention/README.md || { echo "$name: $line"; exit 1; }
        done
    done
}

@test "every rung is CUDA, and no kernel spills" {
    need_command nvcc
    for name in naive tiled online tensor windowed; do
        nvcc -std=c++17 -O3 -gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 \
            -I. -Xptxas -v -c -o "$TMP/$name.o" "examples/attention/$name.cu" > "$TMP/log" 2>&1 || { cat "$TMP/log"; false; }
        grep -q 'bytes stack frame' "$TMP/log"
        run -1 grep -E '[1-9][0-9]* bytes (stack frame|spill)|warning' "$TMP/log"
    done
}
