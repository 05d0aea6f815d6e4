/* scoreset - what is done to scores once they are read */
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/scores.h"

int
scores_class(const struct scores *s, const char *name, size_t n)
{
    for (int i = 0; s->name && i < s->classes; i++)
        if (strlen(s->name[i]) == n && !memcmp(s->name[i], name, n))
            return i;
    return -1;
}

struct member { const char *text; int64_t row; };

static int
by_text(const void *pa, const void *pb)
{
    const struct member *a = pa, *b = pb;
    const int order = strcmp(a->text, b->text);
    return order ? order : a->row < b->row ? -1 : a->row > b->row;
}

void
scores_group(struct scores *s, const char *text)
{
    struct member *m = mem_array((size_t)s->n, sizeof *m);
    struct buf names = { 0 };
    for (int64_t i = 0; i < s->n; i++, text += strlen(text) + 1)
        m[i] = (struct member){ text, i };
    qsort(m, (size_t)s->n, sizeof *m, by_text);
    s->group = mem_array((size_t)s->n, sizeof *s->group);
    for (int64_t i = 0; i < s->n; i++) {
        if (!i || strcmp(m[i].text, m[i - 1].text)) {
            char *name = mem_strdup(m[i].text);
            buf_add(&names, &name, sizeof name);
            s->groups++;
        }
        s->group[m[i].row] = s->groups - 1;
    }
    s->group_name = (char **)(void *)names.p;
    mem_free(m);
}

/* Logits of two classes from those of all: class k against class 0, if that says it all. */
static double *
two_logits(const struct scores *s, int k)
{
    if (!s->z || (s->task == SCORES_SINGLE && s->classes > 2))
        return NULL;
    double *z = mem_zalloc((size_t)s->n * 2, sizeof *z);
    for (int64_t i = 0; i < s->n; i++) {
        z[2 * i] = s->task == SCORES_MULTI ? 0 : s->z[2 * i + !k];
        z[2 * i + 1] = s->z[i * s->classes + k];
    }
    return z;
}

void
scores_positive(struct scores *s, const char *name)
{
    if (!name)
        return;
    const int k = scores_class(s, name, strlen(name));
    if (k < 0)
        die_usage("option --positive: no class is named '%s'", name);
    double *p = mem_array((size_t)s->n * 2, sizeof *p), *z = two_logits(s, k);
    int *label = mem_array((size_t)s->n, sizeof *label);
    for (int64_t i = 0; i < s->n; i++) {
        p[2 * i + 1] = s->p[i * s->classes + k];
        p[2 * i] = 1 - p[2 * i + 1];
        label[i] =
            s->task == SCORES_MULTI ? s->truth[i * s->classes + k] : s->label[i] == k;
    }
    const int other = s->task == SCORES_SINGLE && s->classes == 2;
    char *rest = mem_strdup(other ? s->name[!k] : "the rest"), *one = mem_strdup(name);
    for (int i = 0; i < s->classes; i++)
        mem_free(s->name[i]);
    s->name = mem_realloc(s->name, 2, sizeof *s->name);
    s->name[0] = rest;
    s->name[1] = one;
    mem_free(s->p);
    mem_free(s->z);
    mem_free(s->label);
    mem_free(s->truth);
    s->p = p;
    s->z = z;
    s->label = label;
    s->truth = NULL;
    s->classes = 2;
    s->task = SCORES_SINGLE;
}

static int
same_truth(const struct scores *a, const struct scores *b, int64_t i)
{
    const size_t C = (size_t)a->classes;
    switch (a->task) {
    case SCORES_SINGLE: return a->label[i] == b->label[i];
    case SCORES_MULTI:
        return !memcmp(a->truth + (size_t)i * C, b->truth + (size_t)i * C, C);
    default: return a->gold[i] == b->gold[i];
    }
}

void
scores_alike(const struct scores *a, const struct scores *b)
{
    int same = a->task == b->task && a->classes == b->classes && !a->name == !b->name;
    for (int k = 0; same && a->name && k < a->classes; k++)
        same = !strcmp(a->name[k], b->name[k]);
    if (!same)
        die_data("'%s' and '%s' have not the same classes in the same order", a->path,
                 b->path);
}

void
scores_pair(const struct scores *a, const struct scores *b)
{
    scores_alike(a, b);
    const int64_t least = a->n < b->n ? a->n : b->n;
    for (int64_t i = 0; i < least; i++) {
        const char *what = a->row && b->row && a->row[i] != b->row[i] ? "row"
                           : !same_truth(a, b, i)                     ? "gold"
                                                                      : NULL;
        if (what)
            die_data("%s:%lld: '%s' is not that of %s:%lld: not the same rows", b->path,
                     (long long)b->line[i], what, a->path, (long long)a->line[i]);
    }
    if (a->n != b->n) {
        const struct scores *more = a->n > b->n ? a : b, *less = a->n > b->n ? b : a;
        die_data("%s:%lld: '%s' has no such row: %lld labelled rows, not %lld", more->path,
                 (long long)more->line[least], less->path, (long long)less->n,
                 (long long)more->n);
    }
}

void
scores_free(struct scores *s)
{
    for (int i = 0; s->name && i < s->classes; i++)
        mem_free(s->name[i]);
    for (int i = 0; i < s->groups; i++)
        mem_free(s->group_name[i]);
    mem_free(s->path);
    mem_free(s->name);
    mem_free(s->label);
    mem_free(s->truth);
    mem_free(s->gold);
    mem_free(s->p);
    mem_free(s->z);
    mem_free(s->line);
    mem_free(s->row);
    mem_free(s->group);
    mem_free(s->group_name);
    *s = (struct scores){ 0 };
}
