#ifndef FORMATS_DUMP_H
#define FORMATS_DUMP_H
/*
 * dump - records as JSON lines.
 *
 * One line a sequence: row, then the tensors the record is for (a tensor with a row a token
 * gives an array, a matrix an array of arrays), then label, truncated (when it is), window
 * and kept fields:
 *     {"row":0,"input_ids":[50281,9815,50282],"label":1}
 * A record without sequences, such as a file of weights: one line a tensor,
 *     {"name":"head.norm.weight","dtype":"F32","shape":[768],"data":[...]}
 * Floats are %.9g (F64 %.17g), NaN and infinities null.
 */
#include "formats/sink.h"
void dump_run(int n, char *const *paths, const char *name, struct sink *out); /* name: that tensor alone, or NULL */
#endif
