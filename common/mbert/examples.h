#ifndef MBERT_EXAMPLES_H
#define MBERT_EXAMPLES_H
/*
 * examples - a tokens stream, labelled unless for MLM, held in memory: what training goes
 * over again and again.  A pipe is thereby spooled; ids take 4 bytes each.
 */
#include <stdint.h>
#include "common/base/mem.h"
#include "formats/config.h"

struct examples {
    char *name;              /* of the stream, for messages */
    int64_t n, tokens;
    int64_t unlabelled;      /* rows left out */
    int64_t truncated;       /* rows kept whose text had been cut */
    int64_t scored;          /* labels to learn from: n, or tokens that have a class */
    struct buf ids;          /* int [tokens] */
    struct buf start;        /* int64_t [n+1] */
    struct buf labels;       /* int [n] (single), float [n * width] (multi, regression), */
                             /* int [tokens], -100 for none (token), nothing (MLM) */
    enum problem problem;    /* I32 [B] single, [T] token; F32 [B] regression, [B,N] multi */
    int width;               /* labels a row; of token and MLM 0 */
    int longest, highest;    /* tokens of the longest; highest class number */
    char *specials;          /* JSON object, special tokens to ids; or NULL */
    int vocab;               /* ids are below it */
    char **label;            /* names from the head, or NULL */
    int label_n;
};
/*
 * Reads path ("-": standard input) for the model in dir.  want: PROBLEM_AUTO, told by the
 * labels (where B = T, one a sequence and one a token look alike: the head's task tells), or
 * PROBLEM_MLM, which wants none and keeps every row.  Rows without a label, or whose tokens
 * all have none, are left out and counted; wrong tokenizer, labels of mixed kinds, no labels
 * at all, no rows: die_data.
 */
void examples_read(struct examples *e, const char *path, const struct config *c,
                   const char *dir, enum problem want);
/* No rows to learn from: die_data.  Rows without a label: a warning with their number. */
void examples_some(const struct examples *e);
void examples_free(struct examples *e);
/*
 * The names of the classes (of MLM none): the stream's, else `list` (a,b), else LABEL_0 .. by
 * the highest class.  A list that disagrees with the stream's: die_data.  A class outside: die_data.
 */
void examples_names(struct examples *e, const char *list);
/* b's names and kind of labels must be a's, or die_data naming both. */
void examples_same(const struct examples *a, struct examples *b);
/* Keeps the first n rows. */
void examples_first(struct examples *e, int64_t n);
/* Tokens of example i. */
int examples_length(const struct examples *e, int64_t i);
#endif
