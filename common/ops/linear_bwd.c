/*
 * linear_bwd - gradients of weights by bf16 products: dw += dy^T x.
 *
 * The depth of the product is the batch's rows, DEPTH_ROWS of them at a time.  x goes into
 * panels once.  A task owns rows of dw: it transposes their columns of dy into a left side
 * of its own and adds to dw in place, panel part by panel part, so that what it works on
 * stays in the second cache.  An element is one sum in the order of the rows.
 */
#include "common/ops/backward.h"
#include "common/ops/panel.h"
#if defined __AVX512F__
#include <omp.h>
#include "common/base/mem.h"
#include "common/ops/vector.h"

enum { DEPTH_ROWS = 512, LAY = 128, BIAS_COLS = 64 };

struct job {
    const struct kernel *k;
    struct mat dw, dy, x;
    int row, rows, words;    /* the block; words of the depth */
    int out_rows;            /* of a task */
    ptrdiff_t ld;            /* bytes of a row of the left side */
    uint32_t *panels;
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

/* Rows [from, from + LAY) of the block, all columns of x. */
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

/* A tile of dw at [row, col] that dw's last column cuts. */
static void
add_edge(const struct job *j, int row, int rows, int col, const char *left,
         const uint32_t *panel, int words)
{
    float edge[32 * PANEL] = { 0 };
    const size_t bytes = (size_t)(j->dw.cols - col) * sizeof *edge;
    for (int i = 0; i < rows; i++)
        memcpy(edge + i * PANEL, mat_f32(j->dw, row + i) + col, bytes);
    j->k->mul(edge, PANEL, rows, left, j->ld, panel, words, 1, NULL);
    for (int i = 0; i < rows; i++)
        memcpy(mat_f32(j->dw, row + i) + col, edge + i * PANEL, bytes);
}

/* The tile that comes next, while this one is computed: nothing else foresees it. */
static void
fetch_tile(struct mat dw, int row, int rows, int col)
{
    for (int i = 0; i < rows && row + i < dw.rows; i++) {
        _mm_prefetch((const char *)(mat_f32(dw, row + i) + col), _MM_HINT_T1);
        _mm_prefetch((const char *)(mat_f32(dw, row + i) + col) + 64, _MM_HINT_T1);
    }
}

/* Words [word, word + words) of the depth, all columns of the task's rows. */
static void
add_part(const struct job *j, int row, int rows, const char *left, int word, int words)
{
    const struct kernel *k = j->k;
    for (int col = 0; col < j->dw.cols; col += PANEL) {
        const uint32_t *panel =
            j->panels + ((size_t)(col / PANEL) * (size_t)j->words + (size_t)word) * PANEL;
        for (int i = 0; i < rows; i += k->rows) {
            const int n = least(k->rows, rows - i), more = i + k->rows < rows;
            const char *a = left + (ptrdiff_t)i * j->ld + (ptrdiff_t)word * 4;
            if (!word)
                fetch_tile(j->dw, more ? row + i + k->rows : row, k->rows,
                           more ? col : col + PANEL);
            if (j->dw.cols - col < PANEL)
                add_edge(j, row + i, n, col, a, panel, words);
            else
                k->mul(mat_f32(j->dw, row + i) + col, j->dw.ld, n, a, j->ld, panel, words, 1,
                       NULL);
        }
    }
}

static void
add_rows(const struct job *j, int row, char *left)
{
    const struct kernel *k = j->k;
    const int rows = least(j->out_rows, j->dw.rows - row);
    const int parts = (j->words + k->depth - 1) / k->depth;
    const int most = (j->words / k->step + parts - 1) / parts * k->step;
    panel_transpose(left, j->ld / 2, BF16, element(j->dy, j->row, row), j->dy.type, j->dy.ld,
                    rows, j->rows, (j->rows + 31) / 32 * 32);
    for (int word = 0; word < j->words; word += most)
        add_part(j, row, rows, left, word, least(most, j->words - word));
}

static void
run(struct ctx *c, const struct job *j, char *lefts)
{
    const int laid = (j->rows + LAY - 1) / LAY;
    const int tasks = (j->dw.rows + j->out_rows - 1) / j->out_rows;
#pragma omp parallel num_threads(c->threads)
    {
        char *left = lefts + (ptrdiff_t)omp_get_thread_num() * j->out_rows * j->ld;
        j->k->begin();
#pragma omp for schedule(dynamic, 1)
        for (int i = 0; i < laid; i++)
            lay_panels(j, i * LAY);
#pragma omp for schedule(dynamic, 1) nowait
        for (int i = 0; i < tasks; i++)
            add_rows(j, i * j->out_rows, left);
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

/* Rows of a task: whole tiles, and enough tasks for several threads. */
static int
out_rows(const struct kernel *k, int rows)
{
    const int tiles = 128 / k->rows;
    return rows >= 6 * tiles * k->rows ? tiles * k->rows : k->rows;
}

void
backward_linear_dw(struct ctx *c, struct mat dw, struct mat db, struct mat dy, struct mat x)
{
    struct job j = { .k = c->bf16, .dw = dw, .dy = dy, .x = x };
    const int most = kernel_words(c->bf16, least(dy.rows, DEPTH_ROWS));
    const size_t panels = ((size_t)x.cols + PANEL - 1) / PANEL;
    j.out_rows = out_rows(j.k, dw.rows);
    /* rows a page apart would meet in the same lines of the caches */
    j.ld = (ptrdiff_t)((most + 15) / 16 * 64 + 64);
    char *lefts = cpu_left(c, mem_mul((size_t)c->threads * (size_t)j.out_rows, (size_t)j.ld));
    j.panels = cpu_scratch(c, mem_mul(panels * PANEL, (size_t)most), 4);
    for (j.row = 0; j.row < (dw.p ? dy.rows : 0); j.row += DEPTH_ROWS) {
        j.rows = least(DEPTH_ROWS, dy.rows - j.row);
        j.words = kernel_words(c->bf16, j.rows);
        run(c, &j, lefts);
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
