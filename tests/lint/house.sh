#!/bin/sh
# house.sh - the house's rules that a script can see; prints every breach, exit 1 if any.
# Run from the root of the project.
bad=0
say() { echo "$*"; bad=1; }

c_files=$(ls tools/*.c common/*/*.[ch] formats/*.[ch] 2>/dev/null)
gpu_files=$(ls gpu/*.cu gpu/*.cuh gpu/*/*.cuh 2>/dev/null)
awk -f tests/lint/layers.awk $c_files $gpu_files formats/*.cpp || bad=1

# a tool is T.c + T.1 + T.bats
for t in tools/*.c; do
    b=$(basename "$t" .c)
    [ -f "man/$b.1" ] || say "$t: man/$b.1 is missing"
    [ -f "tests/$b.bats" ] || say "$t: tests/$b.bats is missing"
    [ "$(wc -l < "$t")" -le 150 ] || say "$t: more than 150 lines"
done

# mirrors: each op family is one .c in common/ops and one .cu in gpu.  Left out: what a CPU alone
# has (instruction sets, packed weights, OpenBLAS), what a GPU alone has, and the tables of ops.
if ls gpu/*.cu >/dev/null 2>&1; then
    mkdir -p build
    cpu_only='ops|cpu|blas|isa|kernel|panel|packed|done|fused|quantize|backward' gpu_only='cuda|replay'
    ls common/ops/*.c | sed 's|.*/||; s|\.c$||; s|_.*||' | sort -u | grep -vxE "$cpu_only" > build/mirror.ops
    ls gpu/*.cu | sed 's|.*/||; s|\.cu$||' | sort -u | grep -vxE "$gpu_only" > build/mirror.gpu
    diff build/mirror.ops build/mirror.gpu || say "common/ops and gpu are not mirrors"
fi

# file names are unique, mirrors apart
ls tools/*.c common/*/*.c formats/*.c formats/*.cpp 2>/dev/null | sed 's|.*/||; s|\.[^.]*$||' | sort | uniq -d |
    while read -r n; do echo "file name '$n' occurs twice"; done | grep . && bad=1

for f in $c_files $gpu_files tests/emu/* examples/attention/*.[ch]*; do
    n=$(wc -l < "$f")
    [ "$n" -le 400 ] || say "$f: $n lines, more than 400"
done
grep -nE '#if 0|_v2\b' $c_files $gpu_files && say "dead or versioned code (above)"
grep -nE 'cuda[A-Z]' $(ls common/*/*.[ch] formats/*.[ch] tools/*.c) && say "CUDA identifiers outside gpu/ (above)"

# kernels reach the device through one header
grep -nE '\basm\b|__(syncthreads|syncwarp|shfl|ballot|global__|shared__)|threadIdx|blockIdx|<<<' \
    $(echo "$gpu_files" | grep -v '^gpu/dev.cuh$') && say "the device beside gpu/dev.cuh (above)"
# the house's braces: a body is what lies between { and } in the first column
awk 'FNR == 1 { from = 0 } /^{/ { from = FNR }
     /^}/ { if (from && FNR - from + 3 > 60) { printf "%s:%d: a function of %d lines, more than 60\n", FILENAME, from, FNR - from + 3; bad = 1 } from = 0 }
     END { exit bad }' $gpu_files || bad=1

# functions of at most 60 lines; main of a tool at most 40 (needs Universal Ctags)
if command -v ctags >/dev/null && ctags --version | grep -q Universal; then
    ctags -x --c-kinds=f --_xformat='%{line} %{end} %N %F' $(echo "$c_files" | grep '\.c$') |
        awk '{ n = $2 - $1 + 1; max = ($3 == "main") ? 40 : 60
               if (n > max) { printf "%s: %s() has %d lines, more than %d\n", $4, $3, n, max; bad = 1 } } END { exit bad }' || bad=1
else
    echo "# SKIP function lengths: no Universal Ctags"
fi
exit $bad
