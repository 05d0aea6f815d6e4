#include <stddef.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "common/base/wait.h"
#include "common/mbert/fit.h"
#include "common/mbert/verdict.h"

/* What each way of working does not know. */
static void
check_score(const struct verdict_options *o, const struct fit_options *f)
{
    const char *stray = f->what                    ? "--fit"
                        : f->l2 >= 0               ? "--l2"
                        : f->folds                 ? "--folds"
                        : f->weights               ? "--class-weights"
                        : f->labels                ? "--labels"
                        : f->epochs                ? "--epochs"
                        : f->batch                 ? "--batch-size"
                        : f->lr >= 0               ? "--lr"
                        : f->seed >= 0             ? "--seed"
                        : f->force                 ? "--force"
                                                   : NULL;
    if (stray)
        die_usage("option %s: only with --train", stray);
    if (o->stream && o->aggregate)
        die_usage("option --aggregate: not with --stream");
}

static void
check_train(const struct verdict_options *o, struct fit_options *f)
{
    const int head = f->what == FIT_HEAD;
    const char *stray = o->logits        ? "--logits"
                        : o->stream      ? "--stream"
                        : o->calibration ? "--calibration"
                        : o->aggregate   ? "--aggregate"
                                         : NULL;
    const char *other = head && f->l2 >= 0       ? "--l2"
                        : head && f->folds       ? "--folds"
                        : !head && f->epochs     ? "--epochs"
                        : !head && f->batch      ? "--batch-size"
                        : !head && f->lr >= 0    ? "--lr"
                                                 : NULL;
    if (stray)
        die_usage("option %s: not with --train", stray);
    if (other)
        die_usage("option %s: not with --fit %s", other, head ? "head" : "classifier");
    if (f->l2 >= 0 && f->folds)
        die_usage("option --folds: not with --l2, which it is to choose");
    if (!f->out)
        die_usage("no output: use -o DIR");
    f->folds = f->folds ? f->folds : 5;
    f->epochs = f->epochs ? f->epochs : 5;
    f->batch = f->batch ? f->batch : 32;
    f->lr = f->lr >= 0 ? f->lr : 1e-3;
    f->seed = f->seed >= 0 ? f->seed : 42;
}

struct asked { struct verdict_options score; struct fit_options fit; int train; const char *path; };

static int
parse(int argc, char **argv, struct asked *a)
{
    struct verdict_options *o = &a->score;
    struct fit_options *f = &a->fit;
    const struct opt table[] = {
        OPT_STR('m', "model", &o->dir, "DIR", "model directory: config.json, model.safetensors (required)"),
        OPT_ENUM(0, "aggregate", &o->aggregate, "none|max|mean", "one verdict of a prompt's windows (none)"),
        OPT_STR(0, "calibration", &o->calibration, "FILE", "scale logits as metrics calibrate says"),
        OPT_FLAG(0, "logits", &o->logits, "add the logits, in order of the classes' ids"),
        OPT_FLAG(0, "stream", &o->stream, "a scores stream instead of JSON lines"),
        OPT_FLAG(0, "train", &a->train, "fit a head on labelled pooled vectors; -o is a directory"),
        OPT_ENUM(0, "fit", &f->what, "classifier|head", "--train: what is fitted (classifier)"),
        OPT_F64(0, "l2", &f->l2, 0, 1e9, "X", "--train: penalty on standardised weights (by --folds)"),
        OPT_INT(0, "folds", &f->folds, 2, 100, "K", "--train: choose l2 by K-fold AUROC (5)"),
        OPT_STR(0, "class-weights", &f->weights, "A,B", "--train: of the loss, or 'balanced'"),
        OPT_STR(0, "labels", &f->labels, "A,B", "--train: class names, when the stream has none"),
        OPT_INT(0, "epochs", &f->epochs, 1, 100000, "N", "--fit head: passes over the data (5)"),
        OPT_INT(0, "batch-size", &f->batch, 1, 1 << 20, "N", "--fit head: rows in a step (32)"),
        OPT_F64(0, "lr", &f->lr, 0, 10, "X", "--fit head: peak learning rate (1e-3)"),
        OPT_I64(0, "seed", &f->seed, 0, 1LL << 53, "N", "--train: of folds, order, new weights (42)"),
        OPT_FLAG(0, "force", &f->force, "--train: replace the model directory that -o names"),
        OPT_INT(0, "threads", &o->threads, 0, 1024, "N", "threads; 0: one a core (0)"),
        OPT_COMMON(&a->path),
        OPT_END
    };
    argc = opt_parse(argc, argv, "-m DIR [--train] [-o FILE] [FILE...]", table);
    if (!o->dir)
        die_usage("no model: use -m DIR");
    f->dir = o->dir;
    f->out = a->path;
    f->threads = o->threads;
    return argc;
}

int
main(int argc, char **argv)
{
    struct asked a = { .fit = { .l2 = -1, .lr = -1, .seed = -1 } };
    wait_briefly(argv);
    argc = parse(argc, argv, &a);
    if (a.train)
        check_train(&a.score, &a.fit);
    else
        check_score(&a.score, &a.fit);
    struct stream_in *in = stream_open(argc, argv, a.train ? "pooled" : "pooled|logits", 0);
    if (a.train)
        fit_run(&a.fit, in);
    else
        verdict_run(&a.score, in, a.path);
    stream_close(in);
    return EXIT_OK;
}
