#ifndef EVAL_SHOW_H
#define EVAL_SHOW_H
/* show - numbers and names as JSON, and as cells of tables for people. */
#include "common/base/mem.h"
#include "common/eval/figures.h"
#include "common/eval/interval.h"
/* JSON; what is not finite is null. */
void show_number(struct buf *b, double d);
void show_string(struct buf *b, const char *s);                   /* s is UTF-8 */
void show_field(struct buf *b, const char *name, double d);       /* ,"NAME":D */
void show_interval(struct buf *b, const char *name, struct interval i); /* "NAME":[LOW,HIGH] or null */
void show_figures(struct buf *b, const struct figures *f);        /* "NAME":D,"NAME":D */

/* A number with four decimals, or - */
enum { SHOW_CELL = 32 };
const char *show_cell(char to[SHOW_CELL], double d);
/* The name of class k as it fits a column; without names its number. */
const char *show_class(char to[SHOW_CELL], char *const *name, int k);
/* "WHAT    D   [LOW, HIGH]" in a line; an undefined interval is left out. */
void show_row(struct buf *b, const char *what, double d, struct interval i);
#endif
