# metrics-plot.bats - pictures and the page: every kind and form, names that bite, no gnuplot
load helper

# rows COUNT: rows of three classes whose names are markup everywhere
rows() {
    awk -v n="$1" 'BEGIN {
        for (i = 0; i < n; i++) {
            a = (i * 7 % 11 + 1) / 20; b = (1 - a) * (i * 5 % 13 + 1) / 15
            split("<b>&amp;|it'\''s \\\"{x}^2_y\\\" `id` 50%|données", name, "|")
            printf "{\"scores\":{\"%s\":%.6f,\"%s\":%.6f,\"%s\":%.6f},\"gold\":\"%s\"}\n", name[1], a, name[2], b, name[3], 1 - a - b, name[i % 3 + 1]
        }
    }'
}

log() {
    awk 'BEGIN {
        for (s = 1; s <= 30; s++) {
            printf "{\"step\":%d,\"epoch\":%g,\"loss\":%g,\"lr\":%g,\"grad_norm\":%g,\"tokens_per_s\":9}\n", s, s / 10, 1 / s, 5e-5 * (1 - s / 30), 1 + s % 3
            if (s % 10 == 0)
                printf "{\"step\":%d,\"epoch\":%g,\"eval_loss\":%g,\"eval_accuracy\":%g,\"eval_new\":0.5}\n", s, s / 10, 1.1 / s, 1 - 1 / s
        }
    }'
}

setup() {
    cd "$TMP"
    unset COLUMNS LINES
    cp "$GOLDEN/metrics/ties.jsonl" two
    rows 60 > three
    log > log.jsonl
}

# each KIND FILE of the pictures
pictures() {
    local k f
    for k in roc pr reliability confusion hist; do
        for f in two three; do echo "$k $f"; done
    done
    echo training log.jsonl
}

xml() { python3 -c 'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' "$1"; }

@test "every picture as SVG: well-formed, and the same bytes whatever surrounds it" {
    need_command gnuplot python3
    mkdir home
    echo 'set title "not mine"' | tee home/.gnuplot > home/.gnuplotrc
    while read -r kind file; do
        metrics plot "$kind" "$file" -o a.svg
        xml a.svg || { echo "$kind $file"; false; }
        HOME=$TMP/home LC_ALL=de_DE.UTF-8 TZ=Asia/Tokyo COLUMNS=50 GNUTERM=png metrics plot "$kind" -o b.svg < "$file"
        cmp a.svg b.svg
        grep -q '<rect x="0" y="0" .* fill="#ffffff"' a.svg
    done < <(pictures)
}

@test "every picture as PNG" {
    need_command gnuplot
    while read -r kind file; do
        metrics plot "$kind" "$file" -o a.png
        [ "$(head -c 8 a.png | od -An -tx1 | tr -d ' ')" = 89504e470d0a1a0a ]
        metrics plot "$kind" "$file" -o b.png
        cmp a.png b.png
    done < <(pictures)
}

@test "every picture as text, of the size that is asked for" {
    need_command gnuplot
    while read -r kind file; do
        metrics plot "$kind" "$file" > a
        [ "$(wc -l < a)" -le 24 ] && [ "$(wc -l < a)" -ge 15 ]
        [ "$(wc -L < a)" -le 80 ] && [ "$(wc -L < a)" -ge 60 ]
        COLUMNS=120 LINES=40 metrics plot "$kind" -o - "$file" > b
        [ "$(wc -l < b)" -gt 30 ] && [ "$(wc -l < b)" -le 40 ]
        [ "$(wc -L < b)" -gt 100 ] && [ "$(wc -L < b)" -le 120 ]
    done < <(pictures)
    # sizes that make no sense are those of a small terminal
    COLUMNS=1 LINES=-3 metrics plot roc two > a
    [ "$(wc -L < a)" -le 40 ] && [ "$(wc -l < a)" -le 24 ]
    COLUMNS=99999999999999999999 LINES=x metrics plot roc two > a
    [ "$(wc -L < a)" -le 500 ]
}

@test "on a terminal the picture has its size" {
    need_command gnuplot
    need_terminal
    script -qec "stty cols 100 rows 31; metrics plot roc two" /dev/null < /dev/null | tr -d '\r' > a
    [ "$(wc -L < a)" -le 100 ] && [ "$(wc -L < a)" -gt 90 ]
    [ "$(wc -l < a)" -le 30 ] && [ "$(wc -l < a)" -gt 24 ]
}

@test "what a picture says: areas, the threshold, counts, titles, --positive" {
    need_command gnuplot
    metrics plot roc two > a
    auroc=$(metrics two | awk '$1 == "AUROC" { print $2 }')
    grep -q "AUROC $auroc" a
    grep -q "at threshold 0.5" a
    metrics plot roc --threshold 0.25 --title "it's {mine}" two | grep -q "it's {mine}"
    metrics plot roc --threshold 0.25 two | grep -q "at threshold 0.25"
    metrics plot pr two | grep -q "AUPRC $(metrics two | awk '$1 == "AUPRC" { print $2 }')"
    metrics plot reliability two | grep -q "ECE $(metrics two | awk '$1 == "ECE" { print $NF }')"
    metrics plot roc three | grep -q "each class against the rest"
    metrics plot roc --positive données three | grep -q "ROC of 'données'"
    metrics plot confusion -o c.svg three
    grep -q "it's \"{x}^2_y\"" c.svg
    grep -q "&lt;b>&amp;amp;" c.svg
}

@test "no gnuplot: 4, and says what to install; the file is untouched" {
    mkdir bin
    ln -s "$(command -v metrics)" bin
    echo old > x.svg
    run -4 --separate-stderr env PATH="$TMP/bin" metrics plot roc two -o x.svg
    [ "$stderr" = "metrics: can't run 'gnuplot': it is not installed (Debian: gnuplot-nox)" ]
    run -4 --separate-stderr env PATH="$TMP/bin" metrics plot training log.jsonl
    [ "$stderr" = "metrics: can't run 'gnuplot': it is not installed (Debian: gnuplot-nox)" ]
    [ "$(cat x.svg)" = old ]
}

# fake BODY: a gnuplot of ours, first in PATH
fake() {
    mkdir -p fake
    printf '#!/bin/sh\n%s\n' "$1" > fake/gnuplot
    chmod +x fake/gnuplot
}

@test "a gnuplot that fails, dies, is silent or does not read: 4, nothing written" {
    echo old > x.svg
    fake 'cat > /dev/null; echo "line 3: no such terminal" >&2; exit 1'
    PATH=$TMP/fake:$PATH run -4 --separate-stderr metrics plot roc two -o x.svg
    [ "$stderr" = "metrics: 'gnuplot' ended with status 1: line 3: no such terminal" ]
    fake 'kill -KILL $$'
    PATH=$TMP/fake:$PATH run -4 --separate-stderr metrics plot roc two -o x.svg
    [ "$stderr" = "metrics: 'gnuplot' was killed by signal 9" ]
    fake 'exit 0'
    PATH=$TMP/fake:$PATH run -4 --separate-stderr metrics plot roc two -o x.svg
    [ "$stderr" = "metrics: 'gnuplot' drew nothing" ]
    [ "$(cat x.svg)" = old ]
    [ -z "$(find . -name '*tmp*')" ]
    fake 'echo half'
    PATH=$TMP/fake:$PATH metrics plot roc two -o x.svg
    [ "$(cat x.svg)" = half ]
}

@test "usage: kinds, suffixes, operands" {
    want="metrics: plot: wants one of roc|pr|reliability|confusion|hist|training, then at most one file; try --help"
    run -2 --separate-stderr metrics plot
    [ "$stderr" = "$want" ]
    run -2 --separate-stderr metrics plot pie two
    [ "$stderr" = "$want" ]
    run -2 --separate-stderr metrics plot roc two three
    [ "$stderr" = "$want" ]
    run -2 --separate-stderr metrics plot roc two -o x.pdf
    [ "$stderr" = "metrics: option --output: 'x.pdf' ends neither in .svg nor in .png; try --help" ]
    run -2 --separate-stderr metrics plot roc two -o .svg
    run -2 --separate-stderr metrics plot roc two --json
    [ "$stderr" = "metrics: unknown or ambiguous option '--json'; try --help" ]
    run -2 --separate-stderr metrics --title x two
    [ "$stderr" = "metrics: unknown or ambiguous option '--title'; try --help" ]
}

@test "what has no picture: one class alone, a log that is none" {
    echo '{"label":1,"score":0.5}' > one
    for k in roc pr; do
        run -3 --separate-stderr metrics plot $k one
        [ "$stderr" = "metrics: 'one': no class has both positive and negative rows: there is no curve" ]
    done
    run -3 --separate-stderr metrics plot training two
    [ "$stderr" = "metrics: 'two': no record with 'step' and 'loss': not a log of mbert-train" ]
    run -3 metrics plot roc /dev/null
    need_command gnuplot
    for k in reliability confusion hist; do metrics plot $k one > /dev/null; done
    head -n 1 log.jsonl > short
    metrics plot training short > /dev/null
    metrics plot training short -o x.svg
}

@test "a closed reader, a full disk" {
    need_command gnuplot
    run -4 sh -c 'metrics plot roc two > /dev/full'
    metrics plot roc two | head -c 1 > /dev/null
}
