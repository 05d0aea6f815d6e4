# records.bats - what a record may hold by mbert-stream(5), and how a failure travels
load helper

setup_file() {
    FIXTURES=$("$ROOT/tests/fixtures.sh")
    export FIXTURES
}

setup() {
    need_command python3 zstd
    cd "$TMP"
    G=$FIXTURES/guard
}

second() { python3 "$ROOT/tests/spec/read_stream.py" "$@"; }
edit() { python3 "$ROOT/tests/spec/edit_stream.py" "$@"; }

# five prompts, two a record, with labels and a kept field: frames 0..4
five() {
    local i
    for i in 1 2 3 4 5; do echo "{\"prompt\":\"line number $i of five\",\"label\":$((i % 2)),\"id\":\"k$i\"}"; done > five.jsonl
    bpe-tok -m "$ROOT/examples/mini" --labels safe,unsafe --keep id --flush-every 2 five.jsonl > five.st.zst
}

# failed KIND: a stream that ends at once in an error record of the first tool
failed() {
    echo '[{"stz":"1","kind":"head","seq":"0","schema":"'"$1"'"},
           {"stz":"1","kind":"error","seq":"1","prev":"PREV","message":"first-tool: no luck","exit":"4"}]' | edit craft
}

@test "headers at the edge: both readers agree on every one" {
    mkdir cases
    python3 "$ROOT/tests/spec/header_cases.py" cases
    local name verdict why said status n=0
    while read -r name verdict why; do
        status=0
        said=$(tens count "cases/$name" 2>&1 > /dev/null) || status=$?
        if [ "$verdict" = good ]; then
            [ "$status" = 0 ] || { echo "$name: $status $said"; false; }
        else
            [[ $status = 3 && $said == *"$why"* ]] || { echo "$name: $status $said"; false; }
            [[ $said == "tens: 'cases/$name', record "* ]]
        fi
        n=$((n + 1))
    done < cases/list
    [ "$n" -gt 80 ]
}

@test "headers spoilt at random: both readers agree on every one" {
    python3 "$ROOT/tests/spec/header_fuzz.py" 400 7 tens
}

@test "numbers, several labels, none, names: every task's stream is as the page says" {
    local M=$ROOT/examples/mini
    printf '%s\n' '{"text":"a","label":1.5}' '{"text":"b","label":-2}' '{"text":"c","label":0}' |
        bpe-tok -m "$M" --task regression > regression
    printf '%s\n' '{"text":"a","label":["x"]}' '{"text":"b","label":["z","x"]}' '{"text":"c","label":[]}' |
        bpe-tok -m "$M" --task multi --labels x,y,z > multi
    printf '%s\n' '{"text":"a","label":"y"}' '' '{"text":"b"}' '{"text":"c","label":0}' |
        bpe-tok -m "$M" --labels x,y > single
    printf 'a b c d e f g\nh\n' | bpe-tok -m "$M" --format text --max-length 4 > truncated 2> /dev/null
    printf '%s\n' '{"text":"a","one":[1,{"k":null}],"two":"\u00e9\n"}' '{"text":"b","two":2}' |
        bpe-tok -m "$M" --keep one,two > kept
    local f
    for f in regression multi single truncated kept; do
        second --writer $f > out
        pack-batch --tokens 5 $f > b
        second --writer b > /dev/null
        tens cat --json $f > want
        tens cat --json b | cmp - want
    done
    second --writer regression > out
    grep -q "'labels': ('F32', \[3\])" out
    second --writer multi > out
    grep -q "'labels': ('F32', \[3, 3\])" out
    second --writer single > out
    grep -q "'labels': ('I32', \[3\])" out
    second --writer truncated > out
    grep -q "'truncated': ('U8', \[2\])" out
    second --writer kept > out
    grep -q "'keep.one.offsets': ('I32', \[3\])" out
}

@test "a vocabulary of more than 65,536 ids takes I32, one of 65,536 takes U16" {
    local n type f
    for n in 65535 65536; do
        type=U16
        [ $n = 65535 ] || type=I32
        echo '{"input_ids": ["I32", [1, '$n']], "cu_seqlens": ["I32", [0, 2]], "row": ["I64", [0]], "@vocab": "'$((n + 1))'"}' |
            python3 "$ROOT/tests/tensors.py" x.safetensors
        tens wrap --kind tokens x.safetensors > x
        pack-batch x > b
        for f in x b; do
            second --writer $f > out
            grep -q "'input_ids': ('$type', \[2\])" out
        done
    done
}

@test "the bytes are the same for any number of threads, from files and from pipes" {
    five
    bpe-tok -m "$G" five.jsonl > t
    bpe-tok -m "$G" --threads 3 < five.jsonl | cmp - t
    pack-batch --tokens 20 t > b
    pack-batch --tokens 20 < t | cmp - b
    local e
    for e in pooled hidden logits layers; do
        mbert-fwd -m "$G" --threads 1 --emit $e b > one
        mbert-fwd -m "$G" --threads 3 --emit $e < b > two
        cmp one two
        second --writer one > /dev/null
    done
    mbert-fwd -m "$G" b | clf-head -m "$G" --stream > s
    mbert-fwd -m "$G" b | clf-head -m "$G" --stream --threads 3 > two
    cmp s two
    run -1 grep -aqF "$TMP" <(cat t b one s | zstd -dcq)
}

@test "a dictionary, a frame of nothing, bare and dressed records side by side" {
    five
    zstd -dcq five.st.zst > bare
    zstd -q < /dev/null > nothing
    cat nothing five.st.zst nothing > x
    [ "$(tens count x)" = "$(tens count five.st.zst)" ]
    second x > /dev/null
    python3 -c 'b = bytearray(open("five.st.zst", "rb").read()); b[4] |= 1; open("x", "wb").write(b)'
    run -3 --separate-stderr tens count x
    [[ $stderr == "tens: 'x'"*": zstd frame that needs a dictionary near byte 0" ]]
    cat bare five.st.zst > x
    run -3 --separate-stderr tens count x
    [[ $stderr == *"bytes after the end record" ]]
    cat five.st.zst bare > x
    run -3 --separate-stderr tens count x
    [[ $stderr == *"bytes that are not a zstd frame near byte $(stat -c %s five.st.zst)" ]]
}

@test "a checksum that does not match" {
    five
    python3 -c 'b = bytearray(open("five.st.zst", "rb").read()); b[-1] ^= 1; open("x", "wb").write(b)'
    run -1 zstd -tq x
    run -3 --separate-stderr tens count x
    [[ $stderr == *"damaged zstd frame (Restored data doesn't match checksum)"* ]]
    run -3 second x
}

@test "an error record stops every tool; what it writes names the one that failed first" {
    failed tokens > t
    failed batch > b
    failed pooled > p
    writes() {
        run -3 bash -c '"$@" > out' - "$@"
        [ "$output" = "$1: upstream first-tool failed: no luck" ]
        zstd -dcq out | grep -aq '"exit":"3","kind":"error","message":"first-tool: no luck"'
        run -1 grep -aq '"kind":"end"' <(zstd -dcq out)
        run -3 second out
        [[ $output == *"upstream failed: first-tool: no luck"* ]]
    }
    reads() {
        run -3 --separate-stderr "$@"
        [ "$stderr" = "$1: upstream first-tool failed: no luck" ]
        [ -z "$output" ] || [ "$2" = ls ]
    }
    writes pack-batch t
    writes pack-batch --shuffle 1 t
    writes mbert-fwd -m "$G" b
    writes clf-head -m "$G" --stream p
    writes tens head t
    reads clf-head -m "$G" p
    reads tens count t
    reads tens ls t
    reads tens stat t
    reads tens cat --json t
    reads tens cmp t t
    reads tens split --test 0.5 --seed 1 t one two
    reads bpe-tok --decode -m "$G" t
    reads mbert-train -m "$FIXTURES/mini" -o trained --init random --labels safe,unsafe --train t
    reads mbert-train -m "$FIXTURES/mini" -o trained --init random --train "$FIXTURES/train.st.zst" --eval t
    run -1 --separate-stderr tens check t
    [ "$stderr" = "tens: upstream first-tool failed: no luck" ]
    [ ! -e one ]
    [ ! -e two ]
    [ ! -e trained ]
}

@test "with -o nothing is left when the writer upstream failed" {
    failed tokens > t
    failed batch > b
    failed pooled > p
    local tool
    for tool in "pack-batch t" "mbert-fwd -m $G b" "clf-head -m $G p" "clf-head --stream -m $G p" "tens head t"; do
        echo old > kept
        run -3 $tool -o kept
        [ "$(cat kept)" = old ]
        [ "$(ls kept*)" = kept ]
        run -3 $tool -o fresh
        [ ! -e fresh ]
    done
}
