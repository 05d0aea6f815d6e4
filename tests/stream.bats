# stream.bats - every rule of mbert-stream(5), with a reader of its own (tests/spec)
load helper

setup_file() {
    FIXTURES=$("$ROOT/tests/fixtures.sh")
    export FIXTURES
}

setup() {
    need_command python3 zstd
    cd "$TMP"
    M=$ROOT/examples/mini
    LIMIT='ulimit -v 1000000' # ASan reserves far more than it uses
    case $BUILD in *asan) LIMIT=: ;; esac
    local i
    for i in 1 2 3 4 5; do echo "{\"prompt\":\"line number $i of five\",\"label\":$((i % 2)),\"id\":\"k$i\"}"; done > five.jsonl
    # five lines, two a record: head, 3 tokens records, end = frames 0..4
    bpe-tok -m "$M" --labels safe,unsafe --keep id --flush-every 2 five.jsonl > good.st.zst
}

second() { python3 "$ROOT/tests/spec/read_stream.py" "$@"; }
edit() { python3 "$ROOT/tests/spec/edit_stream.py" "$@"; }

# good FILE [WANT]: both readers accept it, and read the same sequences
good() {
    tens cat --json "$1" > got.tens
    second --kind "tokens|batch" --cat "$1" > got.second 2> /dev/null
    python3 - got.tens got.second <<'END'
import json, sys
a, b = ([json.loads(l) for l in open(f)] for f in sys.argv[1:])
keys = ("row", "input_ids", "label")
a, b = ([{k: x[k] for k in keys if k in x} for x in s] for s in (a, b))
assert a and a == b, (a[:2], b[:2])
END
}

# bad MESSAGE FILE: our reader says so with status 3, and the second reader refuses it too
bad() {
    run -3 --separate-stderr tens cat --json "$2"
    [[ $stderr == "tens: "*"$1"* ]] || { echo "said: $stderr"; false; }
    run -3 second "$2"
}

frames() { zstd -lv "$1" 2> /dev/null | awk '/Zstandard Frames:/ { print $4 }'; }

# ---- writers

@test "writer 1: one frame a record, checksum, content size, window, no dictionary, nothing else" {
    second --writer good.st.zst
    [ "$(frames good.st.zst)" = 5 ]
    run -0 zstd -lv good.st.zst
    [[ $output == *"Check: XXH64"* ]]
    [[ $output == *"Decompressed Size:"* ]]
    run -0 zstd -tq good.st.zst
}

@test "writer 1, 4: every tool's streams, every kind" {
    local G=$FIXTURES/guard e
    bpe-tok -m "$G" --keep id five.jsonl > t
    pack-batch --tokens 40 t > b
    for e in pooled hidden layers logits; do
        mbert-fwd -m "$G" --emit $e b > "$e"
        second --writer "$e" > /dev/null
    done
    clf-head -m "$G" --stream --logits pooled > s
    tens head -n 3 b > h
    tens cat --safetensors -o x.safetensors t
    tens wrap --kind tokens -o w x.safetensors
    tens split --test 0.4 --seed 1 t one two
    for e in t b s h w one two; do second --writer $e > /dev/null; done
    second --writer one two > /dev/null
}

@test "writer 1: the window stays small at every level, and levels are those of zstd" {
    local l
    tens cat --safetensors -o x.safetensors "$FIXTURES/train.st.zst"
    for l in 1 -7 9; do
        MBERT_LEVEL=$l tens wrap --kind tokens -o l.$l x.safetensors
        second --writer l.$l > /dev/null
        cmp <(zstd -dcq l.1) <(zstd -dcq l.$l)
    done
    [ "$(stat -c %s l.-7)" -gt "$(stat -c %s l.9)" ]
    for l in 10 -8 x 1.5; do
        MBERT_LEVEL=$l run -2 --separate-stderr tens wrap --kind tokens -o l x.safetensors
        [[ $stderr == *"MBERT_LEVEL: '$l' is not a level of -7..9"* ]]
        [ ! -e l ]
    done
}

@test "writer 2: a record is there as soon as it is complete" {
    mkfifo in
    bpe-tok -m "$M" --flush-every 1 < in > out.st.zst 3>&- &
    exec 9> in
    head -n 1 five.jsonl >&9
    local i n=0
    for i in $(seq 100); do
        n=$(frames out.st.zst)
        [ "${n:-0}" = 2 ] && break
        sleep 0.05
    done
    [ "$n" = 2 ]
    exec 9>&-
    wait $!
    [ "$(frames out.st.zst)" = 3 ]
}

@test "writer 2: a terminal is refused, with a hint" {
    need_terminal
    local t
    for t in "bpe-tok -m $M five.jsonl" "pack-batch good.st.zst" "tens head good.st.zst"; do
        run -2 script -qec "$t" /dev/null
        [[ $output == *"a stream is not for terminals: use -o FILE, or pipe it into 'tens ls'"* ]]
    done
}

@test "writer 3: a failure in mid-stream ends with an error record, never an end" {
    (head -n 3 five.jsonl; echo '{"prompt":') > broken.jsonl
    run -3 --separate-stderr bpe-tok -m "$M" --flush-every 1 broken.jsonl
    bpe-tok -m "$M" --flush-every 1 broken.jsonl > cut.st.zst 2> /dev/null || true
    [ "$(frames cut.st.zst)" = 5 ]
    zstd -dcq cut.st.zst > bare
    tail -c 300 bare | grep -aq '"exit":"3","kind":"error","message":"bpe-tok: '
    run -1 grep -a '"kind":"end"' bare
    bad "upstream bpe-tok failed: broken.jsonl:4: " cut.st.zst
}

@test "writer 3: -o FILE is complete or untouched" {
    echo old > out
    (cat five.jsonl; echo '{"prompt":') > broken.jsonl
    run -3 bpe-tok -m "$M" --flush-every 1 -o out broken.jsonl
    [ "$(cat out)" = old ]
    [ "$(ls out*)" = out ]
    bpe-tok -m "$M" -o out five.jsonl
    second --writer out
    mkfifo pipe
    cat pipe > copy &
    bpe-tok -m "$M" -o pipe five.jsonl
    wait $!
    cmp copy out
}

@test "writer 4: the header byte by byte" {
    zstd -dcq good.st.zst > bare
    python3 - bare <<'END'
import json, struct, sys
data, at = open(sys.argv[1], "rb").read(), 0
while at < len(data):
    n, = struct.unpack_from("<Q", data, at)
    text = data[at + 8:at + 8 + n]
    assert (8 + n) % 64 == 0
    header = json.loads(text)
    tight = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    assert text == tight + b" " * (n - len(tight)), text
    names = list(header)
    assert names[0] == "__metadata__"
    assert list(header["__metadata__"]) == sorted(header["__metadata__"])
    end = 0
    for name in names[1:]:
        assert list(header[name]) == ["data_offsets", "dtype", "shape"]
        assert header[name]["data_offsets"][0] == end
        end = header[name]["data_offsets"][1]
    sizes = {"I64": 8, "I32": 4, "U16": 2, "U8": 1}
    order = [(-sizes[header[k]["dtype"]], k) for k in names[1:]]
    assert order == sorted(order)
    at += 8 + n + end
END
}

@test "writer 5: the same bytes again, whatever the directory, time and locale" {
    mkdir -p elsewhere && cp five.jsonl elsewhere/
    (cd elsewhere && TZ=Asia/Tokyo LC_ALL=C bpe-tok -m "$M" --labels safe,unsafe --keep id --flush-every 2 five.jsonl) | cmp - good.st.zst
    bpe-tok -m "$M" --labels safe,unsafe --keep id --flush-every 2 < five.jsonl | cmp - good.st.zst
    zstd -dcq good.st.zst > bare
    run -1 grep -a "$TMP" bare
}

@test "writer 5: records are cut at 1,024 sequences, not earlier and not later" {
    seq 1024 | bpe-tok -m "$M" --format text > a
    seq 1025 | bpe-tok -m "$M" --format text > b
    [ "$(frames a)" = 3 ]
    [ "$(frames b)" = 4 ]
    tens ls --json b | grep -q '"shape":\[1024\]'
}

@test "writer 5: records are cut at 65,536 tokens" {
    awk 'BEGIN { for (i = 0; i < 200; i++) { for (k = 0; k < 600; k++) printf "a "; print "" } }' |
        bpe-tok -m "$M" --format text > a 2> /dev/null
    second --cat --kind tokens a 2> /dev/null | python3 -c '
import json, sys
n = [len(json.loads(l)["input_ids"]) for l in sys.stdin]
assert len(n) == 200 and sum(n) > 65536, (len(n), sum(n))'
    second a 2> /dev/null | python3 -c '
import re, sys
n = [int(x) for x in re.findall(r"input_ids.: ..U16., \[(\d+)\]", sys.stdin.read())]
assert len(n) > 1 and max(n) <= 65536 and n[0] > 65536 - 600, n'
}

@test "writer 6: floats into a pipe are compressed less than into a file" {
    local G=$FIXTURES/guard
    pack-batch "$FIXTURES/train.st.zst" > b
    mbert-fwd -m "$G" --emit hidden b | cat > piped
    mbert-fwd -m "$G" --emit hidden -o filed b
    [ "$(stat -c %s filed)" -le "$(stat -c %s piped)" ]
    cmp <(zstd -dcq piped) <(zstd -dcq filed) # the records are the same
    MBERT_LEVEL=1 mbert-fwd -m "$G" --emit hidden b | cmp - filed
}

# ---- readers

@test "reader 1: undressed, in one frame, in many, with skippable frames" {
    good good.st.zst
    cp got.tens want
    zstd -dcq good.st.zst > bare
    zstd -dcq good.st.zst | zstd -cq > single
    split -b 100 bare part. && for f in part.*; do zstd -cq "$f"; done > many
    printf 'Z*M\030\005\000\000\000hello' > skip
    [ "$(head -c 4 skip | od -An -tx1)" = " 5a 2a 4d 18" ]
    cat skip good.st.zst skip > skipped
    [ "$(frames single)" = 1 ]
    for f in bare single many skipped; do
        good $f
        cmp got.tens want
        [ "$(tens cat --json < $f)" = "$(cat want)" ]
    done
    pack-batch < bare | cmp - <(pack-batch good.st.zst)
}

@test "reader 1: a frame without checksum is refused" {
    for i in 0 2 4; do
        edit nocheck $i < good.st.zst > x
        zstd -tq x
        bad "zstd frame without a content checksum" x
    done
}

@test "reader 1: windows up to 2^27 are read, larger ones are not" {
    zstd -dcq good.st.zst > bare
    zstd -cq --long=27 < bare > wide
    good wide
    printf '\050\265\057\375\004\220\001\000\000\231\351\330\121' > x # an empty frame, window 2^28
    bad "" x
    run -3 --separate-stderr tens ls x
    [[ $stderr == *"Frame requires too much memory for decoding"* ]]
}

@test "reader 2: limits come before memory" {
    # a header of 2^62 bytes, one of 16 MiB + 1, and a tensor of 2^40 bytes
    python3 - <<'END'
import struct
def file(name, image):
    open(name, "wb").write(image)
file("a", struct.pack("<Q", 1 << 62) + b"{" * 100)
file("b", struct.pack("<Q", (16 << 20) + 1) + b"{" * 100)
h = b'{"x":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}'
file("c", struct.pack("<Q", len(h)) + h)
h = b'{"x":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % ((256 << 20,) * 2)
file("d", struct.pack("<Q", len(h)) + h)
END
    for f in a b; do bad "not a stream: neither zstd nor a safetensors image" $f; done
    for f in c d; do # 2^40 bytes, and 2^28 of data alone: the whole image is what counts
        run -3 --separate-stderr bash -c "$LIMIT; pack-batch $f"
        [[ $stderr == *"is over the limit of 268435456"* ]]
    done
    # as the second record of a stream
    zstd -dcq good.st.zst | cat - a > e
    bad "bytes after the end record" e
    (zstd -dcq <(edit frames 0 < good.st.zst); cat a) > f
    bad "header longer than 16 MiB, or not a safetensors image" f
}

@test "reader 2: a bomb of zeros is refused by size, not unpacked" {
    (python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack("<Q", 16 << 20) + b"{}")'; head -c 60000000 /dev/zero) | zstd -cq > x
    run -3 bash -c "$LIMIT; pack-batch x"
    run -3 second x
}

@test "reader 3: a flipped bit anywhere is never read as something else" {
    local n i want
    n=$(stat -c %s good.st.zst)
    want=$(tens cat --json good.st.zst)
    for i in $(seq 0 97 $((n - 1))); do
        edit flip $i $((i % 8)) < good.st.zst > x
        run tens cat --json x
        [ "$status" = 3 ] || [ "$status" = 0 ]
        [ "$status" = 3 ] || [ "$output" = "$want" ]
    done
}

@test "reader 3: headers that are not what they should be" {
    edit header 1 '{"a":1,"a":2}' < good.st.zst > x;                   bad "duplicate JSON key" x
    edit header 1 '{"__metadata__":{"stz":1}}' < good.st.zst > x;      bad "metadata value that is not a string" x
    edit header 1 '{"__metadata__":' < good.st.zst > x;                bad "invalid JSON" x
    edit header 1 ' {}' < good.st.zst > x;                             bad "header does not start with {" x
    edit header 1 '{"x":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}' < good.st.zst > x
    bad "hole between tensors" x
    edit header 1 '{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"y":{"dtype":"U8","shape":[3],"data_offsets":[2,5]}}' < good.st.zst > x
    bad "tensors overlap" x
    edit header 1 '{"x":{"dtype":"I32","shape":[3],"data_offsets":[0,3]}}' < good.st.zst > x
    bad "tensor size does not match its shape" x
    edit header 1 '{"x":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}' < good.st.zst > x
    bad "shape too large" x
    zstd -dcq good.st.zst | sed 's/"kind":"end"/"kind":"\xff\xfe\xfd"/' > x
    bad "invalid UTF-8" x
}

@test "reader 3: unknown dtype of a tensor: ignored unless needed" {
    edit drop-tensor 1 row < good.st.zst > x
    run -3 --separate-stderr pack-batch x
    [[ $stderr == *"record 1: "*"'row'"* ]]
    # the same, with row of a type nobody knows
    zstd -dcq good.st.zst | sed 's/"dtype":"I64"/"dtype":"Q64"/' > x
    run -3 --separate-stderr pack-batch x
    [[ $stderr == *"'row' has a dtype this program does not know"* ]]
    tens cat --safetensors -o y.safetensors good.st.zst
    python3 - <<'END'
import struct
image = open("y.safetensors", "rb").read()
n, = struct.unpack_from("<Q", image)
extra = b',"zz":{"dtype":"Q64","shape":[3],"data_offsets":[%d,%d]}}' % ((len(image) - 8 - n,) + (len(image) - 5 - n,))
text = image[8:8 + n].rstrip(b" ")[:-1] + extra
text += b" " * (-(8 + len(text)) % 64)
open("z.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + image[8 + n:] + b"zzz")
END
    tens wrap --kind tokens -o y y.safetensors
    tens wrap --kind tokens -o z z.safetensors
    cmp y z
}

@test "reader 3: frames dropped, repeated, swapped, spliced, cut off" {
    edit frames 0,2,3,4 < good.st.zst > x;   zstd -tq x; bad "seq is 2 where 1 must follow" x
    edit frames 0,1,3,4 < good.st.zst > x;   zstd -tq x; bad "seq is 3 where 2 must follow" x
    edit frames 1,2,3,4 < good.st.zst > x;   zstd -tq x; bad "tokens record where a head must be" x
    edit frames 0,1,1,2,3,4 < good.st.zst > x; zstd -tq x; bad "seq is 1 where 2 must follow" x
    edit frames 0,2,1,3,4 < good.st.zst > x; zstd -tq x; bad "seq is 2 where 1 must follow" x
    edit frames 0,1,2,3 < good.st.zst > x;   zstd -tq x; bad "truncated: no end record" x
    sed 's/five/four/' five.jsonl | bpe-tok -m "$M" --labels safe,unsafe --keep id --flush-every 2 > other
    (edit frames 0,1 < good.st.zst; edit frames 2 < other; edit frames 3,4 < good.st.zst) > x
    zstd -tq x
    bad "prev does not match the record before" x
    (edit frames 0,1,2 < good.st.zst; edit frames 3,4 < other) > x
    bad "prev does not match the record before" x
    edit meta 2 note=hello < good.st.zst > x; bad "prev does not match the record before" x
}

@test "reader 3: stz, kind, seq and prev are there and right" {
    edit rechain 1 stz= < good.st.zst > x;      bad "not a stream record" x
    edit rechain 0 stz=2 < good.st.zst > x;     bad "format version 2 is newer than this program's 1" x
    edit rechain 2 stz=2.0 < good.st.zst > x;   bad "format version 2.0 is newer" x
    edit rechain 1 kind= < good.st.zst > x;     bad "kind is missing" x
    edit rechain 1 seq= < good.st.zst > x;      bad "seq is missing or not a number" x
    edit rechain 1 prev= < good.st.zst > x;     bad "prev is missing" x
    edit rechain 1 prev=00 < good.st.zst > x;   bad "prev does not match" x
    edit rechain 0 schema= < good.st.zst > x;   bad "schema is missing" x
    edit rechain 0 stz=1.5 < good.st.zst > x;   good x
}

@test "reader 3: a kind that the tool cannot use" {
    run -3 --separate-stderr clf-head -m "$FIXTURES/guard" good.st.zst
    [[ $stderr == *"a stream of tokens where "*"pooled"*" is needed"* ]]
    edit rechain 0 schema=gossip < good.st.zst > x
    run -3 --separate-stderr pack-batch x
    [[ $stderr == *"a stream of gossip where "*"tokens"* ]]
}

@test "reader 3: records of another kind are skipped with one warning" {
    edit rechain 1 kind=gossip < good.st.zst > y
    edit rechain 2 kind=gossip < y > x
    run -0 --separate-stderr pack-batch -o b x
    [[ $stderr == *"record 1: kind 'gossip' is not 'tokens': skipped"* ]]
    [ "${#stderr_lines[@]}" = 1 ]
    [ "$(second --cat b 2> /dev/null | wc -l)" = 1 ]
}

@test "reader 3: bytes after the end" {
    (cat good.st.zst; echo x) > x;                         bad "truncated" x
    (cat good.st.zst; echo xxxxxxxxxx) > x;                bad "bytes that are not a zstd frame" x
    (cat good.st.zst; echo xxxxxxxxxx | zstd -cq) > x;     bad "bytes after the end record" x
    (cat good.st.zst; edit frames 4 < good.st.zst) > x;    bad "end record where a head must be" x
    (cat good.st.zst; edit frames 1 < good.st.zst) > x;    bad "tokens record where a head must be" x
}

@test "reader 4: the end of the file without an end record, in files and pipes" {
    edit frames 0,1,2,3 < good.st.zst > x
    bad "truncated: no end record" x
    run -3 --separate-stderr bash -c 'cat x | pack-batch -o b'
    [[ $stderr == "pack-batch: 'standard input', record 4: truncated: no end record" ]]
    [ ! -e b ]
    for n in 1 4 5 100 $(($(stat -c %s good.st.zst) - 1)); do
        head -c "$n" good.st.zst > x
        bad "truncated" x
    done
}

@test "reader 4: a dead writer's message goes all the way down, and so does the status" {
    (cat five.jsonl; echo '{"prompt":') > broken.jsonl
    run -3 bash -c "set -o pipefail; bpe-tok -m '$FIXTURES/guard' --flush-every 1 broken.jsonl 2>e1 | pack-batch --tokens 8 2>e2 | mbert-fwd -m '$FIXTURES/guard' 2>e3 | clf-head -m '$FIXTURES/guard' 2>e4 > scores; echo \${PIPESTATUS[@]}; exit 3"
    [ "${lines[0]}" = "3 3 3 3" ]
    said=$(sed 's/^bpe-tok: //' e1)
    [ "$(cat e2)" = "pack-batch: upstream bpe-tok failed: $said" ]
    [ "$(cat e3)" = "mbert-fwd: upstream bpe-tok failed: $said" ]
    [ "$(cat e4)" = "clf-head: upstream bpe-tok failed: $said" ]
}

@test "reader 4: the end record's counts" {
    edit rechain 4 records=2 < good.st.zst > x;   bad "end record counts 2 records, there were 3" x
    edit rechain 4 rows= < good.st.zst > x;       bad "end record with more or less than its eight keys" x
    edit rechain 4 more=1 < good.st.zst > x;      bad "end record with more or less than its eight keys" x
    edit rechain 4 tokens=-1 < good.st.zst > x;   bad "end record: tokens is missing or not a number" x
}

@test "reader 5: zero bytes are truncated, zero lines are not" {
    : > x
    bad "truncated: empty, without even a head" x
    run -3 bash -c 'pack-batch < /dev/null'
    bpe-tok -m "$M" < /dev/null > empty
    second --writer empty
    [ "$(frames empty)" = 2 ]
    pack-batch empty > b
    second --writer b
    [ "$(tens count b)" = "$(tens count empty)" ]
    mbert-fwd -m "$FIXTURES/guard" < <(bpe-tok -m "$FIXTURES/guard" < /dev/null | pack-batch) > p
    second --writer p
    clf-head -m "$FIXTURES/guard" p > scores
    [ ! -s scores ]
    run -3 metrics scores
}

@test "reader 6: unknown metadata and unknown tensors are ignored" {
    edit rechain 0 future=yes < good.st.zst > y
    edit rechain 2 note=hello < y > x
    good x
    pack-batch x > b
    second --writer b | grep -q '"future": "yes"' # and a head's are passed on
    tens cat --safetensors -o x.safetensors good.st.zst
    python3 - <<'END'
import struct
image = open("x.safetensors", "rb").read()
n, = struct.unpack_from("<Q", image)
end = len(image) - 8 - n
text = image[8:8 + n].rstrip(b" ")[:-1] + b',"zz":{"dtype":"U8","shape":[],"data_offsets":[%d,%d]}}' % (end, end + 1)
open("z.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + image[8 + n:] + b"z")
END
    tens wrap --kind tokens -o z z.safetensors
    good z
}

# ---- concatenation and shards

@test "cat a b: rows number on, counts add up, one head comes out" {
    cat good.st.zst good.st.zst > two
    good two
    [ "$(grep -o '"row":[0-9]*' got.tens | cut -d: -f2 | paste -sd ' ')" = "0 1 2 3 4 5 6 7 8 9" ]
    tens cat --json good.st.zst good.st.zst | cmp - got.tens
    pack-batch two > b
    second --writer b > out
    [ "$(grep -c ^head out)" = 1 ]
    pack-batch good.st.zst good.st.zst | cmp - b
    zstd -dcq two | pack-batch | cmp - b
}

@test "cat a b: blank lines count as rows" {
    (cat five.jsonl; echo; echo) | bpe-tok -m "$M" --labels safe,unsafe --keep id --flush-every 2 > seven
    cat seven good.st.zst > two
    good two
    [ "$(tail -n 1 got.tens | grep -o '"row":[0-9]*')" = '"row":11' ]
}

@test "cat a b: heads must agree in schema, tokenizer, model, labels, task and dtype" {
    local key
    for key in tokenizer labels task model dtype; do
        edit rechain 0 "$key=[\"other\"]" < good.st.zst > other
        cat good.st.zst other > x
        bad "$key is [\"other\"] here and " x
        run -3 --separate-stderr pack-batch good.st.zst other
        [[ $stderr == "pack-batch: 'other': $key is [\"other\"] here and "*" in 'good.st.zst'" ]]
    done
    pack-batch good.st.zst > b
    cat good.st.zst b > x
    bad "schema is batch here and tokens in 'x'" x
    edit rechain 0 vocab=7 < good.st.zst > other
    cat good.st.zst other > x
    second x > /dev/null
}

@test "shards keep their rows" {
    tens split --test 0.4 --seed 3 good.st.zst one two
    cat one two > x
    good x
    [ "$(grep -o '"row":[0-9]*' got.tens | cut -d: -f2 | sort -n | paste -sd ' ')" = "0 1 2 3 4" ]
    good one
    wc -l < got.tens | grep -qx ' *3'
    pack-batch one two > b
    second --writer b > out
    run -1 grep '"shard"' out
}

# ---- stock tools

@test "a record opens in a safetensors library" {
    need_numpy
    "$PYTHON" -c 'import safetensors' 2> /dev/null || PYTHON=python3
    "$PYTHON" -c 'import safetensors.numpy' 2> /dev/null || skip "python3 with safetensors is not installed"
    edit frames 1 < good.st.zst | zstd -dcq > record.safetensors
    "$PYTHON" -c '
from safetensors import safe_open
with safe_open("record.safetensors", "numpy") as f:
    assert f.metadata()["kind"] == "tokens"
    assert f.get_tensor("row").tolist() == [0, 1]
    assert f.get_tensor("cu_seqlens")[0] == 0'
}
