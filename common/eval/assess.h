#ifndef EVAL_ASSESS_H
#define EVAL_ASSESS_H
/* assess - what metrics does without a verb: measure, choose, compare with bounds, report. */
#include "common/base/mem.h"
#include "common/eval/options.h"
#include "common/eval/sample.h"
/* Options that do not go together: die_usage.  Before anything is read. */
void assess_check(const struct eval_options *o, int validation);
/*
 * Measures s; the threshold is chosen on `validation`, of the same classes, or on s when that
 * is NULL.  The report goes to out.  EXIT_NO: a gate was missed, or no threshold reaches the
 * target (out is then empty); both are told on stderr.
 */
int assess_run(const struct eval_options *o, const struct sample *s, const struct sample *validation,
               struct buf *out);
#endif
