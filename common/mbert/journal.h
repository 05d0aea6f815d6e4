#ifndef MBERT_JOURNAL_H
#define MBERT_JOURNAL_H
/* journal - what a run says of itself: log.jsonl, the progress line, lines on stderr. */
#include "common/mbert/run.h"
/* After a step: draws the line; norm: of the gradients; why: NULL, or why it was skipped. */
void journal_step(struct run *r, double norm, const char *why);
void journal_evaluation(struct run *r, const struct evaluation *e);
#endif
