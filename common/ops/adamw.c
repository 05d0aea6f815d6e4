#include "common/ops/backward.h"
#include "common/ops/lanes.h"

/* Tensors are cut into pieces of at most this many elements; a piece is one task. */
enum { PIECE = 1 << 16 };
struct piece { const struct param *p; int64_t at; int n; };

static int64_t
pieces_of(const struct param *table, int n)
{
    int64_t pieces = 0;
    for (int i = 0; i < n; i++)
        pieces += (table[i].n + PIECE - 1) / PIECE;
    assert(pieces < INT32_MAX);
    return pieces;
}

static void
pieces_make(struct piece *to, const struct param *table, int n)
{
    for (int i = 0; i < n; i++)
        for (int64_t at = 0; at < table[i].n; at += PIECE)
            *to++ =
                (struct piece){ &table[i], at,
                                (int)(table[i].n - at < PIECE ? table[i].n - at : PIECE) };
}

CLONES static double
squares(const float *g, int n)
{
    double s[LANES] = { 0 };
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            s[j] += (double)g[i + j] * (double)g[i + j];
    for (int j = 0; i < n; i++, j++)
        s[j] += (double)g[i] * (double)g[i];
    return lanes_sum_f64(s);
}

void
cpu_sqnorm(struct ctx *c, float *norm, const struct param *table, int n)
{
    const int pieces = (int)pieces_of(table, n);
    struct piece *piece = cpu_scratch(c, (size_t)pieces, sizeof *piece + sizeof(double));
    double *part = (double *)(piece + pieces), sum = 0;
    pieces_make(piece, table, n);
    CPU_FOR
    for (int i = 0; i < pieces; i++)
        part[i] = (c->bf16 ? backward_squares : squares)(piece[i].p->g + piece[i].at,
                                                         piece[i].n);
    for (int i = 0; i < pieces; i++)
        sum += part[i];
    *norm = (float)sqrt(sum);
}

/* The step is computed in double: in float the losses of a 12-step trace drift 4 times as
 * far. */
CLONES static void
update(float *restrict w, const float *restrict g, float *restrict m, float *restrict v,
       int n, struct adam_step s)
{
    for (int i = 0; i < n; i++) {
        const double d = (double)g[i] * s.clip;
        const double mm = m[i] + (d - m[i]) * s.new1, vv = v[i] * s.beta2 + d * d * s.new2;
        m[i] = (float)mm;
        v[i] = (float)vv;
        w[i] = (float)(w[i] * s.keep - s.rate * mm / (sqrt(vv) * s.root + s.eps));
    }
}

int
cpu_adamw(struct ctx *c, const struct param *table, int n, const struct adam *a,
          const float *norm)
{
    const double lr = a->lr, b1 = a->beta1, b2 = a->beta2, step = (double)a->step;
    assert(a->step >= 1);
    if (!isfinite(*norm))
        return 0;
    const double clip = a->max_norm > 0 ? a->max_norm / ((double)*norm + 1e-6) : 1;
    const struct adam_step s = {
        .clip = clip < 1 ? clip : 1,
        .keep = 1,
        .new1 = 1 - b1,
        .beta2 = a->beta2,
        .new2 = 1 - b2,
        .rate = lr / (1 - pow(b1, step)),
        .root = 1 / sqrt(1 - pow(b2, step)),
        .eps = a->eps,
    };
    const int pieces = (int)pieces_of(table, n);
    struct piece *piece = cpu_scratch(c, (size_t)pieces, sizeof *piece);
    pieces_make(piece, table, n);
    CPU_FOR
    for (int i = 0; i < pieces; i++) {
        const struct param *p = piece[i].p;
        const int64_t at = piece[i].at;
        struct adam_step own = s;
        own.keep = p->decays ? 1 - lr * p->rate * a->decay : 1;
        own.rate *= p->rate;
        if (c->bf16)
            backward_update(p->w + at, p->g + at, p->m + at, p->v + at, piece[i].n, &own);
        else
            update(p->w + at, p->g + at, p->m + at, p->v + at, piece[i].n, own);
    }
    return 0;
}
