/* jsontext - a parsed value as JSON text again; the inner loop of json_text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/mem.h"
#include "formats/json.h"
#include "formats/jsonout.h"

enum { DEPTH = 64 };

/* The fewest digits that read back as d, and never the look of an integer. */
static void
float_text(double d, struct buf *out)
{
    const size_t start = out->n;
    char s[64];
    int digits = 15;
    while (digits < 17) {
        snprintf(s, sizeof s, "%.*g", digits, d);
        if (strtod(s, NULL) == d)
            break;
        digits++;
    }
    jsonout_digits(out, d, digits);
    const char *text = out->p + start;
    if (!memchr(text, '.', out->n - start) && !memchr(text, 'e', out->n - start))
        buf_add(out, ".0", 2);
}

static void
scalar_text(struct json_value v, struct buf *out)
{
    const char *s;
    size_t n;
    int64_t i;
    uint64_t u;
    double d;
    int b;
    if (json_string(v, &s, &n))
        jsonout_string(out, s, n);
    else if (json_int(v, &i))
        buf_printf(out, "%lld", (long long)i);
    else if (json_uint(v, &u))
        buf_printf(out, "%llu", (unsigned long long)u);
    else if (json_number(v, &d))
        float_text(d, out);
    else if (json_bool(v, &b))
        buf_printf(out, "%s", b ? "true" : "false");
    else
        buf_add(out, "null", 4);
}

void
json_text(struct json_value v, struct buf *out)
{
    struct { struct json_iter it; char close; int started; } stack[DEPTH], *top;
    const char *key;
    size_t nkey;
    int depth = 0;
    for (;;) {
        const enum json_type t = json_type(v);
        if (t == JSON_OBJECT || t == JSON_ARRAY) {
            top = &stack[depth++];
            top->it = json_iter(v);
            top->close = t == JSON_OBJECT ? '}' : ']';
            top->started = 0;
            buf_add(out, t == JSON_OBJECT ? "{" : "[", 1);
        } else {
            scalar_text(v, out);
        }
        while (depth && !json_next(&stack[depth - 1].it, &key, &nkey, &v))
            buf_add(out, &stack[--depth].close, 1);
        if (!depth)
            return;
        top = &stack[depth - 1];
        if (top->started)
            buf_add(out, ",", 1);
        top->started = 1;
        if (key) {
            jsonout_string(out, key, nkey);
            buf_add(out, ":", 1);
        }
    }
}
