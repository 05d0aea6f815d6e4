#ifndef MBERT_WEIGHTS_H
#define MBERT_WEIGHTS_H
/*
 * weights - from the tensors of a file to the parameters of a model's table.  Everything
 * wrong with a tensor is die_data naming tensor and file.
 */
#include "common/mbert/model.h"
/*
 * Inference: matrices point into the mapping (F32, BF16, F16); vectors, and what is not
 * aligned, become F32 copies.
 */
void weights_bind(struct model *m);
/*
 * Training: F32 masters from the file, a missing head new; says what is new and dropped,
 * unless with MODEL_HEAD.
 */
void weights_copy(struct model *m, uint64_t seed);
/* Training from nothing: every master new. */
void weights_init(struct model *m, uint64_t seed);
/* The file's tensor of that name, with or without "model."; NULL when there is none. */
const struct tensor *weights_find(const struct model *m, const char *name);
/* The same of e, its shape and type checked. */
const struct tensor *weights_tensor(const struct model *m, const struct entry *e);
/* Rows of the file's classifier. */
int weights_classes(const struct model *m);
/* See model_load. */
uint64_t weights_fingerprint(const struct config *c, const struct safetensors *file);
#endif
