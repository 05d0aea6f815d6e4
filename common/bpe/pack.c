#include "common/bpe/pack.h"
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/rng.h"
#include "formats/gather.h"

enum { BLOCK_TOKENS = 1 << 16 };

/* A stretch of the stream held for shuffling. */
struct block {
    struct image image;
    struct record record;
    struct sequences s;
};
struct pack {
    const struct pack_options *o;
    struct stream_in *in;
    struct stream_out *out;
    int64_t vocab; /* ids are below it; INT32_MAX when the head does not say */
    struct gather batch;
    struct image image;
    struct block **block;
    size_t blocks;
};

static void
need(const struct pack *p, const char *why)
{
    if (why)
        stream_bad(p->in, "%s", why);
}

static void
check_ids(const struct pack *p, const struct sequences *s)
{
    const struct tensor *t = record_tensor(s->record, "input_ids");
    if (!t)
        stream_bad(p->in, "tensor 'input_ids' is missing");
    if (t->type != U16 && t->type != I32)
        stream_bad(p->in, "tensor 'input_ids' is %s, not U16 or I32", dtype_name(t->type));
    for (int64_t b = 0; b < s->n; b++) {
        if (s->cu[b] == s->cu[b + 1])
            stream_bad(p->in, "row %lld has no tokens, and an empty sequence has no vector",
                       (long long)s->row[b]);
        for (int64_t i = s->cu[b]; i < s->cu[b + 1]; i++) {
            uint16_t narrow = 0;
            memcpy(&narrow, (const char *)t->data + (size_t)i * dtype_size(t->type),
                   sizeof narrow);
            const int64_t id = t->type == U16 ? narrow : sequences_i32(t, i);
            if (id < 0 || id >= p->vocab)
                stream_bad(p->in,
                           "row %lld: token id %lld is outside the vocabulary (%lld)",
                           (long long)s->row[b], (long long)id, (long long)p->vocab);
        }
    }
}

static void
check(const struct pack *p, struct sequences *s, const struct record *r)
{
    need(p, sequences_read(s, r, stream_base(p->in)));
    if (!s->cu)
        stream_bad(p->in, "tensor 'cu_seqlens' is missing");
    if (!s->row)
        stream_bad(p->in, "tensor 'row' is missing");
    need(p, sequences_lost(s));
    check_ids(p, s);
}

static void
flush(struct pack *p)
{
    if (!p->batch.n)
        return;
    image_reset(&p->image);
    need(p, gather_image(&p->batch, &p->image));
    stream_put(p->out, &p->image, p->batch.n, p->batch.tokens);
    gather_reset(&p->batch);
}

static int
fits(const struct pack *p, int64_t sequences, int64_t tokens)
{
    return p->batch.tokens + tokens <= p->o->tokens &&
           (!p->o->sequences || p->batch.n + sequences <= p->o->sequences);
}

/* Sequences [first, last) of s, in runs as long as a batch takes them. */
static void
take(struct pack *p, const struct sequences *s, int64_t first, int64_t last)
{
    while (first < last) {
        int64_t n = 0;
        while (first + n < last && fits(p, n + 1, s->cu[first + n + 1] - s->cu[first]))
            n++;
        if (!n && !p->batch.n)
            n = 1; /* longer than the budget: alone */
        if (n)
            need(p, gather_add(&p->batch, s, first, n, 0));
        first += n;
        if (first < last || !fits(p, 1, 1)) /* a full batch is not held back */
            flush(p);
    }
}

/* Turns what was gathered into a block. */
static void
keep(struct pack *p, struct gather *g)
{
    struct block *b = mem_zalloc(1, sizeof *b);
    image_init(&b->image);
    record_init(&b->record);
    need(p, gather_image(g, &b->image));
    image_finish(&b->image);
    need(p, record_decode(&b->record, b->image.bytes, b->image.size));
    need(p, sequences_read(&b->s, &b->record, 0));
    p->block = mem_realloc(p->block, p->blocks + 1, sizeof *p->block);
    p->block[p->blocks++] = b;
    gather_reset(g);
}

static int64_t
read_blocks(struct pack *p)
{
    struct sequences s = { 0 };
    struct gather g = { 0 };
    const struct record *r;
    int64_t n = 0;
    while ((r = stream_next(p->in))) {
        check(p, &s, r);
        if (g.n && g.tokens + s.tokens > BLOCK_TOKENS)
            keep(p, &g);
        need(p, gather_add(&g, &s, 0, s.n, 0));
        n += s.n;
    }
    if (g.n)
        keep(p, &g);
    gather_free(&g);
    sequences_free(&s);
    return n;
}

static void
shuffled(struct pack *p)
{
    const int64_t n = read_blocks(p);
    if (n > UINT32_MAX)
        die_data("'%s': more than 4294967295 sequences cannot be shuffled",
                 stream_name(p->in));
    uint32_t *order = mem_array((size_t)n, sizeof *order);
    uint32_t *start = mem_array(p->blocks + 1, sizeof *start);
    rng_permute(order, (size_t)n, rng_key((uint64_t)p->o->seed, 0, 0));
    start[0] = 0;
    for (size_t i = 0; i < p->blocks; i++)
        start[i + 1] = start[i] + (uint32_t)p->block[i]->s.n;
    for (int64_t i = 0; i < n; i++) {
        size_t low = 0, high = p->blocks;
        while (high - low > 1) {
            const size_t mid = low + (high - low) / 2;
            *(start[mid] <= order[i] ? &low : &high) = mid;
        }
        take(p, &p->block[low]->s, order[i] - start[low], order[i] - start[low] + 1);
    }
    for (size_t i = 0; i < p->blocks; i++) {
        image_free(&p->block[i]->image);
        record_free(&p->block[i]->record);
        sequences_free(&p->block[i]->s);
        mem_free(p->block[i]);
    }
    mem_free(p->block);
    mem_free(order);
    mem_free(start);
}

static void
in_order(struct pack *p)
{
    struct sequences s = { 0 };
    const struct record *r;
    while ((r = stream_next(p->in))) {
        check(p, &s, r);
        take(p, &s, 0, s.n);
    }
    sequences_free(&s);
}

void
pack_run(const struct pack_options *o, struct stream_in *in, struct stream_out *out)
{
    struct pack p = { .o = o, .in = in, .out = out };
    const char *vocab = record_meta(stream_head(in), "vocab");
    p.vocab = vocab ? strtoll(vocab, NULL, 10) : 0;
    if (p.vocab <= 0)
        p.vocab = INT32_MAX;
    image_init(&p.image);
    if (o->shuffle)
        shuffled(&p);
    else
        in_order(&p);
    flush(&p);
    image_free(&p.image);
    gather_free(&p.batch);
}
