#include "common/mbert/output.h"
#include <assert.h>
#include <math.h>
#include "common/base/die.h"

/* The first of n floats that is NaN or infinite, or n. */
static size_t
not_finite(const float *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(p[i]))
            return i;
    return n;
}

/* x / max(|x|, 1e-12), as torch.nn.functional.normalize. */
static void
normalize(float *p, int rows, int cols)
{
    for (int r = 0; r < rows; r++, p += cols) {
        double sum = 0;
        for (int i = 0; i < cols; i++)
            sum += (double)p[i] * p[i];
        const double scale = 1 / fmax(sqrt(sum), 1e-12);
        for (int i = 0; i < cols; i++)
            p[i] = (float)(p[i] * scale);
    }
}

/* The input row that row r of a result belongs to. */
static long long
input_row(const int *cu, const int64_t *row, int r, int per_token)
{
    int b = 0;
    if (!per_token)
        return row[r];
    while (cu[b + 1] <= r)
        b++;
    return row[b];
}

/* Adds the result to the image, which has what travels, and writes it; file: h's. */
static void
put(struct output *o, struct image *image, const struct held *h, const char *file)
{
    const struct result *r = &h->result;
    const size_t n = mem_mul((size_t)r->rows, (size_t)r->cols), bad = not_finite(r->host, n);
    assert(r->rows == (r->per_token ? h->tokens : h->seqs));
    if (bad < n)
        die_data("'%s', record %lld: row %lld: '%s' of '%s' is not finite (NaN or infinity)",
                 file, h->record,
                 input_row(h->cu, h->row, (int)(bad / (size_t)r->cols), r->per_token), r->name,
                 o->dir);
    if (o->normalize)
        normalize(r->host, r->rows, r->cols);
    image_2d(image, r->name, F32, r->rows, r->cols, r->host);
    stream_put(o->out, image, r->counted ? h->seqs : 0, r->counted ? h->tokens : 0);
}

void
output_put(struct output *o, struct feed *d, struct result r)
{
    const struct held now = { .result = r, .seqs = d->seqs, .tokens = d->rows, .cu = d->cu,
                              .row = d->row, .record = stream_record(o->in) };
    image_reset(&o->image);
    feed_travel(d, &o->image);
    put(o, &o->image, &now, stream_name(o->in));
}

static const void *
data_of(const struct image *b, const char *name)
{
    return record_tensor(&b->r, name)->data;
}

void
output_hold(struct output *o, struct feed *d, struct result r)
{
    struct held *h = &o->held;
    assert(!h->full);
    image_reset(&h->image);
    feed_travel(d, &h->image);
    image_keep(&h->image, &h->bytes);
    h->result = r;
    h->seqs = d->seqs;
    h->tokens = d->rows;
    h->cu = data_of(&h->image, "cu_seqlens");
    h->row = data_of(&h->image, "row");
    h->file = mem_strdup(stream_name(o->in));
    h->record = stream_record(o->in);
    h->full = 1;
}

void
output_flush(struct output *o, int later)
{
    struct held *h = &o->held;
    if (!h->full)
        return;
    h->full = 0; /* when this dies it is not tried again */
    crew_finish(o->crew, later);
    put(o, &h->image, h, h->file);
    mem_free(h->file);
}

void
output_free(struct output *o)
{
    image_free(&o->image);
    image_free(&o->held.image);
    mem_free(o->held.bytes.p);
}
