#include "common/ops/packed.h"
#include <omp.h>
#include "common/base/mem.h"
#include "common/ops/panel.h"

/* One thread's place: strips of sums of a block's rows, one or two panels wide. */
struct place { float *strip[2]; };

struct pending { const struct packed *p; struct done d; };

static void
finish_rows(void *arg, int from, int to)
{
    const struct pending *w = arg;
    w->p->done(w->p->arg, &w->d, from, to);
}

static size_t
strip_floats(const struct packed *p)
{
    const int rows = p->rows < BLOCK_ROWS ? p->rows : BLOCK_ROWS;
    return (size_t)rows * PANEL;
}

/* Rows of tile i of n that share `rows` evenly: 32 rows of 14 at most are 11, 11, 10. */
static int
tile_start(int i, int n, int rows, int most)
{
    return n * most == rows || most >= 32 ? (i * most < rows ? i * most : rows)
                                          : (int)((long)rows * i / n);
}

/*
 * Sums of one panel for all rows of a block, depth by depth.  With finish set, each tile is
 * finished while the next is computed; what is left when the panel ends stays in m.
 */
static void
panel_block(const struct packed *p, int panel, int row, int rows, float *strip,
            const struct pending *finish, struct pending *now, struct meanwhile *m)
{
    const struct kernel *k = p->k;
    const uint32_t *at = p->panels + (size_t)panel * (size_t)p->words * PANEL;
    const int tiles = (rows + k->rows - 1) / k->rows;
    const int parts = (p->words + k->depth - 1) / k->depth;
    const int most = (p->words / k->step + parts - 1) / parts * k->step;
    for (int word = 0; word < p->words; word += most) {
        const int words = p->words - word < most ? p->words - word : most;
        const int last = finish && word + words == p->words;
        for (int i = 0; i < tiles; i++) {
            const int from = tile_start(i, tiles, rows, k->rows),
                      to = tile_start(i + 1, tiles, rows, k->rows);
            const char *x = (const char *)p->x + (ptrdiff_t)(row + from) * p->ldx +
                            (ptrdiff_t)word * 4;
            k->mul(strip + (ptrdiff_t)from * PANEL, PANEL, to - from, x, p->ldx,
                   at + (size_t)word * PANEL, words, word > 0, m);
            if (!last)
                continue;
            kernel_finish(m);
            *now = *finish;
            now->d.row = row + from;
            for (int c = 0; c < 2; c++)
                now->d.c[c] += (ptrdiff_t)from * PANEL;
            *m = (struct meanwhile){ finish_rows, now, 0, to - from };
        }
    }
}

static void
task(const struct packed *p, int unit, int row, const struct place *at, struct pending *now,
     struct meanwhile *m)
{
    const int rows = p->rows - row < BLOCK_ROWS ? p->rows - row : BLOCK_ROWS;
    const int first = packed_first(p, unit);
    const struct pending whole = { p, { { at->strip[0], at->strip[1] }, row, unit } };
    /* the strips are free once the unit before is finished */
    kernel_finish(m);
    if (!p->apart) {
        panel_block(p, first, row, rows, at->strip[0], &whole, now, m);
        return;
    }
    panel_block(p, first, row, rows, at->strip[0], NULL, now, m);
    panel_block(p, first + p->apart, row, rows, at->strip[1], &whole, now, m);
}

void
packed_run(struct ctx *c, const struct packed *p)
{
    const int blocks = (p->rows + BLOCK_ROWS - 1) / BLOCK_ROWS, tasks = blocks * p->units;
    const size_t strip = strip_floats(p);
    const struct shares s = cpu_shares(c, strip * (p->apart ? 2 : 1));
    const int threads = tasks < c->threads ? tasks : c->threads;
#pragma omp parallel num_threads(threads > 0 ? threads : 1)
    {
        const struct place at = { { cpu_share(s), cpu_share(s) + strip } };
        struct pending now;
        struct meanwhile m = { .rows = 0 };
        p->k->begin();
#pragma omp for schedule(dynamic, 1) nowait
        for (int i = 0; i < tasks; i++)
            task(p, i % p->units, i / p->units * BLOCK_ROWS, &at, &now, &m);
        kernel_finish(&m);
        p->k->end();
    }
}

/* ---- blobs ---------------------------------------------------------------------------- */
static int
panels_of(int columns)
{
    return (columns + PANEL - 1) / PANEL;
}

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
