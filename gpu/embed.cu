#include "gpu/norm.cuh"

struct lookup {
    struct mat x, stat, E;
    const int *ids;
    struct lnorm norm;
    struct drop drop;
};

template <class T, bool HELD>
KERNEL(ROW_THREADS, 6)
embed_rows(struct lookup a)
{
    const int t = quad_row();
    if (t >= a.x.rows)
        return;
    float *x = mat_row<float>(a.x, t), *stat = a.stat.p ? mat_row<float>(a.stat, t) : NULL;
    const T *e = mat_row<const T>(a.E, a.ids[t]);
    const uint64_t first = (uint64_t)t * (uint64_t)a.x.cols;
    if (HELD)
        norm_held(x, stat, e, a.norm, a.drop, first);
    else
        norm_read(x, stat, e, a.norm, a.drop, first);
}

template <class T>
static void
lookup_start(struct ctx *c, struct lookup a)
{
    const int blocks = cuda_blocks(a.x.rows, ROW_WARPS);
    if (norm_holds(a.x, a.E, &a.norm))
        LAUNCH(c->stream, (embed_rows<T, true>), blocks, ROW_THREADS, 0, a);
    else
        LAUNCH(c->stream, (embed_rows<T, false>), blocks, ROW_THREADS, 0, a);
}

void
cuda_embed_norm(struct ctx *c, struct mat x, struct mat stat, const int *ids, struct mat E,
                const struct lnorm *norm, struct drop drop)
{
    const struct lookup a = { x, stat, E, ids, *norm, drop };
    norm_check(x, stat, E, norm);
    assert(x.type == F32 && drop.p >= 0 && drop.p < 1);
    FOR_STORED(E, T, lookup_start<T>(c, a));
    cuda_launched("embed_norm");
}

/* ---- backward: dE[id] += the sum of the rows with that id --------------------------- */
/*
 * A block a row t.  The block of the first row with its id adds all rows with it, in their
 * order; the others end.  No sort, no atomics: ids is short beside the rows, and the blocks
 * that read it share it in the caches.
 */
enum {
    ID_THREADS = 256,
    ID_WARPS = ID_THREADS / 32,
    ID_STEPS = 4,  /* ids a thread reads before the block meets */
    ID_LIST = 512, /* rows listed before they are added; a step adds up to ID_THREADS */
    ID_AHEAD = 8   /* of a list's rows, those in flight */
};
struct found { int hit[2][ID_WARPS], row[ID_LIST]; };

/* Whether any thread of the block says so.  The caller alternates `side`, so that one is
 * written while the other is read. */
DEV bool
block_any(int hit[2][ID_WARPS], int side, bool own)
{
    const uint32_t lanes = dev_ballot(own);
    bool any = false;
    if (quad_lane() == 0)
        hit[side][dev_thread() / 32] = lanes != 0;
    dev_sync_block();
    UNROLL
    for (int w = 0; w < ID_WARPS; w++)
        any |= hit[side][w] != 0;
    return any;
}

/* Backwards: a frequent id was there not long ago. */
DEV bool
id_before(struct found *f, const int *ids, int t, int id)
{
    for (int end = t, side = 0; end > 0; end -= ID_STEPS * ID_THREADS, side ^= 1) {
        bool same = false;
        UNROLL
        for (int k = 0; k < ID_STEPS; k++) {
            const int i = end - 1 - k * ID_THREADS - dev_thread();
            same |= i >= 0 && ids[i] == id;
        }
        if (block_any(f->hit, side, same))
            return true;
    }
    return false;
}

/* Appends to the list of n rows those rows i of the threads that are `same`, in their
 * order; returns the new n. */
DEV int
list_append(struct found *f, int side, int n, int i, bool same)
{
    const uint32_t lanes = dev_ballot(same), below = (1u << quad_lane()) - 1;
    const int warp = dev_thread() / 32;
    int before = n;
    if (quad_lane() == 0)
        f->hit[side][warp] = dev_bits(lanes);
    dev_sync_block();
    UNROLL
    for (int w = 0; w < ID_WARPS; w++) {
        before += w < warp ? f->hit[side][w] : 0;
        n += f->hit[side][w];
    }
    if (same)
        f->row[before + dev_bits(lanes & below)] = i;
    return n;
}

/* to += the sum of the n rows of the list, V columns a thread. */
template <int V>
DEV void
list_add(float *to, const int *list, int n, struct mat rows)
{
    for (int at = V * dev_thread(); at < rows.cols; at += V * ID_THREADS) {
        struct quad sum = quad_zero(), own = quad_load<V>(to + at);
        for (int k = 0; k < n; k += ID_AHEAD) {
            struct quad q[ID_AHEAD];
            UNROLL
            for (int i = 0; i < ID_AHEAD; i++)
                q[i] = k + i < n ? quad_load<V>(mat_row<float>(rows, list[k + i]) + at)
                                 : quad_zero();
            UNROLL
            for (int i = 0; i < ID_AHEAD; i++)
                UNROLL
                for (int j = 0; j < V; j++)
                    sum.f[j] += q[i].f[j];
        }
        UNROLL
        for (int j = 0; j < V; j++)
            own.f[j] += sum.f[j];
        quad_store<V>(to + at, own);
    }
}

template <int V>
KERNEL(ID_THREADS, 4)
add_by_id(struct mat dE, struct mat rows, const int *ids)
{
    SMEM_DYN(struct found, f);
    const int t = dev_block(), T = rows.rows, id = ids[t];
    int n = 0, side = 0;
    if (id_before(f, ids, t, id))
        return;
    dev_sync_block();
    for (int from = t; from < T; from += ID_STEPS * ID_THREADS) {
        bool same[ID_STEPS], some = false;
        UNROLL
        for (int k = 0; k < ID_STEPS; k++) {
            const int i = from + k * ID_THREADS + dev_thread();
            same[k] = i < T && ids[i] == id;
            some |= same[k];
        }
        if (!block_any(f->hit, side ^= 1, some))
            continue;
        for (int k = 0; k < ID_STEPS; k++) {
            n = list_append(f, side ^= 1, n, from + k * ID_THREADS + dev_thread(), same[k]);
            if (n > ID_LIST - ID_THREADS) {
                dev_sync_block();
                list_add<V>(mat_row<float>(dE, id), f->row, n, rows);
                n = 0; /* all have added before list_append writes the list again */
            }
        }
    }
    dev_sync_block();
    list_add<V>(mat_row<float>(dE, id), f->row, n, rows);
}

void
cuda_embed_norm_bwd(struct ctx *c, struct mat dE, struct mat dw, struct mat db,
                    struct mat dx, const int *ids, struct mat E, struct mat stat,
                    const struct lnorm *norm, struct drop drop)
{
    const int T = dx.rows, D = E.cols;
    float *scratch = (float *)cuda_scratch(c, SCRATCH_ROWS, mem_mul((size_t)T, (size_t)D),
                                           sizeof(float));
    const struct mat rows = mat_of(scratch, T, D, F32);
    const struct norm_back a = { rows, dx, E, stat, *norm, NULL, ids, drop };
    norm_check(dx, stat, E, norm);
    assert(dx.type == F32 && stat.p && drop.p >= 0 && drop.p < 1);
    assert(dE.type == F32 && dE.rows == E.rows && dE.cols == D);
    FOR_STORED(E, X, norm_backward<X, float, true>(c, a, dw, db));
    if (quads(dE))
        LAUNCH(c->stream, (add_by_id<4>), T, ID_THREADS, sizeof(struct found), dE, rows,
               ids);
    else
        LAUNCH(c->stream, (add_by_id<1>), T, ID_THREADS, sizeof(struct found), dE, rows,
               ids);
    cuda_launched("embed_norm_bwd");
}
