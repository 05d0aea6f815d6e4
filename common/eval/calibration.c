#include "common/eval/calibration.h"
#include <math.h>
#include <stdlib.h>
#include "common/base/mem.h"

struct row { double conf, hit; };

static int
ascending(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;
    return a->conf < b->conf ? -1 : a->conf > b->conf;
}

/* Sorted rows whose equal confidences share their mean outcome. */
static struct row *
sorted(const double *conf, const double *hit, int64_t n)
{
    struct row *r = mem_array((size_t)n + 1, sizeof *r);
    for (int64_t i = 0; i < n; i++)
        r[i] = (struct row){ conf[i], hit[i] };
    qsort(r, (size_t)n, sizeof *r, ascending);
    for (int64_t i = 0, j; i < n; i = j) {
        double sum = 0;
        for (j = i; j < n && r[j].conf == r[i].conf; j++)
            sum += r[j].hit;
        for (int64_t k = i; k < j; k++)
            r[k].hit = sum / (double)(j - i);
    }
    return r;
}

static double
finish(struct bin *b, int bins, int64_t n)
{
    double error = 0;
    for (int i = 0; i < bins; i++) {
        if (!b[i].n) {
            b[i].conf = b[i].hit = NAN;
            continue;
        }
        b[i].conf /= (double)b[i].n;
        b[i].hit /= (double)b[i].n;
        error += (double)b[i].n / (double)n * fabs(b[i].conf - b[i].hit);
    }
    return n ? error : NAN;
}

static void
add(struct bin *b, const struct row *r)
{
    b->n++;
    b->conf += r->conf;
    b->hit += r->hit;
}

double
calibration_mass(const double *conf, const double *hit, int64_t n, struct bin *bin, int *bins)
{
    struct row *r = sorted(conf, hit, n);
    *bins = n < CALIBRATION_BINS ? (int)n : CALIBRATION_BINS;
    for (int b = 0; b < *bins; b++) {
        bin[b] = (struct bin){ 0 };
        for (int64_t i = b * n / *bins; i < (b + 1) * n / *bins; i++)
            add(&bin[b], &r[i]);
    }
    mem_free(r);
    return finish(bin, *bins, n);
}

double
calibration_width(const double *conf, const double *hit, int64_t n, struct bin *bin)
{
    for (int b = 0; b < CALIBRATION_BINS; b++)
        bin[b] = (struct bin){ 0 };
    for (int64_t i = 0; i < n; i++) {
        const int b = (int)floor(CALIBRATION_BINS * conf[i]);
        add(&bin[b < CALIBRATION_BINS ? b : CALIBRATION_BINS - 1], &(struct row){ conf[i], hit[i] });
    }
    return finish(bin, CALIBRATION_BINS, n);
}
