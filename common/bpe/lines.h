#ifndef BPE_LINES_H
#define BPE_LINES_H
/*
 * lines - the prompts of several files, one a line: JSON objects or plain text.
 */
#include "common/bpe/tokenize.h"
#include "formats/jsonl.h"
struct lines {
    const struct tokenize_options *o;
    int n, at;              /* files, and the next one to open */
    char *const *files;
    struct jsonl in;
    int open;
    int64_t base, rows;     /* lines of the files before; of all so far */
    int64_t lineno;         /* in this file, from 1 */
    char why[192];
};
struct line {
    const char *text;       /* n bytes of UTF-8 */
    size_t n;
    int64_t row;            /* 0-based over all files */
    int object, labelled;   /* value is the line's object; label is its label */
    struct json_value value, label;
};
void lines_open(struct lines *l, const struct tokenize_options *o, int n, char *const *files);
/* 1: *line; 0: no more; -1: *why is wrong with this line; -2: the file is damaged here. */
int lines_next(struct lines *l, struct line *line, const char **why);
const char *lines_name(const struct lines *l);
void lines_close(struct lines *l);
/* NULL, or what is wrong with s[0..n) as UTF-8 (overlong, surrogate, beyond U+10FFFF, cut). */
const char *lines_utf8(const char *s, size_t n);
#endif
