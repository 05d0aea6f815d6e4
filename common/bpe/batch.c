/* batch - laying texts out, finding what parts them, looking pieces up */
#include "common/bpe/batch.h"
#include <string.h>
#include "common/base/mem.h"
#include "common/bpe/encode.h"
#include "common/bpe/events.h"
#include "common/bpe/nfc.h"
#include "common/bpe/pieces.h"

/* AHEAD: look-ups whose entries are being fetched.  WINDOW: words cut into pieces at a time. */
enum { AHEAD = 32, WINDOW = 256, MASKS = 12 };

struct batch {
    const struct bpe *b;
    struct encoder *encoder;     /* of tokenizers that do not fit; else NULL */
    struct ids wide;
    unsigned char *text;
    size_t n, cap;
    struct scan_masks mask;
    uint64_t *masks;
    size_t words;                /* that the masks have room for */
    uint32_t *pos;               /* WINDOW * 64 + 64 */
    struct events events;
    size_t at;                   /* the next event */
    struct pieces *pieces;
    struct nfc nfc;
    struct buf form;
    uint16_t *id;
    size_t ids, id_cap;
    size_t *end, *from, *sorted;
    size_t ends, end_cap;
    size_t gap[2];               /* bytes between texts that stayed and texts that moved */
    struct batch_ids result;
};

struct batch *
batch_new(struct bpe *b)
{
    struct batch *t = mem_zalloc(1, sizeof *t);

    t->b = b;
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
    mem_free(t->text);
    mem_free(t->masks);
    mem_free(t->pos);
    events_free(&t->events);
    pieces_free(t->pieces);
    nfc_free(&t->nfc);
    mem_free(t->form.p);
    mem_free(t->id);
    mem_free(t->end);
    mem_free(t->from);
    mem_free(t->sorted);
    mem_free(t);
}

/* Room for `more` bytes of text, with the padding behind. */
static void
room(struct batch *t, size_t more)
{
    const size_t need = t->n + more + SCAN_PAD + SCAN_WORD;

    if (need <= t->cap)
        return;
    t->cap = need + need / 2;
    t->text = mem_realloc(t->text, t->cap, 1);
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

/* A stretch of raw text in normal form. */
static void
add_form(struct batch *t, const char *s, size_t n)
{
    t->form.n = 0;
    nfc_add(&t->nfc, &t->form, s, n);
    room(t, t->form.n);
    if (t->form.n)
        memcpy(t->text + t->n, t->form.p, t->form.n);
    t->n += t->form.n;
}

/* The text at `from`: tokens of the raw text first, then the stretches between. */
static void
add_normalised(struct batch *t, size_t from, size_t n)
{
#define AT(i) ((const char *)t->text + from + (i)) /* the text may move */
    struct added_scan scan;
    struct added_part part;

    if (!t->b->raw) {
        add_form(t, AT(0), n);
        return;
    }
    for (scan = added_scan(t->b->raw, AT(0), n); scan.s = AT(0), added_next(&scan, &part);) {
        if (part.id < 0) {
            add_form(t, AT(part.from), part.to - part.from);
            continue;
        }
        room(t, part.to - part.from);
        memcpy(t->text + t->n, AT(part.from), part.to - part.from);
        events_add(&t->events.early, t->n, t->n + part.to - part.from, part.id);
        t->n += part.to - part.from;
    }
    t->events.specials += scan.specials;
#undef AT
}

void
batch_add(struct batch *t, const char *s, size_t n)
{
    if (t->encoder) {
        encode_text(t->encoder, s, n, SIZE_MAX, &t->wide);
        add_end(t, t->wide.n);
        t->n += n;
        return;
    }
    room(t, n + 1);
    events_text(&t->events, t->n, t->n + n);
    if (n)
        memcpy(t->text + t->n, s, n);
    t->n += n;
    t->text[t->n++] = 0;
}

size_t
batch_bytes(const struct batch *t)
{
    return t->n;
}

/* Room for the masks of `words` words, and one more each; kept: the first so many words. */
static void
masks(struct batch *t, size_t words, size_t kept)
{
    struct scan_masks *m = &t->mask;
    uint64_t **of[MASKS] = { &m->letter, &m->number, &m->blank, &m->white, &m->quote, &m->mark,
                             &m->high, &m->inside, &m->unsafe, &m->cut, &m->odd, &m->start };
    const size_t each = words + 1;

    if (!t->masks || each > t->words) {
        const size_t more = (each + each / 2 + 7) / 8 * 8;
        uint64_t *new = mem_aligned(mem_mul(mem_mul(more, MASKS), sizeof *new), 64);
        for (int i = 0; i < MASKS; i++) {
            if (kept)
                memcpy(new + more * (size_t)i, *of[i], kept * sizeof *new);
            *of[i] = new + more * (size_t)i;
        }
        mem_free(t->masks);
        t->masks = new;
        t->words = more;
    }
}

/* Classes of the words from `from` on; returns how many there are now.  *unsafe: NFC may
 * change something in them. */
static size_t
classify(struct batch *t, size_t from, int *unsafe)
{
    const size_t words = (t->n + SCAN_WORD - 1) / SCAN_WORD;
    struct scan_masks m;

    room(t, 0);
    memset(t->text + t->n, 0, SCAN_PAD);
    masks(t, words, from);
    m = t->mask;
    m.letter += from, m.number += from, m.blank += from, m.white += from, m.quote += from;
    m.mark += from, m.high += from;
    t->b->scan->classify(t->text + from * SCAN_WORD, words - from, &t->b->classes, &m);
    *unsafe = boundary_widen(t->text, from, words, &t->mask);
    return words;
}

static int
any(const uint64_t *mask, size_t from, size_t to)
{
    uint64_t last = mask[to / SCAN_WORD] & ~(~UINT64_C(0) << to % SCAN_WORD);
    size_t w = from / SCAN_WORD;

    if (w == to / SCAN_WORD)
        return (last & ~UINT64_C(0) << from % SCAN_WORD) != 0;
    if (mask[w] >> from % SCAN_WORD)
        return 1;
    while (++w < to / SCAN_WORD)
        if (mask[w])
            return 1;
    return last != 0;
}

/* Texts that are not in normal form move behind the others, in normal form. */
static size_t
normalise(struct batch *t, size_t words)
{
    int unsafe = 0;

    for (size_t i = 0; i < t->events.texts; i++) {
        struct span *x = &t->events.text[i];
        const size_t from = x->from, n = x->to - x->from;
        if (!any(t->mask.unsafe, from, from + n) || nfc_is((const char *)t->text + from, n))
            continue;
        if (!unsafe++) { /* the next word begins with the first of them */
            room(t, SCAN_WORD);
            memset(t->text + t->n, 0, SCAN_WORD);
            t->gap[0] = t->n;
            t->gap[1] = t->n = words * SCAN_WORD;
        }
        x->dead_from = x->from;
        x->dead_to = x->to + 1;
        x->from = (uint32_t)t->n;
        x->moved = 1;
        add_normalised(t, from, n);
        room(t, 1);
        x->to = (uint32_t)t->n;
        t->text[t->n++] = 0;
    }
    return unsafe ? classify(t, words, &unsafe) : words;
}

/* The events before `end`: added tokens' ids, and the ends of texts. */
static uint16_t *
emit(struct batch *t, size_t end, uint16_t *out)
{
    const struct event *e = t->events.all.p + t->at;

    for (; t->at < t->events.all.n && e->from < end; e++, t->at++) {
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
    return t->at < t->events.all.n ? t->events.all.p[t->at].from : SIZE_MAX;
}

struct ahead { /* look-ups under way, in a ring */
    struct piece_key key[AHEAD];
    const struct piece_entry *entry[AHEAD];
};

static inline void
fetch(const struct batch *t, struct ahead *a, const uint32_t *pos, size_t i)
{
    const size_t bytes = pos[i + 1] - pos[i];
    const struct piece_key key =
        pieces_key(t->text + pos[i], bytes <= PIECES_SHORT ? bytes : PIECES_NONE);
    const struct piece_entry *entry = pieces_at(t->pieces, pieces_hash(key));

    __builtin_prefetch(entry);
    a->key[i % AHEAD] = key;
    a->entry[i % AHEAD] = entry;
}

/* A piece that its line of the table does not have, the `i`th; those fetched may move. */
static size_t
look_long(struct batch *t, struct ahead *a, const uint32_t *pos, size_t i, uint16_t *out)
{
    const unsigned char *s = t->text + pos[i];
    const size_t bytes = pos[i + 1] - pos[i];
    const struct piece_entry *table = t->pieces->entry;
    size_t ids;

    if (bytes > PIECES_SHORT)
        return pieces_long(t->pieces, s, bytes, out);
    ids = pieces_miss(t->pieces, s, bytes, a->key[i % AHEAD], out);
    if (t->pieces->entry != table)
        for (size_t k = 0; k < AHEAD; k++)
            a->entry[k] = pieces_at(t->pieces, pieces_hash(a->key[k]));
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
        const struct piece_key key = a.key[i % AHEAD];
        if (__builtin_expect(pos[i + 1] > next, 0)) {
            out = emit(t, pos[i + 1], out);
            next = next_event(t);
        } else if (__builtin_expect(pieces_hit(e, key), 1) || pieces_hit(++e, key)) {
            memcpy(out, e->id, 16);
            out += e->n;
        } else
            out += look_long(t, &a, pos, i, out);
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
        size_t found = held + t->b->scan->positions(t->mask.start + w, n,
                                                    (uint32_t)(w * SCAN_WORD), t->pos + held);
        if (w + n == words)
            t->pos[found++] = (uint32_t)t->n;
        if (found)
            out = look_up(t, t->pos, found - 1, out);
        held = found > 0;
        if (held)
            t->pos[0] = t->pos[found - 1];
    }
    t->ids = (size_t)(out - t->id);
}

/* `end` has the texts in the order of their places: to the order given, with where each
 * begins. */
static void
reorder(struct batch *t)
{
    const struct span *text = t->encoder ? NULL : t->events.text;
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
    t->result = (struct batch_ids){ t->id, NULL, t->from, t->end, t->ends,
                                    t->events.specials };
    if (t->encoder) {
        t->result.id = NULL;
        t->result.wide = t->wide.p;
        t->result.specials = encoder_specials(t->encoder);
    }
    t->n = t->at = t->ends = t->wide.n = t->gap[0] = t->gap[1] = 0;
    events_reset(&t->events);
    return &t->result;
}

const struct batch_ids *
batch_run(struct batch *t)
{
    size_t words, want;
    int unsafe = 0;

    if (t->encoder || !t->n)
        return result(t);
    words = classify(t, 0, &unsafe);
    if (unsafe && t->b->nfc)
        words = normalise(t, words);
    want = t->n + SCAN_WORD;
    if (want > t->id_cap) {
        t->id_cap = want + want / 2;
        mem_free(t->id);
        t->id = mem_array(t->id_cap, sizeof *t->id);
    }
    memset(t->mask.cut, 0, (words + 1) * sizeof *t->mask.cut);
    if (t->n % SCAN_WORD)
        t->mask.cut[words - 1] |= ~UINT64_C(0) << t->n % SCAN_WORD;
    boundary_set(t->mask.cut, t->gap[0], t->gap[1]);
    events_find(&t->events, t->b, t->text, words, &t->mask);
    t->b->boundary(t->text, words, t->b->run, &t->mask);
    pieces_of(t, words);
    return result(t);
}
