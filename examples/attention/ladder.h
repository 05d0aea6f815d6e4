#ifndef ATTENTION_LADDER_H
#define ATTENTION_LADDER_H
/*
 * ladder - what the five programs share: the batch, its inputs, the reference, the check.
 *
 * A batch is n sequences laid end to end, `rows` rows in all; sequence b is rows cu[b] to
 * cu[b + 1] - 1.  For query i and every key j of its own sequence (with a window w: those
 * with |i - j| <= w), in each head:
 *
 *     s_ij = q_i . k_j / sqrt K,  p_ij = exp(s_ij) / sum_j exp(s_ij),  o_i = sum_j p_ij v_j
 *
 * From the root, for a card, and for the CPU (`make emu` builds the two objects):
 *
 *     nvcc -std=c++17 -O3 -arch=sm_90 -I. -o tiled examples/attention/tiled.cu
 *     g++ -std=c++17 -O2 -fno-strict-aliasing -I. -Itests/emu -o tiled \
 *         -x c++ examples/attention/tiled.cu \
 *         -x none build/tests/emu/libemu.a
 *
 * ./tiled checks itself on small batches; ./tiled 8192 512 512 computes and checks one of
 * these lengths.  Output is TAP; the exit status is 1 when anything is wrong.
 */
#include <algorithm>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>
#include "gpu/dev.cuh"

enum { K = 64, HEADS = 2, STREAMS = 4, GUARD = 64 };
#define SCALE 0.125f /* 1 / sqrt K */

/* q, k, v, o: [rows][heads][K]; lse: [rows][heads], log sum_j exp(s_ij); on the card. */
template <class T>
struct batch {
    T *o;
    float *lse;
    const T *q, *k, *v;
    const int *cu; /* [n + 1] */
    int n, rows, longest, heads, window; /* window < 0: every key */
};

/* Where a row of a head begins. */
BOTH ptrdiff_t
at_row(int row, int head, int heads)
{
    return ((ptrdiff_t)row * heads + head) * K;
}

/*
 * What a block works on in a padded grid: each sequence gets `blocks` blocks of `queries`
 * rows for each head, as many as the longest needs; those past its end have nothing to do.
 */
struct place { int row, len, q0, head; };

DEV struct place
place_of(const int *cu, int blocks, int queries, int heads)
{
    const int i = dev_block() / heads, seq = i / blocks;
    return { cu[seq], cu[seq + 1] - cu[seq], i % blocks * queries, dev_block() % heads };
}

static inline int
blocks_of(int64_t n, int per)
{
    return (int)((n + per - 1) / per);
}

/* One program.  attend() puts a batch's attention on the stream; cu is the host's copy. */
template <class T>
struct rung {
    const char *name;
    void (*attend)(struct batch<T> b, const int *cu, cudaStream_t s);
    bool lse, window; /* what it can do */
    double limit;     /* of |o - reference|^2 / |reference|^2, in every sequence and head */
};

static inline void
must(cudaError_t e, const char *what)
{
    if (e == cudaSuccess)
        return;
    printf("Bail out! %s: %s\n", what, cudaGetErrorString(e));
    exit(1);
}

/* ---- memory of the card ------------------------------------------------------------- */

/* Inputs are whole numbers up to 64, or 32nds up to 2: both types hold them exactly. */
static inline void put(float *to, float f) { *to = f; }
static inline float get(float f) { return f; }

static inline void
put(bf16 *to, float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    *to = (bf16)(u >> 16);
}

static inline float
get(bf16 h)
{
    const uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

template <class T>
static T *
card_copy(const void *from, size_t n)
{
    T *p = NULL;
    must(cudaMalloc(&p, n * sizeof(T)), "cudaMalloc");
    must(cudaMemcpy(p, from, n * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
    return p;
}

template <class T>
static T *
card_input(const std::vector<float> &x)
{
    std::vector<T> as(x.size());
    for (size_t i = 0; i < x.size(); i++)
        put(&as[i], x[i]);
    return card_copy<T>(as.data(), as.size());
}

/* Room for an answer and a guard behind it, every byte 0xff: NaN, until it is written. */
template <class T>
static T *
card_answer(size_t n)
{
    const std::vector<char> bytes((n + GUARD) * sizeof(T), (char)0xff);
    return card_copy<T>(bytes.data(), n + GUARD);
}

/* Fetches the answer and frees its room; false when the guard was written. */
template <class T>
static bool
card_fetch(std::vector<float> *to, T *p, size_t n)
{
    const std::vector<char> guard(GUARD * sizeof(T), (char)0xff);
    std::vector<T> as(n + GUARD);
    must(cudaMemcpy(as.data(), p, (n + GUARD) * sizeof(T), cudaMemcpyDeviceToHost),
         "cudaMemcpy");
    must(cudaFree(p), "cudaFree");
    to->resize(n);
    for (size_t i = 0; i < n; i++)
        (*to)[i] = get(as[i]);
    return !memcmp(&as[n], guard.data(), guard.size());
}

/* ---- a batch on the host, and its run ----------------------------------------------- */

struct host {
    std::vector<int> cu;
    std::vector<float> q, k, v, o, lse;
    int window;
};

static std::vector<float>
random_values(size_t n, uint32_t seed, float unit)
{
    std::vector<float> x(n);
    for (float &f : x) {
        seed = seed * 1664525u + 1013904223u;
        f = (float)((int)(seed >> 16) % 129 - 64) * unit;
    }
    return x;
}

/* loud: scores beyond 100, where exp overflows unless the maximum is subtracted */
static struct host
host_new(const std::vector<int> &lengths, int window, bool loud)
{
    struct host h = { { 0 }, {}, {}, {}, {}, {}, window };
    for (int len : lengths)
        h.cu.push_back(h.cu.back() + len);
    const size_t n = (size_t)h.cu.back() * HEADS * K;
    h.q = random_values(n, 1, loud ? 1.0f : 1.0f / 32);
    h.k = random_values(n, 2, 1.0f / 32);
    h.v = random_values(n, 3, 1.0f / 32);
    return h;
}

/* Sequence b as a batch of its own. */
static struct host
host_alone(const struct host *h, int b)
{
    const size_t from = (size_t)h->cu[b] * HEADS * K, to = (size_t)h->cu[b + 1] * HEADS * K;
    struct host one = { { 0, h->cu[b + 1] - h->cu[b] }, {}, {}, {}, {}, {}, h->window };
    one.q.assign(&h->q[from], h->q.data() + to);
    one.k.assign(&h->k[from], h->k.data() + to);
    one.v.assign(&h->v[from], h->v.data() + to);
    return one;
}

/* Computes h.o and h.lse on the stream; false when memory behind them was written. */
template <class T>
static bool
run(const struct rung<T> *r, struct host *h, cudaStream_t s)
{
    const int n = (int)h->cu.size() - 1, rows = h->cu[n];
    int longest = 0;
    for (int b = 0; b < n; b++)
        longest = std::max(longest, h->cu[b + 1] - h->cu[b]);
    T *q = card_input<T>(h->q), *k = card_input<T>(h->k), *v = card_input<T>(h->v);
    int *cu = card_copy<int>(h->cu.data(), h->cu.size());
    T *o = card_answer<T>(h->q.size());
    float *lse = card_answer<float>((size_t)rows * HEADS);
    r->attend({ o, lse, q, k, v, cu, n, rows, longest, HEADS, h->window }, h->cu.data(), s);
    must(cudaGetLastError(), r->name);
    must(cudaStreamSynchronize(s), r->name);
    const bool ok = card_fetch(&h->o, o, h->q.size());
    const bool lse_ok = card_fetch(&h->lse, lse, (size_t)rows * HEADS);
    must(cudaFree(q), "cudaFree");
    must(cudaFree(k), "cudaFree");
    must(cudaFree(v), "cudaFree");
    must(cudaFree(cu), "cudaFree");
    return ok && lse_ok;
}

/* ---- the check ---------------------------------------------------------------------- */

/* Query i of the len rows from `row` on, in double; returns the log of its sum. */
static double
reference(double o[K], const struct host *h, int row, int len, int i, int head)
{
    const int from = h->window < 0 ? 0 : std::max(0, i - h->window);
    const int to = h->window < 0 ? len : std::min(len, i + h->window + 1);
    const float *q = &h->q[at_row(row + i, head, HEADS)];
    std::vector<double> s(to - from);
    double top = -INFINITY, sum = 0;
    for (int j = from; j < to; j++) {
        double dot = 0;
        for (int c = 0; c < K; c++)
            dot += (double)q[c] * h->k[at_row(row + j, head, HEADS) + c];
        s[j - from] = dot * SCALE;
        top = std::max(top, s[j - from]);
    }
    std::fill(o, o + K, 0.0);
    for (int j = from; j < to; j++) {
        const double p = exp(s[j - from] - top);
        sum += p;
        for (int c = 0; c < K; c++)
            o[c] += p * h->v[at_row(row + j, head, HEADS) + c];
    }
    for (int c = 0; c < K; c++)
        o[c] /= sum;
    return top + log(sum);
}

struct errors { double o, lse; };

/* Every comparison with NaN is false: infinity is more than any limit. */
static inline double
number(double x)
{
    return x == x ? x : INFINITY;
}

/* Sequence b, one head: every row of a short one, one in 1 + len / 512 of a long one. */
static struct errors
errors_of(const struct host *h, int b, int head)
{
    const int row = h->cu[b], len = h->cu[b + 1] - row;
    double wrong = 0, right = 0, lse = 0;
    for (int i = 0; i < len; i += 1 + len / 512) {
        double o[K];
        const double sum = reference(o, h, row, len, i, head);
        for (int c = 0; c < K; c++) {
            const double d = h->o[at_row(row + i, head, HEADS) + c] - o[c];
            wrong += d * d;
            right += o[c] * o[c];
        }
        const double d = h->lse[(size_t)(row + i) * HEADS + head] - sum;
        lse = std::max(lse, number(fabs(d) / (1 + fabs(sum))));
    }
    return { len ? number(wrong / right) : 0, lse };
}

/* part is all, from element `at` on, byte for byte. */
static inline bool
same(const std::vector<float> &part, const std::vector<float> &all, size_t at)
{
    return !memcmp(part.data(), &all[at], part.size() * sizeof part[0]);
}

#ifdef __CUDACC__
static inline void count_start(void) {}
static inline bool count_show(void) { return true; }
#else
static inline void count_start(void) { emu_count_reset(); }

/* What a profiler would say; false when reads of shared memory waited for each other. */
static inline bool
count_show(void)
{
    const struct emu_count c = emu_counted();
    printf("# counted: %d launches, %d blocks, %d barriers, %d mma, %d ldmatrix, "
           "%d conflicts, %lld bytes by cp.async\n",
           (int)c.launches, (int)c.blocks, (int)c.barriers, (int)c.mma, (int)c.ldmatrix,
           (int)c.conflicts, (long long)c.async_bytes);
    return c.conflicts == 0;
}
#endif

/*
 * Every stream, which in the emulation is another schedule of the threads, gives the same
 * bytes; they are near the reference; and each sequence alone gives its bytes of the batch.
 */
template <class T>
static bool
check(const struct rung<T> *r, struct host *h, const cudaStream_t *s, struct errors *worst)
{
    count_start();
    bool ok = run(r, h, s[0]);
    ok = count_show() && ok;
    for (int i = 1; i < STREAMS; i++) {
        struct host again = *h;
        ok = run(r, &again, s[i]) && ok;
        ok = same(again.o, h->o, 0) && same(again.lse, h->lse, 0) && ok;
    }
    for (size_t b = 0; b + 1 < h->cu.size(); b++) {
        for (int head = 0; head < HEADS; head++) {
            const struct errors e = errors_of(h, (int)b, head);
            ok = e.o <= r->limit && (!r->lse || e.lse <= 2e-5) && ok;
            worst->o = std::max(worst->o, e.o);
            worst->lse = std::max(worst->lse, e.lse);
        }
        struct host one = host_alone(h, (int)b);
        if (one.cu[1] == 0)
            continue;
        ok = run(r, &one, s[0]) && ok;
        ok = same(one.o, h->o, at_row(h->cu[b], 0, HEADS)) && ok;
    }
    return ok;
}

template <class T>
static bool
report(const struct rung<T> *r, int n, const std::vector<int> &lengths, int window,
       bool loud, const cudaStream_t *s)
{
    struct host h = host_new(lengths, window, loud);
    struct errors worst = { 0, 0 };
    const bool ok = check(r, &h, s, &worst);
    printf("%sok %d - %s: %d sequences, %d rows, window %d%s: o %.1e of %.1e",
           ok ? "" : "not ", n, r->name, (int)lengths.size(), h.cu.back(), window,
           loud ? ", loud" : "", worst.o, r->limit);
    r->lse ? printf(", lse %.1e\n", worst.lse) : printf("\n");
    return ok;
}

/* main() of a program. */
template <class T>
static int
ladder(int argc, char **argv, struct rung<T> r)
{
    std::vector<std::vector<int>> batches = {
        { 1 }, { 2, 17, 63 }, { 64, 65, 66 }, { 130, 0, 200, 1 },
        { 200, 1, 66, 17, 130, 2, 64, 63, 65 },
    };
    const std::vector<int> every = { 0, 1, 62, 64, -1 }, usual = { 64, -1 }, none = { -1 };
    const std::vector<int> &windows = !r.window ? none : argc > 1 ? usual : every;
    std::vector<int> given;
    cudaStream_t s[STREAMS];
    int n = 0, bad = 0;
    for (int i = 1; i < argc; i++)
        given.push_back(std::max(1, atoi(argv[i])));
    if (argc > 1)
        batches = { given };
    for (int i = 0; i < STREAMS; i++)
        must(cudaStreamCreate(&s[i]), "cudaStreamCreate");
    for (int loud = 0; loud < (argc > 1 ? 1 : 2); loud++)
        for (const std::vector<int> &lengths : batches)
            for (int window : windows)
                bad += !report(&r, ++n, lengths, window, loud, s);
    for (int i = 0; i < STREAMS; i++)
        must(cudaStreamDestroy(s[i]), "cudaStreamDestroy");
    printf("1..%d\n", n);
    return bad != 0;
}
#endif
