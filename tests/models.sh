#!/usr/bin/env bash
# models.sh - the model directory of an encoder case.
#
#     dir=$(tests/models.sh CASE) || the reason is what it printed
#
# Small cases lie in tests/golden/encoder or in the shared references.  A case that stores no weights
# (`model.cmd`) is made once under build/models (numpy needed), its checksum compared; the
# directory then holds the case's files beside the model.  Exit status 1: not here, and why, in one line.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath -m "${MBERT_BUILD:-build}") shared=$(realpath -m "${MBERT_SHARED:-../shared}")
case=$1
golden=$shared/golden/encoder/$case
no() { echo "$1"; exit 1; }

[ ! -d "tests/golden/encoder/$case" ] || { realpath "tests/golden/encoder/$case"; exit; }
[ -d "$golden" ] || no "no shared reference golden/encoder/$case (set MBERT_SHARED)"
[ -f "$golden/model.cmd" ] || { echo "$golden"; exit; }
dir=$build/models/$case
mkdir -p "$build/models"
exec 9> "$dir.lock"
flock 9
[ ! -d "$dir" ] || { echo "$dir"; exit; }
for python in /usr/bin/python3 python3; do
    "$python" -c 'import numpy' 2>/dev/null && break
    python=
done
[ -n "$python" ] || no "python3 with numpy is not installed"
rm -rf "$dir.new"
read -r _ args < "$golden/model.cmd"
# shellcheck disable=SC2086
"$python" "$shared/tools/make-model.py" ${args% DIR} "$dir.new" > "$dir.log" 2>&1 || no "make-model.py failed for $case"
want=$(awk '{ print $1 }' "$golden/model.sha256")
got=$(sha256sum "$dir.new/model.safetensors" | awk '{ print $1 }')
[ "$got" = "$want" ] || no "make-model.py made another $case than the reference"
cp "$golden"/{inputs.safetensors,expected.safetensors,errors.json} "$dir.new"
mv "$dir.new" "$dir"
echo "$dir"
