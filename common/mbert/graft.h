#ifndef MBERT_GRAFT_H
#define MBERT_GRAFT_H
/*
 * graft - a checkpoint that is another one's with a new head: what is not new is copied
 * from the file byte for byte, in the type it has there.
 */
#include "common/mbert/model.h"
/*
 * Writes path, the model.safetensors of a sequence classifier of `classes` outputs: its
 * tensors come from fresh[n] (host memory, F32) or, those not named there, from m's file.
 * Tensors of the file that such a model does not have are left out, and named on stderr.
 * A tensor that is in neither or has another shape in the file, a number of fresh that is
 * not finite: die_data naming the tensor.
 */
void graft_save(const struct model *m, int classes, const struct entry *fresh, int n,
                const char *path);
#endif
