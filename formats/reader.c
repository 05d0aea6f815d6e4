/* reader - stream.h's reading half: the walk of wire.h, dying of what is wrong. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/wire.h"

static _Noreturn void
die_at(const struct stream_in *s, const char *message)
{
    const char *name = source_name(s->source);
    if (s->upstream)
        die_data("%s", message);
    if (s->state != WIRE_BODY)
        die_data("'%s': %s", name, message);
    die_data("'%s', record %" PRId64 ": %s", name, s->number + 1, message);
}

struct stream_in *
stream_open(int n, char *const *paths, const char *kinds, size_t max_record)
{
    struct stream_in *s = wire_open(n, paths, kinds, max_record);
    if (wire_step(s) < 0)
        die_at(s, s->why);
    return s; /* the first step that is not an error is a head */
}

const struct record *
stream_next(struct stream_in *s)
{
    enum wire_step step;
    do {
        step = wire_step(s);
    } while (step == WIRE_HEAD);
    if (step == WIRE_BAD)
        die_at(s, s->why);
    return step == WIRE_DATA ? &s->r : NULL;
}

const struct record *
stream_head(const struct stream_in *s)
{
    return &s->head;
}

const char *
stream_kind(const struct stream_in *s)
{
    return record_meta(&s->head, "schema");
}

void
stream_before_wait(struct stream_in *s, void (*fn)(void *arg), void *arg)
{
    s->before_wait = fn;
    s->arg = arg;
    source_before_wait(s->source, fn, arg);
}

const char *
stream_name(const struct stream_in *s)
{
    return source_name(s->source);
}

int64_t
stream_record(const struct stream_in *s)
{
    return s->number;
}

int64_t
stream_base(const struct stream_in *s)
{
    return s->base;
}

int64_t
stream_rows(const struct stream_in *s)
{
    return s->rows;
}

int64_t
stream_examples(const struct stream_in *s)
{
    return s->examples;
}

int64_t
stream_tokens(const struct stream_in *s)
{
    return s->tokens;
}

void
stream_close(struct stream_in *s)
{
    if (!s)
        return;
    source_close(s->source);
    record_free(&s->r);
    record_free(&s->head);
    mem_free(s->image);
    mem_free(s->head_image);
    mem_free(s->head_name);
    mem_free(s);
}

void
stream_bad(const struct stream_in *s, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!s->number)
        die_data("'%s', head: %s", source_name(s->source), text);
    die_data("'%s', record %" PRId64 ": %s", source_name(s->source), s->number, text);
}

const struct tensor *
stream_need(const struct stream_in *s, const struct record *r, const char *name,
            enum dtype type, int rank, int64_t d0, int64_t d1)
{
    const char *why;
    const struct tensor *t = record_need(r, name, type, rank, d0, d1, &why);
    if (!t)
        stream_bad(s, "tensor '%s' %s", name, why);
    return t;
}
