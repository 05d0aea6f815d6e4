#include "common/eval/canvas.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/base/utf8.h"

const char *const canvas_colour[CANVAS_COLOURS] = {
    "0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9", "7A5195", "8C6D31"
};

int
canvas_text(const struct plot *p)
{
    return p->form == PLOT_TEXT;
}

void
canvas_start(const struct plot *p, const char *name, int width, int height, struct buf *b)
{
    buf_printf(b, "set encoding utf8\n");
    switch (p->form) {
    case PLOT_TEXT:
        buf_printf(b, "set term dumb nofeed size %d,%d noenhanced mono\n", p->columns,
                   p->lines);
        buf_printf(b, "set tics scale 0.5\n");
        return;
    case PLOT_PNG: /* twice the pixels: read on dense screens, printed */
        buf_printf(b,
                   "set term pngcairo size %d,%d font 'Sans,13' fontscale 1.5 linewidth 2 "
                   "pointscale 2 noenhanced\n",
                   2 * width, 2 * height);
        break;
    case PLOT_SVG:
    case PLOT_INLINE:
        buf_printf(b,
                   "set term svg size %d,%d font 'sans-serif,13' name '%s' noenhanced%s\n",
                   width, height, name, p->form == PLOT_SVG ? " background 'white'" : "");
        break;
    }
    buf_printf(b, "set border 3\nset tics nomirror out scale 0.5\nset grid lw 0.5 lc rgb "
                  "'#" CANVAS_GREY "' dt 3\n");
    buf_printf(b, "set key samplen 2 spacing 1.2 Left reverse\n");
}

void
canvas_quote(struct buf *b, const char *s, int most)
{
    size_t n = strlen(s);
    buf_add(b, "'", 1);
    for (; n && most; most--) {
        const size_t bytes = utf8_character(s, n), step = bytes ? bytes : 1;
        if (!bytes)
            buf_add(b, "?", 1);
        else if ((unsigned char)*s < ' ' || *s == 0x7F)
            buf_add(b, " ", 1);
        else if (*s == '\'')
            buf_add(b, "''", 2);
        else
            buf_add(b, s, bytes);
        s += step;
        n -= step;
    }
    buf_printf(b, "%s'", n ? "…" : "");
}

void
canvas_title(const struct plot *p, struct buf *b, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_printf(b, "set title ");
    canvas_quote(b, p->title ? p->title : text, canvas_text(p) ? p->columns - 4 : 90);
    buf_printf(b, "\n");
}

const char *
canvas_name(char *const *name, int k, char to[16])
{
    if (name)
        return name[k];
    snprintf(to, 16, "%d", k);
    return to;
}
