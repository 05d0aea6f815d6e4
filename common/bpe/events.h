#ifndef BPE_EVENTS_H
#define BPE_EVENTS_H
/*
 * events - private to batch.h: added tokens and ends of texts, in the order of their places.
 *
 * The tokens of the raw text go first, then, between them, the normalized ones, as in
 * encode.h.  Runs of blanks are not here: boundary.h has them.
 */
#include <stddef.h>
#include <stdint.h>
struct bpe;
struct scan_masks;
struct event { uint32_t from, to; int id; }; /* id -1: a text ends at from */
struct event_list { struct event *p; size_t n, cap; };
struct span { uint32_t from, to; int scanned; };
struct events {
    struct span *text;
    size_t texts, cap;
    struct event_list early;            /* raw tokens of texts that were normalised */
    struct event_list raw, normal;      /* of one text */
    struct event_list all;
    uint32_t *mark;                     /* where an added token may begin */
    size_t mark_cap;
    size_t specials;
};
void events_add(struct event_list *l, size_t from, size_t to, int id);
/* A text [from, to); scanned: its raw tokens are in `early` already. */
void events_text(struct events *e, size_t from, size_t to, int scanned);
/* Fills `all`, and m->cut.  m->mark says where to look. */
void events_find(struct events *e, const struct bpe *b, const unsigned char *t, size_t words,
                 const struct scan_masks *m);
void events_reset(struct events *e);
void events_free(struct events *e);
#endif
