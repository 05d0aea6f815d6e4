#include <limits.h>
#include <stddef.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "common/base/wait.h"
#include "common/mbert/train.h"

static const char *const devices[] = { "cpu", "cuda", "auto" };

static void
need(const struct train_options *o, const char *operand)
{
    if (operand)
        die_usage("unexpected operand '%s': the data is --train FILE", operand);
    if (!o->dir)
        die_usage("no model: use -m DIR");
    if (!o->out && !o->dry_run && !o->overfit)
        die_usage("no output: use -o DIR");
    if (!o->train)
        die_usage("no data: use --train FILE");
}

static int
parse(int argc, char **argv, struct train_options *o)
{
    int device = 0;
    const struct opt table[] = {
        OPT_STR('m', "model", &o->dir, "DIR", "model directory to start from (required)"),
        OPT_STR('o', "output", &o->out, "DIR", "model directory to write (required)"),
        OPT_STR(0, "train", &o->train, "FILE", "labelled tokens stream (required)"),
        OPT_STR(0, "eval", &o->eval, "FILE", "labelled tokens, measured after each epoch"),
        OPT_INT(0, "eval-every", &o->eval_every, 0, INT_MAX, "N", "measure every N steps; 0: each epoch (0)"),
        OPT_ENUM(0, "best", &o->best, "none|f1|accuracy|auroc|loss", "keep the weights best by this figure (none)"),
        OPT_INT(0, "patience", &o->patience, 0, INT_MAX, "N", "end after N evaluations that are no better; 0: never (0)"),
        OPT_INT(0, "save-every", &o->save_every, 0, INT_MAX, "N", "a checkpoint every N steps; 0: none (0)"),
        OPT_INT(0, "keep", &o->keep, 1, 1000, "N", "checkpoints to keep (3)"),
        OPT_FLAG(0, "resume", &o->resume, "go on from the newest checkpoint in -o DIR"),
        OPT_STR(0, "labels", &o->labels, "A,B", "class names, when the stream has none"),
        OPT_ENUM(0, "task", &o->task, "auto|mlm", "auto: as the labels are; mlm: hidden words (auto)"),
        OPT_F64(0, "mask", &o->mask, .001, .999, "X", "with --task mlm: share of tokens hidden (0.3)"),
        OPT_INT(0, "epochs", &o->epochs, 1, 100000, "N", "passes over the data (2)"),
        OPT_INT(0, "batch-size", &o->batch, 1, 1 << 20, "N", "prompts in a step (32)"),
        OPT_F64(0, "lr", &o->lr, 0, 10, "X", "peak learning rate (5e-5)"),
        OPT_F64(0, "weight-decay", &o->decay, 0, 10, "X", "not on norms, biases (0.01)"),
        OPT_F64(0, "beta1", &o->beta1, 0, .999999, "X", "AdamW's decay of the mean (0.9)"),
        OPT_F64(0, "beta2", &o->beta2, 0, .99999999, "X", "AdamW's decay of the square (0.999)"),
        OPT_F64(0, "eps", &o->eps, 1e-16, 1, "X", "AdamW's epsilon (1e-8)"),
        OPT_F64(0, "warmup-ratio", &o->warmup, 0, 1, "X", "share of warm-up steps (0)"),
        OPT_INT(0, "warmup-steps", &o->warmup_steps, 0, INT_MAX, "N", "or their number (0)"),
        OPT_ENUM(0, "schedule", &o->schedule, "linear|cosine|constant|wsd", "of lr (linear)"),
        OPT_F64(0, "decay-ratio", &o->decay_share, .0001, 1, "X", "with wsd: share of the steps it falls in (0.1)"),
        OPT_F64(0, "llrd", &o->llrd, .01, 1, "X", "a layer's lr is X times that of the layer above (1)"),
        OPT_STR(0, "freeze", &o->freeze, "N", "lowest N layers and the embeddings stay; 'encoder': all of it"),
        OPT_STR(0, "class-weights", &o->class_weights, "A,B", "of the loss, or 'balanced'"),
        OPT_F64(0, "label-smoothing", &o->smoothing, 0, .999, "X", "share of the truth given to all classes (0)"),
        OPT_F64(0, "focal", &o->focal, 0, 10, "G", "focal loss with this gamma (0)"),
        OPT_F64(0, "max-grad-norm", &o->max_norm, 0, 1e9, "X", "clip; 0: never (1)"),
        OPT_INT(0, "skip-nonfinite", &o->skip, 0, INT_MAX, "N", "leave out at most N steps that are not finite (0)"),
        OPT_I64(0, "seed", &o->seed, 0, 1LL << 53, "N", "order, new weights, dropout (42)"),
        OPT_INT(0, "tokens", &o->tokens, 1, 1 << 20, "N", "tokens in memory at once (8192)"),
        OPT_FLAG(0, "recompute", &o->recompute, "keep less of each layer, compute it again: less memory"),
        OPT_INT(0, "log-every", &o->log_every, 1, INT_MAX, "N", "steps a record (100)"),
        OPT_INT(0, "report-every", &o->report_every, 1, INT_MAX, "S", "seconds between lines, when no terminal (10)"),
        OPT_ENUM(0, "init", &o->random, "model|random", "random: config.json alone (model)"),
        OPT_FLAG(0, "force", &o->force, "replace the model directory that -o names"),
        OPT_FLAG(0, "dry-run", &o->dry_run, "print what it would take, train nothing"),
        OPT_INT(0, "overfit", &o->overfit, 0, INT_MAX, "N", "see whether N rows can be learned, write nothing"),
        OPT_ENUM(0, "device", &device, "cpu|cuda|auto", "where to compute (cpu)"),
        OPT_ENUM(0, "dtype", &o->dtype, "auto|f32|bf16", "type of the activations (auto)"),
        OPT_INT(0, "threads", &o->threads, 0, 1024, "N", "threads; 0: one a core (0)"),
        OPT_FLAG('q', "quiet", &quiet, "no warnings, no progress"),
        OPT_END
    };
    argc = opt_parse(argc, argv, "-m DIR -o DIR --train FILE [--eval FILE]", table);
    o->device = devices[device];
    return argc;
}

int
main(int argc, char **argv)
{
    struct train_options o = { .epochs = 2, .batch = 32, .lr = 5e-5, .decay = .01,
                               .max_norm = 1, .seed = 42, .tokens = 8192, .keep = 3,
                               .log_every = 100, .report_every = 10, .beta1 = .9,
                               .beta2 = .999, .eps = 1e-8, .llrd = 1, .decay_share = .1,
                               .mask = .3 };
    wait_briefly(argv);
    argc = parse(argc, argv, &o);
    need(&o, argc ? argv[0] : NULL);
    return train_run(&o);
}
