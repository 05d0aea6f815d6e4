#ifndef FORMATS_NPY_H
#define FORMATS_NPY_H
/* npy - write one tensor as a NumPy .npy file, version 1.0 (BF16 is widened to F32). */
#include "formats/record.h"
struct sink;
void npy_write(struct sink *out, const struct tensor *t);
#endif
