#!/bin/sh
# run.sh - fuzz one target with libFuzzer, then keep what covers more in its corpus.
#     tests/fuzz/run.sh TARGET SECONDS
# Needs clang with its sanitizers' run time.  Seeds (files with a name) stay; finds (named by
# their hash) are chosen again each time: the fewest that cover what all cover, at most FILES
# and BYTES a target.  The first finding ends the run; it goes to build/fuzz/findings.  The
# last line is a summary.
# Exit status: 0 no finding, 1 a finding, 2 usage, 4 no clang.
set -u
FILES=300 BYTES=320000
cd "$(dirname "$0")/../.." || exit 4
target=${1:-} seconds=${2:-}
here=tests/fuzz corpus=tests/fuzz/corpus/$target dict=tests/fuzz/$target.dict
case $seconds in '' | *[!0-9]*) seconds= ;; esac
[ -n "$seconds" ] && [ -n "$target" ] && [ -d "$corpus" ] || {
    echo "usage: $0 TARGET SECONDS; targets:" $(ls $here/corpus) >&2
    exit 2
}
clang=${CLANG:-clang}
command -v "$clang" >/dev/null && command -v "$clang++" >/dev/null || {
    echo "$0: $clang and $clang++ are needed (without them, make check replays the corpus)" >&2
    exit 4
}

# bytes of an input; what is compiled in to guide the fuzzer (tracing comparisons costs the
# encoder half of its speed, and its dictionary knows them)
longest=4096 guide=-fsanitize=fuzzer-no-link rss=512
case $target in
scores) rss=4096 ;; # a refusal leaves the JSON parser behind, 16 KiB of it
encode) longest=512 guide="$guide -fno-sanitize-coverage=trace-cmp" ;;
esac
B=build/fuzz/$target
objects=$(for f in common/base/*.c common/bpe/*.c common/eval/*.c formats/*.c formats/*.cpp \
    $here/caught.c $here/naive.c $here/rfc8259.c "$here/$target.c"; do echo "$B/$f.o"; done)
mkdir -p $B &&
make -s -j2 SAN=1 B=$B CC="$clang" CXX="$clang++" CFLAGS="-g -O1 $guide" \
    CXXFLAGS="-g -O1 $guide" $objects >$B/build.log 2>&1 &&
    "$clang++" -fsanitize=fuzzer,address,undefined @$here/link.txt -o "$B/fuzz" $objects \
        -lzstd -lxxhash -lutf8proc -lsimdjson >>$B/build.log 2>&1 || {
    cat $B/build.log >&2
    echo "$0: the target does not build" >&2
    exit 4
}

work=$(mktemp -d "${TMPDIR:-/tmp}/mbert-fuzz.XXXXXX") || exit 4
trap 'rm -rf "$work"' EXIT
trap 'exit 5' INT TERM
mkdir -p "$work/finds" "$work/kept" "$work/tmp" build/fuzz/findings
export TMPDIR=$work/tmp
export ASAN_OPTIONS=detect_stack_use_after_return=0:quarantine_size_mb=16
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
limits="-max_len=$longest -timeout=2 -rss_limit_mb=$rss -dict=$dict"

begin=$(date +%s)
"$B/fuzz" $limits -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$target-" "$work/finds" "$corpus" >"$work/log" 2>&1
findings=$(($? != 0))
if [ $findings = 1 ]; then
    cp "$work/log" "build/fuzz/findings/$target.log"
    grep -aE 'not so:|ERROR|SUMMARY|runtime error|Test unit written' "$work/log" >&2
fi
execs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log" | tail -1)
spent=$(($(date +%s) - begin))
cover=$(grep -aoE 'cov: [0-9]+ ft: [0-9]+' "$work/log" | tail -1)

for f in "$corpus"/*; do
    case ${f##*/} in
    ????????????????????????????????????????) ;; # a hash: chosen again below
    *) cp "$f" "$work/kept" ;;
    esac
done
seeds=$(ls "$work/kept" | wc -l)
"$B/fuzz" -timeout=2 -rss_limit_mb=$rss -max_len=$longest -set_cover_merge=1 "$work/kept" \
    "$corpus" "$work/finds" >"$work/merge" 2>&1 || { cat "$work/merge" >&2; exit 4; }
# smallest first, as far as FILES and BYTES allow; seeds are never dropped
dropped=$(ls -rS "$work/kept" | (
    files=$seeds bytes=0 out=0
    while read -r f; do
        case $f in ????????????????????????????????????????) ;; *) continue ;; esac
        files=$((files + 1)) bytes=$((bytes + $(wc -c <"$work/kept/$f")))
        [ $files -le $FILES ] && [ $bytes -le $BYTES ] || { rm "$work/kept/$f"; out=$((out + 1)); }
    done
    echo $out))
find "$corpus" -type f -exec rm {} +
cp "$work/kept"/* "$corpus"

echo "$target: ${execs:-0} execs in $spent s, ${cover:-no coverage}, $findings found;" \
    "corpus $(ls "$corpus" | wc -l) files, $(cat "$corpus"/* | wc -c) bytes" \
    "($seeds seeds, $dropped finds dropped)"
[ $findings = 0 ]
