/*
 * backward - every backward op over BF16 activations (attention's: attention_bwd.c), by each
 * instruction set that has it, against the double reference of the same rounded inputs.  What
 * is summed in F32 from exact products is held to F32's error; what passes through BF16
 * inside to that.
 */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"
#include "tests/ops/half.h"

/* ---- linear ------------------------------------------------------------------------- */
static const int shapes[][3] = {
    /* rows, in, out */
    { 1, 32, 32 },   { 17, 96, 64 },   { 33, 64, 192 },  { 65, 40, 72 },
    { 513, 64, 96 }, { 600, 33, 130 }, { 130, 160, 800 },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* The blob of dx = dy w; a backend that has none of its own multiplies the other. */
static struct weight
weight_of(struct rig *r, struct val w)
{
    struct weight W = { .w = box_put(r, w, 0) };
    const int own = r->be->weight_size(r->c, W.w, WEIGHT_BACKWARD) > 0;
    const enum weight_use use = own ? WEIGHT_BACKWARD : WEIGHT_FORWARD;
    void *blob = r->be->alloc(r->c, r->be->weight_size(r->c, W.w, use));
    r->be->weight_pack(r->c, blob, W.w, use);
    *(own ? &W.bwd : &W.fwd) = blob;
    return W;
}

static void
weight_drop(struct rig *r, const struct weight *W)
{
    r->be->free(r->c, W->bwd ? W->bwd : W->fwd);
}

struct linear { struct val x, w, dy, dx, dw, db; };

static struct linear
linear_of(struct rig *r, const int *s)
{
    struct linear j = { val_half(r, s[0], s[1], 1), val_half(r, s[2], s[1], 1 / sqrt(s[1])),
                        val_half(r, s[0], s[2], 1), val_zero(r, s[0], s[1]),
                        val_zero(r, s[2], s[1]),    val_zero(r, 1, s[2]) };
    ref_linear_bwd(j.dx, j.dw, j.db, j.dy, j.x, j.w);
    return j;
}

static void
linear_dx(void **state)
{
    struct rig *r = rig_of(state);
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        const struct linear j = linear_of(r, shapes[i]);
        struct val x0 = val_random(r, j.dx.rows, j.dx.cols, 1), x1 = ref_add(r, x0, j.dx);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct weight W = weight_of(r, j.w);
            struct mat half = half_put(r, j.dy, 2), full = box_put(r, j.dy, 1),
                       a = box_make_as(r, j.dx.rows, j.dx.cols, 3, BF16),
                       b = box_make_as(r, j.dx.rows, j.dx.cols, 0, BF16),
                       more = box_put(r, x0, 1);
            r->be->linear_dx(r->c, a, half, &W, 0);
            r->be->linear_dx(r->c, b, full, &W, 0);
            r->be->linear_dx(r->c, more, half, &W, 1);
            expect(r, "dx", a, j.dx, 1e-5);
            expect(r, "dx of F32", b, j.dx, 1e-5);
            expect(r, "dx accumulated", more, x1, 1e-5);
            weight_drop(r, &W);
        }
    }
}

static void
linear_dw(void **state)
{
    struct rig *r = rig_of(state);
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        const struct linear j = linear_of(r, shapes[i]);
        struct val w0 = val_random(r, j.dw.rows, j.dw.cols, 1), w1 = ref_add(r, w0, j.dw);
        struct val b0 = val_random(r, 1, j.db.cols, 1), b1 = ref_add(r, b0, j.db);
        for (int k = 0; rig_turn(r, k); k++) {
            struct mat dy[2] = { half_put(r, j.dy, 2), box_put(r, j.dy, 1) },
                       x[2] = { half_put(r, j.x, 3), box_put(r, j.x, 5) };
            for (int t = 0; t < 3; t++) { /* one of the two may be F32 */
                struct mat dw = box_put(r, w0, 0), db = box_put(r, b0, 0);
                r->be->linear_dw(r->c, dw, t ? db : (struct mat){ 0 }, dy[t & 1], x[t >> 1]);
                expect(r, "dw", dw, w1, 1e-5);
                expect(r, "db", db, t ? b1 : b0, 1e-5);
            }
            struct mat alone = box_put(r, b0, 0);
            r->be->linear_dw(r->c, (struct mat){ 0 }, alone, dy[0], x[0]);
            expect(r, "db without dw", alone, b1, 1e-5);
        }
    }
}

/* ---- GLU, rotation, LayerNorm, dropout ---------------------------------------------- */
static void
glu_values(void **state)
{
    struct rig *r = rig_of(state);
    for (int i = 0; i < 10; i++, rig_case_end(r)) {
        const enum act act = (enum act)(i / 2);
        const int T = 33, F = 32 + 24 * (i / 2), gap = i % 2; /* 0: rows are aligned */
        struct val u = val_half(r, T, 2 * F, 2), dg = val_half(r, T, F, 1),
                   du = val_zero(r, T, 2 * F), g = val_zero(r, T, F);
        for (int t = 0; t < T; t++)
            for (int c = 0; c < F; c++) {
                double slope, d = at(dg, t)[c], b = at(u, t)[F + c];
                const double a = ref_act_one(at(u, t)[c], act, &slope);
                at(g, t)[c] = a * b;
                at(du, t)[c] = d * b * slope;
                at(du, t)[F + c] = d * a;
            }
        for (int k = 0; rig_turn(r, k); k++) {
            struct mat gu = box_make_as(r, T, 2 * F, gap, BF16),
                       gg = box_make_as(r, T, F, 2 * gap, BF16);
            r->be->glu_bwd(r->c, gu, gg, half_put(r, dg, gap), half_put(r, u, 3 * gap), act,
                           (struct drop){ 0 });
            expect(r, "du", gu, du, 3e-6);
            expect(r, "g", gg, g, 3e-6);
        }
    }
}

/* The mask is read back through the op that makes it; both halves and g obey it. */
static void
glu_dropout(void **state)
{
    struct rig *r = rig_of(state);
    enum { T = 20, F = 64 };
    const struct drop drop = { 0.25f, 5 };
    struct val u = val_half(r, T, 2 * F, 1), one = val_zero(r, T, F),
               x = val_half(r, T, F, 1);
    for (int e = 0; e < T * F; e++)
        one.p[e] = 1;
    for (int k = 0; rig_turn(r, k); k++) {
        float keep[T * F];
        uint16_t d[2 * T * F], plain[2 * T * F], y[T * F];
        struct mat mask = box_make(r, T, F, 0), half = box_make_as(r, T, F, 0, BF16);
        struct mat gu = box_make_as(r, T, 2 * F, 0, BF16),
                   g = box_make_as(r, T, F, 0, BF16);
        struct mat hu = half_put(r, u, 0), dg = half_put(r, x, 0);
        r->be->dropout(r->c, mask, box_put(r, one, 0), drop);
        r->be->download(r->c, keep, mask.p, sizeof keep);
        r->be->dropout(r->c, half, dg, drop);
        r->be->download(r->c, y, half.p, sizeof y);
        r->be->glu_bwd(r->c, gu, g, dg, hu, OP_SILU, (struct drop){ 0 });
        r->be->download(r->c, plain, gu.p, sizeof plain);
        r->be->glu_bwd(r->c, gu, g, dg, hu, OP_SILU, drop);
        r->be->download(r->c, d, gu.p, sizeof d);
        for (int e = 0; e < T * F; e++) {
            const int at_u = e / F * 2 * F + e % F;
            const float was = half_from_bf16(plain[at_u]), now = half_from_bf16(d[at_u]);
            assert_true(fabsf(now - keep[e] * was) <= 0.01f * fabsf(now));
            assert_int_equal(y[e], half_to_bf16((float)x.p[e] * keep[e]));
        }
    }
}

static void
rotation(void **state)
{
    struct rig *r = rig_of(state);
    static const int sizes[] = { 32, 64, 192 }, lengths[] = { 3, 0, 33, 1 };
    for (int i = 0; i < 3; i++, rig_case_end(r)) {
        const int heads = 2, K = sizes[i];
        const struct batch b = batch_of(lengths, 4);
        struct val d = val_half(r, b.cu[4], 3 * heads * K, 1), want = val_copy(r, d);
        struct val table = ref_rope_table(r, 40, K, 10000);
        ref_rope(want, table, heads, &b, -1);
        for (int k = 0; rig_turn(r, k); k++) {
            struct seqs s;
            struct mat m = half_put(r, d, 5);
            r->be->seqs_make(r->c, &s, b.n, b.cu);
            r->be->rope_bwd(r->c, m, (struct rope){ box_put(r, table, 0) }, heads, &s);
            expect(r, "rope_bwd", m, want, 1e-6);
            r->be->seqs_free(r->c, &s);
        }
    }
}

static void
norm_gradients(void **state)
{
    struct rig *r = rig_of(state);
    static const int norms[][2] = { { 1, 32 }, { 17, 96 }, { 65, 100 }, { 513, 768 } };
    for (int i = 0; i < 4; i++, rig_case_end(r)) {
        const int T = norms[i][0], D = norms[i][1];
        struct val x = val_random(r, T, D, 3), dy = val_half(r, T, D, 1),
                   stat = val_zero(r, T, 2);
        const struct refnorm n = { val_random(r, 1, D, 1), val_random(r, 1, D, 1), 1e-5 };
        ref_norm(r, x, n, stat);
        struct val dx = val_random(r, T, D, 1), dw = val_random(r, 1, D, 1),
                   db = val_random(r, 1, D, 1);
        struct val x0 = val_copy(r, dx), w0 = val_copy(r, dw), b0 = val_copy(r, db);
        ref_norm_bwd(dx, dw, db, dy, x, stat, n);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct lnorm l = { .w = box_put(r, n.w, 0), .b = box_put(r, n.b, 0),
                                     .eps = 1e-5f };
            struct mat gx = box_put(r, x0, 1), gw = box_put(r, w0, 0), gb = box_put(r, b0, 0);
            r->be->norm_bwd(r->c, gx, gw, gb, half_put(r, dy, 3), box_put(r, x, 2),
                            box_put(r, stat, 0), &l);
            expect(r, "dx", gx, dx, 1e-5);
            expect(r, "dw", gw, dw, 1e-5);
            expect(r, "db", gb, db, 1e-5);
        }
    }
}

/* ---- the optimizer ------------------------------------------------------------------ */
static void
adamw_in_f32(void **state)
{
    struct rig *r = rig_of(state);
    enum { N = 70001 };
    struct val w = val_random(r, 1, N, 1), g = val_random(r, 1, N, 1),
               m = val_random(r, 1, N, .1), v = val_random(r, 1, N, 1), want = val_copy(r, w),
               norm = val_zero(r, 1, 1);
    const struct adam a = { 1e-3, .9, .999, 1e-8, .1, 1, 7 };
    norm.p[0] = sqrt(val_dot(g, g));
    for (int i = 0; i < N; i++) {
        v.p[i] = fabs(v.p[i]);
        const double d = g.p[i] / (norm.p[0] + 1e-6), mm = .9 * m.p[i] + .1 * d,
                     vv = .999 * v.p[i] + .001 * d * d;
        want.p[i] = w.p[i] * (1 - 1e-4) - 1e-3 * (mm / (1 - pow(.9, 7))) /
                                              (sqrt(vv / (1 - pow(.999, 7))) + 1e-8);
    }
    for (int k = 0; rig_turn(r, k); k++) {
        struct mat gw = box_put(r, w, 0), size = box_make(r, 1, 1, 0);
        const struct param p = { gw.p, box_put(r, g, 0).p, box_put(r, m, 0).p,
                                 box_put(r, v, 0).p, N, 1, NULL, 1 };
        r->be->sqnorm(r->c, size.p, &p, 1);
        r->be->adamw(r->c, &p, 1, &a, size.p);
        expect(r, "norm", size, norm, 1e-6);
        expect(r, "w", gw, want, 1e-6);
    }
}

int
main(void)
{
    struct CMUnitTest tests[] = {
        BOTH(linear_dx), BOTH(linear_dw),      BOTH(glu_values),   BOTH(glu_dropout),
        BOTH(rotation),  BOTH(norm_gradients), BOTH(adamw_in_f32),
    };
    return half_run(tests, sizeof tests / sizeof *tests);
}
