#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H
/* report - a struct quality as JSON (one line, undefined null) or as a table for people. */
#include "common/base/mem.h"
#include "common/eval/quality.h"
void report_json(const struct quality *q, struct buf *out);
/* name [classes] or NULL: classes are then called by number. */
void report_table(const struct quality *q, char *const *name, struct buf *out);
#endif
