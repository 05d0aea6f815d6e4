#ifndef MBERT_CHECKPOINT_H
#define MBERT_CHECKPOINT_H
/*
 * checkpoint - a training run at rest: checkpoint-STEP in its directory.
 *
 * It is a model directory that every tool loads (config.json, model.safetensors in F32, the
 * tokenizer's files), and beside these optimizer.safetensors (exp_avg.NAME, exp_avg_sq.NAME:
 * AdamW's moments, F32) and state.json: where the run stands, and XXH64 of both files.
 * Written beside, fsynced and renamed as one.
 */
#include "common/mbert/rundir.h"
#include "common/mbert/trainer.h"

struct state {
    int64_t step, skipped;    /* batches done; of these without an update (not finite) */
    double loss_sum;          /* since the log's last record */
    int64_t losses;           /* how many are in it */
    int evaluated;            /* the evaluation that is due at this step is done */
    int64_t best_step;        /* 0: no evaluation yet */
    double best;
    int64_t waited;           /* evaluations since */
    int64_t log_bytes;
};
/* What is saved with the weights. */
struct saving {
    const char *recipe;       /* the options that shape the run, "--a=1 --b=2" */
    const char *tokenizer;    /* directory whose tokenizer's files are copied */
    char *const *label;       /* [labels] */
    int labels;
    enum problem problem;
};
/* Writes checkpoint-(s->step), unless it is there. */
void checkpoint_save(struct rundir *d, struct trainer *t, const struct state *s,
                     const struct saving *how);
/*
 * Finds the newest good one: whole, with files that hash to what state.json says; one that is
 * not is passed over with a warning.  Fills s and returns its directory, a fresh string, or
 * NULL when there is none.  A recipe that is not `recipe`: die_usage naming the first option
 * that differs.
 */
char *checkpoint_find(struct rundir *d, const char *recipe, struct state *s);
/* The moments, into a trainer that was opened on the checkpoint's directory. */
void checkpoint_moments(struct trainer *t, const char *dir);
#endif
