/* rows - pooling, gathering, adding, dropout, memory, and finding a backend. */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"

static const struct { int D, n, lengths[8];
} shapes[] = {
    { 1, 1, { 1 } },          { 7, 2, { 2, 3 } },
    { 64, 3, { 17, 1, 64 } }, { 130, 4, { 65, 0, 130, 62 } },
    { 768, 1, { 257 } },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct pooled { struct val h, p, dp; const struct batch *b; enum pool_kind kind; };

static double
pool_loss(const void *arg)
{
    const struct pooled *a = arg;
    for (int s = 0; s < a->b->n; s++)
        for (int i = 0; i < a->h.cols; i++) {
            const int first = a->b->cu[s], end = a->b->cu[s + 1];
            double sum = 0;
            for (int t = first; t < end; t++)
                sum += at(a->h, t)[i];
            at(a->p, s)[i] = first == end        ? 0
                             : a->kind == OP_CLS ? at(a->h, first)[i]
                                                 : sum / (end - first);
        }
    return val_dot(a->p, a->dp);
}

static struct val
pool_gradient(struct rig *r, const struct pooled *a)
{
    struct val dh = val_zero(r, a->h.rows, a->h.cols);
    for (int s = 0; s < a->b->n; s++)
        for (int t = a->b->cu[s]; t < a->b->cu[s + 1]; t++)
            for (int i = 0; i < dh.cols; i++)
                at(dh, t)[i] = a->kind == OP_MEAN
                                   ? at(a->dp, s)[i] / (a->b->cu[s + 1] - a->b->cu[s])
                               : t == a->b->cu[s] ? at(a->dp, s)[i]
                                                  : 0;
    return dh;
}

static void
pooling(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 2 * SHAPES; i++, rig_case_end(r)) {
        const struct batch b = batch_of(shapes[i / 2].lengths, shapes[i / 2].n);
        const int D = shapes[i / 2].D, T = b.cu[b.n];
        const struct pooled a = { val_random(r, T, D, 1), val_zero(r, b.n, D),
                                  val_random(r, b.n, D, 1), &b, i % 2 ? OP_MEAN : OP_CLS };
        struct val dh = pool_gradient(r, &a);
        check_slope(r, "pool", pool_loss, &a, a.h, dh);
        pool_loss(&a);
        for (int k = 0; rig_turn(r, k); k++) {
            struct seqs s;
            r->be->seqs_make(r->c, &s, b.n, b.cu);
            struct mat p = box_make(r, b.n, D, 1), d = box_make(r, T, D, 2);
            r->be->pool(r->c, p, box_put(r, a.h, 3), &s, a.kind);
            r->be->pool_bwd(r->c, d, box_put(r, a.dp, 1), &s, a.kind);
            expect(r, "pool", p, a.p, 1e-6);
            expect(r, "pool_bwd", d, dh, 1e-6);
            r->be->seqs_free(r->c, &s);
        }
    }
}

static void
gather_scatter_add(void **state)
{
    struct rig *r = *state;
    static const int rows[] = { 64, 0, 3, 3, 17, 129, 65, 1 };
    enum { N = sizeof rows / sizeof *rows, T = 130, D = 33 };
    struct val x = val_random(r, T, D, 1), y = val_zero(r, N, D),
               base = val_random(r, T, D, 1);
    struct val back = val_copy(r, base), sum = ref_add(r, base, x);
    for (int i = 0; i < N; i++) {
        memcpy(at(y, i), at(x, rows[i]), D * sizeof(double));
        memcpy(at(back, rows[i]), at(x, rows[i]), D * sizeof(double));
    }
    for (int k = 0; rig_turn(r, k); k++) {
        int *const d = box_ints(r, rows, N);
        struct mat from = box_put(r, x, 2), got = box_make(r, N, D, 1),
                   to = box_put(r, base, 3), s = box_put(r, base, 4);
        r->be->gather_rows(r->c, got, from, d);
        r->be->scatter_rows(r->c, to, got, d);
        r->be->add(r->c, s, from);
        expect(r, "gather", got, y, 0);
        expect(r, "scatter", to, back, 0);
        expect(r, "add", s, sum, 1e-6);
    }
}

/* The share kept, the factor, and that it is a function of (key, element) alone. */
static void
dropout_is_a_function_of_key_and_element(void **state)
{
    struct rig *r = *state;
    enum { T = 130, D = 100 };
    struct val x = val_random(r, T, D, 1), one = val_zero(r, T, D),
               want = val_zero(r, T, D);
    const struct drop drop = { 0.1f, 5 }, other = { 0.1f, 6 };
    float *keep = malloc(T * D * sizeof *keep), *keep2 = malloc(T * D * sizeof *keep2);
    for (int i = 0; i < T * D; i++)
        one.p[i] = 1;
    for (int k = 0; rig_turn(r, k); k++) {
        struct mat m = box_put(r, one, 0), m2 = box_put(r, one, 0), in = box_put(r, x, 1);
        r->be->dropout(r->c, m, m, drop);
        r->be->dropout(r->c, m2, m2, other);
        r->be->download(r->c, keep, m.p, T * D * sizeof *keep);
        r->be->download(r->c, keep2, m2.p, T * D * sizeof *keep2);
        int zero = 0, differ = 0;
        for (int i = 0; i < T * D; i++) {
            assert_true(keep[i] == 0 || fabs((double)keep[i] - 1 / 0.9) < 1e-6);
            zero += keep[i] == 0;
            differ += keep[i] != keep2[i];
            want.p[i] = x.p[i] * (double)keep[i];
        }
        assert_in_range(zero, 1130, 1470); /* 1300 +- 5 deviations */
        assert_in_range(differ, 2000, 2700);
        r->be->dropout(r->c, in, in, drop);
        expect(r, "dropout", in, want, 1e-6);
        r->be->dropout(r->c, m2, box_put(r, x, 0), (struct drop){ 0, 5 });
        expect(r, "p 0 copies", m2, x, 0);
    }
    free(keep);
    free(keep2);
}

/* The dropouts inside other ops are the dropout op on what they dropped. */
static void
dropout_inside_ops(void **state)
{
    struct rig *r = *state;
    enum { T = 70, D = 24, F = 300 };
    const struct drop drop = { 0.3f, 11 };
    struct val x = val_random(r, T, D, 1), w = val_random(r, D, D, 0.2),
               wi = val_random(r, 2 * F, D, 0.2);
    struct val nw = val_random(r, 1, D, 1), zero = val_zero(r, T, D),
               dg = val_random(r, T, F, 1);
    for (int k = 0; rig_turn(r, k); k++) {
        const struct ops *be = r->be;
        const struct lnorm n = { .w = box_put(r, nw, 0), .eps = 1e-5f };
        const struct weight W = { .w = box_put(r, w, 0) }, Wi = { .w = box_put(r, wi, 0) };
        struct mat in = box_put(r, x, 0), a[6], h = box_make(r, T, D, 0),
                   u = box_make(r, T, 2 * F, 0);
        for (int i = 0; i < 6; i++)
            a[i] = box_make(r, T, i < 2 ? D : F, 0);
        be->linear_add(r->c, a[0], in, &W, box_put(r, zero, 0), drop);
        be->linear(r->c, a[1], (struct mat){ 0 }, in, &W, OP_NONE);
        be->dropout(r->c, a[1], a[1], drop);
        be->norm_glu(r->c, a[2], u, (struct mat){ 0 }, h, in, &n, &Wi, OP_GELU, drop);
        be->norm_glu(r->c, a[3], u, (struct mat){ 0 }, h, in, &n, &Wi, OP_GELU,
                     (struct drop){ 0 });
        be->dropout(r->c, a[3], a[3], drop);
        /* backward: dg dropped first; and forward's g again */
        struct mat d[2] = { box_make(r, T, 2 * F, 0), box_make(r, T, 2 * F, 0) },
                   g = box_put(r, dg, 0);
        be->glu_bwd(r->c, d[0], a[4], g, u, OP_GELU, drop);
        be->dropout(r->c, g, g, drop);
        be->glu_bwd(r->c, d[1], a[5], g, u, OP_GELU, (struct drop){ 0 });
        float *p = malloc(2 * T * 2 * F * sizeof *p), *q = p + T * 2 * F;
        const struct mat pairs[][2] = {
            { a[0], a[1] }, { a[2], a[3] }, { a[4], a[2] }, { d[0], d[1] }
        };
        for (int i = 0; i < 4; i++) {
            const size_t n_bytes = (size_t)T * (size_t)pairs[i][0].cols * sizeof *p;
            be->download(r->c, p, pairs[i][0].p, n_bytes);
            be->download(r->c, q, pairs[i][1].p, n_bytes);
            for (int e = 0; e < T * pairs[i][0].cols; e++)
                if (!(fabs((double)p[e] - (double)q[e]) <=
                      1e-6 * fabs((double)q[e]) + 1e-7))
                    fail_msg("pair %d element %d: %.9g, %.9g", i, e, (double)p[e],
                             (double)q[e]);
        }
        free(p);
    }
}

static void
dropout_of_the_embedding(void **state)
{
    struct rig *r = *state;
    enum { T = 70, D = 24, V = 9 };
    const struct drop drop = { 0.3f, 12 };
    int ids[T];
    for (int t = 0; t < T; t++)
        ids[t] = t * 7 % V;
    struct val E = val_random(r, V, D, 1), nw = val_random(r, 1, D, 1),
               dy = val_random(r, T, D, 1);
    struct val zero = val_zero(r, V, D), zero1 = val_zero(r, 1, D);
    for (int k = 0; rig_turn(r, k); k++) {
        const struct ops *be = r->be;
        const struct lnorm n = { .w = box_put(r, nw, 0), .eps = 1e-5f };
        struct mat e = box_put(r, E, 0), x[2], g[2], stat = box_make(r, T, 2, 0),
                   d = box_put(r, dy, 0);
        int *const id = box_ints(r, ids, T);
        for (int i = 0; i < 2; i++) {
            x[i] = box_make(r, T, D, 0);
            g[i] = box_put(r, zero, 0);
            const struct drop own = i ? (struct drop){ 0 } : drop;
            be->embed_norm(r->c, x[i], stat, id, e, &n, own);
            if (i) {
                be->dropout(r->c, x[i], x[i], drop);
                be->dropout(r->c, d, d, drop);
            }
            be->embed_norm_bwd(r->c, g[i], box_put(r, zero1, 0), (struct mat){ 0 }, d, id,
                               e, stat, &n, own);
        }
        float p[2][T * D];
        for (int i = 0; i < 2; i++)
            be->download(r->c, p[i], x[i].p, sizeof p[i]);
        assert_memory_equal(p[0], p[1], sizeof p[0]);
        for (int i = 0; i < 2; i++)
            be->download(r->c, p[i], g[i].p, V * D * sizeof(float));
        assert_memory_equal(p[0], p[1], V * D * sizeof(float));
    }
}

static void
memory_is_aligned_and_zero(void **state)
{
    struct rig *r = *state;
    static const size_t sizes[] = { 0, 1, 63, 64, 4096, 1 << 20 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *p = r->be->alloc(r->c, sizes[i]), *h = r->be->host_alloc(r->c, sizes[i]);
        assert_int_equal((uintptr_t)p % 64, 0);
        r->be->download(r->c, h, p, sizes[i]);
        for (size_t b = 0; b < sizes[i]; b++)
            assert_int_equal(h[b], 0);
        memset(h, 7, sizes[i]);
        r->be->upload(r->c, p, h, sizes[i]);
        r->be->zero(r->c, p, sizes[i] / 2);
        r->be->download(r->c, h, p, sizes[i]);
        r->be->sync(r->c);
        for (size_t b = 0; b < sizes[i]; b++)
            assert_int_equal(h[b], b < sizes[i] / 2 ? 0 : 7);
        r->be->free(r->c, p);
        r->be->host_free(r->c, h);
    }
    r->be->free(r->c, NULL);
}

static void
backends_by_name(void **state)
{
    struct rig *r = *state;
    assert_string_equal(ops_find("cpu")->name, "cpu");
    assert_non_null(ops_find("auto"));
    assert_null(ops_find("tpu"));
    assert_null(ops_find(""));
    const char *about = r->be->about(r->c);
    assert_int_equal(strncmp(about, r->be->name, strlen(r->be->name)), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(pooling),
        RIG_TEST(gather_scatter_add),
        RIG_TEST(dropout_is_a_function_of_key_and_element),
        RIG_TEST(dropout_inside_ops),
        RIG_TEST(dropout_of_the_embedding),
        RIG_TEST(memory_is_aligned_and_zero),
        RIG_TEST(backends_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
