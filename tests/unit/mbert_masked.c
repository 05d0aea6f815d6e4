/*
 * mbert_masked - masked rows by parts, heads that come from other files, steps that are
 * refused.  On the backend of tests/ops/backend.h, in f32 and, where it is, bf16.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/trainer_rig.h"

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
        cmocka_unit_test(masked_rows_by_parts),
        cmocka_unit_test(pad_rows_keep_the_decoders_gradient),
        cmocka_unit_test(nothing_masked_adds_nothing),
        cmocka_unit_test(heads_from_other_files),
        cmocka_unit_test(decoders_that_are_not_tied_are_refused),
        cmocka_unit_test(what_is_not_finite_changes_nothing),
        cmocka_unit_test(uploaded_weights_are_packed),
    };
    argv0 = "mbert_masked";
    omp_set_num_threads(1); /* of what makes new tensors: they are small and many */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
