#include "formats/jsonout.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/base/mem.h"

/* Bytes of the UTF-8 character at s[0..n), 0 when it is not one (Unicode table 3-7). */
static size_t
character(const unsigned char *s, size_t n)
{
    const unsigned char a = s[0];
    if (a < 0x80)
        return 1;
    const size_t want = a < 0xC2 ? 0 : a < 0xE0 ? 2 : a < 0xF0 ? 3 : a < 0xF5 ? 4 : 0;
    if (!want || n < want)
        return 0;
    const unsigned char low = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < want; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return want;
}

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
        const size_t bytes = character(p + i, n - i);
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
