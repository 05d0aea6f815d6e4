/* memory - the card's memory and the way to it. */
#include <errno.h>
#include <string.h>
#include "gpu/cuda.cuh"

/*
 * Uploads pass through pinned memory in two halves: while the card copies from one, the host
 * fills the other, and the caller's bytes are its own again at once.
 */
enum { HALVES = 2 };
static const size_t HALF = 4 << 20;
enum { FETCHES = 2 };
struct staging {
    cudaEvent_t fetched[FETCHES];
    int fetches; /* so far */
    char *p[HALVES];
    size_t used;
    int half;
    cudaEvent_t done[HALVES]; /* its copies so far */
};

void
staging_open(struct ctx *c)
{
    struct staging *s = (struct staging *)mem_zalloc(1, sizeof *s);
    for (int i = 0; i < HALVES; i++) {
        cuda_check(cudaMallocHost((void **)&s->p[i], HALF), "pinned memory");
        cuda_check(cudaEventCreateWithFlags(&s->done[i], cudaEventDisableTiming), "an event");
    }
    for (int i = 0; i < FETCHES; i++)
        cuda_check(cudaEventCreateWithFlags(&s->fetched[i], cudaEventDisableTiming), "an event");
    c->staging = s;
}

void
staging_close(struct ctx *c)
{
    for (int i = 0; i < HALVES; i++) {
        cudaFreeHost(c->staging->p[i]);
        cudaEventDestroy(c->staging->done[i]);
    }
    for (int i = 0; i < FETCHES; i++)
        cudaEventDestroy(c->staging->fetched[i]);
    mem_free(c->staging);
}

static void __attribute__((noreturn))
out_of_memory(size_t bytes)
{
    size_t free = 0, total = 0;
    cudaGetLastError();
    cudaMemGetInfo(&free, &total);
    errno = 0;
    die_sys("--device cuda: out of memory: %zu MiB more are needed, %zu of the card's %zu MiB are "
            "free; batches of fewer --tokens need less", (bytes >> 20) + 1, free >> 20, total >> 20);
}

size_t
cuda_room(struct ctx *c)
{
    size_t free = 0, total = 0;
    (void)c;
    cuda_check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return free;
}

void *
cuda_alloc(struct ctx *c, size_t bytes)
{
    void *p = NULL;
    const cudaError_t e = cudaMalloc(&p, mem_add(bytes, !bytes));
    if (e == cudaErrorMemoryAllocation)
        out_of_memory(bytes);
    cuda_check(e, "cudaMalloc");
    cuda_zero(c, p, bytes);
    return p;
}

void
cuda_free(struct ctx *c, void *p)
{
    if (!p)
        return;
    cuda_check(cudaStreamSynchronize(c->stream), "work before a cudaFree");
    replays_forget(c);
    cuda_check(cudaFree(p), "cudaFree");
}

void *
cuda_host_alloc(struct ctx *c, size_t bytes)
{
    (void)c;
    void *p = NULL;
    cuda_check(cudaMallocHost(&p, mem_add(bytes, !bytes)), "pinned memory");
    memset(p, 0, bytes);
    return p;
}

void
cuda_host_free(struct ctx *c, void *p)
{
    cuda_check(cudaStreamSynchronize(c->stream), "work before a cudaFreeHost");
    cuda_check(cudaFreeHost(p), "cudaFreeHost");
}

/* Room for n bytes in a half that no copy reads any more. */
static char *
staging_room(struct ctx *c, size_t n)
{
    struct staging *s = c->staging;
    if (s->used + n > HALF) {
        cuda_check(cudaEventRecord(s->done[s->half], c->stream), "an event");
        s->half = (s->half + 1) % HALVES;
        s->used = 0;
        cuda_check(cudaEventSynchronize(s->done[s->half]), "an upload");
    }
    char *p = s->p[s->half] + s->used;
    s->used += (n + 63) & ~(size_t)63;
    return p;
}

void
cuda_upload(struct ctx *c, void *device, const void *host, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        const size_t n = bytes - at < HALF ? bytes - at : HALF;
        char *p = staging_room(c, n);
        memcpy(p, (const char *)host + at, n);
        cuda_check(cudaMemcpyAsync((char *)device + at, p, n, cudaMemcpyHostToDevice, c->stream),
                   "an upload");
        at += n;
    }
}

void
cuda_download(struct ctx *c, void *host, const void *device, size_t bytes)
{
    if (bytes)
        cuda_check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, c->stream),
                   "a download");
    cuda_sync(c);
}

void
cuda_fetch(struct ctx *c, void *host, const void *device, size_t bytes)
{
    struct staging *s = c->staging;
    if (bytes)
        cuda_check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, c->stream),
                   "a download");
    cuda_check(cudaEventRecord(s->fetched[s->fetches++ % FETCHES], c->stream), "an event");
}

void
cuda_fetched(struct ctx *c, int later)
{
    struct staging *s = c->staging;
    assert(later >= 0 && later < FETCHES);
    if (s->fetches > later)
        cuda_check(cudaEventSynchronize(s->fetched[(s->fetches - 1 - later) % FETCHES]),
                   "the card's work");
}

void
cuda_zero(struct ctx *c, void *device, size_t bytes)
{
    if (bytes)
        cuda_check(cudaMemsetAsync(device, 0, bytes, c->stream), "cudaMemset");
}

void
cuda_sync(struct ctx *c)
{
    cuda_check(cudaStreamSynchronize(c->stream), "the card's work");
}

/* A copy in the type that products take, unless the rows have it already. */
static enum dtype
blob_type(struct ctx *c, struct mat w, enum weight_use use)
{
    const enum dtype want = use == WEIGHT_HEAD ? F32 : cuda_type(c);
    return w.type == want ? DTYPES : want;
}

/* Both directions multiply the same copy: the backward has none of its own. */
size_t
cuda_weight_size(struct ctx *c, struct mat w, enum weight_use use)
{
    const enum dtype type = blob_type(c, w, use);
    if (use == WEIGHT_BACKWARD || type == DTYPES)
        return 0;
    return mem_mul(mem_mul((size_t)w.rows, (size_t)w.cols), dtype_size(type));
}

void
cuda_weight_pack(struct ctx *c, void *blob, struct mat w, enum weight_use use)
{
    assert(cuda_weight_size(c, w, use));
    rows_cast(c, mat_of(blob, w.rows, w.cols, blob_type(c, w, use)), w);
}
