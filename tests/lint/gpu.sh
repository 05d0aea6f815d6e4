#!/bin/sh
# gpu.sh - what the compiler made of each kernel, against what it may cost; needs nvcc.
#     tests/lint/gpu.sh            compares the build with gpu/budget.txt; exit 1 on any breach
#     tests/lint/gpu.sh --update   writes gpu/budget.txt anew
# Run from the root of the project.  No kernel spills or has a stack; none uses more registers than
# its budget, on any architecture; PTX has no local memory, no f64, no atomics of floats.
command -v "${NVCC:-nvcc}" >/dev/null || { echo "# SKIP no nvcc"; exit 0; }
build=${MBERT_BUILD:-build}
make -s gpu gpu-ptx >&2 || exit 1
now=$build/gpu/budget.now
# one line a kernel: name, and the most registers, static shared memory, stack, spilt bytes of any architecture
awk '
    /Function properties for/ { name = $NF }
    /bytes stack frame/ { stack[name] = more(stack[name], $1); spill[name] = more(spill[name], $5 + $9) }
    /Used [0-9]+ registers/ {
        match($0, /Used [0-9]+/); r[name] = more(r[name], substr($0, RSTART + 5, RLENGTH - 5))
        if (match($0, /[0-9]+ bytes smem/)) s[name] = more(s[name], substr($0, RSTART, RLENGTH - 11))
    }
    function more(a, b) { return a + 0 > b + 0 ? a + 0 : b + 0 }
    END { for (n in r) printf "%s\t%d\t%d\t%d\t%d\n", n, r[n], s[n], stack[n], spill[n] }
' "$build"/gpu/*.ptxas | c++filt | sed 's/^void //; s/(\(anonymous namespace\|[^)]*\))\t/\t/; s/(.*)\t/\t/' | LC_ALL=C sort > "$now"
[ -s "$now" ] || { echo "no kernel in $build/gpu/*.ptxas"; exit 1; }
if [ "$1" = --update ]; then
    { echo "# kernel	registers	static shared bytes	stack	spilt: the most of any architecture; tests/lint/gpu.sh"
      cat "$now"; } > gpu/budget.txt
fi
bad=0
awk -F'\t' '
    FNR == NR { if ($0 !~ /^#/) { regs[$1] = $2; smem[$1] = $3 } next }
    { seen[$1] = 1 }
    $4 || $5 { printf "%s: %d bytes of stack, %d spilt\n", $1, $4, $5; bad = 1 }
    !($1 in regs) { printf "%s: no budget: tests/lint/gpu.sh --update\n", $1; bad = 1; next }
    $2 > regs[$1] { printf "%s: %d registers, budget %d\n", $1, $2, regs[$1]; bad = 1 }
    $3 > smem[$1] { printf "%s: %d bytes of shared memory, budget %d\n", $1, $3, smem[$1]; bad = 1 }
    END { for (k in regs) if (!(k in seen)) { printf "%s: has a budget, but is gone\n", k; bad = 1 } exit bad }
' gpu/budget.txt "$now" || bad=1
grep -HnE '\b(ld|st)\.local|\.f64\b|\b(atom|red)\.[a-z.]*(f16|f32|bf16)' "$build"/gpu/*.ptx && bad=1
exit $bad
