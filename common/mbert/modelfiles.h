#ifndef MBERT_MODELFILES_H
#define MBERT_MODELFILES_H
/* modelfiles - the files of a model directory, written one by one (each complete or not). */
#include "common/mbert/params.h"

enum { MODELFILES = 9 };
extern const char *const modelfiles[MODELFILES]; /* every name that is ever written */
void modelfiles_copy(const char *from, const char *to); /* a file, if it exists */
/* Tokenizer files of the directory `from`, those that exist, into the directory `to`. */
void modelfiles_tokenizer(const char *from, const char *to);
/*
 * The table's matrices (device memory) as a safetensors file of F32, format pt.  A value
 * that is not finite: die_data naming the tensor.
 */
void modelfiles_weights(const char *path, const struct ops *be, struct ctx *c,
                        const struct entry *table, int n);
/* Device memory to read on the host: where it lies, or a copy, *host, to be freed. */
const void *modelfiles_fetch(const struct ops *be, struct ctx *c, const void *device,
                             size_t bytes, void **host);
#endif
