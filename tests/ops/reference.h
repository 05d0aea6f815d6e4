/*
 * reference - the ops in double, as plainly as they can be written: forward by the formula
 * in ops.h, backward by the chain rule.  check_slope() holds the second against the first.
 */

static inline double
ref_dot(const double *a, const double *b, int n, double s)
{
    for (int i = 0; i < n; i++)
        s += a[i] * b[i];
    return s;
}

static inline struct val
ref_add(struct rig *r, struct val a, struct val b)
{
    struct val y = val_copy(r, a);
    assert_true(a.rows == b.rows && a.cols == b.cols);
    for (size_t i = 0; i < (size_t)a.rows * (size_t)a.cols; i++)
        y.p[i] += b.p[i];
    return y;
}

/* x w^T + b */
static inline struct val
ref_linear(struct rig *r, struct val x, struct val w, struct val b)
{
    struct val y = val_zero(r, x.rows, w.rows);
    for (int t = 0; t < x.rows; t++)
        for (int o = 0; o < w.rows; o++)
            at(y, t)[o] = ref_dot(at(x, t), at(w, o), x.cols, b.p ? b.p[o] : 0);
    return y;
}

/* dx +=, dw +=, db += */
static inline void
ref_linear_bwd(struct val dx, struct val dw, struct val db, struct val dy, struct val x,
               struct val w)
{
    for (int t = 0; t < x.rows; t++)
        for (int o = 0; o < w.rows; o++) {
            const double g = at(dy, t)[o];
            for (int i = 0; i < x.cols; i++) {
                at(dx, t)[i] += g * at(w, o)[i];
                at(dw, o)[i] += g * at(x, t)[i];
            }
            db.p[o] += g;
        }
}

/* act(u), and *slope = act'(u) unless NULL */
static inline double
ref_act_one(double u, enum act act, double *slope)
{
    const double phi = 0.5 * erfc(-u * 0.70710678118654752440),
                 pdf = 0.39894228040143267794 * exp(-u * u / 2);
    const double s = 1 / (1 + exp(-u)), a = 0.79788456080286535588,
                 v = a * (u + 0.044715 * u * u * u), h = tanh(v);
    double unused;
    slope = slope ? slope : &unused;
    switch (act) {
    case OP_GELU: *slope = phi + u * pdf; return u * phi;
    case OP_SILU: *slope = s * (1 + u * (1 - s)); return u * s;
    case OP_GELU_TANH:
        *slope = 0.5 * (1 + h) + 0.5 * u * (1 - h * h) * a * (1 + 3 * 0.044715 * u * u);
        return 0.5 * u * (1 + h);
    case OP_RELU: *slope = u > 0; return u > 0 ? u : 0;
    case OP_NONE: break;
    }
    *slope = 1;
    return u;
}

static inline struct val
ref_act(struct rig *r, struct val u, enum act act, struct val *slope)
{
    struct val y = val_zero(r, u.rows, u.cols), d = val_zero(r, u.rows, u.cols);
    for (size_t i = 0; i < (size_t)u.rows * (size_t)u.cols; i++)
        y.p[i] = ref_act_one(u.p[i], act, &d.p[i]);
    if (slope)
        *slope = d;
    return y;
}

/* LayerNorm of one row; stat = mean, 1/deviation */
static inline void
ref_norm_row(double *y, double *stat, const double *x, int n, const double *w,
             const double *b, double eps)
{
    double mean = 0, var = 0;
    for (int i = 0; i < n; i++)
        mean += x[i] / n;
    for (int i = 0; i < n; i++)
        var += (x[i] - mean) * (x[i] - mean) / n;
    stat[0] = mean;
    stat[1] = 1 / sqrt(var + eps);
    for (int i = 0; i < n; i++)
        y[i] = (x[i] - mean) * stat[1] * w[i] + (b ? b[i] : 0);
}

struct refnorm { struct val w, b; double eps; };

static inline struct val
ref_norm(struct rig *r, struct val x, struct refnorm n, struct val stat)
{
    struct val y = val_zero(r, x.rows, x.cols);
    for (int t = 0; t < x.rows; t++)
        ref_norm_row(at(y, t), at(stat, t), at(x, t), x.cols, n.w.p, n.b.p, n.eps);
    return y;
}

/* dx +=, dw +=, db += */
static inline void
ref_norm_bwd(struct val dx, struct val dw, struct val db, struct val dy, struct val x,
             struct val stat, struct refnorm n)
{
    const int D = x.cols;
    for (int t = 0; t < x.rows; t++) {
        const double mean = at(stat, t)[0], rs = at(stat, t)[1];
        double a = 0, b = 0;
        for (int i = 0; i < D; i++) {
            const double xhat = (at(x, t)[i] - mean) * rs, g = at(dy, t)[i] * n.w.p[i];
            a += g / D;
            b += g * xhat / D;
            dw.p[i] += at(dy, t)[i] * xhat;
            db.p[i] += at(dy, t)[i];
        }
        for (int i = 0; i < D; i++) {
            const double xhat = (at(x, t)[i] - mean) * rs, g = at(dy, t)[i] * n.w.p[i];
            at(dx, t)[i] += rs * (g - a - xhat * b);
        }
    }
}

/* cos and sin of position / theta^(2i/K), rounded to F32 as the table is */
static inline struct val
ref_rope_table(struct rig *r, int positions, int K, double theta)
{
    struct val t = val_zero(r, positions, K);
    for (int p = 0; p < positions; p++)
        for (int i = 0; i < K / 2; i++) {
            const double angle = p / pow(theta, 2.0 * i / K);
            at(t, p)[i] = (double)(float)cos(angle);
            at(t, p)[K / 2 + i] = (double)(float)sin(angle);
        }
    return t;
}

/* Rotates q and k of qkv [T,3D] in place; sign -1 back. */
static inline void
ref_rope(struct val qkv, struct val table, int heads, const struct batch *b, double sign)
{
    const int D = qkv.cols / 3, K = D / heads;
    for (int s = 0; s < b->n; s++)
        for (int t = b->cu[s]; t < b->cu[s + 1]; t++)
            for (int h = 0; h < 2 * heads; h++)
                for (int i = 0; i < K / 2; i++) {
                    double *p = at(qkv, t) + h * K + i;
                    const double c = at(table, t - b->cu[s])[i],
                                 sn = sign * at(table, t - b->cu[s])[K / 2 + i];
                    const double x = p[0], y = p[K / 2];
                    p[0] = x * c - y * sn;
                    p[K / 2] = y * c + x * sn;
                }
}

/* Attention of one batch.  keep(arg, t, head, key's position): dropout's factor, or NULL.
 */
struct refattn {
    struct val q, k, v, dout;
    const struct batch *b;
    int heads, window;
    double scale;
    double (*keep)(const void *arg, int t, int head, int key);
    const void *arg;
};

static inline int
ref_sees(const struct refattn *a, int i, int j)
{
    return a->window < 0 || abs(i - j) <= a->window;
}

/* p[j - first] for keys of the sequence [first, end); returns lse */
static inline double
ref_softmax(const struct refattn *a, double *p, int t, int head, int first, int end)
{
    const int K = a->q.cols / a->heads;
    double m = -INFINITY, sum = 0;
    for (int j = first; j < end; j++) {
        p[j - first] = ref_sees(a, t, j) ? a->scale * ref_dot(at(a->q, t) + head * K,
                                                              at(a->k, j) + head * K, K, 0)
                                         : -INFINITY;
        m = p[j - first] > m ? p[j - first] : m;
    }
    for (int j = first; j < end; j++)
        sum += p[j - first] = exp(p[j - first] - m);
    for (int j = first; j < end; j++)
        p[j - first] /= sum;
    return log(sum) + m;
}

static inline double
ref_keep(const struct refattn *a, int t, int head, int key)
{
    return a->keep ? a->keep(a->arg, t, head, key) : 1;
}

/* o =, lse [T,H] = ; o.p or lse.p may be NULL */
static inline void
ref_attention(struct val o, struct val lse, const struct refattn *a)
{
    const int K = a->q.cols / a->heads;
    double *p = malloc(sizeof *p * (size_t)(a->q.rows + 1));
    for (int s = 0; s < a->b->n; s++)
        for (int t = a->b->cu[s]; t < a->b->cu[s + 1]; t++)
            for (int h = 0; h < a->heads; h++) {
                const int first = a->b->cu[s], end = a->b->cu[s + 1];
                at(lse, t)[h] = ref_softmax(a, p, t, h, first, end);
                memset(at(o, t) + h * K, 0, sizeof(double) * (size_t)K);
                for (int j = first; j < end; j++)
                    for (int i = 0; i < K && p[j - first] != 0; i++)
                        at(o, t)[h * K + i] += p[j - first] * ref_keep(a, t, h, j - first) *
                                               at(a->v, j)[h * K + i];
            }
    free(p);
}

/* dq, dk, dv += */
static inline void
ref_attention_bwd(struct val dq, struct val dk, struct val dv, const struct refattn *a)
{
    const int K = a->q.cols / a->heads;
    double *p = malloc(2 * sizeof *p * (size_t)(a->q.rows + 1)), *dp = p + a->q.rows + 1;
    for (int s = 0; s < a->b->n; s++)
        for (int t = a->b->cu[s]; t < a->b->cu[s + 1]; t++)
            for (int h = 0; h < a->heads; h++) {
                const int first = a->b->cu[s], end = a->b->cu[s + 1], c = h * K;
                double D = 0;
                ref_softmax(a, p, t, h, first, end);
                for (int j = first; j < end; j++) {
                    dp[j - first] = ref_keep(a, t, h, j - first) *
                                    ref_dot(at(a->dout, t) + c, at(a->v, j) + c, K, 0);
                    D += p[j - first] * dp[j - first];
                }
                for (int j = first; j < end; j++) {
                    const double w = p[j - first], ds = a->scale * w * (dp[j - first] - D);
                    for (int i = c; i < c + K && w != 0; i++) {
                        at(dv, j)[i] +=
                            w * ref_keep(a, t, h, j - first) * at(a->dout, t)[i];
                        at(dq, t)[i] += ds * at(a->k, j)[i];
                        at(dk, j)[i] += ds * at(a->q, t)[i];
                    }
                }
            }
    free(p);
}
