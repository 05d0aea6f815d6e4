#ifndef MBERT_SURVEY_H
#define MBERT_SURVEY_H
/* survey - what labelled data looks like, for people. */
#include "common/mbert/examples.h"
/*
 * Rows and tokens, labels, a histogram of lengths, cut rows, rows with the tokens of another
 * row, and (eval not NULL) rows of eval that are in train: on standard output.
 */
void survey_print(const struct examples *train, const struct examples *eval);
#endif
