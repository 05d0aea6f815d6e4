#include <string.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "common/eval/assess.h"
#include "common/eval/page.h"
#include "common/eval/paired.h"
#include "common/eval/picture.h"
#include "common/eval/refit.h"
#include "common/mbert/scored.h"
#include "formats/runlog.h"
#include "formats/scaling.h"
#include "formats/sink.h"

struct args {
    const char *path, *positive, *validation, *title, *log;
    char **file; /* [n] operands after the verb */
    int n, method, loaded;
    struct eval_options o;
    struct scored scored[2]; /* [loaded], of the same classes; main frees */
    struct run run;
    struct buf out; /* what a verb that prints has to say */
};

static const struct sample *
load(struct args *a, const char *path, const char *by)
{
    struct scored *s = &a->scored[a->loaded++];
    return scored_read(s, path, a->positive, by, s == a->scored ? NULL : a->scored);
}

/* The one operand, or standard input. */
static const char *
operand(const struct args *a)
{
    if (a->n > 1)
        die_usage("one file of scores, not %d", a->n);
    return a->n ? a->file[0] : "-";
}

static int
measure(struct args *a)
{
    assess_check(&a->o, a->validation != NULL);
    const struct sample *s = load(a, operand(a), a->o.by);
    return assess_run(&a->o, s, a->validation ? load(a, a->validation, NULL) : NULL, &a->out);
}

static int
compare(struct args *a)
{
    if (a->n != 2)
        die_usage("compare needs two files of scores, A and B");
    const struct sample *first = load(a, a->file[0], NULL), *second = load(a, a->file[1], NULL);
    scores_pair(&a->scored[0].scores, &a->scored[1].scores);
    paired_run(&a->o, (const char *const[]){ a->scored[0].scores.path, a->scored[1].scores.path }, first, second, &a->out);
    return EXIT_OK;
}

/* -o is the calibration; the figures go to standard output. */
static int
calibrate(struct args *a)
{
    struct refit r = { .method = a->method == SCALING_PLATT ? REFIT_PLATT : REFIT_TEMPERATURE };
    const struct sample *s = load(a, operand(a), NULL);
    refit_run(&r, s, a->o.json, &a->out);
    if (a->path)
        scaling_save(&(struct scaling){ (enum scaling_kind)a->method, s->classes, r.a, r.b }, a->path);
    a->path = NULL;
    return EXIT_OK;
}

static int
plot(struct args *a)
{
    struct drawing d;
    picture_ask(&d, a->n, a->file, a->path, a->title);
    const int training = d.kind == PICTURE_TRAINING;
    if (training)
        runlog_read(&a->run, d.from);
    picture_make(&d, training ? NULL : load(a, d.from, NULL), &a->run, a->o.threshold, &a->out);
    return EXIT_OK;
}

static int
report(struct args *a)
{
    if (a->log)
        runlog_read(&a->run, a->log);
    page_make(&(struct page){ a->title, load(a, operand(a), a->o.by), &a->o, a->log ? &a->run : NULL }, &a->out);
    return EXIT_OK;
}

/*
 * Verbs, a line each; the first is the one without a name.  options: the long names that the
 * verb takes, each between blanks.  run fills a->out, which then goes to -o, and returns the
 * status; a verb that writes its own output leaves a->out empty.
 */
static const struct verb { const char *name, *synopsis, *options; int (*run)(struct args *a); } verbs[] = {
    { "", "[OPTION...] [FILE]", " json threshold positive target-fpr target-precision validation gate bootstrap seed by "
      "output quiet ", measure },
    { "compare", "compare [OPTION...] A B", " json threshold positive metric bootstrap seed output quiet ", compare },
    { "calibrate", "calibrate [OPTION...] [FILE]", " json method output quiet ", calibrate },
    { "plot", "plot " PICTURE_NAMES " [FILE]", " positive threshold title output quiet ", plot },
    { "report", "report [OPTION...] [FILE]", " positive threshold title log by bootstrap seed output quiet ", report },
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static const struct verb *
find(const char *name)
{
    for (int i = 1; name && i < VERBS; i++)
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    return &verbs[0];
}

int
main(int argc, char **argv)
{
    struct args a = { .o = OPTIONS_NONE };
    const struct opt all[] = {
        OPT_FLAG(0, "json", &a.o.json, "one JSON object instead of a table"),
        OPT_F64(0, "threshold", &a.o.threshold, 0, 1, "P", "positive from this score on (0.5)"),
        OPT_STR(0, "positive", &a.positive, "NAME", "the class that is positive (the second)"),
        OPT_F64(0, "target-fpr", &a.o.fpr, 0, 1, "F", "the lowest threshold with this FPR at most"),
        OPT_F64(0, "target-precision", &a.o.precision, 0, 1, "P", "the threshold of most recall with this precision"),
        OPT_STR(0, "validation", &a.validation, "FILE", "scores to choose that threshold on"),
        OPT_LIST(0, "gate", &a.o.gates, "EXPR", "status 1 unless it holds, as in auroc>=0.9"),
        OPT_I64(0, "bootstrap", &a.o.bootstrap, 1, 1e6, "N", "intervals of N replicates (compare, report: 1000)"),
        OPT_I64(0, "seed", &a.o.seed, 0, 9e18, "N", "seed of the bootstrap (42)"),
        OPT_STR(0, "by", &a.o.by, "FIELD", "figures by the value of this field, too"),
        OPT_LIST(0, "metric", &a.o.metrics, "NAME", "compare: the figure to compare (auroc)"),
        OPT_ENUM(0, "method", &a.method, "temperature|platt", "calibrate: what to fit (temperature)"),
        OPT_STR(0, "title", &a.title, "TEXT", "title of the picture or page"),
        OPT_STR(0, "log", &a.log, "FILE", "report: log.jsonl of the training"),
        OPT_COMMON(&a.path),
        OPT_END
    };
    const struct verb *v = find(argc > 1 ? argv[1] : NULL);
    a.n = opt_parse_verb(argc, argv, v == verbs ? NULL : v->name, v->synopsis, v->options, all);
    a.file = argv + (v != verbs);
    const int status = v->run(&a);
    if (a.out.n)
        sink_file(a.path, a.out.p, a.out.n);
    for (int i = 0; i < a.loaded; i++)
        scored_free(&a.scored[i]);
    run_free(&a.run);
    mem_free(a.out.p);
    return status;
}
