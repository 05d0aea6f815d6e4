#include "common/eval/calibration.h"
#include <math.h>

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
add(struct bin *b, int64_t rows, double conf, double hit)
{
    b->n += rows;
    b->conf += (double)rows * conf;
    b->hit += (double)rows * hit;
}

double
calibration_mass(const struct ranked *r, int64_t n, const uint32_t *w, struct bin *bin,
                 int *bins)
{
    int64_t total = 0, at = 0;
    int b = 0;
    for (int64_t i = 0; i < n; i++)
        total += ranked_weight(&r[i], w);
    *bins = total < CALIBRATION_BINS ? (int)total : CALIBRATION_BINS;
    for (int i = 0; i < *bins; i++)
        bin[i] = (struct bin){ 0 };
    /* tie groups from the lowest; each is poured into the bins that its positions lie in */
    for (int64_t i = n, j; i > 0; i = j) {
        int64_t rows = 0, hits = 0;
        for (j = i; j > 0 && r[j - 1].score == r[i - 1].score; j--) {
            const int64_t weight = ranked_weight(&r[j - 1], w);
            rows += weight;
            hits += r[j - 1].truth ? weight : 0;
        }
        const double hit = (double)hits / (double)rows;
        for (int64_t take; rows; rows -= take) {
            while (at >= (b + 1) * total / *bins)
                b++;
            const int64_t room = (b + 1) * total / *bins - at;
            take = rows < room ? rows : room;
            add(&bin[b], take, r[i - 1].score, hit);
            at += take;
        }
    }
    return finish(bin, *bins, total);
}

double
calibration_width(const struct ranked *r, int64_t n, const uint32_t *w, struct bin *bin)
{
    int64_t total = 0;
    for (int b = 0; b < CALIBRATION_BINS; b++)
        bin[b] = (struct bin){ 0 };
    for (int64_t i = 0; i < n; i++) {
        const int b = (int)floor(CALIBRATION_BINS * r[i].score);
        const int64_t weight = ranked_weight(&r[i], w);
        add(&bin[b < CALIBRATION_BINS ? b : CALIBRATION_BINS - 1], weight, r[i].score,
            r[i].truth);
        total += weight;
    }
    return finish(bin, CALIBRATION_BINS, total);
}
