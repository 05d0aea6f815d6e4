#include "common/mbert/entities.h"
#include <string.h>
#include "formats/jsonout.h"

/* One token's, or word's, place and class. */
struct unit { int32_t start, end; int class; float p; };
struct stretch { int open; int32_t start, end; int label; double sum; int64_t n; };

/* What follows B- or I-; the name itself when it has neither. */
static const char *
label_of(const char *name)
{
    return (name[0] == 'B' || name[0] == 'I') && name[1] == '-' && name[2] ? name + 2
                                                                           : name;
}

void
entities_open(struct entities *e, char *const *name, int classes)
{
    *e = (struct entities){ .classes = classes, .name = name };
    e->tag = mem_array((size_t)classes, sizeof *e->tag);
    for (int k = 0; k < classes; k++) {
        const char *label = label_of(name[k]);
        e->tag[k] = (struct tag){ label == name[k] ? 0 : name[k][0], k };
        for (int i = k - 1; i >= 0; i--)
            if (!strcmp(label, label_of(name[i])))
                e->tag[k].label = i;
        if (!strcmp(name[k], "O"))
            e->outside = k;
    }
}

void
entities_free(struct entities *e)
{
    mem_free(e->tag);
    *e = (struct entities){ 0 };
}

static struct unit
unit_at(const struct entities *e, const struct entity_tokens *t, const float *p, int64_t i)
{
    const struct tensor *place = t->words ? t->words : t->spans;
    struct unit u = { (int32_t)i, (int32_t)i + 1, 0, 0 };
    if (place) {
        u.start = sequences_i32(place, 2 * (t->from + i));
        u.end = sequences_i32(place, 2 * (t->from + i) + 1);
    }
    p += i * e->classes;
    for (int k = 1; k < e->classes; k++)
        u.class = p[k] > p[u.class] ? k : u.class;
    u.p = p[u.class];
    return u;
}

static void
end(const struct entities *e, struct stretch *s, const char **comma, struct buf *out)
{
    if (!s->open)
        return;
    const char *label = label_of(e->name[s->label]);
    buf_printf(out, "%s{\"start\":%d,\"end\":%d,\"label\":", *comma, s->start, s->end);
    jsonout_string(out, label, strlen(label));
    buf_printf(out, ",\"score\":");
    jsonout_f32(out, (float)(s->sum / (double)s->n));
    buf_printf(out, "}");
    *comma = ",";
    s->open = 0;
}

void
entities_put(const struct entities *e, const struct entity_tokens *t, const float *p,
             struct buf *out)
{
    struct stretch s = { 0 };
    struct unit last = { 0 };
    const char *comma = "";
    buf_printf(out, ",\"spans\":[");
    for (int64_t i = 0; i < t->n; i++) {
        const struct unit u = unit_at(e, t, p, i), before = last;
        const struct tag tag = e->tag[u.class];
        last = u;
        if (t->words && u.end && u.start == before.start && u.end == before.end)
            continue; /* the rest of a word */
        if (u.class == e->outside || (u.start >= u.end && (t->words || t->spans))) {
            end(e, &s, &comma, out);
            continue;
        }
        if (s.open && (tag.part == 'B' || tag.label != s.label))
            end(e, &s, &comma, out);
        if (!s.open)
            s = (struct stretch){ .open = 1, .start = u.start, .label = tag.label };
        s.end = u.end;
        s.sum += (double)u.p;
        s.n++;
    }
    end(e, &s, &comma, out);
    buf_printf(out, "]");
}
