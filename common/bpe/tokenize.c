/* tokenize - threads that take chunks in turn, and give back what they made in turn */
#include "common/bpe/tokenize.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/base/progress.h"
#include "common/bpe/job.h"
#include "formats/sink.h"
#include "formats/source.h"

enum { THREADS_MAX = 256 };

struct crew {
    struct plan plan;
    struct chunks *chunks;
    struct stream_out *out; /* NULL: counts go to the sink */
    struct sink *sink;
    pthread_mutex_t reading; /* chunks, taken */
    pthread_mutex_t turns;   /* staged, written, and what follows */
    pthread_cond_t turn;
    int64_t taken, staged, written;
    int64_t prompts, cut, skipped, specials, lost;
    double began;
};

static void
await(struct crew *c, const int64_t *turn, int64_t mine)
{
    pthread_mutex_lock(&c->turns);
    while (*turn != mine)
        pthread_cond_wait(&c->turn, &c->turns);
    pthread_mutex_unlock(&c->turns);
}

static void
pass(struct crew *c, int64_t *turn)
{
    pthread_mutex_lock(&c->turns);
    ++*turn;
    pthread_cond_broadcast(&c->turn);
    pthread_mutex_unlock(&c->turns);
}

/* 0: no more. */
static int
take(struct crew *c, struct job *j, int64_t *mine)
{
    int got;

    pthread_mutex_lock(&c->reading);
    got = chunks_next(c->chunks, &j->chunk);
    *mine = c->taken;
    c->taken += got;
    pthread_mutex_unlock(&c->reading);
    return got;
}

static void
say(struct crew *c, struct job *j)
{
    const double seconds = progress_clock() - c->began;

    for (char *s = j->log.p, *end = s + j->log.n; s < end;) {
        char *stop = memchr(s, '\n', (size_t)(end - s));
        warn("%.*s", (int)(stop - s), s);
        s = stop + 1;
    }
    c->prompts += j->prompts;
    c->cut += j->cut;
    c->skipped += j->skipped;
    c->specials += j->specials;
    c->lost += j->tags.lost;
    progress("%" PRId64 " prompts, %.0f a second", c->prompts,
             (double)c->prompts / seconds);
    if (c->plan.o->progress)
        progress_note(1, "%" PRId64 " prompts, %.0f a second", c->prompts,
                      (double)c->prompts / seconds);
}

/* What the job met that ends it all; what came before is written. */
static void
end_of_it(const struct job *j)
{
    if (!j->why[0])
        return;
    if (j->chunk.kind == CHUNK_ABSENT)
        source_close(source_open(j->why, 0)); /* says itself why it cannot be opened */
    die_data("%s", j->why);
}

/* Gives back what the job made: numbers its records in turn, writes them in turn. */
static void
give(struct crew *c, struct job *j, int64_t mine)
{
    await(c, &c->staged, mine);
    for (int i = 0; i < j->full; i++) {
        struct draft *r = j->drafts[i];
        draft_image(r, &c->plan, c->plan.labels.task);
        stream_stage(c->out, &r->image, r->n, (int64_t)r->tokens, &r->frame);
    }
    if (!j->why[0]) /* else nobody numbers a record after the last one written */
        pass(c, &c->staged);
    for (int i = 0; i < j->full; i++)
        stream_compress(c->out, &j->drafts[i]->image, &j->drafts[i]->frame);
    await(c, &c->written, mine);
    for (int i = 0; i < j->full; i++)
        stream_write(c->out, &j->drafts[i]->frame);
    if (j->text.n)
        sink_write(c->sink, j->text.p, j->text.n);
    say(c, j);
    end_of_it(j);
    pass(c, &c->written);
    job_forget(j);
}

struct worker {
    struct crew *crew;
    struct job job;
    pthread_t thread;
};

static void *
work(void *arg)
{
    struct worker *w = arg;
    int64_t mine;

    while (take(w->crew, &w->job, &mine)) {
        job_run(&w->job);
        give(w->crew, &w->job, mine);
    }
    return NULL;
}

static int
threads_of(const struct tokenize_options *o)
{
    const char *text = getenv("OMP_NUM_THREADS");
    cpu_set_t set;
    int n = o->threads;

    if (o->flush_every)
        return 1;
    if (!n && text)
        n = atoi(text);
    if (n < 1)
        n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return n < THREADS_MAX ? n : THREADS_MAX;
}

/*
 * The first chunk, alone: it settles what labels are, which the head of the stream says,
 * and a small input never starts a thread.  0: there is none.
 */
static int
first(struct crew *c, struct worker *w, const char *path)
{
    struct plan *p = &c->plan;
    char *options = plan_options(p);
    int64_t mine;
    const int got = take(c, &w->job, &mine);

    if (p->o->count)
        c->sink = sink_open(path);
    else
        c->out = stream_create(path, "tokens", NULL, argv0, options, 0);
    mem_free(options);
    if (got)
        job_run(&w->job);
    p->labels.task = w->job.labels.task == TASK_AUTO ? TASK_SINGLE : w->job.labels.task;
    w->job.labels.task = p->labels.task;
    if (c->out)
        plan_head(p, stream_header(c->out));
    if (got)
        give(c, &w->job, mine);
    return got;
}

static void
run(struct crew *c, const char *path)
{
    const int threads = threads_of(c->plan.o);
    struct worker *w = mem_zalloc((size_t)threads, sizeof *w);
    int n = 1;

    w[0].crew = c;
    job_init(&w[0].job, &c->plan);
    if (first(c, &w[0], path)) {
        for (; n < threads; n++) {
            w[n].crew = c;
            job_init(&w[n].job, &c->plan);
            if ((errno = pthread_create(&w[n].thread, NULL, work, &w[n]))) {
                job_free(&w[n].job);
                break;
            }
        }
        work(&w[0]);
        for (int i = 1; i < n; i++)
            pthread_join(w[i].thread, NULL);
    }
    job_finish(&w[0].job); /* what --flush-every left */
    if (w[0].job.full)
        give(c, &w[0].job, c->written);
    for (int i = 0; i < n; i++)
        job_free(&w[i].job);
    mem_free(w);
}

static void
summary(const struct crew *c, int64_t rows)
{
    const struct plan *p = &c->plan;

    progress_clear();
    if (c->skipped)
        warn("%" PRId64 " of %" PRId64 " lines skipped", c->skipped, rows);
    if (c->cut)
        warn("%" PRId64 " of %" PRId64 " prompts cut at %zu tokens", c->cut, c->prompts,
             p->limit);
    if (c->lost)
        warn("%" PRId64 " labelled stretches have no word of their own: they label nothing",
             c->lost);
    if (c->specials)
        warn("%" PRId64 " special tokens were typed in prompts and %s", c->specials,
             p->o->special == SPECIAL_LITERAL ? "taken as text"
                                              : "taken as such (see --special)");
}

void
tokenize_run(const struct tokenize_options *o, int n, char *const *files, const char *path)
{
    struct crew c = {.reading = PTHREAD_MUTEX_INITIALIZER,
                     .turns = PTHREAD_MUTEX_INITIALIZER,
                     .turn = PTHREAD_COND_INITIALIZER,
                     .began = progress_clock()};
    int64_t rows;

    plan_open(&c.plan, o);
    c.chunks = chunks_open(n, files, o->nul ? 0 : '\n', o->flush_every > 0);
    run(&c, path);
    rows = chunks_rows(c.chunks);
    summary(&c, rows);
    if (c.out)
        stream_end(c.out, rows);
    else
        sink_commit(c.sink);
    chunks_close(c.chunks);
    plan_close(&c.plan);
}
