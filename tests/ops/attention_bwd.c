/*
 * attention_bwd - attention's backward over BF16 activations, by each instruction set that has
 * it, against the double reference of the same rounded inputs: lengths around tiles, windows,
 * dropout; and a sequence gets the same bytes alone and in a batch.
 */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"
#include "tests/ops/half.h"

struct shape { int heads, size, window, n, lengths[8]; };
static const struct shape attention[] = {
    { 2, 64, -1, 2, { 1, 2 } },
    { 2, 64, -1, 4, { 63, 64, 65, 66 } },
    { 2, 32, 1, 4, { 63, 64, 65, 66 } },
    { 1, 128, 8, 2, { 130, 200 } },
    { 2, 64, 64, 5, { 200, 1, 0, 33, 17 } },
    { 1, 32, -1, 2, { 200, 130 } },
    { 1, 64, 64, 1, { 700 } },
    { 1, 64, -1, 1, { 600 } },
};

/* gap: between rows; 8: they begin at 16 bytes. */
struct job { struct refattn a; struct batch b; struct val qkv, o, lse; int gap; };

static struct val
columns(struct rig *r, struct val v, int from, int n)
{
    struct val c = val_zero(r, v.rows, n);
    for (int t = 0; t < v.rows; t++)
        memcpy(at(c, t), at(v, t) + from, (size_t)n * sizeof(double));
    return c;
}

static void
job_make(struct rig *r, struct job *j, const struct shape *s, int gap)
{
    j->gap = gap;
    const int D = s->heads * s->size;
    j->b = batch_of(s->lengths, s->n);
    const int T = j->b.cu[s->n];
    j->qkv = val_half(r, T, 3 * D, 1);
    j->a = (struct refattn){
        .q = columns(r, j->qkv, 0, D),
        .k = columns(r, j->qkv, D, D),
        .v = columns(r, j->qkv, 2 * D, D),
        .dout = val_half(r, T, D, 1),
        .b = &j->b,
        .heads = s->heads,
        .window = s->window,
        .scale = (double)(float)(1 / sqrt(s->size)),
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

/* dqkv of sequences [from, to) of the job's batch, which are rows cu[from].. of its mats. */
static struct mat
run_attention(struct rig *r, const struct job *j, int from, int to, struct drop drop)
{
    const int D = j->o.cols, first = j->b.cu[from], T = j->b.cu[to] - first;
    int cu[16];
    struct seqs s;
    for (int i = from; i <= to; i++)
        cu[i - from] = j->b.cu[i] - first;
    struct mat qkv = mat_rows(half_put(r, j->qkv, 2 * j->gap), first, T),
               o = mat_rows(half_put(r, j->o, j->gap), first, T),
               lse = mat_rows(box_put(r, j->lse, 0), first, T),
               dout = mat_rows(half_put(r, j->a.dout, 5 * j->gap), first, T),
               d = box_make_as(r, T, 3 * D, j->gap, BF16);
    r->be->seqs_make(r->c, &s, to - from, cu);
    r->be->attention_bwd(r->c, mat_cols(d, 0, D), mat_cols(d, D, D), mat_cols(d, 2 * D, D),
                         dout, o, lse, mat_cols(qkv, 0, D), mat_cols(qkv, D, D),
                         mat_cols(qkv, 2 * D, D), j->a.heads, &s, j->a.window,
                         (float)j->a.scale, drop);
    r->be->seqs_free(r->c, &s);
    return d;
}

/* P and dS are rounded to BF16 before they multiply: some parts in a thousand. */
enum { PARTS = 40 };

static void
attention_gradients(void **state)
{
    struct rig *r = rig_of(state);
    for (size_t i = 0; i < 2 * sizeof attention / sizeof *attention; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, &attention[i / 2], i % 2 ? 8 : 1);
        ref_attention(j.o, j.lse, &j.a);
        struct val want = gradient(r, &j);
        for (int k = 0; rig_turn(r, k); k++)
            expect_floor(r, "dqkv", run_attention(r, &j, 0, j.b.n, (struct drop){ 0 }), want,
                         1e-3 * PARTS, 1e-2);
    }
}

static struct val
half_read(struct rig *r, struct mat m)
{
    struct val v = val_zero(r, m.rows, m.cols);
    uint16_t *row = malloc((size_t)m.cols * sizeof *row);
    for (int t = 0; t < m.rows; t++) {
        r->be->download(r->c, row, (uint16_t *)m.p + t * m.ld, (size_t)m.cols * sizeof *row);
        for (int i = 0; i < m.cols; i++)
            at(v, t)[i] = (double)half_from_bf16(row[i]);
    }
    free(row);
    return v;
}

/* A sequence gets the same bytes alone and in a batch. */
static void
attention_alone(void **state)
{
    struct rig *r = rig_of(state);
    const struct shape *const which[] = { &attention[4], &attention[5] };
    for (int i = 0; i < 4; i++, rig_case_end(r)) {
        struct job j;
        job_make(r, &j, which[i / 2], i % 2 ? 8 : 1);
        ref_attention(j.o, j.lse, &j.a);
        rig_turn(r, 0);
        const struct mat all = run_attention(r, &j, 0, j.b.n, (struct drop){ 0 });
        for (int b = 0; b < j.b.n; b++) {
            const struct mat one = run_attention(r, &j, b, b + 1, (struct drop){ 0 });
            const struct val got = half_read(r, one);
            const struct val want = half_read(r, mat_rows(all, j.b.cu[b], one.rows));
            assert_memory_equal(got.p, want.p,
                                (size_t)got.rows * (size_t)got.cols * sizeof *got.p);
        }
        rig_drop_boxes(r);
    }
}

enum { SEEN = 64 };
static double
mask_factor(const void *arg, int t, int head, int key)
{
    return ((const double *)arg)[(t * 2 + head) * SEEN + key];
}

/* With all scores equal and v the unit vectors of SEEN keys, o tells each factor. */
static void
mask_read(struct rig *r, double *factor, struct drop drop)
{
    struct val zero = val_zero(r, SEEN, 2 * SEEN), unit = val_zero(r, SEEN, 2 * SEEN);
    const int cu[] = { 0, SEEN };
    uint16_t got[SEEN * 2 * SEEN];
    struct seqs s;
    for (int t = 0; t < SEEN; t++)
        for (int h = 0; h < 2; h++)
            at(unit, t)[h * SEEN + t] = SEEN;
    rig_turn(r, 0);
    r->be->seqs_make(r->c, &s, 1, cu);
    struct mat q = half_put(r, zero, 0), o = box_make_as(r, SEEN, 2 * SEEN, 0, BF16);
    r->be->attention(r->c, o, (struct mat){ 0 }, q, q, half_put(r, unit, 0), 2, &s, -1, 1,
                     drop);
    r->be->download(r->c, got, o.p, sizeof got);
    for (int i = 0; i < SEEN * 2 * SEEN; i++)
        factor[i] = half_from_bf16(got[i]) > 0.5f ? 1 / 0.75 : 0;
    r->be->seqs_free(r->c, &s);
    rig_drop_boxes(r);
}

static void
attention_dropout(void **state)
{
    struct rig *r = rig_of(state);
    static const struct shape shape = { 2, 64, 20, 1, { SEEN } };
    const struct drop drop = { 0.25f, 77 };
    double factor[SEEN * 2 * SEEN];
    struct job j;
    mask_read(r, factor, drop);
    job_make(r, &j, &shape, 1);
    j.a.keep = mask_factor;
    j.a.arg = factor;
    ref_attention(j.o, j.lse, &j.a);
    struct val want = gradient(r, &j);
    for (int k = 0; rig_turn(r, k); k++)
        expect(r, "dqkv", run_attention(r, &j, 0, 1, drop), want, 1e-3 * PARTS);
}

int
main(void)
{
    struct CMUnitTest tests[] = {
        BOTH(attention_gradients),
        BOTH(attention_alone),
        BOTH(attention_dropout),
    };
    return half_run(tests, sizeof tests / sizeof *tests);
}
