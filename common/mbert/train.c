#include "common/mbert/train.h"
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "common/base/die.h"
#include "common/base/progress.h"
#include "common/base/rng.h"
#include "common/eval/counts.h"
#include "common/mbert/examples.h"
#include "common/mbert/outdir.h"
#include "common/mbert/schedule.h"
#include "common/mbert/trainer.h"

/* streams of random numbers beside (seed, epoch or step) */
enum { ORDER = 1, DROPOUT = 2 };

struct run {
    const struct train_options *o;
    struct examples train, eval;
    struct trainer t;
    struct outdir *out;
    uint32_t *order;
    struct buf ids, cu, labels, logits, line;
    int64_t steps, warmup, step, batches, micros;
    double since, loss_sum;      /* of the current log record */
    int64_t tokens_since, steps_since;
    double begun;
};

/* ---- micro-batches ------------------------------------------------------------------- */
/* Gathers examples order[at..end) up to `tokens` tokens, at least one; returns how many. */
static int
gather(struct run *r, const struct examples *e, const uint32_t *order, int64_t at,
       int64_t end)
{
    const size_t width = (size_t)e->width * 4;
    int zero = 0, n = 0, total = 0;
    r->ids.n = r->cu.n = r->labels.n = 0;
    buf_add(&r->cu, &zero, sizeof zero);
    for (; at + n < end; n++) {
        const int64_t i = order ? order[at + n] : at + n;
        const int length = examples_length(e, i);
        if (n && total + length > r->o->tokens)
            break;
        const int64_t from = ((const int64_t *)(const void *)e->start.p)[i];
        buf_add(&r->ids, e->ids.p + (size_t)from * sizeof(int),
                (size_t)length * sizeof(int));
        buf_add(&r->labels, e->labels.p + (size_t)i * width, width);
        total += length;
        buf_add(&r->cu, &total, sizeof total);
    }
    return n;
}

static float
scale_of(const struct run *r, int64_t rows)
{
    const double per = r->train.problem == PROBLEM_SINGLE ? 1 : r->t.m.classes;
    return (float)(1 / ((double)rows * per));
}

static int
has_dropout(const struct config *c)
{
    return c->attention_dropout > 0 || c->embedding_dropout > 0 || c->mlp_dropout > 0 ||
           c->classifier_dropout > 0;
}

/* ---- the log ------------------------------------------------------------------------- */
static void
log_step(struct run *r, double epoch, double lr, double norm)
{
    const double now = progress_clock(),
                 speed = (double)r->tokens_since / fmax(now - r->since, 1e-9);
    const double loss = r->loss_sum / (double)r->steps_since;
    r->line.n = 0;
    buf_printf(&r->line, "{\"step\":%" PRId64 ",\"epoch\":%.4f,\"loss\":%.9g", r->step,
               epoch, loss);
    buf_printf(&r->line, ",\"lr\":%.9g,\"grad_norm\":%.9g,\"tokens_per_s\":%.0f}\n", lr,
               norm, speed);
    outdir_log(r->out, r->line.p, r->line.n);
    progress_note(10,
                  "epoch %.2f, step %" PRId64 " of %" PRId64
                  ", loss %.4f, lr %.3g, %.0f tokens/s",
                  epoch, r->step, r->steps, loss, lr, speed);
    r->since = now;
    r->loss_sum = 0;
    r->tokens_since = r->steps_since = 0;
}

static void
show(const struct run *r, double loss, double lr)
{
    const double took = progress_clock() - r->begun,
                 left = took / (double)r->step * (double)(r->steps - r->step);
    progress("epoch %" PRId64 "/%d  step %" PRId64 "/%" PRId64
             "  loss %.4f  lr %.2e  eta %d:%02d",
             (r->step - 1) / r->batches + 1, r->o->epochs, r->step, r->steps, loss, lr,
             (int)left / 60, (int)left % 60);
}

/* ---- evaluation ---------------------------------------------------------------------- */
struct tally { struct counts *counts; int n; double right, seen; };

static void
tally_batch(struct run *r, struct tally *y, int B)
{
    const int C = r->t.m.classes;
    const float *z = (const float *)(const void *)r->logits.p;
    const int *class = (const int *)(const void *)r->labels.p;
    const float *value = (const float *)(const void *)r->labels.p;
    for (int b = 0; b < B; b++, z += C) {
        int best = 0;
        for (int k = 1; k < C; k++)
            best = z[k] > z[best] ? k : best;
        if (r->train.problem == PROBLEM_SINGLE)
            counts_add(&y->counts[0], class[b], best);
        else if (r->train.problem == PROBLEM_MULTI)
            for (int k = 0; k < C; k++)
                counts_add(&y->counts[k], value[b * C + k] >= .5f, z[k] >= 0);
    }
}

/* Accuracy and macro-F1: over classes, or for multi-label the mean over labels. */
static void
report(struct run *r, const struct tally *y, double epoch, double loss)
{
    double accuracy = 0, f1 = 0;
    int defined = 0;
    for (int k = 0; k < y->n; k++) {
        const double f = r->train.problem == PROBLEM_SINGLE ? counts_macro_f1(&y->counts[k])
                                                            : counts_f1(&y->counts[k], 1);
        accuracy += counts_accuracy(&y->counts[k]) / y->n;
        defined += !isnan(f);
        f1 += isnan(f) ? 0 : f;
    }
    r->line.n = 0;
    buf_printf(&r->line, "{\"step\":%" PRId64 ",\"epoch\":%g,\"eval_loss\":%.9g", r->step,
               epoch, loss);
    if (y->n)
        buf_printf(&r->line, ",\"eval_accuracy\":%.9g", accuracy);
    if (defined)
        buf_printf(&r->line, ",\"eval_macro_f1\":%.9g", f1 / defined);
    buf_printf(&r->line, "}\n");
    outdir_log(r->out, r->line.p, r->line.n);
    progress_clear();
    if (quiet)
        return;
    fprintf(stderr, "%s: epoch %g: eval loss %.4f", argv0, epoch, loss);
    if (y->n)
        fprintf(stderr, ", accuracy %.4f, macro-F1 %.4f", accuracy,
                defined ? f1 / defined : NAN);
    fputc('\n', stderr);
}

static void
evaluate(struct run *r, int epoch)
{
    struct tally y = { .n = r->train.problem == PROBLEM_SINGLE  ? 1
                            : r->train.problem == PROBLEM_MULTI ? r->t.m.classes
                                                                : 0 };
    const struct examples *e = &r->eval;
    const int kinds = r->train.problem == PROBLEM_SINGLE ? r->t.m.classes : 2;
    double loss = 0;
    if (!e->n)
        return;
    y.counts = mem_zalloc((size_t)y.n + 1, sizeof *y.counts);
    for (int k = 0; k < y.n; k++)
        counts_init(&y.counts[k], kinds);
    for (int64_t at = 0; at < e->n;) {
        const int B = gather(r, e, NULL, at, e->n);
        r->logits.n = 0;
        float *z = buf_room(&r->logits,
                            mem_mul((size_t)B * sizeof *z, (size_t)r->t.m.classes));
        trainer_predict(&r->t, (const int *)(const void *)r->ids.p,
                        (const int *)(const void *)r->cu.p, B, r->labels.p, scale_of(r, B),
                        z);
        loss += trainer_loss(&r->t) * B;
        tally_batch(r, &y, B);
        at += B;
    }
    if (!isfinite(loss))
        die_data("epoch %d: the eval loss is not finite (a lower --lr may help); nothing "
                 "was saved", epoch);
    report(r, &y, epoch, loss / (double)e->n);
    for (int k = 0; k < y.n; k++)
        counts_free(&y.counts[k]);
    mem_free(y.counts);
}

/* ---- the run ------------------------------------------------------------------------- */
static void
one_step(struct run *r, int64_t from, int64_t end)
{
    const struct train_options *o = r->o;
    const double lr = schedule_lr((enum schedule)o->schedule, o->lr, r->step, r->steps,
                                  r->warmup);
    const struct adam a = { lr, .9, .999, 1e-8, o->decay, o->max_norm, r->step + 1 };
    const int drop = has_dropout(&r->t.m.cfg);
    double loss, norm;
    for (int64_t at = from; at < end;) {
        const int B = gather(r, &r->train, r->order, at, end);
        const uint64_t mask = rng_key((uint64_t)o->seed, DROPOUT, (uint64_t)r->micros);
        trainer_add(&r->t, (const int *)(const void *)r->ids.p,
                    (const int *)(const void *)r->cu.p, B, r->labels.p,
                    scale_of(r, end - from), drop ? mask | 1 : 0);
        r->tokens_since += ((const int *)(const void *)r->cu.p)[B];
        r->micros++;
        at += B;
    }
    const char *why = trainer_step(&r->t, &a, &loss, &norm);
    if (why)
        die_data("step %" PRId64 ": %s (a lower --lr may help); nothing was saved",
                 r->step + 1, why);
    r->step++;
    r->loss_sum += loss;
    r->steps_since++;
    show(r, loss, lr);
    if (r->step % o->log_every == 0 || r->step == r->steps)
        log_step(r, (double)r->step / (double)r->batches, lr, norm);
}

static void
all_epochs(struct run *r)
{
    const int64_t n = r->train.n, batch = r->o->batch;
    r->begun = r->since = progress_clock();
    for (int epoch = 0; epoch < r->o->epochs; epoch++) {
        rng_permute(r->order, (size_t)n,
                    rng_key((uint64_t)r->o->seed, ORDER, (uint64_t)epoch));
        for (int64_t at = 0; at < n; at += batch)
            one_step(r, at, at + batch < n ? at + batch : n);
        evaluate(r, epoch + 1);
    }
    progress_clear();
}

static void
open_run(struct run *r)
{
    const struct train_options *o = r->o;
    const struct ops *be = model_backend(o->device);
    struct config *cfg = mem_zalloc(1, sizeof *cfg);
    r->out = outdir_open(o->out, o->force);
    config_load(cfg, o->dir);
    examples_read(&r->train, o->train, cfg, o->dir, PROBLEM_AUTO);
    if (r->train.problem == PROBLEM_TOKEN)
        die_data("'%s' has classes of tokens: those cannot be trained yet", r->train.name);
    examples_names(&r->train, o->labels);
    if (o->eval) {
        examples_read(&r->eval, o->eval, cfg, o->dir, PROBLEM_AUTO);
        examples_same(&r->train, &r->eval);
    }
    config_free(cfg);
    mem_free(cfg);
    struct ctx *c = model_ctx(be, o->threads, (enum precision)o->dtype, o->dir);
    const struct objective objective = { .problem = r->train.problem };
    trainer_open(&r->t, be, c, o->dir, o->random ? MODEL_RANDOM : 0, r->train.label_n,
                 &objective, (uint64_t)o->seed);
    if (r->train.n > UINT32_MAX)
        die_data("'%s': more than 2^32 rows", r->train.name);
    r->order = mem_array((size_t)r->train.n, sizeof *r->order);
    r->batches = (r->train.n + o->batch - 1) / o->batch;
    r->steps = r->batches * o->epochs;
    r->warmup = (int64_t)ceil(o->warmup * (double)r->steps);
}

static void
save(struct run *r)
{
    char *path = outdir_path(r->out, "config.json");
    outdir_save(r->out, r->t.m.be, r->t.m.c, r->t.m.table, r->t.m.entries);
    config_save(&r->t.m.cfg, path, r->train.label, r->train.label_n, r->train.problem);
    outdir_copy_tokenizer(r->out, r->o->dir);
    outdir_commit(r->out);
    mem_free(path);
}

static void
close_run(struct run *r)
{
    const struct ops *be = r->t.m.be;
    struct ctx *c = r->t.m.c;
    trainer_close(&r->t);
    be->close(c);
    examples_free(&r->train);
    if (r->eval.name)
        examples_free(&r->eval);
    mem_free(r->order);
    mem_free(r->ids.p);
    mem_free(r->cu.p);
    mem_free(r->labels.p);
    mem_free(r->logits.p);
    mem_free(r->line.p);
    mem_free(r);
}

void
train_run(const struct train_options *o)
{
    struct run *r = mem_zalloc(1, sizeof *r);
    r->o = o;
    signal(SIGPIPE, SIG_IGN); /* a closed stderr must not end hours of work */
    open_run(r);
    all_epochs(r);
    save(r);
    close_run(r);
}
