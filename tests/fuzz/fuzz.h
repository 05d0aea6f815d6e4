#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H
/*
 * fuzz - what the fuzz targets share.
 *
 * A target is tests/fuzz/NAME.c with LLVMFuzzerTestOneInput; run.sh links it with
 * libFuzzer, the Makefile with replay.c, which runs the corpus.  What a target finds wrong
 * aborts.
 */
#include <stddef.h>
#include <stdint.h>
#define FUZZ_WANT(x) ((x) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #x))
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n); /* libFuzzer's name */
_Noreturn void fuzz_failed(const char *file, int line, const char *what);
/*
 * Runs fn(arg).  0: it came back; 1: it was refused by die_data, and *why is the message
 * (until the next call).  die_sys, and die_data outside of fn, abort.  What a refused fn
 * had allocated belongs to no one: free what you can reach, then call fuzz_forget, which
 * frees the rest.
 */
int fuzz_refused(void fn(void *arg), void *arg, const char **why);
void fuzz_forget(void);
#endif
