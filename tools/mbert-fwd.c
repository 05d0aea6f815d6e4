#include <stddef.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "common/base/wait.h"
#include "common/mbert/infer.h"
#include "formats/stream.h"

static const char *const devices[] = { "cpu", "cuda", "auto" };

static int
stop_after(struct infer *f, void (*verb)(const struct infer *))
{
    verb(f);
    infer_close(f);
    stdout_close();
    return EXIT_OK;
}

int
main(int argc, char **argv)
{
    struct infer_options o = { .emit = -1, .pooling = -1 };
    const char *path = NULL;
    int device = 0, print = 0;
    const struct opt table[] = {
        OPT_STR('m', "model", &o.dir, "DIR",
                "model directory: config.json, model.safetensors (required)"),
        OPT_ENUM(0, "emit", &o.emit, "pooled|hidden|layers|logits",
                 "what to write (pooled; of a token classifier logits)"),
        OPT_ENUM(0, "pooling", &o.pooling, "cls|mean",
                 "how a sequence becomes a vector (as config.json says)"),
        OPT_FLAG(0, "normalize", &o.normalize, "pooled vectors of length 1"),
        OPT_ENUM(0, "attention", &o.attention_global, "config|global",
                 "global: ignore the windows (config)"),
        OPT_ENUM(0, "device", &device, "cpu|cuda|auto", "where to compute (cpu)"),
        OPT_ENUM(0, "dtype", &o.dtype, "auto|f32|bf16|int8", "how to multiply (auto)"),
        OPT_INT(0, "threads", &o.threads, 0, 1024, "N", "threads; 0: one a core (0)"),
        OPT_FLAG(0, "pack", &o.pack, "keep packed weights beside the model, and stop"),
        OPT_FLAG(0, "print-config", &print, "print what was resolved and stop"),
        OPT_COMMON(&path),
        OPT_END
    };
    wait_briefly(argv);
    argc = opt_parse(argc, argv, "-m DIR [FILE...]", table);
    o.device = devices[device];
    struct infer *f = infer_open(&o);
    if (print || o.pack)
        return stop_after(f, o.pack ? infer_pack : infer_print);
    struct stream_in *in = stream_open(argc, argv, "tokens|batch", 0);
    struct stream_out *out =
        stream_create(path, infer_kind(f), stream_head(in), argv0, infer_provenance(f), 0);
    infer_run(f, in, out);
    stream_end(out, stream_rows(in));
    stream_close(in);
    infer_close(f);
    return EXIT_OK;
}
