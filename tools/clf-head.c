#include <stddef.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "common/mbert/verdict.h"

int
main(int argc, char **argv)
{
    struct verdict_options o = { 0 };
    const char *path = NULL;
    const struct opt table[] = {
        OPT_STR('m', "model", &o.dir, "DIR", "model directory: config.json, model.safetensors (required)"),
        OPT_FLAG(0, "logits", &o.logits, "add the logits, in order of the classes' ids"),
        OPT_FLAG(0, "stream", &o.stream, "a scores stream instead of JSON lines"),
        OPT_INT(0, "threads", &o.threads, 0, 1024, "N", "threads; 0: one a core (0)"),
        OPT_COMMON(&path),
        OPT_END
    };
    argc = opt_parse(argc, argv, "-m DIR [FILE...]", table);
    if (!o.dir)
        die_usage("no model: use -m DIR");
    struct stream_in *in = stream_open(argc, argv, "pooled|logits", 0);
    verdict_run(&o, in, path);
    stream_close(in);
    return EXIT_OK;
}
