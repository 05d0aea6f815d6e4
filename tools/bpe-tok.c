#include <limits.h>
#include <stddef.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "common/bpe/tokenize.h"

int
main(int argc, char **argv)
{
    struct tokenize_options o = { 0 };
    const char *path = NULL;
    int decode = 0, threads = 0;
    const struct opt table[] = {
        OPT_STR('m', "model", &o.dir, "DIR", "directory with tokenizer.json and, for labels and limits, config.json (required)"),
        OPT_STR(0, "text-field", &o.text_field, "F", "field that holds the text (prompt, else text)"),
        OPT_STR(0, "label-field", &o.label_field, "F", "field that holds the label (label)"),
        OPT_STR(0, "labels", &o.labels, "A,B", "names of the classes in order of their ids (the model's)"),
        OPT_ENUM(0, "task", &o.task, "auto|single|multi|regression", "what labels mean (auto)"),
        OPT_ENUM(0, "format", &o.format, "jsonl|text", "a JSON object a line, or plain text (jsonl)"),
        OPT_STR(0, "keep", &o.keep, "A,B", "fields to carry to the scores"),
        OPT_INT(0, "max-length", &o.max_length, 1, INT_MAX, "N", "cut prompts at N tokens, special ones included"),
        OPT_FLAG(0, "no-special", &o.no_special, "no special tokens around the text"),
        OPT_FLAG(0, "decode", &decode, "ids back to text"),
        OPT_FLAG(0, "skip-special", &o.skip_special, "with --decode: leave special tokens out"),
        OPT_ENUM(0, "on-error", &o.on_error, "fail|skip", "what to do about a bad line (fail)"),
        OPT_INT(0, "flush-every", &o.flush_every, 0, 1024, "N", "write a record every N prompts (1024)"),
        OPT_INT(0, "threads", &threads, 0, 1024, "N", "accepted; one thread is used"),
        OPT_COMMON(&path),
        OPT_END
    };
    argc = opt_parse(argc, argv, "-m DIR [FILE...]", table);
    if (!o.dir)
        die_usage("no model: use -m DIR");
    if (decode)
        detokenize_run(&o, argc, argv, path);
    else
        tokenize_run(&o, argc, argv, path);
    return EXIT_OK;
}
