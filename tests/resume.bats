# resume.bats - runs of mbert-train that are killed, stopped, short of room, and go on
load helper

setup_file() {
    FIXTURES=$("$ROOT/tests/fixtures.sh")
    # few rows: a whole run takes a few tenths of a second
    SMALL=$BATS_FILE_TMPDIR/small
    mkdir "$SMALL"
    cp -R "$FIXTURES/mini" "$SMALL/mini"
    sed -i -E 's/(embedding|classifier)_dropout": 0.0/\1_dropout": 0.1/' "$SMALL/mini/config.json"
    tens head -n 24 "$FIXTURES/train.st.zst" > "$SMALL/few.st.zst"
    tens head -n 10 "$FIXTURES/test.st.zst" > "$SMALL/eval.st.zst"
    export SMALL
    cd "$SMALL" && train -o whole
    [ -s whole/model.safetensors ]
}
setup() { cp -R "$SMALL/." "$TMP"; cd "$TMP"; }

# six steps, a checkpoint every second, three evaluations, dropout on
train() { train_ "" "$@"; }
train_() { # train_ exec|"" OPTION...
    export OMP_NUM_THREADS=1
    local how=$1
    shift
    $how mbert-train -q -m mini --init random --train few.st.zst --eval eval.st.zst --batch-size 8 --epochs 2 \
        --lr 1e-3 --log-every 1 --eval-every 2 --best loss --save-every 2 --keep 2 "$@"
}
# the log without what a clock says
log() { sed -E 's/,"tokens_per_s":[0-9]+//' "$1/log.jsonl"; }
# as if it had never been ended
same() {
    cmp "$1/model.safetensors" whole/model.safetensors
    cmp "$1/config.json" whole/config.json
    diff <(log "$1") <(log whole)
    [ -z "$(find "$1" -name '*.tmp.*')" ]
}

@test "killed at random moments, resumed: the same bytes" {
    local i runs=3 killed=0 status took
    [ -z "${MBERT_SLOW:-}" ] || runs=100
    RANDOM=7
    took=${EPOCHREALTIME/[^0-9]/}
    train -o out
    took=$((${EPOCHREALTIME/[^0-9]/} - took)) # microseconds of a whole run
    for ((i = 0; killed < runs && i < 5 * runs; i++)); do
        rm -rf out
        (train_ exec -o out) & pid=$!
        sleep "$(awk -v t="$took" -v r="$RANDOM" 'BEGIN { printf "%.4f", t * r / 32768 / 1e6 }')"
        kill -KILL $pid 2> /dev/null || true
        status=0; wait $pid || status=$?
        [ $status = 0 ] || killed=$((killed + 1))
        train -o out --resume
        same out
    done
    echo "# killed $killed times" >&3
    [ $killed = $runs ]
}

@test "killed at every call that writes, syncs, renames or removes: the same bytes" {
    need_strace
    export OMP_NUM_THREADS=1
    local calls=write,fsync,ftruncate,rename,renameat2,mkdir,rmdir,unlink,unlinkat,link call k n=0 step=23 status
    [ -z "${MBERT_SLOW:-}" ] || step=1
    strace -qq -f -e "trace=$calls" -o calls mbert-train -q -m mini --init random --train few.st.zst \
        --eval eval.st.zst --batch-size 8 --epochs 2 --lr 1e-3 --log-every 1 --eval-every 2 --best loss --save-every 2 --keep 2 -o out
    for call in ${calls//,/ }; do
        for ((k = 1; k <= $(grep -cE "^[0-9]+ +$call\(" calls || true); k++)); do
            n=$((n + 1))
            [ $((n % step)) = 0 ] || continue
            rm -rf out
            status=0
            OMP_NUM_THREADS=1 strace -qq -f -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$k" mbert-train -q -m mini \
                --init random --train few.st.zst --eval eval.st.zst --batch-size 8 --epochs 2 --lr 1e-3 --log-every 1 --eval-every 2 \
                --best loss --save-every 2 --keep 2 -o out 2> err || status=$?
            [ $status = 137 ] || { echo "$call $k: status $status"; cat err; return 1; }
            train -o out --resume || { echo "after $call $k"; return 1; }
            same out || { echo "after $call $k"; return 1; }
        done
    done
    echo "# $n calls, every $step. of them" >&3
    [ $n -gt 100 ]
}

@test "a disk that is full during a save: 4, the checkpoints before it stay, and it goes on" {
    need_strace
    local k n
    n=$(OMP_NUM_THREADS=1 strace -qq -f -e trace=write -o /dev/stdout mbert-train -q -m mini --init random --train few.st.zst --batch-size 8 \
        --epochs 2 --lr 1e-3 --save-every 2 --keep 2 -o out | grep -c 'write(')
    mbert-train -q -m mini --init random --train few.st.zst --batch-size 8 --epochs 2 --lr 1e-3 --save-every 2 --keep 2 -o want
    for k in 2 $((n / 2)) $n; do
        rm -rf out
        run -4 --separate-stderr env OMP_NUM_THREADS=1 strace -qq -f -o /dev/null -e trace=write -e "inject=write:error=ENOSPC:when=$k" \
            mbert-train -q -m mini --init random --train few.st.zst --batch-size 8 --epochs 2 --lr 1e-3 --save-every 2 --keep 2 -o out
        [[ $stderr == *"No space left on device"* ]]
        [ ! -d out ] || [ -z "$(find out -name '*.tmp.*')" ]
        mbert-train -q -m mini --init random --train few.st.zst --batch-size 8 --epochs 2 --lr 1e-3 --save-every 2 --keep 2 -o out --resume
        cmp out/model.safetensors want/model.safetensors
    done
}

# until_true COMMAND...: true once the command is, within five seconds
until_true() {
    local i
    for ((i = 0; i < 100; i++)); do ! "$@" || return 0; sleep 0.05; done
    return 1
}

@test "a signal: the step ends, a checkpoint, status 5; resumed with no end in between" {
    local sig status
    mbert-train -q -m mini --init random --train few.st.zst --batch-size 1 --epochs 20 --lr 1e-4 -o want
    for sig in INT USR1; do
        rm -rf out
        # a background job of a shell ignores SIGINT, unless it is asked not to
        python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])' \
            mbert-train -m mini --init random --train few.st.zst --batch-size 1 --epochs 20 --lr 1e-4 --log-every 1 -o out 2> err & pid=$!
        until_true test -s out/log.jsonl
        kill -$sig $pid
        status=0; wait $pid || status=$?
        [ $status = 5 ] || { echo "$sig: $status"; cat err; return 1; }
        grep -E 'mbert-train: stopped after step [0-9]+ of 480: go on with --resume$' err
        ls out/checkpoint-*/state.json
        [ ! -e out/model.safetensors ]
        run -0 --separate-stderr mbert-train -m mini --init random --train few.st.zst --batch-size 1 --epochs 20 --lr 1e-4 --log-every 1 -o out --resume
        [[ $stderr == *"goes on from step "* ]]
        cmp out/model.safetensors want/model.safetensors
        [ "$(ls out | paste -sd ' ')" = "config.json log.jsonl model.safetensors tokenizer.json" ]
    done
}

begun() { ls -d out/checkpoint-*.tmp.* > /dev/null 2>&1; }

@test "a second signal ends at once; before the first step nothing is left" {
    local status
    mkfifo fifo
    sleep 30 > fifo & sleeper=$!
    mbert-train -q -m mini --init random -o out --train fifo & pid=$!
    until_true test -e out/log.jsonl
    kill -TERM $pid
    status=0; wait $pid || status=$?
    kill $sleeper
    [ "$status" = 143 ]
    [ ! -e out ]
    need_strace
    # the checkpoint's first fsync takes twenty seconds: long enough for the second signal
    strace -qq -f -o /dev/null -e trace=fsync -e inject=fsync:delay_enter=20000000:when=1 mbert-train -q -m mini --init random \
        --train few.st.zst --batch-size 1 --epochs 1000 --lr 1e-4 --log-every 1 -o out & pid=$!
    until_true test -s out/log.jsonl
    kill -TERM $(cat /proc/$pid/task/$pid/children)
    until_true begun
    kill -TERM $(cat /proc/$pid/task/$pid/children)
    status=0; wait $pid || status=$?
    [ "$status" = 143 ]
    [ -z "$(find . -name '*.tmp.*')" ]
}

@test "one at a time" {
    mbert-train -q -m mini --init random --train few.st.zst --batch-size 1 --epochs 1000 --log-every 1 -o out & pid=$!
    until_true test -s out/log.jsonl
    for o in "" --resume --force; do
        run -4 --separate-stderr train -o out $o
        [ "$stderr" = "mbert-train: 'out': another mbert-train is at work there" ]
    done
    kill -KILL $pid
    wait $pid || true
    train -o out --force
    same out
}

@test "with nothing to go on from it begins; what is finished stays" {
    train -o out --resume
    same out
    cp out/model.safetensors before
    run -0 --separate-stderr mbert-train -m mini --train few.st.zst -o out --resume
    [ "$stderr" = "mbert-train: warning: 'out' is finished: nothing to do" ]
    cmp out/model.safetensors before
    run -2 --separate-stderr train -o out
    [[ $stderr == *"'out' is already there: choose another -o, or use --force"* ]]
}

# half NAME: a run that was stopped after a checkpoint
half() {
    rm -rf "$1"
    cp -R whole "$1"
    rm "$1/model.safetensors" "$1/config.json" "$1/tokenizer.json"
    rm -rf "$1/checkpoint-6"
    [ -d "$1/checkpoint-4" ]
}

@test "the newest checkpoint that is good: damaged ones go, and are named" {
    half out
    cp -R out/checkpoint-4 out/checkpoint-5 # of another step
    sed -i 's/"step":4/"step":3/' out/checkpoint-5/state.json
    mkdir out/checkpoint-6
    cp -R out/checkpoint-4 out/checkpoint-7
    printf x | dd of=out/checkpoint-7/model.safetensors bs=1 seek=5000 conv=notrunc status=none
    cp -R out/checkpoint-4 out/checkpoint-8
    truncate -s -1 out/checkpoint-8/optimizer.safetensors
    cp -R out/checkpoint-4 out/checkpoint-9
    sed -i 's/"version":1/"version":2/' out/checkpoint-9/state.json
    cp -R out/checkpoint-4 out/checkpoint-10
    sed -i 's/"waited"/"wasted"/' out/checkpoint-10/state.json
    mkdir out/checkpoint-12.tmp.999999
    touch out/checkpoint-12.tmp.999999/model.safetensors
    train -o out --resume 2> /dev/null
    same out
    half out
    for c in 5 6 7 8 9 10; do cp -R out/checkpoint-4 out/checkpoint-$c; done
    sed -i 's/"step":4/"step":3/' out/checkpoint-5/state.json
    rm out/checkpoint-6/state.json
    printf x | dd of=out/checkpoint-7/model.safetensors bs=1 seek=5000 conv=notrunc status=none
    truncate -s -1 out/checkpoint-8/optimizer.safetensors
    sed -i 's/"version":1/"version":2/' out/checkpoint-9/state.json
    sed -i 's/"waited"/"wasted"/' out/checkpoint-10/state.json
    run -0 --separate-stderr mbert-train -m mini --init random --train few.st.zst --eval eval.st.zst --batch-size 8 --epochs 2 \
        --lr 1e-3 --log-every 1 --eval-every 2 --best loss --save-every 2 --keep 2 -o out --resume
    [[ $stderr == *"'out/checkpoint-5' is not good and goes: state.json is of another step"* ]]
    [[ $stderr == *"'out/checkpoint-6' is not good and goes: state.json cannot be read"* ]]
    [[ $stderr == *"'out/checkpoint-7' is not good and goes: model.safetensors is not the one that was written"* ]]
    [[ $stderr == *"'out/checkpoint-8' is not good and goes: optimizer.safetensors is not the one that was written"* ]]
    [[ $stderr == *"'out/checkpoint-9' is not good and goes: state.json is of another version"* ]]
    [[ $stderr == *"'out/checkpoint-10' is not good and goes: state.json lacks a field"* ]]
    [[ $stderr == *"goes on from step 4"* ]]
    same out
}

@test "other options or data than it began with: 2, and which" {
    half out
    run -2 --separate-stderr train -o out --resume --lr 2e-3
    [[ $stderr == *"'out': the run began with --lr=0.001, not --lr=0.002: --resume goes on with the same options and data"* ]]
    run -2 --separate-stderr train -o out --resume --schedule cosine
    [[ $stderr == *"began with --schedule=linear, not --schedule=cosine"* ]]
    run -2 --separate-stderr train -o out --resume --train eval.st.zst
    [[ $stderr == *"began with --train="* ]]
    run -2 --separate-stderr train -o out
    [[ $stderr == *"'out' holds an unfinished run: go on with --resume, or begin again with --force"* ]]
    [ -d out/checkpoint-4 ]
    # those that shape nothing may change
    train -o out --resume --threads 2 --keep 1 --save-every 3
    cmp out/model.safetensors whole/model.safetensors
    [ "$(ls -d out/checkpoint-*)" = out/checkpoint-6 ]
}

@test "--force: the model that is there serves until the new one is whole" {
    cp -R "$FIXTURES/guard" out 2> /dev/null || cp -R "$("$ROOT/tests/fixtures.sh")/guard" out
    cp out/model.safetensors old
    mbert-train -q -m mini --init random --train few.st.zst --batch-size 1 --epochs 20 --lr 1e-4 --log-every 1 --save-every 50 -o out --force & pid=$!
    until_true test -d out.next/checkpoint-50
    cmp out/model.safetensors old
    kill -KILL $pid
    wait $pid || true
    mbert-train -q -m mini --init random --train few.st.zst --batch-size 1 --epochs 20 --lr 1e-4 --log-every 1 --save-every 50 -o out --force --resume
    [ ! -e out.next ]
    run -1 cmp out/model.safetensors old
    [ "$(wc -l < out/log.jsonl)" = 480 ]
    mkdir out.next && touch out.next/mine
    run -2 --separate-stderr train -o out --force
    [[ $stderr == *"'out.next' is in the way: remove it"* ]]
    [ -e out.next/mine ]
}

@test "a checkpoint is a model that every tool loads" {
    half out
    mbert-fwd -m out/checkpoint-4 eval.st.zst | clf-head -m out/checkpoint-4 | metrics --json | grep -q '"n":10'
    tens ls out/checkpoint-4/optimizer.safetensors | grep -q 'exp_avg_sq.classifier.weight'
}

@test "--keep, and the best stays while the run lasts" {
    [ "$(ls -d whole/checkpoint-* | paste -sd ' ')" = "whole/checkpoint-4 whole/checkpoint-6" ]
    rm -rf out
    train -o out --keep 1
    [ "$(ls -d out/checkpoint-*)" = out/checkpoint-6 ]
    cmp out/model.safetensors whole/model.safetensors
}

@test "--force: directories in the old model are kept aside, and named; file systems that cannot exchange" {
    mbert-train -q -m mini --init random --train few.st.zst --epochs 1 -o out
    mkdir out/mine && touch out/mine/file
    run -0 --separate-stderr mbert-train -m mini --init random --train few.st.zst --epochs 1 --seed 1 -o out --force
    [[ $stderr == *"'out' held directories: they are in 'out.next'"* ]]
    [ -e out.next/mine/file ]
    [ ! -e out/mine ]
    rm -r out.next
    need_strace
    cp out/model.safetensors old
    again() { strace -qq -f -o /dev/null "$@" mbert-train -q -m mini --init random --train few.st.zst --epochs 1 --seed 2 -o out --force; }
    again -e trace=renameat2 -e inject=renameat2:error=EINVAL
    [ -z "$(ls -d out.*)" ]
    run -1 cmp out/model.safetensors old
    # the renames before are those of the files: config.json, the tokenizer's, the weights
    n=$(strace -qq -f -o /dev/stdout -e trace=rename mbert-train -q -m mini --init random --train few.st.zst --epochs 1 -o x | grep -c 'rename(')
    run -4 --separate-stderr again -e trace=rename,renameat2 -e inject=renameat2:error=EINVAL -e inject=rename:error=EACCES:when=$((n + 1))
    [[ $stderr == *"can't move 'out' aside: Permission denied"* ]]
    [ -s out/model.safetensors ]
}
