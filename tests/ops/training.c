/* training - losses and their gradients, the gradient's norm, AdamW. */
#include "tests/ops/rig.h"
#include "tests/ops/reference.h"

static const int shapes[][2] = { { 1, 2 },  { 2, 1 },  { 3, 5 },
                                 { 17, 3 }, { 65, 2 }, { 130, 257 },
                                 { 3, 1500 } };
enum { SHAPES = sizeof shapes / sizeof *shapes };
enum kind { CE, BCE, MSE };

/* w: weights of the classes, or p NULL. */
struct job {
    struct val z, y, w;
    int labels[130];
    enum kind kind;
    double scale, smoothing, focal;
};

static double
weight(const struct job *j, int i)
{
    return j->w.p ? j->w.p[i] : 1;
}

/* -log p[k] of row t */
static double
nll(const struct job *j, int t, int k)
{
    const double *z = at(j->z, t);
    double sum = 0;
    for (int i = 0; i < j->z.cols; i++)
        sum += exp(z[i] - z[k]);
    return log(sum);
}

static double
ce_loss(const struct job *j, int t)
{
    const int y = j->labels[t], C = j->z.cols;
    const double l = y == -100 ? 0 : nll(j, t, y);
    double loss = y == -100 ? 0 : (1 - j->smoothing) * weight(j, y) * l;
    for (int k = 0; k < C && y != -100; k++)
        loss += j->smoothing / C * weight(j, k) * nll(j, t, k);
    return loss * (j->focal > 0 ? pow(1 - exp(-l), j->focal) : 1);
}

static double
row_loss(const struct job *j, int t)
{
    const double *z = at(j->z, t), *y = at(j->y, t);
    double loss = 0;
    if (j->kind == CE)
        return ce_loss(j, t);
    for (int i = 0; i < j->z.cols; i++)
        loss += j->kind == MSE ? (z[i] - y[i]) * (z[i] - y[i])
                               : weight(j, i) * (log(1 + exp(z[i])) - z[i] * y[i]);
    return loss;
}

static double
loss_of(const void *arg)
{
    const struct job *j = arg;
    double loss = 0;
    for (int t = 0; t < j->z.rows; t++)
        loss += j->scale * row_loss(j, t);
    return loss;
}

/* Each class k as a label of its own, by its share of the loss. */
static double
ce_slope(const struct job *j, int t, int i)
{
    const int y = j->labels[t], C = j->z.cols;
    const double p = exp(-nll(j, t, i));
    double d = 0;
    if (y == -100 || C == 1)
        return 0;
    for (int k = 0; k < C; k++)
        d += ((k == y) * (1 - j->smoothing) + j->smoothing / C) * weight(j, k) *
             (p - (i == k));
    if (j->focal > 0) {
        const double l = nll(j, t, y), own = exp(-l), q = 1 - own;
        d *= pow(q, j->focal) + j->focal * own * pow(q, j->focal - 1) * l;
    }
    return d;
}

static void
loss_gradient(const struct job *j, struct val d)
{
    for (int t = 0; t < d.rows; t++)
        for (int i = 0; i < d.cols; i++) {
            const double z = at(j->z, t)[i], y = at(j->y, t)[i];
            at(d, t)[i] = j->scale * (j->kind == MSE   ? 2 * (z - y)
                                      : j->kind == BCE ? weight(j, i) *
                                                             (1 / (1 + exp(-z)) - y)
                                                       : ce_slope(j, t, i));
        }
}

static void
run_loss(struct rig *r, const struct job *j, struct mat loss, struct mat d, struct mat z)
{
    const float scale = (float)j->scale;
    const struct loss_form f = { j->w.p ? box_put(r, j->w, 0) : (struct mat){ 0 },
                                 (float)j->smoothing, (float)j->focal };
    if (j->kind == CE)
        r->be->ce(r->c, loss.p, d, z, box_ints(r, j->labels, j->z.rows), f, scale);
    else if (j->kind == BCE)
        r->be->bce(r->c, loss.p, d, z, box_put(r, j->y, 1), f, scale);
    else
        r->be->mse(r->c, loss.p, d, z, box_put(r, j->y, 1), scale);
}

/* The reference against its slope, the op against the reference; also over the logits. */
static void
check_loss(struct rig *r, const struct job *j, double tol, double slope_tol)
{
    const int N = j->z.rows, C = j->z.cols;
    struct val d = val_zero(r, N, C), want = val_zero(r, 1, 1),
               start = { 1, 1, (double[]){ 0.5 } };
    loss_gradient(j, d);
    check_slope(r, "loss", loss_of, j, j->z, d);
    want.p[0] = 0.5 + loss_of(j);
    for (int k = 0; rig_turn(r, k); k++) {
        struct mat loss[2] = { box_put(r, start, 0), box_put(r, start, 0) },
                   got = box_make(r, N, C, 1), z = box_put(r, j->z, 2);
        run_loss(r, j, loss[0], got, z);
        run_loss(r, j, loss[1], z, z);
        for (int i = 0; i < 2; i++) {
            expect(r, "loss", loss[i], want, tol);
            expect_floor(r, "dlogits", i ? z : got, d, slope_tol, 1e-3);
        }
    }
}

static struct job
job_of(struct rig *r, int shape, enum kind kind)
{
    const int N = shapes[shape][0], C = shapes[shape][1];
    struct job j = { .z = val_random(r, N, C, 2), .y = val_random(r, N, C, 1),
                     .kind = kind, .scale = 0.125 };
    for (int t = 0; t < N; t++)
        j.labels[t] = t % 7 == 1 ? -100 : t % C;
    for (int e = 0; e < N * C && kind == BCE; e++)
        j.y.p[e] = e % 3 ? 0 : e % 2 ? 1 : 0.25;
    return j;
}

static void
losses(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 3 * SHAPES; i++, rig_case_end(r)) {
        const struct job j = job_of(r, i / 3, (enum kind)(i % 3));
        check_loss(r, &j, 1e-6, 2e-6);
    }
}

static void
losses_with_weights_smoothing_and_focal(void **state)
{
    struct rig *r = *state;
    static const struct { enum kind kind; int weighted; double smoothing, focal; } forms[] = {
        { CE, 1, 0, 0 }, { CE, 0, 0.125, 0 }, { CE, 1, 0.5, 0 }, { CE, 0, 0, 2 },
        { CE, 1, 0, 2 }, { CE, 1, 0, 0.5 },   { BCE, 1, 0, 0 },
    };
    enum { FORMS = sizeof forms / sizeof *forms };
    for (int i = 0; i < FORMS * SHAPES; i++, rig_case_end(r)) {
        struct job j = job_of(r, i / FORMS, forms[i % FORMS].kind);
        j.smoothing = forms[i % FORMS].smoothing;
        j.focal = forms[i % FORMS].focal;
        if (forms[i % FORMS].weighted)
            j.w = val_random(r, 1, j.z.cols, 1);
        for (int k = 0; j.w.p && k < j.w.cols; k++)
            j.w.p[k] = k % 5 == 4 ? 0 : fabs(j.w.p[k]);
        /* a gradient of many classes is small but for a few elements of some ulps */
        check_loss(r, &j, 2e-6, 2e-5);
    }
}

/* The sum of many rows keeps the digits that F32 has. */
static void
loss_of_many_rows(void **state)
{
    struct rig *r = *state;
    enum { N = 50000 };
    struct val z = val_random(r, N, 2, 2), d = val_zero(r, N, 2), want = val_zero(r, 1, 1);
    int *labels = malloc(N * sizeof *labels);
    for (int t = 0; t < N; t++) {
        const double p = 1 / (1 + exp(at(z, t)[0] - at(z, t)[1]));
        labels[t] = t % 3 == 0;
        want.p[0] -= log(labels[t] ? p : 1 - p) / N;
        at(d, t)[1] = (p - labels[t]) / N;
        at(d, t)[0] = -at(d, t)[1];
    }
    for (int k = 0; rig_turn(r, k); k++) {
        const struct val zero = { 1, 1, (double[]){ 0 } };
        struct mat loss = box_put(r, zero, 0), got = box_make(r, N, 2, 0);
        r->be->ce(r->c, loss.p, got, box_put(r, z, 0), box_ints(r, labels, N),
                  (struct loss_form){ .smoothing = 0 }, 1.0f / N);
        expect(r, "loss", loss, want, 1e-7);
        expect(r, "dlogits", got, d, 2e-6);
    }
    free(labels);
}

/* Logits of +-1000 neither overflow nor lose the loss; NaN comes through. */
static void
losses_at_the_edge(void **state)
{
    struct rig *r = *state;
    static const struct {
        enum kind kind;
        int label;
        double smoothing, focal, loss, slope;
    } cases[] = {
        { CE, 1, 0, 0, 2000, 1 },   { BCE, 1, 0, 0, 2000, 1 }, { CE, 1, 0.5, 0, 1500, 0.75 },
        { CE, 1, 0, 2, 2000, 1 },   { CE, 0, 0, 0, 0, 0 },     { CE, 0, 0, 0.5, 0, 0 },
        { CE, 0, 0.5, 0, 500, 0.25 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++, rig_case_end(r)) {
        struct job j = { .z = val_zero(r, 1, 2), .y = val_zero(r, 1, 2),
                         .labels = { cases[i].label }, .kind = cases[i].kind, .scale = 1,
                         .smoothing = cases[i].smoothing, .focal = cases[i].focal };
        j.z.p[0] = 1000;
        j.z.p[1] = -1000;
        j.y.p[1] = 1;
        for (int k = 0; rig_turn(r, k); k++) {
            const struct val want = { 1, 1, (double[]){ cases[i].loss } },
                             zero = { 1, 1, (double[]){ 0 } };
            struct mat loss = box_put(r, zero, 0), d = box_make(r, 1, 2, 0),
                       z = box_put(r, j.z, 0);
            const double slope = cases[i].slope;
            const struct val gradient = { 1, 2, (double[]){ slope, -slope } };
            run_loss(r, &j, loss, d, z);
            expect(r, "loss", loss, want, 1e-7);
            expect(r, "dlogits", d, gradient, 1e-7);
            const float bad = NAN;
            float got;
            r->be->upload(r->c, z.p, &bad, sizeof bad);
            run_loss(r, &j, loss, d, z);
            r->be->download(r->c, &got, loss.p, sizeof got);
            assert_true(isnan(got));
        }
    }
}

enum { TENSORS = 4 };
static const int sizes[TENSORS] = { 1, 1000, 200003, 33 };
static const double rates[TENSORS] = { 1, 1, 0.75, 0 };

struct state { struct val w, g, m, v; };

static void
reference_step(struct state *s, int decays, double rate, const struct adam *a, double norm)
{
    const double clip = a->max_norm > 0 ? fmin(1, a->max_norm / (norm + 1e-6)) : 1;
    const double lr = a->lr * rate;
    for (int i = 0; i < s->w.cols; i++) {
        const double g = s->g.p[i] * clip;
        s->w.p[i] *= decays ? 1 - lr * a->decay : 1;
        s->m.p[i] = a->beta1 * s->m.p[i] + (1 - a->beta1) * g;
        s->v.p[i] = a->beta2 * s->v.p[i] + (1 - a->beta2) * g * g;
        const double mhat = s->m.p[i] / (1 - pow(a->beta1, (double)a->step));
        const double vhat = s->v.p[i] / (1 - pow(a->beta2, (double)a->step));
        s->w.p[i] -= lr * mhat / (sqrt(vhat) + a->eps);
    }
}

static void
params_put(struct rig *r, struct param *p, struct mat m[][4], const struct state *s)
{
    for (int i = 0; i < TENSORS; i++) {
        m[i][0] = box_put(r, s[i].w, 0);
        m[i][1] = box_put(r, s[i].g, 0);
        m[i][2] = box_put(r, s[i].m, 0);
        m[i][3] = box_put(r, s[i].v, 0);
        p[i] = (struct param){ m[i][0].p, m[i][1].p, m[i][2].p, m[i][3].p,
                               sizes[i],  i % 2,     NULL,      rates[i] };
    }
}

static void
adamw_three_steps(void **state)
{
    struct rig *r = *state;
    for (int clipped = 0; clipped < 2; clipped++, rig_case_end(r)) {
        struct adam a = { 1e-2, 0.9, 0.999, 1e-8, 0.01, clipped ? 1.0 : 0, 1 };
        struct state s[TENSORS], start[TENSORS];
        double sum = 0;
        for (int i = 0; i < TENSORS; i++) {
            s[i].w = val_random(r, 1, sizes[i], 1);
            s[i].g = val_random(r, 1, sizes[i], 0.01);
            s[i].m = val_zero(r, 1, sizes[i]);
            s[i].v = val_zero(r, 1, sizes[i]);
            start[i] = (struct state){ val_copy(r, s[i].w), s[i].g, val_copy(r, s[i].m),
                                       val_copy(r, s[i].v) };
            sum += val_dot(s[i].g, s[i].g);
        }
        const struct val norm = { 1, 1, (double[]){ sqrt(sum) } };
        for (a.step = 1; a.step <= 3; a.step++)
            for (int i = 0; i < TENSORS; i++)
                reference_step(&s[i], i % 2, rates[i], &a, sqrt(sum));
        for (int k = 0; rig_turn(r, k); k++) {
            struct param p[TENSORS];
            struct mat m[TENSORS][4], n = box_make(r, 1, 1, 0);
            params_put(r, p, m, start);
            r->be->sqnorm(r->c, n.p, p, TENSORS);
            for (a.step = 1; a.step <= 3; a.step++)
                r->be->adamw(r->c, p, TENSORS, &a, n.p);
            expect(r, "norm", n, norm, 1e-7);
            for (int i = 0; i < TENSORS; i++) {
                expect(r, "w", m[i][0], s[i].w, 1e-6);
                expect(r, "g", m[i][1], s[i].g, 0);
                expect(r, "m", m[i][2], s[i].m, 1e-6);
                expect(r, "v", m[i][3], s[i].v, 2e-6);
            }
        }
    }
}

static void
adamw_skips_what_is_not_finite(void **state)
{
    struct rig *r = *state;
    static const float bad[] = { NAN, INFINITY };
    const struct adam a = { 1e-2, 0.9, 0.999, 1e-8, 0.01, 1, 1 };
    for (int b = 0; b < 2; b++, rig_case_end(r)) {
        struct state s[TENSORS];
        for (int i = 0; i < TENSORS; i++)
            for (int k = 0; k < 4; k++)
                ((struct val *)&s[i])[k] = val_random(r, 1, sizes[i], 1);
        for (int k = 0; rig_turn(r, k); k++) {
            struct param p[TENSORS];
            struct mat m[TENSORS][4], n = box_make(r, 1, 1, 0);
            float norm;
            params_put(r, p, m, s);
            r->be->upload(r->c, p[2].g + 150000, &bad[b], sizeof bad[b]);
            r->be->sqnorm(r->c, n.p, p, TENSORS);
            r->be->download(r->c, &norm, n.p, sizeof norm);
            assert_false(isfinite(norm));
            r->be->adamw(r->c, p, TENSORS, &a, n.p);
            for (int i = 0; i < TENSORS; i++) {
                expect(r, "w kept", m[i][0], s[i].w, 0);
                expect(r, "m kept", m[i][2], s[i].m, 0);
                expect(r, "v kept", m[i][3], s[i].v, 0);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(losses),
        RIG_TEST(losses_with_weights_smoothing_and_focal),
        RIG_TEST(loss_of_many_rows),
        RIG_TEST(losses_at_the_edge),
        RIG_TEST(adamw_three_steps),
        RIG_TEST(adamw_skips_what_is_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
