#include "common/mbert/graft.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/base/die.h"
#include "common/mbert/weights.h"

static const struct entry *
named(const struct entry *fresh, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(fresh[i].name, name))
            return &fresh[i];
    return NULL;
}

static void
put_fresh(struct image *b, const struct entry *e, const struct entry *from)
{
    const float *p = from->at->p;
    for (size_t i = 0; i < (size_t)e->rows * (size_t)e->cols; i++)
        if (!isfinite(p[i]))
            die_data("tensor '%s' is not finite: nothing was saved", e->name);
    if (e->vector)
        image_1d(b, e->name, F32, e->cols, p);
    else
        image_2d(b, e->name, F32, e->rows, e->cols, p);
}

static void
say_dropped(const struct model *m, const unsigned char *used)
{
    const struct record *r = safetensors_record(m->file);
    struct buf names = { 0 };
    for (int i = 0; i < r->tensors; i++)
        if (!used[i])
            buf_printf(&names, " %s", r->tensor[i].name);
    if (names.n && !quiet)
        fprintf(stderr, "%s: dropped:%.*s\n", argv0, (int)names.n, names.p);
    mem_free(names.p);
}

void
graft_save(const struct model *m, int classes, const struct entry *fresh, int n,
           const char *path)
{
    const struct record *r = safetensors_record(m->file);
    struct params *p = mem_zalloc(1, sizeof *p);
    struct entry *table = mem_array(PARAMS_MAX, sizeof *table);
    unsigned char *used = mem_zalloc((size_t)r->tensors + 1, 1);
    struct image b;
    image_init(&b);
    image_meta(&b, "format", "pt");
    const int entries = params_table(table, &m->cfg, HEAD_SEQUENCE, classes, p);
    for (int i = 0; i < entries; i++) {
        const struct entry *from = named(fresh, n, table[i].name);
        const struct tensor *t = weights_find(m, table[i].name);
        if (t)
            used[t - r->tensor] = 1;
        if (from)
            put_fresh(&b, &table[i], from);
        else if (!weights_tensor(m, &table[i]))
            die_data("'%s': tensor '%s' is missing", m->name, table[i].name);
        else
            image_tensor(&b, table[i].name, t->type, t->rank, t->shape, t->data);
    }
    say_dropped(m, used);
    safetensors_write(path, &b);
    image_free(&b);
    mem_free(used);
    mem_free(table);
    mem_free(p);
}
