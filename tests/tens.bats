# tens.bats - every verb on streams and .safetensors files
load helper

setup() {
    need_command python3
    cd "$TMP"
    cat > t.json <<'END'
{"input_ids": ["I32", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]], "cu_seqlens": ["I32", [0, 3, 4, 8, 10, 15]],
 "row": ["I64", [0, 2, 3, 4, 7]], "labels": ["I32", [0, 1, 0, 1, 1]], "truncated": ["U8", [0, 0, 1, 0, 0]],
 "keep.id": ["U8", "\"a\"12nulltrue[]"], "keep.id.offsets": ["I32", [0, 3, 5, 9, 13, 15]],
 "@vocab": "100", "@labels": "[\"safe\",\"unsafe\"]"}
END
    make t < t.json
    tens wrap --kind tokens -o t.st.zst t.safetensors
    pack-batch --tokens 5 -o b.st.zst t.st.zst
}

# make NAME < JSON: NAME.safetensors
make() { python3 "$ROOT/tests/tensors.py" "$1.safetensors"; }

@test "ls of a stream: head, records, totals" {
    run -0 --separate-stderr tens ls b.st.zst
    [ -z "$stderr" ]
    [ "${#lines[@]}" = 6 ]
    [[ ${lines[0]} == "head	batch	"* ]]
    [[ ${lines[0]} == *'	labels=["safe","unsafe"]'* ]]
    [[ ${lines[1]} == "1	batch	"* ]]
    [[ ${lines[1]} == *"	input_ids U16[4]"* ]]
    [[ ${lines[1]} == *"	cu_seqlens I32[3]"* ]]
    [ "${lines[5]}" = "end	records=4	examples=5	tokens=15	rows=8" ]
    [ "$(tens ls < b.st.zst)" = "$output" ]
    [ "$(zstd -qdc b.st.zst | tens ls -)" = "$output" ]
}

@test "ls shows what came before an error record" {
    printf '%s\n' '{"prompt":"a"}' '{"prompt":"b"}' 'junk' > in.jsonl
    bpe-tok -m "$ROOT/examples/mini" --flush-every 1 in.jsonl > bad.st.zst 2> err || true
    for option in "" --json; do
        # shellcheck disable=SC2086 # no option is no word
        run -3 --separate-stderr tens ls $option bad.st.zst
        [ "${#lines[@]}" = 3 ] || { echo "$output"; false; }
        [[ "$stderr" = "tens: "*"upstream bpe-tok failed: in.jsonl:3: "* ]]
    done
}

@test "ls --json is JSON, a line each" {
    tens ls --json b.st.zst > got
    tens ls --json t.safetensors >> got
    tens ls --json t.st.zst b.st.zst >> got
    python3 - got <<'END'
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
assert lines[0]["record"] == "head" and lines[0]["kind"] == "batch" and lines[0]["meta"]["vocab"] == "100", lines[0]
assert lines[1]["tensors"]["input_ids"] == {"dtype": "U16", "shape": [4]}, lines[1]
assert lines[5] == {"record": "end", "records": 4, "examples": 5, "tokens": 15, "rows": 8}
assert {"tensor": "labels", "is": {"dtype": "I32", "shape": [5]}} in lines
assert {"file": "b.st.zst"} in lines
END
}

@test "ls of a .safetensors file: a line a tensor" {
    run -0 --separate-stderr tens ls t.safetensors
    [[ ${lines[0]} == "head	safetensors	"* ]]
    [[ $output == *"	keep.id	U8[15]"* ]]
    [[ ${lines[-1]} == "end	tensors=7	bytes="* ]]
}

@test "cat --json: a line a sequence" {
    cat > want <<'END'
{"row":0,"input_ids":[1,2,3],"label":0,"id":"a"}
{"row":2,"input_ids":[4],"label":1,"id":12}
{"row":3,"input_ids":[5,6,7,8],"label":0,"truncated":true,"id":null}
{"row":4,"input_ids":[9,10],"label":1,"id":true}
{"row":7,"input_ids":[11,12,13,14,15],"label":1,"id":[]}
END
    for f in t.st.zst b.st.zst t.safetensors; do
        tens cat --json $f | diff want -
    done
    tens cat --json --name labels t.st.zst | head -n 1 | grep -qx '{"row":0,"label":0}'
    tens cat --json -o got t.st.zst
    diff want got
}

@test "cat --json: matrices, NaN and infinities, BF16, labels of every shape" {
    make p <<< '{"pooled": ["F32", [[1, 0.1], ["nan", "-inf"]]], "labels": ["F32", [[0, 1, 0], [1, 1, 0.5]]]}'
    tens wrap --kind pooled p.safetensors | tens cat --json > got
    diff got - <<'END'
{"row":0,"pooled":[1,0.100000001],"label":[0,1,0]}
{"row":1,"pooled":[null,null],"label":[1,1,0.5]}
END
    make h <<< '{"final_hidden": ["BF16", [[1, 2], [3, 4], [-0.5, 6]]], "cu_seqlens": ["I32", [0, 2, 3]], "labels": ["I32", [5, -100, 7]]}'
    tens wrap --kind hidden h.safetensors | tens cat --json > got
    diff got - <<'END'
{"row":0,"final_hidden":[[1,2],[3,4]],"label":[5,-100]}
{"row":1,"final_hidden":[[-0.5,6]],"label":[7]}
END
    make w <<< '{"w": ["F64", [[[1, 2]], [[3, 4]]]], "e": ["F32", []]}'
    tens cat --json w.safetensors | sort > got
    diff got - <<'END'
{"name":"e","dtype":"F32","shape":[0],"data":[]}
{"name":"w","dtype":"F64","shape":[2,1,2],"data":[[[1,2]],[[3,4]]]}
END
}

@test "cat --safetensors joins the records, wrap undoes it" {
    tens cat --safetensors b.st.zst > j.safetensors
    tens cat --json j.safetensors | diff - <(tens cat --json t.st.zst)
    tens ls j.safetensors | grep -q 'cu_seqlens	I32\[6\]'
    tens ls j.safetensors | grep -q 'keep.id.offsets	I32\[6\]'
    tens wrap --kind tokens j.safetensors | tens cmp - t.st.zst
    tens wrap --kind tokens j.safetensors | tens ls | head -n 1 | grep -q 'labels=\["safe","unsafe"\].*vocab=100'
    tens cat --safetensors b.st.zst b.st.zst -o two.safetensors
    [ "$(tens cat --json two.safetensors | sed -n '6s/,.*//p')" = '{"row":8' ]
}

@test "cat --safetensors keeps BF16, bit for bit" {
    make h <<< '{"final_hidden": ["BF16", [[1, "nan"], [3, "inf"], [-0.0, 1e-39]]], "cu_seqlens": ["I32", [0, 2, 3]]}'
    tens wrap --kind hidden h.safetensors | tens cat --safetensors -o j.safetensors
    tens ls j.safetensors | grep -q 'final_hidden	BF16\[3,2\]'
    python3 - h.safetensors j.safetensors <<'END'
import json, struct, sys
def read(path):
    b = open(path, "rb").read()
    n = struct.unpack("<Q", b[:8])[0]
    i, j = json.loads(b[8:8 + n])["final_hidden"]["data_offsets"]
    return b[8 + n + i:8 + n + j]
assert read(sys.argv[1]) == read(sys.argv[2])
END
}

@test "a joined file opens in the Python safetensors library" {
    need_numpy
    "$PYTHON" -c 'import safetensors' 2>/dev/null || skip "the Python package safetensors is not installed"
    tens cat --safetensors b.st.zst -o j.safetensors
    "$PYTHON" -c 'from safetensors.numpy import load_file; t = load_file("j.safetensors"); assert t["input_ids"].tolist() == list(range(1, 16))'
}

@test "cat --npy: one tensor, all records" {
    need_numpy
    tens cat --npy b.st.zst > ids.npy
    tens cat --npy --name row b.st.zst -o row.npy
    make p <<< '{"pooled": ["F32", [[1, 0.1], ["nan", 3]]]}'
    tens wrap --kind pooled p.safetensors | tens cat --npy > p.npy
    "$PYTHON" - <<'END'
import numpy as np
a, r, p = np.load("ids.npy"), np.load("row.npy"), np.load("p.npy")
assert a.dtype == np.uint16 and a.tolist() == list(range(1, 16)), a
assert r.dtype == np.int64 and r.tolist() == [0, 2, 3, 4, 7], r
assert p.dtype == np.float32 and p.shape == (2, 2) and p[0, 1] == np.float32(0.1) and np.isnan(p[1, 0]), p
END
    run -2 --separate-stderr tens cat --npy t.safetensors t.safetensors --name nosuch --json
    [[ $stderr == *"cat needs one of --json, --npy and --safetensors"* ]]
    make two <<< '{"a": ["F32", [1]], "b": ["F32", [1]]}'
    run -2 --separate-stderr tens cat --npy two.safetensors
    [[ $stderr == *"has several tensors (a, b): choose with --name"* ]]
    for form in npy json safetensors; do
        run -3 --separate-stderr tens cat --$form --name nosuch t.st.zst
        [[ $stderr == *"no tensor 'nosuch'"* ]]
    done
}

@test "tensors that cannot be put end to end are refused" {
    make a <<< '{"w": ["F32", [[1, 2]]]}'
    make b <<< '{"w": ["F32", [[1, 2, 3]]]}'
    make c <<< '{"v": ["F32", [1]]}'
    run -3 --separate-stderr tens cat --safetensors a.safetensors b.safetensors -o x
    [[ $stderr == *"tensor 'w' has another type or shape than in an earlier record"* ]]
    run -3 --separate-stderr tens cat --safetensors a.safetensors c.safetensors -o x
    [[ $stderr == *"is in some records, but not in all"* ]]
    make s <<< '{"w": ["F32", 5]}'
    run -3 --separate-stderr tens cat --safetensors s.safetensors s.safetensors -o x
    [[ $stderr == *"tensor 'w' is a scalar"* ]]
    run -2 --separate-stderr tens cat --safetensors a.safetensors t.st.zst -o x
    [[ $stderr == *"cannot be mixed"* ]]
    [ ! -e x ]
}

@test "stat: count, least, greatest, mean, deviation, NaN, infinities" {
    make p <<< '{"pooled": ["F32", [[1, 2], [3, "nan"], [4, "inf"]]], "e": ["F32", []], "b": ["BF16", [1, -1]]}'
    run -0 tens stat p.safetensors
    [[ ${lines[0]} == "name "*"count "*"std "*"inf" ]]
    grep -qE '^pooled +F32 +6 +1 +4 +2.5 +1.11803 +1 +1$' <<< "$output"
    grep -qE '^e +F32 +0 +- +- +- +- +0 +0$' <<< "$output"
    grep -qE '^b +BF16 +2 +-1 +1 +0 +1 +0 +0$' <<< "$output"
    tens wrap --kind pooled p.safetensors | tens stat --json --name pooled > got
    diff got - <<< '{"name":"pooled","dtype":"F32","count":6,"min":1,"max":4,"mean":2.5,"std":1.1180339887498949,"nan":1,"inf":1}'
    tens stat --json b.st.zst | grep -q '{"name":"input_ids","dtype":"U16","count":15,"min":1,"max":15,"mean":8,"std":4.3204937989385739,"nan":0,"inf":0}'
    run -3 --separate-stderr tens stat --name nosuch b.st.zst
    [[ $stderr == *"no tensor 'nosuch'"* ]]
}

@test "head: the first sequences, not records" {
    for n in 0 1 2 3 5 9; do
        tens head -n $n b.st.zst > h
        tens check h
        tens cat --json h | diff - <(tens cat --json t.st.zst | head -n $n)
    done
    [ "$(tens head -n 3 b.st.zst | tens count --json)" = '{"records":2,"examples":3,"tokens":8,"rows":4}' ]
    [ "$(tens head -n 9 b.st.zst | tens count --json)" = '{"records":4,"examples":5,"tokens":15,"rows":8}' ]
    tens head b.st.zst -o h
    tens cmp h b.st.zst
    tens head -n 1 b.st.zst | tens ls | grep -q '^head	batch	'
}

@test "head stops reading: what follows does not matter" {
    head -c $(($(stat -c %s b.st.zst) - 30)) b.st.zst > cut
    tens head -n 1 cut | tens check
    run -3 tens head -n 9 cut
}

@test "count: on streams, several, and files" {
    run -0 tens count b.st.zst
    [ "$output" = "$(printf 'records\t4\nexamples\t5\ntokens\t15\nrows\t8')" ]
    [ "$(tens count --json b.st.zst b.st.zst)" = '{"records":8,"examples":10,"tokens":30,"rows":16}' ]
    [ "$(tens count --json t.safetensors)" = '{"records":1,"examples":5,"tokens":15,"rows":5}' ]
}

@test "check: 0 when whole, 1 with the reason when not" {
    run -0 --separate-stderr tens check t.st.zst b.st.zst t.safetensors
    [ -z "$output$stderr" ]
    tens check < b.st.zst
    size=$(stat -c %s b.st.zst)
    for n in 0 1 7 50 $((size / 2)) $((size - 1)); do
        head -c "$n" b.st.zst > cut
        run -1 --separate-stderr tens check cut
        [[ $stderr == "tens: "*cut*truncated* ]] || { echo "$n: $stderr"; false; }
    done
    python3 - "$size" <<'END'
import sys
b = bytearray(open("b.st.zst", "rb").read())
b[int(sys.argv[1]) // 2] ^= 16
open("flip", "wb").write(b)
END
    run -1 --separate-stderr tens check b.st.zst flip
    [[ $stderr == "tens: 'flip'"* ]]
    cat b.st.zst <(echo more) > tail
    run -1 tens check tail
    run -1 tens check t.json
    head -c 100 t.safetensors > short.safetensors
    run -1 tens check short.safetensors
    run -4 --separate-stderr tens check nosuch
    [[ $stderr == "tens: can't open 'nosuch': No such file or directory" ]]
}

@test "check looks at the layout, too" {
    python3 - "$ROOT/tests/tensors.py" <<'END'
import json, subprocess, sys
for name, cu in ("falls", [0, 4, 3, 8, 10, 15]), ("short", [0, 3, 4, 8, 10, 14]), ("late", [1, 3, 4, 8, 10, 15]):
    t = json.load(open("t.json"))
    t["cu_seqlens"][1] = cu
    subprocess.run([sys.executable, sys.argv[1], name + ".safetensors"], input=json.dumps(t).encode(), check=True)
END
    for f in falls short late; do
        run -3 --separate-stderr tens wrap --kind batch $f.safetensors -o x
        [ "$stderr" = "tens: '$f.safetensors': cu_seqlens do not rise from 0 to the number of input_ids" ]
    done
    sed 's/13, 15\]\]/13, 14]]/' t.json | make kept
    run -3 --separate-stderr tens wrap --kind batch kept.safetensors -o x
    [ "$stderr" = "tens: 'kept.safetensors': the offsets of a kept field do not rise from 0 to its number of bytes" ]
    sed 's/\[0, 2, 3, 4, 7\]/[0, 2, 3]/' t.json | make rows
    run -3 --separate-stderr tens wrap --kind batch rows.safetensors -o x
    [ "$stderr" = "tens: 'rows.safetensors': tensor 'row' is not I64, one a sequence" ]
    sed 's/"I64", \[0,/"I64", [-1,/' t.json | make minus
    run -3 --separate-stderr tens wrap --kind batch minus.safetensors -o x
    [ "$stderr" = "tens: 'minus.safetensors': tensor 'row' holds a number out of range" ]
    [ ! -e x ]
}

@test "cmp: same, within a tolerance, beyond it" {
    make a <<< '{"x": ["F32", [[1, 2], [3, 4]]], "y": ["I64", [1, 2]]}'
    make b <<< '{"x": ["F32", [[1, 2], [3, 4.5]]], "y": ["I64", [1, 2]]}'
    run -0 tens cmp a.safetensors a.safetensors
    grep -qx 'x	same	0 of 4' <<< "$output"
    run -1 --separate-stderr tens cmp a.safetensors b.safetensors
    grep -q '^x	differs	1 of 4	worst 0.5 at \[1,1\]: 4, 4.5	nmse ' <<< "$output"
    grep -qx 'y	same	0 of 2' <<< "$output"
    run -0 tens cmp --atol 0.5 a.safetensors b.safetensors
    grep -q '^x	same	0 of 4	worst 0.5' <<< "$output"
    run -1 tens cmp --atol 0.49 a.safetensors b.safetensors
    run -0 tens cmp --rtol 0.12 a.safetensors b.safetensors
    run -1 tens cmp --rtol 0.11 a.safetensors b.safetensors
    run -0 tens cmp --name y a.safetensors b.safetensors
    run -3 tens cmp --name z a.safetensors b.safetensors
}

@test "cmp: NaN, infinities, other shapes and names, great integers" {
    make n <<< '{"x": ["F32", ["nan", 1]]}'
    make i <<< '{"x": ["F32", ["inf", 1]]}'
    make m <<< '{"x": ["F32", ["-inf", 1]]}'
    run -1 tens cmp --atol 1e300 n.safetensors n.safetensors
    grep -q '^x	differs	1 of 2	worst nan at \[0\]: nan, nan' <<< "$output"
    run -0 tens cmp i.safetensors i.safetensors
    run -1 tens cmp --atol 1e300 i.safetensors m.safetensors
    run -1 tens cmp --atol 1e300 --rtol 1e300 n.safetensors i.safetensors
    make s <<< '{"x": ["F32", [[1, 1]]]}'
    run -1 tens cmp i.safetensors s.safetensors
    grep -qF 'x	differs	F32[2] is not F32[1,2]' <<< "$output"
    make o <<< '{"x": ["F32", ["inf", 1]], "z": ["F32", [1]]}'
    run -1 tens cmp i.safetensors o.safetensors
    grep -qF 'z	differs	only in o.safetensors' <<< "$output"
    run -1 tens cmp o.safetensors i.safetensors
    make g <<< '{"x": ["I64", [9007199254740993]]}'
    make h <<< '{"x": ["I64", [9007199254740992]]}'
    run -1 tens cmp g.safetensors h.safetensors
    run -0 tens cmp g.safetensors g.safetensors
    run -2 --separate-stderr tens cmp g.safetensors
    [[ $stderr == *"cmp needs two operands, A and B"* ]]
}

@test "cmp of streams cut differently" {
    tens cmp b.st.zst t.st.zst
    pack-batch --tokens 2 t.st.zst | tens cmp b.st.zst -
}

@test "wrap: ids narrow when they fit, rows are numbered" {
    make a <<< '{"input_ids": ["I64", [1, 65535, 3]], "cu_seqlens": ["I32", [0, 1, 3]]}'
    tens wrap --kind batch a.safetensors > a.st.zst
    tens ls a.st.zst | grep -q 'input_ids U16\[3\]'
    [ "$(tens cat --json a.st.zst | paste -sd ' ')" = '{"row":0,"input_ids":[1]} {"row":1,"input_ids":[65535,3]}' ]
    make w <<< '{"input_ids": ["I64", [1, 65536, 3]], "cu_seqlens": ["I32", [0, 1, 3]]}'
    tens wrap --kind batch w.safetensors | tens ls | grep -q 'input_ids I32\[3\]'
}

@test "wrap: what is missing or wrong is named" {
    run -2 --separate-stderr tens wrap t.safetensors
    [[ $stderr == *"wrap needs --kind K"* ]]
    run -2 --separate-stderr tens wrap --kind batch
    [[ $stderr == *"wrap needs one operand"* ]]
    run -2 --separate-stderr tens wrap --kind soup t.safetensors
    run -3 --separate-stderr tens wrap --kind pooled t.safetensors
    [ "$stderr" = "tens: 't.safetensors': no tensor for --kind pooled" ]
    make a <<< '{"input_ids": ["I64", [1, -2]], "cu_seqlens": ["I32", [0, 2]]}'
    run -3 --separate-stderr tens wrap --kind batch a.safetensors
    [ "$stderr" = "tens: 'a.safetensors': input_ids[1] is -2, not a token id" ]
    make a <<< '{"input_ids": ["I64", [[1, 2]]], "cu_seqlens": ["I32", [0, 2]]}'
    run -3 --separate-stderr tens wrap --kind batch a.safetensors
    [[ $stderr == *"tensor 'input_ids' has rank 2, not 1"* ]]
    make a <<< '{"input_ids": ["F32", [1, 2]], "cu_seqlens": ["I32", [0, 2]]}'
    run -3 --separate-stderr tens wrap --kind batch a.safetensors
    [[ $stderr == *"tensor 'input_ids' is F32, not U16, I32 or I64"* ]]
    make a <<< '{"input_ids": ["I32", [1, 2]]}'
    run -3 --separate-stderr tens wrap --kind batch a.safetensors
    [[ $stderr == *"tensor 'cu_seqlens' is missing"* ]]
    make a <<< '{"pooled": ["I32", [[1, 2]]]}'
    run -3 --separate-stderr tens wrap --kind pooled a.safetensors
    [[ $stderr == *"tensor 'pooled' is not a matrix of F32"* ]]
}

@test "split of lines: byte for byte, in order, whole, ceil(share n)" {
    for i in $(seq 1 40); do printf '{"prompt":"é %d",  "label":%d}\n' "$i" $((i % 2)); done > in.jsonl
    printf '  \t\n\r\n{"prompt":"no newline"}' >> in.jsonl
    tens split --test 0.25 --seed 7 in.jsonl tr te
    [ "$(grep -c . te)" = 11 ]
    [ "$(grep -c . tr)" = 30 ]
    grep -v '^[[:space:]]*$' in.jsonl | grep -vxFf te | diff - <(sed '$a\' tr)
    grep -xFf te in.jsonl | diff - te
    tens split --test 0.25 --seed 8 in.jsonl tr8 te8
    run -1 cmp -s te te8
    tens split --test 11 --seed 7 in.jsonl tr11 te11
    cmp te te11
    cmp tr tr11
    tens split --test 0.25 --seed 7 - a b < in.jsonl
    cmp te b
    zstd -q in.jsonl
    cat in.jsonl.zst | tens split --test 0.25 --seed 7 - c d
    cmp te d
    cmp tr c
}

@test "split of a stream: same rows as the lines, rows kept, head says shard" {
    for i in $(seq 0 7); do echo "line $i"; done > in.txt
    tens split --test 3 --seed 7 t.st.zst tr.st.zst te.st.zst
    tens check tr.st.zst te.st.zst
    tens ls te.st.zst | head -n 1 | grep -q '	shard=test of split --test 3 --seed 7'
    tens ls tr.st.zst | head -n 1 | grep -q '	shard=train of split --test 3 --seed 7'
    tens cat --json tr.st.zst te.st.zst | sort | diff - <(tens cat --json t.st.zst | sort)
    [ "$(tens cat --json te.st.zst | wc -l)" = 3 ]
    [ "$(tens cat --json te.st.zst | sort -t: -k2n | diff - <(tens cat --json te.st.zst))" = "" ]
    cat t.st.zst | tens split --test 3 --seed 7 - a b
    tens cmp b te.st.zst
    tens split --test 0.5 b.st.zst c d
    tens count d | grep -qx 'examples	3'
    # 40 lines, 40 sequences: the same sides
    python3 - "$ROOT/tests/tensors.py" <<'END'
import json, subprocess, sys
json.dump({"input_ids": ["I32", list(range(40))], "cu_seqlens": ["I32", list(range(41))]}, open("n.json", "w"))
subprocess.run([sys.executable, sys.argv[1], "n.safetensors"], stdin=open("n.json"), check=True)
open("n.txt", "w").writelines("%d\n" % i for i in range(40))
END
    tens wrap --kind tokens n.safetensors -o n.st.zst
    tens split --test 0.3 n.st.zst n1 n2
    tens split --test 0.3 n.txt l1 l2
    tens cat --json n2 | grep -o '^{"row":[0-9]*' | grep -o '[0-9]*' | diff - l2
}

@test "split: usage" {
    seq 10 > in
    run -2 --separate-stderr tens split in a b
    [[ $stderr == *"--test S is required"* ]]
    run -2 --separate-stderr tens split --test 0.5 in a
    [[ $stderr == *"split needs three operands, IN, TRAIN and TEST"* ]]
    run -2 --separate-stderr tens split --test 2.5 in a b
    [[ $stderr == *"a number of examples must be whole"* ]]
    run -2 --separate-stderr tens split --test 0.5 in a a
    [[ $stderr == *"both outputs cannot be one file"* ]]
    run -2 --separate-stderr tens split --test 0.5 --force in a in
    [[ $stderr == *"'in' is the input, too"* ]]
    touch b
    run -2 --separate-stderr tens split --test 0.5 in a b
    [[ $stderr == *"'b' is there already; use --force to write over it"* ]]
    [ ! -e a ]
    tens split --test 0.5 --force in a b
    [ "$(wc -l < b)" = 5 ]
    run -3 --separate-stderr tens split --test 10 in c d
    [[ $stderr == *"--test 10 of 10 examples leaves none to train on"* ]]
    run -3 --separate-stderr tens split --test 0.1 /dev/null c d
    [[ $stderr == *"no examples to split"* ]]
    run -3 --separate-stderr tens split --test 0.1 t.safetensors c d
    [[ $stderr == *"no rows to split"* ]]
    head -c 200 t.st.zst > cut
    run -3 --separate-stderr tens split --test 0.1 cut c d
    run -4 --separate-stderr tens split --test 0.1 nosuch c d
    run -4 --separate-stderr tens split --test 0.1 in c /dev/full
    run -4 --separate-stderr env TMPDIR=/nosuch tens split --test 0.1 - c d < in
    [[ $stderr == *"(set TMPDIR)"* ]]
    [ ! -e c ]
    [ ! -e d ]
    [ -z "$(ls | grep tmp)" ]
}

@test "verbs and options" {
    run -2 --separate-stderr tens
    [[ $stderr == *"a verb is needed"* ]]
    run -2 --separate-stderr tens frob
    [[ $stderr == *"no such verb 'frob'"* ]]
    run -2 --separate-stderr tens ls --seed 3 t.st.zst
    run -2 --separate-stderr tens cat t.st.zst
    run -0 tens --help
    [[ $output == "usage: tens ls|"*--rtol* ]]
    run -0 tens cmp --help
    [[ $output == "usage: tens cmp "* && $output != *--seed* ]]
    run -0 tens --version
    [[ $output == "tens (mbert-tools) "* ]]
}

@test "/dev/full is 4, empty input is 3, a closed reader ends it" {
    for verb in ls count stat "cat --json" "cat --npy" "cat --safetensors" head; do
        run -4 --separate-stderr tens $verb t.st.zst -o /dev/full
        [[ $stderr == "tens: can't write '/dev/full': No space left on device" ]]
        run -3 --separate-stderr tens $verb < /dev/null
        [[ $stderr == *truncated* ]]
        run -0 bash -c "tens $verb t.st.zst | head -c 1 | wc -c"
        [ "$output" = 1 ]
    done
    run -4 tens wrap --kind tokens t.safetensors -o /dev/full
    run -4 tens cmp t.st.zst b.st.zst -o /dev/full
    run -1 tens check < /dev/null
}

@test "binary output to a terminal is refused" {
    need_terminal
    for verb in "cat --npy" "cat --safetensors" head; do
        run -2 script -qec "tens $verb t.st.zst" /dev/null
        [[ $output == *"terminal"* ]]
    done
    run -0 script -qec "tens ls t.st.zst" /dev/null
}

@test "a header whose length looks like the start of a pickle is read" {
    for n in 128 640 896; do
        python3 - "$n" <<'END'
import struct, sys
n = int(sys.argv[1])
text = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
open("w.safetensors", "wb").write(struct.pack("<Q", n) + text.ljust(n) + struct.pack("<f", 1))
END
        tens cat --json w.safetensors | grep -qx '{"name":"w","dtype":"F32","shape":\[1\],"data":\[1\]}'
    done
    printf '\200\002}q\001X\003\000\000\000abc' > p.safetensors
    run -3 --separate-stderr tens ls p.safetensors
}

@test "wrap refuses a row that cannot be counted" {
    need_command python3
    cd "$TMP"
    python3 "$ROOT/tests/tensors.py" w.safetensors \
        <<< '{"input_ids":["I32",[1]],"cu_seqlens":["I32",[0,1]],"row":["I64",[9223372036854775807]]}'
    run -3 --separate-stderr tens wrap --kind batch -o w.st.zst w.safetensors
    [ "$stderr" = "tens: 'w.safetensors': a row is too large to be counted" ]
    [ ! -e w.st.zst ]
}

@test "a frame that declares too large a window is refused in the middle of a record too" {
    need_command python3 zstd
    cd "$TMP"
    python3 "$ROOT/tests/tensors.py" w.safetensors \
        <<< '{"input_ids":["I32",[1]],"cu_seqlens":["I32",[0,1]],"row":["I64",[0]]}'
    tens wrap --kind batch w.safetensors | zstd -dcq > plain
    python3 - <<'END'
import subprocess
b = open("plain", "rb").read()
frame = lambda x: subprocess.run(["zstd", "-qc", "--check"], input=x, capture_output=True).stdout
middle = b[100:120]
for name, log in ("good", 27), ("bad", 28):
    f = b"\x28\xb5\x2f\xfd\x04" + bytes([(log - 10) << 3]) + (1 | len(middle) << 3).to_bytes(3, "little")
    open(name, "wb").write(frame(b[:100]) + f + middle + frame(middle)[-4:] + frame(b[120:]))
END
    tens check good
    run -1 --separate-stderr tens check bad
    [[ $stderr == *"requires too much memory"* ]]
}

@test "wrap writes ids as the vocabulary in the file asks" {
    need_command python3
    cd "$TMP"
    for vocab in 65536 65537; do
        python3 "$ROOT/tests/tensors.py" w.safetensors \
            <<< "{\"input_ids\":[\"I32\",[1]],\"cu_seqlens\":[\"I32\",[0,1]],\"row\":[\"I64\",[0]],\"@vocab\":\"$vocab\"}"
        tens wrap --kind batch w.safetensors | tens ls > "ls.$vocab"
    done
    grep -q 'input_ids U16' ls.65536
    grep -q 'input_ids I32' ls.65537
}
