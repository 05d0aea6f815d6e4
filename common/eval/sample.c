#include "common/eval/sample.h"
#include <math.h>
#include <string.h>
#include "common/base/mem.h"

static double
logit(double p)
{
    const double least = 0x1p-52, q = p < least ? least : p > 1 - least ? 1 - least : p;
    return log(q) - log(1 - q);
}

double *
sample_logits(const struct sample *s, const double *z)
{
    const int64_t cells = s->n * s->classes;
    double *to = mem_array((size_t)cells, sizeof *to);
    if (z)
        memcpy(to, z, (size_t)cells * sizeof *to);
    else if (s->task == SAMPLE_MULTI)
        for (int64_t i = 0; i < cells; i++)
            to[i] = logit(s->p[i]);
    else if (s->classes == 2)
        for (int64_t i = 0; i < cells; i++)
            to[i] = i % 2 ? logit(s->p[i]) : 0;
    else
        for (int64_t i = 0; i < cells; i++)
            to[i] = log(fmin(fmax(s->p[i], 0x1p-52), 1 - 0x1p-52));
    return to;
}

/* (0, z[i]) for each of n, or NULL of NULL */
static double *
pairs(const double *z, int64_t n)
{
    double *to = z ? mem_zalloc(mem_mul((size_t)n, 2), sizeof *to) : NULL;
    for (int64_t i = 0; z && i < n; i++)
        to[2 * i + 1] = z[i];
    return to;
}

struct sample
sample_cells(const struct sample *s)
{
    const int64_t n = s->n * s->classes;
    int *label = mem_array((size_t)n, sizeof *label);
    double *p = mem_array(mem_mul((size_t)n, 2), sizeof *p);
    for (int64_t i = 0; i < n; i++) {
        label[i] = s->truth[i];
        p[2 * i] = 1 - s->p[i];
        p[2 * i + 1] = s->p[i];
    }
    return (struct sample){ .task = SAMPLE_SINGLE,
                            .classes = 2,
                            .n = n,
                            .label = label,
                            .p = p,
                            .z = pairs(s->z, n),
                            .raw = pairs(s->raw, n) };
}

/* Rows row[0..n) of a table of `width` bytes a row, or NULL of NULL. */
static void *
pick(const void *from, size_t width, const int64_t *row, int64_t n)
{
    if (!from)
        return NULL;
    char *to = mem_array((size_t)n + 1, width);
    for (int64_t i = 0; i < n; i++)
        memcpy(to + (size_t)i * width, (const char *)from + (size_t)row[i] * width, width);
    return to;
}

struct sample
sample_pick(const struct sample *s, const int64_t *row, int64_t n)
{
    const size_t C = (size_t)s->classes;
    return (struct sample){
        .task = s->task, .classes = s->classes, .n = n, .name = s->name,
        .label = pick(s->label, sizeof *s->label, row, n),
        .truth = pick(s->truth, C, row, n),
        .gold = pick(s->gold, sizeof *s->gold, row, n),
        .p = pick(s->p, C * sizeof *s->p, row, n),
        .z = pick(s->z, C * sizeof *s->z, row, n),
        .raw = pick(s->raw, C * sizeof *s->raw, row, n),
    };
}

void
sample_free(struct sample *s)
{
    mem_free((void *)(uintptr_t)s->label);
    mem_free((void *)(uintptr_t)s->truth);
    mem_free((void *)(uintptr_t)s->gold);
    mem_free((void *)(uintptr_t)s->p);
    mem_free((void *)(uintptr_t)s->z);
    mem_free((void *)(uintptr_t)s->raw);
    *s = (struct sample){ 0 };
}
