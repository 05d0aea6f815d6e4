#ifndef MBERT_RUNDIR_H
#define MBERT_RUNDIR_H
/*
 * rundir - where a training run lives: OUT itself; while OUT holds a model that is to be
 * replaced, OUT.next, which changes places with OUT at the end.
 *
 * In it: log.jsonl, the directories checkpoint-STEP, and at the end the files of the model,
 * model.safetensors last, so that there is a model when it is whole.  One process at a time:
 * the directory is locked (flock).  What was begun beside (NAME.tmp.PID) by a process that
 * was killed goes when the next one opens the directory.
 *
 * A process that dies, by a verb or by a signal, before rundir_keep leaves nothing.
 */
#include <stdint.h>
#include "common/base/mem.h"
struct rundir;
/*
 * OUT is absent, or an empty directory, or what an unfinished run left (`resume` goes on,
 * `force` begins again), or a model directory (`force` replaces it at the end).  Else, and
 * when another process is at work there, it dies.  NULL: `resume`, and the run is finished.
 */
struct rundir *rundir_open(const char *out, int force, int resume);
const char *rundir_at(const struct rundir *d);          /* the directory */
char *rundir_path(const struct rundir *d, const char *file); /* a fresh string */
/* Appends to log.jsonl, at once.  bytes: how long it is, on disk.  cut: shortens it. */
void rundir_log(struct rundir *d, const char *text, size_t n);
int64_t rundir_log_bytes(struct rundir *d);
void rundir_log_cut(struct rundir *d, int64_t bytes);
/* There is something to go on from: what dies now leaves the directory. */
void rundir_keep(struct rundir *d);
int rundir_fresh(const struct rundir *d); /* rundir_keep was not called yet */
/* Checkpoints there are, newest first: `steps` has room for `most`; returns how many. */
int rundir_checkpoints(const struct rundir *d, int64_t *steps, int most);
char *rundir_checkpoint(const struct rundir *d, int64_t step); /* its path, a fresh string */
void rundir_forget(const struct rundir *d, int64_t step);      /* removes one, as a unit */
/* The model is written: OUT.next becomes OUT. */
void rundir_finish(struct rundir *d);
void rundir_close(struct rundir *d);
#endif
