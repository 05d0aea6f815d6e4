/* done - what follows a product, on sums that are still in the first cache. */
#include "common/ops/packed.h"
#if defined __AVX512F__
#include "common/ops/vector.h"

/*
 * A row of a panel is two vectors.  The bodies below are inlined once for each combination
 * of what does not change within a product, so that a row is straight code: it runs between
 * the steps of the next tile.
 */
struct two { __m512 lo, hi; };

VECTOR struct two
load_two(const float *p)
{
    return (struct two){ _mm512_loadu_ps(p), _mm512_loadu_ps(p + 16) };
}

VECTOR void
store_two(void *p, const int bf16, struct two v)
{
    if (bf16) {
        _mm512_storeu_si512(p, pair_to_bf16(v.lo, v.hi));
        return;
    }
    _mm512_storeu_ps(p, v.lo);
    _mm512_storeu_ps((float *)p + 16, v.hi);
}

/* int8: (sum - 128 column sum) times the column's scale and the row's. */
VECTOR __m512
unscaled(__m512 v, const struct unscale *s, int row, int column)
{
    const __m512i raw =
        _mm512_sub_epi32(_mm512_castps_si512(v), _mm512_loadu_si512(s->sums + column));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(raw),
                         _mm512_mul_ps(_mm512_loadu_ps(s->scale + column),
                                       splat(s->row[row])));
}

/* The sums of one row and panel as floats, plus the bias (NULL: none). */
VECTOR struct two
sums_at(const float *c, const struct unscale *s, const float *b, int row, int column)
{
    struct two v = load_two(c);
    if (s->scale) {
        v.lo = unscaled(v.lo, s, row, column);
        v.hi = unscaled(v.hi, s, row, column + 16);
    }
    if (b) {
        v.lo = _mm512_add_ps(v.lo, _mm512_loadu_ps(b + column));
        v.hi = _mm512_add_ps(v.hi, _mm512_loadu_ps(b + column + 16));
    }
    return v;
}

static __m512
activate_other(__m512 u, enum act act)
{
    float x[16];
    _mm512_storeu_ps(x, u);
    act_row(x, x, 16, act);
    return _mm512_loadu_ps(x);
}

/* vector_phi is for bf16: what stays f32 shall be as near as the other backends are. */
VECTOR __m512
activate(__m512 u, enum act act, const int bf16)
{
    if (bf16 && act == OP_GELU)
        return _mm512_mul_ps(u, vector_phi(u));
    return act == OP_NONE ? u : activate_other(u, act);
}

/* Dropout by the scalar generator: training alone pays. */
static struct two
dropped(struct two v, struct drop drop, uint64_t at)
{
    float x[32];
    store_two(x, 0, v);
    drop_row(x, x, 32, drop, at);
    return load_two(x);
}

VECTOR char *
place(struct mat m, int row, int column, const int bf16)
{
    return (char *)m.p + ((ptrdiff_t)row * m.ld + column) * (bf16 ? 2 : 4);
}

/*
 * The lines that rows of the next tile will write: without this each store waits for the
 * third cache.  Past the last row nothing is there, and nothing is fetched.
 */
enum { AHEAD = 32 };
VECTOR void
ahead(const char *p, int lines)
{
    for (int i = 0; i < lines; i++)
        _mm_prefetch(p + 64 * i, _MM_HINT_ET0);
}

/* ---- y = act(c + b), y = r + drop(c + b), y += c --------------------------------------- */
/* A panel that is cut by y's last column goes through here, 16 lanes at a time. */
static void
linear_edge(const struct done_linear *f, const struct done *d, int from, int to)
{
    const int column = d->unit * PANEL;
    float wide[PANEL] = { 0 };
    const __mmask16 m[2] = { first_lanes((long)f->y.cols - column),
                             first_lanes((long)f->y.cols - column - 16) };
    for (int h = 0; f->b && h < 2; h++)
        _mm512_storeu_ps(wide + 16 * h,
                         _mm512_maskz_loadu_ps(m[h], f->b + (m[h] ? column + 16 * h : 0)));
    for (int i = from; i < to; i++) {
        const int row = d->row + i;
        struct two v = sums_at(d->c[0] + i * PANEL, &f->s, NULL, row, column);
        const struct two b = load_two(wide);
        float out[PANEL];
        store_two(out, 0, (struct two){ _mm512_add_ps(v.lo, b.lo), _mm512_add_ps(v.hi, b.hi) });
        for (int h = 0; h < 2 && m[h]; h++) {
            const size_t at = (size_t)(column + 16 * h);
            __m512 u = _mm512_loadu_ps(out + 16 * h);
            if (f->r.p)
                u = _mm512_add_ps(_mm512_maskz_loadu_ps(m[h], mat_f32(f->r, row) + at), u);
            if (f->u.p)
                store_as(place(f->u, row, 0, f->u.type == BF16), f->u.type, at, m[h], u);
            store_as(place(f->y, row, 0, f->y.type == BF16), f->y.type, at, m[h],
                     activate(u, f->act, f->y.type == BF16));
        }
    }
}

void
done_linear(const void *arg, const struct done *d, int from, int to)
{
    const struct done_linear *f = arg;
    const int column = d->unit * PANEL, bf16 = f->y.type == BF16;
    if (f->y.cols - column < PANEL) {
        linear_edge(f, d, from, to);
        return;
    }
    for (int i = from; i < to; i++) {
        const int row = d->row + i;
        const struct two u = sums_at(d->c[0] + i * PANEL, &f->s, f->b, row, column);
        if (f->u.p)
            store_two(place(f->u, row, column, f->u.type == BF16), f->u.type == BF16, u);
        store_two(place(f->y, row, column, bf16), bf16,
                  (struct two){ activate(u.lo, f->act, bf16), activate(u.hi, f->act, bf16) });
    }
}

void
done_add(const void *arg, const struct done *d, int from, int to)
{
    const struct done_linear *f = arg;
    const int column = d->unit * PANEL;
    if (f->y.cols - column < PANEL) {
        assert(!(f->drop.p > 0));
        linear_edge(f, d, from, to);
        return;
    }
    for (int i = from; i < to; i++) {
        const int row = d->row + i;
        struct two v = sums_at(d->c[0] + i * PANEL, &f->s, f->b, row, column);
        if (f->drop.p > 0)
            v = dropped(v, f->drop,
                        (uint64_t)row * (uint64_t)f->y.cols + (uint64_t)column);
        ahead(place(f->y, row + AHEAD, column, 0), 2);
        const struct two r = load_two(mat_f32(f->r, row) + column);
        store_two(place(f->y, row, column, 0), 0,
                  (struct two){ _mm512_add_ps(r.lo, v.lo), _mm512_add_ps(r.hi, v.hi) });
    }
}

void
done_more(const void *arg, const struct done *d, int from, int to)
{
    struct done_linear f = *(const struct done_linear *)arg;
    f.r = f.y;
    done_add(&f, d, from, to);
}

/* ---- g = drop(act(a) b): a and b are columns F apart ----------------------------------- */
VECTOR void
glu_rows(const struct done_glu *f, const struct done *d, int from, int to, const int bf16,
         const int gelu)
{
    const int F = f->g.cols, column = d->unit * PANEL;
    for (int i = from; i < to; i++) {
        const int row = d->row + i;
        const struct two a = sums_at(d->c[0] + i * PANEL, &f->s, f->b, row, column),
                         b = sums_at(d->c[1] + i * PANEL, &f->s, f->b, row, F + column);
        if (f->u.p) {
            store_two(place(f->u, row, column, bf16), bf16, a);
            store_two(place(f->u, row, F + column, bf16), bf16, b);
        }
        const enum act act = gelu ? OP_GELU : f->act;
        ahead(place(f->g, row + AHEAD, column, bf16), bf16 ? 1 : 2);
        struct two g = { _mm512_mul_ps(activate(a.lo, act, bf16), b.lo),
                         _mm512_mul_ps(activate(a.hi, act, bf16), b.hi) };
        if (f->drop.p > 0)
            g = dropped(g, f->drop, (uint64_t)row * (uint64_t)F + (uint64_t)column);
        store_two(place(f->g, row, column, bf16), bf16, g);
    }
}

void
done_glu(const void *arg, const struct done *d, int from, int to)
{
    const struct done_glu *f = arg;
    assert(!f->u.p || f->u.type == f->g.type);
    if (f->g.type == BF16 && f->act == OP_GELU)
        glu_rows(f, d, from, to, 1, 1);
    else if (f->g.type == BF16)
        glu_rows(f, d, from, to, 1, 0);
    else
        glu_rows(f, d, from, to, 0, 0);
}

/* ---- rotated heads --------------------------------------------------------------------- */
VECTOR __m512
first_half(__m512 a, __m512 b, const float *cosine, const float *sine)
{
    return _mm512_fmsub_ps(a, _mm512_loadu_ps(cosine),
                           _mm512_mul_ps(b, _mm512_loadu_ps(sine)));
}

VECTOR __m512
second_half(__m512 a, __m512 b, const float *cosine, const float *sine)
{
    return _mm512_fmadd_ps(b, _mm512_loadu_ps(cosine),
                           _mm512_mul_ps(a, _mm512_loadu_ps(sine)));
}

/* A head of 32 is one panel, its halves 16 apart. */
VECTOR void
short_heads(const struct done_qkv *f, const struct done *d, int from, int to, const int bf16)
{
    const int column = d->unit * PANEL, turn = column < f->qkv.cols / 3 * 2;
    for (int i = from; i < to; i++) {
        const int row = d->row + i;
        const float *t = mat_f32(f->table, f->position[row]);
        struct two v = sums_at(d->c[0] + i * PANEL, &f->s, f->b, row, column);
        if (turn)
            v = (struct two){ first_half(v.lo, v.hi, t, t + 16),
                              second_half(v.lo, v.hi, t, t + 16) };
        store_two(place(f->qkv, row, column, bf16), bf16, v);
    }
}

/* Longer heads pair panels: columns `first` and `first + half a head` on. */
VECTOR void
long_heads(const struct done_qkv *f, const struct done *d, int from, int to, const int bf16)
{
    const int half = f->size / 2, apart = half / PANEL;
    const int first = (d->unit / apart * 2 * apart + d->unit % apart) * PANEL;
    const int turn = first < f->qkv.cols / 3 * 2;
    for (int i = from; i < to; i++) {
        const int row = d->row + i;
        const float *t = mat_f32(f->table, f->position[row]) + first % f->size, *u = t + half;
        struct two a = sums_at(d->c[0] + i * PANEL, &f->s, f->b, row, first),
                   b = sums_at(d->c[1] + i * PANEL, &f->s, f->b, row, first + half);
        if (turn) {
            const struct two c = { first_half(a.lo, b.lo, t, u),
                                   first_half(a.hi, b.hi, t + 16, u + 16) };
            b = (struct two){ second_half(a.lo, b.lo, t, u),
                              second_half(a.hi, b.hi, t + 16, u + 16) };
            a = c;
        }
        ahead(place(f->qkv, row + AHEAD, first, bf16), bf16 ? 1 : 2);
        ahead(place(f->qkv, row + AHEAD, first + half, bf16), bf16 ? 1 : 2);
        store_two(place(f->qkv, row, first, bf16), bf16, a);
        store_two(place(f->qkv, row, first + half, bf16), bf16, b);
    }
}

void
done_qkv(const void *arg, const struct done *d, int from, int to)
{
    const struct done_qkv *f = arg;
    const int bf16 = f->qkv.type == BF16, alone = f->size == PANEL;
    if (alone && bf16)
        short_heads(f, d, from, to, 1);
    else if (alone)
        short_heads(f, d, from, to, 0);
    else if (bf16)
        long_heads(f, d, from, to, 1);
    else
        long_heads(f, d, from, to, 0);
}
#else
typedef int done_unused;
#endif
