#ifndef EVAL_FIGURES_H
#define EVAL_FIGURES_H
/*
 * figures - the figures that are one number, by the names that metrics --json gives them.
 * What is undefined is NaN.
 */
#include <stddef.h>
#include "common/eval/temper.h"
#include "common/eval/multilabel.h"
#include "common/eval/quality.h"
#include "common/eval/regression.h"
enum { FIGURES = 40 };
struct figure { const char *name; double value; };
struct figures { int n; struct figure at[FIGURES]; };
/* Each appends to f, in the order of --json. */
void figures_quality(struct figures *f, const struct quality *q);
void figures_multilabel(struct figures *f, const struct multilabel *m);
void figures_regression(struct figures *f, const struct regression *g);
void figures_fit(struct figures *f, const struct temper *t);
int figures_find(const struct figures *f, const char *name, size_t n); /* -1: none of them */
double figures_value(const struct figures *f, const char *name);       /* NaN: none of them */
/* Is less of this figure better? */
int figures_falls(const char *name, size_t n);
#endif
