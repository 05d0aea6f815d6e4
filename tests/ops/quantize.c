/*
 * quantize - rows as int8, and the products made of them, by each instruction set that has
 * them: against integers, bit for bit; packed as alone; nothing that is not finite is lost.
 */
#define PRECISION OP_INT8
#include "common/ops/quantize.h"
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"
#include "tests/ops/half.h"

/* ---- rows ------------------------------------------------------------------------------ */
/* Values made one by one, as quantize_row says. */
static float
row_by_hand(int *q, const float *x, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    for (int i = 0; i < n; i++)
        q[i] = most > 1e-36f ? (int)rintf(x[i] * (127 / most)) : 0;
    return most > 1e-36f ? most / 127 : 1;
}

enum { LONGEST = 200 };

static void
check_row(const float *x, int n, enum dtype type)
{
    uint16_t half[LONGEST];
    uint8_t got[LONGEST + 1];
    float wide[LONGEST];
    int q[LONGEST];
    memcpy(wide, x, (size_t)n * sizeof *x);
    if (type != F32) {
        half_narrow(half, type, x, (size_t)n);
        half_widen(wide, half, type, (size_t)n);
    }
    memset(got, SENTINEL, sizeof got);
    const float scale = quantize_row(got, type == F32 ? (const void *)wide : half, type, n);
    assert_true(scale == row_by_hand(q, wide, n));
    for (int i = 0; i < n; i++) {
        assert_int_equal(got[i] - 128, q[i]);
        assert_true(fabsf(wide[i] - (float)q[i] * scale) <= .501f * scale);
    }
    assert_int_equal(got[n], SENTINEL);
}

static const enum dtype types[] = { F32, BF16, F16 };

static void
rows_of_all_lengths(void **state)
{
    struct rig *r = rig_of(state);
    for (int n = 1; n < LONGEST; n++)
        for (int t = 0; t < 3; t++) {
            float x[LONGEST];
            const uint64_t key = rng_key(30, r->seed++, 0);
            for (int i = 0; i < n; i++)
                x[i] = (float)rng_normal(key, (uint64_t)i);
            check_row(x, n, types[t]);
            x[n / 2] = -3e4f; /* alone at one end of the scale */
            check_row(x, n, types[t]);
            for (int i = 0; i < n; i++)
                x[i] = i % 3 ? 0 : -0.0f;
            check_row(x, n, types[t]);
            x[n - 1] = 1e-37f;
            check_row(x, n, F32);
            x[n - 1] = 3e38f;
            check_row(x, n, F32);
        }
}

static void
rows_that_are_not_finite(void **state)
{
    static const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
    rig_of(state);
    for (int i = 0; i < 3 * 4 * LONGEST; i++) {
        float x[LONGEST] = { 1, -2, 3 };
        uint16_t half[LONGEST];
        uint8_t got[LONGEST];
        const enum dtype type = types[i % 3];
        x[i / 12] = bad[i / 3 % 4];
        if (type != F32)
            half_narrow(half, type, x, LONGEST);
        const void *src = type == F32 ? (const void *)x : half;
        assert_true(isnan(quantize_row(got, src, type, LONGEST)));
    }
}

/* ---- products -------------------------------------------------------------------------- */
static const int shapes[][3] = {
    /* rows, in, out */
    { 1, 32, 32 },  { 2, 64, 2 },    { 15, 1, 5 },    { 17, 96, 65 },    { 33, 100, 130 },
    { 65, 63, 33 }, { 64, 192, 96 }, { 47, 768, 40 }, { 513, 160, 96 },  { 600, 33, 130 },
    { 5, 1217, 7 }, { 130, 64, 864 },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Quantised rows: integers, and the scale of each. */
struct ints { int *q; float *scale; };

static struct ints
ints_of(struct val v)
{
    const size_t n = (size_t)v.cols;
    struct ints t = { malloc((size_t)v.rows * n * sizeof *t.q),
                      malloc((size_t)v.rows * sizeof *t.scale) };
    float *row = malloc(n * sizeof *row);
    for (int i = 0; i < v.rows; i++) {
        for (int j = 0; j < v.cols; j++)
            row[j] = (float)at(v, i)[j];
        t.scale[i] = row_by_hand(t.q + (size_t)i * n, row, v.cols);
    }
    free(row);
    return t;
}

/* x w^T + b as int8 makes it: an exact sum, then one rounding an operation. */
static struct val
by_integers(struct rig *r, struct val x, struct val w, struct val b)
{
    struct val y = val_zero(r, x.rows, w.rows);
    const struct ints a = ints_of(x), c = ints_of(w);
    for (int t = 0; t < x.rows; t++)
        for (int o = 0; o < w.rows; o++) {
            const int *p = a.q + (size_t)t * (size_t)x.cols,
                      *q = c.q + (size_t)o * (size_t)x.cols;
            int sum = 0;
            for (int k = 0; k < x.cols; k++)
                sum += p[k] * q[k];
            const float scale = c.scale[o] * a.scale[t];
            float z = (float)sum * scale;
            z = b.p ? z + (float)b.p[o] : z;
            at(y, t)[o] = (double)z;
        }
    free(a.q);
    free(a.scale);
    free(c.q);
    free(c.scale);
    return y;
}

static struct weight
weight_of(struct rig *r, struct val w, struct val b, enum dtype type, enum weight_use use)
{
    struct weight W = { .w = box_put_as(r, w, 3, type), .fine = use == WEIGHT_FINE };
    if (b.p)
        W.b = box_put(r, b, 0);
    const size_t bytes = r->be->weight_size(r->c, W.w, use);
    assert_true(bytes > 0);
    W.fwd = r->be->alloc(r->c, bytes);
    r->be->weight_pack(r->c, W.fwd, W.w, use);
    return W;
}

static void
products_of_integers(void **state)
{
    struct rig *r = rig_of(state);
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        const int *s = shapes[i];
        const enum dtype type = i % 2 ? BF16 : F32;
        struct val x = val_half(r, s[0], s[1], 1), w = val_half(r, s[2], s[1], .1);
        struct val res = val_random(r, s[0], s[2], 1), b = { 0 };
        if (i % 3)
            b = val_random(r, 1, s[2], 1);
        /* a row of zeros, a row that one value fills, and both for the weights */
        for (int k = 0; k < s[1]; k++)
            at(x, s[0] / 2)[k] = 0, at(w, s[2] / 2)[k] = 0;
        at(x, s[0] - 1)[s[1] / 2] = 0x1p20;
        at(w, s[2] - 1)[s[1] - 1] = -100;
        struct val y = by_integers(r, x, w, b), sum = val_zero(r, s[0], s[2]);
        for (size_t j = 0; j < (size_t)s[0] * (size_t)s[2]; j++)
            sum.p[j] = (double)((float)res.p[j] + (float)y.p[j]);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct weight W = weight_of(r, w, b, type, WEIGHT_FORWARD);
            struct mat in = box_put_as(r, x, 2, BF16), out = box_make(r, s[0], s[2], 5),
                       u = box_make(r, s[0], s[2], 0), to = box_put(r, res, 1);
            r->be->linear(r->c, out, u, in, &W, OP_NONE);
            r->be->linear_add(r->c, to, in, &W, to, (struct drop){ 0, 0 });
            expect(r, "linear", out, y, 0);
            expect(r, "linear u", u, y, 0);
            expect(r, "linear_add", to, sum, 0);
            r->be->free(r->c, W.fwd);
        }
    }
}

/* Fine weights beside the others: no error but that of F32 sums. */
static void
fine_products(void **state)
{
    struct rig *r = rig_of(state);
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        const int *s = shapes[i];
        struct val x = val_half(r, s[0], s[1], 1), w = val_half(r, s[2], s[1], .1);
        struct val y = ref_linear(r, x, w, (struct val){ 0 });
        for (int k = 0; rig_turn(r, k); k++) {
            const struct weight W = weight_of(r, w, (struct val){ 0 }, F32, WEIGHT_FINE);
            struct mat in = box_put_as(r, x, 2, BF16), out = box_make(r, s[0], s[2], 5);
            r->be->linear(r->c, out, (struct mat){ 0 }, in, &W, OP_NONE);
            expect(r, "fine", out, y, 1e-5);
            r->be->free(r->c, W.fwd);
        }
    }
}

/* ---- with a norm before ---------------------------------------------------------------- */
enum { D = 96, HEADS = 3, F = 160, LENGTHS = 4 };
static const int lengths[LENGTHS] = { 70, 1, 33, 420 };

struct block { struct batch b; struct val x, norm, table, wqkv, wi; };

static struct block
block_of(struct rig *r)
{
    struct block j = { .b = batch_of(lengths, LENGTHS) };
    j.x = val_random(r, j.b.cu[LENGTHS], D, 1);
    j.norm = val_random(r, 1, D, 1);
    j.table = ref_rope_table(r, 512, D / HEADS, 10000);
    j.wqkv = val_random(r, 3 * D, D, 1 / sqrt(D));
    j.wi = val_random(r, 2 * F, D, 1 / sqrt(D));
    return j;
}

struct out { struct mat qkv, g; };

/* Sequences [from, to) of the block by this turn's context. */
static struct out
run(struct rig *r, const struct block *j, int from, int to)
{
    const int first = j->b.cu[from], T = j->b.cu[to] - first;
    const struct mat none = { 0 };
    struct batch b = { .n = to - from };
    struct seqs s;
    for (int i = 0; i <= b.n; i++)
        b.cu[i] = j->b.cu[from + i] - first;
    r->be->seqs_make(r->c, &s, b.n, b.cu);
    const struct val x = { T, D, at(j->x, first) };
    struct mat in = box_put(r, x, 1), h = box_make_as(r, T, D, 0, BF16);
    const struct val nil = { 0 };
    const struct weight qkv = weight_of(r, j->wqkv, nil, F32, WEIGHT_FORWARD),
                        wi = weight_of(r, j->wi, nil, F32, WEIGHT_FORWARD);
    const struct lnorm n = { .w = box_put(r, j->norm, 0), .eps = 1e-5f };
    const struct rope rope = { box_put(r, j->table, 0) };
    const struct out o = { box_make_as(r, T, 3 * D, 32, BF16),
                           box_make_as(r, T, F, 32, BF16) };
    r->be->norm_qkv(r->c, o.qkv, none, h, in, &n, &qkv, rope, HEADS, &s);
    r->be->norm_glu(r->c, o.g, none, none, h, in, &n, &wi, OP_GELU, (struct drop){ 0, 0 });
    r->be->seqs_free(r->c, &s);
    r->be->free(r->c, qkv.fwd);
    r->be->free(r->c, wi.fwd);
    return o;
}

/* The bytes of rows, of every thread count and instruction set, are those of the first. */
static void
block_packed_as_alone(void **state)
{
    static uint16_t *first[2];
    static int seen;
    struct rig *r = rig_of(state);
    r->seed = 99; /* the same values whatever the instruction set */
    const struct block j = block_of(r);
    for (int k = 0; rig_turn(r, k); k++)
        for (int from = -1; from < LENGTHS; from++) {
            const int start = from < 0 ? 0 : from, row = j.b.cu[start];
            const struct out o = run(r, &j, start, from < 0 ? LENGTHS : from + 1);
            const struct mat m[2] = { o.qkv, o.g };
            for (int t = 0; t < 2; t++) {
                const size_t cols = (size_t)m[t].cols;
                if (!first[t])
                    first[t] = calloc((size_t)j.x.rows * cols, 2);
                for (int i = 0; i < m[t].rows; i++) {
                    const uint16_t *got = (const uint16_t *)m[t].p + (ptrdiff_t)i * m[t].ld;
                    uint16_t *want = first[t] + (size_t)(row + i) * cols;
                    if (from < 0 && !k && !seen)
                        memcpy(want, got, cols * 2);
                    assert_memory_equal(want, got, cols * 2);
                }
            }
            rig_drop_boxes(r);
        }
    seen = 1;
}

/* One bad value spoils its own row, and all of it. */
static void
block_not_finite(void **state)
{
    static const double bad[] = { NAN, INFINITY };
    struct rig *r = rig_of(state);
    const struct block j = block_of(r);
    for (int k = 0; k < 2; k++) {
        const int row = 77;
        at(j.x, row)[5] = bad[k];
        const struct out o = run(r, &j, 0, LENGTHS);
        for (int i = 0; i < j.x.rows; i++)
            for (int c = 0; c < F; c++) {
                const uint16_t v = ((const uint16_t *)o.g.p)[(ptrdiff_t)i * o.g.ld + c];
                assert_int_equal(!isfinite(half_from_bf16(v)), i == row);
            }
        rig_drop_boxes(r);
    }
}

int
main(void)
{
    struct CMUnitTest tests[] = {
        BOTH(rows_of_all_lengths), BOTH(rows_that_are_not_finite),
        BOTH(products_of_integers), BOTH(fine_products), BOTH(block_packed_as_alone),
        BOTH(block_not_finite),
    };
    return half_run(tests, sizeof tests / sizeof *tests);
}
