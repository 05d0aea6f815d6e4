#ifndef MBERT_PACKFILE_H
#define MBERT_PACKFILE_H
/*
 * packfile - weights as a backend packs them, kept beside the model: DIR/mbert-packed.KIND,
 * KIND being the backend's `packing`.  Mapped read-only, so processes share its pages and
 * start without packing.
 *
 * The first PACKFILE_HEAD bytes are lines of text (version, the model's fingerprint and file
 * size, packing, bytes), the rest the blobs in the order that model_pack places them: a
 * model loaded without its head uses the beginning.  A file of another model, version or
 * length is not used.  Of the blobs themselves nothing is verified.
 */
#include "common/mbert/model.h"
enum { PACKFILE_HEAD = 4096 };
/* The path; the caller frees it. */
char *packfile_path(const struct model *m, const char *dir);
/* At least `need` bytes of m's blobs, or NULL; *mapped: bytes from PACKFILE_HEAD before on. */
void *packfile_map(const struct model *m, const char *dir, size_t need, size_t *mapped);
void packfile_unmap(void *blobs, size_t mapped);
/* Writes m's blobs (`bytes` of them), whole or not at all; dies as sink does. */
void packfile_save(const struct model *m, const char *dir, size_t bytes);
#endif
