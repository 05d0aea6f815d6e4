#ifndef FORMATS_UNION_H
#define FORMATS_UNION_H
/*
 * union - all records of streams, or several files, as one record in memory: tensors of one
 * name end to end, cu_seqlens and offsets counted on, types kept.
 */
#include "formats/gather.h"
#include "formats/input.h"
#include "formats/sink.h"

/* Reads in to its end into g (of whom only and whole may be set); dies as input_bad. */
void union_read(struct gather *g, struct input *in);
/*
 * One .safetensors file.  Its metadata are those of the head (kind, labels, fingerprints,
 * provenance) and format "pt".  name: that tensor alone, or NULL.
 */
void union_safetensors(int n, char *const *paths, const char *name, struct sink *out);
/* One tensor as .npy: `name`, or NULL when what the stream is for is a single tensor. */
void union_npy(int n, char *const *paths, const char *name, struct sink *out);
#endif
