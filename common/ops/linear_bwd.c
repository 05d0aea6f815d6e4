/*
 * linear_bwd - gradients of weights by bf16 products: dw += dy^T x.
 *
 * The depth of the product is the batch's rows.  Blocks of DEPTH_ROWS of them are laid out
 * once: dy transposed is the left side, x goes into panels.  Then each task owns a rectangle
 * of dw and adds to it in place, panel part by panel part, so that a rectangle and what it
 * is made from stay in the second cache.  An element is one sum in the order of the rows.
 */
#include "common/ops/backward.h"
#include "common/ops/panel.h"
#if defined __AVX512F__
#include "common/base/mem.h"
#include "common/ops/vector.h"

enum { DEPTH_ROWS = 2048, LAY = 128, OUT_ROWS = 192, OUT_PANELS = 12, BIAS_COLS = 64 };

struct job {
    const struct kernel *k;
    struct mat dw, dy, x;
    int row, rows, words;    /* the block; words of the depth */
    char *left;              /* [out] rows of ld bytes */
    ptrdiff_t ld;
    uint32_t *panels;
    int out_rows, across, down;
};

static const char *
element(struct mat m, int row, int col)
{
    return (const char *)m.p + ((ptrdiff_t)row * m.ld + col) * (ptrdiff_t)dtype_size(m.type);
}

static int
least(int a, int b)
{
    return a < b ? a : b;
}

/* Rows [from, ...) of the block and LAY columns of dy, transposed. */
static void
lay_left(const struct job *j, int from, int col)
{
    const int values = j->rows - from, padded = (j->words * 2 - from + 31) / 32 * 32;
    panel_transpose(j->left + (ptrdiff_t)col * j->ld + (ptrdiff_t)from * 2, j->ld / 2, BF16,
                    element(j->dy, j->row + from, col), j->dy.type, j->dy.ld,
                    least(LAY, j->dy.cols - col), least(LAY, values), least(LAY, padded));
}

/* Rows [from, ...) of the block, all columns of x. */
static void
lay_panels(const struct job *j, int from)
{
    const int word = from / 2, words = least(LAY / 2, j->words - word);
    for (int col = 0; col < j->x.cols; col += PANEL)
        panel_from_columns(j->panels + ((size_t)(col / PANEL) * (size_t)j->words +
                                        (size_t)word) * PANEL,
                           words, BF16, element(j->x, j->row + from, col), j->x.type,
                           j->x.ld, least(PANEL, j->x.cols - col),
                           least(LAY, j->rows - from));
}

/* One tile of dw; the last panel may be cut by dw's last column. */
static void
add_tile(const struct job *j, int row, int rows, int col, int word, int words)
{
    float edge[32 * PANEL], *to = mat_f32(j->dw, row) + col;
    const int cols = least(PANEL, j->dw.cols - col);
    const char *left = j->left + (ptrdiff_t)row * j->ld + (ptrdiff_t)word * 4;
    const uint32_t *panel =
        j->panels + ((size_t)(col / PANEL) * (size_t)j->words + (size_t)word) * PANEL;
    if (cols == PANEL) {
        j->k->mul(to, j->dw.ld, rows, left, j->ld, panel, words, 1, NULL);
        return;
    }
    for (int i = 0; i < rows; i++)
        memcpy(edge + i * PANEL, to + i * j->dw.ld, (size_t)cols * sizeof *to);
    for (int i = 0; i < rows; i++)
        memset(edge + i * PANEL + cols, 0, (size_t)(PANEL - cols) * sizeof *to);
    j->k->mul(edge, PANEL, rows, left, j->ld, panel, words, 1, NULL);
    for (int i = 0; i < rows; i++)
        memcpy(to + i * j->dw.ld, edge + i * PANEL, (size_t)cols * sizeof *to);
}

static void
add_rectangle(const struct job *j, int row, int col)
{
    const struct kernel *k = j->k;
    const int end = least(row + j->out_rows, j->dw.rows),
              edge = least(col + OUT_PANELS * PANEL, j->dw.cols);
    const int parts = (j->words + k->depth - 1) / k->depth;
    const int most = (j->words / k->step + parts - 1) / parts * k->step;
    const int tiles = (end - row + k->rows - 1) / k->rows;
    for (int word = 0; word < j->words; word += most)
        for (int c = col; c < edge; c += PANEL)
            for (int i = 0; i < tiles; i++) {
                const int from = row + i * k->rows;
                add_tile(j, from, least(k->rows, end - from), c, word,
                         least(most, j->words - word));
            }
}

static void
run(struct ctx *c, struct job *j)
{
    const int laid = (j->rows + LAY - 1) / LAY, wide = (j->dy.cols + LAY - 1) / LAY;
#pragma omp parallel num_threads(c->threads)
    {
        j->k->begin();
#pragma omp for schedule(dynamic, 1)
        for (int i = 0; i < laid * (wide + 1); i++) {
            if (i % (wide + 1))
                lay_left(j, i / (wide + 1) * LAY, (i % (wide + 1) - 1) * LAY);
            else
                lay_panels(j, i / (wide + 1) * LAY);
        }
#pragma omp for schedule(dynamic, 1) nowait
        for (int i = 0; i < j->across * j->down; i++)
            add_rectangle(j, i / j->across * j->out_rows, i % j->across * OUT_PANELS * PANEL);
        j->k->end();
    }
}

/* db [n] += column sums of dy from `col` on, in double: rows in order */
static void
column_sums(float *db, struct mat dy, int col, int n)
{
    double sum[BIAS_COLS] = { 0 };
    for (int t = 0; t < dy.rows; t++) {
        float row[BIAS_COLS];
        panel_convert(row, F32, element(dy, t, col), dy.type, (size_t)n);
        for (int j = 0; j < n; j++)
            sum[j] += (double)row[j];
    }
    for (int j = 0; j < n; j++)
        db[j] = (float)(db[j] + sum[j]);
}

void
backward_linear_dw(struct ctx *c, struct mat dw, struct mat db, struct mat dy, struct mat x)
{
    struct job j = { .k = c->bf16, .dw = dw, .dy = dy, .x = x };
    const int most = kernel_words(c->bf16, least(dy.rows, DEPTH_ROWS));
    const size_t panels = ((size_t)x.cols + PANEL - 1) / PANEL;
    /* rows a page apart would meet in the same lines of the caches */
    j.ld = (ptrdiff_t)((most + 15) / 16 * 64 + 64);
    j.left = cpu_left(c, mem_mul((size_t)dy.cols, (size_t)j.ld));
    j.panels = cpu_scratch(c, mem_mul(panels * PANEL, (size_t)most), 4);
    j.out_rows = dw.rows <= 512 ? OUT_ROWS / 3 : OUT_ROWS;
    j.across = ((int)panels + OUT_PANELS - 1) / OUT_PANELS;
    j.down = (dw.rows + j.out_rows - 1) / j.out_rows;
    for (j.row = 0; j.row < dy.rows; j.row += DEPTH_ROWS) {
        j.rows = least(DEPTH_ROWS, dy.rows - j.row);
        j.words = kernel_words(c->bf16, j.rows);
        run(c, &j);
    }
    if (!db.p)
        return;
    CPU_FOR
    for (int col = 0; col < dy.cols; col += BIAS_COLS)
        column_sums((float *)db.p + col, dy, col, least(BIAS_COLS, dy.cols - col));
}
#else
typedef int linear_bwd_unused;
#endif
