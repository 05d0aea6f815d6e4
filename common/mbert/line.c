#include "common/mbert/line.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "formats/jsonout.h"

enum { IGNORED = -100 };

/* Keys of ours that a kept field must not repeat. */
static const char *const own_keys[] = { "row",       "label",  "labels",  "score",
                                        "scores",    "value",  "gold",    "logits",
                                        "truncated", "window", "windows", "spans" };

void
line_probabilities(const struct line_style *y, double *z, float *p)
{
    double top, sum = 0;
    if (y->scaling)
        scaling_apply(y->scaling, z, y->classes);
    top = z[0];
    if (y->problem == PROBLEM_MULTI || y->problem == PROBLEM_REGRESSION) {
        for (int k = 0; k < y->classes; k++)
            p[k] =
                y->problem == PROBLEM_MULTI ? (float)(1 / (1 + exp(-z[k]))) : (float)z[k];
        return;
    }
    for (int k = 1; k < y->classes; k++)
        top = z[k] > top ? z[k] : top;
    for (int k = 0; k < y->classes; k++)
        sum += exp(z[k] - top);
    for (int k = 0; k < y->classes; k++)
        p[k] = (float)(exp(z[k] - top) / sum);
}

/*
 * Does the kept field have to be called input_KEY?  When KEY is ours, and when it is ours
 * after any number of input_: two kept fields never get the same name.
 */
static int
clashes(const char *key)
{
    while (!strncmp(key, "input_", 6))
        key += 6;
    for (size_t i = 0; i < sizeof own_keys / sizeof *own_keys; i++)
        if (!strcmp(key, own_keys[i]))
            return 1;
    return 0;
}

static void
string(struct buf *b, const char *s)
{
    jsonout_string(b, s, strlen(s));
}

static void
put_scores(const struct line_style *y, const float *p, struct buf *b)
{
    buf_printf(b, ",\"scores\":{");
    for (int k = 0; k < y->classes; k++) {
        buf_add(b, ",", k > 0);
        string(b, y->name[k]);
        buf_add(b, ":", 1);
        jsonout_f32(b, p[k]);
    }
    buf_add(b, "}", 1);
}

static void
put_names(const struct line_style *y, const char *key, const float *p, struct buf *b)
{
    const char *comma = "";
    buf_printf(b, ",\"%s\":[", key);
    for (int k = 0; k < y->classes; k++)
        if (p[k] >= .5f) {
            buf_printf(b, "%s", comma);
            string(b, y->name[k]);
            comma = ",";
        }
    buf_add(b, "]", 1);
}

static void
put_verdict(const struct line_style *y, const float *p, struct buf *b)
{
    int best = 0;
    for (int k = 1; k < y->classes; k++)
        best = p[k] > p[best] ? k : best;
    if (y->problem == PROBLEM_REGRESSION) {
        for (int k = 0; k < y->classes; k++) {
            buf_printf(b, k ? "," : ",\"value\":%s", y->classes > 1 ? "[" : "");
            jsonout_f32(b, p[k]);
        }
        if (y->classes > 1)
            buf_add(b, "]", 1);
        return;
    }
    if (y->problem == PROBLEM_MULTI)
        put_names(y, "labels", p, b);
    else {
        buf_printf(b, ",\"label\":");
        string(b, y->name[best]);
        buf_printf(b, ",\"score\":");
        jsonout_f32(b, p[best]);
    }
    put_scores(y, p, b);
}

static const char *
put_gold(const struct line_style *y, const struct tensor *t, int64_t n, int64_t i,
         struct buf *b)
{
    if (t->rank < 1 || t->shape[0] != n || (t->type != I32 && t->type != F32) ||
        t->rank > 2)
        return "tensor 'labels' is not one label a sequence";
    if (t->type == I32) {
        const int32_t k = sequences_i32(t, i);
        if (y->problem != PROBLEM_SINGLE || t->rank != 1)
            return "its label is a class, but the model's problem is another";
        if (k == IGNORED)
            return NULL;
        if (k < 0 || k >= y->classes)
            return "its label is outside the model's classes";
        buf_printf(b, ",\"gold\":");
        string(b, y->name[k]);
        return NULL;
    }
    if (t->rank == 2) {
        if (y->problem != PROBLEM_MULTI || t->shape[1] != y->classes)
            return "its labels are a set, but the model's problem is another";
        const size_t bytes = (size_t)y->classes * sizeof(float);
        float *hot = mem_alloc(bytes); /* the tensor need not be aligned */
        memcpy(hot, (const char *)t->data + (size_t)i * bytes, bytes);
        put_names(y, "gold", hot, b);
        mem_free(hot);
        return NULL;
    }
    if (y->problem != PROBLEM_REGRESSION)
        return "its label is a number, but the model's problem is another";
    float value;
    memcpy(&value, (const char *)t->data + (size_t)i * sizeof value, sizeof value);
    buf_printf(b, ",\"gold\":");
    jsonout_f32(b, value);
    return NULL;
}

static void
put_kept(const struct sequences *s, const struct record *r, int64_t i, struct buf *b)
{
    for (int k = 0; k < r->tensors; k++) {
        const struct tensor *t = &r->tensor[k];
        int64_t from, to;
        if (strncmp(t->name, "keep.", 5) || sequences_part(s, t) != PART_BYTES)
            continue;
        sequences_kept(s, t, i, &from, &to);
        if (from == to)
            continue;
        const char *key = t->name + 5;
        char *renamed = clashes(key) ? mem_printf("input_%s", key) : NULL;
        buf_add(b, ",", 1);
        string(b, renamed ? renamed : key);
        buf_add(b, ":", 1);
        buf_add(b, (const char *)t->data + from, (size_t)(to - from));
        mem_free(renamed);
    }
}

const char *
line_read(const struct line_style *y, const struct sequences *s, const struct record *r,
          int64_t i, struct line *l)
{
    const struct tensor *labels = record_tensor(r, "labels"),
                        *cut = record_tensor(r, "truncated"),
                        *window = record_tensor(r, "window");
    const struct line empty = {
        .row = s->row[i], .window = -1, .gold = l->gold, .kept = l->kept
    };
    *l = empty;
    l->gold.n = l->kept.n = 0;
    if (window && window->type == I32 && window->rank == 1 && window->shape[0] == s->n)
        l->window = sequences_i32(window, i);
    l->truncated = cut && cut->type == U8 && cut->rank == 1 && cut->shape[0] == s->n &&
                   ((const unsigned char *)cut->data)[i];
    put_kept(s, r, i, &l->kept);
    return labels && y->problem != PROBLEM_TOKEN ? put_gold(y, labels, s->n, i, &l->gold)
                                                 : NULL;
}

void
line_begin(const struct line *l, struct buf *b)
{
    buf_printf(b, "{\"row\":%" PRId64, l->row);
    if (l->window >= 0)
        buf_printf(b, ",\"window\":%d", l->window);
    if (l->windows)
        buf_printf(b, ",\"windows\":%d", l->windows);
}

void
line_end(const struct line *l, struct buf *b)
{
    if (l->truncated)
        buf_printf(b, ",\"truncated\":true");
    buf_add(b, l->kept.p, l->kept.n);
    buf_add(b, "}\n", 2);
}

void
line_write(const struct line_style *y, const struct line *l, const double *z,
           const float *p, struct buf *b)
{
    line_begin(l, b);
    put_verdict(y, p, b);
    buf_add(b, l->gold.p, l->gold.n);
    if (y->logits) {
        buf_printf(b, ",\"logits\":[");
        for (int k = 0; k < y->classes; k++) {
            buf_add(b, ",", k > 0);
            jsonout_f32(b, (float)z[k]);
        }
        buf_add(b, "]", 1);
    }
    line_end(l, b);
}

void
line_free(struct line *l)
{
    mem_free(l->gold.p);
    mem_free(l->kept.p);
}
