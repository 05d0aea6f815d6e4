# man.bats - the pages: lint, options in both directions, and every EXAMPLES line run
load helper

setup_file() {
    FIXTURES=$("$ROOT/tests/fixtures.sh")
    export FIXTURES
}

# commands PAGE: the `$ ` lines of EXAMPLES as a reader sees them, `\` at the end joined
commands() {
    mandoc -Tutf8 -O width=500 "$1" | sed 's/.\x08//g' | awk '
        /^[A-Z]/ { inside = /^EXAMPLES/ }
        more { sub(/^ */, ""); line = line " " $0 }
        !more && inside && /^ *\$ / { line = $0; sub(/^ *\$ /, "", line) }
        !more && !(inside && /^ *\$ /) { next }
        { more = sub(/ *\\$/, "", line); if (!more) print line }'
}

# run_page PAGE: each command in one scratch copy, in order; status 0 or the one that a
# trailing "# status N" gives; what draws without gnuplot: 4
run_page() {
    need_command mandoc
    local page=$ROOT/man/$1 line want got n=0
    cp -R "$FIXTURES/." "$TMP"
    cd "$TMP"
    commands "$page" > list
    while IFS= read -r line <&3; do
        want=0
        [[ $line =~ \#\ status\ ([0-9]+)$ ]] && want=${BASH_REMATCH[1]}
        [[ $line =~ ^metrics\ (plot|report) ]] && ! command -v gnuplot > /dev/null && want=4
        got=0
        bash -c "$line" < /dev/null > log 2>&1 3>&- || got=$?
        [ "$got" = "$want" ] || { echo "$1: status $got, not $want: $line"; cat log; return 1; }
        n=$((n + 1))
    done 3< list
    [ "$n" -ge "$2" ] || { echo "$1: $n examples, fewer than $2"; return 1; }
}

@test "every page passes mandoc -Tlint" {
    need_command mandoc
    cd "$ROOT"
    run -0 mandoc -Tlint -W warning man/*.[157]
}

@test "every tool and page is covered below" {
    cd "$ROOT"
    for p in man/*.[157]; do
        grep -q "run_page ${p#man/} " tests/man.bats || { echo "$p"; false; }
    done
}

@test "options of --help-options and .It Fl entries agree, both ways" {
    cd "$ROOT"
    for t in tools/*.c; do
        b=$(basename "$t" .c)
        "$b" --help-options | awk -F '\t' '{ print "--" $1; if ($2 != "") print "-" $2 }' |
            sort > "$TMP/tool"
        awk '$1 == ".It" && $2 == "Fl" {
                 for (i = 2; i < NF; i++) if ($i == "Fl") print "-" $(i + 1) }' "man/$b.1" |
            sort -u > "$TMP/page"
        diff "$TMP/tool" "$TMP/page" || { echo "$b: < only in --help-options, > only in the page"; false; }
    done
}

@test "--help shows the same options, and the name of the argument" {
    cd "$ROOT"
    for t in tools/*.c; do
        b=$(basename "$t" .c)
        "$b" --help > "$TMP/help"
        "$b" --help-options | while IFS=$'\t' read -r name _; do
            grep -qe "--$name\b" "$TMP/help" || { echo "$b --$name"; exit 1; }
        done
    done
}

@test "every tool's page has the sections, in order" {
    cd "$ROOT"
    for t in tools/*.c; do
        b=$(basename "$t" .c)
        sed -n 's/^\.Sh //p' "man/$b.1" |
            grep -xE 'NAME|SYNOPSIS|DESCRIPTION|ENVIRONMENT|FILES|EXIT STATUS|EXAMPLES|SEE ALSO' > "$TMP/have"
        printf '%s\n' NAME SYNOPSIS DESCRIPTION ENVIRONMENT FILES 'EXIT STATUS' EXAMPLES 'SEE ALSO' |
            diff - "$TMP/have" || { echo "$b.1"; false; }
    done
}

@test "EXAMPLES of bpe-tok(1)" { run_page bpe-tok.1 3; }
@test "EXAMPLES of pack-batch(1)" { run_page pack-batch.1 2; }
@test "EXAMPLES of mbert-fwd(1)" { run_page mbert-fwd.1 3; }
@test "EXAMPLES of clf-head(1)" { run_page clf-head.1 2; }
@test "EXAMPLES of mbert-train(1)" { run_page mbert-train.1 2; }
@test "EXAMPLES of metrics(1)" { run_page metrics.1 13; }
@test "EXAMPLES of tens(1)" { run_page tens.1 3; }
@test "EXAMPLES of mbert-stream(5)" { run_page mbert-stream.5 1; }
@test "EXAMPLES of mbert-tools(7)" { run_page mbert-tools.7 10; }

@test "the model written out in mbert-tools(7), in numpy, gives the tools' logits" {
    need_numpy
    cd "$FIXTURES"
    tens cat --json prompts.st.zst > "$TMP/tokens"
    pack-batch prompts.st.zst | mbert-fwd --dtype f32 -m guard | clf-head --logits -m guard > "$TMP/scores"
    "$PYTHON" "$ROOT/tests/spec/model.py" guard "$TMP/tokens" "$TMP/scores"
}
