#include <limits.h>
#include <stddef.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/opt.h"
#include "common/bpe/tokenize.h"

static void
check(const struct tokenize_options *o, int decode)
{
    if (o->format == INPUT_TEXT && !decode &&
        (o->pair_field || o->id_field || o->text_field ||
         (o->keep && strcmp(o->keep, "text"))))
        die_usage("plain text has no fields but 'text': --format text and -0 go without "
                  "--pair-field, --id-field, --text-field and other --keep");
    if (o->window && (o->pair_field || o->max_length || o->truncate))
        die_usage("option --window: not with --pair-field, --max-length or --truncate");
    if (o->stride && !o->window)
        die_usage("option --stride: only with --window");
}

static int
parse(int argc, char **argv, struct tokenize_options *o, const char **path, int *decode)
{
    const struct opt table[] = {
        OPT_STR('m', "model", &o->dir, "DIR", "directory with tokenizer.json and, for labels and limits, config.json (required)"),
        OPT_STR(0, "text-field", &o->text_field, "F", "field that holds the text (prompt, else text)"),
        OPT_STR(0, "label-field", &o->label_field, "F", "field that holds the label (label, or labels)"),
        OPT_STR(0, "pair-field", &o->pair_field, "F", "field of a second text: pairs of sequences"),
        OPT_STR(0, "id-field", &o->id_field, "F", "field that names the prompt, carried as by --keep"),
        OPT_STR(0, "labels", &o->labels, "A,B", "names of the classes in order of their ids (the model's)"),
        OPT_ENUM(0, "task", &o->task, "auto|single|multi|regression|token", "what labels mean (auto)"),
        OPT_ENUM(0, "format", &o->format, "jsonl|text", "a JSON object a line, or plain text (jsonl)"),
        OPT_FLAG('0', "null", &o->nul, "plain texts end in NUL, not at line ends"),
        OPT_STR(0, "keep", &o->keep, "A,B", "fields to carry to the scores"),
        OPT_INT(0, "max-length", &o->max_length, 1, INT_MAX, "N", "cut prompts at N tokens, special ones included"),
        OPT_ENUM(0, "truncate", &o->truncate, "right|left|error", "what is cut of a long prompt (right)"),
        OPT_INT(0, "window", &o->window, 1, INT_MAX, "N", "long prompts as several windows of N tokens"),
        OPT_INT(0, "stride", &o->stride, 0, INT_MAX, "M", "tokens that a window repeats of the one before (0)"),
        OPT_ENUM(0, "special", &o->special, "match|literal", "a special token typed in a prompt: itself, or text (match)"),
        OPT_FLAG(0, "no-special", &o->no_special, "no special tokens around the text"),
        OPT_ENUM(0, "offsets", &o->offsets, "none|chars|bytes", "where in the prompt each token is from (none)"),
        OPT_FLAG(0, "count", &o->count, "a line with the number of tokens a prompt, no stream"),
        OPT_FLAG(0, "decode", decode, "ids back to text"),
        OPT_FLAG(0, "skip-special", &o->skip_special, "with --decode: leave special tokens out"),
        OPT_ENUM(0, "on-error", &o->on_error, "fail|skip", "what to do about a bad line (fail)"),
        OPT_INT(0, "flush-every", &o->flush_every, 0, 1024, "N", "write a record every N prompts, for live pipes"),
        OPT_INT(0, "threads", &o->threads, 0, 1024, "N", "threads (one a processor)"),
        OPT_FLAG(0, "progress", &o->progress, "say how far it is, even into a log"),
        OPT_COMMON(path),
        OPT_END
    };
    return opt_parse(argc, argv, "-m DIR [FILE...]", table);
}

int
main(int argc, char **argv)
{
    struct tokenize_options o = { 0 };
    const char *path = NULL;
    int decode = 0;

    argc = parse(argc, argv, &o, &path, &decode);
    if (!o.dir)
        die_usage("no model: use -m DIR");
    if (o.nul)
        o.format = INPUT_TEXT;
    check(&o, decode);
    if (decode)
        detokenize_run(&o, argc, argv, path);
    else
        tokenize_run(&o, argc, argv, path);
    return EXIT_OK;
}
