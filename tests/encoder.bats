# encoder.bats - every encoder case through the pipe: hidden states, pooled vectors, logits and
# probabilities within three times the error of transformers' own float32 run, and in bf16 within
# twice that of its bf16 run; by every instruction set that this machine has.
load helper
load encoder

# run_case CASE EMIT...: f32 by each instruction set, then bf16 by those that have it
run_case() {
    local set type
    for set in $(sets); do
        for type in f32 bf16; do
            [ $type = f32 ] || [ "$set" = bf16 ] || [ "$set" = amx ] || continue
            MBERT_CPU=$set run_type $type "$@" || { echo "MBERT_CPU=$set --dtype $type"; return 1; }
        done
    done
}

@test "v5-mean" { run_case v5-mean layers hidden pooled logits; }
@test "silu-hd32" { run_case silu-hd32 layers hidden pooled logits; }
@test "multilabel" { run_case multilabel layers hidden pooled logits; }
@test "embed-noprefix" { run_case embed-noprefix layers hidden; }
@test "v4-cls" { run_case v4-cls layers hidden pooled logits; }
@test "mlm" { run_case mlm layers hidden logits; }
@test "token-cls" { run_case token-cls layers hidden logits; }
@test "pipeline" { run_case pipeline layers hidden pooled logits; }
@test "ettin-17m" { run_case ettin-17m hidden pooled logits; }
@test "base-forward" {
    [ -n "${MBERT_SLOW-}" ] || skip "slow: set MBERT_SLOW=1"
    run_case base-forward hidden pooled logits
}

@test "the whole pipe gives what transformers' pipeline gave" {
    need_shared golden/encoder/pipeline/pipeline.json models/modernbert-base/tokenizer.json
    need_command python3
    local dir
    dir=$("$ROOT/tests/models.sh" pipeline) || skip "$dir"
    cd "$TMP"
    mkdir m
    cp "$dir/config.json" "$dir/model.safetensors" m
    cp "$SHARED/models/modernbert-base/tokenizer.json" m
    bpe-tok -m m "$SHARED/golden/encoder/pipeline/prompts.jsonl" | pack-batch | mbert-fwd --dtype f32 -m m | clf-head -m m > s
    python3 - "$SHARED/golden/encoder/pipeline/pipeline.json" s <<'END'
import json, sys
want = json.load(open(sys.argv[1]))["dtype_float32"]["top_k=None"]
got = [json.loads(l) for l in open(sys.argv[2])]
assert len(got) >= len(want) > 3
for w, g in zip(want, got):
    assert w[0]["label"] == g["label"]
    for one in w:
        assert abs(one["score"] - g["scores"][one["label"]]) <= 2e-6, (one, g)
END
}
