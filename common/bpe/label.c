#include "common/bpe/label.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"

enum { WHY = 256, LABELS = 65536 };

int
label_find(const struct labels *l, const char *s, size_t n)
{
    for (int i = 0; i < l->n; i++)
        if (strlen(l->name[i]) == n && !memcmp(l->name[i], s, n))
            return i;
    return -1;
}

void
labels_parse(struct labels *l, const char *list)
{
    l->n = 0;
    l->name = NULL;
    for (const char *p = list;; p++) {
        const size_t n = strcspn(p, ",");
        if (!n)
            die_usage("option --labels: an empty name in '%s'", list);
        if (label_find(l, p, n) >= 0)
            die_usage("option --labels: '%.*s' is there twice", (int)n, p);
        if (l->n == LABELS)
            die_usage("option --labels: more than %d names", LABELS);
        l->name = mem_realloc(l->name, (size_t)l->n + 1, sizeof *l->name);
        l->name[l->n++] = mem_strndup(p, n);
        p += n;
        if (!*p)
            return;
    }
}

void
labels_free(struct labels *l)
{
    for (int i = 0; i < l->n; i++)
        mem_free(l->name[i]);
    mem_free(l->name);
    *l = (struct labels){ 0 };
}

const char *
task_name(enum task task)
{
    static const char *const names[] = { NULL, "single", "multi", "regression", "token" };
    return names[task];
}

static enum task
task_of(struct json_value v)
{
    double d;
    if (json_type(v) == JSON_ARRAY)
        return TASK_MULTI;
    if (json_type(v) == JSON_FLOAT && json_number(v, &d) && d != floor(d))
        return TASK_REGRESSION;
    return TASK_SINGLE;
}

const char *
label_class(const struct labels *l, struct json_value v, int *id, char *why)
{
    const char *s;
    size_t n;
    int64_t i;
    double d;
    if (json_string(v, &s, &n)) {
        *id = label_find(l, s, n);
        if (*id >= 0)
            return NULL;
        if (l->n)
            snprintf(why, WHY, "label '%.*s' is not one of the %d known (use --labels)", (int)(n < 80 ? n : 80), s, l->n);
        else
            snprintf(why, WHY, "label '%.*s' is a name, but no names are known (use --labels)", (int)(n < 80 ? n : 80), s);
        return why;
    }
    if (!json_int(v, &i)) {
        if (json_type(v) != JSON_FLOAT || !json_number(v, &d) || d != floor(d) || fabs(d) > 1e9)
            return "label is neither a class number nor a name";
        i = (int64_t)d;
    }
    if (i < 0 || i >= (l->n ? l->n : LABELS)) {
        snprintf(why, WHY, "label %lld is outside 0..%d (use --labels)", (long long)i, (l->n ? l->n : LABELS) - 1);
        return why;
    }
    *id = (int)i;
    return NULL;
}

const char *
label_read(struct labels *l, struct json_value v, int *given, int *id, float *value, float *hot, char *why)
{
    struct json_value x;
    double d;
    *given = json_type(v) != JSON_NULL;
    if (!*given)
        return NULL;
    if (l->task == TASK_AUTO)
        l->task = task_of(v);
    if (l->task == TASK_SINGLE)
        return label_class(l, v, id, why);
    if (l->task == TASK_REGRESSION) {
        if (!json_number(v, &d) || !isfinite((float)d))
            return "label is not a number, as --task regression wants";
        *value = (float)d;
        return NULL;
    }
    if (json_type(v) != JSON_ARRAY)
        return "label is not an array of names, as --task multi wants";
    if (!l->n)
        return "an array of labels needs the names of all classes (use --labels)";
    for (int i = 0; i < l->n; i++)
        hot[i] = 0;
    for (struct json_iter it = json_iter(v); json_next(&it, NULL, NULL, &x);) {
        int k = 0;
        const char *bad = label_class(l, x, &k, why);
        if (bad)
            return bad;
        hot[k] = 1;
    }
    return NULL;
}
