#ifndef FORMATS_LIST_H
#define FORMATS_LIST_H
/*
 * list - what a stream or a .safetensors file is made of, and how much of it there is.
 */
#include "formats/sink.h"

/*
 * One line for the head, one a record (number, kind, tensors with type and shape), one for
 * the totals; a .safetensors file has a line a tensor.  Fields are parted by tabs.  With
 * json each line is an object.  Each operand is listed by itself; several are named first.
 */
void list_run(int n, char *const *paths, int json, struct sink *out);
/* Records, examples, tokens and rows of all operands together; -1 (null): a file does not say. */
void list_count(int n, char *const *paths, int json, struct sink *out);
/* "F32[12,64]" */
struct buf;
struct tensor;
void list_shape(struct buf *b, const struct tensor *t);
#endif
