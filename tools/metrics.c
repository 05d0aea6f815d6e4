#include <stdio.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "common/eval/report.h"
#include "common/eval/sample.h"
#include "formats/scores.h"
#include "formats/sink.h"

struct args {
    const char *path, *positive;
    char **file; /* [n] operands after the verb */
    int n, json;
    double threshold;
    struct buf out; /* what a verb that prints has to say */
};

/* Reads path and makes --positive's class the positive one. */
static struct sample
load(const struct args *a, struct scores *s, const char *path)
{
    scores_read(s, path);
    scores_positive(s, a->positive);
    if (s->unlabelled)
        warn("%lld lines without a gold label left out", (long long)s->unlabelled);
    return (struct sample){ .task = SAMPLE_SINGLE, .classes = s->classes, .n = s->n, .label = s->label,
                            .p = s->p, .z = s->z, .name = s->name };
}

static int
measure(struct args *a)
{
    struct scores s;
    struct quality q;
    if (a->n > 1)
        die_usage("one file of scores, not %d", a->n);
    const struct sample m = load(a, &s, a->n ? a->file[0] : "-");
    quality_measure(&q, m.label, m.p, m.z, m.n, m.classes, a->threshold);
    if (a->json)
        report_json(&q, &a->out);
    else
        report_table(&q, m.name, &a->out);
    quality_free(&q);
    scores_free(&s);
    return EXIT_OK;
}

/*
 * Verbs, a line each; the first is the one without a name.  options: the long names that the
 * verb takes, each between blanks.  run fills a->out, which then goes to -o, and returns the
 * status; a verb that writes its own output leaves a->out empty.
 */
static const struct verb { const char *name, *synopsis, *options; int (*run)(struct args *a); } verbs[] = {
    { "", "[FILE]", " json threshold positive output quiet ", measure },
};
enum { VERBS = sizeof verbs / sizeof *verbs, OPTIONS = 32 };

static const struct verb *
find(const char *name)
{
    for (int i = 1; name && i < VERBS; i++)
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    return &verbs[0];
}

/* Parses with the verb's part of the table; with all of it for help without a verb. */
static int
parse(const struct verb *v, int argc, char **argv, const struct opt *all)
{
    struct opt table[OPTIONS];
    char key[64];
    int n = 0;
    const int named = v != verbs;
    const int help = argc > 1 && (!strncmp(argv[1], "--help", 6) || !strcmp(argv[1], "-h"));
    for (; all->type; all++) {
        snprintf(key, sizeof key, " %s ", all->name);
        if (help || strstr(v->options, key))
            table[n++] = *all;
    }
    table[n] = *all;
    if (named)
        argv[1] = argv[0];
    return opt_parse(argc - named, argv + named, v->synopsis, table);
}

int
main(int argc, char **argv)
{
    struct args a = { .threshold = .5 };
    const struct opt all[] = {
        OPT_FLAG(0, "json", &a.json, "one JSON object instead of a table"),
        OPT_F64(0, "threshold", &a.threshold, 0, 1, "P", "positive from this score on (0.5)"),
        OPT_STR(0, "positive", &a.positive, "NAME", "the class that is positive (the second)"),
        OPT_COMMON(&a.path),
        OPT_END
    };
    const struct verb *v = find(argc > 1 ? argv[1] : NULL);
    a.n = parse(v, argc, argv, all);
    a.file = argv + (v != verbs);
    const int status = v->run(&a);
    if (a.out.n) {
        struct sink *to = sink_open(a.path);
        sink_write(to, a.out.p, a.out.n);
        sink_commit(to);
    }
    mem_free(a.out.p);
    return status;
}
