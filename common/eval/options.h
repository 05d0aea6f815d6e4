#ifndef EVAL_OPTIONS_H
#define EVAL_OPTIONS_H
/* options - what the verbs of metrics may be asked for; OPTIONS_NONE: nothing was. */
#include "common/base/opt.h"
struct eval_options {
    int json;
    double threshold;           /* below 0: not given, 0.5 */
    double fpr, precision;      /* choose the threshold for this; below 0: no */
    int64_t bootstrap;          /* replicates; below 1: not given */
    int64_t seed;
    const char *by;             /* name of the field that groups are of, or NULL */
    struct opt_list gates;      /* as gate_parse reads them */
    struct opt_list metrics;    /* figures to compare, as measure_ask has them */
};
#define OPTIONS_NONE { .threshold = -1, .fpr = -1, .precision = -1, .bootstrap = -1, .seed = 42 }
#endif
