/* encode - added tokens, normalisation, pieces and merges, one after the other */
#include "common/base/mem.h"
#include "common/bpe/added.h"
#include "common/bpe/bpe.h"
#include "common/bpe/cache.h"
#include "common/bpe/encode.h"
#include "common/bpe/merge.h"
#include "common/bpe/nfc.h"
#include "common/bpe/pretok.h"
#include "common/bpe/spans.h"
#include "formats/tokenizer.h"

struct encoder {
    const struct bpe *b;
    const struct merges *merges;
    struct nfc nfc;
    struct heap_work work;
    struct buf text; /* the normalised stretch */
    struct cache_entry *cache;
    size_t specials;
    struct spans *spans; /* NULL: nobody asks where tokens are from */
};
struct goal { struct ids *out; size_t most; }; /* stop when out->n > most */

int *
ids_room(struct ids *ids, size_t more)
{
    size_t need = mem_add(ids->n, more);

    if (need > ids->cap) {
        ids->cap = need > ids->cap * 2 ? need : ids->cap * 2;
        ids->p = mem_realloc(ids->p, ids->cap, sizeof *ids->p);
    }
    return ids->p + ids->n;
}

struct encoder *
encoder_new(struct bpe *b)
{
    struct encoder *e = mem_zalloc(1, sizeof *e);

    e->b = b;
    e->merges = bpe_merges(b);
    e->cache = mem_zalloc((size_t)1 << CACHE_BITS, sizeof *e->cache);
    return e;
}

void
encoder_free(struct encoder *e)
{
    if (!e)
        return;
    nfc_free(&e->nfc);
    heap_free(&e->work);
    mem_free(e->text.p);
    mem_free(e->cache);
    mem_free(e);
}

/* Appends the ids of one short piece, remembering them; to has room for CACHE_IDS and n. */
static size_t
short_piece(struct encoder *e, const char *s, size_t n, size_t readable, int *to)
{
    struct words key = cache_key(s, n, readable);
    struct cache_entry *c = cache_at(e->cache, key);
    size_t count;

    if (cache_holds(c, key)) {
        memcpy(to, c->id, sizeof c->id);
        count = c->id[0] >> 24;
        to[0] = (int)(c->id[0] & 0xFFFFFF);
        return count;
    }
    count = merge_piece(e->merges, &e->work, s, n, to);
    if (count && count <= CACHE_IDS) {
        memcpy(c->id, to, count * sizeof *to);
        c->id[0] |= (uint32_t)count << 24;
        c->key = key;
    }
    return count;
}

/* Text without added tokens: pieces and their merges. */
static void
encode_pieces(struct encoder *e, const char *s, size_t n, const struct goal *goal)
{
    struct ids *out = goal->out;
    int *to = ids_room(out, mem_add(n, CACHE_IDS));
    size_t piece;

    for (size_t i = 0; i < n && out->n <= goal->most; i += piece) {
        piece = e->b->next(s + i, n - i);
        out->n += piece <= CACHE_BYTES
                      ? short_piece(e, s + i, piece, n - i, to)
                      : merge_piece(e->merges, &e->work, s + i, piece, to);
        if (e->spans)
            spans_piece(e->spans, s + i, to, (size_t)(out->p + out->n - to));
        to = out->p + out->n;
    }
}

/* Splits on the tokens of set and hands the text between them on. */
static void
encode_split(struct encoder *e, const struct added_set *set, const char *s, size_t n,
             const struct goal *goal,
             void next(struct encoder *e, const char *s, size_t n, const struct goal *goal))
{
    struct added_scan scan;
    struct added_part part;

    if (!set) {
        next(e, s, n, goal);
        return;
    }
    scan = added_scan(set, s, n);
    while (goal->out->n <= goal->most && added_next(&scan, &part)) {
        if (part.id >= 0) {
            *ids_room(goal->out, 1) = part.id;
            goal->out->n++;
            if (e->spans)
                spans_token(e->spans, s + part.from, s + part.to);
        } else
            next(e, s + part.from, part.to - part.from, goal);
    }
    e->specials += scan.specials;
}

/* A stretch between tokens of the raw text. */
static void
encode_stretch(struct encoder *e, const char *s, size_t n, const struct goal *goal)
{
    const char *raw = s;

    if (e->b->nfc && !nfc_is(s, n)) {
        e->text.n = 0;
        e->nfc.changes = e->spans ? &e->spans->changes : NULL;
        nfc_add(&e->nfc, &e->text, s, n);
        s = e->text.p;
        n = e->text.n;
    }
    if (e->spans)
        spans_stretch(e->spans, raw, s);
    encode_split(e, e->b->normal, s, n, goal, encode_pieces);
    if (e->spans)
        spans_raw(e->spans);
}

void
encode_text(struct encoder *e, const char *s, size_t n, size_t limit, struct ids *out)
{
    struct goal goal = { out, limit > SIZE_MAX - out->n ? SIZE_MAX : out->n + limit };

    encode_split(e, e->b->raw, s, n, &goal, encode_stretch);
}

size_t
encoder_specials(struct encoder *e)
{
    const size_t n = e->specials;

    e->specials = 0;
    return n;
}

void
encode_spans(struct encoder *e, const char *s, size_t n, int chars, struct buf *out,
             struct buf *words)
{
    struct ids ids = { 0 };
    struct spans spans;

    spans_begin(&spans, e->b->tokenizer, s, chars, out);
    spans.words = words;
    e->spans = &spans;
    encode_text(e, s, n, SIZE_MAX, &ids);
    e->spans = NULL;
    spans_end(&spans);
    mem_free(ids.p);
}
