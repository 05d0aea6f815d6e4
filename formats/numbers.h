#ifndef FORMATS_NUMBERS_H
#define FORMATS_NUMBERS_H
/* numbers - a tensor's elements as doubles, whatever its type (64-bit integers are rounded). */
#include "formats/record.h"
enum { NUMBERS_CHUNK = 4096 };
int64_t numbers_count(const struct tensor *t);                                  /* product of the shape */
void numbers_read(const struct tensor *t, int64_t at, int n, double *out);      /* n <= NUMBERS_CHUNK */
#endif
