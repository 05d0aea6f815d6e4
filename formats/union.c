#include "formats/union.h"
#include <string.h>
#include "common/base/die.h"
#include "formats/npy.h"

void
union_read(struct gather *g, struct input *in)
{
    const struct sequences *s;
    while (input_next(in, &s)) {
        const char *why = gather_add(g, s, 0, s->n > 0 ? s->n : 0, input_continues(in));
        if (why)
            input_bad(in, "%s", why);
    }
}

static void
inherit(struct image *b, const struct input *in)
{
    const struct record *head = input_head(in);
    for (int i = 0; i < head->metas; i++) {
        const char *key = head->meta[i].key;
        if (strcmp(key, "stz") && strcmp(key, "seq") && strcmp(key, "prev"))
            image_meta(b, key, head->meta[i].value);
    }
    image_meta(b, "format", "pt");
}

static _Noreturn void
no_tensor(const struct input *in, const char *name)
{
    die_data("'%s': no tensor '%s'", input_name(in), name);
}

static void
refuse_terminal(const struct sink *out)
{
    if (sink_terminal(out))
        die_usage("standard output is a terminal: use -o FILE, a pipe, or --json");
}

void
union_safetensors(int n, char *const *paths, const char *name, struct sink *out)
{
    struct gather g = { .only = name, .whole = 1 };
    struct image b;
    refuse_terminal(out);
    struct input *in = input_open(n, paths, NULL);
    union_read(&g, in);
    image_init(&b);
    const char *why = gather_image(&g, &b);
    if (why)
        input_bad(in, "%s", why);
    if (name && !g.columns && input_record(in))
        no_tensor(in, name);
    inherit(&b, in);
    image_finish(&b);
    sink_write(out, b.bytes, b.size);
    image_free(&b);
    gather_free(&g);
    input_close(in);
}

/* Of the first record of a stream, the one tensor that does not travel. */
static char *
main_tensor(const struct input *in, const struct sequences *s)
{
    struct buf names = { 0 };
    const struct record *r = s->record;
    const char *found = NULL;
    int n = 0;
    for (int i = 0; i < r->tensors; i++)
        if (!sequences_travels(s, &r->tensor[i])) {
            found = r->tensor[i].name;
            if (n++ < 8)
                buf_printf(&names, "%s%s", n > 1 ? ", " : "", found);
        }
    if (n != 1)
        die_usage("'%s' has %s tensors (%s%s): choose with --name", input_name(in),
                  n ? "several" : "no", n ? names.p : "", n > 8 ? ", ..." : "");
    mem_free(names.p);
    return mem_strdup(found);
}

void
union_npy(int n, char *const *paths, const char *name, struct sink *out)
{
    struct gather g = { .only = name, .whole = 1 };
    struct tensor none = { .name = "", .type = F32, .rank = 1, .data = "" };
    const struct sequences *s;
    char *chosen = NULL;
    refuse_terminal(out);
    struct input *in = input_open(n, paths, NULL);
    while (input_next(in, &s)) {
        if (!g.only)
            g.only = chosen = main_tensor(in, s);
        if (!chosen && !record_tensor(s->record, name) && !input_stream(in))
            no_tensor(in, name);
        const char *why = gather_add(&g, s, 0, s->n > 0 ? s->n : 0, input_continues(in));
        if (why)
            input_bad(in, "%s", why);
    }
    if (!g.columns && input_record(in))
        no_tensor(in, g.only);
    if (g.columns)
        none = gather_tensor(&g, 0);
    npy_write(out, &none);
    mem_free(chosen);
    gather_free(&g);
    input_close(in);
}
