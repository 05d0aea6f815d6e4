#include "common/mbert/batches.h"
#include <string.h>
#include "common/base/die.h"
#include "common/base/rng.h"
#include "formats/json.h"

enum { KEPT = -100 };

static const int *
ids_of(const struct examples *e, int64_t i, int *n)
{
    const int64_t from = ((const int64_t *)(const void *)e->start.p)[i];
    *n = examples_length(e, i);
    return (const int *)(const void *)e->ids.p + from;
}

static int64_t
example(const struct batches *b, int64_t at)
{
    return b->order ? b->order[at] : at;
}

void
batches_start(struct batches *b, int shuffled)
{
    if (b->e->n > UINT32_MAX)
        die_data("'%s': more than 2^32 rows", b->e->name);
    b->order = shuffled ? mem_array((size_t)b->e->n, sizeof *b->order) : NULL;
    b->epoch = -1;
}

void
batches_epoch(struct batches *b, int64_t epoch)
{
    if (b->epoch == epoch)
        return;
    b->epoch = epoch;
    if (b->order)
        rng_permute(b->order, (size_t)b->e->n, rng_key(b->seed, STREAM_ORDER, (uint64_t)epoch));
}

void
batches_free(struct batches *b)
{
    mem_free(b->ids.p);
    mem_free(b->cu.p);
    mem_free(b->labels.p);
    mem_free(b->order);
}

/* ---- hiding ---------------------------------------------------------------------------- */
/* Numbers 2p and 2p+1 of the example's stream: whether token p is drawn, and what becomes
 * of it. */
static uint64_t
key_of(const struct batches *b, int64_t i)
{
    return rng_key(rng_key(b->seed, STREAM_HIDDEN, (uint64_t)b->epoch), (uint64_t)i, 0);
}

static int
drawn(const struct hiding *h, uint64_t key, int p, int id)
{
    return id < h->vocab && !h->special[id] && rng_unit(key, 2 * (uint64_t)p) < h->share;
}

static int
instead(const struct hiding *h, uint64_t key, int p, int id)
{
    const double u = rng_unit(key, 2 * (uint64_t)p + 1);
    if (u < .8)
        return h->mask;
    /* what is left of u, (u - .8) / .1, is again even: it picks the token */
    const int other = (int)((u - .8) * 10 * h->vocab);
    return u < .9 && other < h->vocab ? other : id;
}

static void
hide(struct batches *b, int64_t i, const int *id, int n)
{
    const uint64_t key = key_of(b, i);
    int *in = buf_room(&b->ids, (size_t)n * sizeof *in),
        *label = buf_room(&b->labels, (size_t)n * sizeof *label);
    for (int p = 0; p < n; p++) {
        const int gone = drawn(b->hiding, key, p, id[p]);
        in[p] = gone ? instead(b->hiding, key, p, id[p]) : id[p];
        label[p] = gone ? id[p] : KEPT;
    }
    b->ids.n += (size_t)n * sizeof *in;
    b->labels.n += (size_t)n * sizeof *label;
}

static void
mark(struct hiding *h, int64_t id)
{
    if (id >= 0 && id < h->vocab)
        h->special[id] = 1;
}

void
hiding_open(struct hiding *h, const struct examples *e, double share)
{
    struct json *j = json_new();
    struct json_value root, v;
    int64_t id;
    *h = (struct hiding){ .share = share, .mask = -1, .vocab = e->vocab };
    h->special = mem_zalloc((size_t)h->vocab + 1, 1);
    if (e->specials && !json_parse(j, e->specials, strlen(e->specials), &root))
        for (struct json_iter it = json_iter(root); json_next(&it, NULL, NULL, &v);)
            if (json_int(v, &id))
                mark(h, id);
    if (e->specials && json_get(root, "[MASK]", &v) && json_int(v, &id) && id >= 0 &&
        id < h->vocab)
        h->mask = (int)id;
    json_free(j);
    if (h->mask < 0)
        die_data("'%s': its tokenizer has no token [MASK]: nothing to hide words with",
                 e->name);
}

void
hiding_free(struct hiding *h)
{
    mem_free(h->special);
}

/* ---- micro-batches --------------------------------------------------------------------- */
static void
add_labels(struct batches *b, int64_t i, int n)
{
    const struct examples *e = b->e;
    const int64_t from = ((const int64_t *)(const void *)e->start.p)[i];
    const size_t width = (size_t)e->width * 4;
    if (b->problem == PROBLEM_TOKEN)
        buf_add(&b->labels, e->labels.p + (size_t)from * sizeof(int),
                (size_t)n * sizeof(int));
    else
        buf_add(&b->labels, e->labels.p + (size_t)i * width, width);
}

int
batches_gather(struct batches *b, int64_t at, int64_t end)
{
    int zero = 0, n = 0, total = 0, length;
    b->ids.n = b->cu.n = b->labels.n = 0;
    buf_add(&b->cu, &zero, sizeof zero);
    for (; at + n < end; n++) {
        const int64_t i = example(b, at + n);
        const int *id = ids_of(b->e, i, &length);
        if (n && total + length > b->tokens)
            break;
        if (b->problem == PROBLEM_MLM) {
            hide(b, i, id, length);
        } else {
            buf_add(&b->ids, id, (size_t)length * sizeof *id);
            add_labels(b, i, length);
        }
        total += length;
        buf_add(&b->cu, &total, sizeof total);
    }
    return n;
}

static double
total_of(const struct batches *b, int64_t i)
{
    int n;
    const int *id = ids_of(b->e, i, &n);
    const int *label = (const int *)(const void *)b->e->labels.p;
    double sum = 0;
    if (b->problem == PROBLEM_MLM) {
        const uint64_t key = key_of(b, i);
        for (int p = 0; p < n; p++)
            sum += drawn(b->hiding, key, p, id[p]);
    } else if (b->problem == PROBLEM_TOKEN) {
        const int64_t from = ((const int64_t *)(const void *)b->e->start.p)[i];
        for (int p = 0; p < n; p++)
            if (label[from + p] >= 0)
                sum += b->weight ? b->weight[label[from + p]] : 1;
    } else if (b->problem == PROBLEM_SINGLE) {
        sum = b->weight ? b->weight[label[i]] : 1;
    } else {
        sum = b->e->width;
    }
    return sum;
}

double
batches_total(struct batches *b, int64_t at, int64_t end)
{
    double sum = 0;
    for (; at < end; at++)
        sum += total_of(b, example(b, at));
    return sum;
}
