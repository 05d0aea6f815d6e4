/*
 * gpu - what gpu.c (how fast) and gpu_check.c (how right) share: prompts, and a model on a
 * device.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/base/opt.h"
#include "common/base/rng.h"
#include "common/mbert/crew.h"
#include "common/mbert/trainer.h"

enum { CLASSES = 2 };

/* ---- prompts ------------------------------------------------------------------------- */
struct prompts { struct buf id, cut; int n; }; /* int ids, int cut[n + 1] */

static inline const int *
prompts_ids(const struct prompts *p)
{
    return (const int *)(const void *)p->id.p;
}

static inline const int *
prompts_cu(const struct prompts *p)
{
    return (const int *)(const void *)p->cut.p;
}

static inline int
prompts_tokens(const struct prompts *p)
{
    return prompts_cu(p)[p->n];
}

static inline void
prompts_begin(struct prompts *p)
{
    const int zero = 0;
    p->id.n = p->cut.n = 0;
    p->n = 0;
    buf_add(&p->cut, &zero, sizeof zero);
}

static inline void
prompts_end(struct prompts *p)
{
    const int total = (int)(p->id.n / sizeof total);
    buf_add(&p->cut, &total, sizeof total);
    p->n++;
}

static inline void
prompts_free(struct prompts *p)
{
    mem_free(p->id.p);
    mem_free(p->cut.p);
}

/* Ids below this one are words, not special tokens. */
static inline int
words_of(const struct config *c)
{
    return c->cls > 0 ? c->cls : c->vocab;
}

/* n prompts of made-up words: the first have lengths at which blocks and windows end, the
 * others are spread evenly over the logarithm of the length, 2 to longest. */
static inline void
prompts_random(struct prompts *p, const struct config *c, uint64_t seed, int n, int longest)
{
    const int edges[] = { longest, 2, 64, 65, 128, 129, 130, 1, 33 };
    const uint64_t key = rng_key(seed, 30, 0);
    uint64_t draw = 0;
    prompts_begin(p);
    for (int b = 0; b < n; b++) {
        const int edge = b < (int)(sizeof edges / sizeof *edges) ? edges[b] : longest + 1,
                  S = edge <= longest
                          ? edge
                          : (int)(2 * pow(longest / 2.0, rng_unit(key, draw++)) + .5);
        for (int i = 0; i < S; i++) {
            int id = (int)(rng_u64(key, draw++) % (uint64_t)words_of(c));
            if (i == 0 && c->cls > 0)
                id = c->cls;
            else if (i == S - 1 && c->sep > 0)
                id = c->sep;
            buf_add(&p->id, &id, sizeof id);
        }
        prompts_end(p);
    }
}

/* B prompts of S tokens, as tests/bench/gpu_peer.py makes them: logits can be compared. */
static inline void
prompts_shape(struct prompts *p, const struct config *c, int B, int S)
{
    prompts_begin(p);
    for (int i = 0; i < B * S; i++) {
        const uint32_t k = (uint32_t)(i + 1) * 2654435761u;
        const int at = i % S, word = (int)(k % (uint32_t)words_of(c)),
                  id = at == S - 1 ? c->sep : at ? word : c->cls;
        buf_add(&p->id, &id, sizeof id);
        if (at == S - 1)
            prompts_end(p);
    }
}

/* A prompt a line, its ids parted by blanks. */
static inline void
prompts_file(struct prompts *p, const struct config *c, const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL, *at;
    size_t room = 0;
    if (!f)
        die_sys("can't open '%s'", path);
    prompts_begin(p);
    while (getline(&line, &room, f) > 0) {
        const size_t before = p->id.n;
        for (at = line; *at && *at != '\n';) {
            const int id = (int)strtol(at, &at, 10);
            if (id < 0 || id >= c->vocab)
                die_data("'%s': id %d is outside the vocabulary", path, id);
            buf_add(&p->id, &id, sizeof id);
        }
        if ((p->id.n - before) / sizeof(int) > (size_t)c->positions)
            die_data("'%s': a prompt is longer than the model takes", path);
        if (p->id.n > before)
            prompts_end(p);
    }
    if (!p->n)
        die_data("'%s': no prompts", path);
    free(line);
    fclose(f);
}

/* ---- a model on a device ------------------------------------------------------------- */
struct side { const struct ops *be; struct ctx *c; struct model m; struct crew *crew; };

/* "cpu", or the module that MBERT_CUDA names. */
static inline const struct ops *
device_find(const char *device)
{
    const struct ops *be = ops_find(device);
    if (!be)
        die_usage("this build has no device '%s'", device);
    return be;
}

static inline struct side *
side_open(const char *device, enum precision precision, const char *dir)
{
    struct side *s = mem_zalloc(1, sizeof *s);
    s->be = device_find(device);
    s->c = model_ctx(s->be, 0, precision, dir);
    model_load(&s->m, s->be, s->c, dir, 0, 0, 0);
    s->crew = crew_open(&s->m);
    return s;
}

static inline void
side_close(struct side *s)
{
    crew_close(s->crew);
    model_free(&s->m);
    s->be->close(s->c);
    mem_free(s);
}

/* Prompts [from, to) as one batch; out: rows x cols floats, see crew_run. */
static inline void
side_run(struct side *s, const struct prompts *p, int from, int to, enum crew_output output,
         float *out)
{
    const int *cu = prompts_cu(p);
    int *own = mem_array((size_t)(to - from) + 1, sizeof *own);
    for (int i = from; i <= to; i++)
        own[i - from] = cu[i] - cu[from];
    const struct crew_job j = { .ids = prompts_ids(p) + cu[from], .cu = own, .n = to - from,
                                .output = output,
                                .pooling = (enum pool_kind)s->m.cfg.pooling };
    crew_run(s->crew, &j, out);
    mem_free(own);
}

/* A trainer of the model in dir, with a context of its own. */
static inline struct trainer *
tutor_open(const char *device, enum precision precision, const char *dir)
{
    struct trainer *t = mem_zalloc(1, sizeof *t);
    const struct ops *be = device_find(device);
    struct ctx *c = model_ctx(be, 0, precision, dir);
    const struct objective single = { .problem = PROBLEM_SINGLE };
    trainer_open(t, be, c, dir, 0, CLASSES, &single, 1);
    return t;
}

static inline void
tutor_close(struct trainer *t)
{
    const struct ops *be = t->m.be;
    struct ctx *c = t->m.c;
    trainer_close(t);
    be->close(c);
    mem_free(t);
}

/* Loss and gradients of all prompts, `micro` of them at a time; classes take turns. */
static inline void
tutor_add(struct trainer *t, const struct prompts *p, int micro)
{
    const int *cu = prompts_cu(p);
    int *own = mem_array((size_t)micro + 1, sizeof *own),
        *labels = mem_array((size_t)micro, sizeof *labels);
    for (int from = 0, n; from < p->n; from += n) {
        n = p->n - from < micro ? p->n - from : micro;
        for (int i = 0; i <= n; i++)
            own[i] = cu[from + i] - cu[from];
        for (int i = 0; i < n; i++)
            labels[i] = (from + i) % CLASSES;
        trainer_add(t, prompts_ids(p) + cu[from], own, n, labels, 1.0f / (float)p->n, 0);
    }
    mem_free(own);
    mem_free(labels);
}
