#ifndef UNIT_TRAINER_RIG_H
#define UNIT_TRAINER_RIG_H
/*
 * trainer_rig - a trainer on a tiny model with every bias and dropout, its batch and labels,
 * on the backend of tests/ops/backend.h.  cmocka.h goes before.
 */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/rng.h"
#include "common/mbert/trainer.h"
#include "tests/ops/backend.h"

enum { V = 50, PAD = 49, B = 4, T = 42, L = 3, C = 3 };
static const int cu[B + 1] = { 0, 1, 14, 30, T };

static const char config[] =
    "{\"model_type\": \"modernbert\", \"hidden_size\": 32, \"intermediate_size\": 64,"
    " \"vocab_size\": 50, \"num_hidden_layers\": 3, \"num_attention_heads\": 1,"
    " \"local_attention\": 8, \"global_attn_every_n_layers\": 2,"
    " \"max_position_embeddings\": 64, \"pad_token_id\": 49,"
    " \"classifier_pooling\": \"mean\", \"norm_bias\": true, \"attention_bias\": true,"
    " \"mlp_bias\": true, \"classifier_bias\": true, \"attention_dropout\": 0.1,"
    " \"embedding_dropout\": 0.2, \"mlp_dropout\": 0.1, \"classifier_dropout\": 0.3%s}";

struct rig {
    struct trainer t;
    const struct ops *be;
    struct ctx *c;
    int ids[T], label[T];
    float target[B * C];
};

static const struct objective single = { .problem = PROBLEM_SINGLE },
                              multi = { .problem = PROBLEM_MULTI },
                              token = { .problem = PROBLEM_TOKEN },
                              mlm = { .problem = PROBLEM_MLM };
static const struct objective *const kinds[] = { &single, &multi, &token, &mlm };
enum { KINDS = sizeof kinds / sizeof *kinds };

/* Labels for the objective: of all rows of MLM every third is masked, of tokens -100 some. */
static inline void
rig_label(struct rig *r, enum problem p)
{
    for (int i = 0; i < T; i++) {
        r->ids[i] = (int)(rng_u64(3, (uint64_t)i) % (V - 1));
        r->label[i] = p == PROBLEM_MLM     ? i % 3 ? -100 : (r->ids[i] + 5) % V
                      : p == PROBLEM_TOKEN ? i % 4 ? i % C : -100
                                           : i % C;
    }
    for (int i = 0; i < B * C; i++)
        r->target[i] = i % 3 == 1;
}

/* dir: a template of mkdtemp's. */
static inline void
open_as(struct trainer *t, const struct ops *be, struct ctx *c, char *dir,
        const char *more, unsigned flags, const struct objective *o)
{
    if (!mkdtemp(dir))
        die_sys("can't make '%s'", dir);
    char *path = mem_printf("%s/config.json", dir);
    FILE *f = fopen(path, "w");
    fprintf(f, config, more);
    fclose(f);
    trainer_open(t, be, c, dir, MODEL_RANDOM | flags, o->problem == PROBLEM_MLM ? 0 : C, o,
                 5);
    unlink(path);
    rmdir(dir);
    mem_free(path);
}

static inline struct rig *
rig_open_threads(const struct objective *o, unsigned flags, enum precision precision,
                 int threads)
{
    struct rig *r = mem_zalloc(1, sizeof *r);
    char dir[] = "/tmp/mbert_trainer.XXXXXX";
    quiet = 1;
    r->be = backend_find();
    if (!r->be)
        die_sys("no such backend here");
    r->c = r->be->open(threads, precision);
    open_as(&r->t, r->be, r->c, dir, "", flags, o);
    rig_label(r, o->problem);
    return r;
}

static inline struct rig *
rig_open(const struct objective *o, unsigned flags, enum precision precision)
{
    return rig_open_threads(o, flags, precision, 1);
}

static inline void
rig_close(struct rig *r)
{
    trainer_close(&r->t);
    r->be->close(r->c);
    mem_free(r);
}

static inline const void *
labels(const struct rig *r)
{
    return r->t.objective.problem == PROBLEM_MULTI ? (const void *)r->target : r->label;
}

static inline void
add(struct rig *r, uint64_t key)
{
    trainer_add(&r->t, r->ids, cu, B, labels(r), 0.05f, key);
}

static double
predict(struct rig *r, float *logits)
{
    trainer_predict(&r->t, r->ids, cu, B, labels(r), 0.05f, logits);
    return trainer_loss(&r->t);
}

static inline const char *
step(struct rig *r, double lr, int64_t n)
{
    const struct adam a = { lr, .9, .999, 1e-8, .01, 1, n };
    double loss, norm;
    return trainer_step(&r->t, &a, &loss, &norm);
}

enum what { WEIGHT, GRADIENT, MOMENT };

/* Parameter i on the host; the caller's to free. */
static inline float *
values(const struct rig *r, int i, enum what what)
{
    const struct param *p = &r->t.table[i];
    const size_t bytes = (size_t)p->n * sizeof(float);
    float *v = mem_alloc(bytes);
    r->be->download(r->c, v, what == WEIGHT ? p->w : what == GRADIENT ? p->g : p->m, bytes);
    return v;
}

static inline float **
all_values(const struct rig *r, enum what what)
{
    float **all = mem_zalloc((size_t)r->t.m.entries, sizeof *all);
    for (int i = 0; i < r->t.m.entries; i++)
        all[i] = values(r, i, what);
    return all;
}

static inline void
values_free(const struct rig *r, float **all)
{
    for (int i = 0; i < r->t.m.entries; i++)
        mem_free(all[i]);
    mem_free(all);
}

static inline int
same(const struct rig *r, float *const *a, float *const *b, int i)
{
    return !memcmp(a[i], b[i], (size_t)r->t.table[i].n * sizeof(float));
}

static inline int
is_zero(const float *v, int64_t n)
{
    while (n > 0 && v[n - 1] == 0)
        n--;
    return !n;
}

static inline enum precision
other_precision(void)
{
    const struct ops *be = backend_find();
    struct ctx *c = be->open(1, OP_AUTO);
    const enum precision p = be->precision(c);
    be->close(c);
    return p;
}

/* The emulated GPU runs what is the model's in one case, unless there is time. */
static inline int
all_cases(void)
{
    return backend_is_cpu() || getenv("MBERT_EMU_LONG");
}
#endif
