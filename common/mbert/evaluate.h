#ifndef MBERT_EVALUATE_H
#define MBERT_EVALUATE_H
/* evaluate - a trainer's model on labelled examples: what --eval logs and --best goes by. */
#include "common/mbert/batches.h"
#include "common/mbert/trainer.h"

/*
 * loss: the mean of the training loss.  NaN where the problem has no such figure.
 * accuracy: rows (single), labelled tokens (token), mean over labels at 0.5 (multi).
 * f1: macro over classes; multi: the mean of the labels' F1.  auroc: of class 1 (two
 * classes), else the mean of each class against the rest; none for tokens.
 */
struct evaluation { double loss, accuracy, f1, auroc; };
/* 1, or 0 when `stop` (NULL: never) said so between micro-batches. */
int evaluate(struct trainer *t, struct batches *b, struct evaluation *out,
             int (*stop)(void));
#endif
