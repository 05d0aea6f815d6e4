#include "common/mbert/forecast.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "common/base/die.h"
#include "common/base/progress.h"
#include "common/mbert/survey.h"

enum { TIMED = 3 };

static void
amount(char to[32], double bytes)
{
    snprintf(to, 32, bytes >= 1e9 ? "%.2f GB" : "%.1f MB", bytes / (bytes >= 1e9 ? 1e9 : 1e6));
}

struct need { double parameters, trained, weights, packed, moments, activations, data; };

/* Of what trainer_open and its first batch take. */
static struct need
measure(const struct run *r, const struct config *cfg, const struct ops *be, struct ctx *c)
{
    const struct train_options *o = r->o;
    struct model *m = mem_zalloc(1, sizeof *m);
    struct arena a = { 0 };
    struct acts *s = mem_zalloc(1, sizeof *s);
    struct need n = { 0 };
    const int T = o->tokens > r->train.longest ? o->tokens : r->train.longest,
              B = o->batch < T ? o->batch : T;
    /* a CPU packs a weight for either direction; E, the first, is MLM's decoder too */
    const int copies = be->shares_memory(c) ? 2 : 1, freeze = r->recipe.freeze;
    m->cfg = *cfg;
    m->frozen = freeze == FREEZE_NONE ? 0 : freeze == FREEZE_ENCODER ? cfg->layers + 2 : freeze + 1;
    m->flags = MODEL_TRAIN | (o->recompute ? MODEL_RECOMPUTE : 0);
    m->head = r->train.problem == PROBLEM_MLM     ? HEAD_MLM
              : r->train.problem == PROBLEM_TOKEN ? HEAD_TOKEN
                                                  : HEAD_SEQUENCE;
    m->classes = r->train.label_n;
    m->entries = params_table(m->table, cfg, m->head, m->classes, &m->p);
    for (int i = 0; i < m->entries; i++) {
        const double size = (double)m->table[i].rows * m->table[i].cols;
        n.parameters += size;
        if ((m->table[i].of || (!i && m->head == HEAD_MLM)) && be->type(c) == BF16)
            n.packed += copies * 2 * size;
    }
    n.weights = 2 * 4 * n.parameters;
    n.moments = 2 * 4 * n.parameters;
    acts_place(s, &a, m, ACTS_TRAIN, be->type(c), T, B);
    n.activations = (double)a.used;
    n.data = (double)(r->train.ids.n + r->train.labels.n + r->eval.ids.n + r->eval.labels.n);
    mem_free(s);
    mem_free(m);
    return n;
}

static int
memory(const struct run *r, const struct config *cfg, const struct ops *be, struct ctx *c)
{
    const struct need n = measure(r, cfg, be, c);
    const double all = n.weights + n.packed + n.moments + n.activations + n.data,
                 room = (double)be->room(c);
    char w[32], p[32], m[32], a[32], d[32], sum[32], free[32];
    amount(w, n.weights);
    amount(p, n.packed);
    amount(m, n.moments);
    amount(a, n.activations);
    amount(d, n.data);
    amount(sum, all);
    amount(free, room);
    printf("model       %d layers of %d, %.0f parameters, on %s\n", cfg->layers, cfg->hidden,
           n.parameters, be->about(c));
    printf("memory      %s: weights and gradients %s, moments %s, packed weights %s,\n"
           "            activations %s, data %s; free: %s\n", sum, w, m, p, a, d, free);
    if (all > room)
        printf("            does not fit: a lower --tokens or --recompute may help\n");
    return all <= room;
}

static int
by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Three steps after one that warms up; the median. */
static void
speed(struct run *r)
{
    double took[TIMED], loss, norm, tokens = 0;
    int n = 0;
    const int64_t most = r->recipe.steps < TIMED + 1 ? r->recipe.steps : TIMED + 1;
    for (int64_t i = 0; i < most; i++) {
        const double begun = progress_clock();
        r->tokens = 0;
        const char *why = train_step(r, &loss, &norm);
        if (i || most == 1) {
            took[n++] = progress_clock() - begun;
            tokens += (double)r->tokens;
        }
        if (why)
            printf("step %" PRId64 "      %s\n", r->s.step, why);
    }
    qsort(took, (size_t)n, sizeof *took, by_size);
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += took[i];
    const double rate = tokens / fmax(sum, 1e-9),
                 all = (double)r->train.tokens * r->o->epochs / rate;
    printf("time        %.3f s a step (median of %d), %.0f tokens/s: about %.0f min %02d s\n",
           took[n / 2], n, rate, floor(all / 60), (int)fmod(all, 60));
}

int
forecast_run(struct run *r, const struct config *cfg)
{
    const struct ops *be = model_backend(r->o->device);
    struct ctx *c = model_ctx(be, r->o->threads, (enum precision)r->o->dtype, r->o->dir);
    const int fits = memory(r, cfg, be, c);
    be->close(c);
    printf("steps       %" PRId64 ": %d epochs of %" PRId64 ", %d prompts each; %" PRId64
           " of warm-up\n", r->recipe.steps, r->o->epochs, r->recipe.batches, r->o->batch,
           r->recipe.warmup);
    survey_print(&r->train, r->eval.name ? &r->eval : NULL);
    fflush(stdout); /* the steps take a while */
    if (fits) {
        train_open(r);
        speed(r);
    }
    stdout_close();
    return fits ? EXIT_OK : EXIT_SYS;
}

int
forecast_learned(const struct run *r)
{
    const double accuracy = r->last.accuracy;
    const int learned = isfinite(accuracy) ? accuracy == 1
                                           : r->last.loss < .1 * r->first_loss;
    if (!quiet)
        fprintf(stderr, "%s: %s %" PRId64 " rows in %" PRId64 " steps: loss %.4f to %.4f\n",
                argv0, learned ? "learned" : "did not learn", r->train.n, r->s.step,
                r->first_loss, r->last.loss);
    return learned ? EXIT_OK : EXIT_NO;
}
