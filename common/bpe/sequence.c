#include "common/bpe/sequence.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "common/bpe/prompt.h"
#include "common/bpe/template.h"

/* Bytes that the windows of one prompt may be, kept fields too: they are held together. */
enum { WINDOWS_MAX = 256 << 20 };

/* The record to add to: one that is full makes room for another. */
static struct draft *
open_draft(struct job *j, size_t tokens)
{
    const int flush = j->plan->o->flush_every, most = flush ? flush : DRAFT_SEQUENCES;

    if (j->full < j->made) {
        struct draft *r = j->drafts[j->full];
        if (!r->n || (r->n < most && r->tokens + tokens <= DRAFT_TOKENS &&
                      draft_kept(r, j->plan) <= DRAFT_KEPT))
            return r;
        j->full++;
    }
    if (j->full == j->made) {
        j->drafts = mem_realloc(j->drafts, (size_t)j->made + 1, sizeof *j->drafts);
        j->drafts[j->made++] = mem_zalloc(1, sizeof **j->drafts);
    }
    return j->drafts[j->full];
}

/* A record that has as many sequences as were asked for goes out at once. */
static void
close_draft(struct job *j)
{
    const int flush = j->plan->o->flush_every;

    if (flush && j->drafts[j->full]->n >= flush)
        j->full++;
}

static struct slice
part(const struct slice *s, size_t from, size_t n)
{
    return (struct slice){s->narrow ? s->narrow + from : NULL,
                          s->wide ? s->wide + from : NULL, n};
}

static const char *
put(struct job *j, const struct row *row, const struct slice *a, const struct slice *b,
    const struct place *places)
{
    const size_t tokens = a->n + (b ? b->n : 0) + j->plan->specials;
    struct draft *r = open_draft(j, tokens);

    /* only classes have a value that means "none": sets and numbers are all there or none
     * is */
    if ((j->labels.task == TASK_MULTI || j->labels.task == TASK_REGRESSION) && r->n &&
        row->given != r->labelled)
        return row->given ? "a label, but the lines before have none"
                          : "no label, but the lines before have one";
    draft_add(r, j->plan, j->labels.task, row, a, b, places);
    close_draft(j);
    return NULL;
}

/* The places of the prompt's tokens; NULL when none are wanted. */
static struct place *
places_of(const struct job *j)
{
    return j->plan->o->offsets ? (struct place *)(void *)j->places.p : NULL;
}

/*
 * Windows as the reference's overflowing tokens: each takes as many tokens as fit and
 * begins with the last `stride` ones of the window before.
 */
static const char *
put_windows(struct job *j, struct row *row, const struct slice *a)
{
    const int32_t *const classes = row->classes;
    const struct place *const places = places_of(j);
    const size_t size = j->plan->limit - j->plan->specials;
    const size_t step = size - (size_t)j->plan->o->stride;

    const size_t windows = a->n > size ? 1 + (a->n - size + step - 1) / step : 1;
    const size_t kept = j->plan->keeps ? row->kept_end[j->plan->keeps - 1] : 0;

    if (windows * (size * sizeof *a->wide + kept) > WINDOWS_MAX) {
        snprintf(j->note, sizeof j->note,
                 "%zu windows of %zu tokens%s: too much for one prompt", windows,
                 j->plan->limit, kept ? " and kept fields" : "");
        return j->note;
    }
    for (size_t from = 0;; from += step, row->window++) {
        const size_t n = a->n - from < size ? a->n - from : size;
        const struct slice w = part(a, from, n);
        row->classes = classes ? classes + from : NULL;
        const char *why = put(j, row, &w, NULL, places ? places + from : NULL);
        if (why || from + n == a->n)
            return why;
    }
}

static void
put_count(struct job *j, const struct row *row, size_t tokens)
{
    if (j->plan->has_id)
        buf_add(&j->text, row->kept, row->kept_end[0]);
    buf_printf(&j->text, "%s%zu\n", j->plan->has_id ? "\t" : "", tokens);
}

/* Places of what is left of both sides, one after the other; NULL when none are wanted. */
static const struct place *
cut_places(struct job *j, const struct slice *from, const struct slice *left,
           const size_t *skip)
{
    struct place *all = places_of(j);

    if (!all)
        return NULL;
    memmove(all, all + skip[0], left[0].n * sizeof *all);
    memmove(all + left[0].n, all + from[0].n + skip[1], left[1].n * sizeof *all);
    return all;
}

const char *
sequence_add(struct job *j, struct row *row, const struct slice *a, const struct slice *b)
{
    const struct plan *p = j->plan;
    const int left = p->o->truncate == TRUNCATE_LEFT;
    const size_t most = p->limit == SIZE_MAX ? SIZE_MAX : p->limit - p->specials;
    const size_t all = a->n + (b ? b->n : 0);
    size_t na = a->n, nb = b ? b->n : 0;

    j->prompts++;
    if (p->o->count) {
        put_count(j, row, all + p->specials);
        return NULL;
    }
    if (p->o->window)
        return put_windows(j, row, a);
    row->truncated = all > most;
    if (row->truncated && p->o->truncate == TRUNCATE_ERROR) {
        j->prompts--;
        snprintf(j->note, sizeof j->note, "%zu tokens, over the limit of %zu",
                 all + p->specials, p->limit);
        return j->note;
    }
    template_truncate(TRUNCATE_LONGEST_FIRST, most, &na, b ? &nb : NULL);
    const size_t skip[2] = {left ? a->n - na : 0, left && b ? b->n - nb : 0};
    const struct slice whole[2] = {*a, b ? *b : (struct slice){0}};
    const struct slice kept[2] = {part(&whole[0], skip[0], na),
                                  part(&whole[1], skip[1], nb)};
    j->cut += row->truncated;
    if (row->classes)
        row->classes += skip[0];
    return put(j, row, &kept[0], b ? &kept[1] : NULL, cut_places(j, whole, kept, skip));
}

/* Of byte `at`, the offset as it was asked for; *from and *count say where the last was. */
static int32_t
offset(const char *text, size_t at, int chars, size_t *from, size_t *count)
{
    if (!chars)
        return (int32_t)at;
    if (at < *from) /* a word that shares with the one before what NFC changed */
        *from = *count = 0;
    for (; *from < at; ++*from)
        *count += ((unsigned char)text[*from] & 0xC0) != 0x80;
    return (int32_t)*count;
}

/* Spans and words of the text's tokens, and, appended, their places. */
static void
read_text(struct job *j, const char *text, size_t n, struct buf *words)
{
    const int chars = j->plan->o->offsets == OFFSETS_CHARS;
    size_t from = 0, count = 0;

    j->spans.n = words->n = 0;
    encode_spans(j->encoder, text, n, chars, &j->spans, words);
    const struct encode_word *w = (const struct encode_word *)(const void *)words->p;
    const int32_t *span = (const int32_t *)(const void *)j->spans.p;
    const size_t all = words->n / sizeof *w, tokens = j->spans.n / (2 * sizeof *span);
    for (size_t i = 0; i < all; i++) {
        const size_t end = i + 1 < all ? w[i + 1].token : tokens;
        const int32_t start =
            offset(text, tag_word_start(text, &w[i]), chars, &from, &count);
        const int32_t stop = offset(text, w[i].to, chars, &from, &count);
        for (size_t k = w[i].token; k < end; k++) {
            const struct place p = {{span[2 * k], span[2 * k + 1]}, {start, stop}};
            buf_add(&j->places, &p, sizeof p);
        }
    }
}

void
sequence_spans(struct job *j, const struct prompt *p)
{
    struct buf others = {0};

    j->places.n = 0;
    buf_room(&j->places, sizeof(struct place));
    read_text(j, p->text, p->n, &j->words);
    const size_t tokens = j->spans.n;
    if (p->pair)
        read_text(j, p->pair, p->pair_n, &others);
    j->spans.n = tokens;
    mem_free(others.p);
}

const char *
sequence_classes(struct job *j, const struct prompt *p, struct row *row)
{
    const size_t tokens = j->spans.n / (2 * sizeof(int32_t));
    const struct encode_word *word = (const struct encode_word *)(const void *)j->words.p;

    row->given = p->labelled && json_type(p->label) != JSON_NULL;
    if (!row->given)
        return NULL;
    const char *why = tag_read(&j->tags, &j->labels, p->label, p->text, p->n, j->note);
    if (why)
        return why;
    j->classes.n = 0;
    int32_t *class = buf_room(&j->classes, tokens * sizeof *class + 1);
    tag_words(&j->tags, &j->labels, p->text, word, j->words.n / sizeof *word, class,
              tokens);
    row->classes = class;
    return NULL;
}
