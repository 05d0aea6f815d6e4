/*
 * rig - what the op tests share: a backend (backend.h) with contexts of 1, 2 and 4 threads
 * (emulated: three orders in which threads run), device matrices between sentinels, and comparisons that no NaN passes.
 *
 * A case runs once a context:  for (int k = 0; rig_turn(r, k); k++) { ... expect(...) ... }
 * expect() compares with the double reference, checks the sentinels, and from the second
 * turn on that the bytes are those of the first.  MBERT_SEED: of the random values (1);
 * of another one's the errors may be twice as large.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "common/base/half.h"
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/ops/ops.h"
#include "tests/ops/backend.h"

enum { TURNS = 3, BOXES = 32, SENTINEL = 0xa5, GUARD = 256 };

/* A host matrix in double, dense.  Values that ops read are floats exactly. */
struct val { int rows, cols; double *p; };
/* A device matrix: guards before and after, sentinels in the gap between cols and ld. */
struct box { struct mat m; char *whole; size_t bytes; };

struct rig {
    const struct ops *be;
    struct ctx *all[TURNS], *c; /* c: this turn's */
    int turn, slot;
    uint64_t hash[BOXES];
    struct box box[BOXES];
    int boxes;
    uint64_t seed;
    double slack; /* of tolerances, which were set for the values of seed 1 */
    struct val val[256];
    int vals;
    double worst; /* largest error over tolerance so far in this test */
};

static inline struct rig *
rig_open_as(enum precision precision)
{
    struct rig *r = mem_zalloc(1, sizeof *r);
    r->be = backend_find();
    assert_non_null(r->be);
    for (int i = 0; i < TURNS; i++)
        r->all[i] = r->be->open(1 << i, precision);
    r->c = r->all[0];
    const char *seed = getenv("MBERT_SEED");
    r->seed = seed && *seed ? strtoull(seed, NULL, 10) : 1;
    r->slack = r->seed == 1 ? 1 : 2;
    return r;
}

static inline int
rig_setup(void **s)
{
    *s = rig_open_as(OP_PLAIN);
    return 0;
}

static inline void
rig_drop_boxes(struct rig *r)
{
    while (r->boxes)
        r->be->free(r->c, r->box[--r->boxes].whole);
}

static inline int
rig_teardown(void **s)
{
    struct rig *r = *s;
    rig_drop_boxes(r);
    for (int i = 0; i < r->vals; i++)
        free(r->val[i].p);
    for (int i = 0; i < TURNS; i++)
        r->be->close(r->all[i]);
    mem_free(r);
    return 0;
}

/* Frees the case's reference values; the next case starts. */
static inline void
rig_case_end(struct rig *r)
{
    while (r->vals)
        free(r->val[--r->vals].p);
}

static inline int
rig_turn(struct rig *r, int k)
{
    rig_drop_boxes(r);
    if (k == TURNS)
        return 0;
    r->c = r->all[k];
    r->turn = k;
    r->slot = 0;
    return 1;
}

/* ---- values ---- */
static inline struct val
val_zero(struct rig *r, int rows, int cols)
{
    const size_t n = (size_t)rows * (size_t)cols;
    assert_true(r->vals < 256);
    return r->val[r->vals++] =
               (struct val){ rows, cols, calloc(n ? n : 1, sizeof(double)) };
}

static inline struct val
val_random(struct rig *r, int rows, int cols, double scale)
{
    struct val v = val_zero(r, rows, cols);
    const uint64_t key = rng_key(20, r->seed++, 0);
    for (size_t i = 0; i < (size_t)rows * (size_t)cols; i++)
        v.p[i] = (double)(float)(scale * rng_normal(key, i));
    return v;
}

static inline double *
at(struct val v, int row)
{
    return v.p + (size_t)row * (size_t)v.cols;
}

static inline struct val
val_copy(struct rig *r, struct val v)
{
    struct val n = val_zero(r, v.rows, v.cols);
    memcpy(n.p, v.p, (size_t)v.rows * (size_t)v.cols * sizeof *v.p);
    return n;
}

static inline double
val_dot(struct val a, struct val b)
{
    double s = 0;
    assert_true(a.rows == b.rows && a.cols == b.cols);
    for (size_t i = 0; i < (size_t)a.rows * (size_t)a.cols; i++)
        s += a.p[i] * b.p[i];
    return s;
}

/* ---- boxes ---- */
static inline struct mat
box_make_as(struct rig *r, int rows, int cols, int gap, enum dtype type)
{
    const size_t n = (size_t)rows * (size_t)(cols + gap) * dtype_size(type),
                 bytes = n + 2 * GUARD;
    char *host = malloc(bytes);
    memset(host, SENTINEL, bytes);
    assert_true(r->boxes < BOXES);
    struct box *b = &r->box[r->boxes++];
    b->whole = r->be->alloc(r->c, bytes);
    b->bytes = bytes;
    b->m = (struct mat){ b->whole + GUARD, rows, cols, cols + gap, type };
    r->be->upload(r->c, b->whole, host, bytes);
    r->be->sync(r->c);
    free(host);
    return b->m;
}

static inline struct mat
box_make(struct rig *r, int rows, int cols, int gap)
{
    return box_make_as(r, rows, cols, gap, F32);
}

static inline struct box
box_of(const struct rig *r, struct mat m)
{
    for (int i = 0; i < r->boxes; i++)
        if (r->box[i].m.p == m.p)
            return r->box[i];
    fail_msg("no such box");
    return (struct box){ 0 };
}

/* A fresh box holding v, rows gap elements apart. */
static inline struct mat
box_put_as(struct rig *r, struct val v, int gap, enum dtype type)
{
    const size_t size = dtype_size(type);
    struct mat m = box_make_as(r, v.rows, v.cols, gap, type);
    struct box b = box_of(r, m);
    char *host = malloc(b.bytes);
    memset(host, SENTINEL, b.bytes);
    for (int i = 0; i < v.rows; i++)
        for (int j = 0; j < v.cols; j++) {
            const float f = (float)at(v, i)[j];
            uint16_t h;
            half_narrow(&h, BF16, &f, 1);
            memcpy(host + GUARD + ((size_t)i * (size_t)m.ld + (size_t)j) * size,
                   type == F32 ? (const void *)&f : &h, size);
        }
    r->be->upload(r->c, b.whole, host, b.bytes);
    r->be->sync(r->c);
    free(host);
    return m;
}

static inline struct mat
box_put(struct rig *r, struct val v, int gap)
{
    return box_put_as(r, v, gap, F32);
}

/* Device integers; freed with the boxes. */
static inline int *
box_ints(struct rig *r, const int *v, int n)
{
    struct mat m = box_make(r, 1, n, 0);
    r->be->upload(r->c, m.p, v, (size_t)n * sizeof *v);
    r->be->sync(r->c);
    return m.p;
}

/*
 * The box holds want to within tol * (rms of want, or `floor` when that is more) in every
 * element, BF16 also to within its own rounding; its guards and gaps are untouched; its
 * bytes equal the first turn's.
 */
static inline void
expect_floor(struct rig *r, const char *what, struct mat m, struct val want, double tol,
             double floor)
{
    const struct box b = box_of(r, m);
    char *host = malloc(b.bytes);
    double sum = 0, worst = 0;
    tol *= r->slack;
    uint64_t hash = 1469598103934665603u;
    const size_t n = (size_t)want.rows * (size_t)want.cols, size = dtype_size(m.type);
    assert_true(m.rows == want.rows && m.cols == want.cols);
    r->be->download(r->c, host, b.whole, b.bytes);
    for (size_t i = 0; i < n; i++)
        sum += want.p[i] * want.p[i];
    const double rms = n ? sqrt(sum / (double)n) : 0, unit = rms > floor ? rms : floor;
    for (size_t i = 0; i < b.bytes; i++)
        hash = (hash ^ (unsigned char)host[i]) * 1099511628211u;
    for (int i = 0; i < m.rows; i++)
        for (int j = 0; j < m.cols; j++) {
            float f;
            char *from = host + GUARD + ((size_t)i * (size_t)m.ld + (size_t)j) * size;
            half_widen(&f, from, m.type, 1);
            memset(from, SENTINEL, size);
            const double rounding = m.type == BF16 ? fabs(at(want, i)[j]) * 0x1p-8 : 0;
            const double off = fabs((double)f - at(want, i)[j]) - rounding,
                         err = off < 0 ? 0 : off / unit;
            if (!(err <= tol))
                fail_msg("%s [%d,%d]: got %.9g, want %.9g, error %.3g of %.3g", what, i, j,
                         (double)f, at(want, i)[j], err, tol);
            worst = err > worst ? err : worst;
        }
    for (size_t i = 0; i < b.bytes; i++)
        if ((unsigned char)host[i] != SENTINEL)
            fail_msg("%s: wrote outside its %d x %d (byte %zu)", what, m.rows, m.cols, i);
    free(host);
    assert_true(r->slot < BOXES);
    if (!r->turn)
        r->hash[r->slot] = hash;
    else if (r->hash[r->slot] != hash)
        fail_msg("%s: other bytes with %d threads (or in another order) than with 1", what,
                 1 << r->turn);
    r->slot++;
    r->worst = worst / tol > r->worst ? worst / tol : r->worst;
}

static inline void
expect(struct rig *r, const char *what, struct mat m, struct val want, double tol)
{
    expect_floor(r, what, m, want, tol, 1e-30);
}

/*
 * The reference's gradient is the slope of its own forward: central differences of
 * loss(arg), in double, at up to 12 elements of x.
 */
static inline void
check_slope(struct rig *r, const char *what, double (*loss)(const void *), const void *arg,
            struct val x, struct val dx)
{
    const size_t n = (size_t)x.rows * (size_t)x.cols;
    const uint64_t key = rng_key(21, r->seed++, 0);
    double sum = 0;
    assert_true(x.rows == dx.rows && x.cols == dx.cols);
    for (size_t i = 0; i < n; i++)
        sum += dx.p[i] * dx.p[i];
    const double rms = n ? sqrt(sum / (double)n) : 0;
    for (size_t k = 0; k < (n < 12 ? n : 12); k++) {
        const size_t i = n <= 12 ? k : rng_u64(key, k) % n;
        const double keep = x.p[i], h = 1e-5;
        x.p[i] = keep + h;
        const double up = loss(arg);
        x.p[i] = keep - h;
        const double down = loss(arg);
        x.p[i] = keep;
        const double slope = (up - down) / (2 * h);
        if (!(fabs(slope - dx.p[i]) <= 1e-6 * (rms + fabs(slope)) + 1e-9))
            fail_msg("%s: reference gradient %zu is %.12g, central difference %.12g", what,
                     i, dx.p[i], slope);
    }
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

/* Sequence lengths that add up to T: all of it, or mixed. */
struct batch { int n, cu[16]; };
static inline struct batch
batch_of(const int *lengths, int n)
{
    struct batch b = { .n = n };
    for (int i = 0; i < n; i++)
        b.cu[i + 1] = b.cu[i] + lengths[i];
    return b;
}
