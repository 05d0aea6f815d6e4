#ifndef EVAL_REFIT_H
#define EVAL_REFIT_H
/* refit - fits a calibration and says what it does: metrics calibrate. */
#include "common/base/mem.h"
#include "common/eval/sample.h"
enum refit_method { REFIT_TEMPERATURE, REFIT_PLATT };
/* temperature: a is T; Platt: p = 1 / (1 + e^-(a s + b)) */
struct refit { enum refit_method method; double a, b; };
/*
 * Sets r->a and r->b for r->method, fitted to s->raw or to logits of s->p, and reports ECE,
 * Brier and NLL of s before and after to out.  s: a classification; Platt two classes
 * (die_usage).  Rows that have no fit (a class without rows for Platt, equal logits, scores
 * that fall with the truth) are die_data.
 */
void refit_run(struct refit *r, const struct sample *s, int json, struct buf *out);
#endif
