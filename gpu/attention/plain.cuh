#ifndef GPU_ATTENTION_PLAIN_CUH
#define GPU_ATTENTION_PLAIN_CUH
/*
 * plain - attention of any head size, type and alignment, with dropout, in F32 arithmetic
 * and no tensor cores: a warp for each row and head.  Its lanes take one row each of the
 * other side for scores, then one column each for sums; 32 rows at a time, in their order.
 *     o = sum over j of p keep v / l    lse = log l + m    l = sum of p    p = exp(s - m)
 *     delta = dout . o     dS = P (keep dout . v - delta)     dq, dk, dv as in bwd.cuh
 */
#include "gpu/attention/seq.cuh"
#include "gpu/drop.cuh"
#include "gpu/vector.cuh"

struct plain {
    struct mat o, lse, q, k, v, dq, dk, dv, dout;
    const int *cu, *sequence;
    float *delta;                             /* [H,T] */
    int heads, size, stride, window, asking;  /* stride: of rows in shared memory */
    bool first, wide; /* first: row 0 of each sequence asks.  wide: 16-byte loads of q, k,
                       * v, dout are aligned */
    float scale;
    struct drop drop;
};

/* A warp's row t, its sequence's first row, the rows [lo, hi) that it sees and they it, and
 * where its answer goes. */
struct sight { int t, start, lo, hi, to, head; };

/* lo = hi when there is no work. */
DEV struct sight
plain_sight(const struct plain &a)
{
    const int item = dev_block() * WARPS + dev_thread() / 32;
    struct sight x = {};
    if (item >= a.asking * a.heads)
        return x;
    x.to = item % a.asking;
    x.head = item / a.asking;
    const int b = a.first ? x.to : a.sequence[x.to];
    x.start = a.cu[b];
    x.t = a.first ? x.start : x.to;
    const int end = a.cu[b + 1];
    x.lo = a.window >= 0 && x.t - x.start > a.window ? x.t - a.window : x.start;
    x.hi = a.window >= 0 && end - 1 - x.t > a.window ? x.t + a.window + 1 : end;
    return x;
}

template <class T>
DEV T *
plain_at(const struct plain &a, struct mat m, int row, int head)
{
    return mat_row<T>(m, row) + head * a.size;
}

/* The sum of x[i] y[i] over n, in four sums by i % 4; x in shared memory. */
template <class T>
DEV float
plain_dot(const float *x, const T *y, int n, bool wide)
{
    float sum[4] = {};
    int i = 0;
    for (; wide && i + VECTOR <= n; i += VECTOR) {
        float a[VECTOR], b[VECTOR];
        vector_load<VECTOR>(a, x + i);
        vector_load<VECTOR>(b, y + i);
        UNROLL
        for (int e = 0; e < VECTOR; e++)
            sum[e % 4] += a[e] * b[e];
    }
    for (; i < n; i += 4)
        UNROLL
        for (int e = 0; e < 4; e++)
            if (i + e < n)
                sum[e] += x[i + e] * dev_widen(y[i + e]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* x by the head's columns of m's row `row`. */
template <class T>
DEV float
plain_product(const struct plain &a, const float *x, struct mat m, int row, int head)
{
    return plain_dot(x, plain_at<T>(a, m, row, head), a.size, a.wide);
}

/* to = x, or zeros where x is NULL; by the warp, which then meets. */
template <class T>
DEV void
plain_fill(float *to, const T *x, int n)
{
    for (int i = dev_thread() % 32; i < n; i += 32)
        to[i] = x ? dev_widen(x[i]) : 0;
    dev_sync_warp();
}

/* to = fade to + sum over i < n of by[i] x[i], rows of `size`; a lane owns its columns. */
template <class T>
DEV void
plain_add(float *to, float fade, const float *by, const T *x, ptrdiff_t ld, int n, int size)
{
    for (int c = dev_thread() % 32; c < size; c += 32) {
        float sum = 0;
        for (int i = 0; i < n; i++)
            sum += by[i] * dev_widen(x[i * ld + c]);
        to[c] = to[c] * fade + sum;
    }
}

template <class T>
DEV void
plain_store(T *to, const float *x, float scale, int n)
{
    for (int c = dev_thread() % 32; c < n; c += 32)
        dev_put(&to[c], x[c] * scale);
}

DEV float
plain_keep(const struct plain &a, int t, int head, int key)
{
    const uint64_t row = (uint64_t)t * (uint64_t)a.heads + (uint64_t)head;
    return a.drop.p > 0 ? drop_factor(a.drop, row << 32 | (uint64_t)key) : 1;
}

DEV float
warp_max(float v)
{
    UNROLL
    for (int m = 16; m > 0; m /= 2)
        v = fmaxf(v, dev_shfl_xor(v, m));
    return v;
}

/* This warp's part of shared memory: `rows` rows of a.stride floats, and 2 x 32. */
DEV float *
plain_corner(float *smem, const struct plain &a, int rows)
{
    return smem + dev_thread() / 32 * (rows * a.stride + 64);
}

enum { PLAIN_FORWARD = 2, PLAIN_DQ = 3, PLAIN_DKV = 4 }; /* rows of each kernel */

template <class T>
KERNEL(THREADS, 4)
plain_forward(struct plain a)
{
    SMEM_DYN(float, smem);
    const struct sight x = plain_sight(a);
    if (x.lo == x.hi)
        return;
    float *q = plain_corner(smem, a, PLAIN_FORWARD), *out = q + a.stride,
          *p = out + a.stride;
    const int lane = dev_thread() % 32;
    float max = -INFINITY, sum = 0;
    plain_fill(q, plain_at<T>(a, a.q, x.t, x.head), a.size);
    plain_fill(out, (const float *)NULL, a.size);
    for (int key = x.lo; key < x.hi; key += 32) {
        const int n = x.hi - key < 32 ? x.hi - key : 32;
        float s = -INFINITY;
        if (lane < n)
            s = a.scale * plain_product<T>(a, q, a.k, key + lane, x.head);
        const float top = fmaxf(max, warp_max(s)), fade = expf(max - top);
        const float power = lane < n ? expf(s - top) : 0;
        sum = sum * fade + power;
        max = top;
        dev_sync_warp(); /* the last keys' p has been read */
        p[lane] = lane < n ? power * plain_keep(a, x.t, x.head, key + lane - x.start) : 0;
        dev_sync_warp();
        plain_add(out, fade, p, plain_at<T>(a, a.v, key, x.head), a.v.ld, n, a.size);
    }
    sum = dev_sum_warp(sum);
    plain_store(plain_at<T>(a, a.o, x.to, x.head), out, 1 / sum, a.size);
    if (a.lse.p && lane == 0)
        mat_row<float>(a.lse, x.t)[x.head] = max + logf(sum);
}

/* dq and delta of a row of queries. */
template <class T>
KERNEL(THREADS, 4)
plain_dq(struct plain a)
{
    SMEM_DYN(float, smem);
    const struct sight x = plain_sight(a);
    if (x.lo == x.hi)
        return;
    float *q = plain_corner(smem, a, PLAIN_DQ), *dout = q + a.stride, *dq = dout + a.stride,
          *ds = dq + a.stride;
    const int lane = dev_thread() % 32;
    const float lse = mat_row<float>(a.lse, x.t)[x.head];
    const T *o = plain_at<T>(a, a.o, x.t, x.head);
    float delta = 0;
    plain_fill(q, plain_at<T>(a, a.q, x.t, x.head), a.size);
    plain_fill(dout, plain_at<T>(a, a.dout, x.t, x.head), a.size);
    plain_fill(dq, (const float *)NULL, a.size);
    for (int c = lane; c < a.size; c += 32)
        delta += dout[c] * dev_widen(o[c]);
    delta = dev_sum_warp(delta);
    if (lane == 0)
        a.delta[(ptrdiff_t)x.head * a.asking + x.t] = delta;
    for (int key = x.lo; key < x.hi; key += 32) {
        const int n = x.hi - key < 32 ? x.hi - key : 32;
        float d = 0;
        if (lane < n) {
            const int j = key + lane;
            const float s = a.scale * plain_product<T>(a, q, a.k, j, x.head);
            const float dp = plain_product<T>(a, dout, a.v, j, x.head);
            d = expf(s - lse) * (plain_keep(a, x.t, x.head, j - x.start) * dp - delta);
        }
        dev_sync_warp();
        ds[lane] = d;
        dev_sync_warp();
        plain_add(dq, 1, ds, plain_at<T>(a, a.k, key, x.head), a.k.ld, n, a.size);
    }
    plain_store(plain_at<T>(a, a.dq, x.t, x.head), dq, a.scale, a.size);
}

/* dk and dv of a row of keys; the queries that see it are those that it sees. */
template <class T>
KERNEL(THREADS, 4)
plain_dkv(struct plain a)
{
    SMEM_DYN(float, smem);
    const struct sight x = plain_sight(a);
    if (x.lo == x.hi)
        return;
    float *k = plain_corner(smem, a, PLAIN_DKV), *v = k + a.stride, *dk = v + a.stride,
          *dv = dk + a.stride, *ds = dv + a.stride, *p = ds + 32;
    const int lane = dev_thread() % 32;
    plain_fill(k, plain_at<T>(a, a.k, x.t, x.head), a.size);
    plain_fill(v, plain_at<T>(a, a.v, x.t, x.head), a.size);
    plain_fill(dk, (const float *)NULL, a.size);
    plain_fill(dv, (const float *)NULL, a.size);
    for (int query = x.lo; query < x.hi; query += 32) {
        const int n = x.hi - query < 32 ? x.hi - query : 32;
        float d = 0, kept = 0;
        if (lane < n) {
            const int i = query + lane;
            const float lse = mat_row<float>(a.lse, i)[x.head],
                        delta = a.delta[(ptrdiff_t)x.head * a.asking + i];
            const float s = a.scale * plain_product<T>(a, k, a.q, i, x.head);
            const float dp = plain_product<T>(a, v, a.dout, i, x.head);
            const float keep = plain_keep(a, i, x.head, x.t - x.start);
            const float power = expf(s - lse);
            kept = power * keep;
            d = power * (keep * dp - delta);
        }
        dev_sync_warp();
        ds[lane] = d;
        p[lane] = kept;
        dev_sync_warp();
        plain_add(dk, 1, ds, plain_at<T>(a, a.q, query, x.head), a.q.ld, n, a.size);
        plain_add(dv, 1, p, plain_at<T>(a, a.dout, query, x.head), a.dout.ld, n, a.size);
    }
    plain_store(plain_at<T>(a, a.dk, x.t, x.head), dk, a.scale, a.size);
    plain_store(plain_at<T>(a, a.dv, x.t, x.head), dv, 1, a.size);
}
#endif
