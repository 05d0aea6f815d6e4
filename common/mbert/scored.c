#include "common/mbert/scored.h"
#include "common/base/die.h"

const struct sample *
scored_read(struct scored *to, const char *path, const char *positive, const char *by,
            const struct scored *like)
{
    struct scores *s = &to->scores;
    scores_read(s, path, by);
    scores_positive(s, positive);
    if (like)
        scores_alike(&like->scores, s);
    if (s->unlabelled)
        warn("'%s': %lld lines without a gold label left out", s->path, (long long)s->unlabelled);
    to->sample = (struct sample){
        .task = s->task == SCORES_SINGLE ? SAMPLE_SINGLE : s->task == SCORES_MULTI ? SAMPLE_MULTI : SAMPLE_REGRESSION,
        .classes = s->classes, .n = s->n, .label = s->label, .truth = s->truth, .gold = s->gold, .p = s->p,
        .z = s->calibrated ? NULL : s->z, .raw = s->z, .name = s->name, .row = s->row,
        .group = s->group, .groups = s->groups, .group_name = s->group_name };
    return &to->sample;
}

void
scored_free(struct scored *s)
{
    scores_free(&s->scores);
    s->sample = (struct sample){ 0 };
}
