/* cuda - opening and closing a context of the card, its scratch, and what it tells. */
#include "gpu/cuda.cuh"
#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct ops ops_cuda = { DEV_NAME,
#define _(op) cuda_##op,
                              OPS(_)
#undef _
};

enum { OLDEST = 8 }; /* compute capability: mma of bf16, asynchronous copies */

void
cuda_check(cudaError_t e, const char *what)
{
    if (e == cudaSuccess)
        return;
    errno = 0;
    die_sys("--device cuda: %s: %s", what, cudaGetErrorString(e));
}

void
cuda_launched(const char *op)
{
    cuda_check(cudaPeekAtLastError(), op);
}

static struct cudaDeviceProp
card(void)
{
    struct cudaDeviceProp p;
    int device = 0;
    cuda_check(cudaGetDevice(&device), "cudaGetDevice");
    cuda_check(cudaGetDeviceProperties(&p, device), "cudaGetDeviceProperties");
    return p;
}

/* Nothing is allocated and no context made by asking. */
const char *
ops_cuda_absent(void)
{
    int n = 0;
    const cudaError_t e = cudaGetDeviceCount(&n);
    cudaGetLastError();
    if (e == cudaErrorInsufficientDriver)
        return "no NVIDIA driver, or one older than this build's CUDA";
    if (e == cudaErrorNoDevice || (e == cudaSuccess && !n))
        return "no NVIDIA card";
    if (e != cudaSuccess)
        return cudaGetErrorString(e);
    return card().major < OLDEST ? "the card is too old: its compute capability is below 8.0"
                                 : NULL;
}

static enum precision
precision_of(enum precision wanted)
{
    switch (wanted) {
    case OP_INT8:
        die_usage("--dtype int8: not with --device cuda; use bf16 or f32");
    case OP_AUTO:
    case OP_BF16: return OP_BF16;
    case OP_F32:
    case OP_PLAIN: return OP_F32;
    }
    return OP_F32;
}

struct ctx *
cuda_open(int threads, enum precision precision)
{
    (void)threads; /* the card's are many */
    const enum precision own = precision_of(precision);
    const char *why = ops_cuda_absent();
    errno = 0;
    if (why)
        die_sys("--device cuda: %s; use --device cpu", why);
    const struct cudaDeviceProp p = card();
    struct ctx *c = (struct ctx *)mem_zalloc(1, sizeof *c);
    int driver = 0;
    cudaDriverGetVersion(&driver);
    c->precision = own;
    c->multiprocessors = p.multiProcessorCount;
    snprintf(c->about, sizeof c->about, DEV_NAME ", %.100s, compute %d.%d, driver CUDA %d.%d, %s",
             p.name, p.major, p.minor, driver / 1000, driver % 1000 / 10,
             own == OP_BF16 ? "bf16" : "f32");
    snprintf(c->packing, sizeof c->packing, DEV_NAME ".%s.1", own == OP_BF16 ? "bf16" : "f32");
    cuda_check(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), "a stream");
    staging_open(c);
    replays_open(c);
    products_open(c);
    attention_prepare();
    return c;
}

void
cuda_close(struct ctx *c)
{
    if (!c)
        return;
    cuda_check(cudaStreamSynchronize(c->stream), "the last work");
    table_free(c);
    products_close(c);
    staging_close(c);
    plans_free(c);
    for (int i = 0; i < SCRATCHES; i++)
        cuda_free(c, c->scratch[i].p);
    replays_close(c);
    cudaStreamDestroy(c->stream);
    mem_free(c);
}

enum precision
cuda_precision(struct ctx *c)
{
    return c->precision;
}

enum dtype
cuda_type(struct ctx *c)
{
    return c->precision == OP_BF16 ? BF16 : F32;
}

int
cuda_threads(struct ctx *c)
{
    (void)c;
    return 1;
}

int
cuda_shares_memory(struct ctx *c)
{
    (void)c;
    return 0;
}

const char *
cuda_packing(struct ctx *c)
{
    return c->packing;
}

const char *
cuda_about(struct ctx *c)
{
    return c->about;
}

/* A loop over batches grows it a few times at most: each time to half as much again. */
void *
cuda_scratch(struct ctx *c, enum scratch slot, size_t n, size_t size)
{
    struct space *s = &c->scratch[slot];
    const size_t bytes = mem_mul(n, size);
    if (bytes > s->bytes) {
        cuda_free(c, s->p);
        s->p = NULL;
        s->bytes = s->bytes ? mem_add(bytes, bytes / 2) : bytes;
        s->p = (char *)cuda_alloc(c, s->bytes);
    }
    return s->p;
}

struct mat
cuda_as(struct ctx *c, struct mat m, enum dtype type, enum scratch slot)
{
    if (m.type == type)
        return m;
    const size_t n = mem_mul((size_t)m.rows, (size_t)m.cols);
    const struct mat y = mat_of(cuda_scratch(c, slot, n, dtype_size(type)), m.rows, m.cols, type);
    rows_cast(c, y, m);
    return y;
}
