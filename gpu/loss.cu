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

/* A row whose label is -100. */
template <int LANES>
DEV void
row_ignored(float *d, int n, int lane, float *loss)
{
    ROLL
    for (int i = lane; i < n; i += LANES)
        d[i] = 0;
    if (lane == 0)
        *loss = 0;
}

/* Class i's weight. */
DEV float
weight_at(const struct loss_form &f, int i)
{
    return f.weight.p ? mat_row<float>(f.weight, 0)[i] : 1.0f;
}

/* One row's softmax: its greatest logit; with e^(z - max), the label's, the sum of the
 * others, and of all; how far the label's logit is from max. */
struct softmax { float max, e, others, sum, right; };

/*
 * The label's term is kept out of the sum: a row that is nearly certain then loses neither
 * its loss, log(1 + others), nor its gradient, -others / sum.
 */
template <bool LONG>
DEV struct softmax
softmax_of(const float *z, int n, int label, float *shared)
{
    constexpr int LANES = LONG ? THREADS : 32;
    const int lane = part_lane<LONG>();
    const float own = z[label]; /* before d, which may be z, is written */
    struct online o = { -FLT_MAX, 0 };
    ROLL
    for (int i = lane; i < n; i += LANES * AHEAD)
        online_add<LANES>(&o, z + i, n - i, label - i);
    const float max = part_max<LONG>(o.max, shared),
                others = part_sum<LONG>(o.others * expf(o.max - max), shared);
    if (!LONG)
        dev_sync_warp(); /* all have read z[label]: part_sum has seen to it in a block */
    const float right = own - max, e = expf(right);
    return { max, e, others, others + e, right };
}

/* -log p[label] */
DEV float
nll_of(const struct softmax &s)
{
    return s.right == 0 ? log1pf(s.others) : logf(s.sum) - s.right;
}

/* The label's p - 1, times `scale`. */
DEV float
label_slope(const struct softmax &s, float scale)
{
    return s.e < s.others ? fmaf(s.e, scale / s.sum, -scale) : -scale * (s.others / s.sum);
}

/* What a gradient's d = p by - onehot by, and the loss. */
struct outcome { float by, loss; };

/* q = 1 - p: w q^g nll; see common/ops/loss.c. */
DEV struct outcome
focal_of(const struct softmax &s, float w, float focal, float scale)
{
    const float q = s.others / s.sum, nll = nll_of(s), power = powf(q, focal),
                ratio = q > 0 ? nll / q : 1;
    return { scale * w * power * fmaf(focal * (s.e / s.sum), ratio, 1), w * power * nll };
}

static constexpr int PLAIN = 0, FOCAL = 1;

/* d = scale (softmax(z) - onehot), times the label's weight, and focal's factor. */
template <bool LONG, int FORM>
KERNEL(THREADS, 6)
ce_rows(float *loss, struct mat dlogits, struct mat logits, const int *labels,
        struct loss_form form, float scale)
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
        row_ignored<LANES>(d, n, lane, &loss[row]);
        return;
    }
    const struct softmax s = softmax_of<LONG>(z, n, label, shared);
    const float w = weight_at(form, label);
    const struct outcome o = FORM == FOCAL ? focal_of(s, w, form.focal, scale)
                                           : outcome{ scale * w, w * nll_of(s) };
    ROLL
    for (int i = lane; i < n; i += LANES * AHEAD)
        softmax_put<LANES>(d + i, z + i, n - i, s.max, o.by / s.sum);
    if (lane == label % LANES) { /* whose element it was */
        d[label] = label_slope(s, o.by);
        loss[row] = o.loss;
    }
}

/*
 * Smoothed: with a = (1 - s) w[y] and b = s / C, the loss is a nll + b (W log(sum) + the sum
 * of w (max - z)), W the sum of w, and d = (a + b W) p - b w - a onehot.
 */
template <bool LONG>
KERNEL(THREADS, 4)
smooth_rows(float *loss, struct mat dlogits, struct mat logits, const int *labels,
            struct loss_form form, float scale)
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
        row_ignored<LANES>(d, n, lane, &loss[row]);
        return;
    }
    const struct softmax s = softmax_of<LONG>(z, n, label, shared);
    float all = 0, off = 0;
    for (int i = lane; i < n; i += LANES) {
        all += weight_at(form, i);
        off = fmaf(weight_at(form, i), s.max - z[i], off);
    }
    all = part_sum<LONG>(all, shared);
    off = part_sum<LONG>(off, shared);
    const float a = (1 - form.smoothing) * weight_at(form, label),
                b = form.smoothing / (float)n, by = scale * b * all / s.sum;
    for (int i = lane; i < n; i += LANES) {
        const float p = expf(z[i] - s.max), rest = scale * b * weight_at(form, i);
        d[i] = i == label ? label_slope(s, scale * a) + (p * by - rest)
                          : fmaf(p, fmaf(b, all, a) * scale / s.sum, -rest);
    }
    if (lane == label % LANES)
        loss[row] = fmaf(a, nll_of(s), b * fmaf(all, logf(s.sum), off));
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
           struct loss_form form, float scale)
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
        const float w = BCE ? weight_at(form, i) : 1;
        sum += w * (BCE ? bce_one(&d, z[i], y[i]) : mse_one(&d, z[i], y[i]));
        to[i] = scale * w * d;
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

static void
check_form(const struct loss_form &f, int classes)
{
    assert(!f.weight.p || (f.weight.cols == classes && f.weight.type == F32));
    assert(f.smoothing >= 0 && f.smoothing < 1 && f.focal >= 0);
    assert(!(f.smoothing > 0 && f.focal > 0));
    (void)f, (void)classes;
}

void
cuda_ce(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
        const int *labels, struct loss_form form, float scale)
{
    const int n = logits.rows, kind = form.smoothing > 0 ? 2 : form.focal > 0 ? FOCAL : PLAIN;
    const bool is_long = logits.cols > LONG_ROW;
    const size_t smem = WARPS * sizeof(float);
    float *row = (float *)cuda_scratch(c, SCRATCH_SUMS, (size_t)n, sizeof *row);
    void (*const kernel[2][3])(float *, struct mat, struct mat, const int *,
                               struct loss_form, float) = {
        { ce_rows<false, PLAIN>, ce_rows<false, FOCAL>, smooth_rows<false> },
        { ce_rows<true, PLAIN>, ce_rows<true, FOCAL>, smooth_rows<true> },
    };
    assert(same_f32(dlogits, logits));
    check_form(form, logits.cols);
    LAUNCH(c->stream, kernel[is_long][kind], is_long ? n : cuda_blocks(n, WARPS), THREADS,
           smem, row, dlogits, logits, labels, form, scale);
    add_all(c, loss, row, n, scale, "ce");
}

template <bool BCE>
static void
by_element(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
           struct mat labels, struct loss_form form, float scale)
{
    const int n = logits.rows;
    const size_t smem = WARPS * sizeof(float);
    float *row = (float *)cuda_scratch(c, SCRATCH_SUMS, (size_t)n, sizeof *row);
    assert(same_f32(dlogits, logits) && same_f32(labels, logits));
    if (logits.cols > LONG_ROW)
        LAUNCH(c->stream, (one_by_one<true, BCE>), n, THREADS, smem, row, dlogits, logits,
               labels, form, scale);
    else
        LAUNCH(c->stream, (one_by_one<false, BCE>), cuda_blocks(n, WARPS), THREADS, smem,
               row, dlogits, logits, labels, form, scale);
    add_all(c, loss, row, n, scale, BCE ? "bce" : "mse");
}

void
cuda_bce(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
         struct mat labels, struct loss_form form, float scale)
{
    check_form(form, logits.cols);
    assert(!(form.smoothing > 0) && !(form.focal > 0));
    by_element<true>(c, loss, dlogits, logits, labels, form, scale);
}

void
cuda_mse(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
         struct mat labels, float scale)
{
    by_element<false>(c, loss, dlogits, logits, labels, {}, scale);
}
