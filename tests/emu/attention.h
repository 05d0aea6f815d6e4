/*
 * attention - what the test of the attention kernels (attention.cpp) needs beside them: the
 * parts of the backend that they call, TAP, and batches in exactly sized allocations.
 */
#ifndef EMU_ATTENTION_H
#define EMU_ATTENTION_H
#include <algorithm>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>
#include "gpu/cuda.cuh"

using std::vector;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { GUARD = 0 }; /* the sanitizer sees the row past the end */
#else
enum { GUARD = 4 }; /* rows of NaN show it */
#endif
enum { UNTOUCHED = 0xfffe, NOT_A_NUMBER = 0x7fc0 };

/* ---- what the backend gives to an op ------------------------------------------------ */
static vector<char *> scratch; /* a fresh one for each call, until the stream has run */

void *
cuda_scratch(struct ctx *, enum scratch, size_t n, size_t size)
{
    scratch.push_back((char *)aligned_alloc(64, (n * size + 63) / 64 * 64));
    memset(scratch.back(), 0xff, n * size);
    return scratch.back();
}

void
cuda_check(cudaError_t e, const char *what)
{
    if (e == cudaSuccess)
        return;
    printf("Bail out! %s: %s\n", what, cudaGetErrorString(e));
    exit(1);
}

void
cuda_launched(const char *op)
{
    cuda_check(cudaPeekAtLastError(), op);
}

/* ---- TAP ---------------------------------------------------------------------------- */
static struct { int tests, failed, bad; } tap;

static void __attribute__((format(printf, 2, 3)))
expect(bool ok, const char *fmt, ...)
{
    va_list a;
    if (ok)
        return;
    tap.bad++;
    printf("# ");
    va_start(a, fmt);
    vprintf(fmt, a);
    va_end(a);
    putchar('\n');
}

/* Ends a test: what was expected since the last end. */
static void __attribute__((format(printf, 1, 2)))
test_end(const char *fmt, ...)
{
    va_list a;
    printf("%sok %d - ", tap.bad ? "not " : "", ++tap.tests);
    va_start(a, fmt);
    vprintf(fmt, a);
    va_end(a);
    putchar('\n');
    fflush(stdout);
    tap.failed += tap.bad != 0;
    tap.bad = 0;
}

/* ---- batches ------------------------------------------------------------------------ */
enum { Q, K, V, DOUT, INPUTS };
enum { O, DQ, DK, DV, OUTPUTS };
static const char *const names[] = { "o", "dq", "dk", "dv" };

struct batch {
    int heads, size, window;
    bool large; /* blocks of 128 queries */
    vector<int> cu;
    vector<bf16> in[INPUTS], out[OUTPUTS];
    vector<float> lse;
    int rows(void) const { return cu.back(); }
    int cols(void) const { return heads * size; }
    int count(void) const { return (int)cu.size() - 1; }
    float scale(void) const { return 1 / sqrtf((float)size); }
};

/* Variance 1. */
static float
draw(uint32_t *state)
{
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        *state = *state * 1664525u + 1013904223u;
        sum += (float)(*state >> 8) / (1 << 24) - 0.5f;
    }
    return sum * 1.732f;
}

static bf16 narrow(double x) { return (bf16)dev_round((float)x); }
static double wide(bf16 x) { return (double)dev_lo(x); }

static struct batch
batch_make(const vector<int> &lengths, int heads, int size, int window, uint32_t seed)
{
    struct batch b = { heads, size, window, false, { 0 }, {}, {}, {} };
    for (int length : lengths)
        b.cu.push_back(b.cu.back() + length);
    const size_t n = (size_t)b.rows() * b.cols(), guard = (size_t)GUARD * b.cols();
    for (int i = 0; i < INPUTS; i++) {
        b.in[i] = vector<bf16>(n + guard, 0xffff);
        for (size_t at = 0; at < n; at++)
            b.in[i][at] = narrow(draw(&seed) * (i < V ? 1.5f : 1));
    }
    return b;
}

static vector<struct work>
work_list(const struct batch &b, int rows)
{
    vector<struct work> list;
    for (int i = 0; i < b.count(); i++)
        for (int at = 0, len = b.cu[i + 1] - b.cu[i]; at < len; at += rows)
            list.push_back({ b.cu[i], len, at / rows, b.cu[i], len });
    std::stable_sort(list.begin(), list.end(),
                     [](struct work x, struct work y) { return x.len > y.len; });
    return vector<struct work>(list); /* of exactly that size */
}

static vector<struct work>
work_firsts(const struct batch &b)
{
    vector<struct work> list;
    for (int i = 0; i < b.count(); i++)
        if (b.cu[i] < b.cu[i + 1])
            list.push_back({ b.cu[i], b.cu[i + 1] - b.cu[i], 0, i, 1 });
    return vector<struct work>(list);
}

/* A context, a batch's lists, and the choice of blocks that the batch asks for. */
struct bench {
    struct ctx c;
    vector<struct work> small, large, first;
    struct plan plan;
    struct seqs s;
};

static void
bench_make(struct bench *t, const struct batch &b, cudaStream_t stream)
{
    t->c.stream = stream;
    t->c.multiprocessors = b.large ? 0 : 1 << 20;
    t->small = work_list(b, WORK_SMALL);
    t->large = work_list(b, WORK_LARGE);
    t->first = work_firsts(b);
    t->plan.small = t->small.data();
    t->plan.large = t->large.data();
    t->plan.first = t->first.data();
    t->plan.smalls = (int)t->small.size();
    t->plan.larges = (int)t->large.size();
    t->plan.firsts = (int)t->first.size();
    t->s = { b.count(), b.rows(), 1 << 20, b.cu.data(), &t->plan };
}

static void
stream_run(cudaStream_t stream)
{
    cuda_check(cudaStreamSynchronize(stream), "the kernels");
    for (char *p : scratch)
        free(p);
    scratch.clear();
}

static struct mat
mat_in(vector<bf16> &v, int rows, int cols)
{
    return mat_of(v.data(), rows, cols, BF16);
}

/* Both directions; b->out and b->lse are made anew. */
static void
batch_run(struct batch *b, cudaStream_t stream)
{
    const int T = b->rows(), D = b->cols();
    struct bench t = {};
    struct mat in[INPUTS], out[OUTPUTS];
    bench_make(&t, *b, stream);
    for (int i = 0; i < INPUTS; i++)
        in[i] = mat_in(b->in[i], T, D);
    for (int i = 0; i < OUTPUTS; i++) {
        b->out[i] = vector<bf16>((size_t)(T + GUARD) * D, UNTOUCHED);
        out[i] = mat_in(b->out[i], T, D);
    }
    b->lse = vector<float>((size_t)T * b->heads, NAN);
    const struct mat lse = mat_of(b->lse.data(), T, b->heads, F32);
    const struct drop none = { 0, 0 };
    cuda_attention(&t.c, out[O], lse, in[Q], in[K], in[V], b->heads, &t.s, b->window,
                   b->scale(), none);
    cuda_attention_bwd(&t.c, out[DQ], out[DK], out[DV], in[DOUT], out[O], lse, in[Q], in[K],
                       in[V], b->heads, &t.s, b->window, b->scale(), none);
    stream_run(stream);
    bool kept = true;
    for (int i = 0; i < OUTPUTS; i++)
        for (size_t at = (size_t)T * D; at < b->out[i].size(); at++)
            kept &= b->out[i][at] == UNTOUCHED;
    expect(kept, "a row past the end was written");
}

static bool
same(const struct batch &a, const struct batch &b)
{
    bool equal = a.lse.size() == b.lse.size() &&
                 !memcmp(a.lse.data(), b.lse.data(), a.lse.size() * sizeof(float));
    for (int i = 0; i < OUTPUTS; i++)
        equal &= a.out[i] == b.out[i];
    return equal;
}
#endif
