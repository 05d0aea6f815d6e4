/* norm - LayerNorm and the embedding's, with gradients; groups of equal ids. */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"

static const int shapes[][2] = {
    { 1, 2 },   { 2, 7 },    { 3, 16 },    { 17, 33 },
    { 64, 64 }, { 65, 100 }, { 130, 128 }, { 257, 768 },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct job { struct val x, dy, y, stat; struct refnorm n; };

static struct job
job_of(struct rig *r, int T, int D, int bias)
{
    struct job j = { .n.eps = 1e-5 };
    j.x = val_random(r, T, D, 2);
    for (int t = 0; t < T; t++)
        for (int i = 0; i < D; i++)
            at(j.x, t)[i] =
                (double)(float)(at(j.x, t)[i] + 3 * (t % 5)); /* means well off zero */
    j.n.w = val_random(r, 1, D, 1);
    j.n.b = bias ? val_random(r, 1, D, 1) : (struct val){ 0 };
    j.dy = val_random(r, T, D, 1);
    j.stat = val_zero(r, T, 2);
    j.y = ref_norm(r, j.x, j.n, j.stat);
    return j;
}

static struct lnorm
lnorm_of(struct rig *r, struct refnorm n)
{
    struct lnorm l = { .w = box_put(r, n.w, 0), .eps = (float)n.eps };
    if (n.b.p)
        l.b = box_put(r, n.b, 0);
    return l;
}

static void
norm_values(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < SHAPES; i++, rig_case_end(r)) {
        const struct job j = job_of(r, shapes[i][0], shapes[i][1], i % 2);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct lnorm n = lnorm_of(r, j.n);
            struct mat x = box_put(r, j.x, 3), y = box_make(r, j.x.rows, j.x.cols, 1);
            struct mat stat = box_make(r, j.x.rows, 2, 0),
                       bare = box_make(r, j.x.rows, j.x.cols, 0);
            r->be->norm(r->c, y, stat, x, &n);
            r->be->norm(r->c, bare, (struct mat){ 0 }, x, &n);
            expect(r, "norm", y, j.y, 5e-6);
            expect(r, "norm without stat", bare, j.y, 5e-6);
            expect(r, "stat", stat, j.stat, 1e-6);
        }
    }
}

static double
norm_loss(const void *arg)
{
    const struct job *j = arg;
    for (int t = 0; t < j->x.rows; t++)
        ref_norm_row(at(j->y, t), at(j->stat, t), at(j->x, t), j->x.cols, j->n.w.p,
                     j->n.b.p, j->n.eps);
    return val_dot(j->y, j->dy);
}

static void
norm_gradients(void **state)
{
    struct rig *r = *state;
    for (int i = 1; i < SHAPES; i++, rig_case_end(r)) {
        struct job j = job_of(r, shapes[i][0], shapes[i][1], 1);
        const int T = j.x.rows, D = j.x.cols;
        struct val dx = val_zero(r, T, D), dw = val_zero(r, 1, D), db = val_zero(r, 1, D);
        ref_norm_bwd(dx, dw, db, j.dy, j.x, j.stat, j.n);
        check_slope(r, "norm dx", norm_loss, &j, j.x, dx);
        check_slope(r, "norm dw", norm_loss, &j, j.n.w, dw);
        check_slope(r, "norm db", norm_loss, &j, j.n.b, db);
        norm_loss(&j);
        struct val x0 = val_random(r, T, D, 1), w0 = val_random(r, 1, D, 1),
                   b0 = val_random(r, 1, D, 1);
        struct val x1 = ref_add(r, x0, dx), w1 = ref_add(r, w0, dw),
                   b1 = ref_add(r, b0, db);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct lnorm n = lnorm_of(r, j.n);
            struct mat x = box_put(r, j.x, 1), dy = box_put(r, j.dy, 2),
                       stat = box_put(r, j.stat, 0);
            struct mat gx = box_put(r, x0, 3), gw = box_put(r, w0, 0),
                       gb = box_put(r, b0, 0);
            struct mat gx2 = box_put(r, x0, 0), gw2 = box_put(r, w0, 0);
            r->be->norm_bwd(r->c, gx, gw, gb, dy, x, stat, &n);
            r->be->norm_bwd(r->c, gx2, gw2, (struct mat){ 0 }, dy, x, stat, &n);
            expect(r, "dx", gx, x1, 1e-5);
            expect(r, "dw", gw, w1, 1e-5);
            expect(r, "db", gb, b1, 1e-5);
            expect(r, "dx without db", gx2, x1, 1e-5);
            expect(r, "dw without db", gw2, w1, 1e-5);
        }
    }
}

/* ids repeat, in no order: every third row is id 5 */
static void
ids_of(int *ids, int T, int V)
{
    for (int t = 0; t < T; t++)
        ids[t] = t % 3 ? (int)(rng_u64(9, (uint64_t)t) % (uint64_t)V) : 5;
}

static struct val
lookup(struct rig *r, struct val E, const int *ids, int T)
{
    struct val x = val_zero(r, T, E.cols);
    for (int t = 0; t < T; t++)
        memcpy(at(x, t), at(E, ids[t]), (size_t)E.cols * sizeof(double));
    return x;
}

static void
embed_values_and_gradients(void **state)
{
    struct rig *r = *state;
    for (int i = 1; i < SHAPES; i++, rig_case_end(r)) {
        const int T = shapes[i][0], D = shapes[i][1], V = 40;
        int ids[300];
        ids_of(ids, T, V);
        struct job j = job_of(r, T, D, i % 2);
        struct val E = val_random(r, V, D, 1), dx = val_zero(r, T, D),
                   w0 = val_random(r, 1, D, 1);
        struct val E0 = val_random(r, V, D, 1), dw = val_copy(r, w0),
                   db = val_zero(r, 1, D), dE = val_copy(r, E0);
        j.x = lookup(r, E, ids, T);
        j.y = ref_norm(r, j.x, j.n, j.stat);
        ref_norm_bwd(dx, dw, db, j.dy, j.x, j.stat, j.n);
        for (int t = 0; t < T; t++)
            for (int c = 0; c < D; c++)
                at(dE, ids[t])[c] += at(dx, t)[c];
        for (int k = 0; rig_turn(r, k); k++) {
            const struct lnorm n = lnorm_of(r, j.n);
            struct mat x = box_make(r, T, D, 2), stat = box_make(r, T, 2, 0),
                       e = box_put(r, E, 0);
            struct mat gE = box_put(r, E0, 0), gw = box_put(r, w0, 0),
                       gb = box_put(r, val_zero(r, 1, D), 0);
            int *const d = box_ints(r, ids, T);
            r->be->embed_norm(r->c, x, stat, d, e, &n, (struct drop){ 0 });
            r->be->embed_norm_bwd(r->c, gE, gw, gb, box_put(r, j.dy, 1), d, e, stat, &n,
                                  (struct drop){ 0 });
            expect(r, "embed_norm", x, j.y, 5e-6);
            expect(r, "stat", stat, j.stat, 2e-6);
            expect(r, "dE", gE, dE, 2e-5);
            expect(r, "dw", gw, dw, 1e-5);
            expect_floor(r, "db", gb, db, 1e-5, 1);
        }
    }
}

static void
sixteen_bit_embedding(void **state)
{
    struct rig *r = *state;
    static const enum dtype types[] = { BF16, F16 };
    enum { V = 6, D = 40, T = 9 };
    static const int ids[T] = { 5, 0, 1, 1, 4, 3, 2, 5, 5 };
    for (int i = 0; i < 2; i++, rig_case_end(r)) {
        struct job j = job_of(r, T, D, 0);
        struct val E = val_random(r, V, D, 1);
        uint16_t half[V * D];
        float wide[V * D];
        for (int e = 0; e < V * D; e++)
            wide[e] = (float)E.p[e];
        half_narrow(half, types[i], wide, V * D);
        half_widen(wide, half, types[i], V * D);
        for (int e = 0; e < V * D; e++)
            E.p[e] = (double)wide[e];
        struct val want = ref_norm(r, lookup(r, E, ids, T), j.n, j.stat);
        for (int k = 0; rig_turn(r, k); k++) {
            const struct lnorm n = lnorm_of(r, j.n);
            struct mat file = box_make(r, V, D / 2, 0), x = box_make(r, T, D, 0);
            r->be->upload(r->c, file.p, half, sizeof half);
            r->be->embed_norm(r->c, x, (struct mat){ 0 }, box_ints(r, ids, T),
                              mat_of(file.p, V, D, types[i]), &n, (struct drop){ 0 });
            expect(r, dtype_name(types[i]), x, want, 5e-6);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(norm_values),
        RIG_TEST(norm_gradients),
        RIG_TEST(embed_values_and_gradients),
        RIG_TEST(sixteen_bit_embedding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
