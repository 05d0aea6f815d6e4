#include "common/eval/show.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

void
show_number(struct buf *b, double d)
{
    if (isfinite(d))
        buf_printf(b, "%.17g", d);
    else
        buf_printf(b, "null");
}

void
show_string(struct buf *b, const char *s)
{
    buf_add(b, "\"", 1);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_add(b, (char[]){ '\\', *s }, 2);
        else if ((unsigned char)*s < 0x20)
            buf_printf(b, "\\u%04x", *s);
        else
            buf_add(b, s, 1);
    }
    buf_add(b, "\"", 1);
}

void
show_field(struct buf *b, const char *name, double d)
{
    buf_printf(b, ",\"%s\":", name);
    show_number(b, d);
}

void
show_interval(struct buf *b, const char *name, struct interval i)
{
    buf_printf(b, "\"%s\":", name);
    if (!isfinite(i.low) || !isfinite(i.high)) {
        buf_printf(b, "null");
        return;
    }
    buf_printf(b, "[%.17g,%.17g]", i.low, i.high);
}

void
show_figures(struct buf *b, const struct figures *f)
{
    for (int i = 0; i < f->n; i++) {
        buf_printf(b, "%s\"%s\":", i ? "," : "", f->at[i].name);
        show_number(b, f->at[i].value);
    }
}

const char *
show_cell(char to[SHOW_CELL], double d)
{
    if (isfinite(d))
        snprintf(to, SHOW_CELL, fabs(d) < 1e6 ? "%.4f" : "%.4g", d);
    else
        snprintf(to, SHOW_CELL, "-");
    return to;
}

const char *
show_class(char to[SHOW_CELL], char *const *name, int k)
{
    if (name)
        snprintf(to, SHOW_CELL, "%.18s", name[k]);
    else
        snprintf(to, SHOW_CELL, "%d", k);
    return to;
}

void
show_row(struct buf *b, const char *what, double d, struct interval i)
{
    char c[SHOW_CELL], low[SHOW_CELL], high[SHOW_CELL];
    buf_printf(b, "%-22s%10s", what, show_cell(c, d));
    if (isfinite(i.low) && isfinite(i.high))
        buf_printf(b, "   [%s, %s]", show_cell(low, i.low), show_cell(high, i.high));
    buf_printf(b, "\n");
}
