/*
 * packed_attention - attention over panels, f32 and bf16 by each instruction set, against
 * dense softmax in double: lengths and windows around every tile, batches, and what one
 * sequence may not do to another.
 */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"
#include "tests/ops/modes.h"

/*
 * Panels are 32 keys, tiles of queries 32 (of 14 or 32 rows), groups 128, key blocks 256.
 */
struct shape { int heads, size, window, n, lengths[8]; };
static const struct shape shapes[] = {
    { 2, 64, -1, 1, { 1 } },
    { 3, 32, -1, 6, { 2, 16, 17, 31, 32, 33 } },
    { 1, 128, -1, 5, { 63, 64, 65, 66, 0 } },
    { 1, 64, -1, 4, { 127, 128, 129, 130 } },
    { 2, 32, -1, 4, { 200, 255, 256, 257 } },
    { 1, 64, -1, 1, { 1025 } },
    { 2, 64, 0, 8, { 1, 2, 16, 17, 31, 32, 33, 63 } },
    { 1, 64, 1, 8, { 1, 2, 16, 17, 31, 32, 33, 63 } },
    { 2, 32, 8, 8, { 1, 2, 16, 17, 31, 32, 33, 63 } },
    { 1, 128, 64, 8, { 63, 1, 64, 65, 2, 66, 0, 33 } },
    { 2, 64, 0, 3, { 127, 256, 31 } },
    { 1, 32, 1, 4, { 257, 128, 65, 130 } },
    { 1, 64, 8, 4, { 129, 200, 255, 257 } },
    { 1, 64, 64, 6, { 127, 128, 129, 130, 255, 257 } },
    { 1, 32, 31, 3, { 200, 33, 256 } },
    { 1, 32, 33, 3, { 200, 33, 256 } },
    { 1, 64, 300, 2, { 700, 299 } },
    { 1, 64, 64, 2, { 1025, 17 } },
    { 1, 32, 8, 3, { 5, 1025, 300 } },
    { 1, 192, 20, 2, { 70, 31 } },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct job { struct refattn a; struct batch b; struct val qkv, o, lse, spread; };

static struct val
columns(struct rig *r, struct val v, int from, int n)
{
    struct val c = val_zero(r, v.rows, n);
    for (int t = 0; t < v.rows; t++)
        memcpy(at(c, t), at(v, t) + from, (size_t)n * sizeof(double));
    return c;
}

/* The reference of j->qkv as it stands. */
static void
job_solve(struct rig *r, struct job *j)
{
    const int D = j->qkv.cols / 3;
    j->a.q = columns(r, j->qkv, 0, D);
    j->a.k = columns(r, j->qkv, D, D);
    j->a.v = columns(r, j->qkv, 2 * D, D);
    ref_attention(j->o, j->lse, &j->a);
}

static void
job_make(struct rig *r, struct job *j, const struct shape *s, double spread)
{
    const int D = s->heads * s->size;
    j->b = batch_of(s->lengths, s->n);
    const int T = j->b.cu[s->n];
    j->qkv = val_stored(r, val_random(r, T, 3 * D, spread));
    j->a = (struct refattn){ .b = &j->b, .heads = s->heads, .window = s->window,
                             .scale = (double)(float)(1 / sqrt(s->size)) };
    j->o = val_zero(r, T, D);
    j->lse = val_zero(r, T, s->heads);
}

static void
attend(struct rig *r, struct mat o, struct mat lse, struct mat qkv, const struct job *j,
       const struct batch *b, struct drop drop)
{
    const int D = o.cols;
    struct seqs s;
    r->be->seqs_make(r->c, &s, b->n, b->cu);
    r->be->attention(r->c, o, lse, mat_cols(qkv, 0, D), mat_cols(qkv, D, D),
                     mat_cols(qkv, 2 * D, D), j->a.heads, &s, j->a.window,
                     (float)j->a.scale, drop);
    r->be->seqs_free(r->c, &s);
}

/*
 * By row and head, whose elements are sums of p v for the same p and values without
 * pattern: `size`, their rms, is sqrt(sum p^2) of a value's.  bf16 rounds each p by 2^-9 of
 * it at most, 2^-9.8 as noise, so an element moves by 2^-9.8 size; the bound is 9 times
 * that, and the rounding of the element itself.  F32 keeps `fine`.
 */
static void
expect_rows(struct rig *r, const char *what, struct mat m, struct val want, int heads,
            double fine)
{
    const struct val got = val_read(r, m);
    const int K = want.cols / heads;
    const double tol = type_of(r) == BF16 ? 1e-2 + fine : fine;
    for (int t = 0; t < want.rows; t++)
        for (int h = 0; h < heads; h++) {
            const double *w = at(want, t) + h * K, *g = at(got, t) + h * K;
            const double size = sqrt(ref_dot(w, w, K, 0) / K);
            for (int i = 0; i < K; i++) {
                const double rounding = type_of(r) == BF16 ? 0x1p-8 * fabs(w[i]) : 0;
                if (!(fabs(g[i] - w[i]) <= tol * size + rounding))
                    fail_msg("%s [%d, head %d, %d]: got %.9g, want %.9g, size %.3g", what,
                             t, h, i, g[i], w[i], size);
            }
        }
    expect_floor(r, what, m, want, 1, 1e30); /* sentinels, and the bytes of other threads */
}

/* fine: what o may lose relative to its row. */
static void
compare(struct rig *r, const struct job *j, struct drop drop, double fine)
{
    const int D = j->o.cols, T = j->o.rows, H = j->a.heads;
    for (int turn = 0; rig_turn(r, turn); turn++) {
        const enum dtype type = type_of(r);
        /* gaps: `bare` begins its rows at 16 bytes as qkv does, `o` does not */
        struct mat qkv = put_stored(r, j->qkv, 8), o = box_make_as(r, T, D, 3, type),
                   bare = box_make_as(r, T, D, 32, type), lse = box_make(r, T, H, 1);
        attend(r, o, lse, qkv, j, &j->b, drop);
        attend(r, bare, (struct mat){ 0 }, qkv, j, &j->b, drop);
        expect_rows(r, "o", o, j->o, H, fine);
        expect_rows(r, "o without lse", bare, j->o, H, fine);
        expect_floor(r, "lse", lse, j->lse, 2e-6, 1);
        if (type == BF16)
            expect_noise(r, "o", o, j->o, 1e-5 + fine * fine);
    }
}

static void
values(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &shapes[i], 1);
        job_solve(r, &j);
        compare(r, &j, (struct drop){ 0 }, 1e-5);
    }
}

/*
 * Scores up to +-10^4, for which nearly all probability is on one key: their own rounding,
 * some 2^-24 of sums of 10^4, moves a close second by 10^-3 and more.
 */
static void
large_scores(void **state)
{
    struct rig *r = *state;
    static const struct shape large[] = { { 2, 64, -1, 2, { 300, 33 } },
                                          { 1, 32, 64, 2, { 130, 257 } } };
    for (int i = 0; i < 2; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &large[i], 18);
        job_solve(r, &j);
        compare(r, &j, (struct drop){ 0 }, 1e-2);
    }
}

/* Scores that rise or fall along the keys from -10^4 to 10^4: the maximum moves in each
 * block. */
static void
rising_and_falling(void **state)
{
    struct rig *r = *state;
    static const struct shape slope[] = {{1, 32, -1, 1, {600}}, {1, 32, 40, 1, {600}}};
    for (int i = 0; i < 4; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &slope[i / 2], 1);
        for (int t = 0; t < 600; t++)
            for (int c = 0; c < 64;
                 c++) /* q = 1, k by steps that bf16 holds: 32 k 32^-0.5 */
                at(j.qkv, t)[c] = c < 32 ? 1 : (i % 2 ? -1 : 1) * (t / 5 - 60) * 32.0;
        job_solve(r, &j);
        compare(r, &j, (struct drop){ 0 }, 1e-5);
    }
}

/* All keys alike: o is the mean of the values that are seen, lse the score + log of how
 * many. */
static void
equal_scores(void **state)
{
    struct rig *r = *state;
    static const struct shape flat[] = { { 1, 64, -1, 3, { 1, 130, 300 } },
                                         { 2, 32, 8, 3, { 1, 130, 300 } } };
    for (int i = 0; i < 4; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &flat[i / 2], 1);
        const int D = j.o.cols;
        for (int t = 0; t < j.qkv.rows; t++)
            for (int c = 0; c < 2 * D; c++)
                at(j.qkv, t)[c] = i % 2 ? 0 : c < D ? 100 : -100;
        job_solve(r, &j);
        compare(r, &j, (struct drop){ 0 }, 1e-5);
    }
}

/* Rows [from, end) as they lie on the device; free them. */
static char *
rows_read(struct rig *r, struct mat m, int from, int end)
{
    const struct mat part = mat_rows(m, from, end - from);
    const size_t size = dtype_size(m.type),
                 n = ((size_t)(part.rows - 1) * (size_t)m.ld + (size_t)m.cols) * size;
    char *host = malloc(n);
    r->be->download(r->c, host, part.p, n);
    return host;
}

static void
assert_same_rows(struct rig *r, struct mat a, struct mat b, int from, int end,
                 const char *what)
{
    const size_t size = dtype_size(a.type), n = (size_t)a.cols * size;
    if (from >= end)
        return;
    char *x = rows_read(r, a, from, end), *y = rows_read(r, b, from, end);
    for (int t = from; t < end; t++)
        if (memcmp(x + (size_t)(t - from) * (size_t)a.ld * size,
                   y + (size_t)(t - from) * (size_t)b.ld * size, n))
            fail_msg("%s: row %d of sequence [%d, %d) differs", what, t, from, end);
    free(x);
    free(y);
}

/* What a window hides weighs nothing, not next to nothing: values of 10^37 there leave the
 * bytes as zeros do. */
static void
hidden_values_weigh_nothing(void **state)
{
    struct rig *r = *state;
    static const struct shape s = { 1, 64, 8, 1, { 600 } };
    enum { FROM = 300, SEEN = FROM - 8 };
    struct job j;
    job_make(r, &j, &s, 1);
    struct val big = val_copy(r, j.qkv);
    for (int t = FROM; t < 600; t++)
        for (int c = 128; c < 192; c++) {
            at(j.qkv, t)[c] = 0;
            at(big, t)[c] = (double)half_from_bf16(half_to_bf16(c % 2 ? 1e37f : -1e37f));
        }
    for (int turn = 0; rig_turn(r, turn); turn++) {
        const struct mat qkv[] = { put_stored(r, j.qkv, 8), put_stored(r, big, 8) },
                         o[] = { box_make_as(r, 600, 64, 32, type_of(r)),
                                 box_make_as(r, 600, 64, 32, type_of(r)) };
        for (int i = 0; i < 2; i++)
            attend(r, o[i], (struct mat){ 0 }, qkv[i], &j, &j.b, (struct drop){ 0 });
        assert_same_rows(r, o[0], o[1], 0, SEEN, "hidden values");
    }
    rig_case_end(r);
}

/* ---- neighbours --------------------------------------------------------------------- */
static const struct shape crowd[] = {
    { 2, 64, -1, 8, { 17, 257, 1, 64, 0, 130, 600, 33 } },
    { 2, 32, 8, 8, { 17, 257, 1, 64, 0, 130, 600, 33 } },
    { 1, 128, 64, 8, { 17, 257, 1, 64, 0, 130, 600, 33 } },
};

static void
packed_equals_alone(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 3; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &crowd[i], 1);
        const int T = j.o.rows, D = j.o.cols, H = j.a.heads;
        for (int k = 0; rig_turn(r, k); k++) {
            const enum dtype type = type_of(r);
            const int gap = i % 2 ? 6 : 0, lag = i % 2; /* 0: rows begin at 16 bytes */
            struct mat qkv = put_stored(r, j.qkv, gap), o = box_make_as(r, T, D, lag, type),
                       own = box_make_as(r, T, D, 0, type), lse = box_make(r, T, H, 1),
                       l = box_make(r, T, H, 0);
            attend(r, o, lse, qkv, &j, &j.b, (struct drop){ 0 });
            for (int b = 0; b < j.b.n; b++) {
                const int first = j.b.cu[b], n = j.b.cu[b + 1] - first;
                const struct batch one = { 1, { 0, n } };
                attend(r, mat_rows(own, first, n), mat_rows(l, first, n),
                       mat_rows(qkv, first, n), &j, &one, (struct drop){ 0 });
            }
            assert_same_rows(r, o, own, 0, T, "o");
            assert_same_rows(r, lse, l, 0, T, "lse");
        }
    }
}

/* What is not finite in a sequence shows there, and changes no bit of the others. */
static void
nan_stays_in_its_sequence(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 9; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &crowd[i % 3], 1);
        const int T = j.o.rows, D = j.o.cols, H = j.a.heads, bad = (int[]){0, 3, 5}[i / 3];
        const int first = j.b.cu[bad], end = j.b.cu[bad + 1];
        rig_turn(r, i % TURNS);
        const enum dtype type = type_of(r);
        struct mat qkv = put_stored(r, j.qkv, 0), o = box_make_as(r, T, D, 0, type),
                   lse = box_make(r, T, H, 0);
        attend(r, o, lse, qkv, &j, &j.b, (struct drop){ 0 });
        for (int t = first; t < end; t++)
            for (int c = 0; c < 3 * D; c++)
                at(j.qkv, t)[c] = i % 2 ? (double)INFINITY : (double)NAN;
        struct mat spoilt = put_stored(r, j.qkv, 0), o2 = box_make_as(r, T, D, 0, type),
                   lse2 = box_make(r, T, H, 0);
        attend(r, o2, lse2, spoilt, &j, &j.b, (struct drop){ 0 });
        assert_same_rows(r, o, o2, 0, first, "o before");
        assert_same_rows(r, o, o2, end, T, "o after");
        assert_same_rows(r, lse, lse2, 0, first, "lse before");
        assert_same_rows(r, lse, lse2, end, T, "lse after");
        const struct val got = val_read(r, o2);
        for (int t = first; t < end; t++)
            for (int c = 0; c < D; c++)
                assert_false(isfinite(at(got, t)[c]));
    }
}

/* ---- dropout ------------------------------------------------------------------------ */
/*
 * The mask that the op of OpenBLAS drops by, read through it: with all scores equal and v
 * the unit vectors of one sequence of T keys, T o is the factor of each (row, head, key).
 */
struct mask { int T, heads; double *factor; };

static double
mask_factor(const void *arg, int t, int head, int key)
{
    const struct mask *m = arg;
    return m->factor[((size_t)t * (size_t)m->heads + (size_t)head) * (size_t)m->T +
                     (size_t)key];
}

static struct mask
mask_read(struct rig *r, int T, int heads, struct drop drop)
{
    const size_t n = (size_t)T * (size_t)heads * (size_t)T;
    struct mask m = { T, heads, calloc(n, sizeof(double)) };
    struct ctx *plain = r->be->open(1, OP_PLAIN);
    struct val zero = val_zero(r, T, heads * T), unit = val_zero(r, T, heads * T);
    const int cu[] = { 0, T };
    struct seqs s;
    for (int t = 0; t < T; t++)
        for (int h = 0; h < heads; h++)
            at(unit, t)[h * T + t] = T;
    rig_turn(r, 0);
    struct mat q = box_put(r, zero, 0), o = box_make(r, T, heads * T, 0);
    r->be->seqs_make(plain, &s, 1, cu);
    r->be->attention(plain, o, (struct mat){0}, q, q, box_put(r, unit, 0), heads, &s, -1, 1,
                     drop);
    r->be->seqs_free(plain, &s);
    r->be->close(plain);
    memcpy(m.factor, val_read(r, o).p, n * sizeof(double));
    return m;
}

/* F32 multiplies by the same factors; bf16 rounds the dropped probabilities. */
static void
dropout_as_the_plain_op(void **state)
{
    struct rig *r = *state;
    static const struct shape dropped[] = { { 2, 64, 20, 1, { 200 } },
                                            { 1, 32, -1, 3, { 33, 1, 270 } } };
    for (int i = 0; i < 2; i++, rig_case_end(r)) {
        const struct drop drop = { 0.25f, 77 };
        struct job j;
        job_make(r, &j, &dropped[i], 1);
        struct mask m = mask_read(r, j.o.rows, j.a.heads, drop);
        int zero = 0;
        for (int e = 0; e < j.o.rows * j.o.rows; e++)
            zero += m.factor[e] == 0;
        assert_in_range(zero, j.o.rows * j.o.rows / 5, j.o.rows * j.o.rows / 3);
        j.a.keep = mask_factor;
        j.a.arg = &m;
        job_solve(r, &j);
        compare(r, &j, drop, 1e-5);
        free(m.factor);
    }
}

int
main(void)
{
    static const struct mode_test tests[] = {
        { "attention", values, 0, 0 },
        { "scores of +-10^4", large_scores, 0, 0 },
        { "scores that rise and fall", rising_and_falling, 0, 0 },
        { "equal scores", equal_scores, 0, 0 },
        { "hidden values weigh nothing", hidden_values_weigh_nothing, 0, 0 },
        { "packed equals alone", packed_equals_alone, 1, 0 },
        { "a NaN stays in its sequence", nan_stays_in_its_sequence, 0, 0 },
        { "dropout as the plain op", dropout_as_the_plain_op, 0, 0 },
    };
    return modes_run(tests, sizeof tests / sizeof *tests);
}
