#ifndef MBERT_SCORED_H
#define MBERT_SCORED_H
/* scored - a file of scores (formats) as the sample that common/eval measures. */
#include "common/eval/sample.h"
#include "formats/scores.h"
struct scored { struct scores scores; struct sample sample; };
/*
 * Reads path; positive makes that class the positive one, by is the field that groups are of;
 * like is what must have the same classes in the same order; each may be NULL.  Rows without
 * a label are warned of.  Anything wrong is die_*.
 */
const struct sample *scored_read(struct scored *s, const char *path, const char *positive,
                                 const char *by, const struct scored *like);
void scored_free(struct scored *s);
#endif
