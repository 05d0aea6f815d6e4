# layers.awk - a file may include only rooms at or below its own (one line per room).
BEGIN {
    may["common/base"]  = "common/base"
    may["formats"]      = "common/base formats"
    may["common/ops"]   = "common/base common/ops"
    may["gpu"]          = "common/base common/ops gpu gpu/attention"
    may["gpu/attention"] = "common/base common/ops gpu gpu/attention"
    may["common/bpe"]   = "common/base formats common/bpe"
    may["common/eval"]  = "common/base common/eval"
    may["common/mbert"] = "common/base common/ops common/eval formats common/mbert"
    may["tools"]        = "common/base common/ops common/bpe common/eval common/mbert formats"
}
function room(path) { sub(/\/[^\/]*$/, "", path); return path }
function allowed(from, to,    n, ok, i) {
    n = split(may[from], ok, " ")
    for (i = 1; i <= n; i++) if (ok[i] == to) return 1
    return 0
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, q, "\""); from = room(FILENAME); to = room(q[2])
    if (q[2] ~ /\.inc$/) to = from
    # the emulation takes the place of the device
    if (FILENAME == "gpu/dev.cuh" && q[2] == "emu.h") next
    # one exception: gpu sees common/ops through ops.h alone
    if (!allowed(from, to) || (from ~ /^gpu/ && to == "common/ops" && q[2] != "common/ops/ops.h")) {
        printf "%s:%d: %s may not include %s\n", FILENAME, FNR, from, to; bad = 1
    }
}
# libraries that belong to one room
/^[ \t]*#[ \t]*include[ \t]*</ {
    from = room(FILENAME)
    if (($0 ~ /<zstd/ || $0 ~ /<simdjson/ || $0 ~ /<xxhash/) && from != "formats") own = "formats"
    else if ($0 ~ /<utf8proc/ && from != "common/bpe") own = "common/bpe"
    else if ($0 ~ /<cuda|<cublas/ && from !~ /^gpu/) own = "gpu"
    else if ($0 ~ /<(cblas|omp)/ && from != "common/ops") own = "common/ops"
    else next
    if (own == "formats" && $0 ~ /<xxhash/ && from == "common/mbert") next
    printf "%s:%d: %s belongs to %s\n", FILENAME, FNR, $0, own; bad = 1
}
END { exit bad }
