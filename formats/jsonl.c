#include "formats/jsonl.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/base/die.h"

void
jsonl_open(struct jsonl *j, const char *path)
{
    memset(j, 0, sizeof *j);
    j->in = source_open(path, 0);
    j->json = json_new();
    j->row = -1;
}

int
jsonl_blank(const char *s, size_t n)
{
    while (n && strchr(" \t\r", s[n - 1]) && s[n - 1])
        n--;
    return !n;
}

int
jsonl_next(struct jsonl *j, struct json_value *v, const char **why)
{
    int got;
    do {
        got = source_line(j->in, JSONL_MAX_LINE, &j->text, &j->n);
    } while (got == 1 && jsonl_blank(j->text, j->n));
    j->row = source_lineno(j->in) - 1;
    if (got == 1) {
        *why = json_parse_padded(j->json, j->text, j->n, v);
        return *why ? -1 : 1;
    }
    j->text = NULL;
    j->n = 0;
    if (got == -2) {
        *why = "line longer than 16 MiB";
        return -1;
    }
    if (got == -1) {
        *why = source_error(j->in);
        return -2;
    }
    return 0;
}

void
jsonl_close(struct jsonl *j)
{
    source_close(j->in);
    json_free(j->json);
    memset(j, 0, sizeof *j);
}

void
jsonl_bad(const struct jsonl *j, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    die_data("%s:%lld: %s", source_name(j->in), (long long)j->row + 1, text);
}
