#include "gpu/vector.cuh"

enum { TURN_WARPS = 4, TURN_THREADS = 32 * TURN_WARPS }; /* rows a block */

/* A lane V columns of the first half of a head, with those of the second half: a, b become
 * (a c - b s, b c + a s); s as it is, or -s to turn back. */
template <class T, int V>
KERNEL(TURN_THREADS, 8)
turn_rows(struct mat qkv, struct mat table, const int *position, float sign)
{
    const int t = dev_block() * TURN_WARPS + dev_thread() / 32, K = table.cols,
              half = K / 2;
    if (t >= qkv.rows)
        return;
    const float *cs = mat_row<const float>(table, position[t]), *sn = cs + half;
    const int runs = half / V, all = 2 * (qkv.cols / 3) / K * runs;
    for (int k = dev_thread() % 32; k < all; k += 32) {
        const int head = k / runs, at = (k - head * runs) * V;
        T *h = mat_row<T>(qkv, t) + head * K + at;
        float a[V], b[V], c[V], s[V], y[V], z[V];
        vector_load<V>(a, h);
        vector_load<V>(b, h + half);
        vector_load<V>(c, cs + at);
        vector_load<V>(s, sn + at);
        UNROLL
        for (int i = 0; i < V; i++) {
            y[i] = a[i] * c[i] - b[i] * (sign * s[i]);
            z[i] = b[i] * c[i] + a[i] * (sign * s[i]);
        }
        vector_store<V>(h, y);
        vector_store<V>(h + half, z);
    }
}

template <class T>
static void
turn_start(struct ctx *c, struct mat qkv, struct mat table, const struct plan *plan,
           float sign)
{
    const int blocks = cuda_blocks(qkv.rows, TURN_WARPS);
    /* q, k and both halves of each head start at eights then */
    if (vector_fits(qkv) && vector_fits(table) && table.cols / 2 % VECTOR == 0)
        LAUNCH(c->stream, (turn_rows<T, VECTOR>), blocks, TURN_THREADS, 0, qkv, table,
               plan->position, sign);
    else
        LAUNCH(c->stream, (turn_rows<T, 1>), blocks, TURN_THREADS, 0, qkv, table,
               plan->position, sign);
}

void
rope_turn(struct ctx *c, struct mat qkv, struct rope rope, int heads, const struct seqs *s,
          int sign)
{
    const struct mat table = rope.table;
    assert(table.type == F32 && table.cols % 2 == 0 && table.rows >= s->longest);
    assert(qkv.rows == s->rows && qkv.cols == 3 * heads * table.cols);
    (void)heads;
    const struct plan *plan = (const struct plan *)s->plan;
    FOR_TYPE(qkv, T, turn_start<T>(c, qkv, table, plan, (float)sign));
    cuda_launched("rope");
}

void
cuda_rope_bwd(struct ctx *c, struct mat dqkv, struct rope rope, int heads,
              const struct seqs *s)
{
    rope_turn(c, dqkv, rope, heads, s, -1);
}
