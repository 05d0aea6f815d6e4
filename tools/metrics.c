#include <stddef.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "common/eval/report.h"
#include "formats/scores.h"
#include "formats/sink.h"

int
main(int argc, char **argv)
{
    const char *path = NULL, *positive = NULL;
    double threshold = .5;
    int json = 0;
    struct scores s;
    struct quality q;
    struct buf out = { 0 };
    const struct opt table[] = {
        OPT_FLAG(0, "json", &json, "one JSON object instead of a table"),
        OPT_F64(0, "threshold", &threshold, 0, 1, "P", "positive from this score on (0.5)"),
        OPT_STR(0, "positive", &positive, "NAME", "the class that is positive (the second)"),
        OPT_COMMON(&path),
        OPT_END
    };
    argc = opt_parse(argc, argv, "[FILE]", table);
    if (argc > 1)
        die_usage("one file of scores, not %d", argc);
    scores_read(&s, argc ? argv[0] : "-");
    scores_positive(&s, positive);
    if (s.unlabelled)
        warn("%lld lines without a gold label left out", (long long)s.unlabelled);
    quality_measure(&q, s.label, s.p, s.z, s.n, s.classes, threshold);
    if (json)
        report_json(&q, &out);
    else
        report_table(&q, s.name, &out);
    struct sink *to = sink_open(path);
    sink_write(to, out.p, out.n);
    sink_commit(to);
    quality_free(&q);
    scores_free(&s);
    mem_free(out.p);
    return EXIT_OK;
}
