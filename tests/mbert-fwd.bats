# mbert-fwd.bats - what is written, options, threads, and models that are refused
load helper

setup_file() { FIXTURES=$("$ROOT/tests/fixtures.sh"); export FIXTURES; }
setup() { cp -R "$FIXTURES/." "$TMP"; cd "$TMP"; G=$GOLDEN/encoder; }

batch() { tens wrap --kind batch "$1/inputs.safetensors"; }

@test "kinds and tensors of --emit" {
    pack-batch --tokens 700 test.st.zst > b
    mbert-fwd --dtype f32 -m guard b | tens ls > l
    grep -q 'pooled F32\[[0-9]*,96\]' l
    grep -q '^head	pooled	.*dtype=F32.*model=[0-9a-f]\{16\}' l
    mbert-fwd -m guard --emit hidden b | tens ls | grep -q 'final_hidden F32\[[0-9]*,96\]'
    mbert-fwd -m guard --emit logits b | tens ls | grep -q 'logits F32\[[0-9]*,2\]'
    mbert-fwd -m guard --emit layers b | tens ls > l
    [ "$(grep -c hidden.0 l)" = "$(grep -c final_hidden l)" ]
    [ "$(grep -c 'hidden.4 ' l)" = "$(grep -c final_hidden l)" ]
    mbert-fwd -m guard --emit layers b | tens count --json > c
    grep -q '"examples":100' c
    [ "$(pack-batch prompts.st.zst | mbert-fwd -m guard | tens count --json | sed 's/.*"tokens":\([0-9]*\).*/\1/')" = \
      "$(tens count --json prompts.st.zst | sed 's/.*"tokens":\([0-9]*\).*/\1/')" ]
}

@test "same bytes for 1, 2 and 3 threads, and again" {
    pack-batch --tokens 1000 test.st.zst > b
    for e in pooled layers logits; do
        mbert-fwd -m guard --emit $e --threads 1 b | cat > one
        mbert-fwd -m guard --emit $e --threads 2 b | cmp - one
        mbert-fwd -m guard --emit $e --threads 3 b | cmp - one
        mbert-fwd -m guard --emit $e --threads 1 b | cmp - one
    done
}

@test "a tokens stream is accepted and gives the same vectors" {
    mbert-fwd -m guard test.st.zst > a
    pack-batch test.st.zst | mbert-fwd -m guard > b
    tens cmp --atol 1e-5 a b
}

@test "a long tokens record is cut, and labels and kept fields are cut with it" {
    for i in 1 2 3; do cat train.jsonl; done > t.jsonl
    bpe-tok -m guard --labels safe,unsafe --keep source --max-length 60 t.jsonl > t
    [ "$(tens count --json t | sed 's/.*"records":\([0-9]*\).*/\1/')" = 2 ]
    mbert-fwd -m guard t > a
    [ "$(tens count --json a | sed 's/.*"records":\([0-9]*\).*/\1/')" -gt 3 ]
    pack-batch --tokens 1000000 t | mbert-fwd -m guard > b
    tens cmp --atol 1e-5 a b
    clf-head -m guard a | sed 's/"score.*"gold"/"gold"/' > a.jsonl
    clf-head -m guard b | sed 's/"score.*"gold"/"gold"/' | cmp - a.jsonl
    [ "$(wc -l < a.jsonl)" = 1200 ]
    [ "$(sed -n 777p a.jsonl | grep -o '"source":.*' | tr -d ' }')" = \
      "$(sed -n 777p t.jsonl | grep -o '"source":.*' | tr -d ' }')" ]
}

@test "pooling and normalize, against the reference" {
    need_numpy
    batch "$G/embed-noprefix" > b
    mbert-fwd -m "$G/embed-noprefix" --dtype f32 --pooling cls b | tens cat --safetensors > c.safetensors
    mbert-fwd -m "$G/embed-noprefix" --dtype f32 --pooling mean b | tens cat --safetensors > m.safetensors
    mbert-fwd -m "$G/embed-noprefix" --dtype f32 --pooling mean --normalize b | tens cat --safetensors > n.safetensors
    "$PYTHON" "$G/compare.py" "$G/embed-noprefix" c.safetensors --rename pooled=cls_vec
    "$PYTHON" "$G/compare.py" "$G/embed-noprefix" m.safetensors --rename pooled=mean_vec
    "$PYTHON" "$G/compare.py" "$G/embed-noprefix" n.safetensors --rename pooled=mean_vec_l2
}

@test "--attention global changes long sequences only" {
    batch "$G/v5-mean" > b
    mbert-fwd -m "$G/v5-mean" b > a
    mbert-fwd -m "$G/v5-mean" --attention global b > g
    run -1 tens cmp --atol 1e-3 a g
    # prompts of the fixtures that fit the window see all of themselves either way
    printf '{"prompt":"a dog"}\n' | bpe-tok -m guard > short
    mbert-fwd -m guard short > a
    mbert-fwd -m guard --attention global short > g
    tens cmp --atol 1e-6 a g
}

@test "--print-config says what was resolved" {
    run -0 mbert-fwd -m "$G/v5-mean" --print-config
    [[ $output == *$'rope theta\t80000 global, 20000 local'* ]]
    [[ $output == *$'global layers\tg---g'* ]]
    [[ $output == *$'window\t8 keys to each side'* ]]
    [[ $output == *$'dtype\t'* ]]
    local set
    for set in $(sets); do
        MBERT_CPU=$set run -0 mbert-fwd -m "$G/v5-mean" --print-config --dtype f32 --threads 2
        case $set in
        generic) [[ $output == *$'device\tcpu, 2 threads, OpenBLAS'* ]] ;;
        *) [[ $output == *$'device\tcpu, 2 threads, '"$set f32"* ]] ;;
        esac
        [[ $output == *$'dtype\tF32'* ]]
        case $set in bf16|amx)
            MBERT_CPU=$set run -0 mbert-fwd -m "$G/v5-mean" --print-config
            [[ $output == *", $set bf16"* && $output == *$'dtype\tBF16'* ]]
        esac
    done
    run -0 mbert-fwd -m guard --print-config --device auto
    [[ $output == *$'device\tcpu'* ]]
}

# refuse MESSAGE ARGUMENT...: status 3 with the message
refuse() {
    local message=$1
    shift
    run -3 --separate-stderr mbert-fwd "$@"
    [[ $stderr == *"$message"* ]] || { echo "$stderr"; return 1; }
}

# model EDIT: guard with config.json changed by a sed script, as m/
model() { rm -rf m; cp -R guard m; sed -i "$1" m/config.json; }

@test "configs that are refused, naming the key" {
    model 's/"model_type": *"modernbert"/"model_type": "bert"/'
    refuse "model_type" -m m test.st.zst
    model 's/"vocab_size"/"rope_scaling": {"rope_type": "yarn", "factor": 4}, "vocab_size"/'
    refuse "rope" -m m test.st.zst
    model 's/"hidden_activation": *"gelu"/"hidden_activation": "mish"/'
    refuse "hidden_activation" -m m test.st.zst
    model 's/"hidden_size": *96/"hidden_size": 97/'
    refuse "config.json" -m m test.st.zst
    model 's/"intermediate_size": *160/"intermediate_size": 161/'
    refuse "mlp.W" -m m test.st.zst
    model 's/"num_hidden_layers": *4/"num_hidden_layers": 5/; s/"full_attention",$/"full_attention", "full_attention",/'
    refuse "" -m m test.st.zst
}

# edit PYTHON [DIR]: guard (or DIR) with its weights changed, as m/: h is the header, d the data, cast(t, d, code)
# a tensor's bytes in another type (struct's code), pad what the header's length is a multiple of
edit() {
    rm -rf m; cp -R "${2-guard}" m
    python3 - "$1" <<'END'
import json, struct, sys
b = open("m/model.safetensors", "rb").read()
n = int.from_bytes(b[:8], "little")
h, d = json.loads(b[8:8 + n]), b[8 + n:]
meta, pad = h.pop("__metadata__", {}), 8
def cast(code):
    global d
    out = b""
    for t in sorted(h.values(), key=lambda t: t["data_offsets"]):
        f = struct.unpack("<%df" % ((t["data_offsets"][1] - t["data_offsets"][0]) // 4), d[slice(*t["data_offsets"])])
        raw = b"".join(struct.pack("<f", x)[2:] for x in f) if code == "b" else struct.pack("<%d%s" % (len(f), code), *f)
        t["dtype"] = {"b": "BF16", "e": "F16", "d": "F64"}[code]
        t["data_offsets"] = [len(out), len(out) + len(raw)]
        out += raw
    d = out
exec(sys.argv[1])
t = json.dumps(h).encode()
t += b" " * (-len(t) % pad)
open("m/model.safetensors", "wb").write(len(t).to_bytes(8, "little") + t + d)
END
}

@test "weights in other types, at odd places, under other names" {
    need_command python3
    pack-batch test.st.zst > b
    mbert-fwd -m guard --emit logits b > want
    edit 'cast("d")'
    mbert-fwd -m m --emit logits b | tens cmp --atol 0 - want
    edit 'h["zz"] = {"dtype": "U8", "shape": [0], "data_offsets": [len(d), len(d)]}; t0 = json.dumps(h); pad = len(t0) + 1 if len(t0) % 2 == 0 else len(t0)'
    [ $(( $(od -An -tu8 -N8 m/model.safetensors) % 2 )) = 1 ]
    mbert-fwd -q -m m --emit logits b | tens cmp --atol 0 - want
    edit 'h = {k.replace("model.", "", 1): v for k, v in h.items()}'
    mbert-fwd -m m --emit logits b | tens cmp --atol 0 - want
    edit 'cast("e")'
    mbert-fwd -m m --emit logits b | tens cmp --atol 0.02 - want
    edit 'cast("b")'
    mbert-fwd -m m --emit logits b | tens cmp --atol 0.3 - want
}

@test "shapes that are not packed, 16-bit weights: chunks by threads as the whole" {
    need_command python3
    edit 'cast("b")'
    sed -i 's/"num_attention_heads": 3/"num_attention_heads": 4/' m/config.json
    for i in 1 2 3 4; do cat test.jsonl; done | bpe-tok -q -m m | pack-batch --tokens 8192 > b
    mbert-fwd -m m --emit logits --threads 1 b > want
    mbert-fwd -m m --emit logits --threads 2 b | tens cmp --atol 1e-4 - want
    mbert-fwd -m m --emit logits --threads 3 b | tens cmp --atol 1e-4 - want
}

@test "tensors that config.json does not explain are said" {
    need_command python3
    edit 'h["model.layers.1.attn.Wo.bias"] = {"dtype": "F32", "shape": [96], "data_offsets": [len(d), len(d) + 384]}; d += bytes(384)'
    run -0 --separate-stderr sh -c 'mbert-fwd -m m test.st.zst > out'
    [[ $stderr == *"1 tensor not in this model by config.json: ignored ('model.layers.1.attn.Wo.bias')"* ]]
    run -0 --separate-stderr sh -c 'mbert-fwd -q -m m test.st.zst > out'
    [ -z "$stderr" ]
}

@test "NaN or infinity in any weight is never a score" {
    need_command python3
    batch "$G/multilabel" > b
    names=$(python3 -c '
import json, sys
b = open(sys.argv[1], "rb").read()
print(*[k for k in json.loads(b[8:8 + int.from_bytes(b[:8], "little")]) if "_" != k[0] and "tok_emb" not in k])
' "$G/multilabel/model.safetensors")
    [ "$(wc -w <<< "$names")" = 17 ]
    for n in $names; do
        edit "o = h['$n']['data_offsets'][0]; d = d[:o] + b'\\0\\0\\xc0\\x7f' + d[o + 4:]" "$G/multilabel"
        refuse "'logits' of 'm' is not finite (NaN or infinity)" -m m --emit logits b
    done
    local set
    for set in $(sets); do # quantising keeps a NaN
        case $set in bf16|amx)
            for n in layers.2.mlp.Wi layers.1.attn.Wqkv layers.3.mlp.Wo layers.0.mlp_norm; do
                edit "o = h['model.$n.weight']['data_offsets'][0]; d = d[:o] + b'\\0\\0\\xc0\\x7f' + d[o + 4:]"
                MBERT_CPU=$set refuse "is not finite" -m m --dtype int8 --emit logits test.st.zst
            done
        esac
    done
}

@test "weights that are refused, naming tensor and file" {
    need_command python3
    edit 'h["x"] = h.pop("model.final_norm.weight")'
    refuse "final_norm.weight" -m m test.st.zst
    edit 's = h["model.layers.1.attn.Wo.weight"]; s["shape"] = [48, 192]'
    refuse "model.layers.1.attn.Wo.weight" -m m test.st.zst
    edit 'h["model.layers.1.attn.Wo.weight"]["dtype"] = "I32"'
    refuse "model.layers.1.attn.Wo.weight" -m m test.st.zst
    edit 'd = d[:-4]'
    refuse "'m/model.safetensors': truncated: data is missing" -m m test.st.zst
    edit 'o = h["model.layers.2.mlp.Wi.weight"]["data_offsets"][0]; d = d[:o] + b"\0\0\xc0\x7f" + d[o + 4:]'
    refuse "is not finite" -m m test.st.zst
    rm m/model.safetensors; echo '{}' > m/model.safetensors.index.json
    refuse "'m/model.safetensors.index.json': sharded checkpoints are not supported" -m m test.st.zst
    rm m/model.safetensors.index.json; printf 'PK\003\004xxxxxxxx' > m/model.safetensors
    refuse "a PyTorch (pickle) checkpoint" -m m test.st.zst
    rm m/model.safetensors; touch m/pytorch_model.bin
    refuse "a PyTorch (pickle) checkpoint" -m m test.st.zst
}

@test "streams that do not fit the model" {
    need_command python3
    wrap() { python3 "$ROOT/tests/tensors.py" x.safetensors <<< "$1"; tens wrap --kind batch -o x x.safetensors; }
    wrap '{"input_ids":["I32",[1,99999]],"cu_seqlens":["I32",[0,2]],"row":["I64",[6]]}'
    refuse "row 6: token id 99999 is outside the vocabulary" -m guard x
    wrap '{"input_ids":["I32",[1,2]],"cu_seqlens":["I32",[0,2]],"row":["I64",[0]],"@vocab":"60000"}'
    refuse "vocabulary of 60000 tokens" -m guard x
    wrap '{"input_ids":["I32",[1,2]],"cu_seqlens":["I32",[0,2]],"row":["I64",[0]],"@tokenizer":"0123456789abcdef"}'
    refuse "was made with tokenizer 0123456789abcdef" -m guard x
    python3 -c 'print("{\"input_ids\":[\"I32\",%s],\"cu_seqlens\":[\"I32\",[0,600]],\"row\":[\"I64\",[4]]}" % ([5] * 600))' > j
    wrap "$(cat j)"
    refuse "row 4 has 600 tokens, but 'guard' has 512 positions; use bpe-tok --max-length 512" -m guard x
    refuse "a stream of pooled where tokens|batch is needed" -m guard <(mbert-fwd -m guard test.st.zst)
}

@test "int8 keeps the verdicts of f32, by every instruction set that has it" {
    local set
    # unsafe FILE: the probability of each prompt
    unsafe() { clf-head -m guard "$1" | sed 's/.*"unsafe":\([^}]*\)}.*/\1/'; }
    pack-batch test.st.zst > b
    mbert-fwd -m guard --dtype f32 b > f32
    for set in $(sets); do
        case $set in bf16|amx) ;; *) continue ;; esac
        export MBERT_CPU=$set
        mbert-fwd -m guard --dtype int8 --threads 1 b | cat > int8
        mbert-fwd -m guard --dtype int8 --threads 2 b | cmp - int8
        mbert-fwd -m guard --dtype int8 --threads 3 b | cmp - int8
        tens ls int8 | grep -q 'dtype=INT8'
        paste <(unsafe f32) <(unsafe int8) > p
        awk '{ d = $1 - $2; d = d < 0 ? -d : d; if (!(d <= 0.02)) bad = 1
               if (($1 >= .5) != ($2 >= .5) && ($1 > .55 || $1 < .45)) bad = 1 }
             END { exit bad || NR != 100 }' p
        # alone as packed: one prompt a batch
        pack-batch --tokens 1 test.st.zst | mbert-fwd -m guard --dtype int8 | unsafe - |
            cmp - <(unsafe int8)
        run -0 mbert-fwd -m guard --dtype int8 --print-config
        [[ $output == *", $set int8"* && $output == *$'dtype\tINT8'* ]]
        [[ $output == *$'products\tint8 in layers 1 to 3, bf16 in the rest'* ]]
    done
}

@test "options that make no sense" {
    usage() { local m=$1; shift; run -2 --separate-stderr mbert-fwd "$@"; [[ $stderr == *"$m"* ]] || { echo "$stderr"; return 1; }; }
    usage "-m DIR is required" test.st.zst
    usage "--normalize needs --emit pooled" -m guard --emit hidden --normalize test.st.zst
    usage "--pooling needs --emit" -m guard --emit hidden --pooling cls test.st.zst
    MBERT_CPU=generic usage "--dtype bf16: 'generic', what this processor multiplies with, has no such products" -m guard --dtype bf16 test.st.zst
    MBERT_CPU=generic usage "--dtype int8: 'generic'" -m guard --dtype int8 test.st.zst
    MBERT_CPU=vax usage "MBERT_CPU=vax: not one of generic, avx2, avx512, bf16, amx" -m guard test.st.zst
    cp -R guard m
    sed -i 's/"num_attention_heads": 3/"num_attention_heads": 4/' m/config.json
    usage "must be multiples of 32" -m m --dtype bf16 test.st.zst
    mbert-fwd -m m test.st.zst | tens ls | grep -q 'dtype=F32'
}

@test "full disk, closed reader, dead writer, empty input" {
    pack-batch test.st.zst > b
    run -4 sh -c 'mbert-fwd -m guard b > /dev/full'
    run -0 bash -c 'mbert-fwd -m guard --emit layers b b b b | head -c 1 > /dev/null; echo ${PIPESTATUS[0]}'
    [ "$output" = 141 ]
    run -3 --separate-stderr sh -c 'head -c 2000 b | mbert-fwd -m guard > out'
    [[ $stderr == *truncated* ]]
    run -3 tens check --quiet out || run -1 tens check out
    run -3 --separate-stderr mbert-fwd -m guard < /dev/null
    [[ $stderr == *"truncated: empty, without even a head"* ]]
    bpe-tok -m guard < /dev/null | pack-batch | mbert-fwd -m guard | tens count --json | grep -q '"examples":0'
}

@test "--pack: the same bytes from the packed file, which another model does not use" {
    local set type f
    pack-batch test.st.zst > b
    for set in $(sets); do
        for type in f32 bf16 int8; do
            rm -rf m; cp -R guard m
            [ $type = f32 ] || [ "$set" = bf16 ] || [ "$set" = amx ] || continue
            export MBERT_CPU=$set
            if [ "$set" = generic ]; then
                run -2 --separate-stderr mbert-fwd -m m --dtype f32 --pack
                [[ $stderr == *"--pack: nothing of 'm' is packed"* ]]
                continue
            fi
            mbert-fwd -m m --dtype $type b | cat > want
            mbert-fwd -m m --dtype $type --emit logits b | cat > want.logits
            f=$(mbert-fwd -m m --dtype $type --pack)
            [ -s "$f" ]
            run -0 mbert-fwd -m m --dtype $type --print-config
            [[ $output == *$'weights\tpacked before (--pack)'* ]]
            mbert-fwd -m m --dtype $type b | cmp - want
            mbert-fwd -m m --dtype $type --emit logits b | cmp - want.logits
            # cut short, or of another model: packed anew, never used
            head -c 9000 "$f" > short; mv short "$f"
            mbert-fwd -m m --dtype $type b | cmp - want
            mbert-fwd -m m --dtype $type --pack > /dev/null
            sed -i '2s/.*/model 0123456789abcdef/' "$f"
            run -0 mbert-fwd -m m --dtype $type --print-config
            [[ $output == *$'weights\tpacked now'* ]]
        done
    done
}

@test "--pack: a directory that cannot be written" {
    [ "$(id -u)" != 0 ] || skip "root writes everywhere"
    MBERT_CPU= sets | grep -qv generic || skip "nothing is packed here"
    cp -R guard m
    chmod a-w m
    run -4 mbert-fwd -m m --pack
}
