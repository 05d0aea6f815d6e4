/*
 * mbert_block - whole-model derivatives that the goldens do not reach: dropout at every
 * site (the masks of forward and backward agree), the padding row, windows off, and placed
 * memory.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/base/die.h"
#include "common/base/rng.h"
#include "common/mbert/mbert.h"

enum { V = 50, PAD = 49, B = 4, T = 60 };
static const int cu[B + 1] = { 0, 1, 20, 33, T };
static const int labels[B] = { 0, 1, 1, 0 };

static const char config[] =
    "{\"model_type\": \"modernbert\", \"hidden_size\": 32, \"intermediate_size\": 48,"
    " \"architectures\": [\"ModernBertForSequenceClassification\"], \"vocab_size\": 50,"
    " \"num_hidden_layers\": 4, \"num_attention_heads\": 2, \"local_attention\": 8,"
    " \"global_attn_every_n_layers\": 3, \"max_position_embeddings\": 64,"
    " \"pad_token_id\": 49, \"classifier_pooling\": \"mean\", \"norm_bias\": true,"
    " \"attention_bias\": true, \"mlp_bias\": true, \"classifier_bias\": true,"
    " \"attention_dropout\": %s, \"embedding_dropout\": %s, \"mlp_dropout\": %s,"
    " \"classifier_dropout\": %s}";

struct rig {
    struct model m;
    struct acts whole, s;
    struct seqs q;
    struct params g;
    struct entry table[PARAMS_MAX];
    void *gradients;
    size_t bytes;
    int ids[T];
    int window_off;
};

/* A random model, its weights larger than at birth so that attention is not flat. */
static struct rig *
rig_new(const char *attention, const char *embedding, const char *mlp,
        const char *classifier)
{
    struct rig *r = mem_zalloc(1, sizeof *r);
    const struct ops *be = ops_find("cpu");
    char dir[] = "/tmp/mbert_block.XXXXXX";
    struct arena a = { 0 };
    quiet = 1;
    if (!mkdtemp(dir))
        die_sys("can't make '%s'", dir);
    char *path = mem_printf("%s/config.json", dir);
    FILE *f = fopen(path, "w");
    fprintf(f, config, attention, embedding, mlp, classifier);
    fclose(f);
    model_load(&r->m, be, be->open(2, OP_F32), dir, MODEL_TRAIN | MODEL_RANDOM, 2, 5);
    unlink(path);
    rmdir(dir);
    mem_free(path);
    for (int i = 0; i < r->m.entries; i++)
        for (int k = 0;
             r->m.table[i].std > 0 && k < r->m.table[i].rows * r->m.table[i].cols; k++)
            mat_f32(*r->m.table[i].at, 0)[k] *= 6;
    for (int i = 0; i < T; i++)
        r->ids[i] = i % 7 == 3 ? PAD : (int)(rng_u64(3, (uint64_t)i) % V);
    /* larger than the batch: acts_cut matters */
    acts_fit(&r->whole, &r->m, ACTS_TRAIN, F32, T + 5, B + 1);
    r->s = acts_cut(&r->whole, T, B);
    be->seqs_make(r->m.c, &r->q, B, cu);
    model_positions(&r->m, r->q.longest);
    const int n = params_table(r->table, &r->m.cfg, r->m.head, r->m.classes, &r->g);
    params_place(&a, r->table, n);
    r->bytes = a.used;
    a = (struct arena){ .base = r->gradients = be->alloc(r->m.c, r->bytes) };
    params_place(&a, r->table, n);
    return r;
}

static void
rig_free(struct rig *r)
{
    const struct ops *be = r->m.be;
    struct ctx *c = r->m.c;
    be->seqs_free(c, &r->q);
    be->free(c, r->gradients);
    acts_free(&r->whole, &r->m);
    model_free(&r->m);
    be->close(c);
    mem_free(r);
}

static double
forward(struct rig *r)
{
    const struct ops *be = r->m.be;
    model_pack(&r->m);
    be->upload(r->m.c, r->s.ids, r->ids, sizeof r->ids);
    mbert_encode(&r->m, &r->s, &r->q, r->window_off, NULL, NULL);
    mbert_pool(&r->m, &r->s, &r->q, OP_MEAN);
    head_forward(&r->m, &r->s, r->s.pooled);
    be->zero(r->m.c, r->s.loss, sizeof *r->s.loss);
    be->ce(r->m.c, r->s.loss, r->s.dlogits, r->s.logits, labels,
           (struct loss_form){ .smoothing = 0 }, 1.0f / B);
    /* the loss again, in double: differences of it are small */
    double loss = 0;
    for (int b = 0; b < B; b++) {
        const float *x = mat_f32(r->s.logits, b);
        loss += log1p(exp((double)x[!labels[b]] - x[labels[b]])) / B;
    }
    return loss;
}

static void
backward(struct rig *r)
{
    r->m.be->zero(r->m.c, r->gradients, r->bytes);
    forward(r);
    mbert_backward(&r->m, &r->g, &r->s, &r->q, OP_MEAN);
}

/* For each tensor: the slope along its gradient, by central differences, is its square. */
static void
check_slopes(struct rig *r)
{
    backward(r);
    for (int i = 0; i < r->m.entries; i++) {
        const int n = r->table[i].rows * r->table[i].cols;
        float *w = r->m.table[i].at->p, *kept = mem_array((size_t)n, sizeof *kept);
        const float *g = r->table[i].at->p;
        double square = 0, loss[2];
        memcpy(kept, w, (size_t)n * sizeof *w);
        for (int k = 0; k < n; k++)
            square += (double)g[k] * g[k];
        const double h = 4e-3 / sqrt(square + 1e-30) * fmin(1, sqrt(square) / 0.05);
        for (int side = 0; side < 2; side++) {
            for (int k = 0; k < n; k++)
                w[k] = (float)(kept[k] + (side ? -h : h) * g[k]);
            loss[side] = forward(r);
        }
        memcpy(w, kept, (size_t)n * sizeof *w);
        const double slope = (loss[0] - loss[1]) / (2 * h);
        if (!(fabs(slope - square) <= 2e-2 * square + 2e-7 / h))
            fail_msg("%s: slope %g, gradient squared %g", r->table[i].name, slope, square);
        mem_free(kept);
    }
}

static void
slopes_without_dropout(void **state)
{
    struct rig *r = rig_new("0.0", "0.0", "0.0", "0.0");
    (void)state;
    r->s.drop_key = 99; /* probabilities of 0: nothing to drop */
    check_slopes(r);
    rig_free(r);
}

static void
slopes_with_dropout_everywhere(void **state)
{
    struct rig *r = rig_new("0.2", "0.1", "0.3", "0.25");
    (void)state;
    const double off = forward(r);
    r->s.drop_key = 99;
    const double on = forward(r);
    assert_true(on != off && on == forward(r)); /* it does drop, and the same each time */
    r->s.drop_key = 100;
    assert_true(on != forward(r));
    check_slopes(r);
    rig_free(r);
}

static void
slopes_without_windows(void **state)
{
    struct rig *r = rig_new("0.0", "0.0", "0.0", "0.0");
    (void)state;
    const double windows = forward(r);
    r->window_off = 1;
    assert_true(forward(r) != windows);
    check_slopes(r);
    rig_free(r);
}

/* torch's padding_idx: the row of pad_token_id gets no gradient, though it is in use. */
static void
the_padding_row_gets_no_gradient(void **state)
{
    struct rig *r = rig_new("0.0", "0.0", "0.0", "0.0");
    int others = 0;
    (void)state;
    backward(r);
    for (int row = 0; row < V; row++)
        for (int i = 0; i < r->m.cfg.hidden; i++) {
            const float g = mat_f32(r->g.E, row)[i];
            assert_true(row != PAD || g == 0);
            others += g != 0;
        }
    assert_true(others > 10 * r->m.cfg.hidden);
    rig_free(r);
}

static void
gradients_add_up(void **state)
{
    struct rig *r = rig_new("0.0", "0.0", "0.0", "0.0");
    (void)state;
    backward(r);
    float *once = mem_alloc(r->bytes), *twice = r->gradients;
    memcpy(once, r->gradients, r->bytes);
    mbert_backward(&r->m, &r->g, &r->s, &r->q, OP_MEAN);
    double error = 0, size = 0;
    for (size_t i = 0; i < r->bytes / sizeof *once; i++) {
        error += pow((double)twice[i] - 2.0 * once[i], 2);
        size += pow(2.0 * once[i], 2);
    }
    assert_true(error <= 1e-12 * size);
    mem_free(once);
    rig_free(r);
}

/* What acts_place measures is what it places, shared at inference, apart in training. */
static void
acts_fit_their_arena(void **state)
{
    struct rig *r = rig_new("0.0", "0.0", "0.0", "0.0");
    (void)state;
    for (int mode = ACTS_INFER; mode <= ACTS_TRAIN; mode++) {
        struct acts s = { 0 };
        struct arena a = { 0 };
        acts_place(&s, &a, &r->m, mode, F32, 37, 3);
        const size_t measured = a.used;
        assert_true(measured > 0 && !s.x.p && a.peak == measured);
        a = (struct arena){ .base = mem_aligned(measured, 64) };
        acts_place(&s, &a, &r->m, mode, F32, 37, 3);
        assert_int_equal(a.used, measured);
        assert_true((char *)(s.loss + 1) <= a.base + measured);
        assert_int_equal(s.layer[1].x.p == s.x.p, mode == ACTS_INFER);
        assert_int_equal(s.layer[0].qkv.p == s.layer[1].qkv.p, mode == ACTS_INFER);
        assert_int_equal(s.dx.p != NULL, mode == ACTS_TRAIN);
        assert_int_equal(s.logits.rows, 3);
        const struct acts half = acts_cut(&s, 20, 2);
        assert_int_equal(half.layer[3].qkv.rows, 20);
        assert_int_equal(half.logits.rows, 2);
        assert_int_equal(half.final.rows, 20);
        mem_free(a.base);
    }
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slopes_without_dropout),
        cmocka_unit_test(slopes_with_dropout_everywhere),
        cmocka_unit_test(slopes_without_windows),
        cmocka_unit_test(the_padding_row_gets_no_gradient),
        cmocka_unit_test(gradients_add_up),
        cmocka_unit_test(acts_fit_their_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
