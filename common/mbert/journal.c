#include "common/mbert/journal.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/progress.h"

static double
epochs(const struct run *r)
{
    return (double)r->s.step / (double)r->recipe.batches;
}

static void
begin(struct run *r)
{
    r->line.n = 0;
    buf_printf(&r->line, "{\"step\":%" PRId64 ",\"epoch\":%.6g", r->s.step, epochs(r));
}

static void
field(struct run *r, const char *name, double x)
{
    if (isfinite(x))
        buf_printf(&r->line, ",\"%s\":%.9g", name, x);
}

static void
end(struct run *r)
{
    buf_printf(&r->line, "}\n");
    if (r->dir)
        rundir_log(r->dir, r->line.p, r->line.n);
}

/* Resident memory, as text; of a GPU's memory this knows nothing. */
static void
resident(char to[24])
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    const double mb = (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
    snprintf(to, 24, mb < 1000 ? "%.0f MB" : "%.1f GB", mb < 1000 ? mb : mb / 1000);
}

static void
say(const struct run *r, double loss, double speed)
{
    const int64_t done = r->s.step - r->first;
    const double took = progress_clock() - r->begun,
                 left = took / (double)(done ? done : 1) * (double)(r->recipe.steps - r->s.step);
    char eta[32], memory[24];
    resident(memory);
    snprintf(eta, sizeof eta, left >= 3600 ? "%dh%02dm" : "%dm%02ds",
             (int)left / (left >= 3600 ? 3600 : 60),
             left >= 3600 ? (int)left / 60 % 60 : (int)left % 60);
    progress("epoch %.2f/%d  step %" PRId64 "/%" PRId64
             "  loss %.4f  lr %.2e  %.0f tokens/s  %s  eta %s",
             epochs(r), r->o->epochs, r->s.step, r->recipe.steps, loss, r->lr, speed,
             memory, eta);
    progress_note(r->o->report_every,
                  "epoch %.2f of %d, step %" PRId64 " of %" PRId64
                  ", loss %.4f, lr %.3g, %.0f tokens/s, %s, eta %s",
                  epochs(r), r->o->epochs, r->s.step, r->recipe.steps, loss, r->lr, speed,
                  memory, eta);
}

void
journal_step(struct run *r, double norm, const char *why)
{
    const double now = progress_clock(),
                 speed = (double)r->tokens / fmax(now - r->since, 1e-9),
                 loss = r->s.losses ? r->s.loss_sum / (double)r->s.losses : NAN;
    if (why) {
        warn("step %" PRId64 ": %s: skipped (%" PRId64 " of at most %d)", r->s.step, why,
             r->s.skipped, r->o->skip);
        begin(r);
        buf_printf(&r->line, ",\"skipped\":\"%s\"", why);
        end(r);
    }
    say(r, loss, speed);
    if (r->s.step % r->o->log_every && r->s.step != r->recipe.steps)
        return;
    begin(r);
    field(r, "loss", loss);
    field(r, "lr", r->lr);
    field(r, "grad_norm", norm);
    buf_printf(&r->line, ",\"tokens_per_s\":%.0f", speed);
    end(r);
    r->since = now;
    r->tokens = 0;
    r->s.loss_sum = 0;
    r->s.losses = 0;
}

void
journal_evaluation(struct run *r, const struct evaluation *e)
{
    begin(r);
    field(r, "eval_loss", e->loss);
    field(r, "eval_accuracy", e->accuracy);
    field(r, "eval_macro_f1", e->f1);
    field(r, "eval_auroc", e->auroc);
    end(r);
    progress_clear();
    if (quiet)
        return;
    fprintf(stderr, "%s: epoch %.4g, step %" PRId64 ": eval loss %.4f", argv0, epochs(r),
            r->s.step, e->loss);
    if (isfinite(e->accuracy))
        fprintf(stderr, ", accuracy %.4f", e->accuracy);
    if (isfinite(e->f1))
        fprintf(stderr, ", macro-F1 %.4f", e->f1);
    if (isfinite(e->auroc))
        fprintf(stderr, ", AUROC %.4f", e->auroc);
    fputc('\n', stderr);
}
