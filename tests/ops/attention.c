/* attention - forward and backward against dense softmax in double, over lengths, windows
 * and head sizes. */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"

struct shape { int heads, size, window, n, lengths[8]; };
/* lengths of one query block and around it; windows inside, across and beyond tiles; empty
 * sequences */
static const struct shape shapes[] = {
    { 1, 2, -1, 1, { 1 } },
    { 2, 32, 1, 1, { 2 } },
    { 3, 64, 8, 1, { 3 } },
    { 2, 96, -1, 1, { 17 } },
    { 1, 128, 64, 1, { 64 } },
    { 2, 64, 64, 1, { 65 } },
    { 2, 32, 8, 1, { 130 } },
    { 2, 64, -1, 1, { 257 } },
    { 2, 64, 64, 1, { 257 } },
    { 1, 128, 1, 1, { 257 } },
    { 3, 2, 0, 2, { 64, 66 } },
    { 2, 96, 64, 4, { 130, 1, 257, 17 } },
    { 2, 32, -1, 7, { 3, 65, 1, 130, 2, 64, 17 } },
    { 2, 64, 8, 5, { 17, 0, 65, 3, 0 } },
    { 1, 32, 300, 1, { 700 } },
    { 1, 64, -1, 2, { 513, 5 } },
    { 4, 10, 100, 2, { 256, 320 } },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct job { struct refattn a; struct batch b; struct val qkv, o, lse; };

static struct val
columns(struct rig *r, struct val v, int from, int n)
{
    struct val c = val_zero(r, v.rows, n);
    for (int t = 0; t < v.rows; t++)
        memcpy(at(c, t), at(v, t) + from, (size_t)n * sizeof(double));
    return c;
}

static void
job_make(struct rig *r, struct job *j, const struct shape *s, double spread)
{
    const int D = s->heads * s->size;
    j->b = batch_of(s->lengths, s->n);
    const int T = j->b.cu[s->n];
    j->qkv = val_random(r, T, 3 * D, spread);
    j->a = (struct refattn){
        .q = columns(r, j->qkv, 0, D),
        .k = columns(r, j->qkv, D, D),
        .v = columns(r, j->qkv, 2 * D, D),
        .dout = val_random(r, T, D, 1),
        .b = &j->b,
        .heads = s->heads,
        .window = s->window,
        .scale = 1 / sqrt(s->size),
    };
    j->o = val_zero(r, T, D);
    j->lse = val_zero(r, T, s->heads);
}

static struct val
gradient(struct rig *r, const struct job *j)
{
    const int D = j->o.cols, T = j->o.rows;
    struct val d[3], all = val_zero(r, T, 3 * D);
    for (int i = 0; i < 3; i++)
        d[i] = val_zero(r, T, D);
    ref_attention_bwd(d[0], d[1], d[2], &j->a);
    for (int i = 0; i < 3; i++)
        for (int t = 0; t < T; t++)
            memcpy(at(all, t) + i * D, at(d[i], t), (size_t)D * sizeof(double));
    return all;
}

static void
compare(struct rig *r, const struct job *j, struct val want, struct drop drop, double tol)
{
    const int D = j->o.cols, T = j->o.rows, H = j->a.heads;
    const float scale = (float)j->a.scale;
    for (int turn = 0; rig_turn(r, turn); turn++) {
        const struct ops *be = r->be;
        struct seqs s;
        be->seqs_make(r->c, &s, j->b.n, j->b.cu);
        struct mat qkv = box_put(r, j->qkv, 2), o = box_make(r, T, D, 3),
                   bare = box_make(r, T, D, 0);
        struct mat lse = box_make(r, T, H, 0), dqkv = box_make(r, T, 3 * D, 1),
                   dout = box_put(r, j->a.dout, 5);
        const struct mat q = mat_cols(qkv, 0, D), k = mat_cols(qkv, D, D),
                         v = mat_cols(qkv, 2 * D, D);
        be->attention(r->c, o, lse, q, k, v, H, &s, j->a.window, scale, drop);
        be->attention(r->c, bare, (struct mat){ 0 }, q, k, v, H, &s, j->a.window, scale,
                      drop);
        be->attention_bwd(r->c, mat_cols(dqkv, 0, D), mat_cols(dqkv, D, D),
                          mat_cols(dqkv, 2 * D, D), dout, o, lse, q, k, v, H, &s,
                          j->a.window, scale, drop);
        expect(r, "o", o, j->o, tol);
        expect(r, "o without lse", bare, j->o, tol);
        expect_floor(r, "lse", lse, j->lse, 2e-6, 1);
        expect_floor(r, "dqkv", dqkv, want, 2 * tol, 1e-3);
        expect(r, "qkv", qkv, j->qkv, 0);
        be->seqs_free(r->c, &s);
    }
}

static void
values_and_gradients(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &shapes[i], 1);
        ref_attention(j.o, j.lse, &j.a);
        compare(r, &j, gradient(r, &j), (struct drop){ 0 }, 1e-5);
    }
}

/* Scores of +-100 and more: the online softmax must rescale, and most keys vanish. */
static void
peaked_scores(void **state)
{
    struct rig *r = *state;
    static const struct shape peaked[] = { { 2, 64, -1, 1, { 600 } },
                                           { 1, 32, 64, 2, { 130, 65 } } };
    for (int i = 0; i < 2; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &peaked[i], 6);
        ref_attention(j.o, j.lse, &j.a);
        /* a score's own rounding, 1e-5, is what its probability loses */
        compare(r, &j, gradient(r, &j), (struct drop){ 0 }, 3e-4);
    }
}

struct loss { const struct job *j; };

static double
attention_loss(const void *arg)
{
    const struct job *j = ((const struct loss *)arg)->j;
    ref_attention(j->o, j->lse, &j->a);
    return val_dot(j->o, j->a.dout);
}

static void
reference_is_a_gradient(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        struct job j;
        if (shapes[i].lengths[0] > 130)
            continue;
        job_make(r, &j, &shapes[i], 1);
        struct val all = gradient(r, &j);
        const struct val x[] = { j.a.q, j.a.k, j.a.v };
        for (int k = 0; k < 3; k++)
            check_slope(r, "attention", attention_loss, &(struct loss){ &j }, x[k],
                        columns(r, all, k * j.o.cols, j.o.cols));
    }
}

/*
 * Dropout of probabilities.  The mask is the backend's own, so it is read back through the
 * op: with all scores equal and v the unit vectors of one sequence of K keys, o / p is the
 * factor of each (row, head, key).
 */
struct mask { int T, heads; double *factor; };

static double
mask_factor(const void *arg, int t, int head, int key)
{
    const struct mask *m = arg;
    return m->factor[(t * m->heads + head) * m->T + key];
}

static struct mask
mask_read(struct rig *r, int T, int heads, struct drop drop)
{
    struct mask m = { T, heads, calloc((size_t)(T * heads * T), sizeof(double)) };
    struct val zero = val_zero(r, T, heads * T), unit = val_zero(r, T, heads * T);
    const int cu[] = { 0, T };
    struct seqs s;
    for (int t = 0; t < T; t++)
        for (int h = 0; h < heads; h++)
            at(unit, t)[h * T + t] = T;
    r->be->seqs_make(r->c, &s, 1, cu);
    struct mat q = box_put(r, zero, 0), v = box_put(r, unit, 0),
               o = box_make(r, T, heads * T, 0);
    r->be->attention(r->c, o, (struct mat){ 0 }, q, q, v, heads, &s, -1, 1, drop);
    float *got = malloc((size_t)(T * heads * T) * sizeof *got);
    r->be->download(r->c, got, o.p, (size_t)(T * heads * T) * sizeof *got);
    for (int i = 0; i < T * heads * T; i++)
        m.factor[i] = (double)got[i];
    free(got);
    r->be->seqs_free(r->c, &s);
    rig_drop_boxes(r);
    return m;
}

static void
dropout_of_probabilities(void **state)
{
    struct rig *r = *state;
    static const struct shape shape = { 2, 64, 20, 1, { 64 } };
    const struct drop drop = { 0.25f, 77 };
    struct mask m = mask_read(r, 64, 2, drop);
    struct job j;
    int zero = 0, kept = 0;
    for (int i = 0; i < 64 * 2 * 64; i++) {
        zero += m.factor[i] == 0;
        kept += fabs(m.factor[i] - 1 / 0.75) < 1e-5;
    }
    assert_int_equal(zero + kept, 64 * 2 * 64);
    assert_in_range(zero, 1850, 2250); /* 2048 +- 5 deviations */
    job_make(r, &j, &shape, 1);
    j.a.keep = mask_factor;
    j.a.arg = &m;
    ref_attention(j.o, j.lse, &j.a);
    struct val all = gradient(r, &j);
    check_slope(r, "dropout dq", attention_loss, &(struct loss){ &j }, j.a.q,
                columns(r, all, 0, 128));
    check_slope(r, "dropout dv", attention_loss, &(struct loss){ &j }, j.a.v,
                columns(r, all, 256, 128));
    ref_attention(j.o, j.lse, &j.a);
    compare(r, &j, all, drop, 1e-5);
    free(m.factor);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(values_and_gradients),
        RIG_TEST(peaked_scores),
        RIG_TEST(reference_is_a_gradient),
        RIG_TEST(dropout_of_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
