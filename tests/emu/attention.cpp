/*
 * attention - the tensor cores' attention kernels, emulated, over exactly sized
 * allocations, against the formulas in double.  Speaks TAP.
 *
 *     attention              everything of moderate size
 *     attention schedule N   small batches by every schedule, N seeds each
 *     attention long         8192 rows
 *
 * Built with gpu/attention.cu and -DPLANT=n (gpu/attention/tile.cuh), `schedule` must fail:
 * tests/emu/plants.sh.
 */
#include "tests/emu/attention.h"

/* ---- the formulas in double --------------------------------------------------------- */
/* rounded: P, dS and the results are bf16 where the kernels make them so. */
struct reference {
    const struct batch *b;
    bool rounded;
    vector<double> in[INPUTS], out[OUTPUTS], lse;
    double cut(double x) const { return rounded ? wide(narrow(x)) : x; }
};

static double
dot(const double *x, const double *y, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static void
add(double *to, double by, const double *x, int n)
{
    for (int i = 0; i < n; i++)
        to[i] += by * x[i];
}

/* Row i of one head, whose columns begin at c, over the keys [lo, hi) that it sees. */
static void
reference_row(struct reference *r, int i, int head, int lo, int hi)
{
    const int D = r->b->cols(), n = r->b->size, c = head * n;
    const double scale = (double)r->b->scale();
    const auto in = [=](int what, int row) { return &r->in[what][(size_t)row * D + c]; };
    const auto out = [=](int what, int row) { return &r->out[what][(size_t)row * D + c]; };
    double max = -INFINITY, sum = 0;
    vector<double> p(hi - lo);
    for (int j = lo; j < hi; j++)
        max = std::max(max, p[j - lo] = scale * dot(in(Q, i), in(K, j), n));
    for (double &x : p)
        sum += x = exp(x - max);
    for (int j = lo; j < hi; j++)
        add(out(O, i), r->cut(p[j - lo] /= sum), in(V, j), n);
    for (int x = 0; x < n; x++)
        out(O, i)[x] = r->cut(out(O, i)[x]);
    r->lse[(size_t)i * r->b->heads + head] = max + log(sum);
    const double delta = dot(in(DOUT, i), out(O, i), n);
    for (int j = lo; j < hi; j++) {
        const double dp = dot(in(DOUT, i), in(V, j), n),
                     ds = r->cut(p[j - lo] * (dp - delta));
        add(out(DQ, i), scale * ds, in(K, j), n);
        add(out(DK, j), scale * ds, in(Q, i), n);
        add(out(DV, j), r->cut(p[j - lo]), in(DOUT, i), n);
    }
}

static struct reference
reference_of(const struct batch &b, bool rounded)
{
    struct reference r = {};
    const size_t n = (size_t)b.rows() * b.cols();
    r.b = &b;
    r.rounded = rounded;
    for (int i = 0; i < INPUTS; i++)
        for (size_t at = 0; at < n; at++)
            r.in[i].push_back(wide(b.in[i][at]));
    for (int i = 0; i < OUTPUTS; i++)
        r.out[i].assign(n, 0);
    r.lse.assign((size_t)b.rows() * b.heads, 0);
    for (int s = 0; s < b.count(); s++)
        for (int head = 0; head < b.heads; head++)
            for (int i = b.cu[s]; i < b.cu[s + 1]; i++)
                reference_row(&r, i, head,
                              b.window < 0 ? b.cu[s] : std::max(b.cu[s], i - b.window),
                              b.window < 0 ? b.cu[s + 1]
                                           : std::min(b.cu[s + 1], i + b.window + 1));
    for (int i = 0; i < OUTPUTS; i++)
        for (double &x : r.out[i])
            x = r.cut(x);
    return r;
}

/* Squared error over squares; where one key alone is seen the gradients are zero. */
static double
nmse(const vector<double> &x, const vector<double> &want)
{
    double error = 0, power = 1e-6 * (double)want.size();
    for (size_t i = 0; i < want.size(); i++) {
        error += (x[i] - want[i]) * (x[i] - want[i]);
        power += want[i] * want[i];
    }
    return error / power;
}

/*
 * o within 2e-5 and gradients within 2e-4 of the formulas, which they keep by a factor of
 * five, and all within twice what rounding P, dS and the results alone costs.  Of a few
 * rows four times that alone: their gradients may all but vanish.
 */
static void
compare(const struct batch &b, const char *what, bool print)
{
    const struct reference exact = reference_of(b, false), rounded = reference_of(b, true);
    double e[OUTPUTS], ratio[OUTPUTS], lse = 0;
    for (int i = 0; i < OUTPUTS; i++) {
        vector<double> got;
        for (size_t at = 0; at < exact.out[i].size(); at++)
            got.push_back(wide(b.out[i][at]));
        e[i] = nmse(got, exact.out[i]);
        ratio[i] = e[i] / (nmse(rounded.out[i], exact.out[i]) + 1e-12);
        const bool few = b.rows() < 15;
        expect((e[i] <= (i == O ? 2e-5 : 2e-4) || few) && ratio[i] <= (few ? 4 : 2),
               "%s: %s nmse %.2e, %.2f times that of rounding alone", what, names[i], e[i],
               ratio[i]);
    }
    for (size_t i = 0; i < b.lse.size(); i++) {
        const double off = fabs((double)b.lse[i] - exact.lse[i]);
        lse = off <= lse ? lse : off; /* a NaN stays */
    }
    expect(lse <= 1e-5, "%s: lse off by %.2e", what, lse);
    if (print)
        printf("# %s: nmse o %.1e dq %.1e dk %.1e dv %.1e, of rounding alone %.2f %.2f "
               "%.2f %.2f; lse %.1e\n",
               what, e[O], e[DQ], e[DK], e[DV], ratio[O], ratio[DQ], ratio[DK], ratio[DV],
               lse);
}

/* ---- tests -------------------------------------------------------------------------- */
static const int windows[] = { -1, 1, 8, 64 };

/* By blocks of 64 and, where every row is seen, of 128: the same bytes. */
static void
accuracy(const vector<int> &lengths, int heads, int size, int window, cudaStream_t stream,
         bool print)
{
    char what[96];
    snprintf(what, sizeof what, "heads of %d, window %d, lengths %d..", size, window,
             lengths[0]);
    struct batch b = batch_make(lengths, heads, size, window, (uint32_t)lengths[0]), l = b;
    emu_count_reset();
    batch_run(&b, stream);
    compare(b, what, print);
    if (window < 0) {
        l.large = true;
        batch_run(&l, stream);
        expect(same(b, l), "%s: blocks of 128 give other bytes", what);
    }
    expect(emu_counted().mma > 0, "%s: no tensor cores", what);
    expect(!emu_counted().conflicts, "%s: ldmatrix in conflict over banks", what);
}

static void
accuracy_all(cudaStream_t stream)
{
    const int lengths[] = { 1, 2, 15, 16, 17, 63, 64, 65, 66, 127, 128, 129, 130, 200 };
    for (int size : { 32, 64 })
        for (int window : windows) {
            for (int length : lengths)
                accuracy({ length }, 2, size, window, stream, false);
            accuracy({ 1025 }, 1, size, window, stream, true);
            accuracy({ 300, 1, 0, 65, 128, 17, 2, 200, 64, 15 }, 3, size, window, stream,
                     true);
            test_end("heads of %d, window %d: lengths 1 to 1025, mixed, blocks of 64, 128",
                     size, window);
        }
}

/* The bytes do not hang on who runs first. */
static void
schedules(const vector<int> &lengths, int size, int window, bool large, int seeds,
          cudaStream_t stream)
{
    struct batch first = batch_make(lengths, 2, size, window, 7);
    first.large = large;
    emu_schedule(stream, EMU_INORDER, 1);
    batch_run(&first, stream);
    compare(first, "in order", false);
    for (int order = 0; order < EMU_ORDERS; order++)
        for (int seed = 1; seed <= (order < EMU_AHEAD ? 1 : seeds); seed++) {
            struct batch b = first;
            emu_schedule(stream, (enum emu_order)order, (uint32_t)seed);
            batch_run(&b, stream);
            expect(same(b, first), "order %d, seed %d: other bytes", order, seed);
        }
    emu_schedule(stream, EMU_INORDER, 1);
    test_end("heads of %d, window %d, blocks of %d: the same bytes by every schedule", size,
             window, large ? WORK_LARGE : WORK_SMALL);
}

/* Sequence s of b as a batch of its own, run. */
static struct batch
alone(const struct batch &b, int s, cudaStream_t stream)
{
    struct batch one = batch_make({ b.cu[s + 1] - b.cu[s] }, b.heads, b.size, b.window, 1);
    one.large = b.large;
    for (int i = 0; i < INPUTS; i++)
        std::copy_n(b.in[i].begin() + (size_t)b.cu[s] * b.cols(),
                    (size_t)one.rows() * b.cols(), one.in[i].begin());
    batch_run(&one, stream);
    return one;
}

static bool
same_rows(const struct batch &one, const struct batch &all, int s)
{
    const size_t at = (size_t)all.cu[s] * all.cols(), n = (size_t)one.rows() * all.cols();
    bool equal = !memcmp(one.lse.data(), all.lse.data() + (size_t)all.cu[s] * all.heads,
                         one.lse.size() * sizeof(float));
    for (int i = 0; i < OUTPUTS; i++)
        equal &= !memcmp(one.out[i].data(), all.out[i].data() + at, n * sizeof(bf16));
    return equal;
}

/* Each sequence alone gives the bytes that it has in the batch, also when others are NaN. */
static void
neighbours(int size, int window, bool large, cudaStream_t stream)
{
    struct batch all = batch_make({ 64, 1, 130, 2, 63, 17, 200, 129 }, 2, size, window, 3);
    all.large = large;
    struct batch sick = all;
    for (int s = 0; s < sick.count(); s += 2)
        for (int i = 0; i < INPUTS; i++)
            std::fill(sick.in[i].begin() + (size_t)sick.cu[s] * sick.cols(),
                      sick.in[i].begin() + (size_t)sick.cu[s + 1] * sick.cols(),
                      (bf16)NOT_A_NUMBER);
    batch_run(&all, stream);
    batch_run(&sick, stream);
    for (int s = 0; s < all.count(); s++) {
        const struct batch one = alone(all, s, stream);
        expect(same_rows(one, all, s), "sequence %d: other bytes than alone", s);
        expect(s % 2 == 0 || same_rows(one, sick, s), "sequence %d: a neighbour's NaN", s);
    }
    test_end("heads of %d, window %d, blocks of %d: packed as alone, beside NaN too", size,
             window, large ? WORK_LARGE : WORK_SMALL);
}

/* The first rows alone, no lse, and views of rows of qkv give the same bytes. */
static void
forms(int size, int window, cudaStream_t stream)
{
    struct batch b = batch_make({ 64, 1, 130, 2, 0, 200 }, 2, size, window, 9);
    const int T = b.rows(), D = b.cols(), n = b.count();
    struct bench t = {};
    vector<bf16> qkv((size_t)T * 3 * D), first((size_t)n * D, UNTOUCHED),
        view(b.in[Q].size());
    batch_run(&b, stream);
    for (int i = 0; i < T * 3 * D; i++)
        qkv[i] = b.in[i / D % 3][(size_t)(i / (3 * D)) * D + i % D];
    bench_make(&t, b, stream);
    const struct mat x = mat_in(qkv, T, 3 * D), no = {};
    for (struct mat o : { mat_in(first, n, D), mat_in(view, T, D) })
        cuda_attention(&t.c, o, no, mat_cols(x, 0, D), mat_cols(x, D, D),
                       mat_cols(x, 2 * D, D), b.heads, &t.s, window, b.scale(), { 0, 0 });
    stream_run(stream);
    const size_t row = (size_t)D * sizeof(bf16);
    expect(!memcmp(view.data(), b.out[O].data(), (size_t)T * row), "views: other bytes");
    for (int s = 0; s < n; s++)
        if (b.cu[s] < b.cu[s + 1])
            expect(!memcmp(&first[(size_t)s * D], &b.out[O][(size_t)b.cu[s] * D], row),
                   "first row of sequence %d: other bytes", s);
        else
            expect(first[(size_t)s * D] == UNTOUCHED, "an empty sequence's answer");
    test_end("heads of %d, window %d: first rows, no lse, views of qkv", size, window);
}

static void
length_8192(int window, bool large, cudaStream_t stream)
{
    struct batch b = batch_make({ 8192 }, 1, 64, window, 5);
    b.large = large;
    emu_schedule(stream, EMU_RANDOM, 1);
    batch_run(&b, stream);
    compare(b, "8192 rows", true);
    test_end("8192 rows, window %d, blocks of %d", window, large ? WORK_LARGE : WORK_SMALL);
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const vector<int> mixed = { 130, 1, 65, 16, 200, 17 };
    cudaStream_t stream;
    cuda_check(cudaStreamCreate(&stream), "a stream");
    if (!strcmp(what, "schedule")) {
        const int seeds = argc > 2 ? atoi(argv[2]) : 2;
        schedules(mixed, 64, -1, false, seeds, stream);
        schedules(mixed, 64, 64, false, seeds, stream);
        schedules(mixed, 64, -1, true, seeds, stream);
        schedules({ 65, 17 }, 32, 8, false, seeds, stream);
    } else if (!strcmp(what, "long")) {
        length_8192(64, false, stream);
        length_8192(-1, true, stream);
    } else {
        accuracy_all(stream);
        for (int size : { 32, 64 })
            for (int window : windows) {
                schedules(mixed, size, window, false, 3, stream);
                neighbours(size, window, false, stream);
                forms(size, window, stream);
            }
        for (int size : { 32, 64 }) {
            schedules(mixed, size, -1, true, 3, stream);
            neighbours(size, -1, true, stream);
        }
    }
    cuda_check(cudaStreamDestroy(stream), "the stream");
    printf("1..%d\n", tap.tests);
    return tap.failed != 0;
}
