#include "common/mbert/survey.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { LENGTHS = 18, SHOWN = 20 };

static double
percent(int64_t n, int64_t of)
{
    return of ? 100 * (double)n / (double)of : 0;
}

static void
labels(const struct examples *e)
{
    const int *id = (const int *)(const void *)e->labels.p;
    const float *value = (const float *)(const void *)e->labels.p;
    int64_t *count = mem_zalloc((size_t)e->label_n + 1, sizeof *count), n = 0;
    if (e->problem == PROBLEM_MULTI) {
        for (int64_t i = 0; i < e->n * e->width; i++)
            count[i % e->width] += value[i] >= .5f;
        n = e->n;
    } else if (e->problem == PROBLEM_SINGLE || e->problem == PROBLEM_TOKEN) {
        for (int64_t i = 0; i < (int64_t)(e->labels.n / sizeof *id); i++)
            if (id[i] >= 0) {
                count[id[i]]++;
                n++;
            }
    }
    if (n)
        printf("labels     ");
    for (int k = 0; n && k < e->label_n && k < SHOWN; k++)
        printf("%s %s %" PRId64 " (%.1f %%)", k ? "," : "", e->label[k], count[k],
               percent(count[k], n));
    if (n)
        printf(e->label_n > SHOWN ? ", ...\n" : "\n");
    mem_free(count);
}

/* Lengths by powers of two: bin k holds those in (2^(k-1), 2^k]. */
static void
lengths(const struct examples *e)
{
    int64_t bin[LENGTHS] = { 0 };
    int first = 1;
    for (int64_t i = 0; i < e->n; i++) {
        int k = 0;
        while (k < LENGTHS - 1 && 1 << k < examples_length(e, i))
            k++;
        bin[k]++;
    }
    printf("lengths    ");
    for (int k = 0; k < LENGTHS; k++)
        if (bin[k]) {
            printf("%s to %d: %" PRId64 " (%.1f %%)", first ? "" : ",", 1 << k, bin[k],
                   percent(bin[k], e->n));
            first = 0;
        }
    printf("\n");
}

struct row { uint64_t hash; int64_t i; };

static int
by_hash(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return a->i < b->i ? -1 : a->i > b->i;
}

static struct row *
rows(const struct examples *e)
{
    const int64_t *start = (const int64_t *)(const void *)e->start.p;
    struct row *r = mem_array((size_t)e->n, sizeof *r);
    for (int64_t i = 0; i < e->n; i++)
        r[i] = (struct row){ XXH64(e->ids.p + (size_t)start[i] * sizeof(int),
                                   (size_t)examples_length(e, i) * sizeof(int), 0), i };
    qsort(r, (size_t)e->n, sizeof *r, by_hash);
    return r;
}

/* Whether two rows with the same tokens have the same label. */
static int
agree(const struct examples *e, int64_t a, int64_t b)
{
    const size_t width = (size_t)e->width * 4;
    return e->problem == PROBLEM_MLM || e->problem == PROBLEM_TOKEN ||
           !memcmp(e->labels.p + (size_t)a * width, e->labels.p + (size_t)b * width, width);
}

static void
duplicates(const struct examples *e, const struct row *r)
{
    int64_t again = 0, other = 0, first = 0;
    for (int64_t i = 1; i < e->n; i++) {
        if (r[i].hash != r[first].hash) {
            first = i;
            continue;
        }
        again++;
        other += !agree(e, r[first].i, r[i].i);
    }
    printf("duplicates  %" PRId64 " rows (%.1f %%) have the tokens of a row before, %" PRId64
           " of them another label\n", again, percent(again, e->n), other);
}

static int
has(const struct row *r, int64_t n, uint64_t hash)
{
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t mid = low + (high - low) / 2;
        if (r[mid].hash < hash)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && r[low].hash == hash;
}

void
survey_print(const struct examples *train, const struct examples *eval)
{
    struct row *r = rows(train);
    printf("data        '%s': %" PRId64 " rows, %" PRId64 " tokens, longest %d; %" PRId64
           " without a label left out\n", train->name, train->n, train->tokens, train->longest,
           train->unlabelled);
    lengths(train);
    printf("truncated   %" PRId64 " rows (%.1f %%)\n", train->truncated,
           percent(train->truncated, train->n));
    labels(train);
    duplicates(train, r);
    if (eval) {
        struct row *s = rows(eval);
        int64_t shared = 0;
        for (int64_t i = 0; i < eval->n; i++)
            shared += has(r, train->n, s[i].hash);
        printf("overlap     %" PRId64 " of %" PRId64 " rows of '%s' (%.1f %%) are in the "
               "training data\n", shared, eval->n, eval->name, percent(shared, eval->n));
        mem_free(s);
    }
    mem_free(r);
}
