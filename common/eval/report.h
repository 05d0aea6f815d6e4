#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H
/*
 * report - a measured sample as JSON (one line, undefined null), or as a table for people.
 * What was not asked for is NULL or 0.
 */
#include "common/eval/bootstrap.h"
#include "common/eval/gate.h"
#include "common/eval/target.h"
enum { REPORT_INTERVALS = 8 };
struct report {
    const struct measure *m;
    const struct target *target;
    int64_t replicates;           /* of the bootstrap; 0: none */
    uint64_t seed;
    int intervals;
    const char *interval_name[REPORT_INTERVALS];
    struct interval interval[REPORT_INTERVALS];
    const char *by;               /* the field that groups are of */
    const struct figures *group;  /* [m->s->groups] */
    const struct gate *gate;
    int gates;
};
void report_json(const struct report *r, struct buf *out);
void report_table(const struct report *r, struct buf *out);
/* The bootstrap's interval of that name, or an undefined one. */
struct interval report_interval(const struct report *r, const char *name);
#endif
