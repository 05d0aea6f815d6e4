#include <limits.h>
#include <stddef.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "common/mbert/train.h"

static const char *const devices[] = { "cpu", "cuda", "auto" };

int
main(int argc, char **argv)
{
    struct train_options o = { .epochs = 2, .batch = 32, .lr = 5e-5, .decay = .01, .max_norm = 1, .seed = 42,
                               .tokens = 8192, .log_every = 100 };
    int device = 0, init = 0;
    const struct opt table[] = {
        OPT_STR('m', "model", &o.dir, "DIR", "model directory to start from (required)"),
        OPT_STR('o', "output", &o.out, "DIR", "model directory to write (required)"),
        OPT_STR(0, "train", &o.train, "FILE", "labelled tokens stream (required)"),
        OPT_STR(0, "eval", &o.eval, "FILE", "labelled tokens stream, measured after each epoch"),
        OPT_STR(0, "labels", &o.labels, "A,B", "names of the classes, when the stream has none"),
        OPT_INT(0, "epochs", &o.epochs, 1, 100000, "N", "passes over the data (2)"),
        OPT_INT(0, "batch-size", &o.batch, 1, 1 << 20, "N", "prompts in an optimizer step (32)"),
        OPT_F64(0, "lr", &o.lr, 0, 10, "X", "peak learning rate (5e-5)"),
        OPT_F64(0, "weight-decay", &o.decay, 0, 10, "X", "decoupled, not on norms and biases (0.01)"),
        OPT_F64(0, "warmup-ratio", &o.warmup, 0, 1, "X", "share of the steps that warm up (0)"),
        OPT_ENUM(0, "schedule", &o.schedule, "linear|cosine|constant", "learning rate after the warm-up (linear)"),
        OPT_F64(0, "max-grad-norm", &o.max_norm, 0, 1e9, "X", "clip gradients at this norm; 0: never (1)"),
        OPT_I64(0, "seed", &o.seed, 0, 9007199254740992., "N", "of order, new weights and dropout (42)"),
        OPT_INT(0, "tokens", &o.tokens, 1, 1 << 20, "N", "tokens in memory at once (8192)"),
        OPT_INT(0, "log-every", &o.log_every, 1, INT_MAX, "N", "steps between log records (100)"),
        OPT_ENUM(0, "init", &init, "model|random", "random: config.json alone, new weights (model)"),
        OPT_FLAG(0, "force", &o.force, "replace the model directory that -o names"),
        OPT_ENUM(0, "device", &device, "cpu|cuda|auto", "where to compute (cpu)"),
        OPT_ENUM(0, "dtype", &o.dtype, "auto|f32|bf16", "type of the activations (auto)"),
        OPT_INT(0, "threads", &o.threads, 0, 1024, "N", "threads; 0: one a core (0)"),
        OPT_FLAG('q', "quiet", &quiet, "no warnings, no progress"),
        OPT_END
    };
    argc = opt_parse(argc, argv, "-m DIR -o DIR --train FILE [--eval FILE]", table);
    if (argc)
        die_usage("unexpected operand '%s': the data is --train FILE", argv[0]);
    if (!o.dir || !o.out || !o.train)
        die_usage("%s", !o.dir ? "no model: use -m DIR" : !o.out ? "no output: use -o DIR" : "no data: use --train FILE");
    o.device = devices[device];
    o.random = init;
    train_run(&o);
    return EXIT_OK;
}
