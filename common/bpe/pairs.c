/* pairs - the table of merges over symbols, and pieces of any length */
#include <string.h>
#include "common/bpe/pairs.h"
#include "common/bpe/scan.h"
#include "formats/tokenizer.h"

enum { BYTES = 256, SYMBOLS = 65535, BLOCK = 4096, LINE = 64, FETCH = 8 };
/*
 * How a long piece is cut: bytes of a block, and those that its joints may merge again: so
 * many at first and so many per cent of what is done.  Small blocks are merged in
 * registers, and are the fastest where their joints hold; large ones are swept.
 */
static const struct cut {
    size_t block, first, percent;
} small = {PAIRS_BLOCK, 1024, 50}, large = {BLOCK, 65536, 200};

/* The symbol of each id, or -1; NULL: the tokenizer does not fit. */
static int *
symbols_of(const struct tokenizer *t)
{
    int *symbol;
    int fits = t->vocabs <= SYMBOLS && t->merges <= SYMBOLS - BYTES;

    if (!fits)
        return NULL;
    symbol = mem_array((size_t)t->vocabs, sizeof *symbol);
    memset(symbol, 0xFF, (size_t)t->vocabs * sizeof *symbol);
    for (int b = 0; b < BYTES; b++) {
        if (t->byte[b] >= 0)
            symbol[t->byte[b]] = b;
        else /* bytes that no UTF-8 holds may lack a token */
            fits &= b == 0xC0 || b == 0xC1 || b >= 0xF5;
    }
    for (int i = 0; fits && i < t->merges; i++) {
        fits = symbol[t->merge[i].result] < 0;
        symbol[t->merge[i].result] = BYTES + i;
    }
    if (fits)
        return symbol;
    mem_free(symbol);
    return NULL;
}

static void
insert(struct pairs *p, uint32_t left, uint32_t right, uint16_t symbol)
{
    const uint32_t key = left << 16 | right, hash = pairs_hash(left, right);

    p->may[hash >> p->shift] |= 1u << (hash >> (p->shift - 5) & 31);
    for (uint32_t i = hash >> p->shift;; i = (i + 1) & p->mask) {
        struct pairs_bucket *b = &p->bucket[i];
        if (b->used < PAIRS_WAYS) {
            b->key[b->used] = ~key;
            b->symbol[b->used++] = (uint16_t)~symbol;
            return;
        }
        b->used = PAIRS_WAYS + 1;
    }
}

/* Run twice: to measure, then to place. */
static void
place(struct pairs *p, struct arena *a, size_t symbols)
{
    p->bucket = arena_take(a, (size_t)p->mask + 2, sizeof *p->bucket);
    p->may = arena_take(a, (size_t)p->mask + 1, sizeof *p->may);
    p->grid = arena_take(a, BYTES * BYTES, sizeof *p->grid);
    p->left = arena_take(a, symbols, sizeof *p->left);
    p->right = arena_take(a, symbols, sizeof *p->right);
    p->bytes = arena_take(a, symbols, sizeof *p->bytes);
    p->id = arena_take(a, symbols, sizeof *p->id);
}

static void
tables(struct pairs *p, size_t symbols)
{
    struct arena a = {0};
    unsigned bits = 1;

    while ((size_t)PAIRS_WAYS << bits < symbols * 2)
        bits++;
    p->shift = 32 - bits;
    p->mask = (1u << bits) - 1;
    place(p, &a, symbols);
    p->memory = mem_filled(mem_add(a.used, LINE), 1);
    a = (struct arena){.base = p->memory + (LINE - (uintptr_t)p->memory % LINE)};
    place(p, &a, symbols);
    memset(p->grid, 0xFF, BYTES * BYTES * sizeof *p->grid);
}

struct pairs *
pairs_new(const struct tokenizer *t, const struct scan *scan)
{
    struct pairs *p;
    int *symbol = symbols_of(t);

    if (!symbol)
        return NULL;
    p = mem_zalloc(1, sizeof *p);
    tables(p, BYTES + (size_t)t->merges);
    p->scan = scan;
    p->ordered = 1;
    for (int b = 0; b < BYTES; b++) {
        p->left[b] = p->right[b] = (uint16_t)b;
        p->bytes[b] = 1;
        p->id[b] = (uint16_t)t->byte[b];
    }
    for (int i = 0; i < t->merges; i++) {
        const int l = symbol[t->merge[i].left], r = symbol[t->merge[i].right];
        const int s = BYTES + i, far = i + FETCH < t->merges ? i + FETCH : i;
        __builtin_prefetch(&p->bucket[pairs_hash((uint32_t)symbol[t->merge[far].left],
                                                 (uint32_t)symbol[t->merge[far].right]) >>
                                      p->shift],
                           1);
        p->id[s] = (uint16_t)t->merge[i].result;
        if (l < 0 || r < 0) { /* a part that no merge makes: never met */
            p->left[s] = p->right[s] = (uint16_t)s;
            continue;
        }
        p->ordered &= l < s && r < s;
        p->left[s] = (uint16_t)l;
        p->right[s] = (uint16_t)r;
        p->bytes[s] = l < s && r < s ? (uint16_t)(p->bytes[l] + p->bytes[r]) : 0;
        insert(p, (uint32_t)l, (uint32_t)r, (uint16_t)s);
        if (l < BYTES && r < BYTES)
            p->grid[l << 8 | r] = (uint16_t)s;
    }
    mem_free(symbol);
    return p;
}

void
pairs_free(struct pairs *p)
{
    if (!p)
        return;
    mem_free(p->memory);
    mem_free(p);
}

static uint32_t
pair_rank(const void *arg, int left, int right, int *product)
{
    const uint32_t s = pairs_find(arg, (uint32_t)left, (uint32_t)right);

    *product = (int)s;
    return s == PAIRS_NONE ? HEAP_NONE : s;
}

static size_t
by_heap(const struct pairs *p, struct heap_work *w, const unsigned char *s, size_t n,
        uint16_t *out)
{
    size_t left = 0;

    heap_room(w, n);
    for (size_t i = 0; i < n; i++)
        w->id[i] = s[i];
    heap_merge(w, (uint32_t)n, pair_rank, p);
    for (size_t i = 0; i < n; i++)
        if (w->id[i] >= 0)
            out[left++] = (uint16_t)w->id[i];
    return left;
}

/*
 * Would the bytes of a and b together give a, b?  Undoes both, latest merge first, asking
 * at each step whether a merge across the joint would have come before the next one undone.
 */
static int
stands(const struct pairs *p, uint32_t a, uint32_t b)
{
    uint32_t limit = UINT32_MAX;

    for (;;) {
        const uint32_t cross = pairs_find(p, a, b);
        if (cross != PAIRS_NONE && cross < limit)
            return 0;
        if (a < BYTES && b < BYTES)
            return 1;
        if (a > b) {
            limit = a;
            a = p->right[a];
        } else { /* of equal ranks the left one merged first */
            limit = b + 1;
            b = p->left[b];
        }
    }
}

struct joint { /* a long piece, merged up to out[0..count) */
    const struct pairs *p;
    struct pairs_work *work;
    const unsigned char *s;
    uint16_t *out;
    size_t count;
    size_t again; /* bytes merged again so far */
};

static size_t
bytes_of(const struct pairs *p, const uint16_t *symbol, size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += p->bytes[symbol[i]];
    return bytes;
}

static size_t
some(const struct joint *j, const unsigned char *s, size_t n, uint16_t *out)
{
    return n <= PAIRS_BLOCK ? j->p->scan->merge(j->p, s, n, out)
                            : sweep_merge(j->work->sweep, j->p, s, n, out);
}

/*
 * The block's symbols next[0..n) do not stand beside what came before them at byte `at`:
 * merges again ever more symbols of both sides until both new joints stand.  0: gives up.
 */
static int
mend(struct joint *j, const struct cut *cut, size_t at, const uint16_t *next, size_t n)
{
    uint16_t *middle = j->work->middle;

    for (size_t reach = 1;; reach *= 2) {
        const size_t a = reach < j->count ? reach : j->count, b = reach < n ? reach : n;
        const size_t before = bytes_of(j->p, j->out + j->count - a, a);
        const size_t bytes = before + bytes_of(j->p, next, b);
        j->again += bytes;
        if (bytes > SWEEP_MAX || j->again > cut->first + at * cut->percent / 100)
            return 0;
        const size_t k = some(j, j->s + at - before, bytes, middle);
        if ((a == j->count || stands(j->p, j->out[j->count - a - 1], middle[0])) &&
            (b == n || stands(j->p, middle[k - 1], next[b]))) {
            memcpy(j->out + j->count - a, middle, k * sizeof *middle);
            j->count += k - a;
            memcpy(j->out + j->count, next + b, (n - b) * sizeof *next);
            j->count += n - b;
            return 1;
        }
        if (a == j->count && b == n)
            return 0;
    }
}

/* Blocks, each one's last symbol left to the next, for the block's end may cut it short.
 * 0: too many joints do not hold. */
static size_t
by_blocks(const struct pairs *p, struct pairs_work *w, const unsigned char *s, size_t n,
          uint16_t *out, const struct cut *cut)
{
    struct joint j = {p, w, s, out, 0, 0};
    size_t bytes;

    for (size_t at = 0; at < n; at += bytes) {
        bytes = n - at < cut->block ? n - at : cut->block;
        size_t k = some(&j, s + at, bytes, w->block);
        if (at + bytes < n && k > 1)
            bytes -= p->bytes[w->block[--k]];
        if (!j.count || stands(p, out[j.count - 1], w->block[0])) {
            memcpy(out + j.count, w->block, k * sizeof *out);
            j.count += k;
        } else if (!mend(&j, cut, at, w->block, k))
            return 0;
    }
    return j.count;
}

/* Does the piece begin with many different bytes?  What repeats has long symbols, and is
 * swept in half the time. */
static int
varied(const unsigned char *s)
{
    uint64_t seen[4] = {0};
    int different = 0;

    for (int i = 0; i < PAIRS_BLOCK; i++)
        seen[s[i] / 64] |= UINT64_C(1) << s[i] % 64;
    for (int i = 0; i < 4; i++)
        different += __builtin_popcountll(seen[i]);
    return different > 8;
}

size_t
pairs_merge(const struct pairs *p, struct pairs_work *w, const unsigned char *s, size_t n,
            uint16_t *out)
{
    size_t k;

    if (n <= PAIRS_BLOCK)
        return p->scan->merge(p, s, n, out);
    if (!p->ordered)
        return by_heap(p, &w->heap, s, n, out);
    if (!w->sweep) {
        w->sweep = sweep_new();
        w->block = mem_array(BLOCK, sizeof *w->block);
        w->middle = mem_array(SWEEP_MAX, sizeof *w->middle);
    }
    if (varied(s) && (k = by_blocks(p, w, s, n, out, &small)))
        return k;
    if ((k = by_blocks(p, w, s, n, out, &large)))
        return k;
    return by_heap(p, &w->heap, s, n, out);
}

void
pairs_work_free(struct pairs_work *w)
{
    heap_free(&w->heap);
    sweep_free(w->sweep);
    mem_free(w->block);
    mem_free(w->middle);
    *w = (struct pairs_work){0};
}
