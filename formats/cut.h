#ifndef FORMATS_CUT_H
#define FORMATS_CUT_H
/*
 * cut - the first n sequences of a stream, as a stream of the same kind.  Reading stops when
 * they are there; the end then says as many rows as were needed for them.
 */
#include <stdint.h>
void cut_run(int n_paths, char *const *paths, int64_t n, const char *to, const char *tool);
#endif
