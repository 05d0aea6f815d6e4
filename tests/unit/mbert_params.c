/* mbert_params - the one table: names, shapes, decay, mirrors, how new tensors begin. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "common/mbert/params.h"

static struct entry table[PARAMS_MAX], mirror[PARAMS_MAX];
static struct params weights, moments;

static struct config
small(void)
{
    return (struct config){ .hidden = 64,
                            .layers = 2,
                            .heads = 2,
                            .head_size = 32,
                            .ffn = 96,
                            .vocab = 300,
                            .norm_eps = 1e-6,
                            .initializer_range = 0.02,
                            .initializer_cutoff = 2 };
}

static const struct entry *
named(int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(table[i].name, name))
            return &table[i];
    return NULL;
}

static void
names_are_those_of_transformers(void **state)
{
    static const char *const want[] = {
        "model.embeddings.tok_embeddings.weight",
        "model.embeddings.norm.weight",
        "model.layers.0.attn.Wqkv.weight",
        "model.layers.0.attn.Wo.weight",
        "model.layers.0.mlp_norm.weight",
        "model.layers.0.mlp.Wi.weight",
        "model.layers.0.mlp.Wo.weight",
        "model.layers.1.attn_norm.weight",
        "model.layers.1.attn.Wqkv.weight",
        "model.layers.1.attn.Wo.weight",
        "model.layers.1.mlp_norm.weight",
        "model.layers.1.mlp.Wi.weight",
        "model.layers.1.mlp.Wo.weight",
        "model.final_norm.weight",
        "head.dense.weight",
        "head.norm.weight",
        "classifier.weight",
        "classifier.bias",
    };
    const int wanted = sizeof want / sizeof *want;
    struct config c = small();
    (void)state;
    assert_int_equal(params_table(table, &c, HEAD_SEQUENCE, 3, &weights), wanted);
    for (int i = 0; i < wanted; i++)
        assert_string_equal(table[i].name, want[i]);
    assert_int_equal(params_table(table, &c, HEAD_NONE, 0, &weights), 14);
    assert_string_equal(table[13].name, "final_norm.weight");
    c.decoder_bias = 1;
    const int mlm = params_table(table, &c, HEAD_MLM, 0, &weights);
    assert_string_equal(table[mlm - 1].name, "decoder.bias");
    assert_int_equal(table[mlm - 1].cols, c.vocab);
}

static void
biases_come_with_their_keys(void **state)
{
    struct config c = small();
    (void)state;
    const int n = params_table(table, &c, HEAD_SEQUENCE, 3, &weights);
    c.attention_bias = 1;
    assert_int_equal(params_table(table, &c, HEAD_SEQUENCE, 3, &weights), n + 4);
    c.mlp_bias = 1;
    assert_int_equal(params_table(table, &c, HEAD_SEQUENCE, 3, &weights), n + 8);
    c.classifier_bias = 1;
    assert_int_equal(params_table(table, &c, HEAD_SEQUENCE, 3, &weights), n + 9);
    c.norm_bias = 1; /* embeddings, 1 + 2 in the layers, final, head */
    assert_int_equal(params_table(table, &c, HEAD_SEQUENCE, 3, &weights), n + 15);
}

static void
what_decays_is_what_has_two_dimensions(void **state)
{
    struct config c = small();
    (void)state;
    c.attention_bias = c.mlp_bias = c.norm_bias = c.classifier_bias = 1;
    const int n = params_table(table, &c, HEAD_SEQUENCE, 3, &weights);
    for (int i = 0; i < n; i++) {
        const int vector = strstr(table[i].name, "norm") || strstr(table[i].name, ".bias");
        assert_int_equal(table[i].vector, vector);
        assert_int_equal(table[i].decays, !vector);
    }
}

static void
a_second_table_mirrors_the_first(void **state)
{
    struct config c = small();
    struct arena a = { 0 };
    (void)state;
    const int n = params_table(table, &c, HEAD_SEQUENCE, 3, &weights);
    assert_int_equal(params_table(mirror, &c, HEAD_SEQUENCE, 3, &moments), n);
    params_place(&a, mirror, n);
    const size_t measured = a.used;
    a = (struct arena){ .base = mem_aligned(measured, 64) };
    params_place(&a, mirror, n);
    assert_int_equal(a.used, measured);
    const char *before = a.base;
    for (int i = 0; i < n; i++) {
        const struct mat m = *mirror[i].at;
        assert_string_equal(table[i].name, mirror[i].name);
        assert_int_equal((char *)table[i].at - (char *)&weights,
                         (char *)mirror[i].at - (char *)&moments);
        assert_int_equal((uintptr_t)m.p % 64, 0);
        assert_true((char *)m.p >= before && m.rows == table[i].rows &&
                    m.cols == table[i].cols && m.ld == m.cols);
        before = (char *)m.p + (size_t)m.rows * (size_t)m.cols * sizeof(float);
    }
    assert_true(before <= a.base + measured);
    mem_free(a.base);
}

/* A normal truncated at c: variance 1 - 2 c phi(c) / (2 Phi(c) - 1), 0.7737 for c = 2. */
static void
new_tensors_begin_as_in_transformers(void **state)
{
    static const struct { const char *name; double std; } want[] = {
        { "model.layers.1.attn.Wqkv.weight", 0.02 },
        { "model.layers.0.mlp.Wi.weight", 0.02 },
        { "model.embeddings.tok_embeddings.weight", 0.02 },
        { "model.layers.1.attn.Wo.weight", 0.01 },
        { "model.layers.0.mlp.Wo.weight", 0.01 },
        { "head.dense.weight", 0.01 },
        { "classifier.weight", 0.125 },
    };
    struct config c = small();
    (void)state;
    const int n = params_table(table, &c, HEAD_SEQUENCE, 60, &weights);
    for (size_t k = 0; k < sizeof want / sizeof *want; k++) {
        struct entry e = *named(n, want[k].name);
        const int count = e.rows * e.cols;
        float *w = mem_array((size_t)count, sizeof *w),
              *again = mem_array((size_t)count, sizeof *w);
        struct mat m = mat_of(w, e.rows, e.cols, F32);
        double sum = 0, square = 0, most = 0;
        e.at = &m;
        params_init(&e, 7, 3, 2);
        for (int i = 0; i < count; i++) {
            sum += w[i];
            square += (double)w[i] * w[i];
            most = fmax(most, fabs(w[i]));
        }
        const double std = sqrt(square / count), expected = want[k].std * sqrt(0.7737);
        assert_true(fabs(std / expected - 1) < 5 / sqrt(2.0 * count));
        assert_true(fabs(sum / count) < 5 * expected / sqrt(count));
        assert_true(most <= 2 * want[k].std * (1 + 1e-6) && most > 1.9 * want[k].std);
        memcpy(again, w, (size_t)count * sizeof *w);
        params_init(&e, 7, 3, 2);
        assert_memory_equal(w, again, (size_t)count * sizeof *w);
        params_init(&e, 8, 3, 2);
        assert_memory_not_equal(w, again, (size_t)count * sizeof *w);
        mem_free(w);
        mem_free(again);
    }
}

static void
new_norms_are_ones_and_biases_zeros(void **state)
{
    struct config c = small();
    float w[64];
    struct mat m = mat_of(w, 1, 64, F32);
    (void)state;
    c.norm_bias = 1;
    const int n = params_table(table, &c, HEAD_SEQUENCE, 64, &weights);
    struct entry norm = *named(n, "model.final_norm.weight"),
                 shift = *named(n, "model.final_norm.bias");
    norm.at = shift.at = &m;
    params_init(&norm, 1, 0, 2);
    for (int i = 0; i < 64; i++)
        assert_true(w[i] == 1);
    params_init(&shift, 1, 0, 2);
    for (int i = 0; i < 64; i++)
        assert_true(w[i] == 0);
    assert_true(weights.final_norm.eps == 1e-6f && weights.layer[1].attn_norm.eps == 1e-6f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_those_of_transformers),
        cmocka_unit_test(biases_come_with_their_keys),
        cmocka_unit_test(what_decays_is_what_has_two_dimensions),
        cmocka_unit_test(a_second_table_mirrors_the_first),
        cmocka_unit_test(new_tensors_begin_as_in_transformers),
        cmocka_unit_test(new_norms_are_ones_and_biases_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
