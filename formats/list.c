#include "formats/list.h"
#include <string.h>
#include "formats/input.h"
#include "formats/jsonout.h"

static void
string(struct buf *b, const char *s)
{
    jsonout_string(b, s, strlen(s));
}

void
list_shape(struct buf *b, const struct tensor *t)
{
    buf_printf(b, "%s[", dtype_name(t->type));
    for (int i = 0; i < t->rank; i++)
        buf_printf(b, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    buf_add(b, "]", 1);
}

/* {"dtype":"F32","shape":[12,64]} */
static void
json_shape(struct buf *b, const struct tensor *t)
{
    buf_printf(b, "{\"dtype\":\"%s\",\"shape\":[", dtype_name(t->type));
    for (int i = 0; i < t->rank; i++)
        buf_printf(b, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    buf_add(b, "]}", 2);
}

/* Metadata that every record has says nothing about this one. */
static int
framing(const char *key)
{
    return !strcmp(key, "stz") || !strcmp(key, "kind") || !strcmp(key, "seq") ||
           !strcmp(key, "prev");
}

static void
put(struct sink *out, struct buf *b)
{
    buf_add(b, "\n", 1);
    sink_write(out, b->p, b->n);
    b->n = 0;
}

/* A tab or a newline in a value would break the line, an escape the terminal. */
static void
value(struct buf *b, const char *s)
{
    for (; *s; s++)
        buf_add(b, (unsigned char)*s < ' ' || *s == 127 ? " " : s, 1);
}

static void
list_head(struct buf *b, const struct record *r, const char *kind, int json)
{
    int n = 0;
    if (json) {
        buf_printf(b, "{\"record\":\"head\",\"kind\":\"%s\",\"meta\":{", kind);
        for (int i = 0; i < r->metas; i++)
            if (!framing(r->meta[i].key)) {
                buf_add(b, ",", n++ ? 1 : 0);
                string(b, r->meta[i].key);
                buf_add(b, ":", 1);
                string(b, r->meta[i].value);
            }
        buf_add(b, "}}", 2);
        return;
    }
    buf_printf(b, "head\t%s", kind);
    for (int i = 0; i < r->metas; i++)
        if (!framing(r->meta[i].key)) {
            buf_add(b, "\t", 1);
            value(b, r->meta[i].key);
            buf_add(b, "=", 1);
            value(b, r->meta[i].value);
        }
}

static void
list_record(struct buf *b, const struct record *r, const char *kind, int64_t number,
            int json)
{
    if (json)
        buf_printf(b, "{\"record\":%lld,\"kind\":\"%s\",\"tensors\":{", (long long)number,
                   kind);
    else
        buf_printf(b, "%lld\t%s", (long long)number, kind);
    for (int i = 0; i < r->tensors; i++) {
        const struct tensor *t = &r->tensor[i];
        if (json) {
            buf_add(b, ",", i ? 1 : 0);
            string(b, t->name);
            buf_add(b, ":", 1);
            json_shape(b, t);
        } else {
            buf_add(b, "\t", 1);
            value(b, t->name);
            buf_add(b, " ", 1);
            list_shape(b, t);
        }
    }
    if (json)
        buf_add(b, "}}", 2);
}

/* A file's tensors: numbered lines, since it may have hundreds. */
static void
list_file(struct buf *b, struct sink *out, const struct record *r, int json)
{
    uint64_t bytes = 0;
    for (int i = 0; i < r->tensors; i++) {
        const struct tensor *t = &r->tensor[i];
        bytes += t->bytes;
        if (json) {
            buf_add(b, "{\"tensor\":", 10);
            string(b, t->name);
            buf_add(b, ",\"is\":", 6);
            json_shape(b, t);
            buf_add(b, "}", 1);
        } else {
            buf_printf(b, "%d\t", i + 1);
            value(b, t->name);
            buf_add(b, "\t", 1);
            list_shape(b, t);
        }
        put(out, b);
    }
    buf_printf(b,
               json ? "{\"record\":\"end\",\"tensors\":%d,\"bytes\":%llu}"
                    : "end\ttensors=%d\tbytes=%llu",
               r->tensors, (unsigned long long)bytes);
    put(out, b);
}

static void
list_stream(struct buf *b, struct sink *out, struct input *in, int json)
{
    struct stream_in *s = input_stream(in);
    const struct record *r;
    sink_flush(out); /* what was listed stays seen when the next record is bad */
    while ((r = input_next(in, NULL))) {
        list_record(b, r, stream_kind(s), input_record(in), json);
        put(out, b);
        sink_flush(out);
    }
    buf_printf(b,
               json ? "{\"record\":\"end\",\"records\":%lld,\"examples\":%lld,\"tokens\":%"
                      "lld,\"rows\":%lld}"
                    : "end\trecords=%lld\texamples=%lld\ttokens=%lld\trows=%lld",
               (long long)input_record(in), (long long)stream_examples(s),
               (long long)stream_tokens(s), (long long)stream_rows(s));
    put(out, b);
}

void
list_run(int n, char *const *paths, int json, struct sink *out)
{
    struct buf b = { 0 };
    for (int i = 0; i < n || (!i && !n); i++) {
        struct input *in = input_open(n ? 1 : 0, paths + i, NULL);
        struct stream_in *s = input_stream(in);
        if (n > 1) {
            buf_add(&b, json ? "{\"file\":" : "", json ? 8 : 0);
            if (json)
                string(&b, input_name(in));
            else
                buf_printf(&b, "file\t%s", input_name(in));
            buf_add(&b, "}", json ? 1 : 0);
            put(out, &b);
        }
        list_head(&b, input_head(in), s ? stream_kind(s) : "safetensors", json);
        put(out, &b);
        if (s)
            list_stream(&b, out, in, json);
        else
            list_file(&b, out, input_head(in), json);
        input_close(in);
    }
    mem_free(b.p);
}

void
list_count(int n, char *const *paths, int json, struct sink *out)
{
    static const char *const names[] = { "records", "examples", "tokens", "rows" };
    struct input *in = input_open(n, paths, NULL);
    struct stream_in *s = input_stream(in);
    const struct sequences *q;
    int64_t examples = 0, tokens = 0;
    while (input_next(in, &q)) {
        examples += q->n > 0 && !input_continues(in) ? q->n : 0;
        tokens += q->tokens > 0 && !input_continues(in) ? q->tokens : 0;
    }
    const int64_t count[] = { input_record(in), s ? stream_examples(s) : examples,
                              s ? stream_tokens(s) : tokens,
                              s ? stream_rows(s) : examples };
    sink_write(out, "{", json ? 1 : 0);
    for (int i = 0; i < 4; i++)
        sink_printf(out, json ? "%s\"%s\":%lld" : "%.0s%s\t%lld\n", i ? "," : "", names[i],
                    (long long)count[i]);
    sink_write(out, "}\n", json ? 2 : 0);
    input_close(in);
}
