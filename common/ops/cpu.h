#ifndef OPS_CPU_H
#define OPS_CPU_H
/* cpu - the CPU backend's ops, one family a file; what they share. */
#include "common/ops/ops.h"
#define _(op) op_##op##_fn cpu_##op;
OPS(_)
#undef _
extern const struct ops ops_cpu;
#endif
