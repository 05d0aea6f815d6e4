#ifndef BPE_ADDED_H
#define BPE_ADDED_H
/*
 * added - finding added tokens in text: leftmost, then longest, never overlapping.
 *
 *     struct added_scan scan = added_scan(set, s, n);
 *     struct added_part part;
 *     while (added_next(&scan, &part))   // text (id -1) and tokens, in order
 *
 * lstrip and rstrip widen a token over the white space (\s) beside it, lstrip not beyond
 * the token before.  As in the reference, rstrip does not move the search: a token inside
 * the blanks that were swallowed is found too, and text goes on after it.  single_word
 * wants a \w on neither side; a token that it refuses is passed over whole.
 * Cost: linear in n times the longest token that the text keeps almost matching.
 */
#include <stddef.h>
#include <stdint.h>
struct added_token;
struct added_set;
struct added_part { size_t from, to; int id; };
struct added_scan {
    const struct added_set *set;
    const char *s;
    size_t n;
    size_t at;                 /* where the search goes on */
    size_t start;              /* where the text not yet given begins */
    struct added_part held;    /* a token whose text before it was given first */
    size_t white_from, white_to; /* the last blanks that rstrip went over */
    size_t specials;           /* special tokens met, literal ones too */
};
/* What a token looks like in the text that is searched: its content or its normal form. */
struct added_entry { const char *s; size_t n; const struct added_token *token; };
/* The bytes are copied.  Two entries of the same bytes: die_data, for the reference picks
 * either. */
/* literal: special tokens are passed over as text, and counted. */
struct added_set *added_new(const struct added_entry *entry, int n, int literal);
void added_free(struct added_set *set);
struct added_scan added_scan(const struct added_set *set, const char *s, size_t n);
int added_next(struct added_scan *scan, struct added_part *part);
/* May a token begin at s[0..n)?  Looks at two bytes. */
int added_begins(const struct added_set *set, const unsigned char *s, size_t n);
/* The longest token at s[0..n) whatever stands around it, and its length; NULL: none. */
const struct added_token *added_longest(const struct added_set *set, const unsigned char *s,
                                        size_t n, size_t *length);
int added_is_literal(const struct added_set *set, const struct added_token *token);
#endif
