#include "common/mbert/printer.h"
#include <inttypes.h>
#include <string.h>
#include "formats/sink.h"

/* A window on the shelf: this, its logits, gold and kept fields. */
struct laid { struct line line; size_t logits; };

void
printer_open(struct printer *p, const char *path)
{
    const struct record *head = stream_head(p->in);
    const char *chain = record_meta(head, "chain");
    const size_t classes = (size_t)p->style->classes;
    p->held = (chain && strstr(chain, "--shuffle")) || record_meta(head, "shard");
    p->windows = (struct windows){ .style = p->style, .how = p->how };
    p->row = mem_array(classes, sizeof *p->row);
    p->logits = mem_array(classes, sizeof *p->logits);
    p->scores = mem_array(classes, sizeof *p->scores);
    if (p->style->problem == PROBLEM_TOKEN)
        entities_open(&p->entities, p->style->name, p->style->classes);
    p->sink = sink_open(path);
}

/* p->text is a whole line. */
static void
put_text(struct printer *p)
{
    if (p->held)
        shelf_add(&p->shelf, p->line.row, p->line.window, p->text.p, p->text.n);
    else
        sink_write(p->sink, p->text.p, p->text.n);
}

static void
put_tokens(struct printer *p, const struct sequences *s, const struct record *r, int64_t i,
           const float *scores)
{
    const struct tensor *words = record_tensor(r, "words"),
                        *spans = record_tensor(r, "spans");
    const struct entity_tokens t = { .from = s->cu[i], .n = s->cu[i + 1] - s->cu[i],
                                     .words = words, .spans = spans };
    p->text.n = 0;
    line_begin(&p->line, &p->text);
    entities_put(&p->entities, &t, scores + s->cu[i] * p->style->classes, &p->text);
    line_end(&p->line, &p->text);
    put_text(p);
}

/* The windows so far are all there are of their prompt. */
static void
end_prompt(struct printer *p)
{
    struct windows *w = &p->windows;
    if (!w->n)
        return;
    memcpy(p->row, w->z, (size_t)p->style->classes * sizeof *p->row);
    line_probabilities(p->style, p->row, p->scores);
    p->text.n = 0;
    line_write(p->style, &w->line, w->z, p->scores, &p->text);
    sink_write(p->sink, p->text.p, p->text.n);
    windows_next(w);
}

static void
take_window(struct printer *p, const struct line *l, const float *z)
{
    struct windows *w = &p->windows;
    if (w->n && l->row != w->line.row)
        end_prompt(p);
    for (int k = 0; k < p->style->classes; k++)
        p->row[k] = z[k];
    line_probabilities(p->style, p->row, p->scores);
    windows_add(w, l, z, windows_margin(p->row, p->style->classes));
}

static void
lay_window(struct printer *p, const struct line *l, const float *z)
{
    const struct laid head = { *l, (size_t)p->style->classes * sizeof *z };
    p->text.n = 0;
    buf_add(&p->text, &head, sizeof head);
    buf_add(&p->text, z, head.logits);
    buf_add(&p->text, l->gold.p, l->gold.n);
    buf_add(&p->text, l->kept.p, l->kept.n);
    shelf_add(&p->shelf, l->row, l->window, p->text.p, p->text.n);
}

static void
from_shelf(void *arg, const char *text, size_t n)
{
    struct printer *p = arg;
    struct laid head;
    if (!p->how) {
        sink_write(p->sink, text, n);
        return;
    }
    memcpy(&head, text, sizeof head);
    text += sizeof head;
    memcpy(p->logits, text, head.logits);
    head.line.gold.p = (char *)(uintptr_t)text + head.logits;
    head.line.kept.p = head.line.gold.p + head.line.gold.n;
    take_window(p, &head.line, p->logits);
}

/* One window of those that become one verdict. */
static void
put_window(struct printer *p, const float *z)
{
    const struct line *l = &p->line;
    if (p->held) {
        lay_window(p, l, z);
        return;
    }
    if (p->windows.n && l->row < p->windows.line.row)
        stream_bad(p->in,
                   "row %" PRId64 " comes after row %" PRId64 ": --aggregate needs a "
                   "prompt's windows together",
                   l->row, p->windows.line.row);
    take_window(p, l, z);
}

static void
put_verdict(struct printer *p, const float *z, const float *scores)
{
    for (int k = 0; k < p->style->classes; k++)
        p->row[k] = z[k];
    p->text.n = 0;
    line_write(p->style, &p->line, p->row, scores, &p->text);
    put_text(p);
}

void
printer_put(struct printer *p, const struct sequences *s, const struct record *r,
            const float *z, const float *scores)
{
    const int64_t C = p->style->classes;
    for (int64_t i = 0; i < s->n; i++) {
        const char *why = line_read(p->style, s, r, i, &p->line);
        if (why)
            stream_bad(p->in, "row %" PRId64 ": %s", s->row[i], why);
        if (p->style->problem == PROBLEM_TOKEN)
            put_tokens(p, s, r, i, scores);
        else if (p->how)
            put_window(p, z + i * C);
        else
            put_verdict(p, z + i * C, scores + i * C);
    }
    if (!p->held)
        sink_flush(p->sink);
}

void
printer_close(struct printer *p)
{
    shelf_each(&p->shelf, from_shelf, p);
    end_prompt(p);
    sink_commit(p->sink);
    shelf_free(&p->shelf);
    windows_free(&p->windows);
    entities_free(&p->entities);
    line_free(&p->line);
    mem_free(p->text.p);
    mem_free(p->row);
    mem_free(p->scores);
    mem_free(p->logits);
}
