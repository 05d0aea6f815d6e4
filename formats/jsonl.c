#include "formats/jsonl.h"
#include <stdarg.h>
#include <stdio.h>
#include "common/base/die.h"

void
jsonl_open(struct jsonl *j, const char *path)
{
    *j = (struct jsonl){ .in = source_open(path, 0), .json = json_new(), .row = -1 };
}

static int
blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r')
            return 0;
    return 1;
}

int
jsonl_next(struct jsonl *j, struct json_value *v, const char **why)
{
    for (;;) {
        const int got = source_line(j->in, JSONL_MAX_LINE, &j->text, &j->n);
        j->row++;
        if (got == 0)
            return 0;
        if (got == -1)
            return *why = source_error(j->in), -2;
        if (got == -2)
            return *why = "line longer than 16 MiB", -1;
        if (blank(j->text, j->n))
            continue;
        *why = json_parse_padded(j->json, j->text, j->n, v);
        return *why ? -1 : 1;
    }
}

void
jsonl_close(struct jsonl *j)
{
    source_close(j->in);
    json_free(j->json);
    *j = (struct jsonl){ 0 };
}

void
jsonl_bad(const struct jsonl *j, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    die_data("%s:%lld: %s", source_name(j->in), (long long)(j->row + 1), text);
}
