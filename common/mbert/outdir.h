#ifndef MBERT_OUTDIR_H
#define MBERT_OUTDIR_H
/*
 * outdir - a directory of model files written as one: made beside as OUT.tmp.PID, renamed to
 * OUT when complete.  A process that dies, by a verb or by a signal, leaves neither.
 */
#include "common/mbert/params.h"
struct outdir;
/*
 * OUT must be absent or an empty directory; `force` lets a model directory be replaced
 * (its files go when the new one is complete).  Else die_usage.
 */
struct outdir *outdir_open(const char *out, int force);
/* Where to write `file`: a fresh string.  Files that are not of a model (modelfiles.h) are
 * made known by outdir_also, so that they go when the process dies. */
char *outdir_path(const struct outdir *d, const char *file);
void outdir_also(struct outdir *d, const char *file);
/* Tokenizer files of `from`, those that exist: tokenizer.json and what is beside it */
void outdir_copy_tokenizer(struct outdir *d, const char *from);
/* model.safetensors from the table's matrices: modelfiles_weights */
void outdir_save(struct outdir *d, const struct ops *be, struct ctx *c,
                 const struct entry *table, int n);
void outdir_commit(struct outdir *d);  /* fsync, rename, free */
#endif
