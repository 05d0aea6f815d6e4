# mbert-fwd-types.bats - f32, bf16 and int8 by every instruction set: the same bytes whatever
# the threads and the batches, near verdicts, and streams of two types that do not mix
load helper

setup_file() { FIXTURES=$("$ROOT/tests/fixtures.sh"); export FIXTURES; }
setup() { cp -R "$FIXTURES/." "$TMP"; cd "$TMP"; }

# each_mode COMMAND: runs it with MBERT_CPU and TYPE set, for each type of each set
each_mode() {
    local set TYPE
    for set in $(sets); do
        for TYPE in f32 bf16 int8; do
            case $set:$TYPE in generic:bf16|generic:int8|avx512:bf16|avx512:int8) continue ;; esac
            MBERT_CPU=$set TYPE=$TYPE "$@" || { echo "failed: $set $TYPE: $*"; return 1; }
        done
    done
}
# need_bf16: skip where no set multiplies bf16
need_bf16() { [[ $(sets) == *bf16* ]] || skip "no instruction set here multiplies bf16"; }

threads_agree() {
    local e
    for e in pooled hidden logits; do
        mbert-fwd -m guard --dtype $TYPE --emit $e --threads 1 b | cat > one || return
        mbert-fwd -m guard --dtype $TYPE --emit $e --threads 2 b | cmp - one || return
        mbert-fwd -m guard --dtype $TYPE --emit $e --threads 3 b | cmp - one || return
    done
}

@test "the same bytes for 1, 2 and 3 threads" {
    cat test.st.zst prompts.st.zst > both
    pack-batch --tokens 3000 both > b
    each_mode threads_agree
}

# rows STREAM: its verdicts with logits, a line a row in the rows' order
rows() {
    mbert-fwd -m guard --dtype $TYPE "$1" | clf-head -m guard --logits | sort
}
# vectors STREAM: the pooled bytes alone, row after row
vectors() {
    mbert-fwd -m guard --dtype $TYPE "$1" | tens cat --npy --name pooled | tail -c +129 > "$2"
}

cuts_agree() {
    rows b700 > want || return
    [ "$(wc -l < want)" = 100 ] || return
    vectors b700 want.bin || return
    [ "$(wc -c < want.bin)" = $((100 * 96 * 4)) ] || return
    local s
    for s in b100 b5000 test.st.zst; do
        rows $s > got && vectors $s got.bin || return
        # OpenBLAS, the generic set, sums in an order that depends on the rows beside
        [ "$MBERT_CPU" = generic ] || { cmp want got && cmp want.bin got.bin; } || return
    done
}

@test "batches cut in other ways give the same vectors and logits" {
    for n in 100 700 5000; do pack-batch --tokens $n test.st.zst > b$n; done
    each_mode cuts_agree
}

@test "a shuffled batch gives the same lines" {
    shuffled() {
        rows test.st.zst > want && rows s > got || return
        [ "$MBERT_CPU" = generic ] || cmp want got
    }
    pack-batch --tokens 900 --shuffle 3 test.st.zst > s
    each_mode shuffled
}

# near LIMIT: got's scores are within 0.02 of want's, and labels agree beyond that of 1/2
near() {
    paste -d '\n' want got | sed 's/.*"label":"\([a-z]*\)".*"unsafe":\([0-9.e-]*\)}.*/\1 \2/' |
        awk -v limit="$1" '
            NR % 2 { label = $1; score = $2; next }
            { off = score - $2; margin = score - 0.5; n++ }
            off * off > limit * limit { print "line " NR / 2 ": " score " and " $2; bad = 1 }
            label != $1 && margin * margin > 0.0004 { print "line " NR / 2 " flips at " score; bad = 1 }
            END { exit bad || n != 100 }'
}

@test "verdicts of every type agree with f32" {
    agree() {
        case $TYPE in int8) limit=0.1 ;; *) limit=0.02 ;; esac
        rows test.st.zst > got && near $limit
    }
    need_bf16
    MBERT_CPU=avx512 TYPE=f32 rows test.st.zst > want
    each_mode agree
}

@test "the head says the type, whatever the set" {
    says() {
        mbert-fwd -m guard --dtype $TYPE prompts.st.zst | tens ls | grep '^head' > l || return
        grep -q "dtype=$(echo $TYPE | tr a-z A-Z)" l
    }
    each_mode says
    mbert-fwd -m guard prompts.st.zst | tens ls > l
    case $(sets) in *bf16*) grep -q 'dtype=BF16' l ;; *) grep -q 'dtype=F32' l ;; esac
    MBERT_CPU=generic mbert-fwd -m guard prompts.st.zst | tens ls | grep -q 'dtype=F32'
}

@test "streams of two types do not mix" {
    need_bf16
    for t in f32 bf16 int8; do mbert-fwd -m guard --dtype $t prompts.st.zst > $t; done
    cat f32 f32 | clf-head -m guard | wc -l | grep -qx 24
    for pair in "f32 bf16" "bf16 f32" "bf16 int8" "int8 f32"; do
        run -3 --separate-stderr bash -c "cat $pair | clf-head -m guard"
        [[ $stderr == *dtype* ]] || { echo "$stderr"; return 1; }
    done
}

@test "the fastest type of this machine is what --dtype auto says it is" {
    need_bf16
    for set in $(sets); do
        case $set in generic|avx512) type=f32 ;; *) type=bf16 ;; esac
        MBERT_CPU=$set mbert-fwd -m guard test.st.zst > auto
        MBERT_CPU=$set mbert-fwd -m guard --dtype $type test.st.zst > named
        tens cmp auto named
    done
}
