#include "common/mbert/windows.h"
#include <math.h>

double
windows_margin(const double *z, int classes)
{
    double top = -INFINITY, sum = 0;
    for (int k = 1; k < classes; k++)
        top = z[k] > top ? z[k] : top;
    for (int k = 1; k < classes; k++)
        sum += exp(z[k] - top);
    return classes > 1 ? top + log(sum) - z[0] : 0;
}

static void
begin(struct windows *w, const struct line *l, const float *z)
{
    w->line.row = l->row;
    w->line.truncated = 0;
    buf_add(&w->line.gold, l->gold.p, l->gold.n);
    buf_add(&w->line.kept, l->kept.p, l->kept.n);
    if (!w->z)
        w->z = mem_array((size_t)w->style->classes, sizeof *w->z);
    for (int k = 0; k < w->style->classes; k++)
        w->z[k] = w->how == WINDOWS_MEAN ? 0 : (double)z[k];
    w->margin = -INFINITY;
    w->line.window = -1;
}

void
windows_add(struct windows *w, const struct line *l, const float *z, double margin)
{
    const int single = w->style->problem == PROBLEM_SINGLE, classes = w->style->classes;
    if (!w->n)
        begin(w, l, z);
    w->line.windows = ++w->n;
    w->line.truncated |= l->truncated;
    if (w->how == WINDOWS_MEAN) { /* a running mean */
        for (int k = 0; k < classes; k++)
            w->z[k] += ((double)z[k] - w->z[k]) / w->n;
        return;
    }
    if (single && !(margin > w->margin))
        return;
    for (int k = 0; k < classes; k++)
        w->z[k] = single || (double)z[k] > w->z[k] ? (double)z[k] : w->z[k];
    w->margin = margin;
    if (single)
        w->line.window = l->window;
}

void
windows_next(struct windows *w)
{
    w->n = w->line.windows = 0;
    w->line.gold.n = w->line.kept.n = 0;
}

void
windows_free(struct windows *w)
{
    line_free(&w->line);
    mem_free(w->z);
}
