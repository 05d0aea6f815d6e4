#include "common/bpe/draft.h"
#include <stdio.h>
#include <string.h>
#include "common/bpe/template.h"
#include "formats/tokenizer.h"

/* Starts a record when there is none: the leading zeros of offsets. */
static void
begin(struct draft *r, const struct plan *plan)
{
    const int32_t zero = 0;

    if (r->n)
        return;
    buf_add(&r->cu, &zero, sizeof zero);
    for (int k = 0; k < plan->keeps; k++)
        buf_add(&r->keep[k].offsets, &zero, sizeof zero);
}

static void
put_narrow(struct draft *r, const struct slice *s)
{
    uint16_t *to = buf_room(&r->id, s->n * sizeof *to);

    if (s->narrow)
        memcpy(to, s->narrow, s->n * sizeof *to);
    else
        for (size_t i = 0; i < s->n; i++)
            to[i] = (uint16_t)s->wide[i];
    r->id.n += s->n * sizeof *to;
}

static void
put_wide(struct draft *r, const struct slice *s)
{
    int32_t *to = buf_room(&r->id, s->n * sizeof *to);

    for (size_t i = 0; i < s->n; i++)
        to[i] = s->narrow ? s->narrow[i] : s->wide[i];
    r->id.n += s->n * sizeof *to;
}

static void
put_ids(struct draft *r, int wide, const struct slice *s)
{
    if (s->n && wide)
        put_wide(r, s);
    else if (s->n)
        put_narrow(r, s);
    r->tokens += s->n;
}

static void
put_places(struct draft *r, const struct place *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_add(&r->spans, p[i].token, sizeof p[i].token);
        buf_add(&r->words, p[i].word, sizeof p[i].word);
    }
}

/* The sequence as the template lays it out; a special token's places are empty, at 0. */
static void
put_sequence(struct draft *r, const struct plan *plan, const struct slice *a,
             const struct slice *b, const struct place *places)
{
    int n;
    const struct template_part *part = template_parts(&plan->tokenizer, b != NULL, &n);
    static const struct place none;

    for (int i = 0; i < n; i++) {
        const struct slice special = {NULL, &part[i].id, 1};
        if (part[i].kind == 2 && plan->o->no_special)
            continue;
        const struct slice *s = part[i].kind == 0 ? a : part[i].kind == 1 ? b : &special;
        put_ids(r, plan->wide, s);
        if (places && part[i].kind == 2)
            put_places(r, &none, 1);
        else if (places)
            put_places(r, places + (part[i].kind ? a->n : 0), s->n);
    }
}

/* A class a token, as put_sequence lays them out. */
static void
put_classes(struct draft *r, const struct plan *plan, const int32_t *classes, size_t tokens)
{
    int n;
    const struct template_part *part = template_parts(&plan->tokenizer, 0, &n);
    const int32_t none = LABEL_NONE;

    for (int i = 0; i < n; i++) {
        if (part[i].kind == 2 && plan->o->no_special)
            continue;
        if (part[i].kind != 2 && classes)
            buf_add(&r->label, classes, tokens * sizeof *classes);
        else
            for (size_t k = 0; k < (part[i].kind == 2 ? 1 : tokens); k++)
                buf_add(&r->label, &none, sizeof none);
    }
}

static void
put_label(struct draft *r, const struct plan *plan, enum task task, const struct row *row,
          size_t tokens)
{
    const int32_t class = row->given ? row->label : LABEL_NONE;

    if (task == TASK_TOKEN)
        put_classes(r, plan, row->classes, tokens);
    else if (task == TASK_MULTI)
        buf_add(&r->label, row->hot, (size_t)plan->labels.n * sizeof *row->hot);
    else if (task == TASK_REGRESSION)
        buf_add(&r->label, &row->value, sizeof row->value);
    else
        buf_add(&r->label, &class, sizeof class);
    r->labelled |= row->given;
}

void
draft_add(struct draft *r, const struct plan *plan, enum task task, const struct row *row,
          const struct slice *a, const struct slice *b, const struct place *places)
{
    const unsigned char cut = (unsigned char)row->truncated;
    size_t from = 0;

    begin(r, plan);
    put_sequence(r, plan, a, b, places);
    const int32_t end = (int32_t)r->tokens, window = row->window;
    buf_add(&r->cu, &end, sizeof end);
    buf_add(&r->row, &row->row, sizeof row->row);
    buf_add(&r->truncated, &cut, 1);
    r->any_truncated |= cut;
    if (plan->o->window)
        buf_add(&r->window, &window, sizeof window);
    put_label(r, plan, task, row, a->n);
    for (int k = 0; k < plan->keeps; k++) {
        struct kept *f = &r->keep[k];
        buf_add(&f->bytes, row->kept + from, row->kept_end[k] - from);
        from = row->kept_end[k];
        const int32_t to = (int32_t)f->bytes.n;
        buf_add(&f->offsets, &to, sizeof to);
    }
    r->n++;
}

size_t
draft_kept(const struct draft *r, const struct plan *plan)
{
    size_t bytes = 0;

    for (int k = 0; k < plan->keeps; k++)
        bytes += r->keep[k].bytes.n;
    return bytes;
}

static const void *
data(const struct buf *b)
{
    return b->p ? b->p : "";
}

void
draft_image(struct draft *r, const struct plan *plan, enum task task)
{
    struct image *i = &r->image;
    const int64_t tokens = (int64_t)r->tokens;
    char name[160];

    image_reset(i);
    image_1d(i, "input_ids", plan->wide ? I32 : U16, tokens, data(&r->id));
    image_1d(i, "cu_seqlens", I32, r->n + 1, r->cu.p);
    image_1d(i, "row", I64, r->n, r->row.p);
    if (r->labelled && task == TASK_MULTI)
        image_2d(i, "labels", F32, r->n, plan->labels.n, r->label.p);
    else if (r->labelled)
        image_1d(i, "labels", task == TASK_REGRESSION ? F32 : I32,
                 task == TASK_TOKEN ? tokens : r->n, data(&r->label));
    if (r->any_truncated)
        image_1d(i, "truncated", U8, r->n, r->truncated.p);
    if (plan->o->window)
        image_1d(i, "window", I32, r->n, r->window.p);
    if (plan->o->offsets) {
        image_2d(i, "spans", I32, tokens, 2, data(&r->spans));
        image_2d(i, "words", I32, tokens, 2, data(&r->words));
    }
    for (int k = 0; k < plan->keeps; k++) {
        snprintf(name, sizeof name, "keep.%s", plan->keep[k]);
        image_1d(i, name, U8, (int64_t)r->keep[k].bytes.n, data(&r->keep[k].bytes));
        snprintf(name, sizeof name, "keep.%s.offsets", plan->keep[k]);
        image_1d(i, name, I32, r->n + 1, r->keep[k].offsets.p);
    }
}

void
draft_reset(struct draft *r, const struct plan *plan)
{
    r->n = r->labelled = r->any_truncated = 0;
    r->tokens = r->id.n = r->cu.n = r->row.n = r->label.n = r->truncated.n = 0;
    r->window.n = r->spans.n = r->words.n = 0;
    for (int k = 0; k < plan->keeps; k++)
        r->keep[k].bytes.n = r->keep[k].offsets.n = 0;
}

void
draft_free(struct draft *r)
{
    struct buf *all[] = {&r->id,        &r->cu,     &r->row,   &r->label,
                         &r->truncated, &r->window, &r->spans, &r->words};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mem_free(all[i]->p);
    for (int k = 0; k < PLAN_KEEPS; k++) {
        mem_free(r->keep[k].bytes.p);
        mem_free(r->keep[k].offsets.p);
    }
    image_free(&r->image);
    frame_free(&r->frame);
}
