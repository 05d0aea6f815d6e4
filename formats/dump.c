#include "formats/dump.h"
#include <string.h>
#include "common/base/die.h"
#include "common/base/half.h"
#include "formats/input.h"
#include "formats/json.h"
#include "formats/jsonout.h"

struct dump {
    struct input *in;
    const char *name;
    struct sink *out;
    struct buf b;
    struct json *json;
    int64_t numbered; /* lines so far: the row where the stream has none */
};

static void
element(struct buf *b, const struct tensor *t, int64_t i)
{
    const char *p = (const char *)t->data + (size_t)i * dtype_size(t->type);
    float f;
    double d;
    union {
        int8_t i8;
        int16_t i16;
        int32_t i32;
        int64_t i64;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
    } v;
    memcpy(&v, p, dtype_size(t->type));
    switch (t->type) {
    case F32:
    case BF16:
    case F16:
        half_widen(&f, p, t->type, 1);
        jsonout_f32(b, f);
        break;
    case F64:
        memcpy(&d, p, sizeof d);
        jsonout_f64(b, d);
        break;
    case I8: buf_printf(b, "%d", v.i8); break;
    case I16: buf_printf(b, "%d", v.i16); break;
    case I32: buf_printf(b, "%d", v.i32); break;
    case I64: buf_printf(b, "%lld", (long long)v.i64); break;
    case U8: buf_printf(b, "%u", (unsigned char)*p); break;
    case U16: buf_printf(b, "%u", v.u16); break;
    case U32: buf_printf(b, "%u", v.u32); break;
    case U64: buf_printf(b, "%llu", (unsigned long long)v.u64); break;
    case BOOL: buf_printf(b, *p ? "true" : "false"); break;
    case DTYPES: break;
    }
}

/* Elements of t from `at` on as nested arrays of these dimensions; rank 0: one element. */
static void
array(struct buf *b, const struct tensor *t, int64_t at, int rank, const int64_t *shape)
{
    int64_t under[TENSOR_RANK + 1]; /* elements in one array of depth k */
    under[rank] = 1;
    for (int k = rank - 1; k >= 0; k--)
        under[k] = under[k + 1] * shape[k];
    if (!under[0])
        buf_add(b, "[]", 2);
    for (int64_t i = 0; i < under[0]; i++) {
        buf_add(b, ",", i ? 1 : 0);
        for (int k = 0; k < rank; k++)
            buf_add(b, "[", i % under[k] ? 0 : 1);
        element(b, t, at + i);
        for (int k = 0; k < rank; k++)
            buf_add(b, "]", (i + 1) % under[k] ? 0 : 1);
    }
}

static void
key(struct buf *b, const char *name)
{
    buf_add(b, ",", b->n && b->p[b->n - 1] == '{' ? 0 : 1);
    jsonout_string(b, name, strlen(name));
    buf_add(b, ":", 1);
}

/* The part of t that belongs to sequence i. */
static void
value(struct dump *d, const struct sequences *s, const struct tensor *t, enum part part,
      int64_t i)
{
    int64_t shape[TENSOR_RANK], width = 1;
    memcpy(shape, t->shape, sizeof shape);
    for (int k = 1; k < t->rank; k++)
        width *= shape[k];
    if (part == PART_SEQUENCE) {
        array(&d->b, t, i * width, t->rank - 1, shape + 1);
    } else {
        shape[0] = s->cu[i + 1] - s->cu[i];
        array(&d->b, t, s->cu[i] * width, t->rank, shape);
    }
}

/* A kept field holds the JSON text of its value. */
static void
kept(struct dump *d, const struct sequences *s, const struct tensor *t, int64_t i)
{
    struct json_value v;
    int64_t from, to;
    sequences_kept(s, t, i, &from, &to);
    if (from == to)
        return; /* the line had no such field */
    const char *text = (const char *)t->data + from;
    key(&d->b, strncmp(t->name, "keep.", 5) ? t->name : t->name + 5);
    if (json_parse(d->json, text, (size_t)(to - from), &v))
        jsonout_string(&d->b, text, (size_t)(to - from));
    else
        json_text(v, &d->b);
}

static void
travelling(struct dump *d, const struct sequences *s, const struct tensor *t, int64_t i)
{
    const enum part part = sequences_part(s, t);
    if (part == PART_BYTES) {
        kept(d, s, t, i);
    } else if (!strcmp(t->name, "truncated") && part == PART_SEQUENCE && t->type == U8 &&
               t->rank == 1) {
        if (((const char *)t->data)[i]) {
            key(&d->b, t->name);
            buf_add(&d->b, "true", 4);
        }
    } else if ((part == PART_SEQUENCE || part == PART_TOKEN) && strcmp(t->name, "row")) {
        key(&d->b, strcmp(t->name, "labels") ? t->name : "label");
        value(d, s, t, part, i);
    }
}

/* What is written when, whatever the order in the record. */
enum { PASSES = 5 };
static int
pass_of(const struct sequences *s, const struct tensor *t)
{
    static const char *const order[] = { "", "labels", "truncated", "window" };
    for (int i = 1; i < PASSES - 1; i++)
        if (!strcmp(t->name, order[i]))
            return i;
    return sequences_travels(s, t) ? PASSES - 1 : 0;
}

static void
sequence(struct dump *d, const struct sequences *s, int64_t i)
{
    const struct record *r = s->record;
    buf_printf(&d->b, "{\"row\":%lld", (long long)(s->row ? s->row[i] : d->numbered));
    d->numbered++;
    for (int pass = 0; pass < PASSES; pass++)
        for (int k = 0; k < r->tensors; k++) {
            const struct tensor *t = &r->tensor[k];
            const enum part part = sequences_part(s, t);
            if (pass_of(s, t) != pass || (d->name && strcmp(d->name, t->name)))
                continue;
            if (pass) {
                travelling(d, s, t, i);
            } else if (part == PART_SEQUENCE || part == PART_TOKEN) {
                key(&d->b, t->name);
                value(d, s, t, part, i);
            }
        }
    buf_add(&d->b, "}\n", 2);
}

static void
whole(struct dump *d, const struct tensor *t)
{
    buf_add(&d->b, "{", 1);
    key(&d->b, "name");
    jsonout_string(&d->b, t->name, strlen(t->name));
    buf_printf(&d->b, ",\"dtype\":\"%s\",\"shape\":[", dtype_name(t->type));
    for (int i = 0; i < t->rank; i++)
        buf_printf(&d->b, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    buf_add(&d->b, "],\"data\":", 9);
    array(&d->b, t, 0, t->rank, t->shape);
    buf_add(&d->b, "}\n", 2);
}

static void
put(struct dump *d)
{
    sink_write(d->out, d->b.p, d->b.n);
    d->b.n = 0;
}

static void
record(struct dump *d, const struct sequences *s)
{
    const struct record *r = s->record;
    if (d->name && !record_tensor(r, d->name))
        input_bad(d->in, "no tensor '%s'", d->name);
    for (int64_t i = 0; i < s->n; i++) {
        sequence(d, s, i);
        put(d);
    }
    for (int k = 0; k < r->tensors; k++)
        if ((s->n < 0 || sequences_part(s, &r->tensor[k]) == PART_WHOLE) &&
            (!d->name || !strcmp(d->name, r->tensor[k].name))) {
            whole(d, &r->tensor[k]);
            put(d);
        }
}

void
dump_run(int n, char *const *paths, const char *name, struct sink *out)
{
    struct dump d = { .name = name, .out = out };
    const struct sequences *s;
    d.in = input_open(n, paths, NULL);
    d.json = json_new();
    while (input_next(d.in, &s)) {
        record(&d, s);
        sink_flush(out);
    }
    json_free(d.json);
    mem_free(d.b.p);
    input_close(d.in);
}
