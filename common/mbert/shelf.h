#ifndef MBERT_SHELF_H
#define MBERT_SHELF_H
/*
 * shelf - pieces of output that wait until they can be put in order: a shuffled stream's.
 */
#include <stdint.h>
#include "common/base/mem.h"
struct shelf { struct buf bytes, index; };
void shelf_add(struct shelf *s, int64_t row, int window, const void *p, size_t n);
/* Calls fn for all, by row, then window, then as they came. */
void shelf_each(struct shelf *s, void (*fn)(void *arg, const char *p, size_t n), void *arg);
void shelf_free(struct shelf *s);
#endif
