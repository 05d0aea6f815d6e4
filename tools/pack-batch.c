#include <limits.h>
#include <stddef.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/base/opt.h"
#include "common/bpe/pack.h"

static char *
provenance(const struct pack_options *o)
{
    struct buf b = { 0 };
    buf_printf(&b, "--tokens %d", o->tokens);
    if (o->sequences)
        buf_printf(&b, " --sequences %d", o->sequences);
    if (o->shuffle)
        buf_printf(&b, " --shuffle %lld", (long long)o->seed);
    return b.p;
}

int
main(int argc, char **argv)
{
    struct pack_options o = { .tokens = PACK_TOKENS, .seed = -1 };
    const char *path = NULL;
    const struct opt table[] = {
        OPT_INT(0, "tokens", &o.tokens, 1, PACK_MAX_TOKENS, "N", "tokens in a batch (8192)"),
        OPT_INT(0, "sequences", &o.sequences, 1, INT_MAX, "N", "sequences in a batch (any number)"),
        OPT_I64(0, "shuffle", &o.seed, 0, 9e18, "SEED", "shuffle the sequences; reads all of them first"),
        OPT_COMMON(&path),
        OPT_END
    };
    argc = opt_parse(argc, argv, "[--tokens N] [--sequences N] [--shuffle SEED] [FILE...]", table);
    o.shuffle = o.seed >= 0;
    char *options = provenance(&o);
    struct stream_in *in = stream_open(argc, argv, "tokens|batch", 0);
    struct stream_out *out = stream_create(path, "batch", stream_head(in), argv0, options, 0);
    pack_run(&o, in, out);
    stream_end(out, stream_rows(in));
    stream_close(in);
    mem_free(options);
    return EXIT_OK;
}
