/* done - what follows a product, on sums that are still in the first cache. */
#include "common/ops/packed.h"
#if defined __AVX512F__
#include "common/ops/vector.h"

/* Lanes of half h of a panel at `column` that exist among `columns`. */
VECTOR __mmask16
lanes_at(int column, int columns, int h)
{
    return first_lanes((long)columns - column - 16 * h);
}

/* Sixteen sums as floats: of int8, (sum - 128 column sum) times both scales; then + b. */
VECTOR __m512
sums_at(const float *c, const struct unscale *s, const float *b, int row, int column,
        __mmask16 m)
{
    __m512 v = _mm512_loadu_ps(c);
    if (s->scale) {
        const __m512i raw = _mm512_sub_epi32(_mm512_castps_si512(v),
                                             _mm512_loadu_si512(s->sums + column));
        v = _mm512_mul_ps(_mm512_cvtepi32_ps(raw),
                          _mm512_mul_ps(_mm512_loadu_ps(s->scale + column),
                                        splat(s->row[row])));
    }
    return b ? _mm512_add_ps(v, _mm512_maskz_loadu_ps(m, b + column)) : v;
}

VECTOR __m512
activate(__m512 u, enum act act)
{
    if (act == OP_GELU)
        return _mm512_mul_ps(u, vector_phi(u));
    if (act == OP_NONE)
        return u;
    float x[16];
    _mm512_storeu_ps(x, u);
    act_row(x, x, 16, act);
    return _mm512_loadu_ps(x);
}

/* Dropout by the scalar generator: training alone pays. */
VECTOR __m512
dropped(__m512 v, struct drop drop, uint64_t at)
{
    float x[16];
    if (!(drop.p > 0))
        return v;
    _mm512_storeu_ps(x, v);
    drop_row(x, x, 16, drop, at);
    return _mm512_loadu_ps(x);
}

static inline void *
row_of(struct mat m, int row)
{
    return (char *)m.p + (ptrdiff_t)row * m.ld * (ptrdiff_t)dtype_size(m.type);
}

void
done_linear(const void *arg, const struct done *d, int from, int to)
{
    const struct done_linear *f = arg;
    const int column = d->unit * PANEL;
    for (int i = from; i < to; i++)
        for (int h = 0; h < 2; h++) {
            const __mmask16 m = lanes_at(column, f->y.cols, h);
            const int row = d->row + i, at = column + 16 * h;
            if (!m)
                break;
            const __m512 u = sums_at(d->c[0] + i * PANEL + 16 * h, &f->s, f->b, row, at, m);
            if (f->u.p)
                store_as(row_of(f->u, row), f->u.type, (size_t)at, m, u);
            store_as(row_of(f->y, row), f->y.type, (size_t)at, m, activate(u, f->act));
        }
}

void
done_add(const void *arg, const struct done *d, int from, int to)
{
    const struct done_linear *f = arg;
    const int column = d->unit * PANEL;
    for (int i = from; i < to; i++)
        for (int h = 0; h < 2; h++) {
            const __mmask16 m = lanes_at(column, f->y.cols, h);
            const int row = d->row + i, at = column + 16 * h;
            if (!m)
                break;
            __m512 v = sums_at(d->c[0] + i * PANEL + 16 * h, &f->s, f->b, row, at, m);
            v = dropped(v, f->drop, (uint64_t)row * (uint64_t)f->y.cols + (uint64_t)at);
            const __m512 r = _mm512_maskz_loadu_ps(m, mat_f32(f->r, row) + at);
            _mm512_mask_storeu_ps(mat_f32(f->y, row) + at, m, _mm512_add_ps(r, v));
        }
}

void
done_more(const void *arg, const struct done *d, int from, int to)
{
    const struct done_linear *f = arg;
    const int column = d->unit * PANEL;
    for (int i = from; i < to; i++)
        for (int h = 0; h < 2; h++) {
            const __mmask16 m = lanes_at(column, f->y.cols, h);
            float *y = mat_f32(f->y, d->row + i) + column + 16 * h;
            if (!m)
                break;
            _mm512_mask_storeu_ps(y, m,
                                  _mm512_add_ps(_mm512_maskz_loadu_ps(m, y),
                                                _mm512_loadu_ps(d->c[0] + i * PANEL + 16 * h)));
        }
}

/* Unit: columns of act's input (c[0]) and of the gate (c[1]), F apart. */
void
done_glu(const void *arg, const struct done *d, int from, int to)
{
    const struct done_glu *f = arg;
    const int F = f->g.cols;
    for (int i = from; i < to; i++)
        for (int h = 0; h < 2; h++) {
            const int row = d->row + i, at = d->unit * PANEL + 16 * h;
            const __m512 a = sums_at(d->c[0] + i * PANEL + 16 * h, &f->s, f->b, row, at, 0xffff),
                         b = sums_at(d->c[1] + i * PANEL + 16 * h, &f->s, f->b, row, F + at,
                                     0xffff);
            if (f->u.p) {
                store_as(row_of(f->u, row), f->u.type, (size_t)at, 0xffff, a);
                store_as(row_of(f->u, row), f->u.type, (size_t)(F + at), 0xffff, b);
            }
            __m512 g = _mm512_mul_ps(activate(a, f->act), b);
            g = dropped(g, f->drop, (uint64_t)row * (uint64_t)F + (uint64_t)at);
            store_as(row_of(f->g, row), f->g.type, (size_t)at, 0xffff, g);
        }
}

struct rotated { __m512 a, b; };

VECTOR struct rotated
rotate(__m512 a, __m512 b, const float *cosine, const float *sine)
{
    const __m512 c = _mm512_loadu_ps(cosine), s = _mm512_loadu_ps(sine);
    return (struct rotated){ _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)),
                             _mm512_fmadd_ps(b, c, _mm512_mul_ps(a, s)) };
}

/* Columns `first` and `first + half a head` of one row. */
VECTOR void
put_pair(const struct done_qkv *f, int row, int first, const float *c0, const float *c1)
{
    const int half = f->size / 2, at = first % f->size, second = first + half;
    struct rotated r = { sums_at(c0, &f->s, f->b, row, first, 0xffff),
                         sums_at(c1, &f->s, f->b, row, second, 0xffff) };
    if (first < f->qkv.cols / 3 * 2) {
        const float *t = mat_f32(f->table, f->position[row]);
        r = rotate(r.a, r.b, t + at, t + half + at);
    }
    void *to = row_of(f->qkv, row);
    store_as(to, f->qkv.type, (size_t)first, 0xffff, r.a);
    store_as(to, f->qkv.type, (size_t)second, 0xffff, r.b);
}

/* A head of 32 is one panel, its halves 16 apart; longer ones pair panels. */
void
done_qkv(const void *arg, const struct done *d, int from, int to)
{
    const struct done_qkv *f = arg;
    const int apart = f->size / (2 * PANEL);
    if (!apart) {
        for (int i = from; i < to; i++)
            put_pair(f, d->row + i, d->unit * PANEL, d->c[0] + i * PANEL,
                     d->c[0] + i * PANEL + 16);
        return;
    }
    const int first = (d->unit / apart * 2 * apart + d->unit % apart) * PANEL;
    for (int i = from; i < to; i++)
        for (int h = 0; h < 32; h += 16)
            put_pair(f, d->row + i, first + h, d->c[0] + i * PANEL + h,
                     d->c[1] + i * PANEL + h);
}
#else
typedef int done_unused;
#endif
