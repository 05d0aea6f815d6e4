#ifndef FORMATS_SEQUENCES_H
#define FORMATS_SEQUENCES_H
/*
 * sequences - a record seen as what it holds: B sequences, T tokens, and tensors that follow
 * one or the other.
 *
 *     struct sequences s = {0};
 *     const char *why = sequences_read(&s, record, stream_base(in));
 *     for (i = 0; i < s.n; i++) ... s.cu[i], s.row[i] ...
 *     sequences_free(&s);
 *
 * What a tensor's rows are is told by its name and shape:
 *     PART_CU        cu_seqlens I32 [B+1]
 *     PART_OFFSETS   NAME.offsets I32 [B+1], of a kept field
 *     PART_BYTES     NAME U8, the kept field's bytes
 *     PART_SEQUENCE  a row a sequence: first dimension B
 *     PART_TOKEN     a row a token: first dimension T
 *     PART_WHOLE     anything else, and everything in a record without sequences
 * Where B = T a tensor may be either; input_ids, spans, words, final_hidden and hidden.N are of
 * tokens, the rest counts as of sequences.
 */
#include <stdint.h>
#include "common/base/mem.h"
#include "formats/record.h"

enum part { PART_WHOLE, PART_CU, PART_OFFSETS, PART_BYTES, PART_SEQUENCE, PART_TOKEN };
struct sequences {
    const struct record *record;
    int64_t n, tokens;     /* B, or -1: a record without sequences; T, or -1: not known */
    const int64_t *cu;     /* [B+1], the token where each begins; NULL: not known */
    const int64_t *row;    /* [B] input rows, base added; NULL: not known */
    struct buf cus, rows;  /* private */
};
/*
 * Reads cu_seqlens, row and the offsets of kept fields.  Returns NULL, or a constant message:
 * cu_seqlens (offsets) not from 0 to T (to the number of bytes) or falling, row not I64 [B],
 * not as many input_ids as cu_seqlens say.  Empty sequences pass.
 */
const char *sequences_read(struct sequences *s, const struct record *r, int64_t base);
void sequences_free(struct sequences *s);
enum part sequences_part(const struct sequences *s, const struct tensor *t);
int sequences_fits(const struct sequences *s, const struct tensor *t, enum part part);
/*
 * NULL, or a constant message when labels, truncated or window are there but follow neither
 * the sequences nor the tokens: whoever picks sequences would lose them.
 */
const char *sequences_lost(const struct sequences *s);
/* Is t something that travels (row, labels, ..., kept fields), not what the record is for? */
int sequences_travels(const struct sequences *s, const struct tensor *t);
/* The bytes [*from, *to) of kept field t that belong to sequence i. */
void sequences_kept(const struct sequences *s, const struct tensor *t, int64_t i, int64_t *from, int64_t *to);
/* Element i of an I32 tensor, which need not be aligned. */
int32_t sequences_i32(const struct tensor *t, int64_t i);

/*
 * Groups: mbert-fwd --emit layers writes several records about the same sequences.  A record
 * continues the group when its rows are those of the one before and none of the tensors it
 * is for was in the group already.
 */
struct group { struct buf rows, names; };
int group_continues(struct group *g, const struct sequences *s); /* call once for each record */
void group_free(struct group *g);
#endif
