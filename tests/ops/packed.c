/*
 * packed - the forward ops over packed weights: f32, bf16 and int8 by each instruction set,
 * against the double reference of what is stored, over rows and depths around every tile.
 */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"
#include "tests/ops/modes.h"

/* ---- linear ------------------------------------------------------------------------- */
/* Blocks are 512 rows, or down to 128 where they are deep; tiles 14 or 32; panels 32; words
 * of bf16 come in 16, of int8 in 16: other depths go through a padded copy. */
static const int shapes[][3] = {
    /* rows, in, out */
    { 1, 768, 768 },  { 2, 1152, 31 }, { 13, 2624, 33 }, { 14, 2624, 1 },  { 15, 32, 2 },
    { 16, 96, 96 },   { 17, 768, 32 }, { 31, 64, 64 },   { 32, 1152, 96 }, { 33, 32, 31 },
    { 65, 768, 96 },  { 127, 32, 33 }, { 129, 2624, 2 }, { 257, 1152, 33 }, { 511, 96, 32 },
    { 512, 64, 33 },  { 513, 32, 96 }, { 1025, 64, 96 },
    /* depths that are no whole words or steps */
    { 17, 1, 33 },    { 33, 3, 64 },   { 65, 33, 31 },   { 16, 40, 96 },   { 129, 100, 34 },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct job { struct val x, w, b, r, u; };

/* u of x and w as they are stored; int8 is held to u of bf16 values. */
static struct job
job_of(struct rig *r, const int *s, int bias)
{
    struct job j = { .x = val_stored(r, val_random(r, s[0], s[1], 1)) };
    j.w = val_random(r, s[2], s[1], 1 / sqrt(s[1]));
    j.b = bias ? val_random(r, 1, s[2], 1) : (struct val){ 0 };
    j.r = val_random(r, s[0], s[2], 1);
    j.u = ref_linear(r, j.x, val_stored(r, j.w), j.b);
    return j;
}

static void
linear(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 2 * SHAPES; i++, rig_case_end(r)) {
        const int *s = shapes[i / 2];
        const enum act act = (enum act)((i + i / 10) % 5);
        const struct job j = job_of(r, s, i % 2);
        struct val y = ref_act(r, j.u, act, NULL);
        for (int k = 0; rig_turn(r, k); k++) {
            struct weight W = weight_of(r, j.w, j.b, WEIGHT_FORWARD);
            const enum dtype type = type_of(r), other = i % 4 < 2 ? type : F32;
            struct mat x = put_stored(r, j.x, i % 3 * 2),
                       out = box_make_as(r, s[0], s[2], 3, type),
                       alone = box_make_as(r, s[0], s[2], 0, other),
                       u = box_make_as(r, s[0], s[2], 1, other);
            r->be->linear(r->c, out, u, x, &W, act);
            r->be->linear(r->c, alone, (struct mat){ 0 }, x, &W, act);
            expect_product(r, "y", out, y, s[1], val_rms(j.u));
            expect_product(r, "u", u, j.u, s[1], 0);
            expect_product(r, "y alone", alone, y, s[1], val_rms(j.u));
            weight_drop(r, &W);
        }
    }
}

/* The head's layers: F32 activations and weights, whatever the run's type. */
static void
linear_of_the_head(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        const int *s = shapes[i];
        const enum act act = (enum act)(i % 5);
        struct val x = val_random(r, s[0], s[1], 1), b = val_random(r, 1, s[2], 1);
        struct val w = val_random(r, s[2], s[1], 1 / sqrt(s[1])),
                   u = ref_linear(r, x, w, b);
        struct val y = ref_act(r, u, act, NULL);
        for (int k = 0; rig_turn(r, k); k++) {
            struct weight W = weight_of(r, w, b, WEIGHT_HEAD);
            struct mat out = box_make(r, s[0], s[2], 1);
            r->be->linear(r->c, out, (struct mat){ 0 }, box_put(r, x, 2), &W, act);
            expect_floor(r, "y", out, y, 1.5e-6 + 1.4e-7 * sqrt(s[1]), val_rms(u));
            weight_drop(r, &W);
        }
    }
}

/* The factors that the dropout op gives the same elements. */
static struct val
factors(struct rig *r, int rows, int cols, struct drop drop)
{
    struct val ones = val_zero(r, rows, cols);
    for (int i = 0; i < rows * cols; i++)
        ones.p[i] = 1;
    struct mat m = box_put(r, ones, 0);
    r->be->dropout(r->c, m, m, drop);
    return val_read(r, m);
}

static void
linear_add(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 2 * SHAPES; i++, rig_case_end(r)) {
        const int *s = shapes[i / 2], whole = s[2] % 32 == 0;
        const struct drop drop = { i % 2 && whole ? 0.25f : 0, 7 };
        const struct job j = job_of(r, s, (i + i / 2) % 2);
        struct val f = factors(r, s[0], s[2], drop), y = val_copy(r, j.r);
        for (int e = 0; e < s[0] * s[2]; e++)
            y.p[e] += f.p[e] * j.u.p[e];
        for (int k = 0; rig_turn(r, k); k++) {
            struct weight W = weight_of(r, j.w, j.b, WEIGHT_FORWARD);
            struct mat out = box_make(r, s[0], s[2], 2), x = put_stored(r, j.x, i % 3 * 2);
            struct mat residual = box_put(r, j.r, 7), place = box_put(r, j.r, i % 5);
            r->be->linear_add(r->c, out, x, &W, residual, drop);
            r->be->linear_add(r->c, place, x, &W, place, drop);
            expect_product(r, "y", out, y, s[1], val_rms(j.u));
            expect_product(r, "y in place", place, y, s[1], val_rms(j.u));
            expect(r, "residual", residual, j.r, 0);
            weight_drop(r, &W);
        }
    }
}

/*
 * Rows of the mapped file in 16 bits give the blob that F32 rows of the same values give.
 */
static void
sixteen_bit_weights(void **state)
{
    struct rig *r = *state;
    static const enum dtype types[] = { BF16, F16 };
    for (int i = 0; i < 4; i++, rig_case_end(r)) {
        const int out = i / 2 ? 70 : 96, in = i / 2 ? 100 : 768, n = out * in;
        struct val w = val_random(r, out, in, 0.1);
        uint16_t *half = malloc((size_t)n * sizeof *half);
        float *wide = malloc((size_t)n * sizeof *wide);
        for (int e = 0; e < n; e++)
            wide[e] = (float)w.p[e];
        half_narrow(half, types[i % 2], wide, (size_t)n);
        half_widen(wide, half, types[i % 2], (size_t)n);
        rig_turn(r, 0);
        const struct mat a = mat_of(half, out, in, types[i % 2]),
                         b = mat_of(wide, out, in, F32);
        for (int use = WEIGHT_FORWARD; use <= WEIGHT_HEAD; use += WEIGHT_HEAD) {
            const size_t bytes = r->be->weight_size(r->c, a, (enum weight_use)use);
            assert_int_equal(bytes, r->be->weight_size(r->c, b, (enum weight_use)use));
            void *p = r->be->alloc(r->c, bytes), *q = r->be->alloc(r->c, bytes);
            r->be->weight_pack(r->c, p, a, (enum weight_use)use);
            r->be->weight_pack(r->all[1], q, b, (enum weight_use)use);
            assert_memory_equal(p, q, bytes);
            r->be->free(r->c, p);
            r->be->free(r->c, q);
        }
        free(half);
        free(wide);
    }
}

/* A row that is not finite spoils itself and no other, first or last of a tile. */
static void
nan_stays_in_its_row(void **state)
{
    struct rig *r = *state;
    static const int shape[3] = { 130, 64, 65 };
    const struct job j = job_of(r, shape, 0);
    for (int i = 0; i < 4; i++) {
        const int bad = (int[]){ 0, 13, 64, 129 }[i];
        j.x.p[bad * 64 + 5] = i % 2 ? (double)INFINITY : (double)NAN;
        rig_turn(r, i % TURNS);
        struct weight W = weight_of(r, j.w, j.b, WEIGHT_FORWARD);
        struct mat y = box_make(r, 130, 65, 0);
        r->be->linear(r->c, y, (struct mat){ 0 }, put_stored(r, j.x, 0), &W, OP_NONE);
        const struct val got = val_read(r, y);
        for (int t = 0; t < 130; t++)
            for (int o = 0; o < 65; o++)
                if (isfinite(at(got, t)[o]) != (t != bad))
                    fail_msg("row %d is bad, but [%d,%d] is %g", bad, t, o, at(got, t)[o]);
        weight_drop(r, &W);
        j.x.p[bad * 64 + 5] = 0;
    }
}

/* Memory of the product before, here NaN wherever it can be, does not count as zeros. */
static void
after_rows_of_nan(void **state)
{
    struct rig *r = *state;
    static const int shape[][3] = { { 65, 33, 40 }, { 129, 100, 34 }, { 33, 1, 64 } };
    for (int i = 0; i < 3; i++, rig_case_end(r)) {
        const int *s = shape[i];
        const struct job j = job_of(r, s, 1);
        struct val bad = val_zero(r, s[0], s[1] + 30), none = { 0 };
        for (int e = 0; e < bad.rows * bad.cols; e++)
            bad.p[e] = (double)NAN;
        for (int k = 0; rig_turn(r, k); k++) {
            struct weight W = weight_of(r, j.w, j.b, WEIGHT_FORWARD),
                          other =
                              weight_of(r, val_zero(r, 32, bad.cols), none, WEIGHT_FORWARD);
            struct mat y = box_make(r, s[0], s[2], 0), spoilt = box_make(r, s[0], 32, 0);
            r->be->linear(r->c, spoilt, (struct mat){0}, put_stored(r, bad, 0), &other,
                          OP_NONE);
            r->be->linear(r->c, y, (struct mat){ 0 }, put_stored(r, j.x, 0), &W, OP_NONE);
            expect_product(r, "y", y, j.u, s[1], 0);
            weight_drop(r, &W);
            weight_drop(r, &other);
        }
    }
}

/* ---- norm --------------------------------------------------------------------------- */
static void
norm(void **state)
{
    struct rig *r = *state;
    static const int size[][2] = { { 1, 32 },   { 2, 96 },    { 17, 768 },
                                   { 65, 2624 }, { 130, 64 }, { 1025, 96 } };
    for (int i = 0; i < 12; i++, rig_case_end(r)) {
        const int T = size[i / 2][0], D = size[i / 2][1];
        /* a mean many deviations away, as the residual stream's rows have it */
        struct val x = val_random(r, T, D, 3), stat = val_zero(r, T, 2);
        for (int t = 0; t < T; t++)
            for (int e = 0; e < D; e++)
                at(x, t)[e] = (double)(float)(at(x, t)[e] + t % 5 * 4);
        struct refnorm n = { val_random(r, 1, D, 1), { 0 }, 1e-5 };
        if (i % 2)
            n.b = val_random(r, 1, D, 1);
        struct val y = ref_norm(r, x, n, stat);
        for (int k = 0; rig_turn(r, k); k++) {
            struct lnorm l = { .w = box_put(r, n.w, 0), .eps = 1e-5f };
            if (i % 2)
                l.b = box_put(r, n.b, 0);
            struct mat a = box_make_as(r, T, D, 32, type_of(r)),
                       full = box_make(r, T, D, 1), s = box_make(r, T, 2, 0),
                       in = box_put(r, x, 3);
            r->be->norm(r->c, a, s, in, &l);
            r->be->norm(r->c, full, (struct mat){ 0 }, in, &l);
            expect(r, "y", a, y, 5e-6);
            expect(r, "y in F32", full, y, 5e-6);
            expect(r, "stat", s, stat, 2e-6);
        }
    }
}

/* ---- norm_qkv and norm_glu ---------------------------------------------------------- */
struct shape { int D, heads, F, n, lengths[8]; };
static const struct shape blocks[] = {
    { 32, 1, 32, 1, { 1 } },           { 96, 3, 160, 1, { 2 } },
    { 64, 1, 96, 1, { 13 } },          { 128, 2, 32, 3, { 14, 0, 1 } },
    { 128, 1, 64, 2, { 15, 16 } },     { 192, 3, 96, 4, { 31, 1, 17, 32 } },
    { 256, 2, 32, 2, { 33, 64 } },     { 64, 2, 32, 2, { 511, 1 } },
    { 128, 2, 64, 1, { 513 } },        { 384, 6, 1152, 2, { 3, 11 } },
    { 64, 1, 32, 3, { 600, 5, 420 } },
};
enum { BLOCKS = sizeof blocks / sizeof *blocks };

struct part { struct batch b; int T; struct val x, h, stat, w, bias; struct refnorm n; };

static struct part
part_of(struct rig *r, const struct shape *s, int out, int bias)
{
    struct part p = { .b = batch_of(s->lengths, s->n) };
    p.T = p.b.cu[s->n];
    p.x = val_random(r, p.T, s->D, 1);
    p.stat = val_zero(r, p.T, 2);
    p.n = (struct refnorm){ val_random(r, 1, s->D, 1), { 0 }, 1e-5 };
    p.h = ref_norm(r, p.x, p.n, p.stat);
    p.w = val_random(r, out, s->D, 1 / sqrt(s->D));
    p.bias = bias ? val_random(r, 1, out, 1) : (struct val){ 0 };
    return p;
}

/*
 * What the product read: h as the op left it, once that has been held to the reference
 * (where F32 and double round to different bf16, the product is one h's worth apart).  int8
 * leaves nothing: it quantises the norm itself.
 */
static struct val
left_side(struct rig *r, const struct part *p, struct mat h)
{
    if (is_int8(r))
        return p->h;
    expect(r, "h", h, p->h, 5e-6);
    return val_read(r, h);
}

static void
norm_qkv(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 2 * BLOCKS; i++, rig_case_end(r)) {
        const struct shape *s = &blocks[i / 2];
        const int D = s->D, first = i % 2; /* layer 0: no norm */
        const struct part p = part_of(r, s, 3 * D, (i + i / 2) % 2);
        struct val table = ref_rope_table(r, 600, D / s->heads, 1000), want = { 0 };
        for (int k = 0; rig_turn(r, k); k++) {
            struct seqs q;
            struct weight W = weight_of(r, p.w, p.bias, WEIGHT_FORWARD);
            const struct lnorm n = { .w = box_put(r, p.n.w, 0), .eps = 1e-5f };
            const struct rope rope = { box_put(r, table, 0) };
            struct mat qkv = box_make_as(r, p.T, 3 * D, 32, type_of(r)),
                       h = box_make_as(r, p.T, D, 32, type_of(r)),
                       stat = box_make(r, p.T, 2, 0), x = box_put(r, p.x, 1);
            r->be->seqs_make(r->c, &q, p.b.n, p.b.cu);
            r->be->norm_qkv(r->c, qkv, first ? (struct mat){ 0 } : stat, h, x,
                            first ? NULL : &n, &W, rope, s->heads, &q);
            const struct val left = first ? val_stored(r, p.x) : left_side(r, &p, h);
            if (!k) {
                want = ref_linear(r, left, val_stored(r, p.w), p.bias);
                ref_rope(want, table, s->heads, &p.b, 1);
            }
            expect_after_product(r, "qkv", qkv, want, D, 0);
            if (!first)
                expect(r, "stat", stat, p.stat, 2e-6);
            r->be->seqs_free(r->c, &q);
            weight_drop(r, &W);
        }
    }
}

static struct val
gated(struct rig *r, struct val u, enum act act, struct drop drop)
{
    const int F = u.cols / 2;
    struct val g = val_zero(r, u.rows, F), f = factors(r, u.rows, F, drop);
    for (int t = 0; t < u.rows; t++)
        for (int i = 0; i < F; i++)
            at(g, t)[i] =
                at(f, t)[i] * ref_act_one(at(u, t)[i], act, NULL) * at(u, t)[F + i];
    return g;
}

static void
norm_glu(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 2 * BLOCKS; i++, rig_case_end(r)) {
        const struct shape *s = &blocks[i / 2];
        const enum act act = (enum act)(i % 2 ? i / 2 % 5 : OP_GELU);
        const struct drop drop = { i % 4 == 3 ? 0.25f : 0, 11 };
        const struct part p = part_of(r, s, 2 * s->F, (i + i / 2) % 2);
        struct val u = { 0 }, g = { 0 };
        for (int k = 0; rig_turn(r, k); k++) {
            struct weight W = weight_of(r, p.w, p.bias, WEIGHT_FORWARD);
            const struct lnorm n = { .w = box_put(r, p.n.w, 0), .eps = 1e-5f };
            const enum dtype type = type_of(r);
            struct mat out = box_make_as(r, p.T, s->F, 32, type),
                       bare = box_make_as(r, p.T, s->F, 0, type),
                       kept = box_make_as(r, p.T, 2 * s->F, 2, type),
                       h = box_make_as(r, p.T, s->D, 32, type),
                       stat = box_make(r, p.T, 2, 0), x = box_put(r, p.x, 1);
            r->be->norm_glu(r->c, out, kept, stat, h, x, &n, &W, act, drop);
            r->be->norm_glu(r->c, bare, (struct mat){ 0 }, (struct mat){ 0 }, h, x, &n, &W,
                            act, drop);
            const struct val left = left_side(r, &p, h);
            if (!k) {
                u = ref_linear(r, left, val_stored(r, p.w), p.bias);
                g = gated(r, u, act, drop);
            }
            expect_product(r, "u", kept, u, s->D, 0);
            const double unit = 2 * pow(val_rms(u), 2); /* a product of two of them */
            expect_after_product(r, "g", out, g, 4 * s->D, unit);
            expect_after_product(r, "g at inference", bare, g, 4 * s->D, unit);
            expect(r, "stat", stat, p.stat, 2e-6);
            weight_drop(r, &W);
        }
    }
}

int
main(void)
{
    static const struct mode_test tests[] = {
        { "linear", linear, 1, 0 },
        { "linear of the head", linear_of_the_head, 1, 0 },
        { "linear_add", linear_add, 1, 0 },
        { "16-bit weights", sixteen_bit_weights, 1, 1 },
        { "a NaN stays in its row", nan_stays_in_its_row, 1, 0 },
        { "linear after rows of NaN", after_rows_of_nan, 1, 0 },
        { "norm", norm, 1, 0 },
        { "norm_qkv", norm_qkv, 1, 0 },
        { "norm_glu", norm_glu, 1, 0 },
    };
    return modes_run(tests, sizeof tests / sizeof *tests);
}
