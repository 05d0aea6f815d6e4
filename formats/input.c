#include "formats/input.h"
#include <stdarg.h>
#include <stdio.h>
#include "common/base/die.h"
#include "formats/safetensors.h"
#include "formats/sniff.h"

struct input {
    struct stream_in *stream;
    struct safetensors *file;
    char *const *paths;
    int n, at;             /* operands; files handed out */
    struct sequences s;
    struct group group;
    int continues;
    int64_t record;
};

struct input *
input_open(int n, char *const *paths, const char *kinds)
{
    struct input *in = mem_zalloc(1, sizeof *in);
    int files = 0;
    for (int i = 0; i < n; i++)
        files += sniff(paths[i]) == CONTENT_SAFETENSORS;
    if (files && files != n)
        die_usage("streams and .safetensors files cannot be mixed");
    in->paths = paths;
    in->n = n;
    if (files)
        in->file = safetensors_map(paths[0]);
    else
        in->stream = stream_open(n, paths, kinds, 0);
    return in;
}

struct stream_in *
input_stream(const struct input *in)
{
    return in->stream;
}

const char *
input_name(const struct input *in)
{
    return in->stream ? stream_name(in->stream) : safetensors_name(in->file);
}

const struct record *
input_head(const struct input *in)
{
    return in->stream ? stream_head(in->stream) : safetensors_record(in->file);
}

static const struct record *
next_file(struct input *in)
{
    if (in->at == in->n)
        return NULL;
    if (in->at) {
        safetensors_close(in->file);
        in->file = safetensors_map(in->paths[in->at]);
    }
    in->at++;
    return safetensors_record(in->file);
}

const struct record *
input_next(struct input *in, const struct sequences **s)
{
    const struct record *r = in->stream ? stream_next(in->stream) : next_file(in);
    if (!r)
        return NULL;
    in->record++;
    const char *why = sequences_read(&in->s, r, in->stream ? stream_base(in->stream) : 0);
    if (why && in->stream)
        input_bad(in, "%s", why);
    if (why) { /* another's file: its names mean what they mean there */
        in->s.n = in->s.tokens = -1;
        in->s.cu = in->s.row = NULL;
    }
    in->continues = group_continues(&in->group, &in->s);
    if (s)
        *s = &in->s;
    return r;
}

int
input_continues(const struct input *in)
{
    return in->continues;
}

int64_t
input_record(const struct input *in)
{
    return in->record;
}

void
input_close(struct input *in)
{
    stream_close(in->stream);
    safetensors_close(in->file);
    sequences_free(&in->s);
    group_free(&in->group);
    mem_free(in);
}

void
input_bad(const struct input *in, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (in->stream)
        stream_bad(in->stream, "%s", text);
    die_data("'%s': %s", input_name(in), text);
}
