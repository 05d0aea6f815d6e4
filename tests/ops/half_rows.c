/*
 * half_rows - ops over rows in every type of their mats, aligned for wide loads and not:
 * LayerNorm, the embedding's, pooling, moving rows, dropout, rotation.  BF16 is for the
 * backends that have it in any shape; the processor's, by instruction set: backward.c.
 */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"
#include "common/ops/cpu.h"

static const enum dtype types[] = { F32, BF16 };
enum { WIDE = 8, ODD = 1 }; /* gaps between rows */

/* Random values that the type holds exactly. */
static struct val
val_typed(struct rig *r, int rows, int cols, double scale, enum dtype type)
{
    struct val v = val_random(r, rows, cols, scale);
    for (size_t i = 0; i < (size_t)rows * (size_t)cols; i++) {
        float f = (float)v.p[i];
        uint16_t h;
        if (type != F32) {
            half_narrow(&h, type, &f, 1);
            half_widen(&f, &h, type, 1);
        }
        v.p[i] = (double)f;
    }
    return v;
}

/* How many of the types this backend is asked for. */
static int
types_of(void)
{
    return backend_is_cpu() ? 1 : 2;
}

static const int shapes[][2] = {
    { 1, 4 },    { 33, 32 }, { 5, 100 },  { 70, 132 },  { 130, 768 }, { 3, 900 },
    { 9, 1024 }, { 2, 1032 }, { 37, 1536 }, { 6, 1027 },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static struct lnorm
lnorm_of(struct rig *r, struct refnorm n)
{
    struct lnorm l = { .w = box_put(r, n.w, 0), .eps = (float)n.eps };
    if (n.b.p)
        l.b = box_put(r, n.b, 0);
    return l;
}

static struct refnorm
refnorm_of(struct rig *r, int D, int bias)
{
    const struct val none = { 0 };
    struct refnorm n = { val_random(r, 1, D, 1), none, 1e-5 };
    if (bias)
        n.b = val_random(r, 1, D, 1);
    return n;
}

static void
norm_in_types(void **state)
{
    struct rig *r = *state;
    const int kinds = types_of();
    for (int i = 0; i < SHAPES * kinds * kinds; i++, rig_case_end(r)) {
        const int *s = shapes[i % SHAPES], kind = i / SHAPES;
        const enum dtype in = types[kind % kinds], out = types[kind / kinds];
        struct val x = val_typed(r, s[0], s[1], 2, in), stat = val_zero(r, s[0], 2);
        for (int t = 0; t < s[0]; t++)
            x.p[t * s[1]] = 8 * (t % 3); /* an outlier */
        const struct refnorm n = refnorm_of(r, s[1], i % 2);
        struct val y = ref_norm(r, x, n, stat);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct lnorm l = lnorm_of(r, n);
            struct mat a = box_make_as(r, s[0], s[1], WIDE, out),
                       b = box_make_as(r, s[0], s[1], ODD, out),
                       st = box_make(r, s[0], 2, 0);
            r->be->norm(r->c, a, st, box_put_as(r, x, WIDE, in), &l);
            r->be->norm(r->c, b, (struct mat){ 0 }, box_put_as(r, x, ODD, in), &l);
            expect(r, "norm", a, y, 5e-6);
            expect(r, "norm of odd rows", b, y, 5e-6);
            expect(r, "stat", st, stat, 1e-6);
        }
    }
}

static void
norm_bwd_in_types(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES * types_of(); i++, rig_case_end(r)) {
        const int *s = shapes[i % SHAPES], T = s[0], D = s[1];
        const enum dtype type = types[i / SHAPES];
        struct val x = val_random(r, T, D, 3), dy = val_typed(r, T, D, 1, type),
                   stat = val_zero(r, T, 2), dx = val_random(r, T, D, 1),
                   dw = val_random(r, 1, D, 1), db = val_random(r, 1, D, 1);
        struct val x0 = val_copy(r, dx), w0 = val_copy(r, dw), b0 = val_copy(r, db);
        const struct refnorm n = refnorm_of(r, D, 1);
        ref_norm(r, x, n, stat);
        ref_norm_bwd(dx, dw, db, dy, x, stat, n);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct lnorm l = lnorm_of(r, n);
            struct mat st = box_put(r, stat, 0);
            for (int gap = 0; gap < 2; gap++) {
                const int g = gap ? ODD : WIDE;
                struct mat gx = box_put(r, x0, g), gw = box_put(r, w0, 0),
                           gb = box_put(r, b0, 0);
                r->be->norm_bwd(r->c, gx, gw, gap ? (struct mat){ 0 } : gb,
                                box_put_as(r, dy, g, type), box_put(r, x, g), st, &l);
                expect(r, "dx", gx, dx, 1e-5);
                expect(r, "dw", gw, dw, 1e-5);
                expect(r, "db", gb, gap ? b0 : db, 1e-5);
            }
        }
    }
}

/* Ids that come often (more of them than a list holds), once, never. */
static int
id_at(int t, int V)
{
    return t % 2 ? 3 : t % 7 ? 4 + t % 5 : (int)(rng_u64(7, (uint64_t)t) % (uint64_t)V);
}

static struct mat
table_put(struct rig *r, struct val E, enum dtype type)
{
    float wide[64 * 64];
    uint16_t half[64 * 64];
    const size_t n = (size_t)E.rows * (size_t)E.cols;
    struct mat m = box_put(r, E, 0);
    for (size_t i = 0; i < n; i++)
        wide[i] = (float)E.p[i];
    if (type != F32) {
        half_narrow(half, type, wide, n);
        r->be->upload(r->c, m.p, half, n * sizeof *half);
        r->be->sync(r->c);
        m.type = type;
    }
    return m;
}

/* The factors that dropout gives elements of [rows, cols]. */
static struct val
factors(struct rig *r, int rows, int cols, struct drop drop)
{
    struct val f = val_zero(r, rows, cols);
    for (size_t i = 0; i < (size_t)rows * (size_t)cols; i++)
        f.p[i] = drop.p > 0 ? (double)drop_factor(drop, i) : 1;
    return f;
}

static struct val
times(struct rig *r, struct val a, struct val b)
{
    struct val y = val_copy(r, a);
    for (size_t i = 0; i < (size_t)a.rows * (size_t)a.cols; i++)
        y.p[i] *= b.p[i];
    return y;
}

static void
embedding_in_types(void **state)
{
    struct rig *r = *state;
    static const enum dtype all[] = { F32, BF16, F16 };
    enum { T = 2100, V = 40 };
    int ids[T];
    for (int t = 0; t < T; t++)
        ids[t] = id_at(t, V);
    for (int i = 0; i < 6; i++, rig_case_end(r)) {
        const int D = i < 3 ? 36 : 33;
        const struct drop drop = { i % 2 ? 0.25f : 0, 17 };
        struct val E = val_typed(r, V, D, 1, all[i % 3]), x = val_zero(r, T, D),
                   f = factors(r, T, D, drop), dy = val_random(r, T, D, 1),
                   stat = val_zero(r, T, 2);
        for (int t = 0; t < T; t++)
            memcpy(at(x, t), at(E, ids[t]), (size_t)D * sizeof(double));
        const struct refnorm n = refnorm_of(r, D, i % 2);
        struct val y = times(r, ref_norm(r, x, n, stat), f), dx = val_zero(r, T, D);
        struct val w0 = val_random(r, 1, D, 1), E0 = val_random(r, V, D, 1),
                   dw = val_copy(r, w0), dE = val_copy(r, E0), db = val_zero(r, 1, D);
        ref_norm_bwd(dx, dw, db, times(r, dy, f), x, stat, n);
        for (int t = 0; t < T; t++)
            for (int c = 0; c < D; c++)
                at(dE, ids[t])[c] += at(dx, t)[c];
        for (int k = 0; rig_turn(r, k); k++) {
            const struct lnorm l = lnorm_of(r, n);
            struct mat e = table_put(r, E, all[i % 3]), out = box_make(r, T, D, 4),
                       st = box_make(r, T, 2, 0), gE = box_put(r, E0, 0),
                       gw = box_put(r, w0, 0), gb = box_put(r, val_zero(r, 1, D), 0);
            int *const d = box_ints(r, ids, T);
            r->be->embed_norm(r->c, out, st, d, e, &l, drop);
            r->be->embed_norm_bwd(r->c, gE, gw, i % 2 ? gb : (struct mat){ 0 },
                                  box_put(r, dy, 4), d, e, st, &l, drop);
            expect(r, "embed_norm", out, y, 5e-6);
            expect(r, "dE", gE, dE, 2e-5);
            expect(r, "dw", gw, dw, 1e-5);
            if (i % 2)
                expect(r, "db", gb, db, 1e-5);
        }
    }
}

/* ---- pooling ------------------------------------------------------------------------ */
static struct val
pool_of(struct rig *r, struct val h, const struct batch *b, int mean)
{
    struct val p = val_zero(r, b->n, h.cols);
    for (int s = 0; s < b->n; s++) {
        const int first = b->cu[s], n = b->cu[s + 1] - first;
        for (int t = first; t < first + (mean || !n ? n : 1); t++)
            for (int i = 0; i < h.cols; i++)
                at(p, s)[i] += at(h, t)[i] / (mean ? n : 1);
    }
    return p;
}

static struct val
pool_back(struct rig *r, struct val dp, const struct batch *b, int mean)
{
    struct val dh = val_zero(r, b->cu[b->n], dp.cols);
    for (int s = 0; s < b->n; s++) {
        const int first = b->cu[s], n = b->cu[s + 1] - first;
        for (int t = first; t < first + (mean || !n ? n : 1); t++)
            for (int i = 0; i < dp.cols; i++)
                at(dh, t)[i] = at(dp, s)[i] / (mean ? n : 1);
    }
    return dh;
}

static void
pooling_in_types(void **state)
{
    struct rig *r = *state;
    static const int lengths[] = { 17, 0, 300, 1, 129, 0 };
    const struct batch b = batch_of(lengths, 6);
    for (int i = 0; i < 4 * types_of(); i++, rig_case_end(r)) {
        const int D = i % 2 ? 40 : 33, mean = i / 2 % 2, T = b.cu[b.n];
        const enum dtype type = types[i / 4];
        const enum pool_kind kind = mean ? OP_MEAN : OP_CLS;
        struct val h = val_typed(r, T, D, 1, type), p = pool_of(r, h, &b, mean),
                   dp = val_random(r, b.n, D, 1), dh = pool_back(r, dp, &b, mean);
        for (int k = 0; rig_turn(r, k); k++) {
            struct seqs s, own;
            const int alone[2] = { 0, 300 };
            r->be->seqs_make(r->c, &s, b.n, b.cu);
            r->be->seqs_make(r->c, &own, 1, alone);
            struct mat a = box_make(r, b.n, D, 0), one = box_make(r, 1, D, 0),
                       in = box_put_as(r, h, WIDE, type),
                       d = box_make_as(r, T, D, WIDE, type);
            float got[2][40];
            r->be->pool(r->c, a, in, &s, kind);
            r->be->pool(r->c, one, mat_rows(in, 17, 300), &own, kind);
            r->be->pool_bwd(r->c, d, box_put(r, dp, 0), &s, kind);
            expect(r, "pool", a, p, 1e-6);
            expect(r, "pool_bwd", d, dh, 1e-6);
            r->be->download(r->c, got[0], mat_f32(a, 2), (size_t)D * sizeof **got);
            r->be->download(r->c, got[1], one.p, (size_t)D * sizeof **got);
            assert_memory_equal(got[0], got[1], (size_t)D * sizeof **got);
            r->be->seqs_free(r->c, &s);
            r->be->seqs_free(r->c, &own);
        }
    }
}

/* ---- rows as they are, dropout, rotation -------------------------------------------- */
/* Of two rows that go to one place the last stays. */
static void
rows_are_moved(void **state)
{
    struct rig *r = *state;
    static const int rows[] = { 64, 0, 3, 17, 3, 129, 65, 1 };
    enum { N = sizeof rows / sizeof *rows, T = 130 };
    for (int i = 0; i < 2 * types_of(); i++, rig_case_end(r)) {
        const enum dtype type = types[i / 2];
        const int D = i % 2 ? 260 : 33;
        struct val x = val_typed(r, T, D, 1, type), y = val_zero(r, N, D),
                   base = val_typed(r, T, D, 1, type), back = val_copy(r, base),
                   from = val_typed(r, N, D, 1, type), more = val_random(r, T, D, 1);
        for (int k = 0; k < N; k++) {
            memcpy(at(y, k), at(x, rows[k]), (size_t)D * sizeof(double));
            memcpy(at(back, rows[k]), at(from, k), (size_t)D * sizeof(double));
        }
        struct val sum = ref_add(r, base, more);
        for (int k = 0; rig_turn(r, k); k++) {
            int *const d = box_ints(r, rows, N);
            struct mat got = box_make_as(r, N, D, WIDE, type),
                       to = box_put_as(r, base, WIDE, type), s = box_put(r, base, 4);
            r->be->gather_rows(r->c, got, box_put_as(r, x, 0, type), d);
            r->be->scatter_rows(r->c, to, box_put_as(r, from, 0, type), d);
            r->be->add(r->c, s, box_put(r, more, 0));
            expect(r, "gather", got, y, 0);
            expect(r, "scatter", to, back, 0);
            expect(r, "add", s, sum, 1e-6);
        }
    }
}

static void
dropout_in_types(void **state)
{
    struct rig *r = *state;
    const int kinds = types_of();
    for (int i = 0; i < 8 * kinds * kinds; i++, rig_case_end(r)) {
        const enum dtype in = types[i / 8 % kinds], out = types[i / 8 / kinds];
        const struct drop drop = { i % 2 ? 0.1f : 0, 1u << 31 };
        const int T = 37, D = i / 2 % 2 ? 132 : 33, gap = i / 4 % 2 ? WIDE : ODD;
        struct val x = val_typed(r, T, D, 1, in), y = times(r, x, factors(r, T, D, drop));
        for (int k = 0; rig_turn(r, k); k++) {
            struct mat a = box_make_as(r, T, D, gap, out), b = box_put_as(r, x, gap, in);
            r->be->dropout(r->c, a, b, drop);
            r->be->dropout(r->c, b, b, drop);
            expect(r, "dropout", a, y, 3e-7);
            expect(r, "dropout in place", b, y, 3e-7);
        }
    }
}

static void
rotation_in_types(void **state)
{
    struct rig *r = *state;
    static const int sizes[] = { 16, 64, 24, 10 }, lengths[] = { 3, 0, 33, 1 };
    const struct batch b = batch_of(lengths, 4);
    for (int i = 0; i < 8 * types_of(); i++, rig_case_end(r)) {
        const int heads = 3, K = sizes[i % 4], gap = i / 4 % 2 ? WIDE : ODD;
        const enum dtype type = types[i / 8];
        struct val d = val_typed(r, b.cu[4], 3 * heads * K, 1, type), want = val_copy(r, d),
                   table = ref_rope_table(r, 40, K, 10000);
        ref_rope(want, table, heads, &b, -1);
        for (int k = 0; rig_turn(r, k); k++) {
            struct seqs s;
            struct mat m = box_put_as(r, d, gap, type);
            r->be->seqs_make(r->c, &s, b.n, b.cu);
            r->be->rope_bwd(r->c, m, (struct rope){ box_put(r, table, 0) }, heads, &s);
            expect(r, "rope_bwd", m, want, 1e-6);
            r->be->seqs_free(r->c, &s);
        }
    }
}

static void
absent(void **state)
{
    (void)state;
}

int
main(void)
{
    static const char skip[] = "rows of bf16 # SKIP the processor's are in backward.c";
    const struct CMUnitTest tests[] = {
        RIG_TEST(norm_in_types),
        RIG_TEST(norm_bwd_in_types),
        RIG_TEST(embedding_in_types),
        RIG_TEST(pooling_in_types),
        RIG_TEST(rows_are_moved),
        RIG_TEST(dropout_in_types),
        RIG_TEST(rotation_in_types),
        { skip, absent, NULL, NULL, NULL },
    };
    const size_t n = sizeof tests / sizeof *tests - !backend_is_cpu();
    return _cmocka_run_group_tests("rows", tests, n, NULL, NULL);
}
