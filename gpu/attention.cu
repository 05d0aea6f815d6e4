/*
 * attention - variable-length softmax attention and its gradients: which kernel an op is.
 * BF16 with heads of 32 or 64 goes to the tensor cores (gpu/attention/fwd.cuh, bwd.cuh);
 * the rest, and dropout of probabilities, to plain.cuh.
 */
#include "gpu/attention/bwd.cuh"
#include "gpu/attention/fwd.cuh"
#include "gpu/attention/plain.cuh"

/* Blocks of one kernel, and how many rows each has. */
struct blocks { const struct work *list; int n; bool large; };

/*
 * Large blocks read keys half as often, and are few: they pay for long sequences that see
 * all of their rows, when all multiprocessors can be filled twice.
 */
static struct blocks
blocks_of(const struct ctx *c, const struct seqs *s, int heads, int window)
{
    const struct plan *p = (const struct plan *)s->plan;
    const bool large = window < 0 && s->longest >= 4 * WORK_LARGE &&
                       (int64_t)p->larges * heads >= 2 * (int64_t)c->multiprocessors;
    return large ? (struct blocks){ p->large, p->larges, true }
                 : (struct blocks){ p->small, p->smalls, false };
}

/* Each row, and each head's columns, begin at 16 bytes. */
static bool
mats_aligned(const struct mat *m, int n, int size)
{
    for (int i = 0; i < n; i++) {
        const size_t bytes = dtype_size(m[i].type);
        if ((uintptr_t)m[i].p % 16 || (size_t)m[i].ld * bytes % 16 ||
            (size_t)size * bytes % 16)
            return false;
    }
    return true;
}

/* The tensor cores' kernels can do it. */
static bool
mats_fast(const struct mat *m, int n, int size, float scale, struct drop drop)
{
    return m[0].type == BF16 && (size == 32 || size == 64) && drop.p == 0 && scale > 0 &&
           mats_aligned(m, n, size);
}

/* n mats of q's type and width with that many rows. */
static void
check_mats(const struct mat *m, int n, int rows, struct mat q)
{
    for (int i = 0; i < n; i++) {
        assert(m[i].type == q.type && m[i].cols == q.cols && m[i].ld >= m[i].cols);
        assert(m[i].rows == rows && (m[i].p || !rows));
    }
    (void)m, (void)n, (void)rows, (void)q;
}

static bool
first_only(struct mat o, const struct seqs *s)
{
    return o.rows == s->n && o.rows != s->rows;
}

/* ---- the tensor cores' -------------------------------------------------------------- */
template <int K, int MT, bool WINDOW>
static void
forward_launch(struct ctx *c, struct forward a, int blocks)
{
    LAUNCH(c->stream, (attention_forward<K, MT, WINDOW>), blocks * a.heads, THREADS,
           (forward_shape<K, MT>::SMEM), a);
}

template <int K>
static void
forward_size(struct ctx *c, struct forward a, struct blocks b)
{
    a.list = b.list;
    if (a.window >= 0)
        forward_launch<K, 1, true>(c, a, b.n);
    else if (b.large)
        forward_launch<K, 2, false>(c, a, b.n);
    else
        forward_launch<K, 1, false>(c, a, b.n);
}

template <int K, int MT, bool WINDOW>
static void
backward_launch(struct ctx *c, struct backward g, int blocks)
{
    LAUNCH(c->stream, (attention_dq<K, MT, WINDOW>), blocks * g.heads, THREADS,
           (dq_shape<K, MT>::SMEM), g);
    LAUNCH(c->stream, (attention_dkv<K, MT, WINDOW>), blocks * g.heads, THREADS,
           (dkv_shape<K, MT, WINDOW>::SMEM), g);
}

template <int K>
static void
backward_size(struct ctx *c, struct backward g, struct blocks b)
{
    const int rows = cuda_blocks((int64_t)g.rows * (K / 8), THREADS);
    g.list = b.list;
    LAUNCH(c->stream, (attention_delta<K>), rows * g.heads, THREADS, 0, g, rows);
    if (g.window >= 0)
        backward_launch<K, 1, true>(c, g, b.n);
    else if (b.large)
        backward_launch<K, 2, false>(c, g, b.n);
    else
        backward_launch<K, 1, false>(c, g, b.n);
}

/* ---- plain -------------------------------------------------------------------------- */
static int
plain_bytes(const struct plain *a, int rows)
{
    const int bytes = WARPS * (rows * a->stride + 64) * (int)sizeof(float);
    assert(bytes <= 48 << 10);
    return bytes;
}

static struct plain
plain_of(const struct seqs *s, int heads, int size, int window, float scale,
         struct drop drop)
{
    const struct plan *p = (const struct plan *)s->plan;
    struct plain a = {};
    a.cu = p->cu;
    a.sequence = p->sequence;
    a.heads = heads;
    a.size = size;
    a.stride = (size + 3) / 4 * 4;
    a.window = window;
    a.asking = s->rows;
    a.scale = scale;
    a.drop = drop;
    return a;
}

static void
plain_attention(struct ctx *c, struct plain a)
{
    const int blocks = cuda_blocks((int64_t)a.asking * a.heads, WARPS);
    FOR_TYPE(a.q, T, LAUNCH(c->stream, (plain_forward<T>), blocks, THREADS,
                            plain_bytes(&a, PLAIN_FORWARD), a));
}

static void
plain_attention_bwd(struct ctx *c, struct plain a)
{
    const int blocks = cuda_blocks((int64_t)a.asking * a.heads, WARPS);
    FOR_TYPE(a.q, T, {
        LAUNCH(c->stream, (plain_dq<T>), blocks, THREADS, plain_bytes(&a, PLAIN_DQ), a);
        LAUNCH(c->stream, (plain_dkv<T>), blocks, THREADS, plain_bytes(&a, PLAIN_DKV), a);
    });
}

/*
 * The window that the forward kernel is given.  Where all sequences fit two tiles, one that
 * hides nothing: the kernel of windows skips the 16 keys that nobody has, the global one
 * does not look.  What is skipped adds zeros: the bytes are the same.
 */
static int
forward_window(const struct seqs *s, int window)
{
    return window < 0 && s->longest <= 2 * TILE ? s->longest : window;
}

/* ---- ops ---------------------------------------------------------------------------- */
void
cuda_attention(struct ctx *c, struct mat o, struct mat lse, struct mat q, struct mat k,
               struct mat v, int heads, const struct seqs *s, int window, float scale,
               struct drop drop)
{
    const struct mat all[] = { q, k, v, o };
    const struct plan *plan = (const struct plan *)s->plan;
    const int size = q.cols / heads;
    const bool first = first_only(o, s);
    assert(heads > 0 && q.cols % heads == 0 && q.rows == s->rows);
    assert(drop.p >= 0 && drop.p < 1 && (o.rows == q.rows || (first && !lse.p)));
    check_mats(all, 3, q.rows, q);
    check_mats(all + 3, 1, o.rows, q);
    assert(!lse.p || (lse.rows == q.rows && lse.cols == heads && lse.type == F32));
    if (mats_fast(all, 4, size, scale, drop)) {
        const int seen = forward_window(s, window);
        const struct forward a = { o, lse, q, k, v, NULL, heads, seen, scale };
        const struct blocks b = first ? (struct blocks){ plan->first, plan->firsts, false }
                                      : blocks_of(c, s, heads, seen);
        if (size == 64)
            forward_size<64>(c, a, b);
        else
            forward_size<32>(c, a, b);
    } else {
        struct plain a = plain_of(s, heads, size, window, scale, drop);
        a.o = o, a.lse = lse, a.q = q, a.k = k, a.v = v;
        a.wide = mats_aligned(all, 3, size);
        a.first = first;
        a.asking = o.rows;
        plain_attention(c, a);
    }
    cuda_launched("attention");
}

void
cuda_attention_bwd(struct ctx *c, struct mat dq, struct mat dk, struct mat dv,
                   struct mat dout, struct mat o, struct mat lse, struct mat q, struct mat k,
                   struct mat v, int heads, const struct seqs *s, int window, float scale,
                   struct drop drop)
{
    const struct mat all[] = { q, k, v, dout, o, dq, dk, dv };
    const int size = q.cols / heads;
    const size_t sums = 2 * (size_t)heads * (size_t)q.rows;
    assert(heads > 0 && q.cols % heads == 0 && q.rows == s->rows);
    assert(drop.p >= 0 && drop.p < 1);
    check_mats(all, 8, q.rows, q);
    assert(lse.rows == q.rows && lse.cols == heads && lse.type == F32);
    float *scratch = (float *)cuda_scratch(c, SCRATCH_ROWS, sums, sizeof *scratch);
    if (mats_fast(all, 8, size, scale, drop)) {
        const struct backward g = { dq, dk,   dv,      dout,  o,      lse,    q,    k,
                                    v,  NULL, scratch, heads, q.rows, window, scale };
        const struct blocks b = blocks_of(c, s, heads, window);
        if (size == 64)
            backward_size<64>(c, g, b);
        else
            backward_size<32>(c, g, b);
    } else {
        struct plain a = plain_of(s, heads, size, window, scale, drop);
        a.o = o, a.lse = lse, a.q = q, a.k = k, a.v = v;
        a.dq = dq, a.dk = dk, a.dv = dv, a.dout = dout;
        a.delta = scratch;
        a.wide = mats_aligned(all, 4, size);
        plain_attention_bwd(c, a);
    }
    cuda_launched("attention_bwd");
}

/* More than 48 KiB of shared memory is given to kernels that ask for it. */
template <class F>
static void
allow(F *kernel, int bytes)
{
    cuda_check(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
        "attention");
}

template <int K>
static void
prepare_size(void)
{
    allow(attention_forward<K, 1, true>, forward_shape<K, 1>::SMEM);
    allow(attention_forward<K, 1, false>, forward_shape<K, 1>::SMEM);
    allow(attention_forward<K, 2, false>, forward_shape<K, 2>::SMEM);
    allow(attention_dq<K, 1, true>, dq_shape<K, 1>::SMEM);
    allow(attention_dq<K, 1, false>, dq_shape<K, 1>::SMEM);
    allow(attention_dq<K, 2, false>, dq_shape<K, 2>::SMEM);
    allow(attention_dkv<K, 1, true>, dkv_shape<K, 1, true>::SMEM);
    allow(attention_dkv<K, 1, false>, dkv_shape<K, 1, false>::SMEM);
    allow(attention_dkv<K, 2, false>, dkv_shape<K, 2, false>::SMEM);
}

void
attention_prepare(void)
{
    prepare_size<64>();
    prepare_size<32>();
}
