#ifndef MBERT_EXAMPLES_H
#define MBERT_EXAMPLES_H
/*
 * examples - a labelled tokens stream held in memory: what training goes over again and
 * again.  A pipe is thereby spooled; ids take 4 bytes each.
 */
#include <stdint.h>
#include "common/base/mem.h"
#include "formats/config.h"

struct examples {
    char *name;              /* of the stream, for messages */
    int64_t n, tokens, unlabelled;
    struct buf ids;          /* int [tokens] */
    struct buf start;        /* int64_t [n+1] */
    struct buf labels;       /* int [n] (single), float [n * width] (multi, regression) */
    enum problem problem;    /* by type: I32 single, F32 [B] regression, [B,N] multi */
    int width;               /* labels a row */
    int longest, highest;    /* tokens of the longest; highest class number */
    char **label;            /* names from the head, or NULL */
    int label_n;
};
/*
 * Reads path ("-": standard input) for the model in dir.  Rows without a label are left out
 * and counted; wrong tokenizer, labels of mixed kinds, no labels at all, no rows: die_data.
 */
void examples_read(struct examples *e, const char *path, const struct config *c,
                   const char *dir);
void examples_free(struct examples *e);
/*
 * The names of the classes: the stream's, else `list` (a,b), else LABEL_0 .. by the highest
 * class.  A list that disagrees with the stream's: die_data.  A class outside: die_data.
 */
void examples_names(struct examples *e, const char *list);
/* b's names and kind of labels must be a's, or die_data naming both. */
void examples_same(const struct examples *a, struct examples *b);
/* Tokens of example i. */
int examples_length(const struct examples *e, int64_t i);
#endif
