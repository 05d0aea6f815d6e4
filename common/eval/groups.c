#include "common/eval/groups.h"
#include "common/base/mem.h"
#include "common/eval/measure.h"

/* The rows in order of their groups; at[g] is where those of g start, at[groups] = n. */
static int64_t *
sorted(const struct sample *s, int64_t *at)
{
    int64_t *row = mem_array((size_t)s->n, sizeof *row);
    for (int64_t i = 0; i < s->n; i++)
        at[s->group[i] + 1]++;
    for (int g = 0; g < s->groups; g++)
        at[g + 1] += at[g];
    int64_t *next = mem_array((size_t)s->groups + 1, sizeof *next);
    for (int g = 0; g <= s->groups; g++)
        next[g] = at[g];
    for (int64_t i = 0; i < s->n; i++)
        row[next[s->group[i]]++] = i;
    mem_free(next);
    return row;
}

struct figures *
groups_measure(const struct sample *s, double threshold)
{
    struct figures *f = mem_zalloc((size_t)s->groups + 1, sizeof *f);
    int64_t *at = mem_zalloc((size_t)s->groups + 1, sizeof *at);
    int64_t *row = sorted(s, at);
    for (int g = 0; g < s->groups; g++) {
        if (at[g] == at[g + 1])
            continue;
        struct sample part = sample_pick(s, row + at[g], at[g + 1] - at[g]);
        struct measure *m = measure_new(&part, threshold);
        f[g] = m->figures;
        measure_free(m);
        sample_free(&part);
    }
    mem_free(row);
    mem_free(at);
    return f;
}
