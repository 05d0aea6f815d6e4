/* events - candidates, and the two passes over those that are */
#include "common/bpe/events.h"
#include "common/base/mem.h"
#include "common/bpe/bpe.h"
#include "formats/tokenizer.h"

void
events_add(struct event_list *l, size_t from, size_t to, int id)
{
    if (l->n == l->cap) {
        l->cap = l->n ? 2 * l->n : 64;
        l->p = mem_realloc(l->p, l->cap, sizeof *l->p);
    }
    l->p[l->n++] = (struct event){(uint32_t)from, (uint32_t)to, id};
}

void
events_text(struct events *e, size_t from, size_t to)
{
    if (e->texts == e->cap) {
        e->cap = e->texts ? 2 * e->texts : 64;
        e->text = mem_realloc(e->text, e->cap, sizeof *e->text);
    }
    e->text[e->texts++] = (struct span){.from = (uint32_t)from, .to = (uint32_t)to};
}

void
events_reset(struct events *e)
{
    e->texts = e->early.n = e->raw.n = e->normal.n = e->all.n = e->specials = 0;
}

void
events_free(struct events *e)
{
    mem_free(e->text);
    mem_free(e->early.p);
    mem_free(e->raw.p);
    mem_free(e->normal.p);
    mem_free(e->all.p);
    mem_free(e->mark);
    *e = (struct events){0};
}

/* The places of t[0..n) whose first two bytes some added token has. */
static size_t
candidates(struct events *e, const struct bpe *b, const unsigned char *t, size_t words,
           const struct scan_masks *m)
{
    size_t n = 0;

    for (size_t w = 0; w < words; w++)
        for (uint64_t k = m->mark[w]; k; k &= k - 1) {
            const size_t i = w * SCAN_WORD + (size_t)__builtin_ctzll(k);
            if (!(b->raw && added_begins(b->raw, t + i, 2)) &&
                !(b->rest && added_begins(b->rest, t + i, 2)))
                continue;
            if (n == e->mark_cap) {
                e->mark_cap = n ? 2 * n : 256;
                e->mark = mem_realloc(e->mark, e->mark_cap, sizeof *e->mark);
            }
            e->mark[n++] = (uint32_t)i;
        }
    return n;
}

/* The tokens of the raw text, which is in normal form already, if a candidate is one. */
static void
find_raw(struct events *e, const struct bpe *b, const unsigned char *t,
         const struct span *text, const uint32_t *mark, size_t n)
{
    struct added_part part;
    struct added_scan scan =
        added_scan(b->raw, (const char *)t + text->from, text->to - text->from);
    size_t i = 0, length;

    while (i < n && !added_longest(b->raw, t + mark[i], text->to - mark[i], &length))
        i++;
    if (i == n)
        return;
    while (added_next(&scan, &part))
        if (part.id >= 0)
            events_add(&e->raw, text->from + part.from, text->from + part.to, part.id);
    e->specials += scan.specials;
}

/* The normalized tokens among the candidates mark[0..n) of one text, between the raw ones.
 */
static void
find_normal(struct events *e, const struct bpe *b, const unsigned char *t,
            const struct span *text, const uint32_t *mark, size_t n)
{
    const struct event_list *raw = &e->raw;
    size_t from = text->from, length = 0, first = 0;

    for (size_t i = 0; i < n; i++) {
        const struct added_token *token;
        for (; first < raw->n && raw->p[first].to <= mark[i]; first++)
            if (raw->p[first].to > from)
                from = raw->p[first].to;
        const size_t end = first < raw->n ? raw->p[first].from : text->to;
        if (mark[i] < from || mark[i] >= end)
            continue;
        token = added_longest(b->rest, t + mark[i], end - mark[i], &length);
        if (!token)
            continue;
        from = mark[i] + length;
        e->specials += token->special;
        if (!added_is_literal(b->rest, token))
            events_add(&e->normal, mark[i], from, token->id);
    }
}

/* The raw and the normal tokens in order, then the text's end. */
static void
interleave(struct events *e, const struct span *text, const struct scan_masks *m)
{
    const struct event_list *raw = &e->raw;
    size_t k = 0, first = 0;

    while (first < raw->n || k < e->normal.n) {
        const int is_raw = k == e->normal.n ||
                           (first < raw->n && raw->p[first].from < e->normal.p[k].from);
        const struct event x = is_raw ? raw->p[first++] : e->normal.p[k++];
        boundary_set(m->cut, x.from, x.to);
        events_add(&e->all, x.from, x.to, x.id);
    }
    e->raw.n = e->normal.n = 0;
    boundary_set(m->cut, text->to, text->to + 1);
    events_add(&e->all, text->to, text->to + 1, EVENT_END);
}

struct cursor {
    size_t mark, marks, early;
};

/* One text, at its place.  The candidates before its end are passed. */
static void
find_text(struct events *e, const struct bpe *b, const unsigned char *t,
          const struct span *text, struct cursor *at, const struct scan_masks *m)
{
    const struct event_list *early = &e->early;
    size_t from;

    for (; at->early < early->n && early->p[at->early].from < text->to; at->early++)
        events_add(&e->raw, early->p[at->early].from, early->p[at->early].to,
                   early->p[at->early].id);
    while (at->mark < at->marks && e->mark[at->mark] < text->from)
        at->mark++;
    for (from = at->mark; at->mark < at->marks && e->mark[at->mark] < text->to;)
        at->mark++;
    if (at->mark > from && b->raw && !text->moved)
        find_raw(e, b, t, text, e->mark + from, at->mark - from);
    if (at->mark > from && b->rest)
        find_normal(e, b, t, text, e->mark + from, at->mark - from);
    interleave(e, text, m);
}

void
events_find(struct events *e, const struct bpe *b, const unsigned char *t, size_t words,
            const struct scan_masks *m)
{
    struct cursor at = {0, candidates(e, b, t, words, m), 0};

    for (size_t k = 0; k < e->texts; k++) {
        const struct span *text = &e->text[k];
        if (!text->moved) {
            find_text(e, b, t, text, &at, m);
            continue;
        }
        boundary_set(m->cut, text->dead_from, text->dead_to);
        events_add(&e->all, text->dead_from, text->dead_to, EVENT_DEAD);
    }
    for (size_t k = 0; k < e->texts; k++)
        if (e->text[k].moved)
            find_text(e, b, t, &e->text[k], &at, m);
}
