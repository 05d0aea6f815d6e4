#include "common/mbert/train.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/progress.h"
#include "common/base/rng.h"
#include "common/base/stop.h"
#include "common/mbert/forecast.h"
#include "common/mbert/journal.h"
#include "common/mbert/modelfiles.h"
#include "common/mbert/schedule.h"

/* ---- a step ---------------------------------------------------------------------------- */
static int
has_dropout(const struct config *c)
{
    return c->attention_dropout > 0 || c->embedding_dropout > 0 || c->mlp_dropout > 0 ||
           c->classifier_dropout > 0;
}

static double
rate(const struct run *r)
{
    const struct train_options *o = r->o;
    const int64_t decay = (int64_t)ceil(o->decay_share * (double)r->recipe.steps);
    return schedule_lr((enum schedule)o->schedule, o->lr, r->s.step, r->recipe.steps,
                       r->recipe.warmup, decay);
}

/* What there is to go on from, said at death. */
static const char *
remains(const struct run *r)
{
    int64_t step;
    return r->dir && rundir_checkpoints(r->dir, &step, 1) ? "the last checkpoint stays"
                                                          : "nothing was saved";
}

static void
gradients(struct run *r, int64_t at, int64_t end)
{
    const double total = batches_total(&r->on, at, end);
    const float scale = total > 0 ? (float)(1 / total) : 0;
    const uint64_t key = rng_key((uint64_t)r->o->seed, STREAM_DROPOUT, (uint64_t)r->s.step);
    for (uint64_t part = 0; at < end; part++) {
        const int B = batches_gather(&r->on, at, end);
        const int *cu = (const int *)(const void *)r->on.cu.p;
        trainer_add(&r->t, (const int *)(const void *)r->on.ids.p, cu, B, r->on.labels.p, scale,
                    has_dropout(&r->t.m.cfg) ? rng_key(key, part, 0) | 1 : 0);
        r->tokens += cu[B];
        at += B;
    }
}

const char *
train_step(struct run *r, double *loss, double *norm)
{
    const struct train_options *o = r->o;
    const int64_t at = r->s.step % r->recipe.batches * o->batch,
                  end = at + o->batch < r->train.n ? at + o->batch : r->train.n;
    batches_epoch(&r->on, r->s.step / r->recipe.batches);
    r->lr = rate(r);
    const struct adam a = { r->lr, o->beta1, o->beta2, o->eps, o->decay, o->max_norm,
                            r->s.step + 1 - r->s.skipped };
    gradients(r, at, end);
    const char *why = trainer_step(&r->t, &a, loss, norm);
    r->s.step++;
    return why;
}

static void
one_step(struct run *r)
{
    double loss, norm;
    const char *why = train_step(r, &loss, &norm);
    r->s.evaluated = 0;
    if (why && ++r->s.skipped > r->o->skip)
        die_data("step %" PRId64 ": %s (a lower --lr may help); %s", r->s.step, why, remains(r));
    if (r->s.step == 1)
        r->first_loss = loss;
    if (!why) {
        r->s.loss_sum += loss;
        r->s.losses++;
    }
    journal_step(r, norm, why);
}

/* ---- evaluation and checkpoints -------------------------------------------------------- */
static int
evaluation_due(const struct run *r)
{
    const int64_t every = r->o->overfit      ? r->recipe.steps
                          : r->o->eval_every ? r->o->eval_every
                                             : r->recipe.batches;
    return r->off.e && r->s.step && !r->s.evaluated &&
           (r->s.step % every == 0 || r->s.step == r->recipe.steps);
}

static void
prune(const struct run *r, int all)
{
    enum { MANY = 4096 };
    int64_t *step = mem_array(MANY, sizeof *step);
    const int n = rundir_checkpoints(r->dir, step, MANY),
              keep = r->o->save_every ? r->o->keep : all ? 0 : 1;
    for (int i = keep; i < n; i++)
        if (all || step[i] != r->s.best_step)
            rundir_forget(r->dir, step[i]);
    mem_free(step);
}

static void
save(struct run *r)
{
    const struct saving how = { r->recipe.text, r->o->dir, r->train.label, r->train.label_n,
                                r->train.problem };
    const double begun = progress_clock();
    if (!r->dir)
        return;
    checkpoint_save(r->dir, &r->t, &r->s, &how);
    prune(r, 0);
    r->since += progress_clock() - begun; /* tokens a second are of the steps */
}

static void
judge(struct run *r, const struct evaluation *e)
{
    const double x = r->o->best == BEST_F1         ? e->f1
                     : r->o->best == BEST_ACCURACY ? e->accuracy
                     : r->o->best == BEST_AUROC    ? e->auroc
                                                   : -e->loss;
    if (!r->o->best)
        return;
    if (isfinite(x) && (!r->s.best_step || x > r->s.best)) {
        r->s.best = x;
        r->s.best_step = r->s.step;
        r->s.waited = 0;
        save(r);
    } else {
        r->s.waited++;
    }
}

/* 0: a signal broke it off. */
static int
evaluation(struct run *r)
{
    struct evaluation e;
    const double begun = progress_clock();
    if (!evaluate(&r->t, &r->off, &e, stop_asked))
        return 0;
    if (!isfinite(e.loss))
        die_data("step %" PRId64 ": the eval loss is not finite (a lower --lr may help); %s",
                 r->s.step, remains(r));
    r->s.evaluated = 1;
    r->last = e;
    r->since += progress_clock() - begun;
    journal_evaluation(r, &e);
    judge(r, &e);
    return 1;
}

/* 1: all is done; 0: a signal asked to stop, and a checkpoint is there. */
static int
all_steps(struct run *r)
{
    r->begun = r->since = progress_clock();
    r->first = r->s.step;
    stop_watch();
    for (;;) {
        const int broken = evaluation_due(r) && !evaluation(r),
                  done = r->s.step == r->recipe.steps ||
                         (r->o->patience && r->s.waited >= r->o->patience);
        if (broken || (stop_asked() && !done)) {
            save(r);
            return 0;
        }
        if (r->o->save_every && r->s.step > r->first && r->s.step % r->o->save_every == 0)
            save(r);
        if (done)
            return 1;
        one_step(r);
    }
}

/* ---- the model ------------------------------------------------------------------------- */
/* The best checkpoint's file: a copy where that stays, else the file itself if it can be. */
static int
take_best(const struct run *r, const char *path)
{
    char *dir = rundir_checkpoint(r->dir, r->s.best_step),
         *from = mem_printf("%s/model.safetensors", dir),
         *beside = mem_printf("%s.tmp.%ld", path, (long)getpid());
    const int linked = !r->o->save_every && !link(from, beside);
    if (linked && rename(beside, path))
        die_sys("can't rename '%s' to '%s'", beside, path);
    if (!linked)
        modelfiles_copy(from, path);
    mem_free(dir);
    mem_free(from);
    mem_free(beside);
    return 1;
}

/* model.safetensors comes last: with it the directory is a model. */
static void
write_model(struct run *r)
{
    char *path[MODELFILES];
    for (int i = 0; i < MODELFILES; i++)
        path[i] = rundir_path(r->dir, modelfiles[i]);
    for (int i = 0; i < MODELFILES && rundir_fresh(r->dir); i++)
        die_unlink(path[i]);
    modelfiles_tokenizer(r->o->dir, rundir_at(r->dir));
    config_save(&r->t.m.cfg, path[0], r->train.label, r->train.label_n, r->train.problem);
    if (!r->o->best || !r->s.best_step || !take_best(r, path[1]))
        modelfiles_weights(path[1], r->t.m.be, r->t.m.c, r->t.m.table, r->t.m.entries);
    rundir_finish(r->dir);
    for (int i = 0; i < MODELFILES; i++) {
        die_keep(path[i]);
        mem_free(path[i]);
    }
    prune(r, 1);
}

static void
finish(struct run *r)
{
    progress_clear();
    if (r->o->best && !r->s.best_step)
        warn("the figure of --best was never defined: the last weights are taken");
    else if (r->o->best && !quiet)
        fprintf(stderr, "%s: the best is of step %" PRId64 "\n", argv0, r->s.best_step);
    if (r->o->patience && r->s.waited >= r->o->patience && !quiet)
        fprintf(stderr, "%s: stopped at step %" PRId64 " of %" PRId64
                ": no better for %d evaluations\n", argv0, r->s.step, r->recipe.steps,
                r->o->patience);
    write_model(r);
}

/* ---- opening and closing --------------------------------------------------------------- */
static void
read_data(struct run *r, struct config *cfg)
{
    const struct train_options *o = r->o;
    const enum problem want = o->task == TASK_MLM ? PROBLEM_MLM : PROBLEM_AUTO;
    config_load(cfg, o->dir);
    examples_read(&r->train, o->train, cfg, o->dir, want);
    if (want != PROBLEM_MLM)
        examples_names(&r->train, o->labels);
    if (o->overfit)
        examples_first(&r->train, o->overfit);
    if (o->eval) {
        examples_read(&r->eval, o->eval, cfg, o->dir, want);
        if (want != PROBLEM_MLM)
            examples_same(&r->train, &r->eval);
    }
    recipe_make(&r->recipe, o, &r->train, &r->eval, r->train.label_n, cfg->layers);
}

static void
make_batches(struct run *r)
{
    const struct train_options *o = r->o;
    const struct batches b = { .problem = r->train.problem, .tokens = o->tokens,
                               .seed = (uint64_t)o->seed, .weight = r->recipe.weight,
                               .hiding = &r->hiding };
    if (r->train.problem == PROBLEM_MLM)
        hiding_open(&r->hiding, &r->train, o->mask);
    r->on = r->off = b;
    r->on.e = &r->train;
    batches_start(&r->on, 1);
    if (o->eval || o->overfit) {
        r->off.e = o->eval ? &r->eval : &r->train;
        batches_start(&r->off, 0);
    }
}

void
train_open(struct run *r)
{
    const struct train_options *o = r->o;
    const struct ops *be = model_backend(o->device);
    char *from = o->resume ? checkpoint_find(r->dir, r->recipe.text, &r->s) : NULL;
    const char *dir = from ? from : o->dir;
    const struct objective objective = { r->train.problem, r->recipe.weight,
                                         (float)o->smoothing, (float)o->focal };
    const unsigned flags = (o->random && !from ? MODEL_RANDOM : 0) |
                           (o->recompute ? MODEL_RECOMPUTE : 0);
    struct ctx *c = model_ctx(be, o->threads, (enum precision)o->dtype, dir);
    trainer_open(&r->t, be, c, dir, flags, r->train.label_n, &objective, (uint64_t)o->seed);
    if (r->recipe.freeze != FREEZE_NONE)
        trainer_freeze(&r->t, r->recipe.freeze);
    if (o->llrd < 1)
        trainer_rates(&r->t, o->llrd);
    if (from)
        checkpoint_moments(&r->t, from);
    if (o->resume)
        rundir_log_cut(r->dir, from ? r->s.log_bytes : 0);
    if (from && !quiet)
        fprintf(stderr, "%s: goes on from step %" PRId64 "\n", argv0, r->s.step);
    mem_free(from);
}

static void
close_run(struct run *r)
{
    const struct ops *be = r->t.m.be;
    struct ctx *c = r->t.m.c;
    if (be) {
        trainer_close(&r->t);
        be->close(c);
    }
    if (r->dir)
        rundir_close(r->dir);
    examples_free(&r->train);
    if (r->eval.name)
        examples_free(&r->eval);
    recipe_free(&r->recipe);
    batches_free(&r->on);
    batches_free(&r->off);
    hiding_free(&r->hiding);
    mem_free(r->line.p);
    mem_free(r);
}

static int
stopped(struct run *r)
{
    progress_clear();
    fprintf(stderr, "%s: stopped after step %" PRId64 " of %" PRId64 "%s\n", argv0, r->s.step,
            r->recipe.steps, r->dir ? ": go on with --resume" : "");
    return EXIT_STOPPED;
}

int
train_run(const struct train_options *o)
{
    struct run *r = mem_zalloc(1, sizeof *r);
    struct config *cfg = mem_zalloc(1, sizeof *cfg);
    int status = EXIT_OK;
    r->o = o;
    signal(SIGPIPE, SIG_IGN); /* a closed stderr must not end hours of work */
    recipe_check(o);
    if (o->out && !o->dry_run && !(r->dir = rundir_open(o->out, o->force, o->resume))) {
        warn("'%s' is finished: nothing to do", o->out);
        mem_free(cfg);
        mem_free(r);
        return EXIT_OK;
    }
    read_data(r, cfg);
    make_batches(r);
    if (o->dry_run)
        status = forecast_run(r, cfg);
    else {
        train_open(r);
        if (!all_steps(r))
            status = stopped(r);
        else if (o->overfit)
            status = forecast_learned(r);
        else
            finish(r);
    }
    config_free(cfg);
    mem_free(cfg);
    close_run(r);
    return status;
}
