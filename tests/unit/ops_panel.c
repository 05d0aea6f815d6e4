/*
 * ops_panel - filling panels, transposing, converting and quantising, against plain loops.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "common/base/rng.h"
#include "tests/unit/avx512.h"

#if defined __AVX512F__
#include "common/ops/panel.h"
#include "common/ops/quantize.h"

enum { MOST = 160, LD = 200, CANARY = 0x5a };
static const enum dtype sources[] = { F32, BF16, F16 }, targets[] = { F32, BF16 };
/* words of a panel, values a row; a step of 16 words beyond, cut words, none */
static const int depths[][2] = {{16, 32}, {16, 1}, {16, 16}, {32, 33}, {48, 41},
                                {1, 1},   {3, 3},  {17, 17}, {80, 80}, {33, 31}};
enum { DEPTHS = sizeof depths / sizeof *depths };

/* A table of values in one of the source types, NaN where nobody may look. */
struct table { enum dtype type; _Alignas(64) uint8_t bytes[MOST * LD * 4]; };

static void
table_fill(struct table *t, enum dtype type, int rows, int cols)
{
    t->type = type;
    for (int i = 0; i < MOST; i++)
        for (int j = 0; j < LD; j++) {
            const uint64_t at = (uint64_t)(i * LD + j);
            const float f = i < rows && j < cols ? (float)rng_normal(3, at) : NAN;
            half_narrow(t->bytes + at * dtype_size(type), type, &f, 1);
        }
}

static float
table_at(const struct table *t, int i, int j)
{
    float f;
    half_widen(&f, t->bytes + (size_t)(i * LD + j) * dtype_size(t->type), t->type, 1);
    return f;
}

/* Value k of column `column` of a panel. */
static float
panel_at(const uint32_t *panel, enum dtype type, int column, int k)
{
    if (type == F32)
        return of_bits(panel[k * PANEL + column]);
    const uint32_t word = panel[k / 2 * PANEL + column];
    return half_from_bf16((uint16_t)(k % 2 ? word >> 16 : word));
}

static float
stored(float f, enum dtype type)
{
    return type == F32 ? f : half_from_bf16(bf16_of(f));
}

static _Alignas(64) uint32_t panel[(MOST + 1) * PANEL];
static struct table table;

/* Columns [from, from + 16 or 32) hold `want(i, k)`, zeros past n and `values`; no word
 * after. */
static void
check_panel(enum dtype to, int words, int from, int columns, int n, int values,
            int by_column)
{
    for (int i = 0; i < columns; i++)
        for (int k = 0; k < words * (to == F32 ? 1 : 2); k++) {
            const float source = i < n && k < values ? by_column ? table_at(&table, k, i)
                                                                 : table_at(&table, i, k)
                                                     : 0;
            const float got = panel_at(panel, to, from + i, k);
            if (!(got == stored(source, to)))
                fail_msg(
                    "%s to %s, %d words, n %d, values %d: column %d, value %d: %g, not %g",
                    dtype_name(table.type), dtype_name(to), words, n, values, from + i, k,
                    (double)got, (double)source);
        }
    for (int i = 0; i < PANEL; i++)
        assert_int_equal(panel[words * PANEL + i], CANARY * 0x01010101u);
}

static void
panels_from_rows(void **state)
{
    (void)state;
    static const int counts[] = { 0, 1, 7, 15, 16 };
    for (int i = 0; i < DEPTHS * 3 * 2 * 5; i++) {
        const enum dtype from = sources[i % 3], to = targets[i / 3 % 2];
        const int n = counts[i / 6 % 5], words = depths[i / 30][0], per = to == F32 ? 1 : 2;
        const int values =
            depths[i / 30][1] < words * per ? depths[i / 30][1] : words * per;
        table_fill(&table, from, n, values);
        memset(panel, CANARY, sizeof panel);
        for (int half = 0; half < 2; half++)
            panel_from_rows(panel, half, words, to, n ? table.bytes : NULL, from, LD, n,
                            values);
        check_panel(to, words, 0, 16, n, values, 0);
        check_panel(to, words, 16, 16, n, values, 0);
    }
}

static void
panels_from_columns(void **state)
{
    (void)state;
    static const int counts[] = { 1, 15, 16, 17, 31, 32 };
    for (int i = 0; i < DEPTHS * 3 * 2 * 6; i++) {
        const enum dtype from = sources[i % 3], to = targets[i / 3 % 2];
        const int n = counts[i / 6 % 6], words = depths[i / 36][0], per = to == F32 ? 1 : 2;
        const int values =
            depths[i / 36][1] < words * per ? depths[i / 36][1] : words * per;
        table_fill(&table, from, values, n);
        memset(panel, CANARY, sizeof panel);
        panel_from_columns(panel, words, to, table.bytes, from, LD, n, values);
        check_panel(to, words, 0, 32, n, values, 1);
    }
}

/* Rows of the transpose, zeros up to `padded`, nothing after. */
static void
transposed_sides(void **state)
{
    (void)state;
    static const int sizes[][3] = { { 1, 1, 32 },    { 16, 32, 32 },  { 17, 33, 64 },
                                    { 32, 64, 64 },  { 48, 100, 128 }, { 31, 31, 32 },
                                    { 64, 130, 160 }, { 16, 3, 64 } };
    static _Alignas(64) uint8_t to[MOST * LD * 4];
    for (int i = 0; i < 8 * 3 * 2; i++) {
        const enum dtype from = sources[i % 3], type = targets[i / 3 % 2];
        const int n = sizes[i / 6][0], values = sizes[i / 6][1], padded = sizes[i / 6][2];
        const size_t size = dtype_size(type);
        table_fill(&table, from, values, n);
        memset(to, CANARY, sizeof to);
        panel_transpose(to, LD, type, table.bytes, from, LD, n, values, padded);
        for (int j = 0; j < n; j++)
            for (int k = 0; k < LD; k++) {
                float got, want = 0;
                const uint8_t *at = to + (size_t)(j * LD + k) * size;
                half_widen(&got, at, type, 1);
                if (k < values)
                    want = stored(table_at(&table, k, j), type);
                if (k < padded ? got != want : at[0] != CANARY || at[size - 1] != CANARY)
                    fail_msg("case %d: [%d,%d] is %g, not %g", i, j, k, (double)got,
                             (double)want);
            }
        assert_int_equal(to[(size_t)(n * LD) * size], CANARY);
    }
}

static void
converted_rows(void **state)
{
    (void)state;
    uint8_t to[LD * 4];
    for (int n = 0; n <= 100; n++)
        for (int i = 0; i < 6; i++) {
            const enum dtype from = sources[i % 3], type = targets[i / 3];
            const size_t size = dtype_size(type);
            table_fill(&table, from, n ? 1 : 0, n);
            memset(to, CANARY, sizeof to);
            panel_convert(to, type, table.bytes, from, (size_t)n);
            for (int k = 0; k < n; k++) {
                float got;
                half_widen(&got, to + (size_t)k * size, type, 1);
                assert_true(got == stored(table_at(&table, 0, k), type));
            }
            for (size_t k = (size_t)n * size; k < sizeof to; k++)
                assert_int_equal(to[k], CANARY);
        }
}

/* ---- int8 --------------------------------------------------------------------------- */
/* Row i of the table, quantised: every value to within half a step, the largest to 127. */
static void
check_row(const uint8_t *q, float scale, int i, int n)
{
    float most = 0;
    int top = 0;
    for (int k = 0; k < n; k++) {
        const float x = table_at(&table, i, k);
        most = fmaxf(most, fabsf(x));
        top = abs(q[k] - 128) > top ? abs(q[k] - 128) : top;
        if (!(fabs((q[k] - 128) * (double)scale - (double)x) <= 0.5001 * (double)scale))
            fail_msg("%d values: value %d, %g, is %d steps of %g", n, k, (double)x,
                     q[k] - 128, (double)scale);
    }
    assert_int_equal(top, 127);
    assert_true(fabsf(scale * 127 / most - 1) < 1e-6f);
}

static void
quantised_rows(void **state)
{
    (void)state;
    uint8_t q[LD];
    for (int n = 1; n <= 200; n += n < 70 ? 1 : 13)
        for (int i = 0; i < 3; i++) {
            table_fill(&table, sources[i], 1, n);
            memset(q, CANARY, sizeof q);
            const float scale = quantize_row(q, table.bytes, sources[i], n);
            check_row(q, scale, 0, n);
            for (int k = n; k < LD; k++)
                assert_int_equal(q[k], CANARY);
        }
}

static void
rows_that_cannot_be_quantised(void **state)
{
    (void)state;
    static const float bad[] = { NAN, -NAN, INFINITY, -INFINITY };
    uint8_t q[100];
    for (int i = 0; i < 4 * 2 * 100; i++) {
        const enum dtype type = sources[i / 4 % 2];
        table_fill(&table, type, 1, 100);
        half_narrow(table.bytes + (size_t)(i / 8) * dtype_size(type), type, &bad[i % 4], 1);
        assert_true(isnan(quantize_row(q, table.bytes, type, 100)));
    }
    const float none[100] = { 0, -0.0f, 1e-40f };
    const float scale = quantize_row(q, none, F32, 100);
    for (int k = 0; k < 100; k++)
        assert_true(isfinite(scale) && q[k] == 128);
}

/* Each column's steps, scale and 128 times its sum; bytes of four values a word. */
static void
panels_of_int8(void **state)
{
    (void)state;
    static const int size[][3] = { { 16, 64, 16 }, { 16, 1, 3 },   { 32, 65, 16 },
                                   { 32, 100, 1 }, { 48, 150, 7 }, { 16, 31, 15 } };
    int8_t bytes[16 * LD];
    float scale[16];
    int32_t sums[16];
    for (int i = 0; i < 6 * 3 * 2; i++) {
        const int words = size[i / 6][0], values = size[i / 6][1], n = size[i / 6][2];
        const int half = i % 2;
        table_fill(&table, sources[i / 2 % 3], n, values);
        memset(panel, CANARY, sizeof panel);
        panel_from_rows_i8(panel, half, words, scale, sums, table.bytes, table.type, LD, n,
                           values, bytes);
        for (int c = 0; c < 16; c++) {
            uint8_t q[MOST * 4];
            int32_t sum = 0;
            for (int k = 0; k < words * 4; k++) {
                const uint32_t word = panel[k / 4 * PANEL + half * 16 + c];
                const int8_t value = (int8_t)(word >> k % 4 * 8);
                q[k] = (uint8_t)(value + 128);
                sum += value;
                assert_true(value == 0 || (c < n && k < values));
                assert_int_equal(panel[k / 4 * PANEL + !half * 16 + c],
                                 CANARY * 0x01010101u);
            }
            if (c < n) {
                check_row(q, scale[c], c, values);
                assert_int_equal(sums[c], 128 * sum);
            }
        }
        assert_int_equal(panel[words * PANEL], CANARY * 0x01010101u);
    }
}

ANY_CPU int
main(void)
{
    static const struct avx512_test tests[] = {
        { "panels from rows", panels_from_rows, ISA_BF16 },
        { "panels from columns", panels_from_columns, ISA_BF16 },
        { "transposed sides", transposed_sides, ISA_BF16 },
        { "converted rows", converted_rows, ISA_BF16 },
        { "quantised rows", quantised_rows, ISA_BF16 },
        { "rows that cannot be quantised", rows_that_cannot_be_quantised, ISA_BF16 },
        { "panels of int8", panels_of_int8, ISA_BF16 },
    };
    return avx512_run(tests, sizeof tests / sizeof *tests);
}
#else
int
main(void)
{
    puts("1..1\nok 1 - avx512 # SKIP not built for AVX-512");
    return 0;
}
#endif
