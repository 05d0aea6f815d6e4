# pipeline.bats - the whole chain, and how it ends when a part of it does not
load helper

setup_file() {
    FIXTURES=$("$ROOT/tests/fixtures.sh")
    export FIXTURES
}

setup() {
    cd "$FIXTURES"
    M=$FIXTURES/guard
    export M
}

# statuses PIPELINE: what each stage said, "3 3 3"; its standard error is in $TMP/err
statuses() {
    bash -c "$1"'; echo "${PIPESTATUS[@]}" > "$0"' "$TMP/status" > "$TMP/out" 2> "$TMP/err"
    cat "$TMP/status"
}
# said TOOL TEXT: a line of $TMP/err has both
said() { grep "^$1: " "$TMP/err" | grep -qF -- "$2" || { cat "$TMP/err"; false; }; }

# closed COMMAND...: its standard output is a pipe whose reader has gone
closed() {
    python3 - "$@" <<'END'
import os, subprocess, sys
r, w = os.pipe()
os.close(r)
status = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=w)
sys.exit(128 - status if status < 0 else status)
END
}

@test "text to scores: a line a prompt, in order, whole" {
    run -0 --separate-stderr bash -o pipefail -c \
        'bpe-tok -m guard < prompts.jsonl | pack-batch | mbert-fwd -m guard | clf-head -m guard'
    [ -z "$stderr" ]
    [ "${#lines[@]}" = "$(wc -l < prompts.jsonl)" ]
    for i in "${!lines[@]}"; do
        [[ ${lines[i]} == '{"row":'"$i"',"label":"'*'","score":'*',"scores":{"safe":'*',"unsafe":'*'}}' ]]
    done
}

@test "labels travel to the metrics" {
    bash -o pipefail -c 'bpe-tok -m guard < test.jsonl | pack-batch | mbert-fwd -m guard | clf-head -m guard' > "$TMP/scores"
    cmp "$TMP/scores" scores.jsonl
    [ "$(grep -c '"gold":"' "$TMP/scores")" = "$(wc -l < test.jsonl)" ]
    run -0 metrics --json "$TMP/scores"
    [[ $output == *'"n":100'* ]]
}

@test "the cut into batches, the number of threads and one pipe or many do not matter" {
    pack-batch prompts.st.zst | mbert-fwd -m guard | clf-head -m guard > "$TMP/want"
    bpe-tok -m guard -o "$TMP/a" prompts.jsonl
    pack-batch -o "$TMP/b" "$TMP/a"
    mbert-fwd -m guard -o "$TMP/c" "$TMP/b"
    clf-head -m guard -o "$TMP/d" "$TMP/c"
    cmp "$TMP/want" "$TMP/d"
    mbert-fwd -m guard --threads 1 < "$TMP/b" | clf-head -m guard | cmp "$TMP/want" -
    mbert-fwd -m guard --threads 3 < "$TMP/b" | clf-head -m guard | cmp "$TMP/want" -
    pack-batch --tokens 20 prompts.st.zst | mbert-fwd -m guard > "$TMP/small"
    tens cmp --atol 1e-5 --name pooled "$TMP/small" "$TMP/c"
}

@test "a shuffled run gives the same scores by row" {
    pack-batch --shuffle 5 prompts.st.zst | mbert-fwd -m guard | tens stat --name row > "$TMP/a"
    pack-batch prompts.st.zst | mbert-fwd -m guard | tens stat --name row | diff "$TMP/a" -
}

@test "shards, two at a time, give what one run gives" {
    cp -R shards "$TMP"
    cd "$TMP"
    ls shards/*.jsonl | xargs -P2 -I{} sh -c \
        'bpe-tok -m "$M" {} | pack-batch | mbert-fwd -m "$M" --threads 1 | clf-head -m "$M" -o {}.scores'
    for s in a b c; do
        [ "$(wc -l < shards/$s.jsonl.scores)" = 5 ]
        bpe-tok -m "$M" shards/$s.jsonl | pack-batch | mbert-fwd -m "$M" | clf-head -m "$M" | cmp - shards/$s.jsonl.scores
    done
}

@test "a bad line: bpe-tok says where, everyone after it is 3, no scores pass" {
    { head -n 3 prompts.jsonl; echo '{"prompt": 5'; tail -n 3 prompts.jsonl; } > "$TMP/bad.jsonl"
    [ "$(statuses 'bpe-tok -m "$M" '"$TMP"'/bad.jsonl | pack-batch | mbert-fwd -m "$M" | clf-head -m "$M" > '"$TMP/s")" = "3 3 3 3" ]
    said bpe-tok "bad.jsonl:4"
    said pack-batch "bpe-tok failed"
    said mbert-fwd "bpe-tok failed"
    said clf-head "bpe-tok failed"
}

@test "a stream cut anywhere: every stage after it is 3" {
    local n size
    size=$(stat -c %s prompts.st.zst)
    for n in 1 $((size / 2)) $((size - 1)); do
        [ "$(statuses "head -c $n prompts.st.zst | pack-batch | mbert-fwd -m guard | clf-head -m guard")" = "0 3 3 3" ]
        said pack-batch truncated
    done
    pack-batch prompts.st.zst > "$TMP/b"
    [ "$(statuses "head -c $(($(stat -c %s "$TMP/b") - 1)) $TMP/b | mbert-fwd -m guard | clf-head -m guard")" = "0 3 3" ]
    said mbert-fwd truncated
    mbert-fwd -m guard "$TMP/b" > "$TMP/p"
    [ "$(statuses "head -c $(($(stat -c %s "$TMP/p") - 1)) $TMP/p | clf-head -m guard")" = "0 3" ]
    said clf-head truncated
}

@test "a stage without its model: 4 or 3, and what follows it is 3" {
    [ "$(statuses 'bpe-tok -m nosuch prompts.jsonl | pack-batch')" = "4 3" ]
    said bpe-tok nosuch
    said pack-batch truncated
    [ "$(statuses 'mbert-fwd -m nosuch < prompts.st.zst | clf-head -m guard')" = "4 3" ]
    said mbert-fwd nosuch
    [ "$(statuses 'mbert-fwd -m guard < prompts.st.zst | clf-head -m nosuch' | cut -d' ' -f2)" = 4 ]
    [ "$(statuses 'mbert-fwd -m mini < prompts.st.zst | clf-head -m guard')" = "4 3" ]
}

@test "zero lines: head and end, status 0 all along, no scores" {
    [ "$(statuses 'bpe-tok -m guard < /dev/null | pack-batch | mbert-fwd -m guard | clf-head -m guard')" = "0 0 0 0" ]
    [ ! -s "$TMP/out" ]
    [ ! -s "$TMP/err" ]
    bpe-tok -m guard < /dev/null | pack-batch | mbert-fwd -m guard | tens check
    [ "$(bpe-tok -m guard < /dev/null | tens count --json)" = '{"records":0,"examples":0,"tokens":0,"rows":0}' ]
}

@test "zero bytes are no stream: 3" {
    for tool in pack-batch "mbert-fwd -m guard" "clf-head -m guard" "tens ls" "tens count"; do
        run -3 --separate-stderr $tool < /dev/null
        [[ $stderr == *truncated* ]] || { echo "$tool: $stderr"; false; }
    done
    run -3 metrics < /dev/null
    cp -R mini "$TMP"
    run -3 --separate-stderr mbert-train -m mini -o "$TMP/o" --init random --train /dev/null
    [ ! -e "$TMP/o" ]
}

@test "/dev/full: 4 at each stage" {
    pack-batch prompts.st.zst > "$TMP/b"
    mbert-fwd -m guard "$TMP/b" > "$TMP/p"
    for stage in "bpe-tok -m guard prompts.jsonl" "pack-batch prompts.st.zst" "mbert-fwd -m guard $TMP/b" \
        "clf-head -m guard $TMP/p" "metrics scores.jsonl" "tens cat --json prompts.st.zst"; do
        run -4 --separate-stderr bash -c "$stage > /dev/full"
        [[ $stderr == *"No space left on device"* ]] || { echo "$stage: $stderr"; false; }
        run -4 $stage -o /dev/full
    done
    [ "$(statuses 'bpe-tok -m guard prompts.jsonl | pack-batch | mbert-fwd -m guard | clf-head -m guard > /dev/full')" = "0 0 0 4" ]
}

@test "a reader that has gone ends each stage by SIGPIPE, without a word" {
    need_command python3
    pack-batch prompts.st.zst > "$TMP/b"
    mbert-fwd -m guard "$TMP/b" > "$TMP/p"
    for stage in "bpe-tok -m guard prompts.jsonl" "pack-batch prompts.st.zst" "mbert-fwd -m guard $TMP/b" \
        "clf-head -m guard $TMP/p" "metrics scores.jsonl" "tens cat --json prompts.st.zst" "tens head prompts.st.zst"; do
        run -141 --separate-stderr closed $stage
        [ -z "$stderr" ] || { echo "$stage: $stderr"; false; }
    done
}

@test "a reader that stalls, and a writer that does: nothing is lost" {
    bash -o pipefail -c '{ head -n 6 prompts.jsonl; sleep 0.7; tail -n +7 prompts.jsonl; } |
        bpe-tok -m guard | pack-batch | mbert-fwd -m guard | clf-head -m guard | { sleep 1; cat; }' > "$TMP/got"
    pack-batch prompts.st.zst | mbert-fwd -m guard | clf-head -m guard | cmp "$TMP/got" -
    # more than the pipes hold, so that the writers wait
    for i in $(seq 400); do cat train.jsonl; done > "$TMP/many.jsonl"
    bash -o pipefail -c 'bpe-tok -m guard "$1" | { sleep 0.5; cat; } | pack-batch | { sleep 1; cat; } | tens count' _ "$TMP/many.jsonl" > "$TMP/n"
    grep -qx "examples	160000" "$TMP/n"
}

@test "closed standard input: 4; closed standard output: 4" {
    pack-batch prompts.st.zst > "$TMP/b"
    mbert-fwd -m guard "$TMP/b" > "$TMP/p"
    for stage in "bpe-tok -m guard" pack-batch "mbert-fwd -m guard" "clf-head -m guard" metrics "tens ls"; do
        run -4 --separate-stderr bash -c "$stage <&-"
        [[ $stderr == *"standard input"*"Bad file descriptor"* ]] || { echo "$stage: $stderr"; false; }
    done
    for stage in "bpe-tok -m guard prompts.jsonl" "pack-batch prompts.st.zst" "mbert-fwd -m guard $TMP/b" \
        "clf-head -m guard $TMP/p" "metrics scores.jsonl" "tens cat --json prompts.st.zst"; do
        run -4 --separate-stderr bash -c "$stage >&-"
        [[ $stderr == *"standard output"*"Bad file descriptor"* ]] || { echo "$stage: $stderr"; false; }
    done
}

@test "binary output to a terminal is refused before anything is read" {
    need_terminal
    for stage in "bpe-tok -m guard prompts.jsonl" "pack-batch prompts.st.zst" "mbert-fwd -m guard prompts.st.zst"; do
        run -2 script -qec "$stage" /dev/null
        [[ $output == *terminal* ]] || { echo "$stage: $output"; false; }
    done
    for stage in pack-batch "mbert-fwd -m guard" "clf-head -m guard" "tens ls"; do
        run -2 script -qec "$stage > /dev/null" /dev/null
        [[ $output == *terminal* ]] || { echo "$stage: $output"; false; }
    done
}

@test "-o keeps the file that was there until the new one is whole" {
    cd "$TMP"
    head -c 300 "$FIXTURES/prompts.st.zst" > cut
    for stage in "pack-batch cut" "mbert-fwd -m $M cut" "clf-head -m $M cut" "tens cat --json cut" "tens head -n 99 cut"; do
        echo old > keep
        run -3 $stage -o keep
        [ "$(cat keep)" = old ]
    done
    run -3 bpe-tok -m "$M" -o keep <(echo '{')
    [ "$(cat keep)" = old ]
    [ "$(ls)" = "$(printf 'cut\nkeep')" ]
}

@test "a stream made with another tokenizer or another model's labels is refused" {
    mkdir -p "$TMP/other"
    cp guard/config.json guard/model.safetensors "$TMP/other"
    python3 - guard/tokenizer.json "$TMP/other/tokenizer.json" <<'END'
import json, sys
t = json.load(open(sys.argv[1], encoding="utf-8"))
t["model"]["merges"].pop()
json.dump(t, open(sys.argv[2], "w", encoding="utf-8"), ensure_ascii=False)
END
    [ "$(statuses "pack-batch prompts.st.zst | mbert-fwd -m $TMP/other | clf-head -m guard")" = "0 3 3" ]
    said mbert-fwd "tokenizer"
}

@test "streams that were recompressed, joined and split come out the same" {
    bpe-tok -m guard prompts.jsonl > "$TMP/a"
    zstd -dc "$TMP/a" | zstd -q --check > "$TMP/b"
    pack-batch "$TMP/b" | mbert-fwd -m guard | clf-head -m guard > "$TMP/got"
    pack-batch "$TMP/a" | mbert-fwd -m guard | clf-head -m guard | cmp "$TMP/got" -
    head -n 5 prompts.jsonl | bpe-tok -m guard > "$TMP/c"
    tail -n +6 prompts.jsonl | bpe-tok -m guard > "$TMP/d"
    cat "$TMP/c" "$TMP/d" | pack-batch | mbert-fwd -m guard | clf-head -m guard | cmp "$TMP/got" -
}

@test "splitting the text and splitting its tokens set the same prompts aside" {
    tens split --test 0.25 --seed 3 train.jsonl "$TMP/tr" "$TMP/te"
    tens split --test 0.25 --seed 3 train.st.zst "$TMP/tr.st.zst" "$TMP/te.st.zst"
    for s in tr te; do
        bpe-tok -m guard "$TMP/$s" | tens cat --json | sed 's/^{"row":[0-9]*//' > "$TMP/want"
        tens cat --json "$TMP/$s.st.zst" | sed 's/^{"row":[0-9]*//' | diff "$TMP/want" -
    done
    [ "$(wc -l < "$TMP/want")" = 100 ]
}

@test "a live pipe answers each line as it comes" {
    coproc P { bpe-tok -q -m guard --flush-every 1 | pack-batch --sequences 1 | mbert-fwd -m guard | clf-head -m guard; }
    local pid=$P_PID
    for i in 0 1 2; do
        echo '{"prompt":"how do I bake bread"}' >&"${P[1]}"
        read -r -t 20 -u "${P[0]}" line
        [[ $line == '{"row":'"$i"',"label":'* ]]
    done
    exec {P[1]}>&-
    wait "$pid"
}
