#include "formats/scaling.h"
#include <assert.h>
#include <math.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/json.h"
#include "formats/jsonout.h"
#include "formats/sink.h"
#include "formats/source.h"

enum { MAX_FILE = 1 << 16, CLASSES_MAX = 65536 };

/* The whole file; a calibration is a hundred bytes. */
static void
read_all(struct buf *b, const char *path)
{
    struct source *in = source_open(path, 0);
    ptrdiff_t got;
    do {
        got = source_read(in, buf_room(b, MAX_FILE), MAX_FILE);
        if (got < 0)
            die_data("%s: %s", path, source_error(in));
        b->n += (size_t)got;
        if (b->n > MAX_FILE)
            die_data("%s: more than %d bytes: not a calibration", path, MAX_FILE);
    } while (got);
    source_close(in);
}

static double
number(const char *path, struct json_value root, const char *key, int positive)
{
    struct json_value v;
    double d;
    if (!json_get(root, key, &v))
        die_data("%s: no field '%s'", path, key);
    if (!json_number(v, &d) || !isfinite(d))
        die_data("%s: '%s' is not a number", path, key);
    if (positive && !(d > 0 && isfinite(1 / d)))
        die_data("%s: '%s' is not above 0", path, key);
    return d;
}

static void
fill(struct scaling *s, const char *path, struct json_value root)
{
    struct json_value v;
    const char *method;
    size_t n;
    int64_t classes;
    if (json_type(root) != JSON_OBJECT)
        die_data("%s: not a JSON object", path);
    if (!json_get(root, "method", &v) || !json_string(v, &method, &n))
        die_data("%s: no field 'method'", path);
    if (n == 11 && !memcmp(method, "temperature", n))
        *s = (struct scaling){ SCALING_TEMPERATURE, 0, number(path, root, "temperature", 1), 0 };
    else if (n == 5 && !memcmp(method, "platt", n))
        *s = (struct scaling){ SCALING_PLATT, 0, number(path, root, "a", 1), number(path, root, "b", 0) };
    else
        die_data("%s: 'method' is neither temperature nor platt", path);
    if (!json_get(root, "classes", &v) || !json_int(v, &classes) || classes < 1 || classes > CLASSES_MAX)
        die_data("%s: 'classes' is not a number of classes", path);
    if (s->kind == SCALING_PLATT && classes != 2)
        die_data("%s: Platt scaling is for 2 classes, not %d", path, (int)classes);
    s->classes = (int)classes;
}

void
scaling_load(struct scaling *s, const char *path)
{
    struct buf text = { 0 };
    struct json *j = json_new();
    struct json_value root;
    read_all(&text, path);
    const char *why = json_parse(j, text.p, text.n, &root);
    if (why)
        die_data("%s: %s", path, why);
    fill(s, path, root);
    json_free(j);
    mem_free(text.p);
}

void
scaling_save(const struct scaling *s, const char *path)
{
    struct buf b = { 0 };
    const int platt = s->kind == SCALING_PLATT;
    buf_printf(&b, "{\"method\":\"%s\",\"%s\":", platt ? "platt" : "temperature", platt ? "a" : "temperature");
    jsonout_f64(&b, s->a);
    if (platt) {
        buf_printf(&b, ",\"b\":");
        jsonout_f64(&b, s->b);
    }
    buf_printf(&b, ",\"classes\":%d}\n", s->classes);
    struct sink *to = sink_open(path);
    sink_write(to, b.p, b.n);
    sink_commit(to);
    mem_free(b.p);
}

void
scaling_apply(const struct scaling *s, double *logits, int classes)
{
    assert(classes == s->classes);
    if (s->kind == SCALING_PLATT) {
        logits[1] = s->a * (logits[1] - logits[0]) + s->b;
        logits[0] = 0;
        return;
    }
    for (int k = 0; k < classes; k++)
        logits[k] /= s->a;
}
