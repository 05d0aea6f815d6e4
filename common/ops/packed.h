#ifndef OPS_PACKED_H
#define OPS_PACKED_H
/*
 * packed - products with panels, cut for threads and caches, and what follows each.
 *
 * The work is cut into tasks of at most BLOCK_ROWS rows and one unit: a panel, or the two
 * panels whose columns belong together (the halves of a head, input and gate), which are
 * finished at once.  Each element is one sum in one order: the cut never shows.
 */
#include "common/ops/cpu.h"
#include "common/ops/kernel.h"

enum { BLOCK_ROWS = 512 };

/* Rows of one finished unit: sums c[0] and, for pairs, c[1], [rows,PANEL] each. */
struct done { const float *c[2]; int row, unit; };
/* Rows [from, to) of d, counted from d->row. */
typedef void done_fn(const void *arg, const struct done *d, int from, int to);

struct packed {
    const struct kernel *k;
    const uint32_t *panels;
    int words;               /* of a panel */
    const void *x;           /* row r at x + r ldx bytes */
    ptrdiff_t ldx;
    int rows;
    int units, apart;        /* apart > 0: unit u is a pair of panels so far apart */
    done_fn *done;
    const void *arg;
};
void packed_run(struct ctx *c, const struct packed *p);

static inline int
panels_of(int columns)
{
    return (columns + PANEL - 1) / PANEL;
}

static inline int
packed_first(const struct packed *p, int unit)
{
    return p->apart ? unit / p->apart * 2 * p->apart + unit % p->apart : unit;
}

/* How int8 sums become floats; scale NULL: they are floats. */
struct unscale { const float *scale, *row; const int32_t *sums; };

/* What the done functions below are given. */
struct done_linear {
    struct mat y, u, r;
    const float *b;
    enum act act;
    struct drop drop;
    struct unscale s;
};
done_fn done_linear; /* u = c + b, y = act(u) */
done_fn done_add;    /* y = r + drop(c + b) */
done_fn done_more;   /* y += c, F32 */
struct done_glu {
    struct mat g, u;
    const float *b;
    enum act act;
    struct drop drop;
    struct unscale s;
};
done_fn done_glu;    /* g = drop(act(c0 + b) (c1 + b)), u both */
struct done_qkv {
    struct mat qkv, table;
    const int *position;
    const float *b;
    int size;
    struct unscale s;
};
done_fn done_qkv;    /* heads of q and k rotated */

/* The forward ops over W->fwd; x of the type that the blob was packed for. */
void packed_linear(struct ctx *c, struct mat y, struct mat u, struct mat x,
                   const struct weight *W, enum act act);
void packed_linear_add(struct ctx *c, struct mat y, struct mat x, const struct weight *W,
                       struct mat r, struct drop drop);
void packed_norm_glu(struct ctx *c, struct mat g, struct mat u, struct mat stat,
                     struct mat h, struct mat x, const struct lnorm *norm,
                     const struct weight *Wi, enum act act, struct drop drop);
void packed_norm_qkv(struct ctx *c, struct mat qkv, struct mat stat, struct mat h,
                     struct mat x, const struct lnorm *norm, const struct weight *Wqkv,
                     struct rope rope, int heads, const struct seqs *s);
void packed_linear_dx(struct ctx *c, struct mat dx, struct mat dy, const struct weight *W,
                      int accumulate);
/* h = norm(x), or x itself (norm NULL), in h's type: the left side of a product. */
void packed_norm(struct ctx *c, struct mat h, struct mat stat, struct mat x,
                 const struct lnorm *norm);

/* Blobs: panels of w [out,in]; int8: then scales [out] and sums [out], padded to panels. */
size_t packed_size(const struct kernel *k, struct mat w, int backward);
void packed_fill(struct ctx *c, const struct kernel *k, void *blob, struct mat w,
                 int backward);
#endif
