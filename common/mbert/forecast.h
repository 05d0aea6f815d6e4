#ifndef MBERT_FORECAST_H
#define MBERT_FORECAST_H
/* forecast - what a run will take, told beforehand (--dry-run), and whether one learned the
 * few rows it was given (--overfit). */
#include "common/mbert/run.h"
/*
 * Prints parameters, memory, steps, time by three timed steps, and what the data looks like.
 * EXIT_OK, or EXIT_SYS when the run does not fit the memory that is free; then no step is made.
 */
int forecast_run(struct run *r, const struct config *cfg);
/* EXIT_OK when every decision on the rows is right, or where there are none the loss is below
 * a tenth of what it was at first; else EXIT_NO.  Says so. */
int forecast_learned(const struct run *r);
#endif
