#include "common/mbert/folds.h"
#include <float.h>
#include <math.h>
#include "common/base/mem.h"
#include "common/base/progress.h"
#include "common/base/rng.h"
#include "common/base/softmax.h"
#include "common/eval/curves.h"

enum { ORDER = 7, MOST = 300 };
/* A ranking needs no more: the figures differ by less than folds do. */
static const double tolerance = 1e-5;

struct measured { double figure, loss; };
struct held { int64_t n; float *y; double *z; }; /* rows of the fold, z [n, outputs] */

void
folds_deal(int *fold, const float *y, int64_t n, int classes, int folds, uint64_t key)
{
    uint32_t *order = mem_array((size_t)n + 1, sizeof *order);
    int64_t *next = mem_zalloc((size_t)classes + 1, sizeof *next);
    for (int64_t i = 0; i < n; i++)
        next[(classes > 1 ? (int)y[i] : 0) + 1]++;
    /* where a class ends the next goes on: whole folds are equal too */
    for (int k = 0; k < classes; k++)
        next[k + 1] += next[k];
    rng_permute(order, (size_t)n, key);
    for (int64_t i = 0; i < n; i++)
        fold[order[i]] = (int)(next[classes > 1 ? (int)y[order[i]] : 0]++ % folds);
    mem_free(order);
    mem_free(next);
}

/* Logits to probabilities of `outputs` classes, in place; of one, to that of class 1. */
static void
probabilities(double *z, int outputs)
{
    if (outputs == 1)
        z[0] = 1 / (1 + exp(-z[0]));
    else
        softmax(z, z, outputs);
}

static double
auroc(const struct held *h, int outputs, int class)
{
    double *score = mem_array((size_t)h->n + 1, sizeof *score);
    unsigned char *truth = mem_array((size_t)h->n + 1, 1);
    struct curve c;
    for (int64_t i = 0; i < h->n; i++) {
        score[i] = h->z[i * outputs + class];
        truth[i] = outputs == 1 ? h->y[i] > .5f : (int)h->y[i] == class;
    }
    curve_make(&c, score, truth, h->n);
    const double a = curve_auroc(&c);
    curve_free(&c);
    mem_free(score);
    mem_free(truth);
    return a;
}

/* The fold's figure and loss; z becomes probabilities. */
static struct measured
measure(const struct held *h, enum glm_loss loss, int outputs)
{
    struct measured m = { 0 };
    if (loss == GLM_SQUARE) {
        for (int64_t i = 0; i < h->n; i++)
            m.loss += (h->z[i] - (double)h->y[i]) * (h->z[i] - (double)h->y[i]);
        m.figure = m.loss = sqrt(m.loss / (double)h->n);
        return m;
    }
    /* of logits: probabilities near 1 are equal before these are */
    for (int k = 0; k < outputs && outputs == 1; k++)
        m.figure = auroc(h, outputs, k);
    for (int64_t i = 0; i < h->n; i++) {
        double *p = h->z + i * outputs;
        probabilities(p, outputs);
        const double own = outputs > 1 ? p[(int)h->y[i]] : h->y[i] > .5f ? p[0] : 1 - p[0];
        m.loss -= log(own > DBL_EPSILON ? own : DBL_EPSILON) / (double)h->n;
    }
    for (int k = 0; k < outputs && outputs > 1; k++)
        m.figure += auroc(h, outputs, k) / outputs;
    return m;
}

/* One model, one fold: adds its figure for each l2, from the strongest on. */
static void
run_fold(const struct folds *f, const struct folds_models *m, const struct glm_data *d,
         const int *fold, int k, struct measured *to)
{
    struct held h = { 0 };
    struct glm_data train = *d;
    struct glm g;
    double *weight = mem_array((size_t)d->n + 1, sizeof *weight);
    for (int64_t i = 0; i < d->n; i++) {
        weight[i] = fold[i] == k ? 0 : d->weight[i];
        h.n += fold[i] == k;
    }
    h.y = mem_array((size_t)h.n + 1, sizeof *h.y);
    h.z = mem_array(mem_mul((size_t)h.n + 1, (size_t)m->outputs), sizeof *h.z);
    train.weight = weight;
    glm_init(&g, m->loss, m->outputs, d->dim);
    for (int l = 0; l < FOLDS_GRID; l++) {
        glm_fit(&g, &train, f->l2[l], tolerance, MOST);
        for (int64_t i = 0, at = 0; i < d->n; i++)
            if (fold[i] == k) {
                h.y[at] = d->y[i];
                glm_apply(&g, d->x + (size_t)i * (size_t)d->dim, h.z + m->outputs * at++);
            }
        const struct measured one = measure(&h, m->loss, m->outputs);
        to[l].figure += one.figure / m->n;
        to[l].loss += one.loss / m->n;
    }
    glm_free(&g);
    mem_free(weight);
    mem_free(h.y);
    mem_free(h.z);
}

static void
summarize(struct folds *f, const struct measured *of, int folds, int numbers)
{
    int top = 0;
    for (int l = 0; l < FOLDS_GRID; l++) {
        double square = 0;
        for (int k = 0; k < folds; k++) {
            f->figure[l] += of[k * FOLDS_GRID + l].figure / folds;
            f->loss[l] += of[k * FOLDS_GRID + l].loss / folds;
        }
        for (int k = 0; k < folds; k++)
            square += pow(of[k * FOLDS_GRID + l].figure - f->figure[l], 2);
        f->sd[l] = sqrt(square / (folds - 1));
        top = f->figure[l] > f->figure[top] ? l : top;
    }
    const double least = f->figure[top] - f->sd[top] / sqrt(folds);
    f->best = numbers ? 0 : top;
    for (int l = FOLDS_GRID - 1; l >= 0; l--)
        if ((numbers || f->figure[l] >= least) && f->loss[l] <= f->loss[f->best])
            f->best = l;
}

void
folds_choose(struct folds *f, const struct folds_models *m, int folds, uint64_t seed)
{
    const int classes = m->loss == GLM_SQUARE    ? 1
                        : m->loss == GLM_SIGMOID ? 2
                                                 : m->outputs;
    struct measured *of = mem_zalloc((size_t)folds * FOLDS_GRID, sizeof *of);
    int *fold = mem_array((size_t)m->data->n + 1, sizeof *fold);
    *f = (struct folds){ 0 };
    for (int l = 0; l < FOLDS_GRID; l++)
        f->l2[l] = pow(10, -l);
    for (int i = 0; i < m->n; i++) {
        folds_deal(fold, m->data[i].y, m->data[i].n, classes, folds,
                   rng_key(seed, ORDER, (uint64_t)i));
        for (int k = 0; k < folds; k++) {
            progress("l2: fold %d of %d", i * folds + k + 1, m->n * folds);
            run_fold(f, m, &m->data[i], fold, k, of + k * FOLDS_GRID);
        }
    }
    progress_clear();
    summarize(f, of, folds, m->loss == GLM_SQUARE);
    mem_free(of);
    mem_free(fold);
}
