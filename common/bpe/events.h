#ifndef BPE_EVENTS_H
#define BPE_EVENTS_H
/*
 * events - private to batch.h: added tokens and ends of texts, in the order of their
 * places.
 *
 * The tokens of the raw text go first, then, between them, the normalized ones, as in
 * encode.h.  Runs of blanks are not here: boundary.h has them.
 */
#include <stddef.h>
#include <stdint.h>
struct bpe;
struct scan_masks;
enum { EVENT_END = -1, EVENT_DEAD = -2 }; /* a text's end; bytes of no text */
struct event { uint32_t from, to; int id; }; /* an added token's id, or one of these */
struct event_list { struct event *p; size_t n, cap; };
/* A text; one that was normalised stands behind the others, and where it was is dead. */
struct span { uint32_t from, to, dead_from, dead_to; int moved; };
struct events {
    struct span *text;
    size_t texts, cap;
    struct event_list early;            /* raw tokens of texts that have moved */
    struct event_list raw, normal;      /* of one text */
    struct event_list all;
    uint32_t *mark;                     /* where an added token may begin */
    size_t mark_cap;
    size_t specials;
};
void events_add(struct event_list *l, size_t from, size_t to, int id);
void events_text(struct events *e, size_t from, size_t to);
/* Fills `all` in the order of places: texts that have not moved, then those that have, each
 * in the order given; and m->cut.  m->mark says where to look. */
void events_find(struct events *e, const struct bpe *b, const unsigned char *t, size_t words,
                 const struct scan_masks *m);
void events_reset(struct events *e);
void events_free(struct events *e);
#endif
