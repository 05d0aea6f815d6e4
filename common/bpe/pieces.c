/* pieces - the two tables, and what fills them */
#include "common/bpe/pieces.h"
#include "common/base/mem.h"
#include "common/bpe/scan.h"

enum {
    BITS_MIN = 15,
    BITS_MORE = 18,
    BITS_MAX = 19, /* 1, 8, 16 MiB */
    REACH = 8,     /* entries looked at, those of its line first */
    BIG_BITS = 15,
    BIG_REACH = 32,
    BIG_BYTES = 4096,
    BIG_ROOM = 2 << 20,
    BIG_IDS = 2 << 20
};

/* The table is looked up at random: in large pages, once it has some. */
static struct piece_entry *
entries(unsigned bits)
{
    return mem_map(sizeof(struct piece_entry) << bits, bits > BITS_MIN);
}

struct pieces *
pieces_new(const struct bpe *b)
{
    struct pieces *c = mem_zalloc(1, sizeof *c);

    c->b = b;
    c->entry = entries(BITS_MIN);
    c->shift = 64 - BITS_MIN;
    c->mask = ((size_t)1 << BITS_MIN) - 1;
    return c;
}

void
pieces_free(struct pieces *c)
{
    if (!c)
        return;
    mem_unmap(c->entry, sizeof *c->entry * (c->mask + 1));
    mem_free(c->big);
    mem_free(c->bytes.p);
    mem_free(c->ids.p);
    pairs_work_free(&c->work);
    mem_free(c);
}

/* A bit of the key that says: this piece has too many ids for an entry, see the other
 * table. */
#define MANY (UINT64_C(1) << 63)

static struct piece_entry *
home(const struct pieces *c, struct words k)
{
    k.high &= ~MANY;
    return pieces_at(c, pieces_hash(k));
}

static void
grow(struct pieces *c)
{
    struct piece_entry *old = c->entry;
    const size_t n = c->mask + 1;
    const unsigned bits = c->shift == 64 - BITS_MIN ? BITS_MORE : BITS_MAX;

    c->entry = entries(bits);
    c->shift = 64 - bits;
    c->mask = ((size_t)1 << bits) - 1;
    for (size_t i = 0; i < n; i++)
        if (old[i].key.high) {
            struct piece_entry *e = home(c, old[i].key);
            while (e->key.high)
                e = e == c->entry + c->mask ? c->entry : e + 1;
            *e = old[i];
        }
    mem_unmap(old, sizeof *old * n);
}

/* Blanks as the tokens of their runs, the longest first (at most one byte a token). */
static size_t
run_ids(const struct bpe *b, size_t n, uint16_t *out)
{
    size_t k = 0;

    for (; n > b->run; n -= b->run)
        out[k++] = b->run_id[b->run];
    out[k++] = b->run_id[n];
    return k;
}

static size_t
merged(struct pieces *c, const unsigned char *s, size_t n, uint16_t *out)
{
    const struct pairs *p = c->b->pairs;
    size_t k;

    if (c->b->run && s[0] == ' ' && s[1] == ' ')
        return run_ids(c->b, n, out);
    memset(out, 0, SCAN_IDS * sizeof *out);
    k = pairs_merge(p, &c->work, s, n, out);
    for (size_t i = 0; i < SCAN_IDS / 2; i++) /* always: few pieces have more */
        out[i] = p->id[out[i]];
    for (size_t i = SCAN_IDS / 2; i < k; i++)
        out[i] = p->id[out[i]];
    return k;
}

/* Where the piece is, or would go: an empty entry, else the one furthest from its line. */
static struct piece_entry *
place(const struct pieces *c, struct words k)
{
    const size_t at = (size_t)(home(c, k) - c->entry);

    for (size_t i = 0; i < REACH; i++) {
        struct piece_entry *e = &c->entry[(at + i) & c->mask];
        if (!e->key.high || !((e->key.low ^ k.low) | ((e->key.high ^ k.high) & ~MANY)))
            return e;
    }
    return &c->entry[(at + REACH - 1) & c->mask];
}

/* What is often looked up moves to the line where it is looked for first. */
static void
bring_home(struct pieces *c, struct piece_entry *e)
{
    struct piece_entry *second = home(c, e->key) + 1, swap = *second;

    if (e == second || e == second - 1)
        return;
    *second = *e;
    *e = swap;
}

static void
remember(struct pieces *c, struct piece_entry *e, struct words k, const uint16_t *id,
         size_t ids)
{
    if (!e->key.high) {
        if (c->used * 8 > c->mask * 5 && c->shift > 64 - BITS_MAX) {
            grow(c);
            e = place(c, k);
        }
        c->used += !e->key.high;
    }
    e->key = k;
    memcpy(e->id, id, sizeof e->id);
    e->n = (uint16_t)ids;
}

size_t
pieces_miss(struct pieces *c, const unsigned char *s, size_t n, struct words k,
            uint16_t *out)
{
    struct piece_entry *e = place(c, k);
    uint16_t id[PIECES_SHORT + 1] = {0};
    size_t ids;

    if (pieces_hit(e, k)) {
        memcpy(out, e->id, sizeof e->id);
        ids = e->n;
        bring_home(c, e);
        return ids;
    }
    if (e->key.low == k.low && e->key.high == (k.high | MANY))
        return pieces_long(c, s, n, out);
    ids = merged(c, s, n, id);
    memcpy(out, id, sizeof id);
    if (ids > PIECES_IDS)
        k.high |= MANY;
    remember(c, e, k, id, ids);
    return ids;
}

static uint32_t
hash_of(const unsigned char *s, size_t n)
{
    uint64_t h = n, word;

    for (; n >= sizeof word; s += sizeof word, n -= sizeof word) {
        memcpy(&word, s, sizeof word);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, s, n);
    h = (h ^ word) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 32);
}

static int
big_hit(const struct pieces *c, const struct piece_long *e, const unsigned char *s, size_t n,
        uint32_t hash)
{
    return e->n == n && e->hash == hash && !memcmp(c->bytes.p + e->at, s, n);
}

/* The long piece's entry, or where it would go: an empty one, else its home, for pieces made
 * to have one hash must not make a long walk. */
static struct piece_long *
big_place(struct pieces *c, const unsigned char *s, size_t n, uint32_t hash)
{
    const size_t mask = ((size_t)1 << BIG_BITS) - 1;

    for (size_t i = 0; i < BIG_REACH; i++) {
        struct piece_long *e = &c->big[(hash + i) & mask];
        if (!e->n || big_hit(c, e, s, n, hash))
            return e;
    }
    return &c->big[hash & mask];
}

static void
big_empty(struct pieces *c)
{
    if (!c->big)
        c->big = mem_zalloc((size_t)1 << BIG_BITS, sizeof *c->big);
    else
        memset(c->big, 0, sizeof *c->big << BIG_BITS);
    c->bigs = c->bytes.n = c->ids.n = 0;
}

static void
big_keep(struct pieces *c, struct piece_long *e, const unsigned char *s, size_t n,
         uint32_t hash, const uint16_t *id, size_t ids)
{
    if (c->bytes.n + n > BIG_ROOM || c->ids.n + ids * sizeof *id > BIG_IDS ||
        c->bigs * 2 > (size_t)1 << BIG_BITS) {
        big_empty(c);
        e = big_place(c, s, n, hash);
    }
    *e = (struct piece_long){hash, (uint32_t)c->bytes.n, (uint32_t)n, (uint32_t)c->ids.n,
                             (uint32_t)ids};
    buf_add(&c->bytes, s, n);
    buf_add(&c->ids, id, ids * sizeof *id);
    c->bigs++;
}

size_t
pieces_long(struct pieces *c, const unsigned char *s, size_t n, uint16_t *out)
{
    struct piece_long *e;
    uint32_t hash;
    size_t ids;

    if (n > BIG_BYTES)
        return merged(c, s, n, out);
    if (!c->big)
        big_empty(c);
    hash = hash_of(s, n);
    e = big_place(c, s, n, hash);
    if (big_hit(c, e, s, n, hash)) {
        memcpy(out, c->ids.p + e->id_at, e->ids * sizeof *out);
        return e->ids;
    }
    ids = merged(c, s, n, out);
    big_keep(c, e, s, n, hash, out, ids);
    return ids;
}
