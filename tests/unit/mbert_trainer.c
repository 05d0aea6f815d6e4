/*
 * mbert_trainer - what a step of training promises beside its gradients: recomputed layers
 * give the same bytes, frozen ones stay as they are, rates by layer, objectives, masked rows
 * by parts, steps that are refused.  On the backend of tests/ops/backend.h, in f32 and,
 * where it is, bf16.
 */
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
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
static void
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
static void
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

static struct rig *
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

static struct rig *
rig_open(const struct objective *o, unsigned flags, enum precision precision)
{
    return rig_open_threads(o, flags, precision, 1);
}

static void
rig_close(struct rig *r)
{
    trainer_close(&r->t);
    r->be->close(r->c);
    mem_free(r);
}

static const void *
labels(const struct rig *r)
{
    return r->t.objective.problem == PROBLEM_MULTI ? (const void *)r->target : r->label;
}

static void
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

static const char *
step(struct rig *r, double lr, int64_t n)
{
    const struct adam a = { lr, .9, .999, 1e-8, .01, 1, n };
    double loss, norm;
    return trainer_step(&r->t, &a, &loss, &norm);
}

enum what { WEIGHT, GRADIENT, MOMENT };

/* Parameter i on the host; the caller's to free. */
static float *
values(const struct rig *r, int i, enum what what)
{
    const struct param *p = &r->t.table[i];
    const size_t bytes = (size_t)p->n * sizeof(float);
    float *v = mem_alloc(bytes);
    r->be->download(r->c, v, what == WEIGHT ? p->w : what == GRADIENT ? p->g : p->m, bytes);
    return v;
}

static float **
all_values(const struct rig *r, enum what what)
{
    float **all = mem_zalloc((size_t)r->t.m.entries, sizeof *all);
    for (int i = 0; i < r->t.m.entries; i++)
        all[i] = values(r, i, what);
    return all;
}

static void
values_free(const struct rig *r, float **all)
{
    for (int i = 0; i < r->t.m.entries; i++)
        mem_free(all[i]);
    mem_free(all);
}

static int
same(const struct rig *r, float *const *a, float *const *b, int i)
{
    return !memcmp(a[i], b[i], (size_t)r->t.table[i].n * sizeof(float));
}

static int
is_zero(const float *v, int64_t n)
{
    while (n > 0 && v[n - 1] == 0)
        n--;
    return !n;
}

static enum precision
other_precision(void)
{
    const struct ops *be = backend_find();
    struct ctx *c = be->open(1, OP_AUTO);
    const enum precision p = be->precision(c);
    be->close(c);
    return p;
}

/* The emulated GPU runs what is the model's in one case, unless there is time. */
static int
all_cases(void)
{
    return backend_is_cpu() || getenv("MBERT_EMU_LONG");
}

/* ---- memory -------------------------------------------------------------------------- */
static size_t
bytes_of(const struct rig *r)
{
    struct acts *s = mem_zalloc(1, sizeof *s);
    struct arena a = { 0 };
    acts_place(s, &a, &r->t.m, ACTS_TRAIN, r->be->type(r->c), 1000, 10);
    mem_free(s);
    return a.used;
}

/* Each objective, with dropout: gradients are the same bytes, the memory less. */
static void
recompute_gives_the_same_bytes(void **state)
{
    (void)state;
    for (int k = all_cases() ? 0 : KINDS; k <= KINDS; k++) {
        const struct objective *o = k < KINDS ? kinds[k] : &mlm;
        const enum precision p = k < KINDS ? OP_F32 : other_precision();
        struct rig *kept = rig_open(o, 0, p), *again = rig_open(o, MODEL_RECOMPUTE, p);
        add(kept, 7);
        add(again, 7);
        float **a = all_values(kept, GRADIENT), **b = all_values(again, GRADIENT);
        for (int i = 0; i < kept->t.m.entries; i++)
            if (!same(kept, a, b, i) || is_zero(a[i], kept->t.table[i].n))
                fail_msg("objective %d: %s", k, kept->t.m.table[i].name);
        assert_true(trainer_loss(&kept->t) == trainer_loss(&again->t));
        assert_true(bytes_of(again) < bytes_of(kept) * 4 / 5);
        values_free(kept, a);
        values_free(again, b);
        rig_close(kept);
        rig_close(again);
    }
}

static void
threads_change_nothing(void **state)
{
    (void)state;
    for (int k = backend_is_cpu() ? 2 : KINDS; k < KINDS; k++) {
        struct rig *r[2];
        float **g[2];
        for (int i = 0; i < 2; i++) {
            r[i] = rig_open_threads(kinds[k], 0, other_precision(), 1 + i);
            add(r[i], 7);
            g[i] = all_values(r[i], GRADIENT);
        }
        for (int i = 0; i < r[0]->t.m.entries; i++)
            assert_true(same(r[0], g[0], g[1], i));
        for (int i = 0; i < 2; i++) {
            values_free(r[i], g[i]);
            rig_close(r[i]);
        }
    }
}

/* ---- freezing, rates ----------------------------------------------------------------- */
static void
check_frozen(const struct objective *o, unsigned flags, int layers)
{
    struct rig *r = rig_open(o, flags, OP_F32), *whole = rig_open(o, 0, OP_F32);
    const int lowest = layers < 0 ? L + 1 : layers;
    const size_t before = bytes_of(r);
    trainer_freeze(&r->t, layers);
    assert_true(layers > 0 || layers < 0 ? bytes_of(r) < before : bytes_of(r) == before);
    add(r, 7);
    add(whole, 7);
    float **g = all_values(r, GRADIENT), **want = all_values(whole, GRADIENT),
          **start = all_values(r, WEIGHT);
    for (int n = 1; n <= 2; n++) {
        assert_null(step(r, 1e-3, n));
        add(r, 8);
    }
    float **end = all_values(r, WEIGHT), **moment = all_values(r, MOMENT);
    for (int i = 0; i < r->t.m.entries; i++) {
        const int frozen = r->t.m.table[i].layer < lowest;
        if (frozen ? !is_zero(g[i], r->t.table[i].n) || !is_zero(moment[i], r->t.table[i].n)
                   : !same(r, g, want, i))
            fail_msg("%d frozen: gradient of %s", layers, r->t.m.table[i].name);
        if (same(r, start, end, i) != frozen)
            fail_msg("%d frozen: %s", layers, r->t.m.table[i].name);
    }
    values_free(r, g);
    values_free(r, want);
    values_free(r, start);
    values_free(r, end);
    values_free(r, moment);
    rig_close(r);
    rig_close(whole);
}

/* The rest has the gradients that it has without. */
static void
frozen_layers_stay(void **state)
{
    (void)state;
    check_frozen(&mlm, 0, 1);
    if (!all_cases())
        return;
    check_frozen(&single, 0, 2);
    check_frozen(&single, 0, -1);
    check_frozen(&token, 0, L);
    check_frozen(&mlm, 0, 0);
    check_frozen(&mlm, 0, L);
    check_frozen(&mlm, 0, -1);
    check_frozen(&multi, MODEL_RECOMPUTE, 1);
}

/* Adam's first step moves every element by the rate, where its gradient is not tiny. */
static void
rates_by_layer(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k += 3) {
        struct rig *r = rig_open(kinds[k], 0, OP_F32);
        const struct adam a = { 1e-3, .9, .999, 1e-12, 0, 0, 1 };
        double loss, norm;
        trainer_rates(&r->t, 0.5);
        float **start = all_values(r, WEIGHT);
        add(r, 0);
        assert_null(trainer_step(&r->t, &a, &loss, &norm));
        float **end = all_values(r, WEIGHT);
        for (int i = 0; i < r->t.m.entries; i++) {
            const int layer = r->t.m.table[i].layer;
            const double want = 1e-3 * (layer < 0   ? 1.0 / 16
                                        : layer < L ? pow(0.5, L - layer)
                                                    : 1);
            double moved = 0;
            for (int64_t e = 0; e < r->t.table[i].n; e++)
                moved = fmax(moved, fabs((double)end[i][e] - (double)start[i][e]));
            if (!(fabs(moved / want - 1) < 0.01))
                fail_msg("%s moved by %g, not %g", r->t.m.table[i].name, moved, want);
        }
        values_free(r, start);
        values_free(r, end);
        rig_close(r);
    }
}

/* ---- objectives ---------------------------------------------------------------------- */
/* torch's CrossEntropyLoss of one row, see ops.h. */
static double
row_loss(const struct objective *o, const float *w, const float *z, int label)
{
    double sum = 0, loss = 0;
    for (int k = 0; k < C; k++)
        sum += exp((double)z[k]);
    const double own = log(sum) - z[label];
    for (int k = 0; k < C; k++)
        loss += o->smoothing / C * w[k] * (log(sum) - z[k]);
    loss += (1 - o->smoothing) * w[label] * own;
    return o->focal > 0 ? w[label] * pow(1 - exp(-own), o->focal) * own : loss;
}

static void
objectives_weigh_smooth_and_focus(void **state)
{
    static const float w[C] = { 0.5f, 2, 1 };
    static const struct objective all[] = { { PROBLEM_SINGLE, w, 0, 0 },
                                            { PROBLEM_SINGLE, w, 0.25f, 0 },
                                            { PROBLEM_TOKEN, w, 0.25f, 0 },
                                            { PROBLEM_TOKEN, NULL, 0, 2 },
                                            { PROBLEM_SINGLE, w, 0, 0.5f } };
    static const float ones[C] = { 1, 1, 1 };
    (void)state;
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        struct rig *r = rig_open(&all[k], 0, OP_F32);
        float z[T * C];
        double want = 0;
        const int rows = all[k].problem == PROBLEM_TOKEN ? T : B;
        const double got = predict(r, z);
        for (int i = 0; i < rows; i++)
            want += r->label[i] == -100 ? 0
                                        : 0.05 * row_loss(&all[k], k == 3 ? ones : w, z + i * C,
                                                          r->label[i]);
        assert_true(fabs(got - want) <= 1e-6 * want);
        add(r, 0);
        assert_true(trainer_loss(&r->t) == got);
        rig_close(r);
    }
}

/* Every objective learns its batch; in bf16 the blobs follow, the decoder's too. */
static void
steps_lower_the_loss(void **state)
{
    (void)state;
    for (int k = all_cases() ? 0 : KINDS - 1; k < KINDS; k++) {
        struct rig *r = rig_open(kinds[k], 0, other_precision());
        const double before = predict(r, NULL);
        for (int n = 1; n <= 8; n++) {
            add(r, 0);
            assert_null(step(r, 2e-2, n));
        }
        const double after = predict(r, NULL);
        if (!(after < before / 2))
            fail_msg("objective %d: loss %g, then %g", k, before, after);
        model_pack(&r->t.m);
        assert_true(predict(r, NULL) == after);
        rig_close(r);
    }
}

static void
dropout_is_the_keys(void **state)
{
    (void)state;
    for (int k = 0; k < KINDS; k++) {
        struct rig *r = rig_open(kinds[k], 0, OP_F32);
        double loss[3];
        const double off = predict(r, NULL);
        for (int i = 0; i < 3; i++) {
            add(r, i < 2 ? 7 : 8);
            loss[i] = trainer_loss(&r->t);
        }
        assert_true(loss[0] == loss[1] && loss[0] != loss[2] && loss[0] != off);
        rig_close(r);
    }
}

/* ---- MLM ------------------------------------------------------------------------------- */
/* More masked rows than logits are made for at once: as the same rows in smaller batches. */
static void
masked_rows_by_parts(void **state)
{
    struct rig *one = rig_open(&mlm, 0, OP_F32), *more = rig_open(&mlm, 0, OP_F32);
    enum { LONG = 60, S = MASKED_ROWS / LONG + 1, N = S * LONG };
    int *ids = mem_array(2 * N, sizeof *ids), *label = ids + N, starts[S + 1];
    double error = 0, size = 0;
    (void)state;
    for (int i = 0; i < N; i++) {
        ids[i] = i % (V - 1);
        label[i] = (7 * i + i / 3) % V;
    }
    for (int i = 0; i <= S; i++)
        starts[i] = i * LONG;
    trainer_add(&one->t, ids, starts, S, label, 1e-3f, 0);
    for (int i = 0; i < S; i += 10)
        trainer_add(&more->t, ids + i * LONG, starts, S - i < 10 ? S - i : 10,
                    label + i * LONG, 1e-3f, 0);
    const double a = trainer_loss(&one->t), b = trainer_loss(&more->t);
    assert_true(fabs(a / b - 1) < 1e-6);
    float **g = all_values(one, GRADIENT), **h = all_values(more, GRADIENT);
    for (int i = 0; i < one->t.m.entries; i++)
        for (int64_t e = 0; e < one->t.table[i].n; e++) {
            error += pow((double)g[i][e] - (double)h[i][e], 2);
            size += pow((double)h[i][e], 2);
        }
    assert_true(size > 0 && error <= 1e-11 * size);
    values_free(one, g);
    values_free(more, h);
    mem_free(ids);
    rig_close(one);
    rig_close(more);
}

/* The pad row: the decoder's gradient, and no more of it where the text has pads. */
static void
pad_rows_keep_the_decoders_gradient(void **state)
{
    struct rig *r = rig_open(&mlm, 0, OP_F32);
    const int D = r->t.m.cfg.hidden;
    float *got[2];
    (void)state;
    r->ids[2] = r->ids[40] = PAD;
    add(r, 0);
    got[0] = values(r, 0, GRADIENT);
    assert_string_equal(r->t.m.table[0].name, "model.embeddings.tok_embeddings.weight");
    assert_null(step(r, 0, 1));
    /* the decoder's alone, from the final states that predict leaves */
    predict(r, NULL);
    struct masked k = { r->t.labels, (int *)r->t.labels + T / 3, T / 3 };
    struct acts s = acts_cut(&r->t.acts, T, B);
    mbert_masked(&r->t.m, &r->t.g, &s, &k, r->t.loss, 0.05f);
    got[1] = values(r, 0, GRADIENT);
    assert_false(is_zero(got[0] + PAD * D, D));
    assert_memory_equal(got[0] + PAD * D, got[1] + PAD * D, (size_t)D * sizeof(float));
    assert_memory_not_equal(got[0], got[1], (size_t)D * sizeof(float));
    mem_free(got[0]);
    mem_free(got[1]);
    rig_close(r);
}

static void
nothing_masked_adds_nothing(void **state)
{
    struct rig *r = rig_open(&mlm, 0, OP_F32);
    (void)state;
    for (int i = 0; i < T; i++)
        r->label[i] = -100;
    add(r, 0);
    assert_true(predict(r, NULL) == 0);
    float *g = values(r, 0, GRADIENT);
    assert_true(is_zero(g, r->t.table[0].n));
    mem_free(g);
    rig_close(r);
}

/* ---- what a file lacks ------------------------------------------------------------------- */
static const char classifier[] = "tests/golden/encoder/multilabel";

static struct trainer *
trainer_from(const char *dir, const struct objective *o, int classes)
{
    struct trainer *t = mem_zalloc(1, sizeof *t);
    const struct ops *be = backend_find();
    quiet = 1;
    trainer_open(t, be, be->open(1, OP_F32), dir, 0, classes, o, 1);
    return t;
}

static void
trainer_drop(struct trainer *t)
{
    const struct ops *be = t->m.be;
    struct ctx *c = t->m.c;
    trainer_close(t);
    be->close(c);
    mem_free(t);
}

static int
find(const struct trainer *t, const char *name)
{
    for (int i = 0; i < t->m.entries; i++)
        if (!strcmp(t->m.table[i].name, name))
            return i;
    return -1;
}

/* A masked model from a classifier keeps its head; the decoder is E and has no name. */
static void
heads_from_other_files(void **state)
{
    struct trainer *a = trainer_from(classifier, &mlm, 0),
                   *b = trainer_from(classifier, &multi, 4),
                   *c = trainer_from("tests/golden/encoder/mlm", &token, 2);
    const int bias = find(a, "decoder.bias");
    (void)state;
    assert_true(bias >= 0 && find(a, "decoder.weight") < 0);
    assert_true(find(a, "classifier.weight") < 0 && find(c, "classifier.weight") >= 0);
    float w[2][64 * 64], *zero = mem_alloc((size_t)a->table[bias].n * sizeof *zero);
    const size_t n = (size_t)a->m.cfg.hidden * (size_t)a->m.cfg.hidden * sizeof(float);
    assert_true(n <= sizeof w[0]);
    a->m.be->download(a->m.c, w[0], a->m.p.dense.w.p, n);
    b->m.be->download(b->m.c, w[1], b->m.p.dense.w.p, n);
    assert_memory_equal(w[0], w[1], n);
    a->m.be->download(a->m.c, zero, a->table[bias].w,
                      (size_t)a->table[bias].n * sizeof *zero);
    assert_true(is_zero(zero, a->table[bias].n));
    mem_free(zero);
    trainer_drop(a);
    trainer_drop(b);
    trainer_drop(c);
}

/* In a child: it dies, and the directory is left to this process. */
static void
decoders_that_are_not_tied_are_refused(void **state)
{
    char dir[] = "/tmp/mbert_untied.XXXXXX", line[256] = "";
    int status, fd[2];
    (void)state;
    assert_false(pipe(fd));
    const pid_t child = fork();
    if (!child) {
        const struct ops *be = ops_find("cpu");
        struct trainer *t = mem_zalloc(1, sizeof *t);
        dup2(fd[1], 2);
        open_as(t, be, be->open(1, OP_F32), dir, ", \"tie_word_embeddings\": false", 0,
                &mlm);
        _exit(0);
    }
    close(fd[1]);
    assert_true(read(fd[0], line, sizeof line - 1) > 0);
    close(fd[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    assert_non_null(strstr(line, "/config.json': 'tie_word_embeddings' false is not supported"));
    char *path = strstr(line, "/tmp/mbert_untied."), *end = path ? strchr(path, '\'') : NULL;
    assert_non_null(end);
    *end = 0;
    unlink(path);
    *strrchr(path, '/') = 0;
    assert_false(rmdir(path));
}

/* ---- steps that are refused -------------------------------------------------------------- */
static void
what_is_not_finite_changes_nothing(void **state)
{
    struct rig *r = rig_open(&single, 0, OP_F32);
    static const float bad[] = { INFINITY, NAN };
    (void)state;
    add(r, 0);
    assert_null(step(r, 1e-3, 1));
    float **before = all_values(r, WEIGHT), **moments = all_values(r, MOMENT);
    for (int k = 0; k < 3; k++) {
        trainer_add(&r->t, r->ids, cu, B, r->label, k ? 0.05f : INFINITY, 0);
        if (k)
            r->be->upload(r->c, r->t.table[9].g + 3, &bad[k - 1], sizeof *bad);
        const char *why = step(r, 1e-3, 2);
        char *want = k ? mem_printf("the gradient of '%s' is not finite",
                                    r->t.m.table[9].name)
                       : mem_strdup("the loss is not finite");
        assert_string_equal(why, want);
        float **after = all_values(r, WEIGHT), **then = all_values(r, MOMENT),
              **g = all_values(r, GRADIENT);
        for (int i = 0; i < r->t.m.entries; i++)
            assert_true(same(r, before, after, i) && same(r, moments, then, i) &&
                        is_zero(g[i], r->t.table[i].n));
        values_free(r, after);
        values_free(r, then);
        values_free(r, g);
        mem_free(want);
    }
    add(r, 0);
    assert_null(step(r, 1e-3, 2));
    values_free(r, before);
    values_free(r, moments);
    rig_close(r);
}

/* Weights that were uploaded over the table's are those of the next batch. */
static void
uploaded_weights_are_packed(void **state)
{
    struct rig *r = rig_open(&mlm, 0, other_precision()),
               *other = rig_open(&mlm, 0, other_precision());
    (void)state;
    for (int n = 1; n <= 3; n++) {
        add(other, 0);
        assert_null(step(other, 1e-2, n));
    }
    float **w = all_values(other, WEIGHT);
    for (int i = 0; i < r->t.m.entries; i++)
        r->be->upload(r->c, r->t.table[i].w, w[i], (size_t)r->t.table[i].n * sizeof(float));
    model_pack(&r->t.m);
    assert_true(predict(r, NULL) == predict(other, NULL));
    values_free(other, w);
    rig_close(r);
    rig_close(other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recompute_gives_the_same_bytes),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(frozen_layers_stay),
        cmocka_unit_test(rates_by_layer),
        cmocka_unit_test(objectives_weigh_smooth_and_focus),
        cmocka_unit_test(steps_lower_the_loss),
        cmocka_unit_test(dropout_is_the_keys),
        cmocka_unit_test(masked_rows_by_parts),
        cmocka_unit_test(pad_rows_keep_the_decoders_gradient),
        cmocka_unit_test(nothing_masked_adds_nothing),
        cmocka_unit_test(heads_from_other_files),
        cmocka_unit_test(decoders_that_are_not_tied_are_refused),
        cmocka_unit_test(what_is_not_finite_changes_nothing),
        cmocka_unit_test(uploaded_weights_are_packed),
    };
    argv0 = "mbert_trainer";
    omp_set_num_threads(1); /* of what makes new tensors: they are small and many */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
