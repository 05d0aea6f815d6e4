#include "common/base/series.h"
#include <string.h>
#include "common/base/mem.h"

void
series_add(struct series *s, double x, double y)
{
    while (s->n && s->x[s->n - 1] >= x)
        s->n--;
    if (!(s->n & (s->n - 1))) { /* room doubles; where points went it may be there already */
        const size_t room = s->n ? 2 * (size_t)s->n : 1;
        s->x = mem_realloc(s->x, room, sizeof *s->x);
        s->y = mem_realloc(s->y, room, sizeof *s->y);
    }
    s->x[s->n] = x;
    s->y[s->n++] = y;
}

void
series_free(struct series *s)
{
    mem_free(s->name);
    mem_free(s->x);
    mem_free(s->y);
    *s = (struct series){ 0 };
}

const struct series *
run_eval(const struct run *r, const char *name)
{
    for (int i = 0; i < r->evals; i++)
        if (!strcmp(r->eval[i].name, name))
            return &r->eval[i];
    return NULL;
}

void
run_free(struct run *r)
{
    series_free(&r->loss);
    series_free(&r->lr);
    series_free(&r->grad_norm);
    for (int i = 0; i < r->evals; i++)
        series_free(&r->eval[i]);
    r->evals = 0;
}
