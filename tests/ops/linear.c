/* linear - products with and without bias, their additions and gradients; 16-bit weights;
 * OpenBLAS itself. */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"

static const int shapes[][3] = {
    /* rows, in, out */
    { 1, 1, 1 },     { 1, 768, 2 },     { 2, 3, 5 },      { 3, 64, 300 },
    { 17, 33, 65 },  { 64, 128, 384 },  { 65, 100, 130 }, { 130, 64, 257 },
    { 257, 96, 70 }, { 300, 520, 514 },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct job { struct val x, w, b, r, u, dy; enum act act; };

static struct job
job_of(struct rig *r, const int *s, int bias, enum act act)
{
    struct job j = { .act = act };
    j.x = val_random(r, s[0], s[1], 1);
    j.w = val_random(r, s[2], s[1], 1 / sqrt(s[1]));
    j.b = bias ? val_random(r, 1, s[2], 1) : (struct val){ 0 };
    j.r = val_random(r, s[0], s[2], 1);
    j.dy = val_random(r, s[0], s[2], 1);
    j.u = ref_linear(r, j.x, j.w, j.b);
    return j;
}

static struct weight
weight_of(struct rig *r, const struct job *j)
{
    struct weight W = { .w = box_put(r, j->w, 0) };
    if (j->b.p)
        W.b = box_put(r, j->b, 0);
    return W;
}

static void
linear_and_act(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        const enum act act = (enum act)(i % 5);
        const struct job j = job_of(r, shapes[i], i % 2, act);
        struct val y = ref_act(r, j.u, act, NULL);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct weight W = weight_of(r, &j);
            struct mat out = box_make(r, y.rows, y.cols, 3),
                       alone = box_make(r, y.rows, y.cols, 0);
            struct mat u = box_make(r, y.rows, y.cols, 1), x = box_put(r, j.x, 5);
            r->be->linear(r->c, out, u, x, &W, act);
            r->be->linear(r->c, alone, (struct mat){ 0 }, x, &W, act);
            expect(r, "linear y", out, y, 4e-6);
            expect(r, "linear u", u, j.u, 4e-6);
            expect(r, "linear y alone", alone, y, 4e-6);
        }
    }
}

static void
linear_add_onto_residual(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        const struct job j = job_of(r, shapes[i], i % 2, OP_NONE);
        struct val y = ref_add(r, j.r, j.u);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct weight W = weight_of(r, &j);
            struct mat out = box_make(r, y.rows, y.cols, 2), x = box_put(r, j.x, 1);
            struct mat res = box_put(r, j.r, 7), inplace = box_put(r, j.r, 0);
            r->be->linear_add(r->c, out, x, &W, res, (struct drop){ 0 });
            r->be->linear_add(r->c, inplace, x, &W, inplace, (struct drop){ 0 });
            expect(r, "linear_add", out, y, 4e-6);
            expect(r, "linear_add in place", inplace, y, 4e-6);
            expect(r, "residual", res, j.r, 0);
        }
    }
}

static double
linear_loss(const void *arg)
{
    const struct job *j = arg;
    double loss = 0;
    for (int t = 0; t < j->x.rows; t++)
        for (int o = 0; o < j->w.rows; o++)
            loss += at(j->dy, t)[o] *
                    ref_dot(at(j->x, t), at(j->w, o), j->x.cols, j->b.p ? j->b.p[o] : 0);
    return loss;
}

static void
linear_gradients(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        const struct job j = job_of(r, shapes[i], 1, OP_NONE);
        struct val dx = val_zero(r, j.x.rows, j.x.cols),
                   dw = val_zero(r, j.w.rows, j.w.cols);
        struct val db = val_zero(r, 1, j.w.rows);
        ref_linear_bwd(dx, dw, db, j.dy, j.x, j.w);
        if (i < 6) {
            check_slope(r, "linear dx", linear_loss, &j, j.x, dx);
            check_slope(r, "linear dw", linear_loss, &j, j.w, dw);
            check_slope(r, "linear db", linear_loss, &j, j.b, db);
        }
        struct val w0 = val_random(r, dw.rows, dw.cols, 1),
                   b0 = val_random(r, 1, db.cols, 1);
        struct val x0 = val_random(r, dx.rows, dx.cols, 1);
        struct val w1 = ref_add(r, w0, dw), b1 = ref_add(r, b0, db),
                   x1 = ref_add(r, x0, dx);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct weight W = weight_of(r, &j);
            struct mat dy = box_put(r, j.dy, 2), x = box_put(r, j.x, 3),
                       got = box_make(r, dx.rows, dx.cols, 4);
            struct mat more = box_put(r, x0, 1), gw = box_put(r, w0, 0),
                       gb = box_put(r, b0, 0);
            struct mat gw2 = box_put(r, w0, 0), gb2 = box_put(r, b0, 0);
            r->be->linear_dx(r->c, got, dy, &W, 0);
            r->be->linear_dx(r->c, more, dy, &W, 1);
            r->be->linear_dw(r->c, gw, gb, dy, x);
            r->be->linear_dw(r->c, gw2, (struct mat){ 0 }, dy, x);
            r->be->linear_dw(r->c, (struct mat){ 0 }, gb2, dy, x);
            expect(r, "dx", got, dx, 4e-6);
            expect(r, "dx accumulated", more, x1, 4e-6);
            expect(r, "dw", gw, w1, 4e-6);
            expect(r, "dw without db", gw2, w1, 4e-6);
            expect(r, "db", gb, b1, 4e-6);
            expect(r, "db without dw", gb2, b1, 4e-6);
        }
    }
}

/* The mapped file's 16-bit rows: a blob when the backend asks for one. */
static void
sixteen_bit_weights(void **state)
{
    struct rig *r = *state;
    static const enum dtype types[] = { BF16, F16 };
    for (int i = 0; i < 2; i++, rig_case_end(r)) {
        struct job j = job_of(r, shapes[6], 1, OP_NONE);
        const size_t n = (size_t)j.w.rows * (size_t)j.w.cols;
        uint16_t *half = malloc(n * sizeof *half);
        float *wide = malloc(n * sizeof *wide);
        for (size_t e = 0; e < n; e++)
            wide[e] = (float)j.w.p[e];
        half_narrow(half, types[i], wide, n);
        half_widen(wide, half, types[i], n);
        for (size_t e = 0; e < n; e++)
            j.w.p[e] = (double)wide[e];
        struct val y = ref_linear(r, j.x, j.w, j.b), dx = val_zero(r, j.x.rows, j.x.cols);
        ref_linear_bwd(dx, val_zero(r, j.w.rows, j.w.cols), val_zero(r, 1, j.w.rows), j.dy,
                       j.x, j.w);
        for (int k = 0; rig_turn(r, k); k++) {
            struct weight W = { .b = box_put(r, j.b, 0) };
            void *file = r->be->alloc(r->c, n * sizeof *half);
            r->be->upload(r->c, file, half, n * sizeof *half);
            W.w = mat_of(file, j.w.rows, j.w.cols, types[i]);
            const size_t f = r->be->weight_size(r->c, W.w, WEIGHT_FORWARD);
            const size_t b = r->be->weight_size(r->c, W.w, WEIGHT_BACKWARD);
            if (f)
                r->be->weight_pack(r->c, W.fwd = r->be->alloc(r->c, f), W.w,
                                   WEIGHT_FORWARD);
            if (b)
                r->be->weight_pack(r->c, W.bwd = r->be->alloc(r->c, b), W.w,
                                   WEIGHT_BACKWARD);
            struct mat out = box_make(r, y.rows, y.cols, 0),
                       got = box_make(r, dx.rows, dx.cols, 0);
            r->be->linear(r->c, out, (struct mat){ 0 }, box_put(r, j.x, 0), &W, OP_NONE);
            r->be->linear_dx(r->c, got, box_put(r, j.dy, 0), &W, 0);
            expect(r, dtype_name(types[i]), out, y, 4e-6);
            expect(r, "dx of 16-bit weights", got, dx, 4e-6);
            r->be->free(r->c, file);
            r->be->free(r->c, W.fwd);
            r->be->free(r->c, W.bwd);
        }
        free(half);
        free(wide);
    }
}

/* A row that is not finite spoils itself and no other; rows before and after stay exact. */
static void
nan_stays_in_its_row(void **state)
{
    struct rig *r = *state;
    static const int shape[3] = { 130, 64, 257 };
    const struct job j = job_of(r, shape, 0, OP_NONE);
    for (int k = 0; rig_turn(r, k); k++) {
        const struct weight W = weight_of(r, &j);
        struct mat x = box_put(r, j.x, 0), y = box_make(r, 130, 257, 0);
        const float bad = NAN;
        r->be->upload(r->c, mat_f32(x, 66) + 5, &bad, sizeof bad);
        r->be->linear(r->c, y, (struct mat){ 0 }, x, &W, OP_NONE);
        float *got = malloc((size_t)130 * 257 * sizeof *got);
        r->be->download(r->c, got, y.p, (size_t)130 * 257 * sizeof *got);
        for (int t = 0; t < 130; t++)
            for (int o = 0; o < 257; o++)
                assert_true(t == 66 ? isnan(got[t * 257 + o]) : isfinite(got[t * 257 + o]));
        free(got);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(linear_and_act),       RIG_TEST(linear_add_onto_residual),
        RIG_TEST(linear_gradients),     RIG_TEST(sixteen_bit_weights),
        RIG_TEST(nan_stays_in_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
