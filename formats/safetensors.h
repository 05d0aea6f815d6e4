#ifndef FORMATS_SAFETENSORS_H
#define FORMATS_SAFETENSORS_H
/*
 * safetensors - whole files: mapped for reading, written atomically.
 * Every failure dies naming the file (and the tensor): die_data for bytes, die_sys for files.
 */
#include "formats/record.h"
struct safetensors;
/* Maps FILE.  A pickle (.bin, .pt) is refused with a message that says what it is. */
struct safetensors *safetensors_map(const char *path);
/*
 * Maps DIR/model.safetensors.  When that is absent and DIR/model.safetensors.index.json is
 * there: die_data, sharded checkpoints are not supported, naming the index file.
 */
struct safetensors *safetensors_model(const char *dir);
const struct record *safetensors_record(const struct safetensors *s); /* tensors point into the mapping */
const char *safetensors_name(const struct safetensors *s);
size_t safetensors_header(const struct safetensors *s, const char **bytes); /* the JSON header's bytes */
void safetensors_close(struct safetensors *s);
/* Writes b (image_finish is called here) to path: beside, fsync, rename. */
void safetensors_write(const char *path, struct image *b);
#endif
