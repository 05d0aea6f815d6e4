#ifndef MBERT_SCHEDULE_H
#define MBERT_SCHEDULE_H
/*
 * schedule - the learning rate of step s (from 0) of `steps`, as transformers has it: linear
 * from 0 over the warm-up; then linear to 0, half a cosine to 0, constant, or constant until
 * the last `decay` steps and linear to 0 over those (warm-up, stable, decay).
 */
#include <stdint.h>
enum schedule { SCHEDULE_LINEAR, SCHEDULE_COSINE, SCHEDULE_CONSTANT, SCHEDULE_WSD };
double schedule_lr(enum schedule kind, double lr, int64_t s, int64_t steps, int64_t warmup,
                   int64_t decay);
#endif
