# encoder.bash - one golden encoder case, for encoder.bats and emu.bats.

# run_type DTYPE CASE EMIT...: as the tools are used, with mbert-fwd on $DEVICE (cpu), compared by
# tests/golden/encoder/compare.py
run_type() {
    local type=$1 case=$2 e why
    shift 2
    need_numpy
    why=$("$ROOT/tests/models.sh" "$case") || skip "$why"
    local dir=$why
    cd "$TMP"
    tens wrap --kind batch -o b "$dir/inputs.safetensors"
    for e in "$@"; do
        mbert-fwd --device "${DEVICE:-cpu}" --dtype "$type" -m "$dir" --emit "$e" b | tens cat --safetensors > "$e.safetensors"
        "$PYTHON" "$GOLDEN/encoder/compare.py" --dtype "$type" "$dir" "$e.safetensors" || { echo "$case $e"; return 1; }
    done
    grep -q '"logits"' "$dir/expected.safetensors" || return 0
    case " $* " in *" pooled "*)
        mbert-fwd --device "${DEVICE:-cpu}" --dtype "$type" -m "$dir" b | clf-head -m "$dir" --stream --logits | tens cat --safetensors > s.safetensors
        if grep -q '"probs"' "$dir/expected.safetensors"; then
            "$PYTHON" "$GOLDEN/encoder/compare.py" --dtype "$type" "$dir" s.safetensors --rename scores=probs
        else
            "$PYTHON" "$GOLDEN/encoder/compare.py" --dtype "$type" "$dir" s.safetensors
        fi ;;
    esac
}
