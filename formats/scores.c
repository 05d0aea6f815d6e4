#include "formats/scores.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/jsonl.h"

enum form { FORM_NONE, FORM_SCORES, FORM_SCORE, FORM_LOGITS };
enum { CLASSES_MAX = 4096 };
static const char *const form_name[] = { "", "\"scores\"", "\"label\" with \"score\"", "\"label\" with \"logits\"" };

struct reader {
    struct jsonl in;
    enum form form;
    struct scores *s;
    struct buf label, p, z;
    double *row; /* [classes] */
};

static double
probability(const struct reader *r, struct json_value v, const char *what)
{
    double d;
    if (!json_number(v, &d) || !(d >= 0 && d <= 1))
        jsonl_bad(&r->in, "%s is not a probability from 0 to 1", what);
    return d + 0.0; /* -0 counts as 0 */
}

static void
settle(struct reader *r, int classes)
{
    if (classes < 2 || classes > CLASSES_MAX)
        jsonl_bad(&r->in, "%d classes: metrics scores 2 to %d of them", classes, CLASSES_MAX);
    r->s->classes = classes;
    r->row = mem_zalloc((size_t)classes, sizeof *r->row);
}

static void
add_row(struct reader *r, int label)
{
    buf_add(&r->label, &label, sizeof label);
    buf_add(&r->p, r->row, (size_t)r->s->classes * sizeof *r->row);
    r->s->n++;
}

static int
name_find(const struct scores *s, const char *name, size_t n)
{
    for (int i = 0; i < s->classes; i++)
        if (strlen(s->name[i]) == n && !memcmp(s->name[i], name, n))
            return i;
    return -1;
}

static void
first_names(struct reader *r, struct json_value object)
{
    const char *key;
    size_t n;
    int k = 0;
    struct json_value v;
    settle(r, (int)json_size(object));
    r->s->name = mem_zalloc((size_t)r->s->classes, sizeof *r->s->name);
    for (struct json_iter it = json_iter(object); json_next(&it, &key, &n, &v);)
        r->s->name[k++] = mem_strndup(key, n);
}

static void
add_scores(struct reader *r, struct json_value line, struct json_value object)
{
    struct json_value v, gold;
    const char *key, *s;
    size_t n;
    if (json_type(object) != JSON_OBJECT)
        jsonl_bad(&r->in, "'scores' is not an object");
    if (!r->s->name)
        first_names(r, object);
    if ((int)json_size(object) != r->s->classes)
        jsonl_bad(&r->in, "'scores' has %zu classes, but the first line has %d", json_size(object), r->s->classes);
    for (struct json_iter it = json_iter(object); json_next(&it, &key, &n, &v);) {
        const int k = name_find(r->s, key, n);
        if (k < 0)
            jsonl_bad(&r->in, "class '%.*s' is not in the first line", (int)n, key);
        r->row[k] = probability(r, v, "a score");
    }
    if (!json_get(line, "gold", &gold) || json_type(gold) == JSON_NULL) {
        r->s->unlabelled++;
        return;
    }
    if (json_type(gold) == JSON_ARRAY)
        jsonl_bad(&r->in, "'gold' is a list: multi-label scores are not measured yet");
    const int k = json_string(gold, &s, &n) ? name_find(r->s, s, n) : -1;
    if (k < 0)
        jsonl_bad(&r->in, "'gold' is not one of the classes");
    add_row(r, k);
}

static void
softmax(const double *z, double *p, int n)
{
    double top = z[0], sum = 0;
    for (int i = 1; i < n; i++)
        top = z[i] > top ? z[i] : top;
    for (int i = 0; i < n; i++)
        sum += p[i] = exp(z[i] - top);
    for (int i = 0; i < n; i++)
        p[i] /= sum;
}

static int
label_of(const struct reader *r, struct json_value line, int classes)
{
    struct json_value v;
    int64_t k;
    if (!json_get(line, "label", &v))
        jsonl_bad(&r->in, "no field 'label'");
    if (!json_int(v, &k) || k < 0 || k >= classes)
        jsonl_bad(&r->in, "'label' is not a class number from 0 to %d", classes - 1);
    return (int)k;
}

static void
add_score(struct reader *r, struct json_value line, struct json_value score)
{
    if (!r->row)
        settle(r, 2);
    r->row[1] = probability(r, score, "'score'");
    r->row[0] = 1 - r->row[1];
    add_row(r, label_of(r, line, 2));
}

static void
add_logits(struct reader *r, struct json_value line, struct json_value list)
{
    struct json_value v;
    int k = 0;
    if (json_type(list) != JSON_ARRAY)
        jsonl_bad(&r->in, "'logits' is not a list");
    if (!r->row)
        settle(r, (int)json_size(list));
    if ((int)json_size(list) != r->s->classes)
        jsonl_bad(&r->in, "%zu logits, but the first line has %d", json_size(list), r->s->classes);
    double *z = buf_room(&r->z, (size_t)r->s->classes * sizeof *z);
    for (struct json_iter it = json_iter(list); json_next(&it, NULL, NULL, &v);)
        if (!json_number(v, &z[k++]))
            jsonl_bad(&r->in, "a logit is not a number");
    r->z.n += (size_t)r->s->classes * sizeof *z;
    softmax(z, r->row, r->s->classes);
    add_row(r, label_of(r, line, r->s->classes));
}

static void
add_line(struct reader *r, struct json_value line)
{
    struct json_value v;
    if (json_type(line) != JSON_OBJECT)
        jsonl_bad(&r->in, "not a JSON object");
    enum form form = FORM_NONE;
    if (json_get(line, "scores", &v))
        form = FORM_SCORES;
    else if (json_get(line, "logits", &v))
        form = FORM_LOGITS;
    else if (json_get(line, "score", &v))
        form = FORM_SCORE;
    else if (json_get(line, "value", &v))
        jsonl_bad(&r->in, "a regression line ('value'): regression is not measured yet");
    else
        jsonl_bad(&r->in, "no field 'scores', 'score' or 'logits'");
    if (r->form && form != r->form)
        jsonl_bad(&r->in, "a line of the form %s after lines of the form %s", form_name[form], form_name[r->form]);
    r->form = form;
    (form == FORM_SCORES ? add_scores : form == FORM_SCORE ? add_score : add_logits)(r, line, v);
}

void
scores_read(struct scores *s, const char *path)
{
    struct reader r = { .s = s };
    struct json_value v;
    const char *why;
    int got;
    *s = (struct scores){ 0 };
    jsonl_open(&r.in, path);
    while ((got = jsonl_next(&r.in, &v, &why))) {
        if (got < 0)
            jsonl_bad(&r.in, "%s", why);
        add_line(&r, v);
    }
    if (!s->n && s->unlabelled)
        die_data("'%s': no line has a gold label: nothing to measure", source_name(r.in.in));
    if (!s->n)
        die_data("'%s': no rows: nothing to measure", source_name(r.in.in));
    s->label = (int *)(void *)r.label.p;
    s->p = (double *)(void *)r.p.p;
    s->z = (double *)(void *)r.z.p;
    mem_free(r.row);
    jsonl_close(&r.in);
}

void
scores_positive(struct scores *s, const char *name)
{
    if (!name)
        return;
    const int k = s->name ? name_find(s, name, strlen(name)) : -1;
    if (k < 0)
        die_usage("option --positive: no class is named '%s'", name);
    double *p = mem_array((size_t)s->n * 2, sizeof *p);
    for (int64_t i = 0; i < s->n; i++) {
        p[2 * i + 1] = s->p[i * s->classes + k];
        p[2 * i] = 1 - p[2 * i + 1];
        s->label[i] = s->label[i] == k;
    }
    char *rest = mem_strdup(s->classes == 2 ? s->name[!k] : "the rest"), *one = mem_strdup(name);
    for (int i = 0; i < s->classes; i++)
        mem_free(s->name[i]);
    s->name[0] = rest;
    s->name[1] = one;
    mem_free(s->p);
    mem_free(s->z);
    s->p = p;
    s->z = NULL;
    s->classes = 2;
}

void
scores_free(struct scores *s)
{
    for (int i = 0; s->name && i < s->classes; i++)
        mem_free(s->name[i]);
    mem_free(s->name);
    mem_free(s->label);
    mem_free(s->p);
    mem_free(s->z);
    *s = (struct scores){ 0 };
}
