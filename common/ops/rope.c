#include "common/ops/backward.h"
#include "common/ops/packed.h"

struct rotate { struct mat table; const int *position; const float *b; int size, rotated; };

/* One head: halves a, b become (a c - b s, b c + a s); sign -1 turns it back. */
static void
rotate_head(float *restrict h, const float *restrict table, int size, float sign)
{
    const int half = size / 2;
    for (int i = 0; i < half; i++) {
        const float cs = table[i], sn = sign * table[half + i], a = h[i], b = h[half + i];
        h[i] = a * cs - b * sn;
        h[half + i] = b * cs + a * sn;
    }
}

/* Tiles hold whole heads (step); the first `rotated` columns are q and k. */
static void
finish_qkv(const void *arg, struct tile t)
{
    const struct rotate *r = arg;
    for (int i = 0; i < t.rows; i++) {
        float *y = t.p + (ptrdiff_t)i * t.ld;
        if (r->b)
            for (int j = 0; j < t.cols; j++)
                y[j] += r->b[t.col + j];
        for (int j = 0; j < t.cols && t.col + j < r->rotated; j += r->size)
            rotate_head(y + j, mat_f32(r->table, r->position[t.row + i]), r->size, 1);
    }
}

static struct rotate
rotate_of(struct mat qkv, struct rope rope, int heads, const struct seqs *s)
{
    const struct plan *p = s->plan;
    const int D = qkv.cols / 3, K = D / heads;
    check_f32(qkv);
    check_f32(rope.table);
    assert(qkv.cols == 3 * D && D == heads * K && K % 2 == 0 && K <= TILE_COLS / 2);
    assert(qkv.rows == s->rows && rope.table.cols == K && rope.table.rows >= s->longest);
    return (struct rotate){ rope.table, p->position, NULL, K, 2 * D };
}

void
cpu_norm_qkv(struct ctx *c, struct mat qkv, struct mat stat, struct mat h, struct mat x,
             const struct lnorm *norm, const struct weight *Wqkv, struct rope rope,
             int heads, const struct seqs *s)
{
    if (Wqkv->fwd && c->f32) {
        packed_norm_qkv(c, qkv, stat, h, x, norm, Wqkv, rope, heads, s);
        return;
    }
    struct rotate r = rotate_of(qkv, rope, heads, s);
    r.b = Wqkv->b.p;
    assert(3 * x.cols == qkv.cols && Wqkv->w.rows == qkv.cols && Wqkv->w.cols == x.cols);
    product_run(c, &(struct product){ .y = qkv,
                                      .x = norm_all(c, h, stat, x, norm),
                                      .w = weight_f32(Wqkv),
                                      .step = r.size,
                                      .finish = finish_qkv,
                                      .arg = &r });
}

void
cpu_rope_bwd(struct ctx *c, struct mat dqkv, struct rope rope, int heads,
             const struct seqs *s)
{
    if (dqkv.type == BF16) {
        backward_rope(c, dqkv, rope, heads, s);
        return;
    }
    const struct rotate r = rotate_of(dqkv, rope, heads, s);
    CPU_ROWS
    for (int t = 0; t < dqkv.rows; t++)
        for (int j = 0; j < r.rotated; j += r.size)
            rotate_head(mat_f32(dqkv, t) + j, mat_f32(r.table, r.position[t]), r.size, -1);
}
