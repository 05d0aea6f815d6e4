#ifndef BPE_TOKENIZE_H
#define BPE_TOKENIZE_H
/*
 * tokenize - files of prompts to a tokens stream: what bpe-tok does.
 */
enum { INPUT_JSONL, INPUT_TEXT };
enum { ON_ERROR_FAIL, ON_ERROR_SKIP };
struct tokenize_options {
    const char *dir;                      /* tokenizer.json and, when there, config.json */
    const char *text_field, *label_field; /* NULL: prompt, else text; label_field NULL: label */
    const char *labels, *keep;            /* a,b lists, or NULL */
    int task;                             /* enum task of label.h */
    int format, on_error;
    int max_length;                       /* 0: the config's positions, if any */
    int no_special;
    int flush_every;                      /* sequences in a record at most; 0: 1,024 */
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
