#include "formats/gather.h"
#include <stdio.h>
#include <string.h>

enum { NO_LABEL = -100 };

static const char *
bad(struct gather *g, const char *name, const char *why)
{
    snprintf(g->error, sizeof g->error, "tensor '%.100s' %s", name, why);
    return g->error;
}

/* Bytes of one row of t. */
static size_t
row_bytes(const struct column *c)
{
    size_t n = dtype_size(c->type);
    for (int i = 1; i < c->rank; i++)
        n = mem_mul(n, (size_t)c->shape[i]);
    return n;
}

static int
same_layout(const struct column *c, const struct tensor *t)
{
    if (c->type != t->type || c->rank != t->rank)
        return 0;
    for (int i = 1; i < c->rank; i++)
        if (c->shape[i] != t->shape[i])
            return 0;
    return 1;
}

/* The column of that name, looked for first where it was in the record before. */
static struct column *
find(struct gather *g, const char *name, int guess)
{
    if (guess < g->columns && !strcmp(g->column[guess].name, name))
        return &g->column[guess];
    for (int i = 0; i < g->columns; i++)
        if (!strcmp(g->column[i].name, name))
            return &g->column[i];
    return NULL;
}

static struct column *
append(struct gather *g, const struct sequences *s, const struct tensor *t)
{
    if (g->columns == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 16;
        g->column = mem_realloc(g->column, (size_t)g->cap, sizeof *g->column);
    }
    struct column *c = &g->column[g->columns++];
    *c = (struct column){ .name = mem_strdup(t->name), .type = t->type, .rank = t->rank };
    memcpy(c->shape, t->shape, sizeof c->shape);
    c->part = sequences_part(s, t);
    return c;
}

/* Does t have the part that the column has?  Settles a part that could have been either. */
static int
settle(struct column *c, const struct sequences *s, const struct tensor *t)
{
    const int either =
        sequences_fits(s, t, PART_SEQUENCE) && sequences_fits(s, t, PART_TOKEN);
    if (c->part == PART_WHOLE)
        return sequences_part(s, t) == PART_WHOLE;
    if (!sequences_fits(s, t, c->part)) {
        const enum part other = c->part == PART_SEQUENCE ? PART_TOKEN : PART_SEQUENCE;
        if (c->sure || !sequences_fits(s, t, other))
            return 0;
        c->part = other;
    }
    c->sure |= !either || (c->part != PART_SEQUENCE && c->part != PART_TOKEN);
    return 1;
}

/* Counts from 0 on: the ends of sequences [first, first + n), from counted-up offsets. */
static const char *
add_ends(struct gather *g, struct column *c, const struct tensor *t, int64_t first,
         int64_t n)
{
    if (!c->data.n)
        buf_add(&c->data, &(int32_t){ 0 }, sizeof(int32_t));
    int32_t last;
    memcpy(&last, c->data.p + c->data.n - sizeof last, sizeof last);
    int32_t *to = buf_room(&c->data, mem_mul((size_t)n, sizeof *to));
    const int64_t shift = (int64_t)last - sequences_i32(t, first);
    for (int64_t i = 0; i < n; i++) {
        const int64_t end = shift + sequences_i32(t, first + i + 1);
        if (end > INT32_MAX)
            return bad(g, t->name,
                       "would count beyond 2147483647: too much for one record");
        to[i] = (int32_t)end;
    }
    c->data.n += (size_t)n * sizeof *to;
    return NULL;
}

/* The rows [*from, *to) of t that belong to sequences [first, first + n). */
static void
range(const struct sequences *s, const struct column *c, const struct tensor *t,
      int64_t first, int64_t n, int64_t *from, int64_t *to)
{
    int64_t unused;
    *from = *to = 0;
    switch (c->part) {
    case PART_SEQUENCE:
        *from = first;
        *to = first + n;
        break;
    case PART_TOKEN:
        *from = s->cu[first];
        *to = s->cu[first + n];
        break;
    case PART_BYTES:
        if (n) {
            sequences_kept(s, t, first, from, &unused);
            sequences_kept(s, t, first + n - 1, &unused, to);
        }
        break;
    default: *to = t->rank ? t->shape[0] : 1; break;
    }
}

static const char *
add_tensor(struct gather *g, struct column *c, const struct sequences *s,
           const struct tensor *t, int64_t first, int64_t n)
{
    int64_t from, to;
    if (c->part == PART_CU || c->part == PART_OFFSETS)
        return add_ends(g, c, t, first, n);
    range(s, c, t, first, n, &from, &to);
    const size_t width = row_bytes(c), bytes = mem_mul((size_t)(to - from), width);
    const char *data = !strcmp(c->name, "row") && s->row ? (const char *)s->row : t->data;
    if (!c->rank && c->rows)
        return bad(g, t->name, "is a scalar: several cannot be put end to end");
    if (bytes)
        buf_add(&c->data, data + (size_t)from * width, bytes);
    c->rows += to - from;
    return NULL;
}

/* What a record leaves out when none of its sequences has it; no other tensor may come and go. */
static int
optional(const struct column *c)
{
    if (!strcmp(c->name, "truncated"))
        return c->type == U8 && c->rank == 1;
    return !strcmp(c->name, "labels") && ((c->type == I32 && c->rank == 1) || (c->type == F32 && c->rank == 2));
}

/* Rows of "has none" up to the given sequences and tokens: no class (-100), no classes, not cut. */
static void
fill(struct column *c, int64_t n, int64_t tokens)
{
    const int32_t none = c->type == I32 ? NO_LABEL : 0;
    const size_t width = row_bytes(c);
    for (const int64_t to = c->part == PART_TOKEN ? tokens : n; c->rows < to; c->rows++)
        for (size_t done = 0; done < width; done += dtype_size(c->type))
            buf_add(&c->data, &none, dtype_size(c->type));
}

/* Has every column got its part of every group? */
static const char *
complete(struct gather *g)
{
    for (int i = 0; i < g->columns; i++) {
        struct column *c = &g->column[i];
        if (c->groups != g->groups && !optional(c))
            return bad(g, c->name, "is in some records, but not in all");
        if (c->groups != g->groups)
            fill(c, g->n, g->tokens);
        c->groups = g->groups;
    }
    return NULL;
}

const char *
gather_add(struct gather *g, const struct sequences *s, int64_t first, int64_t n,
           int continues)
{
    const char *why = NULL;
    const int64_t before = g->n - (continues ? n : 0);
    const int64_t tokens = s->cu ? s->cu[first + n] - s->cu[first] : 0;
    const int64_t tokens_before = g->tokens - (continues ? tokens : 0);
    if (!continues) {
        if ((why = complete(g)))
            return why;
        g->groups++;
        g->ever++;
        g->n += n;
        g->tokens += tokens;
    }
    for (int i = 0, k = 0; i < s->record->tensors && !why; i++) {
        const struct tensor *t = &s->record->tensor[i];
        struct column *c = find(g, t->name, k);
        if (g->only && strcmp(g->only, t->name))
            continue;
        if (!c && !g->whole && sequences_part(s, t) == PART_WHOLE)
            continue;
        if (!c) {
            c = append(g, s, t);
            if (g->ever > 1 && !optional(c))
                return bad(g, t->name, "is in some records, but not in all");
            if (optional(c))
                fill(c, before, tokens_before);
        }
        k = (int)(c - g->column) + 1;
        if (c->groups == g->groups)
            continue;
        if (!same_layout(c, t) || !settle(c, s, t))
            return bad(g, t->name, "has another type or shape than in an earlier record");
        why = add_tensor(g, c, s, t, first, n);
        c->groups = g->groups;
    }
    return why;
}

struct tensor
gather_tensor(const struct gather *g, int i)
{
    const struct column *c = &g->column[i];
    struct tensor t = { .name = c->name,
                        .type = c->type,
                        .rank = c->rank,
                        .data = c->data.p ? c->data.p : "" };
    memcpy(t.shape, c->shape, sizeof t.shape);
    t.shape[0] = c->part == PART_CU || c->part == PART_OFFSETS ? g->n + 1 : c->rows;
    t.bytes = c->data.n;
    return t;
}

const char *
gather_image(struct gather *g, struct image *b)
{
    const char *why = complete(g);
    for (int i = 0; i < g->columns && !why; i++) {
        const struct tensor t = gather_tensor(g, i);
        image_tensor(b, t.name, t.type, t.rank, t.shape, t.data);
    }
    return why;
}

void
gather_reset(struct gather *g)
{
    for (int i = 0; i < g->columns; i++) {
        g->column[i].data.n = 0;
        g->column[i].rows = g->column[i].groups = 0;
    }
    g->n = g->tokens = g->groups = 0;
}

void
gather_free(struct gather *g)
{
    for (int i = 0; i < g->columns; i++) {
        mem_free(g->column[i].name);
        mem_free(g->column[i].data.p);
    }
    mem_free(g->column);
}
