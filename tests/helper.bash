# helper.bash - what every .bats file loads: the built tools first in PATH, where the shared
# references are, and how to skip with a reason.
bats_require_minimum_version 1.5.0
ROOT=$(cd "$BATS_TEST_DIRNAME" && while [ ! -f Makefile ]; do cd ..; done; pwd)
BUILD=${MBERT_BUILD:-$ROOT/build}
PATH="$BUILD/bin:$PATH"
SHARED=${MBERT_SHARED:-$ROOT/../shared}
GOLDEN=$ROOT/tests/golden
TMP=$BATS_TEST_TMPDIR
export PATH LC_ALL=C.UTF-8
unset MBERT_LEVEL OMP_NUM_THREADS

# need_shared PATH...: skip unless each exists under the shared folder
need_shared() {
    local f
    for f in "$@"; do [ -e "$SHARED/$f" ] || skip "no shared reference $f (set MBERT_SHARED)"; done
}
# need_strace: skip unless strace may trace here; sanitizers make calls of their own, and theirs
# for leaks does not work under it
need_strace() {
    need_command strace
    case $BUILD in */asan | */tsan) skip "calls are counted in a plain build" ;; esac
    strace -o /dev/null true 2> /dev/null || skip "strace may not trace here"
}

# need_command NAME...: skip unless each is installed
need_command() {
    local c
    for c in "$@"; do command -v "$c" >/dev/null || skip "$c is not installed"; done
}
# need_numpy: skip unless /usr/bin/python3 (or python3) has numpy; sets PYTHON
need_numpy() {
    for PYTHON in /usr/bin/python3 python3; do
        "$PYTHON" -c 'import numpy' 2>/dev/null && return 0
    done
    skip "python3 with numpy is not installed"
}
# sets: the instruction sets of MBERT_CPU that this machine has, for the encoder
sets() {
    local s
    for s in generic avx512 bf16 amx; do
        MBERT_CPU=$s mbert-fwd -m "$GOLDEN/encoder/v5-mean" --print-config >/dev/null 2>&1 && echo $s
    done
    return 0
}
# need_terminal: skip unless script(1) can open a pseudo-terminal
need_terminal() {
    need_command script
    script -qec true /dev/null >/dev/null 2>&1 || skip "no pseudo-terminal can be opened here"
}
