#ifndef EVAL_HTML_H
#define EVAL_HTML_H
/*
 * html - pieces of a page that needs nothing else: no script, no other file.
 */
#include <stddef.h>
#include <stdint.h>
#include "common/base/mem.h"
#include "common/eval/interval.h"
/* Up to <main>: a style sheet (light, dark, print), and a policy to fetch and run nothing. */
void html_start(struct buf *b, const char *title);
/*
 * s as text or attribute: & < > and quotes as entities, controls as blanks, U+FFFD for what is
 * not UTF-8.
 */
void html_text(struct buf *b, const char *s);
/*
 * A table: heads end in NULL.  Then for every row html_row with the name in its first column,
 * a cell for each other column, and html_row_end.
 */
void html_table(struct buf *b, const char *const *head);
void html_row(struct buf *b, const char *name);
void html_count(struct buf *b, int64_t n);
void html_number(struct buf *b, double d);            /* four decimals; not finite: a dash */
void html_interval(struct buf *b, struct interval i); /* undefined: an empty cell */
void html_row_end(struct buf *b);
void html_table_end(struct buf *b);
/*
 * An SVG of gnuplot inside the page: from its <svg on, with `label` for who cannot see it.
 * Ids get `name` before them, so that many pictures fit one page; tool tips go, which gnuplot
 * makes of its own names.  The style sheet makes the page's ink of black.
 */
void html_svg(struct buf *b, const char *name, const char *label, const char *svg,
              size_t n);
void html_end(struct buf *b);
#endif
