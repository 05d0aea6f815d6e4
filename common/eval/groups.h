#ifndef EVAL_GROUPS_H
#define EVAL_GROUPS_H
/* groups - the figures of each group of a sample's rows, at one threshold. */
#include "common/eval/figures.h"
#include "common/eval/sample.h"
/* Fresh, [s->groups]; a group without rows has none. */
struct figures *groups_measure(const struct sample *s, double threshold);
#endif
