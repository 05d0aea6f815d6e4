#!/bin/sh
# plants.sh - bugs planted in the attention kernels, to see that the tests see them.  Builds
# tests/emu/attention.cpp with each bug of gpu/attention/tile.cuh for a tool that must catch
# it: plain (results, emu's own checks, guard rows), address or thread (sanitizers).  TAP.
#     CXX=g++ CXXFLAGS="..." tests/emu/plants.sh DIR LIBMBERT   (DIR: for what is built)
# CXXFLAGS: those of the emulated kernels.  Run from the root of the project.
dir=${1:?usage: plants.sh DIR LIBMBERT} lib=${2:?usage: plants.sh DIR LIBMBERT}
cxx="${CXX:-g++} $CXXFLAGS -g"
mkdir -p "$dir" || exit 1

# build TOOL PLANT: $dir/TOOL.PLANT
build() {
    case $1 in
    plain) san='' hard='' ;;
    thread) san=-fsanitize=thread hard=-DEMU_TSAN ;;
    *) san=-fsanitize=$1,undefined hard='' ;;
    esac
    mkdir -p "$dir/$1" || return 1
    for f in tests/emu/*.cpp; do
        o=$dir/$1/$(basename $f .cpp).o
        case $f in
        */attention.cpp) [ -f "$o" ] || $cxx -O2 $san -c $f -o "$o" || return 1 ;;
        *) [ -f "$o" ] || $cxx -O3 $hard -c $f -o "$o" || return 1 ;;
        esac
    done
    $cxx -O1 $san -DPLANT="$2" -x c++ -c gpu/attention.cu -o "$dir/$1.$2.o" &&
        ${CXX:-g++} $san "$dir/$1.$2.o" "$dir/$1"/*.o "$lib" -o "$dir/$1.$2"
}

# verdict FILE: what was said first of the bug
verdict() {
    grep -m1 -E '^(# |emu:|WARNING: ThreadSanitizer|==.*ERROR: AddressSanitizer)' "$1" | sed 's/^# //; s/^==[0-9]*==//'
}

what() {
    case $1 in
    0) echo 'nothing planted' ;;
    1) echo 'no barrier after a load' ;;
    2) echo 'the next load before the barrier' ;;
    3) echo 'one row past the end' ;;
    4) echo 'a barrier in divergent code' ;;
    5) echo 'the barrier before the wait' ;;
    6) echo 'no warp barrier before an output is staged' ;;
    7) echo 'no warp barrier after an output is staged' ;;
    esac
}

rm -f "$dir"/*/*.o
n=0 failed=0
for case in 0:plain 0:address 0:thread 1:plain 1:thread 2:plain 3:plain 3:address 4:plain 5:plain 6:thread 7:plain; do
    plant=${case%:*} tool=${case#*:} n=$((n + 1))
    build "$tool" "$plant" || exit 1
    TSAN_OPTIONS=halt_on_error=1 timeout 600 "$dir/$tool.$plant" schedule 1 > "$dir/out" 2>&1
    status=$?
    [ $plant != 0 ] && said=": $(verdict "$dir/out")" || said=
    if [ $plant = 0 ] && [ $status = 0 ]; then
        echo "ok $n - $(what 0): $tool is content"
    elif [ $plant != 0 ] && [ $status != 0 ] && [ $status -lt 124 ] && [ "$said" != ": " ]; then
        echo "ok $n - $(what $plant): $tool sees it$said"
    else
        failed=1
        sed 's/^/# /' "$dir/out" | head -20
        echo "not ok $n - $(what $plant): $tool, status $status"
    fi
done
echo "1..$n"
exit $failed
