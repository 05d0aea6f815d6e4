#include "formats/stat.h"
#include <math.h>
#include <string.h>
#include "common/base/die.h"
#include "formats/input.h"
#include "formats/jsonout.h"
#include "formats/numbers.h"

struct line {
    char *name;
    enum dtype type;
    int64_t count, finite, nan, inf;
    double min, max, mean, m2;
};
struct table {
    struct line *line;
    int lines, cap;
};

static struct line *
find(struct table *t, const struct tensor *x)
{
    for (int i = 0; i < t->lines; i++)
        if (!strcmp(t->line[i].name, x->name))
            return &t->line[i];
    if (t->lines == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 16;
        t->line = mem_realloc(t->line, (size_t)t->cap, sizeof *t->line);
    }
    t->line[t->lines] = (struct line){
        .name = mem_strdup(x->name), .type = x->type, .min = INFINITY, .max = -INFINITY
    };
    return &t->line[t->lines++];
}

/* n finite values of this mean and sum of squared deviations join the line. */
static void
join(struct line *l, int64_t n, double mean, double m2)
{
    if (!n)
        return;
    const double delta = mean - l->mean, all = (double)(l->finite + n);
    l->mean += delta * (double)n / all;
    l->m2 += m2 + delta * delta * (double)l->finite * (double)n / all;
    l->finite += n;
}

static void
add(struct line *l, const struct tensor *t)
{
    double chunk[NUMBERS_CHUNK];
    const int64_t all = numbers_count(t);
    for (int64_t at = 0; at < all; at += NUMBERS_CHUNK) {
        const int n = (int)(all - at < NUMBERS_CHUNK ? all - at : NUMBERS_CHUNK);
        double sum = 0, m2 = 0;
        int finite = 0;
        numbers_read(t, at, n, chunk);
        for (int i = 0; i < n; i++) {
            l->nan += isnan(chunk[i]) != 0;
            l->inf += isinf(chunk[i]) != 0;
            if (!isfinite(chunk[i]))
                continue;
            l->min = fmin(l->min, chunk[i]);
            l->max = fmax(l->max, chunk[i]);
            sum += chunk[i];
            chunk[finite++] = chunk[i];
        }
        const double mean = finite ? sum / finite : 0;
        for (int i = 0; i < finite; i++)
            m2 += (chunk[i] - mean) * (chunk[i] - mean);
        join(l, finite, mean, m2);
    }
    l->count += all;
}

static void
print_json(struct buf *b, const struct line *l)
{
    const double value[] = { l->min, l->max, l->finite ? l->mean : NAN,
                             sqrt(l->m2 / (double)l->finite) };
    static const char *const names[] = { "min", "max", "mean", "std" };
    buf_add(b, "{\"name\":", 8);
    jsonout_string(b, l->name, strlen(l->name));
    buf_printf(b, ",\"dtype\":\"%s\",\"count\":%lld", dtype_name(l->type),
               (long long)l->count);
    for (int i = 0; i < 4; i++) {
        buf_printf(b, ",\"%s\":", names[i]);
        jsonout_f64(b, value[i]);
    }
    buf_printf(b, ",\"nan\":%lld,\"inf\":%lld}\n", (long long)l->nan, (long long)l->inf);
}

static void
print(struct sink *out, const struct table *t, int json)
{
    int wide = 4;
    struct buf b = { 0 };
    for (int i = 0; i < t->lines; i++)
        wide = (int)strlen(t->line[i].name) > wide ? (int)strlen(t->line[i].name) : wide;
    if (!json)
        buf_printf(&b, "%-*s %-5s %10s %12s %12s %12s %12s %6s %6s\n", wide, "name",
                   "dtype", "count", "min", "max", "mean", "std", "nan", "inf");
    for (int i = 0; i < t->lines; i++) {
        const struct line *l = &t->line[i];
        if (json)
            print_json(&b, l);
        else if (l->finite)
            buf_printf(&b, "%-*s %-5s %10lld %12.6g %12.6g %12.6g %12.6g %6lld %6lld\n",
                       wide, l->name, dtype_name(l->type), (long long)l->count, l->min,
                       l->max, l->mean, sqrt(l->m2 / (double)l->finite), (long long)l->nan,
                       (long long)l->inf);
        else
            buf_printf(&b, "%-*s %-5s %10lld %12s %12s %12s %12s %6lld %6lld\n", wide,
                       l->name, dtype_name(l->type), (long long)l->count, "-", "-", "-",
                       "-", (long long)l->nan, (long long)l->inf);
    }
    sink_write(out, b.p ? b.p : "", b.n);
    mem_free(b.p);
}

void
stat_run(int n, char *const *paths, const char *name, int json, struct sink *out)
{
    struct table t = { 0 };
    const struct sequences *s;
    struct input *in = input_open(n, paths, NULL);
    while (input_next(in, &s))
        for (int i = 0; i < s->record->tensors; i++) {
            const struct tensor *x = &s->record->tensor[i];
            const enum part part = sequences_part(s, x);
            const int again = input_continues(in) && sequences_travels(s, x);
            const int layout =
                part == PART_CU || part == PART_OFFSETS || part == PART_BYTES;
            if (!layout && !again && (!name || !strcmp(name, x->name)))
                add(find(&t, x), x);
        }
    if (name && !t.lines && input_record(in))
        die_data("'%s': no tensor '%s'", input_name(in), name);
    print(out, &t, json);
    for (int i = 0; i < t.lines; i++)
        mem_free(t.line[i].name);
    mem_free(t.line);
    input_close(in);
}
