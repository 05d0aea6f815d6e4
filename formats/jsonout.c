#include "formats/jsonout.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/base/mem.h"
#include "common/base/utf8.h"

static void
control(struct buf *b, unsigned char c)
{
    static const char letters[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    for (const char *p = letters; *p; p += 2)
        if ((unsigned char)p[0] == c) {
            buf_add(b, (char[]){ '\\', p[1] }, 2);
            return;
        }
    buf_printf(b, "\\u%04x", c);
}

void
jsonout_string(struct buf *b, const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t start = 0;
    buf_add(b, "\"", 1);
    for (size_t i = 0; i < n;) {
        const size_t bytes = utf8_character(s + i, n - i);
        if (bytes && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\') {
            i += bytes;
            continue;
        }
        buf_add(b, s + start, i - start);
        if (bytes)
            control(b, p[i]);
        else
            buf_add(b, "\xEF\xBF\xBD", 3); /* a file name may be any bytes, JSON may not */
        start = ++i;
    }
    buf_add(b, s + start, n - start);
    buf_add(b, "\"", 1);
}

void
jsonout_digits(struct buf *b, double d, int digits)
{
    char s[64];
    if (!isfinite(d)) {
        buf_add(b, "null", 4);
        return;
    }
    const int n = snprintf(s, sizeof s, "%.*g", digits, d);
    for (int i = 0; i < n; i++)
        if (!strchr("0123456789+-e", s[i]))
            s[i] = '.'; /* whatever the locale's decimal point is */
    buf_add(b, s, (size_t)n);
}

void
jsonout_f32(struct buf *b, float f)
{
    jsonout_digits(b, (double)f, 9);
}

void
jsonout_f64(struct buf *b, double d)
{
    jsonout_digits(b, d, 17);
}
