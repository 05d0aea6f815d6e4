#include "common/mbert/feed.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/base/die.h"
#include "formats/config.h"
#include "formats/tokenizer.h"

static void *
room(struct buf *b, size_t n, size_t size)
{
    b->n = 0;
    return buf_room(b, mem_add(mem_mul(n, size), 1));
}

static const struct tensor *
vector_of(struct feed *f, const char *name, enum dtype type, enum dtype or_type)
{
    const struct tensor *t = record_tensor(f->record, name);
    if (!t)
        stream_bad(f->in, "tensor '%s' is missing", name);
    if (t->rank != 1 || (t->type != type && t->type != or_type))
        stream_bad(f->in, "tensor '%s' is not a vector of %s%s%s", name, dtype_name(type),
                   type == or_type ? "" : " or ",
                   type == or_type ? "" : dtype_name(or_type));
    return t;
}

/* Record level: cu_seqlens whole and sound. */
static void
open_record(struct feed *f)
{
    const struct tensor *t = vector_of(f, "cu_seqlens", I32, I32);
    const struct tensor *ids = vector_of(f, "input_ids", U16, I32);
    const struct tensor *row = record_tensor(f->record, "row");
    int *cu = room(&f->cus, (size_t)t->shape[0], sizeof *cu);
    if (t->shape[0] < 1)
        stream_bad(f->in, "tensor 'cu_seqlens' is empty");
    memcpy(cu, t->data, t->bytes);
    f->all = cu;
    f->count = (int)t->shape[0] - 1;
    f->next = 0;
    if (cu[0] != 0 || cu[f->count] != ids->shape[0])
        stream_bad(f->in, "cu_seqlens go from %d to %d, but there are %lld input_ids",
                   cu[0], cu[f->count], (long long)ids->shape[0]);
    for (int b = 0; b < f->count; b++)
        if (cu[b + 1] <= cu[b])
            stream_bad(f->in, "sequence %d has %d tokens (cu_seqlens %d, %d)", b,
                       cu[b + 1] - cu[b], cu[b], cu[b + 1]);
    if (row && (row->type != I64 || row->rank != 1 || row->shape[0] != f->count))
        stream_bad(f->in, "tensor 'row' is not I64 [%d]", f->count);
}

static void
number_rows(struct feed *f)
{
    const struct tensor *t = record_tensor(f->record, "row");
    int64_t *row = room(&f->rownumbers, (size_t)f->seqs, sizeof *row);
    for (int b = 0; b < f->seqs; b++) {
        if (t) {
            memcpy(&row[b], (const char *)t->data + (size_t)(f->first + b) * sizeof *row,
                   sizeof *row);
            row[b] += stream_base(f->in);
        } else {
            row[b] = f->numbered++;
        }
    }
    f->row = row;
}

static void
read_ids(struct feed *f)
{
    const struct tensor *t = record_tensor(f->record, "input_ids");
    int *ids = room(&f->id, (size_t)f->rows, sizeof *ids);
    const size_t size = dtype_size(t->type);
    const char *from = (const char *)t->data + (size_t)f->all[f->first] * size;
    int b = 0;
    uint16_t narrow;
    for (int i = 0; i < f->rows; i++) {
        if (t->type == U16) {
            memcpy(&narrow, from + (size_t)i * size, size);
            ids[i] = narrow;
        } else {
            memcpy(&ids[i], from + (size_t)i * size, size);
        }
        while (i >= f->cu[b + 1])
            b++;
        if (ids[i] < 0 || ids[i] >= f->vocab)
            stream_bad(f->in,
                       "row %lld: token id %d is outside the vocabulary of '%s' (%d)",
                       (long long)f->row[b], ids[i], f->dir, f->vocab);
    }
    f->ids = ids;
}

static void
cut_batch(struct feed *f)
{
    const int start = f->all[f->next];
    int *cu = room(&f->cu_part, (size_t)(f->count - f->next) + 1, sizeof *cu);
    f->first = f->next;
    f->longest = 0;
    do {
        const int length = f->all[f->next + 1] - f->all[f->next];
        cu[f->next - f->first] = f->all[f->next] - start;
        f->longest = length > f->longest ? length : f->longest;
        f->next++;
    } while (f->next < f->count && f->all[f->next + 1] - start <= f->budget);
    f->seqs = f->next - f->first;
    f->rows = cu[f->seqs] = f->all[f->next] - start;
    f->cu = cu;
    number_rows(f);
    for (int b = 0; b < f->seqs; b++)
        if (cu[b + 1] - cu[b] > f->positions)
            stream_bad(f->in, "row %lld has %d tokens, but '%s' has %d positions; "
                       "use bpe-tok --max-length %d", (long long)f->row[b],
                       cu[b + 1] - cu[b], f->dir, f->positions, f->positions);
    read_ids(f);
}

int
feed_next(struct feed *f)
{
    assert(f->in && f->budget > 0 && f->positions > 0);
    while (!f->record || f->next == f->count) {
        f->record = stream_next(f->in);
        if (!f->record)
            return 0;
        open_record(f);
    }
    cut_batch(f);
    return 1;
}

/* I32 [B+1] offsets of a kept field: 0, growing, to the number of bytes. */
static int
offset_at(const struct feed *f, const struct tensor *offsets, const struct tensor *bytes,
          int b)
{
    int at, before = 0;
    memcpy(&at, (const char *)offsets->data + (size_t)b * sizeof at, sizeof at);
    if (b)
        memcpy(&before, (const char *)offsets->data + (size_t)(b - 1) * sizeof at,
               sizeof at);
    if (at < before || at > bytes->shape[0])
        stream_bad(f->in, "tensor '%s': offset %d is out of order", offsets->name, b);
    return at;
}

static int
kept_field(const struct feed *f, const struct tensor *t, const struct tensor **offsets)
{
    char name[512];
    if (t->type != U8 || t->rank != 1 ||
        snprintf(name, sizeof name, "%s.offsets", t->name) >= (int)sizeof name)
        return 0;
    *offsets = record_tensor(f->record, name);
    return *offsets && (*offsets)->type == I32 && (*offsets)->rank == 1 &&
           (*offsets)->shape[0] == f->count + 1;
}

/* The part of a kept field that belongs to the batch, and its offsets from 0 in `own`. */
static void
travel_kept(const struct feed *f, struct image *b, const struct tensor *t,
            const struct tensor *offsets, int *own)
{
    const int from = offset_at(f, offsets, t, f->first);
    for (int i = 0; i <= f->seqs; i++)
        own[i] = offset_at(f, offsets, t, f->first + i) - from;
    image_1d(b, t->name, U8, own[f->seqs], (const char *)t->data + from);
    image_1d(b, offsets->name, I32, f->seqs + 1, own);
}

/* Rows [from, from + n) of t. */
static void
travel_rows(struct image *b, const struct tensor *t, int from, int n)
{
    int64_t shape[TENSOR_RANK];
    memcpy(shape, t->shape, sizeof shape);
    shape[0] = n;
    image_tensor(b, t->name, t->type, t->rank, shape,
                 (const char *)t->data + t->bytes / (size_t)t->shape[0] * (size_t)from);
}

void
feed_travel(struct feed *f, struct image *b)
{
    const struct record *r = f->record;
    const struct tensor *offsets;
    int *own =
        room(&f->scratch, mem_mul((size_t)r->tensors, (size_t)f->seqs + 1), sizeof *own);
    image_1d(b, "cu_seqlens", I32, f->seqs + 1, f->cu);
    image_1d(b, "row", I64, f->seqs, f->row);
    for (int i = 0; i < r->tensors; i++) {
        const struct tensor *t = &r->tensor[i];
        if (!strcmp(t->name, "cu_seqlens") || !strcmp(t->name, "row") ||
            !strcmp(t->name, "input_ids"))
            continue;
        if (kept_field(f, t, &offsets)) {
            travel_kept(f, b, t, offsets, own);
            own += f->seqs + 1;
        } else if (t->rank && t->shape[0] == f->count) {
            travel_rows(b, t, f->first, f->seqs);
        } else if (t->rank && t->shape[0] == f->all[f->count]) {
            travel_rows(b, t, f->all[f->first], f->rows);
        }
    }
}

void
feed_free(struct feed *f)
{
    mem_free(f->cus.p);
    mem_free(f->cu_part.p);
    mem_free(f->id.p);
    mem_free(f->rownumbers.p);
    mem_free(f->scratch.p);
}

void
feed_check(const struct stream_in *in, const struct config *c, const char *dir)
{
    const struct record *head = stream_head(in);
    const char *made_by = record_meta(head, "tokenizer"),
               *vocab = record_meta(head, "vocab");
    char *path = mem_printf("%s/tokenizer.json", dir);
    if (vocab && strtoll(vocab, NULL, 10) > c->vocab)
        die_data("'%s' was made with a vocabulary of %s tokens, but '%s' knows %d",
                 stream_name(in), vocab, dir, c->vocab);
    if (made_by && !access(path, R_OK)) {
        struct tokenizer t;
        tokenizer_load(&t, dir);
        if (strtoull(made_by, NULL, 16) != t.fingerprint)
            die_data("'%s' was made with tokenizer %s, but '%s' is %016" PRIx64,
                     stream_name(in), made_by, path, t.fingerprint);
        tokenizer_free(&t);
    }
    mem_free(path);
}
