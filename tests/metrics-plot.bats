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

@test "files in memory that fail: 4, and says which program they were for" {
    need_strace
    fault() { strace -qq -o trace -e "trace=${1%%:*}" -e "inject=$1" metrics plot roc two -o x.svg; }
    fake 'cat'
    PATH=$TMP/fake:$PATH
    run -4 --separate-stderr fault memfd_create:error=ENOSYS
    [ "$stderr" = "metrics: can't run 'gnuplot': no file in memory: Function not implemented" ]
    run -4 --separate-stderr fault write:error=ENOSPC:when=1
    [ "$stderr" = "metrics: can't run 'gnuplot': can't write its input: No space left on device" ]
    # its output and its end, the end of its standard error: the last three, after the loader's
    n=$(strace -qq -e trace=pread64 -o /dev/stdout metrics plot roc two -o y.svg | grep -c ^pread64)
    run -4 --separate-stderr fault "pread64:error=EIO:when=$((n - 2))"
    [ "$stderr" = "metrics: can't read what 'gnuplot' wrote: Input/output error" ]
    [ ! -e x.svg ]
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
    awk 'BEGIN { printf "{\"label\":0,\"logits\":[0"; for (i = 0; i < 200; i++) printf ",1"; print "]}" }' > wide
    run -3 --separate-stderr metrics plot confusion wide
    [ "$stderr" = "metrics: 'wide': a picture of the confusion has room for 200 classes" ]
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

@test "report: one page with nothing outside it, the same bytes again" {
    need_command gnuplot python3
    metrics report two --log log.jsonl --title 'A <b>"guard"</b> & co' --bootstrap 50 -o a.html
    HOME=$TMP TZ=Asia/Tokyo COLUMNS=50 metrics report --log log.jsonl --title 'A <b>"guard"</b> & co' --bootstrap 50 < two > b.html
    cmp a.html b.html
    metrics report two --log log.jsonl --title 'A <b>"guard"</b> & co' --bootstrap 50 --seed 7 | cmp -s a.html - && false
    metrics report three --positive données --threshold 0.25 --bootstrap 1 -o c.html
    metrics report three --bootstrap 1 -o d.html
    python3 - a.html c.html d.html <<'END'
import sys
from html.parser import HTMLParser
VOID = {"meta", "br"}
class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.ids, self.count = [], set(), {}
    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        assert tag not in ("script", "img", "link", "iframe", "object", "b>"), tag
        for k, v in attrs:
            assert not k.startswith("on"), k
            if k in ("src", "href", "xlink:href"):
                assert v[0] == "#", v
            if k == "id":
                assert v not in self.ids, "twice: " + v
                self.ids.add(v)
        if tag not in VOID:
            self.open.append(tag)
    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
for name in sys.argv[1:]:
    p = Page()
    text = open(name, encoding="utf-8").read()
    p.feed(text)
    p.close()
    assert not p.open and p.count["title"] == 1, p.open
    assert p.count["svg"] == (5 if name == "a.html" else 4), p.count["svg"]
    for i in text.split("href=\"#")[1:] + text.split("href='#")[1:]:
        assert i.split('"')[0].split("'")[0] in p.ids
END
    grep -qF '<title>A &lt;b&gt;&quot;guard&quot;&lt;/b&gt; &amp; co</title>' a.html
    grep -qF "<h1>A &lt;b&gt;&quot;guard&quot;&lt;/b&gt; &amp; co</h1>" a.html
    grep -qF "positive class <b>données</b>, from a score of 0.25 on" c.html
    grep -qF '<th scope="row">it&#39;s &quot;{x}^2_y&quot; `id` 50%</th>' d.html
    grep -qF "default-src 'none'" a.html
}

@test "report: its figures are those of metrics" {
    need_command gnuplot
    metrics report two --bootstrap 20 > a.html
    # page ROW: the first number of that row
    page() { sed -n "s|^<tr><th scope=\"row\">$1</th><td>\\([^<]*\\)<.*|\\1|p" a.html | head -n 1; }
    for pair in Accuracy:accuracy "Macro F1:macro F1" AUROC:AUROC AUPRC:AUPRC "Brier score:Brier" NLL:NLL \
        "False positive rate:FPR at the threshold" "Matthews correlation:MCC" "ECE, 15 bins of equal mass:ECE (15 equal mass)"; do
        want=$(metrics two | awk -v n="${pair#*:}" 'index($0, n) == 1 { print $(1 + split(n, part, " ")); exit }')
        [ -n "$want" ] && [ "$(page "${pair%:*}")" = "$want" ] || { echo "$pair: $(page "${pair%:*}"), not $want"; false; }
    done
    # a share of rows has Wilson's interval, whatever the bootstrap
    grep -F '<th scope="row">Accuracy</th>' a.html > acc
    metrics report two --bootstrap 3 --seed 9 | grep -F '<th scope="row">Accuracy</th>' | cmp - acc
    [[ $(cat acc) == *"<td class=\"soft\">0."*" to 0."* ]]
    # AUROC has the bootstrap's
    metrics report two --bootstrap 3 --seed 9 | grep -F '<th scope="row">AUROC</th>' > auroc
    grep -F '<th scope="row">AUROC</th>' a.html | cmp -s - auroc && false
    grep -q "bootstrap with 20 replicates and seed 42" a.html
}

@test "report: one class, few rows, many classes, several labels, numbers, groups" {
    need_command gnuplot
    echo '{"label":1,"score":0.5}' > one
    metrics report one > a.html
    grep -q "No picture: no class has both positive and negative rows" a.html
    grep -q "nan\|inf<" a.html && false
    awk 'BEGIN { for (i = 0; i < 60; i++) { printf "{\"label\":%d,\"logits\":[", i % 20; for (k = 0; k < 20; k++) printf "%s%g", k ? "," : "", (k == i % 20) * 2 + (k * 7 + i * 3) % 11 / 5; print "]}" } }' > many
    metrics report many --bootstrap 2 > b.html
    grep -q 'aria-label="Confusion matrix"' b.html
    grep -q 'truth \\ predicted' b.html && false
    awk 'BEGIN { for (i = 0; i < 40; i++) printf "{\"scores\":{\"a\":%g,\"b\":%g},\"gold\":[%s],\"source\":\"<%d>\"}\n", (i * 7 % 40) / 40, (i * 3 % 40) / 40, i % 3 == 0 ? "\"a\"" : i % 3 == 1 ? "\"a\",\"b\"" : "", i % 2 }' > multi
    metrics report multi --bootstrap 2 --by source > c.html
    grep -q "several a row" c.html
    grep -q '<th scope="row">&lt;1&gt;</th><td>20</td>' c.html
    for k in roc pr reliability hist; do metrics plot $k multi > /dev/null; done
    run -3 --separate-stderr metrics plot confusion multi
    [ "$stderr" = "metrics: 'multi': rows with several labels have no confusion matrix" ]
    awk 'BEGIN { for (i = 0; i < 40; i++) printf "{\"value\":%g,\"gold\":%g}\n", i, i + i % 3 }' > values
    metrics report values --bootstrap 2 > d.html
    grep -q 'Spearman' d.html
    run -3 --separate-stderr metrics plot hist values
    [ "$stderr" = "metrics: 'values': values of a regression have no such picture" ]
}

@test "report: without gnuplot 4, a bad log, bad operands; the file is untouched" {
    mkdir bin
    ln -s "$(command -v metrics)" bin
    echo old > x.html
    run -4 --separate-stderr env PATH="$TMP/bin" metrics report two -o x.html
    [ "$stderr" = "metrics: can't run 'gnuplot': it is not installed (Debian: gnuplot-nox)" ]
    run -3 --separate-stderr metrics report two --log three -o x.html
    [ "$stderr" = "metrics: 'three': no record with 'step' and 'loss': not a log of mbert-train" ]
    run -2 --separate-stderr metrics report two three -o x.html
    [ "$stderr" = "metrics: one file of scores, not 2; try --help" ]
    [ "$(cat x.html)" = old ]
    [ -z "$(find . -name '*.tmp.*')" ]
    need_command gnuplot
    run -4 sh -c 'metrics report two --bootstrap 1 > /dev/full'
}

# browser ARG...: headless, in a profile of its own; skip unless one is installed and starts
browser() {
    local b
    for b in chromium chromium-browser google-chrome; do
        command -v $b > /dev/null || continue
        timeout 60 $b --headless --no-sandbox --disable-gpu --user-data-dir="$TMP/profile" --enable-logging=stderr "$@"
        return
    done
    skip "no headless browser is installed (chromium)"
}

@test "report: opens in a browser without a word on its console" {
    need_command gnuplot
    echo '<!DOCTYPE html><title>t</title><p>there</p><script>console.error("seen")</script>' > control.html
    browser --dump-dom "file://$TMP/control.html" > dom 2> said || skip "the browser does not start here"
    grep -q there dom || skip "the browser does not start here"
    grep -q 'CONSOLE.*seen' said # so that silence below means something
    metrics report three --log log.jsonl --title 'A <b>"guard"</b> & co' --bootstrap 2 -o a.html
    browser --dump-dom "file://$TMP/a.html" > dom 2> said
    grep CONSOLE said && false
    [ "$(grep -c '<svg role="img"' dom)" = 5 ]
    grep -qF '<h1>A &lt;b&gt;"guard"&lt;/b&gt; &amp; co</h1>' dom
    grep -qF '<th scope="row">&lt;b&gt;&amp;amp;</th>' dom
    browser --hide-scrollbars --window-size=900,4000 --screenshot="$TMP/a.png" "file://$TMP/a.html" 2> said
    [ "$(wc -c < a.png)" -gt 100000 ]
}
