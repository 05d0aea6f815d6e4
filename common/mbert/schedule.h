#ifndef MBERT_SCHEDULE_H
#define MBERT_SCHEDULE_H
/*
 * schedule - the learning rate of step s (from 0) of `steps`, as transformers has it: linear
 * from 0 over the warm-up, then linear to 0, half a cosine to 0, or constant.
 */
#include <stdint.h>
enum schedule { SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_CONSTANT };
double schedule_lr(enum schedule kind, double lr, int64_t s, int64_t steps, int64_t warmup);
#endif
