#include "common/ops/packed.h"
#include <omp.h>
#include "common/base/mem.h"
#include "common/ops/panel.h"

/* One thread's place: strips of sums of a block's rows, for one panel or two, and the tile
 * that waits to be finished. */
struct pending { const struct packed *p; struct done d; };
struct place { float *strip[2]; struct pending before; struct meanwhile m; };

static void
finish_rows(void *arg, int from, int to)
{
    const struct pending *w = arg;
    w->p->done(w->p->arg, &w->d, from, to);
}

/* A block shares the second cache with the panels that it meets, one after the other. */
static int
block_rows(const struct packed *p)
{
    enum { MOST_BYTES = 5 << 18 };
    int rows = BLOCK_ROWS;
    while (rows > BLOCK_ROWS / 4 && (size_t)rows * (size_t)p->words * 4 > MOST_BYTES)
        rows /= 2;
    return rows;
}

/* Rows of tile i of n that share `rows` evenly: 32 rows of 14 at most are 11, 11, 10. */
static int
tile_start(int i, int n, int rows, int most)
{
    return n * most == rows || most >= 32 ? (i * most < rows ? i * most : rows)
                                          : (int)((long)rows * i / n);
}

static const uint32_t *
panel_at(const struct packed *p, int panel)
{
    return p->panels + (size_t)panel * (size_t)p->words * PANEL;
}

/* A block of rows, the panel that they meet, and the one that comes after it. */
struct block_of { int row, rows, panel, next; float *strip; };

/*
 * Has the part that comes after words [word, word + words) fetched during `steps` steps.  With
 * one tile of rows nothing is used twice and memory is what counts: then the stream runs a
 * page ahead of its use.
 */
enum { STREAM_AHEAD = 6144 };
static void
fetch(const struct packed *p, const struct block_of *b, int word, int words, int steps,
      struct meanwhile *m)
{
    const int last = word + words >= p->words;
    const uint32_t *next = last ? panel_at(p, b->next)
                                : panel_at(p, b->panel) + (size_t)(word + words) * PANEL;
    m->fetch = (const char *)next;
    m->fetch_end = m->fetch + (size_t)words * PANEL * 4;
    m->fetch_lines = (words * 2 + steps - 1) / steps;
    if (b->rows <= p->k->rows) {
        m->fetch = (const char *)(panel_at(p, b->panel) + (size_t)word * PANEL) + STREAM_AHEAD;
        m->fetch_end = m->fetch + (size_t)words * PANEL * 4;
    }
}

/* The tile of d's unit that begins at row `from` of the block is finished beside what follows. */
static void
leave(struct place *w, const struct pending *unit, int from, int rows)
{
    kernel_finish(&w->m);
    w->before = *unit;
    w->before.d.row += from;
    for (int i = 0; i < 2; i++)
        w->before.d.c[i] += (ptrdiff_t)from * PANEL;
    w->m.finish = finish_rows;
    w->m.arg = &w->before;
    w->m.done = 0;
    w->m.rows = rows;
}

/* Sums of one panel for all rows of a block, depth by depth; unit: what they complete. */
static void
panel_block(const struct packed *p, const struct block_of *b, const struct pending *unit,
            struct place *w)
{
    const struct kernel *k = p->k;
    const int tiles = (b->rows + k->rows - 1) / k->rows;
    const int parts = (p->words + k->depth - 1) / k->depth;
    const int most = (p->words / k->step + parts - 1) / parts * k->step;
    for (int word = 0; word < p->words; word += most) {
        const int words = p->words - word < most ? p->words - word : most;
        fetch(p, b, word, words, tiles * (words / k->step), &w->m);
        for (int i = 0; i < tiles; i++) {
            const int from = tile_start(i, tiles, b->rows, k->rows),
                      to = tile_start(i + 1, tiles, b->rows, k->rows);
            const char *x = (const char *)p->x + (ptrdiff_t)(b->row + from) * p->ldx +
                            (ptrdiff_t)word * 4;
            k->mul(b->strip + (ptrdiff_t)from * PANEL, PANEL, to - from, x, p->ldx,
                   panel_at(p, b->panel) + (size_t)word * PANEL, words, word > 0, &w->m);
            if (unit && word + words == p->words)
                leave(w, unit, from, to - from);
        }
    }
}

static void
task(const struct packed *p, int unit, int row, struct place *w)
{
    const int left = p->rows - row, rows = left < block_rows(p) ? left : block_rows(p);
    const int first = packed_first(p, unit),
              after = packed_first(p, unit + 1 < p->units ? unit + 1 : 0);
    const struct pending whole = { p, { { w->strip[0], w->strip[1] }, row, unit } };
    struct block_of b = { row, rows, first, after, w->strip[0] };
    /* the strips are free once the unit before is finished */
    kernel_finish(&w->m);
    if (p->apart) {
        b.next = first + p->apart;
        panel_block(p, &b, NULL, w);
        b = (struct block_of){ row, rows, first + p->apart, after, w->strip[1] };
    }
    panel_block(p, &b, &whole, w);
}

/*
 * Guided: a thread takes many neighbours at first, so that the panel it fetches ahead is its
 * own next one, and few in the end, so that threads end together.
 */
void
packed_run(struct ctx *c, const struct packed *p)
{
    const int block = block_rows(p), blocks = (p->rows + block - 1) / block;
    const int tasks = blocks * p->units;
    const size_t strip = (size_t)(p->rows < block ? p->rows : block) * PANEL;
    const struct shares s = cpu_shares(c, strip * (p->apart ? 2 : 1));
    const int threads = tasks < c->threads ? tasks : c->threads;
#pragma omp parallel num_threads(threads > 0 ? threads : 1)
    {
        struct place w = { { cpu_share(s), cpu_share(s) + (p->apart ? strip : 0) },
                           .m = { .rows = 0 } };
        p->k->begin();
#pragma omp for schedule(guided, 1) nowait
        for (int i = 0; i < tasks; i++)
            task(p, i % p->units, i / p->units * block, &w);
        kernel_finish(&w.m);
        p->k->end();
    }
}

/* ---- blobs ---------------------------------------------------------------------------- */
size_t
packed_size(const struct kernel *k, struct mat w, int backward)
{
    const int columns = backward ? w.cols : w.rows, depth = backward ? w.rows : w.cols;
    const size_t panels = (size_t)panels_of(columns) * PANEL;
    const size_t bytes = mem_mul(mem_mul(panels, (size_t)kernel_words(k, depth)), 4);
    return k->type == I8 ? mem_add(bytes, panels * 8) : bytes;
}

static void
fill_rows(const struct kernel *k, uint32_t *panel, struct mat w, int column, int words)
{
    const size_t size = dtype_size(w.type);
    for (int half = 0; half < 2; half++) {
        const int at = column + half * PANEL_HALF, left = w.rows - at;
        const char *src = (const char *)w.p + (size_t)(left > 0 ? at : 0) * (size_t)w.ld * size;
        panel_from_rows(panel, half, words, k->type, src, w.type, w.ld,
                        left > PANEL_HALF ? PANEL_HALF : left > 0 ? left : 0, w.cols);
    }
}

static void
fill_rows_i8(uint32_t *panel, struct mat w, int column, int words, float *scale,
             int32_t *sums, int8_t *bytes)
{
    const size_t size = dtype_size(w.type);
    for (int half = 0; half < 2; half++) {
        const int at = column + half * PANEL_HALF, left = w.rows - at;
        const int n = left > PANEL_HALF ? PANEL_HALF : left > 0 ? left : 0;
        const char *src = (const char *)w.p + (size_t)(n ? at : 0) * (size_t)w.ld * size;
        for (int i = n; i < PANEL_HALF; i++)
            scale[at + i] = 0, sums[at + i] = 0;
        panel_from_rows_i8(panel, half, words, scale + at, sums + at, src, w.type, w.ld, n,
                           w.cols, bytes);
    }
}

void
packed_fill(struct ctx *c, const struct kernel *k, void *blob, struct mat w, int backward)
{
    const int columns = backward ? w.cols : w.rows, depth = backward ? w.rows : w.cols;
    const int panels = panels_of(columns), words = kernel_words(k, depth);
    const size_t size = dtype_size(w.type), per = (size_t)words * PANEL;
    float *scale = (float *)((uint32_t *)blob + (size_t)panels * per);
    int32_t *sums = (int32_t *)(scale + (size_t)panels * PANEL);
    const struct shares s =
        cpu_shares(c, k->type == I8 ? PANEL_HALF * (size_t)depth / sizeof(float) + 16 : 1);
    CPU_FOR
    for (int i = 0; i < panels; i++) {
        uint32_t *panel = (uint32_t *)blob + (size_t)i * per;
        const int column = i * PANEL;
        if (backward)
            panel_from_columns(panel, words, k->type, (char *)w.p + (size_t)column * size,
                               w.type, w.ld,
                               columns - column < PANEL ? columns - column : PANEL, depth);
        else if (k->type == I8)
            fill_rows_i8(panel, w, column, words, scale, sums, (int8_t *)cpu_share(s));
        else
            fill_rows(k, panel, w, column, words);
    }
}
