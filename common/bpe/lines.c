#include "common/bpe/lines.h"
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

void
lines_open(struct lines *l, const struct tokenize_options *o, int n, char *const *files)
{
    *l = (struct lines){ .o = o, .n = n ? n : 1, .files = n ? files : NULL };
    jsonl_open(&l->in, l->files ? l->files[0] : "-");
    l->open = 1;
    l->at = 1;
}

const char *
lines_name(const struct lines *l)
{
    return source_name(l->in.in);
}

const char *
lines_utf8(const char *s, size_t n)
{
    utf8proc_int32_t c;
    for (size_t i = 0; i < n;) {
        if (!((unsigned char)s[i] & 0x80)) {
            i++;
            continue;
        }
        const utf8proc_ssize_t k = utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(n - i), &c);
        if (k < 1)
            return "invalid UTF-8";
        i += (size_t)k;
    }
    return NULL;
}

static int
refuse(struct lines *l, const char **why, const char *fmt, const char *name)
{
    snprintf(l->why, sizeof l->why, fmt, name);
    *why = l->why;
    return -1;
}

static int
read_object(struct lines *l, struct line *line, const char **why)
{
    const struct tokenize_options *o = l->o;
    const char *field = o->text_field ? o->text_field : "prompt";
    struct json_value text;
    line->object = 1;
    if (json_type(line->value) != JSON_OBJECT)
        return *why = "not a JSON object", -1;
    int found = json_get(line->value, field, &text);
    if (!found && !o->text_field)
        found = json_get(line->value, field = "text", &text);
    if (!found && !o->text_field)
        return *why = "no field 'prompt' or 'text' (use --text-field)", -1;
    if (!found)
        return refuse(l, why, "no field '%s' (use --text-field)", field);
    if (!json_string(text, &line->text, &line->n))
        return refuse(l, why, "field '%s' is not a string", field);
    line->labelled = json_get(line->value, o->label_field ? o->label_field : "label", &line->label);
    return 1;
}

static int
next_text(struct lines *l, struct line *line, const char **why)
{
    struct jsonl *j = &l->in;
    const int got = source_line(j->in, JSONL_MAX_LINE, &line->text, &line->n);
    if (got == -1)
        return *why = source_error(j->in), -2;
    if (got == -2)
        return *why = "line longer than 16 MiB", -1;
    if (got == 1 && (*why = lines_utf8(line->text, line->n)))
        return -1;
    return got;
}

int
lines_next(struct lines *l, struct line *line, const char **why)
{
    for (;;) {
        *line = (struct line){ 0 };
        *why = NULL;
        int got = l->o->format == INPUT_TEXT ? next_text(l, line, why) : jsonl_next(&l->in, &line->value, why);
        if (got == 0) {
            l->base += source_lineno(l->in.in);
            l->rows = l->base;
            if (l->at == l->n)
                return 0;
            jsonl_close(&l->in);
            jsonl_open(&l->in, l->files[l->at++]);
            continue;
        }
        l->lineno = source_lineno(l->in.in);
        l->rows = l->base + l->lineno;
        line->row = l->rows - 1;
        return got == 1 && l->o->format == INPUT_JSONL ? read_object(l, line, why) : got;
    }
}

void
lines_close(struct lines *l)
{
    jsonl_close(&l->in);
}
