#ifndef FORMATS_STAT_H
#define FORMATS_STAT_H
/*
 * stat - per tensor name, over all records: how many values, the least and the greatest,
 * mean, standard deviation (of the population), NaN and infinities.  NaN and infinities count
 * in `count` and nowhere else.  Sums in F64: a mean and a sum of squares a record, joined as
 * Chan, Golub and LeVeque (1979).  cu_seqlens and kept fields are left
 * out.
 */
#include "formats/sink.h"
void stat_run(int n, char *const *paths, const char *name, int json, struct sink *out); /* name: that one, or NULL */
#endif
