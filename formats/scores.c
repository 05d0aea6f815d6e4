#include "formats/scores.h"
#include <math.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/base/softmax.h"
#include "formats/jsonl.h"

enum form { FORM_NONE, FORM_SCORES, FORM_SCORE, FORM_LOGITS, FORM_VALUE };
enum { CLASSES_MAX = 4096 };
static const char *const form_name[] = { "", "\"scores\"", "\"label\" with \"score\"",
                                         "\"label\" with \"logits\"", "\"value\"" };

struct reader {
    struct jsonl in;
    enum form form;
    struct scores *s;
    const char *by;
    int with_logits, rowless;
    struct buf label, truth, gold, p, z, line, row, group;
    double *score, *of_logits; /* [classes] of the line */
    unsigned char *yes;
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
settle(struct reader *r, int classes, int least)
{
    if (classes < least || classes > CLASSES_MAX)
        jsonl_bad(&r->in, "%d classes: metrics scores %d to %d of them", classes, least,
                  CLASSES_MAX);
    r->s->classes = classes;
    r->score = mem_zalloc((size_t)classes, sizeof *r->score);
    r->of_logits = mem_zalloc((size_t)classes, sizeof *r->of_logits);
    r->yes = mem_zalloc((size_t)classes, 1);
}

/* The group of the line, with its NUL. */
static void
add_group(struct reader *r, struct json_value line)
{
    struct json_value v;
    const char *s = "(none)";
    size_t n = strlen(s);
    if (json_get(line, r->by, &v) && json_type(v) != JSON_NULL) {
        if (json_type(v) == JSON_ARRAY || json_type(v) == JSON_OBJECT)
            jsonl_bad(&r->in, "'%s' is neither a string nor a number", r->by);
        if (!json_string(v, &s, &n)) {
            json_text(v, &r->group);
            n = 0;
        }
        if (memchr(s, 0, n))
            jsonl_bad(&r->in, "'%s' holds a NUL", r->by);
    }
    buf_add(&r->group, s, n);
    buf_add(&r->group, "", 1);
}

/* What every row has, whatever its form: its scores and where it is from. */
static void
add_row(struct reader *r, struct json_value line)
{
    struct json_value v;
    int64_t row = -1;
    const int64_t number = r->in.row + 1;
    buf_add(&r->p, r->score, (size_t)r->s->classes * sizeof *r->score);
    buf_add(&r->line, &number, sizeof number);
    if (!json_get(line, "row", &v) || !json_int(v, &row))
        r->rowless = 1;
    buf_add(&r->row, &row, sizeof row);
    if (r->by)
        add_group(r, line);
    r->s->n++;
}

static void
add_label(struct reader *r, int label)
{
    buf_add(&r->label, &label, sizeof label);
}

static void
first_names(struct reader *r, struct json_value object)
{
    const char *key;
    size_t n;
    int k = 0;
    struct json_value v;
    settle(r, (int)json_size(object), 1);
    r->s->name = mem_zalloc((size_t)r->s->classes, sizeof *r->s->name);
    for (struct json_iter it = json_iter(object); json_next(&it, &key, &n, &v);)
        r->s->name[k++] = mem_strndup(key, n);
}

static int
class_of(const struct reader *r, struct json_value v)
{
    const char *s;
    size_t n;
    const int k = json_string(v, &s, &n) ? scores_class(r->s, s, n) : -1;
    if (k < 0)
        jsonl_bad(&r->in, "'gold' is not one of the classes");
    return k;
}

/* gold of the form "scores": a class, or a list of them.  The first row decides which. */
static void
add_gold(struct reader *r, struct json_value gold)
{
    const int list = json_type(gold) == JSON_ARRAY;
    struct json_value v;
    if (!r->s->n) {
        r->s->task = list ? SCORES_MULTI : SCORES_SINGLE;
        if (!list && r->s->classes < 2)
            jsonl_bad(&r->in, "1 classes: metrics scores 2 to %d of them", CLASSES_MAX);
    }
    if (list != (r->s->task == SCORES_MULTI))
        jsonl_bad(&r->in, list ? "'gold' is a list, but the first line's is not"
                               : "'gold' is not a list, but the first line's is");
    if (!list) {
        add_label(r, class_of(r, gold));
        return;
    }
    memset(r->yes, 0, (size_t)r->s->classes);
    for (struct json_iter it = json_iter(gold); json_next(&it, NULL, NULL, &v);)
        r->yes[class_of(r, v)] = 1;
    buf_add(&r->truth, r->yes, (size_t)r->s->classes);
}

/* One row of logits, as many as there are classes. */
static double *
read_logits(struct reader *r, struct json_value list)
{
    struct json_value v;
    int k = 0;
    if (json_type(list) != JSON_ARRAY)
        jsonl_bad(&r->in, "'logits' is not a list");
    if (!r->score)
        settle(r, (int)json_size(list), 2);
    if ((int)json_size(list) != r->s->classes)
        jsonl_bad(&r->in,
                  r->form == FORM_SCORES ? "%zu logits for %d classes"
                                         : "%zu logits, but the first line has %d",
                  json_size(list), r->s->classes);
    double *z = buf_room(&r->z, (size_t)r->s->classes * sizeof *z);
    for (struct json_iter it = json_iter(list); json_next(&it, NULL, NULL, &v);)
        if (!json_number(v, &z[k++]))
            jsonl_bad(&r->in, "a logit is not a number");
    r->z.n += (size_t)r->s->classes * sizeof *z;
    return z;
}

/* Are the scores of the line others than its logits give?  Both have nine digits of floats. */
static int
apart(const struct reader *r, const double *z)
{
    const int C = r->s->classes, multi = r->s->task == SCORES_MULTI;
    double *p = r->of_logits, worst = 0;
    softmax(z, p, C);
    for (int k = 0; k < C; k++) {
        const double q = multi ? 1 / (1 + exp(-z[k])) : p[k];
        worst = fmax(worst, fabs(q - r->score[k]));
    }
    return worst > 1e-4;
}

static void
add_scores(struct reader *r, struct json_value line, struct json_value object)
{
    struct json_value v, gold, logits;
    const char *key;
    size_t n;
    if (json_type(object) != JSON_OBJECT)
        jsonl_bad(&r->in, "'scores' is not an object");
    if (!r->s->name)
        first_names(r, object);
    if ((int)json_size(object) != r->s->classes)
        jsonl_bad(&r->in, "'scores' has %zu classes, but the first line has %d",
                  json_size(object), r->s->classes);
    for (struct json_iter it = json_iter(object); json_next(&it, &key, &n, &v);) {
        const int k = scores_class(r->s, key, n);
        if (k < 0)
            jsonl_bad(&r->in, "class '%.*s' is not in the first line", (int)n, key);
        r->score[k] = probability(r, v, "a score");
    }
    if (!json_get(line, "gold", &gold) || json_type(gold) == JSON_NULL) {
        r->s->unlabelled++;
        return;
    }
    add_gold(r, gold);
    const int has = json_get(line, "logits", &logits);
    if (!r->s->n)
        r->with_logits = has;
    if (has != r->with_logits)
        jsonl_bad(&r->in, has ? "'logits', but the first line has none"
                              : "no 'logits', but the first line has them");
    if (has)
        r->s->calibrated |= apart(r, read_logits(r, logits));
    add_row(r, line);
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
    if (!r->score)
        settle(r, 2, 2);
    r->score[1] = probability(r, score, "'score'");
    r->score[0] = 1 - r->score[1];
    add_label(r, label_of(r, line, 2));
    add_row(r, line);
}

static void
add_logits(struct reader *r, struct json_value line, struct json_value list)
{
    const double *z = read_logits(r, list); /* settles the classes */
    softmax(z, r->score, r->s->classes);
    add_label(r, label_of(r, line, r->s->classes));
    add_row(r, line);
}

static void
add_value(struct reader *r, struct json_value line, struct json_value value)
{
    struct json_value v;
    double gold;
    if (!r->score)
        settle(r, 1, 1);
    r->s->task = SCORES_REGRESSION;
    if (!json_number(value, r->score))
        jsonl_bad(&r->in, "'value' is not a number");
    if (!json_get(line, "gold", &v) || json_type(v) == JSON_NULL) {
        r->s->unlabelled++;
        return;
    }
    if (!json_number(v, &gold))
        jsonl_bad(&r->in, "'gold' is not a number");
    buf_add(&r->gold, &gold, sizeof gold);
    add_row(r, line);
}

static void
add_line(struct reader *r, struct json_value line)
{
    static const struct {
        enum form form;
        const char *key;
        void (*add)(struct reader *r, struct json_value line, struct json_value v);
    } forms[] = {
        { FORM_SCORES, "scores", add_scores }, { FORM_LOGITS, "logits", add_logits },
        { FORM_SCORE, "score", add_score }, { FORM_VALUE, "value", add_value },
    };
    struct json_value v;
    size_t i = 0;
    if (json_type(line) != JSON_OBJECT)
        jsonl_bad(&r->in, "not a JSON object");
    while (i < sizeof forms / sizeof *forms && !json_get(line, forms[i].key, &v))
        i++;
    if (i == sizeof forms / sizeof *forms)
        jsonl_bad(&r->in, "no field 'scores', 'score', 'logits' or 'value'");
    if (r->form && forms[i].form != r->form)
        jsonl_bad(&r->in, "a line of the form %s after lines of the form %s",
                  form_name[forms[i].form], form_name[r->form]);
    r->form = forms[i].form;
    forms[i].add(r, line, v);
}

void
scores_read(struct scores *s, const char *path, const char *by)
{
    struct reader r = { .s = s, .by = by };
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
        die_data("'%s': no line has a gold label: nothing to measure",
                 source_name(r.in.in));
    if (!s->n)
        die_data("'%s': no rows: nothing to measure", source_name(r.in.in));
    s->path = mem_strdup(source_name(r.in.in));
    s->label = (int *)(void *)r.label.p;
    s->truth = (unsigned char *)r.truth.p;
    s->gold = (double *)(void *)r.gold.p;
    s->p = (double *)(void *)r.p.p;
    s->z = (double *)(void *)r.z.p;
    s->line = (int64_t *)(void *)r.line.p;
    s->row = r.rowless ? NULL : (int64_t *)(void *)r.row.p;
    if (r.rowless)
        mem_free(r.row.p);
    if (by)
        scores_group(s, r.group.p);
    mem_free(r.group.p);
    mem_free(r.score);
    mem_free(r.of_logits);
    mem_free(r.yes);
    jsonl_close(&r.in);
}
