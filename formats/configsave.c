/* configsave - config.json of a fine-tuned model: what was read, a few keys replaced */
#include <stdio.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/config.h"
#include "formats/json.h"
#include "formats/jsonout.h"
#include "formats/sink.h"

/* What is replaced, in the place it has in the file; what the file lacks comes last. */
enum { ARCHITECTURES, ID2LABEL, LABEL2ID, PROBLEM_TYPE, DTYPE, KEYS };
struct replacement { const char *key; struct buf text; int done, gone; };

static void
put(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

static void
label_map(struct buf *b, char *const *labels, int n, int to_id)
{
    for (int i = 0; i < n; i++) {
        put(b, i ? ",\n    " : "{\n    ");
        if (to_id) {
            jsonout_string(b, labels[i], strlen(labels[i]));
            buf_printf(b, ": %d", i);
        } else {
            buf_printf(b, "\"%d\": ", i);
            jsonout_string(b, labels[i], strlen(labels[i]));
        }
    }
    put(b, "\n  }");
}

static void
member(struct buf *out, const char *key, size_t n)
{
    put(out, out->n > 1 ? ",\n  " : "\n  ");
    jsonout_string(out, key, n);
    put(out, ": ");
}

static void
merge(struct buf *out, struct json_value root, const struct config *c,
      struct replacement *r)
{
    struct json_iter it = json_iter(root);
    struct json_value v;
    const char *key;
    size_t n;
    put(out, "{");
    while (json_next(&it, &key, &n, &v)) {
        if (!strcmp(key, "torch_dtype") || !strcmp(key, "num_labels"))
            continue;
        int k = 0;
        while (k < KEYS && ((!r[k].text.n && !r[k].gone) || strcmp(key, r[k].key)))
            k++;
        if (k < KEYS && r[k].gone)
            continue;
        member(out, key, n);
        if (k < KEYS) {
            buf_add(out, r[k].text.p, r[k].text.n);
            r[k].done = 1;
        } else if (!strcmp(key, "local_rope_theta") && json_type(v) == JSON_NULL) {
            /* transformers 5 cannot build a model from null */
            jsonout_f64(out, c->theta_local);
        } else {
            json_text(v, out);
        }
    }
    for (int k = 0; k < KEYS; k++)
        if (r[k].text.n && !r[k].done) {
            member(out, r[k].key, strlen(r[k].key));
            buf_add(out, r[k].text.p, r[k].text.n);
        }
    put(out, "\n}\n");
}

static void
replacements(struct replacement *r, char *const *labels, int n, enum problem problem)
{
    static const char *const names[] = { "", "\"single_label_classification\"",
                                         "\"multi_label_classification\"",
                                         "\"regression\"", "", "" };
    const int mlm = problem == PROBLEM_MLM, token = problem == PROBLEM_TOKEN;
    buf_printf(&r[ARCHITECTURES].text, "[\n    \"ModernBertFor%s\"\n  ]",
               mlm     ? "MaskedLM"
               : token ? "TokenClassification"
                       : "SequenceClassification");
    r[ID2LABEL].gone = r[LABEL2ID].gone = mlm;
    if (!mlm) {
        label_map(&r[ID2LABEL].text, labels, n, 0);
        label_map(&r[LABEL2ID].text, labels, n, 1);
    }
    r[PROBLEM_TYPE].gone = mlm || token;
    put(&r[PROBLEM_TYPE].text, names[problem]);
    put(&r[DTYPE].text, "\"float32\"");
}

void
config_save(const struct config *c, const char *path, char *const *labels, int n,
            enum problem problem)
{
    struct replacement r[KEYS] = { { .key = "architectures" },
                                   { .key = "id2label" },
                                   { .key = "label2id" },
                                   { .key = "problem_type" },
                                   { .key = "dtype" } };
    struct buf out = { 0 };
    struct json_value root;
    struct json *j = json_new();
    const char *why = json_parse(j, c->text, (size_t)c->text_bytes, &root);
    if (why)
        die_data("config.json: %s", why); /* it was read before: cannot be */
    replacements(r, labels, n, problem);
    merge(&out, root, c, r);
    struct sink *s = sink_open(path);
    sink_write(s, out.p, out.n);
    sink_commit(s);
    for (int k = 0; k < KEYS; k++)
        mem_free(r[k].text.p);
    mem_free(out.p);
    json_free(j);
}
