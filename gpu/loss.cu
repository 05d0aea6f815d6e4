#include <float.h>
#include "gpu/cuda.cuh"
#include "gpu/pair.cuh"

/* A row is a warp's, or when rows are long a block's. */
enum { THREADS = 256, WARPS = THREADS / 32, LONG_ROW = 1024 };
/* Loads of a thread in flight; 32 neighbouring threads read neighbouring elements. */
enum { AHEAD = 8 };

template <bool LONG>
DEV int
part_row(void)
{
    return LONG ? dev_block() : dev_block() * WARPS + dev_thread() / 32;
}

template <bool LONG>
DEV int
part_lane(void)
{
    return LONG ? dev_thread() : dev_thread() % 32;
}

/* The sum of (or greatest) v over the row's threads, in all of them; shared: one a warp. */
template <bool LONG>
DEV float
part_sum(float v, float *shared)
{
    v = dev_sum_warp(v);
    if (LONG) {
        dev_sync_block(); /* shared was read before */
        if (dev_thread() % 32 == 0)
            shared[dev_thread() / 32] = v;
        dev_sync_block();
        v = shared[0];
        for (int i = 1; i < WARPS; i++)
            v += shared[i];
    }
    return v;
}

template <bool LONG>
DEV float
part_max(float v, float *shared)
{
    UNROLL
    for (int m = 16; m > 0; m /= 2)
        v = fmaxf(v, dev_shfl_xor(v, m));
    if (LONG) {
        dev_sync_block();
        if (dev_thread() % 32 == 0)
            shared[dev_thread() / 32] = v;
        dev_sync_block();
        for (int i = 0; i < WARPS; i++)
            v = fmaxf(v, shared[i]);
    }
    return v;
}

/* Greatest logit so far (finite), and the sum of e^(z - max) over all but the label. */
struct online { float max, others; };

/* The next AHEAD elements of the row, LANES apart; `left` is how far its end is from the
 * first, `label` how far the label. */
template <int LANES>
DEV void
online_add(struct online *o, const float *z, int left, int label)
{
    float v[AHEAD], max = o->max, sum;
    UNROLL
    for (int j = 0; j < AHEAD; j++)
        v[j] = j * LANES < left ? z[j * LANES] : -INFINITY;
    UNROLL
    for (int j = 0; j < AHEAD; j++)
        max = fmaxf(max, v[j]);
    sum = o->others * expf(o->max - max);
    UNROLL
    for (int j = 0; j < AHEAD; j++)
        sum += j * LANES == label ? 0.0f : expf(v[j] - max);
    *o = { max, sum };
}

/* d = e^(z - max) by, of as many elements: all are read before one is written. */
template <int LANES>
DEV void
softmax_put(float *d, const float *z, int left, float max, float by)
{
    float v[AHEAD];
    UNROLL
    for (int j = 0; j < AHEAD; j++)
        v[j] = j * LANES < left ? z[j * LANES] : 0;
    UNROLL
    for (int j = 0; j < AHEAD; j++)
        if (j * LANES < left)
            d[j * LANES] = expf(v[j] - max) * by;
}

/*
 * loss = log(sum) - (z[label] - max); d = scale (softmax(z) - onehot).  The label's term is
 * kept out of the sum: a row that is nearly certain then loses neither its loss,
 * log(1 + others), nor its gradient, -others / sum.
 */
template <bool LONG>
KERNEL(THREADS, 6)
ce_rows(float *loss, struct mat dlogits, struct mat logits, const int *labels, float scale)
{
    SMEM_DYN(float, shared);
    constexpr int LANES = LONG ? THREADS : 32;
    const int row = part_row<LONG>(), lane = part_lane<LONG>(), n = logits.cols;
    if (row >= logits.rows)
        return;
    const int label = labels[row];
    const float *z = mat_row<float>(logits, row);
    float *d = mat_row<float>(dlogits, row);
    if (label == -100) {
        ROLL
        for (int i = lane; i < n; i += LANES)
            d[i] = 0;
        if (lane == 0)
            loss[row] = 0;
        return;
    }
    struct online o = { -FLT_MAX, 0 };
    ROLL
    for (int i = lane; i < n; i += LANES * AHEAD)
        online_add<LANES>(&o, z + i, n - i, label - i);
    const float max = part_max<LONG>(o.max, shared),
                others = part_sum<LONG>(o.others * expf(o.max - max), shared);
    const float right = z[label] - max, e = expf(right), sum = others + e, by = scale / sum;
    ROLL
    for (int i = lane; i < n; i += LANES * AHEAD)
        softmax_put<LANES>(d + i, z + i, n - i, max, by);
    if (lane == label % LANES) { /* whose element it was */
        d[label] = e < others ? fmaf(e, by, -scale) : -scale * (others / sum);
        loss[row] = right == 0 ? log1pf(others) : logf(sum) - right;
    }
}

/*
 * With y' = y for a negative logit and 1 - y else, and q = e^-|z| / (1 + e^-|z|) (at most
 * 1/2): loss = |z| y' + log(1 + e^-|z|), and its slope sigmoid(z) - y is q - y' or y' - q.
 */
DEV float
bce_one(float *d, float z, float y)
{
    const float e = expf(-fabsf(z)), q = e / (1 + e), w = z >= 0 ? 1 - y : y;
    *d = z >= 0 ? w - q : q - w;
    return fabsf(z) * w + log1pf(e);
}

DEV float
mse_one(float *d, float z, float y)
{
    *d = 2 * (z - y);
    return (z - y) * (z - y);
}

template <bool LONG, bool BCE>
KERNEL(THREADS, 4)
one_by_one(float *loss, struct mat dlogits, struct mat logits, struct mat labels,
           float scale)
{
    SMEM_DYN(float, shared);
    constexpr int LANES = LONG ? THREADS : 32;
    const int row = part_row<LONG>(), lane = part_lane<LONG>();
    if (row >= logits.rows)
        return;
    const float *z = mat_row<float>(logits, row), *y = mat_row<float>(labels, row);
    float *to = mat_row<float>(dlogits, row), sum = 0;
    for (int i = lane; i < logits.cols; i += LANES) {
        float d;
        sum += BCE ? bce_one(&d, z[i], y[i]) : mse_one(&d, z[i], y[i]);
        to[i] = scale * d;
    }
    sum = part_sum<LONG>(sum, shared);
    if (lane == 0)
        loss[row] = sum;
}

/* *loss += scale * the sum of the rows: their number must not cost the loss digits. */
KERNEL(THREADS, 1)
add_rows(float *loss, const float *row, int n, float scale)
{
    SMEM_DYN(struct pair, shared);
    struct pair s = { 0, 0 };
    for (int i = dev_thread(); i < n; i += THREADS)
        s = pair_add(s, row[i]);
    s = pair_block(s, shared);
    if (dev_thread() == 0)
        *loss = pair_float(pair_add(pair_scale(s, scale), *loss));
}

static bool
same_f32(struct mat a, struct mat b)
{
    return a.rows == b.rows && a.cols == b.cols && a.type == F32 && b.type == F32;
}

/* Ends a loss op: the rows' losses lie in SCRATCH_SUMS. */
static void
add_all(struct ctx *c, float *loss, const float *row, int n, float scale, const char *op)
{
    const size_t smem = WARPS * sizeof(struct pair);
    LAUNCH(c->stream, (add_rows), 1, THREADS, smem, loss, row, n, scale);
    cuda_launched(op);
}

void
cuda_ce(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
        const int *labels, float scale)
{
    const int n = logits.rows;
    const size_t smem = WARPS * sizeof(float);
    float *row = (float *)cuda_scratch(c, SCRATCH_SUMS, (size_t)n, sizeof *row);
    assert(same_f32(dlogits, logits));
    if (logits.cols > LONG_ROW)
        LAUNCH(c->stream, (ce_rows<true>), n, THREADS, smem, row, dlogits, logits, labels,
               scale);
    else
        LAUNCH(c->stream, (ce_rows<false>), cuda_blocks(n, WARPS), THREADS, smem, row,
               dlogits, logits, labels, scale);
    add_all(c, loss, row, n, scale, "ce");
}

template <bool BCE>
static void
by_element(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
           struct mat labels, float scale)
{
    const int n = logits.rows;
    const size_t smem = WARPS * sizeof(float);
    float *row = (float *)cuda_scratch(c, SCRATCH_SUMS, (size_t)n, sizeof *row);
    assert(same_f32(dlogits, logits) && same_f32(labels, logits));
    if (logits.cols > LONG_ROW)
        LAUNCH(c->stream, (one_by_one<true, BCE>), n, THREADS, smem, row, dlogits, logits,
               labels, scale);
    else
        LAUNCH(c->stream, (one_by_one<false, BCE>), cuda_blocks(n, WARPS), THREADS, smem,
               row, dlogits, logits, labels, scale);
    add_all(c, loss, row, n, scale, BCE ? "bce" : "mse");
}

void
cuda_bce(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
         struct mat labels, float scale)
{
    by_element<true>(c, loss, dlogits, logits, labels, scale);
}

void
cuda_mse(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
         struct mat labels, float scale)
{
    by_element<false>(c, loss, dlogits, logits, labels, scale);
}
