#include "common/eval/show.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/base/utf8.h"

void
show_number(struct buf *b, double d)
{
    if (isfinite(d))
        buf_printf(b, "%.17g", d);
    else
        buf_printf(b, "null");
}

/* Names of files may be any bytes, JSON is UTF-8: what is not becomes U+FFFD. */
void
show_string(struct buf *b, const char *s)
{
    size_t n = strlen(s);
    buf_add(b, "\"", 1);
    for (size_t bytes; n; s += bytes, n -= bytes) {
        bytes = utf8_character(s, n);
        if (!bytes) {
            buf_add(b, "\xEF\xBF\xBD", 3);
            bytes = 1;
        } else if (*s == '"' || *s == '\\')
            buf_add(b, (char[]){ '\\', *s }, 2);
        else if ((unsigned char)*s < 0x20)
            buf_printf(b, "\\u%04x", *s);
        else
            buf_add(b, s, bytes);
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
show_class(char to[SHOW_CELL], char *const *name, int k, size_t most)
{
    if (name)
        return show_name(to, name[k], most);
    snprintf(to, SHOW_CELL, "%d", k);
    return to;
}

const char *
show_name(char to[SHOW_CELL], const char *name, size_t most)
{
    assert(most < SHOW_CELL);
    const size_t n = strlen(name);
    size_t at = 0;
    while (at < n) {
        const size_t bytes = utf8_character(name + at, n - at);
        if (at + bytes > most)
            break;
        const int plain = bytes && (unsigned char)name[at] >= 0x20 && name[at] != 0x7f;
        if (plain)
            memcpy(to + at, name + at, bytes);
        else
            to[at] = '?'; /* nothing that moves a terminal's cursor */
        at += bytes ? bytes : 1;
    }
    to[at] = 0;
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
