#ifndef BASE_MAT_H
#define BASE_MAT_H
/*
 * mat - element types and the one matrix of the house.
 *
 * Every activation is a matrix: rows x cols elements of `type`, row r at p + r * ld
 * elements.  ld >= cols makes views: q, k and v inside qkv, one row a sequence.  A mat whose
 * p is NULL means "not wanted".
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif
enum dtype { F32, BF16, F16, F64, I64, I32, I16, I8, U64, U32, U16, U8, BOOL, DTYPES };
size_t dtype_size(enum dtype t);            /* bytes of one element */
const char *dtype_name(enum dtype t);       /* "F32": the safetensors name */
int dtype_find(const char *s, size_t n);    /* the dtype of that name, or -1 */

struct mat { void *p; int rows, cols; ptrdiff_t ld; enum dtype type; };

static inline struct mat
mat_of(void *p, int rows, int cols, enum dtype type)
{
    return (struct mat){ p, rows, cols, cols, type };
}
/* rows [r, r+n) */
static inline struct mat
mat_rows(struct mat m, int r, int n)
{
    m.p = m.p ? (char *)m.p + (size_t)r * (size_t)m.ld * dtype_size(m.type) : NULL;
    m.rows = n;
    return m;
}
/* columns [c, c+n) */
static inline struct mat
mat_cols(struct mat m, int c, int n)
{
    m.p = m.p ? (char *)m.p + (size_t)c * dtype_size(m.type) : NULL;
    m.cols = n;
    return m;
}
static inline float *
mat_f32(struct mat m, int row)
{
    return (float *)m.p + (ptrdiff_t)row * m.ld;
}
#ifdef __cplusplus
}
#endif
#endif
