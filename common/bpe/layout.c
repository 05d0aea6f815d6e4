/* layout - room, classes, and texts that NFC changes */
#include "common/bpe/layout.h"
#include <string.h>
#include "common/bpe/bpe.h"

enum { MASKS = 12 };

/* Room for `more` bytes of text, with the padding behind. */
static void
room(struct layout *t, size_t more)
{
    const size_t need = t->n + more + SCAN_PAD + SCAN_WORD;

    if (need <= t->cap)
        return;
    t->cap = need + need / 2;
    t->text = mem_realloc(t->text, t->cap, 1);
}

/* A stretch of raw text in normal form. */
static void
add_form(struct layout *t, const char *s, size_t n)
{
    t->form.n = 0;
    t->nfc.unsafe = t->mask.unsafe;
    t->nfc.base = (size_t)((const unsigned char *)s - t->text);
    nfc_add(&t->nfc, &t->form, s, n);
    room(t, t->form.n);
    if (t->form.n)
        memcpy(t->text + t->n, t->form.p, t->form.n);
    t->n += t->form.n;
}

/* The text at `from`: tokens of the raw text first, then the stretches between. */
static void
add_normalised(struct layout *t, size_t from, size_t n)
{
#define AT(i) ((const char *)t->text + from + (i)) /* the text may move */
    struct added_scan scan;
    struct added_part part;

    if (!t->b->raw) {
        add_form(t, AT(0), n);
        return;
    }
    for (scan = added_scan(t->b->raw, AT(0), n);
         scan.s = AT(0), added_next(&scan, &part);) {
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

/* Room for the masks of `words` words, and one more each; kept: the first so many words. */
static void
masks(struct layout *t, size_t words, size_t kept)
{
    struct scan_masks *m = &t->mask;
    uint64_t **of[MASKS] = {&m->letter, &m->number, &m->blank, &m->white,
                            &m->quote,  &m->mark,   &m->high,  &m->inside,
                            &m->unsafe, &m->cut,    &m->odd,   &m->start};
    const size_t each = words + 1;

    if (!t->masks || each > t->words) {
        const size_t more = (each + each / 2 + 7) / 8 * 8;
        uint64_t *new = mem_aligned(mem_mul(mem_mul(more, MASKS), sizeof *new), 64);
        for (int i = 0; i < MASKS; i++) {
            if (kept)
                memcpy(new + more *(size_t)i, *of[i], kept * sizeof *new);
            *of[i] = new + more *(size_t)i;
        }
        mem_free(t->masks);
        t->masks = new;
        t->words = more;
    }
}

/* Classes of the words from `from` on; returns how many there are now.  *unsafe: NFC may
 * change something in them. */
static size_t
classify(struct layout *t, size_t from, int *unsafe)
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

/* Are the bytes [from, to) surely in normal form? */
static int
in_form(const struct layout *t, size_t from, size_t to)
{
    const size_t last = (to + SCAN_WORD - 1) / SCAN_WORD;
    struct nfc_check check = {0, 0};

    for (size_t w = from / SCAN_WORD; w < last; w++) {
        uint64_t unsafe = t->mask.unsafe[w];
        if (w == from / SCAN_WORD)
            unsafe &= ~UINT64_C(0) << from % SCAN_WORD;
        if (w == to / SCAN_WORD)
            unsafe &= ~(~UINT64_C(0) << to % SCAN_WORD);
        for (; unsafe; unsafe &= unsafe - 1)
            if (!nfc_check(&check, (const char *)t->text,
                           w * SCAN_WORD + (size_t)__builtin_ctzll(unsafe)))
                return 0;
    }
    return 1;
}

/* Texts that are not in normal form move behind the others, in normal form. */
static size_t
normalise(struct layout *t, size_t words)
{
    int unsafe = 0;

    for (size_t i = 0; i < t->events.texts; i++) {
        struct span *x = &t->events.text[i];
        const size_t from = x->from, n = x->to - x->from;
        if (in_form(t, from, from + n))
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

void
layout_add(struct layout *t, const char *s, size_t n)
{
    room(t, n + 1);
    events_text(&t->events, t->n, t->n + n);
    if (n)
        memcpy(t->text + t->n, s, n);
    t->n += n;
    t->text[t->n++] = 0;
}

size_t
layout_finish(struct layout *t)
{
    int unsafe = 0;
    size_t words = classify(t, 0, &unsafe);

    if (unsafe && t->b->nfc)
        words = normalise(t, words);
    memset(t->mask.cut, 0, (words + 1) * sizeof *t->mask.cut);
    if (t->n % SCAN_WORD)
        t->mask.cut[words - 1] |= ~UINT64_C(0) << t->n % SCAN_WORD;
    boundary_set(t->mask.cut, t->gap[0], t->gap[1]);
    events_find(&t->events, t->b, t->text, words, &t->mask);
    return words;
}

void
layout_reset(struct layout *t)
{
    t->n = t->gap[0] = t->gap[1] = 0;
    events_reset(&t->events);
}

void
layout_free(struct layout *t)
{
    mem_free(t->text);
    mem_free(t->masks);
    events_free(&t->events);
    nfc_free(&t->nfc);
    mem_free(t->form.p);
}
