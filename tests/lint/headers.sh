#!/bin/sh
# headers.sh - every header compiles alone, as C (and what C++ may see, as C++; the
# GPU module's as the emulation sees them).
bad=0
for h in common/*/*.h formats/*.h; do
    case $h in *simd*) continue ;; esac
    ${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -fopenmp -fsyntax-only -x c "$h" || bad=1
done
for h in formats/json.h common/ops/ops.h; do
    ${CXX:-c++} -std=c++17 -I. -Wall -Wextra -Werror -fsyntax-only -x c++ "$h" || bad=1
done
for h in gpu/*.cuh gpu/*/*.cuh; do
    ${CXX:-c++} -std=c++17 -I. -Itests/emu -Wall -Wextra -Werror -Wno-unknown-pragmas \
        -Wno-unused-function -fsyntax-only -x c++ "$h" || bad=1
done
exit $bad
