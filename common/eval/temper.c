#include "common/eval/temper.h"
#include <math.h>

/* First and second derivative of the mean NLL of softmax(b z) with respect to b. */
static void
slopes(const double *z, const int *label, int64_t n, int classes, double b, double *first,
       double *second)
{
    *first = *second = 0;
    for (int64_t i = 0; i < n; i++, z += classes) {
        double high = z[0] * b, sum = 0, one = 0, two = 0;
        for (int k = 1; k < classes; k++)
            high = fmax(high, z[k] * b);
        for (int k = 0; k < classes; k++) {
            const double e = exp(z[k] * b - high), d = z[k] - z[label[i]];
            sum += e;
            one += e * d;
            two += e * d * d;
        }
        one /= sum;
        *first += one;
        *second += two / sum - one * one;
    }
    *first /= (double)n;
    *second /= (double)n;
}

static double
nll(const double *z, const int *label, int64_t n, int classes, double b)
{
    double all = 0;
    for (int64_t i = 0; i < n; i++, z += classes) {
        double high = z[0] * b, sum = 0;
        for (int k = 1; k < classes; k++)
            high = fmax(high, z[k] * b);
        for (int k = 0; k < classes; k++)
            sum += exp(z[k] * b - high);
        all += log(sum) + high - z[label[i]] * b;
    }
    return all / (double)n;
}

static int
all_equal(const double *z, int64_t n, int classes)
{
    for (int64_t i = 0; i < n; i++, z += classes)
        for (int k = 1; k < classes; k++)
            if (z[k] != z[0])
                return 0;
    return 1;
}

/* The root of the slope in (low, high), where it rises from below 0 to above 0. */
static double
root(const double *z, const int *label, int64_t n, int classes, double low, double high)
{
    double b = sqrt(low * high), first, second;
    for (int i = 0; i < 200 && high - low > 1e-14 * high; i++) {
        slopes(z, label, n, classes, b, &first, &second);
        if (first > 0)
            high = b;
        else
            low = b;
        const double newton = b - first / second;
        if (newton > low && newton < high) {
            if (fabs(newton - b) <= 1e-13 * b)
                return newton;
            b = newton;
        } else
            b = (low + high) / 2;
    }
    return (low + high) / 2;
}

void
temper_fit(struct temper *f, const double *z, const int *label, int64_t n, int classes)
{
    const double low = .01, high = 100;
    double b, first, second;
    *f = (struct temper){ NAN, NAN, 0 };
    if (all_equal(z, n, classes))
        return;
    slopes(z, label, n, classes, low, &first, &second);
    if (first >= 0) {
        b = low;
        f->at_bound = 1;
    } else {
        slopes(z, label, n, classes, high, &first, &second);
        f->at_bound = first <= 0;
        b = f->at_bound ? high : root(z, label, n, classes, low, high);
    }
    f->temperature = 1 / b;
    f->nll = nll(z, label, n, classes, b);
}

/* -(t ln p + (1 - t) ln(1 - p)) of p = 1 / (1 + e^-x), which no x makes infinite */
static double
cross_entropy(double x, double t)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x))) - t * x;
}

static double
loss(const double *s, const unsigned char *truth, int64_t n, const double target[2],
     double a, double b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += cross_entropy(a * s[i] + b, target[truth[i]]);
    return sum;
}

/* Newton's step for (a, b); returns the decrease that a small step along it promises. */
static double
step(const double *s, const unsigned char *truth, int64_t n, const double target[2],
     double a, double b, double *da, double *db)
{
    double ga = 0, gb = 0, aa = 1e-12, ab = 0, bb = 1e-12;
    for (int64_t i = 0; i < n; i++) {
        const double x = a * s[i] + b, e = exp(-fabs(x));
        const double p = x >= 0 ? 1 / (1 + e) : e / (1 + e), d = p - target[truth[i]];
        const double v = e / ((1 + e) * (1 + e));
        ga += d * s[i];
        gb += d;
        aa += v * s[i] * s[i];
        ab += v * s[i];
        bb += v;
    }
    const double det = aa * bb - ab * ab;
    *da = -(bb * ga - ab * gb) / det;
    *db = -(aa * gb - ab * ga) / det;
    return -(ga * *da + gb * *db);
}

void
temper_platt(double *a, double *b, const double *s, const unsigned char *truth, int64_t n)
{
    double positives = 0, da, db;
    for (int64_t i = 0; i < n; i++)
        positives += truth[i];
    const double negatives = (double)n - positives;
    const double target[2] = { 1 / (negatives + 2), (positives + 1) / (positives + 2) };
    *a = 0;
    *b = log((positives + 1) / (negatives + 1));
    double now = loss(s, truth, n, target, *a, *b);
    for (int i = 0; i < 100; i++) {
        const double promise = step(s, truth, n, target, *a, *b, &da, &db);
        double size = 1, then = now;
        if (!(promise > 1e-15 * (1 + now)))
            return;
        for (; size >= 1e-10; size /= 2) {
            then = loss(s, truth, n, target, *a + size * da, *b + size * db);
            if (then <= now - 1e-4 * size * promise)
                break;
        }
        if (size < 1e-10)
            return;
        *a += size * da;
        *b += size * db;
        now = then;
    }
}
