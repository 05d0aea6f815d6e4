#ifndef MBERT_TRAIN_H
#define MBERT_TRAIN_H
/*
 * train - the fine-tuning run of mbert-train(1): epochs, batches, log, evaluation.
 *
 * Order, packing and dropout are functions of (seed, epoch, step): the same options and
 * input give the same bytes, for any number of threads.
 */
#include <stdint.h>
struct train_options {
    const char *dir, *out, *train, *eval, *labels;
    int epochs, batch, schedule;           /* enum schedule */
    int tokens;                            /* of a micro-batch; a longer one goes alone */
    int log_every, random, force, threads;
    const char *device;
    int dtype;                             /* 0 auto, 1 f32, 2 bf16 */
    double lr, decay, warmup, max_norm;    /* warmup: share of the steps */
    int64_t seed;
};
/* Dies of wrong options, stream or model; then, or at a signal, it leaves nothing. */
void train_run(const struct train_options *o);
#endif
