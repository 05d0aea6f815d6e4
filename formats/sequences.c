#include "formats/sequences.h"
#include <stdio.h>
#include <string.h>

int32_t
sequences_i32(const struct tensor *t, int64_t i)
{
    int32_t v;
    memcpy(&v, (const char *)t->data + (size_t)i * sizeof v, sizeof v);
    return v;
}

/* Is t I32 [..], from 0 to last and never falling? */
static int
rising(const struct tensor *t, int64_t last)
{
    int32_t before = 0;
    if (t->type != I32 || t->rank != 1 || t->shape[0] < 1 || sequences_i32(t, 0))
        return 0;
    for (int64_t i = 0; i < t->shape[0]; i++) {
        const int32_t v = sequences_i32(t, i);
        if (v < before)
            return 0;
        before = v;
    }
    return last < 0 || before == last;
}

static const char *
read_cu(struct sequences *s)
{
    const struct tensor *t = record_tensor(s->record, "cu_seqlens");
    const struct tensor *ids = record_tensor(s->record, "input_ids");
    if (!t)
        return ids ? "tensor 'cu_seqlens' is missing" : NULL;
    if (ids && ids->rank != 1)
        return "tensor 'input_ids' is not a vector";
    if (!rising(t, ids ? ids->shape[0] : -1))
        return ids ? "cu_seqlens do not rise from 0 to the number of input_ids"
                   : "cu_seqlens do not rise from 0";
    s->n = t->shape[0] - 1;
    s->cus.n = 0;
    int64_t *cu = buf_room(&s->cus, mem_mul((size_t)t->shape[0], sizeof *cu));
    for (int64_t i = 0; i <= s->n; i++)
        cu[i] = sequences_i32(t, i);
    s->cu = cu;
    s->tokens = cu[s->n];
    return NULL;
}

static const char *
read_rows(struct sequences *s, int64_t base)
{
    const struct tensor *t = record_tensor(s->record, "row");
    if (!t)
        return NULL;
    if (t->type != I64 || t->rank != 1 || (s->n >= 0 && t->shape[0] != s->n))
        return "tensor 'row' is not I64, one a sequence";
    s->n = t->shape[0];
    s->rows.n = 0;
    int64_t *row = buf_room(&s->rows, mem_add(t->bytes, 1));
    memcpy(row, t->data, t->bytes);
    for (int64_t i = 0; i < s->n; i++)
        if (row[i] < 0 || __builtin_add_overflow(row[i], base, &row[i]))
            return "tensor 'row' holds a number out of range";
    s->row = row;
    return NULL;
}

/* The kept field whose offsets t would be, or NULL. */
static const struct tensor *
bytes_of(const struct sequences *s, const struct tensor *t)
{
    static const char suffix[] = ".offsets";
    char name[512];
    const size_t n = strlen(t->name), tail = sizeof suffix - 1;
    if (n <= tail || n - tail >= sizeof name || strcmp(t->name + n - tail, suffix) ||
        t->type != I32)
        return NULL;
    memcpy(name, t->name, n - tail);
    name[n - tail] = 0;
    const struct tensor *b = record_tensor(s->record, name);
    return b && b->type == U8 && b->rank == 1 ? b : NULL;
}

static const struct tensor *
offsets_of(const struct sequences *s, const struct tensor *t)
{
    char name[512];
    if (t->type != U8 || t->rank != 1 ||
        snprintf(name, sizeof name, "%s.offsets", t->name) >= (int)sizeof name)
        return NULL;
    const struct tensor *o = record_tensor(s->record, name);
    return o && o->type == I32 && o->rank == 1 && o->shape[0] == s->n + 1 ? o : NULL;
}

const char *
sequences_read(struct sequences *s, const struct record *r, int64_t base)
{
    static const char *const vectors[] = { "pooled", "logits", "scores" };
    const char *why;
    s->record = r;
    s->n = s->tokens = -1;
    s->cu = s->row = NULL;
    if ((why = read_cu(s)) || (why = read_rows(s, base)))
        return why;
    for (size_t i = 0; s->n < 0 && i < sizeof vectors / sizeof *vectors; i++) {
        const struct tensor *t = record_tensor(r, vectors[i]);
        if (t && t->rank == 2)
            s->n = t->shape[0];
    }
    for (int i = 0; s->n >= 0 && i < r->tensors; i++) {
        const struct tensor *b = bytes_of(s, &r->tensor[i]);
        if (b && (r->tensor[i].shape[0] != s->n + 1 || !rising(&r->tensor[i], b->shape[0])))
            return "the offsets of a kept field do not rise from 0 to its number of bytes";
    }
    return NULL;
}

void
sequences_free(struct sequences *s)
{
    mem_free(s->cus.p);
    mem_free(s->rows.p);
}

int
sequences_fits(const struct sequences *s, const struct tensor *t, enum part part)
{
    switch (part) {
    case PART_CU: return s->cu && !strcmp(t->name, "cu_seqlens");
    case PART_OFFSETS: return s->n >= 0 && bytes_of(s, t);
    case PART_BYTES: return s->n >= 0 && offsets_of(s, t);
    case PART_SEQUENCE: return s->n >= 0 && t->rank > 0 && t->shape[0] == s->n;
    case PART_TOKEN: return s->cu && t->rank > 0 && t->shape[0] == s->tokens;
    case PART_WHOLE: return 1;
    }
    return 0;
}

enum part
sequences_part(const struct sequences *s, const struct tensor *t)
{
    static const enum part order[] = { PART_CU, PART_OFFSETS, PART_BYTES, PART_SEQUENCE,
                                       PART_TOKEN };
    if ((!strcmp(t->name, "input_ids") || !strcmp(t->name, "spans") ||
         !strcmp(t->name, "words") ||
         !strcmp(t->name, "final_hidden") ||
         !strncmp(t->name, "hidden.", 7)) &&
        sequences_fits(s, t, PART_TOKEN))
        return PART_TOKEN;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (sequences_fits(s, t, order[i]))
            return order[i];
    return PART_WHOLE;
}

const char *
sequences_lost(const struct sequences *s)
{
    static const struct { const char *name, *why; } travellers[] = {
        { "labels", "tensor 'labels' has neither a row a sequence nor a row a token" },
        { "truncated", "tensor 'truncated' has neither a row a sequence nor a row a token" },
        { "window", "tensor 'window' has neither a row a sequence nor a row a token" },
    };
    for (size_t i = 0; i < sizeof travellers / sizeof *travellers; i++) {
        const struct tensor *t = record_tensor(s->record, travellers[i].name);
        if (t && sequences_part(s, t) == PART_WHOLE)
            return travellers[i].why;
    }
    return NULL;
}

int
sequences_travels(const struct sequences *s, const struct tensor *t)
{
    static const char *const names[] = { "cu_seqlens", "row", "labels", "truncated",
                                         "window", "spans", "words" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(t->name, names[i]))
            return 1;
    return sequences_fits(s, t, PART_OFFSETS) || sequences_fits(s, t, PART_BYTES);
}

void
sequences_kept(const struct sequences *s, const struct tensor *t, int64_t i, int64_t *from,
               int64_t *to)
{
    const struct tensor *o = offsets_of(s, t);
    *from = sequences_i32(o, i);
    *to = sequences_i32(o, i + 1);
}

/* Is the name in the list of NUL-terminated names? */
static int
listed(const struct buf *names, const char *name)
{
    for (size_t at = 0; at < names->n; at += strlen(names->p + at) + 1)
        if (!strcmp(names->p + at, name))
            return 1;
    return 0;
}

int
group_continues(struct group *g, const struct sequences *s)
{
    const struct record *r = s->record;
    const size_t bytes = s->row ? (size_t)s->n * sizeof *s->row : 0;
    int same = bytes && bytes == g->rows.n && !memcmp(g->rows.p, s->row, bytes);
    for (int i = 0; same && i < r->tensors; i++)
        same = sequences_travels(s, &r->tensor[i]) || !listed(&g->names, r->tensor[i].name);
    if (!same) {
        g->rows.n = g->names.n = 0;
        if (bytes)
            buf_add(&g->rows, s->row, bytes);
    }
    for (int i = 0; bytes && i < r->tensors; i++)
        if (!sequences_travels(s, &r->tensor[i]))
            buf_add(&g->names, r->tensor[i].name, strlen(r->tensor[i].name) + 1);
    return same;
}

void
group_free(struct group *g)
{
    mem_free(g->rows.p);
    mem_free(g->names.p);
}
