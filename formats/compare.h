#ifndef FORMATS_COMPARE_H
#define FORMATS_COMPARE_H
/*
 * compare - two streams or .safetensors files, tensor by tensor.
 *
 * Tensors of one name are compared end to end over all records, however these are cut.
 * Elements a (of A) and b (of B) differ when !(|a - b| <= atol + rtol |b|), so a NaN differs
 * from everything, and infinities agree only with themselves.  Types may differ, shapes not.
 * One line a tensor: name, same or differs, elements, those that differ, and of the worst
 * |a - b|: its size, index, a and b; then the normalised error sum((a-b)^2) / sum(b^2).
 * Metadata are not compared.
 */
#include "formats/sink.h"
struct compare_options { double atol, rtol; const char *name; /* that tensor alone, or NULL */ };
int compare_run(const char *a, const char *b, const struct compare_options *o, struct sink *out); /* 1: all agree */
#endif
