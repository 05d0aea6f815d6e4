#ifndef OPS_KERNEL_H
#define OPS_KERNEL_H
/*
 * kernel - what an instruction set gives to the products: tiles of c = a x panel.
 *
 * a is row-major.  The second operand B [K,N] lies in panels of PANEL columns.  Along K
 * everything is counted in words of four bytes: one F32, two BF16 or four I8 (a's are
 * unsigned, the value plus 128: the finish takes away 128 times the column's sum).  A panel
 * holds, for each word k, the words of its PANEL columns: 128 bytes.  The same bytes serve
 * vector registers (two loads a word) and AMX tiles (16 words of 16 columns, rows 128 bytes
 * apart).  Columns past N and words past K are zero.
 *
 * Each element of c is one sum over k in a fixed order, whatever the rows beside it: a
 * sequence gives the same bits alone and in a batch.
 */
#include <stddef.h>
#include <stdint.h>
#include "common/base/mat.h"
#include "common/ops/isa.h"

enum { PANEL = 32, PANEL_HALF = 16 };

/*
 * What a tile product may do between its steps: finish rows [done, rows) of the tile before,
 * and fetch bytes [fetch, fetch_end) that will be needed soon into the second cache.  A
 * kernel that cannot overlap leaves the finish to kernel_finish.
 */
struct meanwhile {
    void (*finish)(void *arg, int from, int to);
    void *arg;
    int done, rows;
    const char *fetch, *fetch_end;
    int fetch_lines; /* a step */
    int shape;       /* the kernel's: what begin() and later tiles have set up; 0 at first */
};
/*
 * c [rows,PANEL] = a x panel over `words` words, += when add; row r of a at a + r lda
 * bytes, of c at c + r ldc.  m belongs to the thread, NULL: nothing is to
 * be done meanwhile.  rows <= kernel's rows.  c is F32; for I8 it is I32 bits.
 * words is a multiple of the kernel's step, and so many words are readable in every row.
 */
typedef void kernel_mul_fn(float *c, ptrdiff_t ldc, int rows, const void *a, ptrdiff_t lda,
                           const uint32_t *panel, int words, int add, struct meanwhile *m);
struct kernel {
    const char *name;
    enum dtype type;          /* of both operands: F32, BF16, I8 */
    int step;                 /* words come in multiples of this */
    int rows;                 /* of a tile, at most */
    int depth;                /* more words at once drive the panel out of the first cache */
    kernel_mul_fn *mul;
    void (*begin)(void);      /* by each thread before its products, and after */
    void (*end)(void);
};
/* The kernel of that level for operands of type F32, BF16 or I8; NULL: it has none. */
const struct kernel *kernel_pick(enum isa isa, enum dtype type);

/* Does what is left of m. */
void kernel_finish(struct meanwhile *m);

static inline int
kernel_words(const struct kernel *k, int values)
{
    const int per = 4 / (int)(k->type == F32 ? 4 : k->type == BF16 ? 2 : 1);
    const int words = (values + per - 1) / per;
    return (words + k->step - 1) / k->step * k->step;
}

extern const struct kernel kernel_avx512_f32, kernel_bf16, kernel_vnni, kernel_amx_bf16,
    kernel_amx_i8;
#endif
