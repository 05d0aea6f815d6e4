#ifndef GPU_CUDA_CUH
#define GPU_CUDA_CUH
/*
 * cuda - the CUDA backend's ops, one family a file under the names of common/ops; what they
 * share.
 *
 * Activations (A) are BF16, or F32 in a run of OP_F32 or OP_PLAIN; sums and statistics are
 * F32.  Everything an op starts goes to c->stream, in order: nothing waits but sync, download
 * and the growing of scratch.  What a kernel writes is owned by one thread or summed in an
 * order that the shapes fix: no atomics, the same bytes each time.
 *
 * Every pointer inside a mat is the device's; struct mat itself is passed to kernels by value.
 */
#include <assert.h>
#include <stddef.h>
#include <cuda_runtime.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/ops/ops.h"
#include "gpu/dev.cuh"

extern "C" {
#define _(op) op_##op##_fn cuda_##op;
OPS(_)
#undef _
extern const struct ops ops_cuda;
/* Why no card can be used, or NULL. */
const char *ops_cuda_absent(void);
}

/* Buffers that grow to what was asked of them; each is one op's at a time. */
enum scratch { SCRATCH_LEFT, SCRATCH_RIGHT, SCRATCH_OUT, SCRATCH_ROWS, SCRATCH_SUMS, SCRATCHES };
struct space { char *p; size_t bytes; };

struct ctx {
    enum precision precision;
    cudaStream_t stream;
    int multiprocessors;
    struct products *products;          /* linear.cu's */
    struct staging *staging;            /* memory.cu's */
    struct replays *replays;            /* replay.cu's */
    struct plan *spare;                 /* seqs.cu's: of plans that were freed */
    struct space scratch[SCRATCHES];
    struct table_copy *table;           /* adamw.cu's */
    char about[256], packing[32];
};

/*
 * A block of queries of one sequence: queries [block * ROWS, ...) of the sequence whose rows
 * are [row, row + len); of its queries the first `asked` are wanted and query i's answer is
 * row out + i of o.
 */
struct work { int row, len, block, out, asked; };
enum { WORK_SMALL = 64, WORK_LARGE = 128 };   /* queries a block */
struct plan {
    struct plan *next;
    /* device */
    const int *cu;                /* [n + 1] */
    const int *position;          /* [T] row within its sequence */
    const int *sequence;          /* [T] which one */
    const struct work *small, *large, *first;  /* longest sequences first; first: one each */
    int smalls, larges, firsts;
    /* private */
    void *device, *host;
    size_t bytes;
    cudaEvent_t copied;
};

/* Dies (status 4) unless e is success; `what` failed. */
void cuda_check(cudaError_t e, const char *what);
/* After launches: dies when one could not be started. */
void cuda_launched(const char *op);
/* At least n * size bytes of device memory, contents undefined; valid until the next call
 * with this slot. */
void *cuda_scratch(struct ctx *c, enum scratch slot, size_t n, size_t size);
/* m itself, or a copy in that type (F32, BF16) in that slot, rows tight. */
struct mat cuda_as(struct ctx *c, struct mat m, enum dtype type, enum scratch slot);

/* ---- rooms of the context: made by cuda_open, ended by cuda_close --------------------- */
void products_open(struct ctx *c);
void products_close(struct ctx *c);
void staging_open(struct ctx *c);
void staging_close(struct ctx *c);
void replays_open(struct ctx *c);
void replays_close(struct ctx *c);
/* Memory that recorded runs name is about to go: they are forgotten. */
void replays_forget(struct ctx *c);
void plans_free(struct ctx *c);
/* Lets attention's kernels have the shared memory that they want. */
void attention_prepare(void);

/* ---- parts of ops that others call --------------------------------------------------- */
/* linear.cu: y [T,out] (F32 or BF16) = x w^T, plus r (y itself, another mat like y, or p NULL)
 * and the weight's bias. */
void linear_product(struct ctx *c, struct mat y, struct mat x, const struct weight *W, struct mat r);
/* rope.cu: rotates the q and k columns of qkv [T,3D] in place; sign -1: back. */
void rope_turn(struct ctx *c, struct mat qkv, struct rope rope, int heads, const struct seqs *s, int sign);
/* norm.cu: stage 2 of a sum over rows: to[i] += sum over k < parts of part[k * cols + i], in
 * runs of k and then the runs in order (sums.cuh). */
void sum_parts(struct ctx *c, float *to, const float *part, int parts, int cols);
/* adamw.cu: frees c->table, which may be NULL. */
void table_free(struct ctx *c);
/* rows.cu: y = x in y's type (F32, BF16); x may be F16 too. */
void rows_cast(struct ctx *c, struct mat y, struct mat x);

static inline int
cuda_blocks(int64_t n, int per)
{
    return (int)((n + per - 1) / per);
}
/* Runs the statement with T the type of mat m's elements (F32 or BF16). */
#define FOR_TYPE(m, T, ...)                                                                \
    do {                                                                                   \
        if ((m).type == BF16) {                                                            \
            typedef bf16 T;                                                                \
            __VA_ARGS__;                                                                   \
        } else {                                                                           \
            assert((m).type == F32);                                                       \
            typedef float T;                                                               \
            __VA_ARGS__;                                                                   \
        }                                                                                  \
    } while (0)
/* Element [row, 0] of a mat on the device, by the type of its elements. */
template <class T>
BOTH T *
mat_row(struct mat m, int row)
{
    return (T *)m.p + (ptrdiff_t)row * m.ld;
}
#endif
