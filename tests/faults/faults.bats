# faults.bats - writes that fail, calls that are interrupted, producers that are killed.
# The k-th call of a tool is made to fail by strace(1); a handful of k is enough here.
load ../helper

setup_file() {
    FIXTURES=$("$ROOT/tests/fixtures.sh")
    export FIXTURES
}

setup() {
    need_strace
    cd "$TMP"
    M=$FIXTURES/guard
    I=$FIXTURES
    pack-batch --tokens 40 "$I/prompts.st.zst" > b
    mbert-fwd -m "$M" b > p
    export M I
}

# fault CALL:WHAT COMMAND...; ONLY is the one file whose calls count
fault() {
    local what=$1
    shift
    OMP_NUM_THREADS=1 strace -qq -f -o "$TMP/trace" ${ONLY:+-P "$ONLY"} -e "trace=${what%%:*}" -e "inject=$what" "$@"
}

# each tool with its input, a line each; writes to standard output
stages() {
    cat <<END
bpe-tok -m $M $I/prompts.jsonl
pack-batch --tokens 40 $I/prompts.st.zst
mbert-fwd -m $M b
clf-head -m $M p
tens head -n 5 b
tens cat --json b
tens cat --safetensors p
END
}

@test "the k-th write finds no room: 4, no file, no temporary file" {
    while read -r stage; do
        for k in 1 2 3; do
            $stage > whole
            n=$(strace -qq -f -e trace=write -o /dev/stdout $stage -o x | grep -c '^[0-9 ]*write(')
            rm x
            [ "$k" -le "$n" ] || continue
            run -4 --separate-stderr fault "write:error=ENOSPC:when=$k" $stage -o x
            [[ $stderr == *"No space left on device"* ]] || { echo "$stage: $stderr"; false; }
            [ ! -e x ]
        done
        [ -z "$(find . -name '*tmp*')" ]
    done < <(stages)
}

@test "fsync and rename that fail: 4, no file, no temporary file" {
    while read -r stage; do
        run -4 --separate-stderr fault fsync:error=EIO:when=1 $stage -o x
        [[ $stderr == *"can't sync"*"Input/output error"* ]] || { echo "$stage: $stderr"; false; }
        run -4 --separate-stderr fault rename:error=EACCES:when=1 $stage -o x
        [[ $stderr == *"can't rename"* ]] || { echo "$stage: $stderr"; false; }
        [ ! -e x ]
        [ -z "$(find . -name '*tmp*')" ]
    done < <(stages)
}

@test "reads and writes that a signal interrupts are taken up again" {
    while read -r stage; do
        $stage > want
        ONLY=${stage##* } fault read:error=EINTR:when=1+2 $stage > got
        cmp want got || { echo "$stage"; false; }
        grep -q INJECTED trace
        fault write:error=EINTR:when=1+2 $stage > got
        cmp want got || { echo "$stage"; false; }
        grep -q INJECTED trace
    done < <(stages)
}

@test "one byte at a time through every pipe" {
    dd bs=1 status=none < "$I/prompts.jsonl" | bpe-tok -m "$M" | dd bs=1 status=none | pack-batch --tokens 40 |
        dd bs=1 status=none | mbert-fwd -m "$M" | dd bs=1 status=none | clf-head -m "$M" > got
    clf-head -m "$M" p | cmp got -
}

@test "a file that may not grow: 4, no file, no temporary file" {
    # 1 block of 1024 bytes; without SIGXFSZ the write is short, then EFBIG
    for stage in "mbert-fwd -m $M b" "clf-head -m $M --logits p" "tens cat --safetensors p"; do
        run -4 --separate-stderr bash -c "trap '' XFSZ; ulimit -f 1; exec $stage -o x"
        [[ $stderr == *"File too large"* ]] || { echo "$stage: $stderr"; false; }
        [ -z "$(find . -name 'x*')" ]
    done
}

@test "a producer killed at its k-th write: its reader is 3, truncated" {
    for k in 1 2 3; do
        for pair in "bpe-tok -m $M $I/prompts.jsonl|pack-batch" "pack-batch --tokens 40 $I/prompts.st.zst|mbert-fwd -m $M" \
            "mbert-fwd -m $M b|clf-head -m $M"; do
            run -3 --separate-stderr bash -c "OMP_NUM_THREADS=1 strace -qq -f -o /dev/null -e trace=write \
                -e inject=write:signal=KILL:when=$k ${pair%|*} | ${pair#*|} -o x"
            [[ $stderr == *truncated* ]] || { echo "$k $pair: $stderr"; false; }
            [ ! -e x ]
        done
    done
    [ -z "$(find . -name '*tmp*')" ]
}

@test "a tool that is told to stop leaves no temporary file" {
    for sig in TERM INT HUP; do
        sh -c "kill -$sig \$\$" && continue # whoever runs the tests has it ignored
        run fault "write:signal=$sig:when=2" pack-batch --tokens 40 "$I/prompts.st.zst" -o x
        [ "$status" -gt 128 ]
        [ -z "$(find . -name 'x*')" ]
    done
}

@test "split: neither file appears when one cannot be written" {
    run -4 fault write:error=ENOSPC:when=1 tens split --test 0.5 "$I/train.jsonl" tr te
    [ ! -e tr ]
    [ ! -e te ]
    run -4 fault write:error=ENOSPC:when=2 tens split --test 0.5 "$I/train.st.zst" tr te
    [ ! -e tr ]
    [ ! -e te ]
    cat "$I/train.jsonl" > all
    export TMPDIR=$TMP/spool
    mkdir spool
    run -4 fault write:error=ENOSPC:when=1 tens split --test 0.5 - tr te < all
    [ -z "$(find spool -type f)" ]
    [ -z "$(find . -name '*tmp*')" ]
}
