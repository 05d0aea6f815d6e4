#include "formats/runlog.h"
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/jsonl.h"

static const char prefix[] = "eval_";
enum { PREFIX = sizeof prefix - 1 };

static struct series *
series_of(struct run *r, const struct jsonl *in, const char *key, size_t n)
{
    struct series *const known[] = { &r->loss, &r->lr, &r->grad_norm };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i]->name) == n && !memcmp(known[i]->name, key, n))
            return known[i];
    if (n <= PREFIX || memcmp(key, prefix, PREFIX))
        return NULL;
    for (int i = 0; i < r->evals; i++)
        if (strlen(r->eval[i].name) == n - PREFIX &&
            !memcmp(r->eval[i].name, key + PREFIX, n - PREFIX))
            return &r->eval[i];
    if (r->evals == RUN_EVALS)
        jsonl_bad(in, "more than %d figures named eval_*", RUN_EVALS);
    r->eval[r->evals].name = mem_strndup(key + PREFIX, n - PREFIX);
    return &r->eval[r->evals++];
}

static void
add_record(struct run *r, const struct jsonl *in, struct json_value record)
{
    struct json_value v;
    const char *key;
    size_t n;
    double step, d;
    if (json_type(record) != JSON_OBJECT)
        jsonl_bad(in, "not a JSON object");
    if (!json_get(record, "step", &v))
        return;
    if (!json_number(v, &step) || !(step >= 0))
        jsonl_bad(in, "'step' is not a number from 0");
    for (struct json_iter it = json_iter(record); json_next(&it, &key, &n, &v);) {
        if (!json_number(v, &d))
            continue;
        struct series *s = series_of(r, in, key, n);
        if (s)
            series_add(s, step, d);
    }
}

void
runlog_read(struct run *r, const char *path)
{
    struct jsonl in;
    struct json_value v;
    const char *why;
    int got;
    *r = (struct run){ .loss.name = mem_strdup("loss"),
                       .lr.name = mem_strdup("lr"),
                       .grad_norm.name = mem_strdup("grad_norm") };
    jsonl_open(&in, path);
    while ((got = jsonl_next(&in, &v, &why))) {
        if (got < 0)
            jsonl_bad(&in, "%s", why);
        add_record(r, &in, v);
    }
    if (!r->loss.n)
        die_data("'%s': no record with 'step' and 'loss': not a log of mbert-train",
                 source_name(in.in));
    jsonl_close(&in);
}
