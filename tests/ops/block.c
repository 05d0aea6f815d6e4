/* block - the block's fused ops: norm_qkv with rotation, norm_glu, and their gradients. */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"

struct shape { int D, heads, F, n, lengths[8]; };
static const struct shape shapes[] = {
    { 2, 1, 3, 1, { 1 } },
    { 64, 2, 65, 1, { 2 } },
    { 12, 1, 40, 1, { 3 } },
    { 192, 2, 130, 1, { 17 } },
    { 128, 1, 64, 1, { 64 } },
    { 96, 3, 257, 2, { 64, 1 } },
    { 64, 1, 100, 3, { 65, 2, 63 } },
    { 192, 3, 300, 4, { 130, 1, 17, 109 } },
    { 288, 3, 20, 2, { 0, 5 } },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct job {
    struct batch b;
    int heads, T, D, F;
    struct val x, stat, h, table, w, bias;
    struct refnorm n;
};

static void
job_make(struct rig *r, struct job *j, const struct shape *s, int out, int bias)
{
    *j = (struct job){
        .b = batch_of(s->lengths, s->n), .heads = s->heads, .D = s->D, .F = s->F
    };
    j->T = j->b.cu[s->n];
    j->x = val_random(r, j->T, s->D, 1);
    j->stat = val_zero(r, j->T, 2);
    j->n = (struct refnorm){ val_random(r, 1, s->D, 1), { 0 }, 1e-5 };
    j->h = ref_norm(r, j->x, j->n, j->stat);
    j->table = ref_rope_table(r, 140, s->D / s->heads, 10000);
    j->w = val_random(r, out, s->D, 1 / sqrt(s->D));
    j->bias = bias ? val_random(r, 1, out, 1) : (struct val){ 0 };
}

static struct weight
weight_of(struct rig *r, const struct job *j)
{
    struct weight W = { .w = box_put(r, j->w, 0) };
    if (j->bias.p)
        W.b = box_put(r, j->bias, 0);
    const size_t n = r->be->weight_size(r->c, W.w, WEIGHT_FORWARD);
    assert_int_equal(
        n, 0); /* F32 rows are used as they are; a backend that packs extends this */
    return W;
}

static void
norm_qkv_values(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 2 * SHAPES; i++, rig_case_end(r)) {
        struct job j;
        const int layer0 = i % 2;
        job_make(r, &j, &shapes[i / 2], 3 * shapes[i / 2].D, i / 2 % 2);
        struct val want = ref_linear(r, layer0 ? j.x : j.h, j.w, j.bias);
        ref_rope(want, j.table, j.heads, &j.b, 1);
        for (int k = 0; rig_turn(r, k); k++) {
            struct seqs s;
            r->be->seqs_make(r->c, &s, j.b.n, j.b.cu);
            assert_int_equal(s.rows, j.T);
            const struct weight W = weight_of(r, &j);
            const struct lnorm n = { .w = box_put(r, j.n.w, 0), .eps = 1e-5f };
            struct mat qkv = box_make(r, j.T, 3 * j.D, 2), h = box_make(r, j.T, j.D, 0),
                       x = box_put(r, j.x, 1);
            struct mat stat = box_make(r, j.T, 2, 0);
            const struct rope rope = { box_put(r, j.table, 0) };
            r->be->norm_qkv(r->c, qkv, layer0 ? (struct mat){ 0 } : stat, h, x,
                            layer0 ? NULL : &n, &W, rope, j.heads, &s);
            expect(r, "qkv", qkv, want, 1e-5);
            if (!layer0) {
                expect(r, "h", h, j.h, 5e-6);
                expect(r, "stat", stat, j.stat, 2e-6);
            }
            r->be->seqs_free(r->c, &s);
        }
    }
}

struct turned { const struct job *j; struct val y, dy; };

static double
rope_loss(const void *arg)
{
    const struct turned *a = arg;
    double loss = 0;
    struct val y = { a->y.rows, a->y.cols,
                     malloc(sizeof(double) * (size_t)a->y.rows * (size_t)a->y.cols) };
    memcpy(y.p, a->y.p, sizeof(double) * (size_t)y.rows * (size_t)y.cols);
    ref_rope(y, a->j->table, a->j->heads, &a->j->b, 1);
    loss = val_dot(y, a->dy);
    free(y.p);
    return loss;
}

static void
rope_gradient(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &shapes[i], 1, 0);
        struct val dy = val_random(r, j.T, 3 * j.D, 1), dx = val_copy(r, dy);
        ref_rope(dx, j.table, j.heads, &j.b, -1);
        const struct turned turned = { &j, val_random(r, j.T, 3 * j.D, 1), dy };
        check_slope(r, "rope", rope_loss, &turned, turned.y, dx);
        for (int k = 0; rig_turn(r, k); k++) {
            struct seqs s;
            r->be->seqs_make(r->c, &s, j.b.n, j.b.cu);
            struct mat d = box_put(r, dy, 3);
            r->be->rope_bwd(r->c, d, (struct rope){ box_put(r, j.table, 0) }, j.heads, &s);
            expect(r, "rope_bwd", d, dx, 1e-6);
            r->be->seqs_free(r->c, &s);
        }
    }
}

struct glu { struct val u, dg, g; enum act act; };

static void
glu_forward(struct val g, struct val u, enum act act)
{
    for (int t = 0; t < g.rows; t++)
        for (int i = 0; i < g.cols; i++)
            at(g, t)[i] = ref_act_one(at(u, t)[i], act, NULL) * at(u, t)[g.cols + i];
}

static double
glu_loss(const void *arg)
{
    const struct glu *a = arg;
    glu_forward(a->g, a->u, a->act);
    return val_dot(a->g, a->dg);
}

static struct val
glu_gradient(struct rig *r, const struct glu *a)
{
    struct val du = val_zero(r, a->u.rows, a->u.cols);
    const int F = a->g.cols;
    for (int t = 0; t < du.rows; t++)
        for (int i = 0; i < F; i++) {
            double slope;
            const double y = ref_act_one(at(a->u, t)[i], a->act, &slope);
            at(du, t)[i] = at(a->dg, t)[i] * at(a->u, t)[F + i] * slope;
            at(du, t)[F + i] = at(a->dg, t)[i] * y;
        }
    return du;
}

static void
norm_glu_values_and_gradient(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &shapes[i], 2 * shapes[i].F, i % 2);
        struct glu a = { ref_linear(r, j.h, j.w, j.bias), val_random(r, j.T, j.F, 1),
                         val_zero(r, j.T, j.F), (enum act)(i % 5) };
        glu_forward(a.g, a.u, a.act);
        struct val du = glu_gradient(r, &a);
        if (a.act != OP_RELU) /* its kink spoils a central difference */
            check_slope(r, "glu", glu_loss, &a, a.u, du);
        glu_forward(a.g, a.u, a.act);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct weight W = weight_of(r, &j);
            const struct lnorm n = { .w = box_put(r, j.n.w, 0), .eps = 1e-5f };
            const int gap = j.F % 8 != 0; /* else rows are aligned */
            struct mat g = box_make(r, j.T, j.F, gap),
                       u = box_make(r, j.T, 2 * j.F, 2 * gap), x = box_put(r, j.x, 3);
            struct mat h = box_make(r, j.T, j.D, 0), stat = box_make(r, j.T, 2, 0),
                       bare = box_make(r, j.T, j.F, 0);
            struct mat d = box_make(r, j.T, 2 * j.F, gap),
                       again = box_make(r, j.T, j.F, 4 * gap), ru = box_put(r, a.u, 0);
            const struct drop none = { 0 };
            r->be->norm_glu(r->c, g, u, stat, h, x, &n, &W, a.act, none);
            r->be->norm_glu(r->c, bare, (struct mat){ 0 }, (struct mat){ 0 }, h, x, &n, &W,
                            a.act, none);
            r->be->glu_bwd(r->c, d, again, box_put(r, a.dg, 2 * gap), ru, a.act, none);
            expect(r, "g", g, a.g, 1e-5);
            expect(r, "g at inference", bare, a.g, 1e-5);
            expect(r, "u", u, a.u, 1e-5);
            expect(r, "stat", stat, j.stat, 2e-6);
            expect(r, "du", d, du, 1e-5);
            expect(r, "g again", again, a.g, 1e-5);
        }
    }
}

/* Every activation and its slope over +-12 in steps, and where it must be exact. */
static void
activations(void **state)
{
    struct rig *r = *state;
    for (int act = OP_NONE; act <= OP_RELU; act++, rig_case_end(r)) {
        struct val u = val_zero(r, 1, 4801), slope, one = val_zero(r, 1, 4801);
        for (int i = 0; i < u.cols; i++) {
            u.p[i] = (double)(float)(0.005 * (i - 2400));
            one.p[i] = 1;
        }
        struct val y = ref_act(r, u, (enum act)act, &slope);
        const struct val id = { 1, 1, (double[]){ 1 } };
        struct val column = { u.cols, 1, u.p }, want = { y.cols, 1, y.p };
        for (int k = 0; rig_turn(r, k); k++) {
            struct mat d = box_make(r, 1, u.cols, 0), out = box_make(r, u.cols, 1, 0);
            const struct weight W = { .w = box_put(r, id, 0) };
            r->be->act_bwd(r->c, d, box_put(r, one, 0), box_put(r, u, 0), (enum act)act);
            r->be->linear(r->c, out, (struct mat){ 0 }, box_put(r, column, 0), &W,
                          (enum act)act);
            expect_floor(r, "slope", d, slope, 8e-7, 1);
            expect(r, "activation", out, want, 4e-7);
        }
    }
}

static void
activations_keep_nan_and_limits(void **state)
{
    struct rig *r = *state;
    static const float in[4] = { NAN, INFINITY, -200, 200 };
    for (int act = OP_GELU; act <= OP_RELU; act++) {
        float got[4];
        r->c = r->all[0];
        const struct weight W = { .w = box_put(r, (struct val){ 1, 1, (double[]){ 1 } },
                                               0) };
        struct mat x = box_make(r, 4, 1, 0), y = box_make(r, 4, 1, 0);
        r->be->upload(r->c, x.p, in, sizeof in);
        r->be->linear(r->c, y, (struct mat){ 0 }, x, &W, (enum act)act);
        r->be->download(r->c, got, y.p, sizeof got);
        assert_true(isnan(got[0]));
        assert_true(got[1] == INFINITY && fabsf(got[2]) < 1e-30f && got[3] == 200);
        rig_drop_boxes(r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(norm_qkv_values),
        RIG_TEST(rope_gradient),
        RIG_TEST(norm_glu_values_and_gradient),
        RIG_TEST(activations),
        RIG_TEST(activations_keep_nan_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
