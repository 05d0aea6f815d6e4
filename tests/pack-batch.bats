# pack-batch.bats - budgets, order, what travels, shuffling, bad input
load helper

# five sequences of 3, 1, 4, 2 and 5 tokens, rows 0 2 3 4 7, with labels and a kept field
setup() {
    need_command python3
    cd "$TMP"
    tokens > t.safetensors.json
    python3 "$ROOT/tests/tensors.py" t.safetensors < t.safetensors.json
    tens wrap --kind tokens -o t.st.zst t.safetensors
}

tokens() {
    cat <<'END'
{"input_ids": ["I32", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]], "cu_seqlens": ["I32", [0, 3, 4, 8, 10, 15]],
 "row": ["I64", [0, 2, 3, 4, 7]], "labels": ["I32", [0, 1, 0, 1, 1]], "truncated": ["U8", [0, 0, 1, 0, 0]],
 "keep.id": ["U8", "\"a\"12nulltrue[]"], "keep.id.offsets": ["I32", [0, 3, 5, 9, 13, 15]], "@vocab": "100"}
END
}

# wrapped NAME SED: the tokens with a change, as a stream
changed() {
    sed "$2" t.safetensors.json | python3 "$ROOT/tests/tensors.py" "$1.safetensors"
    tens wrap --kind tokens -o "$1.st.zst" "$1.safetensors"
}

# lengths: tokens of each batch
lengths() { tens ls - | grep -o 'input_ids U16\[[0-9]*' | grep -o '[0-9]*$' | paste -sd ' '; }

@test "a batch takes sequences while the budget lasts" {
    [ "$(pack-batch t.st.zst | lengths)" = 15 ]
    [ "$(pack-batch --tokens 8 t.st.zst | lengths)" = "8 7" ]
    [ "$(pack-batch --tokens 7 t.st.zst | lengths)" = "4 6 5" ]
    [ "$(pack-batch --tokens=5 < t.st.zst | lengths)" = "4 4 2 5" ]
}

@test "a sequence longer than the budget is alone" {
    [ "$(pack-batch --tokens 2 t.st.zst | lengths)" = "3 1 4 2 5" ]
    [ "$(pack-batch --tokens 4 t.st.zst | lengths)" = "4 4 2 5" ]
}

@test "--sequences bounds the batch, too" {
    [ "$(pack-batch --sequences 2 t.st.zst | lengths)" = "4 6 5" ]
    [ "$(pack-batch --sequences 2 --tokens 5 t.st.zst | lengths)" = "4 4 2 5" ]
    [ "$(pack-batch --sequences 1 t.st.zst | lengths)" = "3 1 4 2 5" ]
}

@test "order, rows, labels, truncated and kept fields are those of the input" {
    tens cat --json t.st.zst > want
    grep -qx '{"row":3,"input_ids":\[5,6,7,8\],"label":0,"truncated":true,"id":null}' want
    [ "$(wc -l < want)" = 5 ]
    for n in 1 5 8 100; do
        pack-batch --tokens $n t.st.zst | tens cat --json > got
        diff want got
    done
}

@test "totals, head and provenance" {
    pack-batch --tokens 5 t.st.zst > b
    [ "$(tens count --json b)" = '{"records":4,"examples":5,"tokens":15,"rows":8}' ]
    tens ls b > list
    grep -q '^head	batch	.*vocab=100' list
    grep -q 'pack-batch.*--tokens 5' list
}

@test "several files are one stream, rows numbered on" {
    pack-batch t.st.zst t.st.zst | tens cat --json | sed 's/,"input.*//' | paste -sd ' ' > got
    [ "$(cat got)" = '{"row":0 {"row":2 {"row":3 {"row":4 {"row":7 {"row":8 {"row":10 {"row":11 {"row":12 {"row":15' ]
    cat t.st.zst t.st.zst | pack-batch > a
    pack-batch - t.st.zst < t.st.zst > b
    cmp a b
    [ "$(lengths < a)" = 30 ]
}

@test "a stream of batches is packed anew" {
    pack-batch --tokens 2 t.st.zst | pack-batch --tokens 8 | lengths > got
    [ "$(cat got)" = "8 7" ]
}

@test "--shuffle: a permutation that seed and number of sequences decide" {
    python3 - "$ROOT/tests/tensors.py" <<'END'
import json, subprocess, sys
n = 300
json.dump({"input_ids": ["I32", [i % 90 for i in range(3 * n)]], "cu_seqlens": ["I32", list(range(0, 3 * n + 1, 3))]}, open("n.json", "w"))
subprocess.run([sys.executable, sys.argv[1], "n.safetensors"], stdin=open("n.json"), check=True)
END
    tens wrap --kind tokens -o n.st.zst n.safetensors
    tens cat --json n.st.zst > want
    pack-batch --shuffle 1 n.st.zst | tens cat --json > one
    pack-batch --shuffle 1 --tokens 9 n.st.zst | tens cat --json > again
    pack-batch --shuffle 2 n.st.zst | tens cat --json > two
    pack-batch --tokens 30 n.st.zst | pack-batch --shuffle 1 | tens cat --json > cut
    diff one again
    diff one cut
    run -1 diff -q one two
    run -1 diff -q one want
    sort one | diff - <(sort want)
    sort two | diff - <(sort want)
    [ "$(pack-batch --shuffle 3 --tokens 2 t.st.zst | lengths | wc -w)" = 5 ]
}

@test "no rows: head and end, status 0" {
    tens head -n 0 t.st.zst | pack-batch > b
    [ "$(tens count --json b)" = '{"records":0,"examples":0,"tokens":0,"rows":0}' ]
    tens head -n 0 t.st.zst | pack-batch --shuffle 1 | tens check
}

@test "bytes are the same each time, and -o gives what standard output gives" {
    pack-batch --tokens 5 t.st.zst > a
    pack-batch --tokens 5 -o b t.st.zst
    zstd -qdc a | cmp - <(zstd -qdc b)
    [ -z "$(ls | grep tmp)" ]
}

@test "a sequence without tokens is refused, naming the row" {
    changed e 's/0, 3, 4, 8, 10, 15\]\], *$/0, 3, 3, 8, 10, 15]],/; s/\[0, 3, 4, 8/[0, 3, 3, 8/'
    run -3 --separate-stderr pack-batch -o b e.st.zst
    [ "$stderr" = "pack-batch: 'e.st.zst', record 1: row 2 has no tokens, and an empty sequence has no vector" ]
    [ ! -e b ]
}

@test "an id outside the vocabulary is refused" {
    changed v 's/"@vocab": "100"/"@vocab": "15"/'
    run -3 --separate-stderr pack-batch v.st.zst
    [[ $stderr == *"row 7: token id 15 is outside the vocabulary (15)"* ]]
}

@test "another kind of stream is refused" {
    echo '{"pooled": ["F32", [[1, 2]]]}' | python3 "$ROOT/tests/tensors.py" p.safetensors
    tens wrap --kind pooled -o p.st.zst p.safetensors
    run -3 --separate-stderr pack-batch p.st.zst
    [[ $stderr == "pack-batch: "*"pooled"*"tokens"* ]]
}

@test "labels and truncated may be missing from some records" {
    changed l 's/ "labels": \["I32", \[0, 1, 0, 1, 1\]\], "truncated": \["U8", \[0, 0, 1, 0, 0\]\],//'
    tens cat --json t.st.zst > with
    tens cat --json l.st.zst | sed 's/\],/],"label":-100,/' > without
    pack-batch t.st.zst l.st.zst | tens cat --json | sed -n '1,5p' | diff with -
    pack-batch t.st.zst l.st.zst | tens cat --json | sed -n '6,$p' | sed 's/^{"row":[0-9]*//' > got
    sed 's/^{"row":[0-9]*//' without | diff - got
    pack-batch l.st.zst t.st.zst | tens cat --json | sed -n '1,5p' | diff without -
    pack-batch --tokens 3 l.st.zst t.st.zst | tens cat --json | sed -n '6,$p' | sed 's/^{"row":[0-9]*//' > got
    sed 's/^{"row":[0-9]*//' with | diff - got
    pack-batch --shuffle 1 --tokens 9 l.st.zst t.st.zst > s
    [ "$(tens cat --json s | grep -c '"label":-100')" = 5 ]
    [ "$(tens cat --json s | grep -c '"truncated":true')" = 1 ]
}

@test "files that differ in their tensors are refused" {
    changed k 's/"keep.id"/"keep.other"/; s/"keep.id.offsets"/"keep.other.offsets"/'
    run -3 --separate-stderr pack-batch t.st.zst k.st.zst
    [[ $stderr == *"tensor 'keep.other.offsets' is in some records, but not in all"* ]]
    changed f 's/"labels": \["I32"/"labels": ["F32"/'
    run -3 --separate-stderr pack-batch t.st.zst f.st.zst
    [[ $stderr == *"tensor 'labels' has another type or shape than in an earlier record"* ]]
}

@test "options that make no sense" {
    run -2 --separate-stderr pack-batch --tokens 0 t.st.zst
    [[ $stderr == *"option --tokens"* ]]
    run -2 --separate-stderr pack-batch --sequences x t.st.zst
    run -2 --separate-stderr pack-batch --shuffle -1 t.st.zst
    run -2 --separate-stderr pack-batch --frobnicate
    run -4 --separate-stderr pack-batch nosuch
    [[ $stderr == "pack-batch: can't open 'nosuch': No such file or directory" ]]
}

@test "/dev/full is 4, a closed reader ends it, empty input and a dead writer are 3" {
    run -4 --separate-stderr pack-batch -o /dev/full t.st.zst
    [[ $stderr == "pack-batch: can't write '/dev/full': No space left on device" ]]
    run -4 bash -c 'pack-batch t.st.zst > /dev/full'
    run -3 --separate-stderr pack-batch < /dev/null
    [[ $stderr == *truncated* ]]
    for n in 1 100 $(($(stat -c %s t.st.zst) - 1)); do
        head -c "$n" t.st.zst > cut
        run -3 --separate-stderr pack-batch -o b cut
        [[ $stderr == *truncated* ]]
        [ ! -e b ]
    done
    run -0 bash -c 'pack-batch t.st.zst | head -c 1 | wc -c'
    [ "$output" = 1 ]
}

@test "labels and flags of a wrong length are refused, not dropped" {
    need_command zstd
    for name in labels truncated window; do
        # under another name the tensor means nothing and may be of any length
        cat > w.json <<END
{"input_ids": ["I32", [1, 2, 3, 4]], "cu_seqlens": ["I32", [0, 2, 4]], "row": ["I64", [0, 1]],
 "X${name#?}": ["I32", [1, 0, 1]]}
END
        python3 "$ROOT/tests/tensors.py" w.safetensors < w.json
        tens wrap --kind batch w.safetensors | zstd -dcq | LC_ALL=C sed "s/X${name#?}/$name/" > w.st
        run -3 --separate-stderr pack-batch -o out w.st
        [[ $stderr == *"record 1: tensor '$name' has neither a row a sequence nor a row a token" ]]
        [ ! -e out ]
        sed "s/X${name#?}/$name/" w.json | python3 "$ROOT/tests/tensors.py" w.safetensors
        run -3 --separate-stderr tens wrap --kind tokens -o out w.safetensors
        [[ $stderr == *"tensor '$name' has neither a row a sequence nor a row a token" ]]
        [ ! -e out ]
    done
}
