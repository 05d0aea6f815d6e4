/* job - lines to texts, texts to ids, ids to sequences */
#include "common/bpe/job.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/bpe/prompt.h"
#include "common/bpe/sequence.h"
#include "formats/jsonout.h"

void
job_init(struct job *j, struct plan *plan)
{
    memset(j, 0, sizeof *j);
    j->plan = plan;
    j->labels = plan->labels;
    j->json = json_new();
    j->batch = batch_new(plan->bpe);
    if (plan->o->offsets || j->labels.task == TASK_TOKEN)
        j->encoder = encoder_new(plan->bpe);
    j->hot = mem_zalloc((size_t)plan->labels.n + 1, sizeof *j->hot);
}

void
job_free(struct job *j)
{
    json_free(j->json);
    batch_free(j->batch);
    encoder_free(j->encoder);
    chunk_free(&j->chunk);
    mem_free(j->wait);
    mem_free(j->hots.p);
    mem_free(j->kept.p);
    mem_free(j->ends.p);
    mem_free(j->hot);
    for (int i = 0; i < j->made; i++) {
        draft_free(j->drafts[i]);
        mem_free(j->drafts[i]);
    }
    mem_free(j->drafts);
    mem_free(j->spans.p);
    mem_free(j->words.p);
    mem_free(j->places.p);
    mem_free(j->classes.p);
    tag_free(&j->tags);
    mem_free(j->text.p);
    mem_free(j->log.p);
}

/* The line is bad: the end of it all, or named and left out. */
static void
bad(struct job *j, int64_t lineno, const char *why)
{
    const char *name = j->chunk.name;

    if (j->plan->o->on_error == ON_ERROR_FAIL || j->chunk.kind == CHUNK_DAMAGED) {
        snprintf(j->why, sizeof j->why, "%s:%" PRId64 ": %s", name, lineno, why);
        return;
    }
    buf_printf(&j->log, "%s:%" PRId64 ": %s (skipped)\n", name, lineno, why);
    j->skipped++;
}

/* The texts in the batch to sequences.  Bad ones are named in the order of their lines. */
static void
drain(struct job *j)
{
    const int pair = j->plan->o->pair_field != NULL;
    const struct batch_ids *r;

    if (!j->waits)
        return;
    r = batch_run(j->batch);
    j->specials += (int64_t)r->specials;
    for (size_t i = 0; i < j->waits && !j->why[0]; i++) {
        struct slice side[2] = {{0}};
        for (int k = 0; k <= pair; k++) {
            const size_t text = i * (size_t)(1 + pair) + (size_t)k, from = r->from[text];
            side[k] = (struct slice){r->id ? r->id + from : NULL,
                                     r->id ? NULL : r->wide + from, r->end[text] - from};
        }
        struct waiting *w = &j->wait[i];
        w->row.hot = (const float *)(const void *)j->hots.p + w->hot;
        w->row.kept = j->kept.p + w->kept;
        w->row.kept_end = (const size_t *)(const void *)j->ends.p + w->kept_end;
        const char *why = sequence_add(j, &w->row, &side[0], pair ? &side[1] : NULL);
        if (why)
            bad(j, w->lineno, why);
    }
    j->waits = j->hots.n = j->kept.n = j->ends.n = 0;
}

static void
keep(struct job *j, struct waiting *w, const struct prompt *p)
{
    const size_t start = j->kept.n;

    w->kept = start;
    w->kept_end = j->ends.n / sizeof start;
    for (int k = 0; k < j->plan->keeps; k++) {
        struct json_value v;
        if (p->object && json_get(p->value, j->plan->keep[k], &v))
            json_text(v, &j->kept);
        else if (!p->object) /* plain text is the field `text` */
            jsonout_string(&j->kept, p->text, p->n);
        const size_t end = j->kept.n - start;
        buf_add(&j->ends, &end, sizeof end);
    }
}

/* One prompt into the batch.  NULL, or what is wrong with its line. */
static const char *
add(struct job *j, const struct prompt *p, int64_t lineno, int64_t row)
{
    struct waiting w = {.lineno = lineno, .row = {.row = row}};
    const char *why;

    if (j->labels.task == TASK_TOKEN)
        why = sequence_classes(j, p, &w.row);
    else
        why = p->labelled ? label_read(&j->labels, p->label, &w.row.given, &w.row.label,
                                       &w.row.value, j->hot, j->note)
                          : NULL;
    if (why)
        return why;
    w.hot = j->hots.n / sizeof *j->hot;
    if (j->labels.task == TASK_MULTI)
        buf_add(&j->hots, j->hot, (size_t)j->labels.n * sizeof *j->hot);
    keep(j, &w, p);
    if (j->waits == j->wait_cap) {
        j->wait_cap = j->waits ? 2 * j->waits : 64;
        j->wait = mem_realloc(j->wait, j->wait_cap, sizeof *j->wait);
    }
    j->wait[j->waits++] = w;
    batch_add(j->batch, p->text, p->n);
    if (j->plan->o->pair_field)
        batch_add(j->batch, p->pair, p->pair_n);
    return NULL;
}

static void
line(struct job *j, const char *s, size_t n, int64_t lineno, int64_t row)
{
    struct prompt p;
    const char *why;

    if (!prompt_read(&p, j->plan, j->json, s, n, &why))
        return;
    if (!why && j->encoder) /* spans are made while the text is at hand */
        sequence_spans(j, &p);
    if (!why)
        why = add(j, &p, lineno, row);
    if (why) {
        drain(j);
        if (!j->why[0])
            bad(j, lineno, why);
    } else if (batch_bytes(j->batch) >= BATCH_BYTES || j->encoder)
        drain(j);
}

static void
lines(struct job *j)
{
    const struct chunk *c = &j->chunk;
    const int nul = j->plan->o->nul;
    int64_t at = 0;

    for (size_t i = 0; i < c->n && !j->why[0]; at++) {
        const char *s = c->p + i, *end = memchr(s, nul ? 0 : '\n', c->n - i);
        size_t n = end ? (size_t)(end - s) : c->n - i;
        i += n + 1;
        if (n > CHUNK_LINE) {
            drain(j);
            if (!j->why[0])
                bad(j, c->lineno + at, "line longer than 16 MiB");
            continue;
        }
        if (n && !nul && s[n - 1] == '\r')
            n--;
        line(j, s, n, c->lineno + at, c->row + at);
    }
    if (!j->why[0])
        drain(j);
}

void
job_run(struct job *j)
{
    switch (j->chunk.kind) {
    case CHUNK_LINES:
        lines(j);
        break;
    case CHUNK_LONG:
        bad(j, j->chunk.lineno, "line longer than 16 MiB");
        break;
    case CHUNK_DAMAGED:
        bad(j, j->chunk.lineno, j->chunk.why);
        break;
    case CHUNK_ABSENT:
        snprintf(j->why, sizeof j->why, "%s", j->chunk.name);
        break;
    }
    if (!j->plan->o->flush_every || j->why[0])
        job_finish(j);
}

void
job_finish(struct job *j)
{
    if (j->full < j->made && j->drafts[j->full]->n)
        j->full++;
}

void
job_forget(struct job *j)
{
    for (int i = 0; i < j->full; i++)
        draft_reset(j->drafts[i], j->plan);
    if (j->full && j->full < j->made) { /* the one being filled comes to the front */
        struct draft *open = j->drafts[j->full];
        j->drafts[j->full] = j->drafts[0];
        j->drafts[0] = open;
    }
    j->full = 0;
    j->text.n = j->log.n = 0;
    j->prompts = j->cut = j->skipped = j->specials = j->tags.lost = 0;
}
