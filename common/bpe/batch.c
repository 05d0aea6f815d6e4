/* batch - pieces looked up, many at a time */
#include "common/bpe/batch.h"
#include <string.h>
#include "common/base/mem.h"
#include "common/bpe/encode.h"
#include "common/bpe/layout.h"
#include "common/bpe/pieces.h"

/* AHEAD: look-ups whose entries are being fetched.  WINDOW: words cut into pieces at a
 * time. */
enum { AHEAD = 32, WINDOW = 256 };

struct batch {
    struct layout layout;
    struct encoder *encoder; /* of tokenizers that do not fit; else NULL */
    struct ids wide;
    size_t bytes;  /* waiting */
    uint32_t *pos; /* WINDOW * 64 + 64 */
    size_t at;     /* the next event */
    struct pieces *pieces;
    uint16_t *id;
    size_t id_cap;
    size_t *end, *from, *sorted;
    size_t ends, end_cap;
    struct batch_ids result;
};

struct batch *
batch_new(struct bpe *b)
{
    struct batch *t = mem_zalloc(1, sizeof *t);

    t->layout.b = b;
    if (!b->pairs) {
        t->encoder = encoder_new(b);
        return t;
    }
    t->pieces = pieces_new(b);
    t->pos = mem_array(WINDOW * SCAN_WORD + 2 * SCAN_WORD, sizeof *t->pos);
    return t;
}

void
batch_free(struct batch *t)
{
    if (!t)
        return;
    encoder_free(t->encoder);
    mem_free(t->wide.p);
    layout_free(&t->layout);
    mem_free(t->pos);
    pieces_free(t->pieces);
    mem_free(t->id);
    mem_free(t->end);
    mem_free(t->from);
    mem_free(t->sorted);
    mem_free(t);
}

static void
add_end(struct batch *t, size_t end)
{
    if (t->ends == t->end_cap) {
        t->end_cap = t->ends ? 2 * t->ends : 256;
        t->end = mem_realloc(t->end, t->end_cap, sizeof *t->end);
    }
    t->end[t->ends++] = end;
}

void
batch_add(struct batch *t, const char *s, size_t n)
{
    t->bytes += n + 1;
    if (!t->encoder) {
        layout_add(&t->layout, s, n);
        return;
    }
    encode_text(t->encoder, s, n, SIZE_MAX, &t->wide);
    add_end(t, t->wide.n);
}

size_t
batch_bytes(const struct batch *t)
{
    return t->bytes;
}

/* The events before `end`: added tokens' ids, and the ends of texts. */
static uint16_t *
emit(struct batch *t, size_t end, uint16_t *out)
{
    const struct event *e = t->layout.events.all.p + t->at;

    for (; t->at < t->layout.events.all.n && e->from < end; e++, t->at++) {
        if (e->id >= 0)
            *out++ = (uint16_t)e->id;
        else if (e->id == EVENT_END)
            add_end(t, (size_t)(out - t->id));
    }
    return out;
}

static inline size_t
next_event(const struct batch *t)
{
    return t->at < t->layout.events.all.n ? t->layout.events.all.p[t->at].from : SIZE_MAX;
}

struct ahead { /* look-ups under way, in a ring */
    struct words key[AHEAD];
    const struct piece_entry *entry[AHEAD];
};

static inline void
fetch(const struct batch *t, struct ahead *a, const uint32_t *pos, size_t i)
{
    const size_t bytes = pos[i + 1] - pos[i];
    const struct words key =
        pieces_key(t->layout.text + pos[i], bytes <= PIECES_SHORT ? bytes : PIECES_NONE);
    const struct piece_entry *entry = pieces_at(t->pieces, pieces_hash(key));

    __builtin_prefetch(entry);
    a->key[i % AHEAD] = key;
    a->entry[i % AHEAD] = entry;
}

/* A piece that its line of the table does not have, the `i`th; those fetched may move. */
static size_t
look_long(struct batch *t, struct ahead *a, const uint32_t *pos, size_t i, size_t n,
          uint16_t *out)
{
    const unsigned char *s = t->layout.text + pos[i];
    const size_t bytes = pos[i + 1] - pos[i];
    const struct piece_entry *table = t->pieces->entry;
    size_t ids;

    if (bytes > PIECES_SHORT)
        return pieces_long(t->pieces, s, bytes, out);
    ids = pieces_miss(t->pieces, s, bytes, a->key[i % AHEAD], out);
    if (t->pieces->entry != table)
        for (size_t k = i + 1; k < n && k < i + AHEAD; k++)
            a->entry[k % AHEAD] = pieces_at(t->pieces, pieces_hash(a->key[k % AHEAD]));
    return ids;
}

/* Pieces [pos[i], pos[i + 1]) for i < n to ids. */
SCAN_CLONES static uint16_t *
look_up(struct batch *t, const uint32_t *pos, size_t n, uint16_t *out)
{
    struct ahead a;
    size_t next = next_event(t);

    for (size_t i = 0; i < n && i < AHEAD; i++)
        fetch(t, &a, pos, i);
    for (size_t i = 0; i < n; i++) {
        const struct piece_entry *e = a.entry[i % AHEAD];
        const struct words key = a.key[i % AHEAD];
        if (__builtin_expect(pos[i + 1] > next, 0)) {
            out = emit(t, pos[i + 1], out);
            next = next_event(t);
        } else if (__builtin_expect(pieces_hit(e, key), 1) || pieces_hit(++e, key)) {
            memcpy(out, e->id, 16);
            out += e->n;
        } else
            out += look_long(t, &a, pos, i, n, out);
        if (i + AHEAD < n)
            fetch(t, &a, pos, i + AHEAD);
    }
    return out;
}

/* Cuts the text into pieces, a window of words after the other, and looks them up. */
static void
pieces_of(struct batch *t, size_t words)
{
    uint16_t *out = t->id;
    size_t held = 0; /* the last start found waits for the next: there its piece ends */

    for (size_t w = 0; w < words; w += WINDOW) {
        const size_t n = words - w < WINDOW ? words - w : WINDOW;
        size_t found =
            held + t->layout.b->scan->positions(t->layout.mask.start + w, n,
                                                (uint32_t)(w * SCAN_WORD), t->pos + held);
        if (w + n == words)
            t->pos[found++] = (uint32_t)t->layout.n;
        if (found)
            out = look_up(t, t->pos, found - 1, out);
        held = found > 0;
        if (held)
            t->pos[0] = t->pos[found - 1];
    }
}

/* `end` has the texts in the order of their places: to the order given, with where each
 * begins. */
static void
reorder(struct batch *t)
{
    const struct span *text = t->encoder ? NULL : t->layout.events.text;
    size_t moved = 0, at = 0;

    for (size_t i = 0; i < t->ends; i++)
        moved += !(text && text[i].moved); /* they follow those that stayed */
    t->from = mem_realloc(t->from, t->end_cap, sizeof *t->from);
    t->sorted = mem_realloc(t->sorted, t->end_cap, sizeof *t->sorted);
    memcpy(t->sorted, t->end, t->ends * sizeof *t->end);
    for (size_t i = 0; i < t->ends; i++) {
        const size_t k = text && text[i].moved ? moved++ : at++;
        t->from[i] = k ? t->sorted[k - 1] : 0;
        t->end[i] = t->sorted[k];
    }
}

static const struct batch_ids *
result(struct batch *t)
{
    reorder(t);
    t->result = (struct batch_ids){t->id,  NULL,    t->from,
                                   t->end, t->ends, t->layout.events.specials};
    if (t->encoder) {
        t->result.id = NULL;
        t->result.wide = t->wide.p;
        t->result.specials = encoder_specials(t->encoder);
    }
    t->bytes = t->at = t->ends = t->wide.n = 0;
    layout_reset(&t->layout);
    return &t->result;
}

const struct batch_ids *
batch_run(struct batch *t)
{
    struct layout *l = &t->layout;
    size_t words, want;

    if (t->encoder || !t->bytes)
        return result(t);
    words = layout_finish(l);
    want = l->n + SCAN_WORD;
    if (want > t->id_cap) {
        t->id_cap = want + want / 2;
        mem_free(t->id);
        t->id = mem_array(t->id_cap, sizeof *t->id);
    }
    l->b->boundary(l->text, words, l->b->run, &l->mask);
    pieces_of(t, words);
    return result(t);
}
