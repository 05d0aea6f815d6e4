#ifndef OPS_PANEL_H
#define OPS_PANEL_H
/*
 * panel - filling the panels that kernel.h describes, and rows for their left side.
 * AVX-512 code: only to be called where isa_pick() says so.
 *
 * to: F32 or BF16; sources F32, BF16 or F16, ld in elements.  To bf16 is round to nearest,
 * ties to even; subnormals become zero.
 */
#include <stddef.h>
#include <stdint.h>
#include "common/base/mat.h"
#include "common/ops/kernel.h"

/*
 * Columns [16 half, 16 half + 16) of one panel from n <= 16 rows of `values` values: row i
 * becomes column i (B^T row-major: weights y = x w^T, keys).  The rest is zeroed.
 */
void panel_from_rows(uint32_t *panel, int half, int words, enum dtype to, const void *src,
                     enum dtype from, ptrdiff_t ld, int n, int values);
/*
 * One panel from a row-major B: column j is src[k ld + j], j < n <= 32, k < values (weights
 * dx = dy w, activations in dw, values of attention).  The rest is zeroed.
 */
void panel_from_columns(uint32_t *panel, int words, enum dtype to, const void *src,
                        enum dtype from, ptrdiff_t ld, int n, int values);
/*
 * to[j ldt + k] = src[k ld + j] for k < values, j < n: a left side from the transpose of
 * what is stored (dy^T in dw).  Row j is zeroed up to `padded` values.
 */
void panel_transpose(void *to, ptrdiff_t ldt, enum dtype type, const void *src,
                     enum dtype from, ptrdiff_t ld, int n, int values, int padded);
/* n values to F32 or BF16. */
void panel_convert(void *to, enum dtype type, const void *src, enum dtype from, size_t n);
/*
 * As panel_from_rows for int8: each row gets a scale of its own, and 128 times the sum of
 * its integers; bytes: scratch of 16 x values.
 */
void panel_from_rows_i8(uint32_t *panel, int half, int words, float *scale, int32_t *sums,
                        const void *src, enum dtype from, ptrdiff_t ld, int n, int values,
                        int8_t *bytes);
#endif
