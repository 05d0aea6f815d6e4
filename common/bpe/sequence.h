#ifndef BPE_SEQUENCE_H
#define BPE_SEQUENCE_H
/*
 * sequence - one prompt's ids to the sequences of a record: truncation, windows, spans.
 */
#include "common/bpe/job.h"
struct prompt;
/* Adds what a (and b, of a pair) give.  NULL, or what is wrong with the prompt. */
const char *sequence_add(struct job *j, struct row *row, const struct slice *a,
                         const struct slice *b);
/* The spans and words of the prompt's tokens, for the next sequence_add. */
void sequence_spans(struct job *j, const struct prompt *p);
/* Then: the classes of its tokens, until the next prompt's.  NULL, or what is wrong. */
const char *sequence_classes(struct job *j, const struct prompt *p, struct row *row);
#endif
