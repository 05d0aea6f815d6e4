#ifndef BASE_CHILD_H
#define BASE_CHILD_H
/*
 * child - another program as a filter: bytes to its standard input, bytes from its standard
 * output, no shell between.
 *
 *     static const char *const gnuplot[] = { "gnuplot", "-d", "-", NULL };
 *     child_run(gnuplot, script.p, script.n, &picture, "install it (Debian: gnuplot-nox)");
 *
 * argv[0] is looked for in PATH.  What it writes is added to out; child_run waits for its
 * end.  All three streams are files in memory, so that neither side waits for the other and
 * no pipe can break.  The program keeps our environment and working directory.
 * Errors, die_sys: not to be found (with `hint`), cannot be run, a status other than 0, or a
 * signal; what it said on standard error is then part of the message.
 */
#include "common/base/mem.h"
#ifdef __cplusplus
extern "C" {
#endif
void child_run(const char *const argv[], const void *in, size_t n, struct buf *out,
               const char *hint);
#ifdef __cplusplus
}
#endif
#endif
