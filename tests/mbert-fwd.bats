# mbert-fwd.bats - what is written, options, threads, and models that are refused
load helper

setup_file() { FIXTURES=$("$ROOT/tests/fixtures.sh"); export FIXTURES; }
setup() { cp -R "$FIXTURES/." "$TMP"; cd "$TMP"; G=$GOLDEN/encoder; }

batch() { tens wrap --kind batch "$1/inputs.safetensors"; }

@test "kinds and tensors of --emit" {
    pack-batch --tokens 700 test.st.zst > b
    mbert-fwd -m guard b | tens ls > l
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

@test "pooling and normalize, against the reference" {
    need_numpy
    batch "$G/embed-noprefix" > b
    mbert-fwd -m "$G/embed-noprefix" --pooling cls b | tens cat --safetensors > c.safetensors
    mbert-fwd -m "$G/embed-noprefix" --pooling mean b | tens cat --safetensors > m.safetensors
    mbert-fwd -m "$G/embed-noprefix" --pooling mean --normalize b | tens cat --safetensors > n.safetensors
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
    [[ $output == *"OpenBLAS"* ]]
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
    model 's/"intermediate_size": *144/"intermediate_size": 145/'
    refuse "mlp.W" -m m test.st.zst
    model 's/"num_hidden_layers": *4/"num_hidden_layers": 5/; s/"full_attention",$/"full_attention", "full_attention",/'
    refuse "" -m m test.st.zst
}

@test "weights that are refused, naming tensor and file" {
    need_command python3
    edit() {
        rm -rf m; cp -R guard m
        python3 - "$1" <<'END'
import json, sys
b = open("m/model.safetensors", "rb").read()
n = int.from_bytes(b[:8], "little")
h, d = json.loads(b[8:8 + n]), b[8 + n:]
exec(sys.argv[1])
t = json.dumps(h).encode()
t += b" " * (-len(t) % 8)
open("m/model.safetensors", "wb").write(len(t).to_bytes(8, "little") + t + d)
END
    }
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

@test "options that make no sense" {
    usage() { local m=$1; shift; run -2 --separate-stderr mbert-fwd "$@"; [[ $stderr == *"$m"* ]] || { echo "$stderr"; return 1; }; }
    usage "-m DIR is required" test.st.zst
    usage "--normalize needs --emit pooled" -m guard --emit hidden --normalize test.st.zst
    usage "--pooling needs --emit" -m guard --emit hidden --pooling cls test.st.zst
    usage "--device cuda: this build has no such device" -m guard --device cuda test.st.zst
    usage "--dtype bf16: the cpu computes in f32" -m guard --dtype bf16 test.st.zst
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
