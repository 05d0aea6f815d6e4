#include "formats/wrap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "formats/gather.h"
#include "formats/safetensors.h"
#include "formats/stream.h"

enum { CUT_SEQUENCES = 1024, CUT_TOKENS = 65536 };

/* in the order of WRAP_KINDS */
static const char *const kinds[] = { "tokens", "batch",  "pooled",
                                     "hidden", "logits", "scores" };

struct wrap {
    const char *path, *kind;
    const struct record *file;
    struct image whole, part; /* the file as a record; a record to write */
    struct record record;     /* whole, decoded */
    struct sequences s;
    struct buf ids, rows;
};

static void
need(const struct wrap *w, const char *why)
{
    if (why)
        die_data("'%s': %s", w->path, why);
}

/* Integer i of t, of any integer type. */
static int64_t
integer(const struct wrap *w, const struct tensor *t, int64_t i)
{
    const char *p = (const char *)t->data + (size_t)i * dtype_size(t->type);
    int64_t v64;
    int32_t v32;
    uint16_t v16;
    switch (t->type) {
    case I64: memcpy(&v64, p, sizeof v64); return v64;
    case I32: memcpy(&v32, p, sizeof v32); return v32;
    case U16: memcpy(&v16, p, sizeof v16); return v16;
    default:
        die_data("'%s': tensor '%s' is %s, not U16, I32 or I64", w->path, t->name,
                 dtype_name(t->type));
    }
}

static void
add_ids(struct wrap *w, const struct tensor *t)
{
    int64_t most = 0;
    if (t->rank != 1)
        die_data("'%s': tensor 'input_ids' has rank %d, not 1; packed rows and cu_seqlens "
                 "are wanted, not padding",
                 w->path, t->rank);
    for (int64_t i = 0; i < t->shape[0]; i++) {
        const int64_t id = integer(w, t, i);
        if (id < 0 || id > INT32_MAX)
            die_data("'%s': input_ids[%lld] is %lld, not a token id", w->path, (long long)i,
                     (long long)id);
        most = id > most ? id : most;
    }
    const char *vocab = record_meta(w->file, "vocab"); /* decides, where the file says it */
    const int wide = most > UINT16_MAX || (vocab && strtoll(vocab, NULL, 10) > 65536);
    const enum dtype type = wide ? I32 : U16;
    for (int64_t i = 0; i < t->shape[0]; i++) {
        const int64_t id = integer(w, t, i);
        if (type == U16)
            buf_add(&w->ids, &(uint16_t){ (uint16_t)id }, sizeof(uint16_t));
        else
            buf_add(&w->ids, &(int32_t){ (int32_t)id }, sizeof(int32_t));
    }
    image_1d(&w->whole, "input_ids", type, t->shape[0], w->ids.n ? w->ids.p : "");
}

/* The tensors that the kind must have are there, in the types that readers expect. */
static void
check_kind(const struct wrap *w)
{
    int found = 0;
    for (int i = 0; i < w->file->tensors; i++) {
        const struct tensor *t = &w->file->tensor[i];
        const int tokens = !strcmp(w->kind, "tokens") || !strcmp(w->kind, "batch");
        const int hidden =
            !strcmp(w->kind, "hidden") &&
            (!strcmp(t->name, "final_hidden") || !strncmp(t->name, "hidden.", 7));
        if (tokens) {
            found |= !strcmp(t->name, "input_ids");
        } else if (hidden || !strcmp(t->name, w->kind)) {
            if (t->rank != 2 || (t->type != F32 && !(hidden && t->type == BF16)))
                die_data("'%s': tensor '%s' is not a matrix of F32%s", w->path, t->name,
                         hidden ? " or BF16" : "");
            found = 1;
        }
    }
    if (!found)
        die_data("'%s': no tensor for --kind %s", w->path, w->kind);
}

/* The file's tensors, with what a record must have and the file has not. */
static void
complete(struct wrap *w)
{
    image_init(&w->whole);
    for (int i = 0; i < w->file->tensors; i++) {
        const struct tensor *t = &w->file->tensor[i];
        if (!strcmp(t->name, "input_ids"))
            add_ids(w, t);
        else
            image_tensor(&w->whole, t->name, t->type, t->rank, t->shape, t->data);
    }
    need(w, sequences_read(&w->s, w->file, 0));
    const int pooled =
        strcmp(w->kind, "hidden") && strcmp(w->kind, "tokens") && strcmp(w->kind, "batch");
    need(w, sequences_lost(&w->s));
    if (!w->s.cu && !pooled)
        need(w, "tensor 'cu_seqlens' is missing");
    if (!w->s.row) {
        for (int64_t i = 0; i < w->s.n; i++)
            buf_add(&w->rows, &i, sizeof i);
        image_1d(&w->whole, "row", I64, w->s.n, w->rows.n ? w->rows.p : "");
    }
    image_finish(&w->whole);
    record_init(&w->record);
    need(w, record_decode(&w->record, w->whole.bytes, w->whole.size));
    need(w, sequences_read(&w->s, &w->record, 0));
}

/* Sequences that go into one record, from `first` on. */
static int64_t
cut(const struct wrap *w, int64_t first)
{
    int64_t n = w->s.n - first;
    if (strcmp(w->kind, "tokens") || !n)
        return n;
    n = n < CUT_SEQUENCES ? n : CUT_SEQUENCES;
    while (n > 1 && w->s.cu[first + n] - w->s.cu[first] > CUT_TOKENS)
        n--;
    return n;
}

/* Lines that the rows come from: at least up to the last. */
static int64_t
rows_of(const struct wrap *w)
{
    const struct sequences *s = &w->s;
    int64_t rows = 0;
    for (int64_t i = 0; i < s->n; i++) {
        need(w, s->row[i] == INT64_MAX ? "a row is too large to be counted" : NULL);
        rows = s->row[i] >= rows ? s->row[i] + 1 : rows;
    }
    return rows;
}

/* A file made by union has a whole head, provenance too; of another's, what a head may have. */
static void
inherit(const struct wrap *w, struct stream_out *out)
{
    static const char *const keys[] = { "dtype", "labels", "max_length", "model",
                                        "task",  "tokenizer", "vocab" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = record_meta(w->file, keys[i]);
        if (value)
            image_meta(stream_header(out), keys[i], value);
    }
}

void
wrap_run(int k, const char *from, const char *to, const char *tool)
{
    const char *kind = kinds[k];
    struct wrap w = { .path = from, .kind = kind };
    struct gather g = { .whole = strcmp(kind, "tokens") != 0 };
    struct safetensors *file = safetensors_map(from);
    char *options = mem_printf("wrap --kind %s", kind);
    w.file = safetensors_record(file);
    check_kind(&w);
    complete(&w);
    const struct record *head = record_meta(w.file, "chain") ? w.file : NULL;
    struct stream_out *out = stream_create(to, kind, head, tool, options, 0);
    inherit(&w, out);
    image_init(&w.part);
    for (int64_t first = 0, n; first < w.s.n; first += n) {
        n = cut(&w, first);
        need(&w, gather_add(&g, &w.s, first, n, 0));
        image_reset(&w.part);
        need(&w, gather_image(&g, &w.part));
        stream_put(out, &w.part, g.n, g.tokens);
        gather_reset(&g);
    }
    stream_end(out, rows_of(&w));
    gather_free(&g);
    image_free(&w.part);
    image_free(&w.whole);
    record_free(&w.record);
    sequences_free(&w.s);
    mem_free(w.ids.p);
    mem_free(w.rows.p);
    mem_free(options);
    safetensors_close(file);
}
