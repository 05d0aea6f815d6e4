/*
 * mbert_trainer - what a step of training promises beside its gradients: recomputed layers
 * give the same bytes, frozen ones stay as they are, rates by layer, objectives.  On the
 * backend of tests/ops/backend.h, in f32 and, where it is, bf16.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/trainer_rig.h"

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
    };
    argv0 = "mbert_trainer";
    omp_set_num_threads(1); /* of what makes new tensors: they are small and many */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
