#ifndef EVAL_CANVAS_H
#define EVAL_CANVAS_H
/*
 * canvas - what the scripts of plot.h have in common: terminals, axes, colours, quoting.
 */
#include "common/eval/plot.h"
enum { CANVAS_COLOURS = 8, CANVAS_NAME = 28 };
/* Colours of curves that the colour-blind tell apart (Okabe and Ito 2008), as 'RRGGBB'. */
extern const char *const canvas_colour[CANVAS_COLOURS];
#define CANVAS_GREY "999999"
/* Terminal, encoding, borders and grid; name is the SVG's, width and height its pixels. */
void canvas_start(const struct plot *p, const char *name, int width, int height,
                  struct buf *b);
int canvas_text(const struct plot *p);
/*
 * s as a gnuplot string in single quotes, in which nothing is special: control characters
 * become blanks, what is not UTF-8 '?', and after `most` characters comes an ellipsis.
 */
void canvas_quote(struct buf *b, const char *s, int most);
/* set title: p->title, else the words of fmt */
void canvas_title(const struct plot *p, struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The name of class k for a legend: name [..] may be NULL; to holds 16 bytes. */
const char *canvas_name(char *const *name, int k, char to[16]);
#endif
