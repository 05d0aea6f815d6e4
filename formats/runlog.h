#ifndef FORMATS_RUNLOG_H
#define FORMATS_RUNLOG_H
/*
 * runlog - log.jsonl of mbert-train, plain or zstd.
 *
 * Of each record the step, and what of loss, lr, grad_norm and eval_* is a number; eval_* lose
 * the "eval_".  Other fields, and records without a step, are skipped.  Not JSON, a step that
 * is not a number from 0, more than RUN_EVALS figures, and no loss at all: die_data naming
 * FILE:LINE.
 */
#include "common/base/series.h"
void runlog_read(struct run *r, const char *path); /* free with run_free */
#endif
