/*
 * modes - the op tests over packed weights run once for each instruction set that the
 * machine has and each type that it multiplies; another backend than cpu, once for each of
 * its types.  Goes after rig.h and reference.h.
 *
 * A test's state is a rig of its mode; where the machine lacks the set the test is a SKIP.
 * Values are made as the mode stores them, so that the reference reads what the op reads.
 */
#include "common/ops/kernel.h"

struct mode { const char *name; enum isa isa; enum precision precision; };
static struct mode modes[] = {
    { "avx512 f32", ISA_AVX512, OP_F32 }, { "bf16 f32", ISA_BF16, OP_F32 },
    { "amx f32", ISA_AMX, OP_F32 },       { "bf16 bf16", ISA_BF16, OP_BF16 },
    { "amx bf16", ISA_AMX, OP_BF16 },     { "bf16 int8", ISA_BF16, OP_INT8 },
    { "amx int8", ISA_AMX, OP_INT8 },
};
enum { MODES = sizeof modes / sizeof *modes };
static struct mode device_modes[] = { { "f32", ISA_GENERIC, OP_F32 },
                                      { "bf16", ISA_GENERIC, OP_BF16 } };
enum { DEVICE_MODES = sizeof device_modes / sizeof *device_modes };

static int
mode_setup(void **s)
{
    const struct mode *m = *s;
    if (backend_is_cpu())
        setenv("MBERT_CPU", isa_name(m->isa), 1);
    *s = rig_open_as(m->precision);
    return 0;
}

static void
mode_absent(void **state)
{
    (void)state;
}

/* A higher set that multiplies F32 by the kernel of a lower one runs the same code. */
static inline int
mode_new(const struct mode *m)
{
    return m->precision != OP_F32 || m->isa == ISA_AVX512 ||
           kernel_pick(m->isa, F32) != kernel_pick(ISA_AVX512, F32);
}

/* A test's name, fresh: "MODE: TEST", or "BACKEND MODE: TEST" for another than cpu. */
static inline char *
mode_name(const struct mode *m, const char *test)
{
    return backend_is_cpu() ? mem_printf("%s: %s", m->name, test)
                            : mem_printf("%s %s: %s", backend_name(), m->name, test);
}

/*
 * Each test in each mode, but int8 only where `int8` says so; cpu_only: of the CPU's blobs.  MBERT_CPU, when set, is the
 * highest set that is run.
 */
struct mode_test { const char *name; void (*f)(void **state); int int8, cpu_only; };
static inline int
modes_run(const struct mode_test *tests, int n)
{
    struct CMUnitTest *all = mem_zalloc((size_t)n * MODES, sizeof *all);
    const int cpu = backend_is_cpu();
    const enum isa best = cpu ? isa_pick() : ISA_GENERIC;
    size_t count = 0;
    for (int i = 0; i < n * (cpu ? MODES : DEVICE_MODES); i++) {
        struct mode *m = cpu ? &modes[i / n] : &device_modes[i / n];
        const struct mode_test *t = &tests[i % n];
        if (cpu ? !mode_new(m) : t->cpu_only)
            continue;
        if (m->precision == OP_INT8 && !t->int8)
            continue;
        char *name = mode_name(m, t->name);
        if (m->isa <= best) {
            all[count++] =
                (struct CMUnitTest){ name, t->f, mode_setup, rig_teardown, m };
            continue;
        }
        all[count++] = (struct CMUnitTest){ mem_printf("%s # SKIP no %s here", name,
                                                       isa_name(m->isa)),
                                            mode_absent, NULL, NULL, NULL };
        mem_free(name);
    }
    const int failed = _cmocka_run_group_tests("packed", all, count, NULL, NULL);
    while (count)
        mem_free((char *)(uintptr_t)all[--count].name);
    mem_free(all);
    return failed;
}

/* ---- values as this mode stores them ------------------------------------------------ */
static inline enum dtype
type_of(const struct rig *r)
{
    return r->be->type(r->c);
}

static inline int
is_int8(const struct rig *r)
{
    return r->be->precision(r->c) == OP_INT8;
}

/* v rounded to bf16, where activations and weights are. */
static inline struct val
val_stored(struct rig *r, struct val v)
{
    struct val y = val_copy(r, v);
    for (size_t i = 0; type_of(r) == BF16 && i < (size_t)v.rows * (size_t)v.cols; i++)
        y.p[i] = (double)half_from_bf16(half_to_bf16((float)v.p[i]));
    return y;
}

static inline struct val
val_read(struct rig *r, struct mat m)
{
    struct val v = val_zero(r, m.rows, m.cols);
    const struct box b = box_of(r, m);
    const size_t size = dtype_size(m.type);
    char *host = malloc(b.bytes);
    r->be->download(r->c, host, b.whole, b.bytes);
    for (int i = 0; i < m.rows; i++)
        for (int j = 0; j < m.cols; j++) {
            float f;
            half_widen(&f, host + GUARD + ((size_t)i * (size_t)m.ld + (size_t)j) * size,
                       m.type, 1);
            at(v, i)[j] = (double)f;
        }
    free(host);
    return v;
}

/*
 * v in the type of activations, NaN in the gaps between its rows: who reads those is seen.
 * bf16 wants an even gap: kernels read pairs.
 */
static inline struct mat
put_stored(struct rig *r, struct val v, int gap)
{
    struct val wide = val_zero(r, v.rows, v.cols + gap);
    for (int i = 0; i < wide.rows; i++)
        for (int j = 0; j < wide.cols; j++)
            at(wide, i)[j] = j < v.cols ? at(v, i)[j] : (double)NAN;
    return mat_cols(box_put_as(r, wide, 0, type_of(r)), 0, v.cols);
}

static inline double
val_rms(struct val v)
{
    const size_t n = (size_t)v.rows * (size_t)v.cols;
    return n ? sqrt(val_dot(v, v) / (double)n) : 0;
}

/*
 * Sum of squared errors over the sum of squares, when there are enough elements to judge.
 */
static inline void
expect_noise(struct rig *r, const char *what, struct mat m, struct val want, double most)
{
    const struct val got = val_read(r, m);
    double error = 0, size = 0;
    const size_t n = (size_t)want.rows * (size_t)want.cols;
    for (size_t i = 0; i < n; i++) {
        error += (got.p[i] - want.p[i]) * (got.p[i] - want.p[i]);
        size += want.p[i] * want.p[i];
    }
    if (n >= 512 && !(error <= most * size))
        fail_msg("%s: NMSE %.3g, more than %.3g", what, error / size, most);
}

/*
 * A product of `depth` terms.  F32 sums: the k-th of them rounds by at most 2^-24 of its
 * own size, sqrt(k / depth) of the result's: as a random walk 2^-25.8 sqrt(depth / 2).  The
 * worst of 10^6, where sums are large besides, is 12 times it: 1.4e-7 sqrt(depth).  BF16:
 * the result is rounded too, by 2^-8 of it at most (rig.h), and by 2.7e-6 of the whole
 * power.  int8: two operands in steps of 1/127 of their largest, 3 to 7 deviations
 * (LayerNorm's weights): 1e-4 to 5e-4. unit: what elements are like before an activation
 * makes most of them small.
 */
static inline void
expect_product(struct rig *r, const char *what, struct mat m, struct val want, int depth,
               double unit)
{
    if (is_int8(r)) {
        expect_floor(r, what, m, want, 0.15, unit);
        expect_noise(r, what, m, want, 1e-3);
        return;
    }
    expect_floor(r, what, m, want, 1.5e-6 + 1.4e-7 * sqrt(depth), unit);
    if (m.type == BF16)
        expect_noise(r, what, m, want, 5e-6);
}

/*
 * What the CPU makes of sums in F32 before it rounds once; another device, of products that
 * BF16 holds: each of up to four roundings is 2^-9 at most of what is a few times the unit,
 * and 1.3e-6 of the whole power.
 */
static inline void
expect_after_product(struct rig *r, const char *what, struct mat m, struct val want, int depth,
                     double unit)
{
    if (backend_is_cpu() || m.type != BF16) {
        expect_product(r, what, m, want, depth, unit);
        return;
    }
    expect_floor(r, what, m, want, 3e-2, unit > val_rms(want) ? unit : val_rms(want));
    expect_noise(r, what, m, want, 1.5e-5);
}

/* A blob of w (raw F32 in a box) for that use, freed with weight_drop; another device than
 * the CPU may want none. */
static inline struct weight
weight_of(struct rig *r, struct val w, struct val b, enum weight_use use)
{
    struct weight W = { .w = box_put(r, w, 0) };
    const size_t bytes = r->be->weight_size(r->c, W.w, use);
    assert_true(bytes > 0 || !backend_is_cpu());
    if (bytes)
        r->be->weight_pack(r->c, W.fwd = r->be->alloc(r->c, bytes), W.w, use);
    if (b.p)
        W.b = box_put(r, b, 0);
    return W;
}

static inline void
weight_drop(struct rig *r, struct weight *W)
{
    r->be->free(r->c, W->fwd);
}
