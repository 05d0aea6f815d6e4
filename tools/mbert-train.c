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
    if (!o->out)
        die_usage("no output: use -o DIR");
    if (!o->train)
        die_usage("no data: use --train FILE");
}

int
main(int argc, char **argv)
{
    struct train_options o = { .epochs = 2, .batch = 32, .lr = 5e-5, .decay = .01,
                               .max_norm = 1, .seed = 42, .tokens = 8192,
                               .log_every = 100 };
    int device = 0;
    wait_briefly(argv);
    const struct opt table[] = {
        OPT_STR('m', "model", &o.dir, "DIR", "model directory to start from (required)"),
        OPT_STR('o', "output", &o.out, "DIR", "model directory to write (required)"),
        OPT_STR(0, "train", &o.train, "FILE", "labelled tokens stream (required)"),
        OPT_STR(0, "eval", &o.eval, "FILE", "labelled tokens, measured after each epoch"),
        OPT_STR(0, "labels", &o.labels, "A,B", "class names, when the stream has none"),
        OPT_INT(0, "epochs", &o.epochs, 1, 100000, "N", "passes over the data (2)"),
        OPT_INT(0, "batch-size", &o.batch, 1, 1 << 20, "N", "prompts in a step (32)"),
        OPT_F64(0, "lr", &o.lr, 0, 10, "X", "peak learning rate (5e-5)"),
        OPT_F64(0, "weight-decay", &o.decay, 0, 10, "X", "not on norms, biases (0.01)"),
        OPT_F64(0, "warmup-ratio", &o.warmup, 0, 1, "X", "share of warm-up steps (0)"),
        OPT_ENUM(0, "schedule", &o.schedule, "linear|cosine|constant", "of lr (linear)"),
        OPT_F64(0, "max-grad-norm", &o.max_norm, 0, 1e9, "X", "clip; 0: never (1)"),
        OPT_I64(0, "seed", &o.seed, 0, 1LL << 53, "N", "order, new weights, dropout (42)"),
        OPT_INT(0, "tokens", &o.tokens, 1, 1 << 20, "N", "tokens in memory at once (8192)"),
        OPT_INT(0, "log-every", &o.log_every, 1, INT_MAX, "N", "steps a record (100)"),
        OPT_ENUM(0, "init", &o.random, "model|random", "random: config.json alone (model)"),
        OPT_FLAG(0, "force", &o.force, "replace the model directory that -o names"),
        OPT_ENUM(0, "device", &device, "cpu|cuda|auto", "where to compute (cpu)"),
        OPT_ENUM(0, "dtype", &o.dtype, "auto|f32|bf16", "type of the activations (auto)"),
        OPT_INT(0, "threads", &o.threads, 0, 1024, "N", "threads; 0: one a core (0)"),
        OPT_FLAG('q', "quiet", &quiet, "no warnings, no progress"),
        OPT_END
    };
    argc = opt_parse(argc, argv, "-m DIR -o DIR --train FILE [--eval FILE]", table);
    need(&o, argc ? argv[0] : NULL);
    o.device = devices[device];
    train_run(&o);
    return EXIT_OK;
}
