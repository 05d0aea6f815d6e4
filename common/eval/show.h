#ifndef EVAL_SHOW_H
#define EVAL_SHOW_H
/* show - numbers and names as JSON, and as cells of tables for people. */
#include "common/base/mem.h"
#include "common/eval/figures.h"
#include "common/eval/interval.h"
/* JSON; what is not finite is null. */
void show_number(struct buf *b, double d);
void show_string(struct buf *b, const char *s);                   /* not UTF-8: U+FFFD */
void show_field(struct buf *b, const char *name, double d);       /* ,"NAME":D */
void show_interval(struct buf *b, const char *name, struct interval i); /* "NAME":[LOW,HIGH] or null */
void show_figures(struct buf *b, const struct figures *f);        /* "NAME":D,"NAME":D */

/* A number with four decimals, or - */
enum { SHOW_CELL = 32 };
const char *show_cell(char to[SHOW_CELL], double d);
/*
 * The first bytes of a name, `most` of them (below SHOW_CELL), in whole characters; control
 * characters as '?'.
 */
const char *show_name(char to[SHOW_CELL], const char *name, size_t most);
/* That of class k; without names its number. */
const char *show_class(char to[SHOW_CELL], char *const *name, int k, size_t most);
/* "WHAT    D   [LOW, HIGH]" in a line; an undefined interval is left out. */
void show_row(struct buf *b, const char *what, double d, struct interval i);
#endif
