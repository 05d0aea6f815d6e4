#ifndef BPE_DRAFT_H
#define BPE_DRAFT_H
/*
 * draft - a tokens record while it is being filled.
 */
#include "common/base/mem.h"
#include "common/bpe/plan.h"
#include "formats/stream.h"
/* a record is cut at so many sequences, tokens, bytes of kept fields */
enum { DRAFT_SEQUENCES = 1024, DRAFT_TOKENS = 65536, DRAFT_KEPT = 32 << 20 };
struct kept { struct buf bytes, offsets; };
/* Ids in either width: exactly one of the pointers is set when n > 0. */
struct slice { const uint16_t *narrow; const int *wide; size_t n; };
struct draft {
    struct buf id, cu, row, label, truncated, window, spans, words;
    struct kept keep[PLAN_KEEPS];
    int n, labelled, any_truncated;
    size_t tokens;
    struct image image;
    struct frame frame;
};
struct place { int32_t token[2], word[2]; }; /* from and to of a token, and of its word */
struct row { /* what goes with one sequence */
    int64_t row;
    int given, label;         /* a class */
    float value;              /* a number */
    const float *hot;         /* or a set */
    const int32_t *classes;   /* or a class for each of a's tokens; NULL: none has one */
    int truncated, window;
    const char *kept;         /* the kept fields' bytes, */
    const size_t *kept_end;   /* where each ends, [plan->keeps] */
};
/* Adds a sequence: the ids of a, and of b unless NULL, as the template has them; places:
 * [a->n + b->n], or NULL. */
void draft_add(struct draft *r, const struct plan *plan, enum task task,
               const struct row *row, const struct slice *a, const struct slice *b,
               const struct place *places);
size_t draft_kept(const struct draft *r, const struct plan *plan); /* bytes */
/* The record's tensors; they stay in r until draft_reset. */
void draft_image(struct draft *r, const struct plan *plan, enum task task);
void draft_reset(struct draft *r, const struct plan *plan);
void draft_free(struct draft *r);
#endif
