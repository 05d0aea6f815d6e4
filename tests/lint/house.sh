#!/bin/sh
# house.sh - the house's rules that a script can see; prints every breach, exit 1 if any.
# Run from the root of the project.
bad=0
say() { echo "$*"; bad=1; }

c_files=$(ls tools/*.c common/*/*.[ch] formats/*.[ch] gpu/*.c 2>/dev/null)
awk -f tests/lint/layers.awk $c_files formats/*.cpp || bad=1

# a tool is T.c + T.1 + T.bats
for t in tools/*.c; do
    b=$(basename "$t" .c)
    [ -f "man/$b.1" ] || say "$t: man/$b.1 is missing"
    [ -f "tests/$b.bats" ] || say "$t: tests/$b.bats is missing"
    [ "$(wc -l < "$t")" -le 150 ] || say "$t: more than 150 lines"
done

# mirrors: each op family is one .c in common/ops and one .cu in gpu, once gpu has any
if ls gpu/*.cu >/dev/null 2>&1; then
    ls common/ops/*.c | sed 's|.*/||; s|\.c$||; s|_.*||' | sort -u | grep -vxE 'ops|cpu|blas' > build/mirror.ops
    ls gpu/*.cu | sed 's|.*/||; s|\.cu$||' | sort -u > build/mirror.gpu
    diff build/mirror.ops build/mirror.gpu || say "common/ops and gpu are not mirrors"
fi

# file names are unique, mirrors apart
ls tools/*.c common/*/*.c formats/*.c formats/*.cpp 2>/dev/null | sed 's|.*/||; s|\.[^.]*$||' | sort | uniq -d |
    while read -r n; do echo "file name '$n' occurs twice"; done | grep . && bad=1

for f in $c_files; do
    n=$(wc -l < "$f")
    [ "$n" -le 400 ] || say "$f: $n lines, more than 400"
done
grep -nE '#if 0|_v2\b' $c_files && say "dead or versioned code (above)"
grep -nE 'cuda[A-Z]' $(ls common/*/*.[ch] formats/*.[ch] tools/*.c) && say "CUDA identifiers outside gpu/ (above)"

# functions of at most 60 lines; main of a tool at most 40 (needs Universal Ctags)
if command -v ctags >/dev/null && ctags --version | grep -q Universal; then
    ctags -x --c-kinds=f --_xformat='%{line} %{end} %N %F' $(echo "$c_files" | grep '\.c$') |
        awk '{ n = $2 - $1 + 1; max = ($3 == "main") ? 40 : 60
               if (n > max) { printf "%s: %s() has %d lines, more than %d\n", $4, $3, n, max; bad = 1 } } END { exit bad }' || bad=1
else
    echo "# SKIP function lengths: no Universal Ctags"
fi
exit $bad
