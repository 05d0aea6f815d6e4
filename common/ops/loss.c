#include "common/ops/cpu.h"
#include "common/ops/lanes.h"

/* Loss and gradient of one row, in double: rows are few or long, and the loss is reported.
 * d may be z.  w: weights, or NULL. */
struct row { float *d; const float *z, *w; int n, label; double scale; };

static double
weight_of(const struct row *r, int i)
{
    return r->w ? (double)r->w[i] : 1;
}

/* e^(z - max) sums to *sum; returns max. */
static double
exp_sum(const float *z, int n, double *sum)
{
    double m = -INFINITY;
    *sum = 0;
    for (int i = 0; i < n; i++)
        m = (double)z[i] > m ? (double)z[i] : m;
    for (int i = 0; i < n; i++)
        *sum += exp((double)z[i] - m);
    return m;
}

static double
ce_row(const struct row *r)
{
    double sum;
    const double m = exp_sum(r->z, r->n, &sum), right = (double)r->z[r->label],
                 w = weight_of(r, r->label), scale = r->scale * w;
    for (int i = 0; i < r->n; i++)
        r->d[i] = (float)(scale * (exp((double)r->z[i] - m) / sum - (i == r->label)));
    return w * (log(sum) + m - right);
}

/* ---- rows of a vocabulary, in F32 by lanes: exponentials are all that they cost ------- */
enum { LONG_ROW = 1024 };

CLONES static float
long_max(const float *z, int n)
{
    float m[LANES], most = -INFINITY;
    int i = 0;
    for (int j = 0; j < LANES; j++)
        m[j] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            m[j] = z[i + j] > m[j] ? z[i + j] : m[j];
    for (int j = 0; i < n; i++, j++)
        m[j] = z[i] > m[j] ? z[i] : m[j];
    for (int j = 0; j < LANES; j++)
        most = m[j] > most ? m[j] : most;
    return most;
}

/* e[i] = e^(z[i] - max), e may be z; their sum: pieces in F32, together in double. */
CLONES static double
long_exp(float *e, const float *z, int n, float max)
{
    double sum = 0;
    for (int from = 0; from < n; from += LONG_ROW) {
        const int end = from + LONG_ROW < n ? from + LONG_ROW : n;
        float s[LANES] = { 0 };
        int i = from;
        for (; i + LANES <= end; i += LANES)
            for (int j = 0; j < LANES; j++) {
                e[i + j] = lane_exp(z[i + j] - max);
                s[j] += e[i + j];
            }
        for (int j = 0; i < end; i++, j++)
            s[j] += e[i] = lane_exp(z[i] - max);
        for (int j = 0; j < LANES; j++)
            sum += (double)s[j];
    }
    return sum;
}

CLONES static void
long_scale(float *d, int n, float by)
{
    for (int i = 0; i < n; i++)
        d[i] *= by;
}

static double
ce_row_long(const struct row *r)
{
    const double right = (double)r->z[r->label], w = weight_of(r, r->label),
                 scale = r->scale * w;
    const float max = long_max(r->z, r->n);
    const double sum = long_exp(r->d, r->z, r->n, max);
    long_scale(r->d, r->n, (float)(scale / sum));
    r->d[r->label] = (float)(scale * (exp(right - (double)max) / sum - 1));
    return w * (log(sum) + (double)max - right);
}

/*
 * d = p A - (1 - s) w[y] onehot - s / C w, with A = (1 - s) w[y] + s / C (the sum of w): the
 * gradient of the row's loss, see ops.h.
 */
static double
smooth_row(const struct row *r, double smoothing)
{
    double sum, all = 0, off = 0;
    const double m = exp_sum(r->z, r->n, &sum), each = smoothing / r->n,
                 own = (1 - smoothing) * weight_of(r, r->label),
                 right = (double)r->z[r->label];
    for (int i = 0; i < r->n; i++) {
        all += weight_of(r, i);
        off += weight_of(r, i) * (m - (double)r->z[i]);
    }
    for (int i = 0; i < r->n; i++) {
        const double p = exp((double)r->z[i] - m) / sum;
        r->d[i] = (float)(r->scale * (own * (p - (i == r->label)) +
                                      each * (all * p - weight_of(r, i))));
    }
    return own * (log(sum) + m - right) + each * (all * log(sum) + off);
}

/*
 * With q = 1 - p[y] and L = -log p[y] the loss is w q^g L, and its gradient that of L times
 * w (q^g + g p q^(g-1) L).  q is a sum of its own, and L / q tends to 1 where q is 0.
 */
static double
focal_row(const struct row *r, double focal)
{
    double sum, others = 0;
    const double m = exp_sum(r->z, r->n, &sum), right = (double)r->z[r->label],
                 w = weight_of(r, r->label);
    for (int i = 0; i < r->n; i++)
        others += i == r->label ? 0 : exp((double)r->z[i] - m);
    const double q = others / sum, nll = right == m ? log1p(others) : log(sum) + m - right,
                 ratio = q > 0 ? nll / q : 1, power = pow(q, focal),
                 scale = r->scale * w * power * (1 + focal * exp(right - m) / sum * ratio);
    for (int i = 0; i < r->n; i++)
        r->d[i] = (float)(scale * (i == r->label ? -q : exp((double)r->z[i] - m) / sum));
    return w * power * nll;
}

static double
ce_row_by(const struct row *r, const struct loss_form *form)
{
    if (r->label == -100) {
        for (int i = 0; i < r->n; i++)
            r->d[i] = 0;
        return 0;
    }
    assert(r->label >= 0 && r->label < r->n);
    return form->focal > 0       ? focal_row(r, (double)form->focal)
           : form->smoothing > 0 ? smooth_row(r, (double)form->smoothing)
           : r->n > LONG_ROW     ? ce_row_long(r)
                                 : ce_row(r);
}

/* log(1 + e^-|z|) + max(z, 0) - z y */
static double
bce_row(const struct row *r, const float *y)
{
    double loss = 0;
    for (int i = 0; i < r->n; i++) {
        const double x = (double)r->z[i], w = weight_of(r, i);
        loss += w * (log1p(exp(-fabs(x))) + (x > 0 ? x : 0) - x * (double)y[i] +
                     (isnan(x) ? x : 0));
        r->d[i] = (float)(r->scale * w * (1 / (1 + exp(-x)) - (double)y[i]));
    }
    return loss;
}

static double
mse_row(const struct row *r, const float *y)
{
    double loss = 0;
    for (int i = 0; i < r->n; i++) {
        const double e = (double)r->z[i] - (double)y[i];
        loss += e * e;
        r->d[i] = (float)(2 * r->scale * e);
    }
    return loss;
}

static void
check_loss(struct mat dlogits, struct mat logits)
{
    check_f32(dlogits);
    check_f32(logits);
    assert(same_shape(dlogits, logits));
    (void)dlogits, (void)logits;
}

/* rows in order */
static void
add_rows(float *loss, const double *row, int n, float scale)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += row[i];
    *loss = (float)((double)*loss + (double)scale * sum);
}

static struct row
row_of(struct mat dlogits, struct mat logits, struct mat weight, int i, float scale)
{
    return (struct row){ mat_f32(dlogits, i), mat_f32(logits, i), weight.p, logits.cols, 0,
                         (double)scale };
}

static void
check_form(const struct loss_form *f, int classes)
{
    assert(!f->weight.p || (f->weight.cols == classes && f->weight.type == F32));
    assert(f->smoothing >= 0 && f->smoothing < 1 && f->focal >= 0);
    assert(!(f->smoothing > 0 && f->focal > 0));
    (void)f, (void)classes;
}

void
cpu_ce(struct ctx *c, float *loss, struct mat dlogits, struct mat logits, const int *labels,
       struct loss_form form, float scale)
{
    check_loss(dlogits, logits);
    check_form(&form, logits.cols);
    double *row = cpu_scratch(c, (size_t)logits.rows, sizeof *row);
    CPU_ROWS
    for (int i = 0; i < logits.rows; i++) {
        struct row r = row_of(dlogits, logits, form.weight, i, scale);
        r.label = labels[i];
        row[i] = ce_row_by(&r, &form);
    }
    add_rows(loss, row, logits.rows, scale);
}

/* bce and mse differ in the loss of a row alone. */
typedef double row_fn(const struct row *r, const float *y);

static void
by_row(struct ctx *c, float *loss, struct mat dlogits, struct mat logits, struct mat labels,
       struct mat weight, float scale, row_fn *one)
{
    check_loss(dlogits, logits);
    check_loss(labels, logits);
    double *row = cpu_scratch(c, (size_t)logits.rows, sizeof *row);
    CPU_ROWS
    for (int i = 0; i < logits.rows; i++) {
        const struct row r = row_of(dlogits, logits, weight, i, scale);
        row[i] = one(&r, mat_f32(labels, i));
    }
    add_rows(loss, row, logits.rows, scale);
}

void
cpu_bce(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
        struct mat labels, struct loss_form form, float scale)
{
    check_form(&form, logits.cols);
    assert(!(form.smoothing > 0) && !(form.focal > 0));
    by_row(c, loss, dlogits, logits, labels, form.weight, scale, bce_row);
}

void
cpu_mse(struct ctx *c, float *loss, struct mat dlogits, struct mat logits,
        struct mat labels, float scale)
{
    by_row(c, loss, dlogits, logits, labels, (struct mat){ 0 }, scale, mse_row);
}
