#ifndef EVAL_PAIRED_H
#define EVAL_PAIRED_H
/* paired - two models on the same rows: what metrics compare says. */
#include "common/eval/bootstrap.h"
#include "common/eval/options.h"
/*
 * McNemar's test on rows that just one of two predicts right, b of them the first and c the
 * second.  b + c < 25: exact, p = min(1, 2 sum over i <= min(b, c) of C(b + c, i) / 2^(b + c));
 * else chi2 = max(0, |b - c| - 1)^2 / (b + c) with one degree of freedom (Edwards 1948).
 */
struct mcnemar { int64_t both, first, second, neither; int exact; double chi2, p; /* chi2 NaN: exact */ };
void paired_mcnemar(struct mcnemar *m, const struct measure *a, const struct measure *b);
double paired_exact(int64_t b, int64_t c);
double paired_chi2(int64_t b, int64_t c, double *p);

/*
 * The difference of a figure, first minus second, and its percentile interval over replicates
 * in which both are measured on the same drawn rows; those in which either is undefined are
 * left out.  not_better: share of the rest in which the first is not better, that is higher,
 * or lower where less is better.
 */
struct difference { double first, second, difference, not_better; struct interval interval; int64_t defined; };
void paired_bootstrap(struct difference *d, struct measure *a, struct measure *b, const struct asked *what,
                      int count, int64_t replicates, uint64_t seed);

/*
 * Samples of the same rows, file their names for the report, which goes to out.  o->metrics:
 * none is auroc, of a regression rmse; o->bootstrap: none is 1000.
 */
void paired_run(const struct eval_options *o, const char *const file[2], const struct sample *a,
                const struct sample *b, struct buf *out);
#endif
