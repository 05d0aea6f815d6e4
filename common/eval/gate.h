#ifndef EVAL_GATE_H
#define EVAL_GATE_H
/*
 * gate - a bound that a figure must keep: NAME>=X, NAME>X, NAME<=X, NAME<X, NAME as measure_ask
 * has it.  An undefined figure keeps no bound.
 */
#include "common/eval/measure.h"
enum gate_sign { GATE_LE, GATE_LT, GATE_GE, GATE_GT };
struct gate { const char *text; struct asked asked; enum gate_sign sign; double bound, value; int kept; };
/* Reads text, which must stay; anything wrong is die_usage, which says what m knows. */
void gate_parse(struct gate *g, const char *text, const struct measure *m);
/* Sets value and kept; a gate that is missed is told on stderr. */
int gate_check(struct gate *g, const struct measure *m);
#endif
