#ifndef BPE_TOKENIZE_H
#define BPE_TOKENIZE_H
/*
 * tokenize - files of prompts to a tokens stream: what bpe-tok does.
 *
 * Threads take chunks of lines; what they make of them is written in the order of the input,
 * so that the output is the same bytes for any number of threads.
 */
enum { INPUT_JSONL, INPUT_TEXT };
enum { ON_ERROR_FAIL, ON_ERROR_SKIP };
enum { SPECIAL_MATCH, SPECIAL_LITERAL };
enum { TRUNCATE_RIGHT, TRUNCATE_LEFT, TRUNCATE_ERROR };
enum { OFFSETS_NONE, OFFSETS_CHARS, OFFSETS_BYTES };
struct tokenize_options {
    const char *dir;                      /* tokenizer.json and, when there, config.json */
    const char *text_field, *label_field; /* NULL: prompt, else text; label, or labels */
    const char *pair_field, *id_field;    /* or NULL */
    const char *labels, *keep;            /* a,b lists, or NULL */
    int task;                             /* enum task of label.h */
    int format, on_error, special, truncate, offsets;
    int nul;                              /* plain texts end in NUL, not at line ends */
    int max_length;                       /* 0: the config's positions, if any */
    int window, stride;                   /* 0: no windows; stride: tokens that two share */
    int no_special;
    int count;                            /* lines of numbers of tokens, no stream */
    int flush_every;                      /* sequences in a record; 0: as many as fit */
    int threads;                          /* 0: one a processor */
    int progress;                         /* say how far it is even when no terminal looks */
    int skip_special;                     /* decode: leave special tokens out */
};
/* Writes the stream for n files (0: standard input) to path (NULL: standard output). */
void tokenize_run(const struct tokenize_options *o, int n, char *const *files, const char *path);
/*
 * The way back: a tokens or batch stream, or JSON lines that are lists of ids or objects with
 * `input_ids` (what tens cat --json prints), to lines {"row":R,"text":"..."}.
 */
void detokenize_run(const struct tokenize_options *o, int n, char *const *files, const char *path);
#endif
