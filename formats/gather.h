#ifndef FORMATS_GATHER_H
#define FORMATS_GATHER_H
/*
 * gather - sequences picked from records, tensor by tensor, into one record: what packs,
 * cuts, splits and merges.
 *
 *     struct gather g = {0};
 *     const char *why = gather_add(&g, &sequences, first, n, 0);  // NULL or a message
 *     why = gather_image(&g, &image);                             // points into g
 *     gather_reset(&g); ... gather_free(&g);
 *
 * cu_seqlens and offsets of kept fields are counted anew; row has the stream's base added;
 * other tensors keep their type (BF16 too) and bytes.  Every record must have the same
 * tensors, in type and width; only truncated and labels of classes may be missing from some,
 * which then count as not truncated, of no class (-100), of none of the classes.
 */
#include <stdint.h>
#include "common/base/mem.h"
#include "formats/record.h"
#include "formats/sequences.h"

struct column {
    char *name;
    enum dtype type;
    enum part part;
    int sure;                    /* part is known; else a row a sequence and a row a token were the same so far */
    int rank;
    int64_t shape[TENSOR_RANK];  /* shape[0] unused */
    int64_t rows, groups;
    struct buf data;
};
struct gather {
    struct column *column;
    int columns, cap;
    const char *only;            /* set by the caller: take this tensor alone, or NULL */
    int whole;                   /* set by the caller: 1 keep tensors that follow no sequence, end to end */
    int64_t n, tokens, groups;   /* sequences and tokens gathered */
    int64_t ever;                /* private: groups since the first; the columns are those of the first */
    char error[200];
};
/*
 * Adds sequences [first, first + n) of s; with g->whole also PART_WHOLE tensors, all rows.
 * continues: the record is about the sequences of the call before (group_continues), only
 * tensors that were not there yet are added.
 */
const char *gather_add(struct gather *g, const struct sequences *s, int64_t first, int64_t n, int continues);
const char *gather_image(struct gather *g, struct image *b); /* adds every tensor; data stays in g */
/* Column i, 0..columns-1, as a tensor that points into g. */
struct tensor gather_tensor(const struct gather *g, int i);
void gather_reset(struct gather *g);                         /* no sequences; memory kept */
void gather_free(struct gather *g);
#endif
