/* runtime.cpp - memory, streams, events and graphs behind the emulation's cuda_runtime.h.
 * Compiled without sanitizers, as emu.cpp is. */
#include <deque>
#include <map>
#include <set>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>
#include "emu.h"

typedef std::function<void()> job;
struct emu_stream {
    struct emu_turn turn;
    std::deque<job> queue;
    uint64_t put, ran;       /* jobs so far */
    struct emu_graph *graph; /* being captured */
};
struct emu_event { cudaStream_t s; uint64_t at; };
struct emu_graph { std::vector<job> jobs; };

/* The card: its memory, its streams. */
static struct {
    std::map<char *, size_t> device, pinned;
    std::set<cudaStream_t> streams;
    size_t used, made;
    struct emu_turn *turn;
    enum cudaError_t last;
} C;

static struct emu_turn by_default = { EMU_INORDER, 1 };

struct emu_turn *
emu_current(void)
{
    return C.turn ? C.turn : &by_default;
}

static uint32_t
seed_of(uint32_t seed, enum emu_order order)
{
    return seed * 2654435761u + order;
}

void
emu_schedule(cudaStream_t s, enum emu_order order, uint32_t seed)
{
    s->turn = { order, seed_of(seed, order) };
}

void
emu_enqueue(cudaStream_t s, job work)
{
    if (s->graph) {
        s->graph->jobs.push_back(work);
        return;
    }
    s->queue.push_back(work);
    s->put++;
}

static void
run_until(cudaStream_t s, uint64_t at)
{
    while (s->ran < at && !s->queue.empty()) {
        const job work = s->queue.front();
        s->queue.pop_front();
        C.turn = &s->turn;
        work();
        C.turn = NULL;
        s->ran++;
    }
}

static bool
capturing(void)
{
    for (cudaStream_t s : C.streams)
        if (s->graph)
            return true;
    return false;
}

static enum cudaError_t
fail(enum cudaError_t e)
{
    return C.last = e;
}

const char *
cudaGetErrorString(cudaError_t e)
{
    switch (e) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorStreamCaptureUnsupported: return "not permitted while a stream is captured";
    }
    return "unknown error";
}

cudaError_t
cudaGetLastError(void)
{
    const cudaError_t e = C.last;
    C.last = cudaSuccess;
    return e;
}

cudaError_t cudaPeekAtLastError(void) { return C.last; }

static bool
fault(const char *name)
{
    const char *set = getenv("MBERT_EMU_FAULT");
    return set && !strcmp(set, name);
}

cudaError_t
cudaGetDeviceCount(int *n)
{
    *n = 0;
    if (fault("driver"))
        return fail(cudaErrorInsufficientDriver);
    if (fault("card"))
        return fail(cudaErrorNoDevice);
    *n = 1;
    return cudaSuccess;
}

cudaError_t
cudaGetDevice(int *device)
{
    *device = 0;
    return cudaSuccess;
}

static size_t
whole_memory(void)
{
    const char *set = getenv("MBERT_EMU_MEMORY");
    return set ? strtoull(set, NULL, 10) : (size_t)16 << 30;
}

cudaError_t
cudaGetDeviceProperties(struct cudaDeviceProp *p, int)
{
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "emulated card");
    p->major = fault("old") ? 7 : 8;
    p->minor = fault("old") ? 5 : 0;
    p->multiProcessorCount = 2;
    p->totalGlobalMem = whole_memory();
    return cudaSuccess;
}

cudaError_t
cudaDriverGetVersion(int *version)
{
    *version = fault("driver") ? 0 : 13000;
    return cudaSuccess;
}

cudaError_t
cudaRuntimeGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

cudaError_t
cudaMemGetInfo(size_t *free, size_t *total)
{
    *total = whole_memory();
    *free = *total - C.used;
    return cudaSuccess;
}

cudaError_t
cudaMalloc(void **p, size_t bytes)
{
    *p = NULL;
    if (capturing())
        return fail(cudaErrorStreamCaptureUnsupported);
    if (!bytes)
        return cudaSuccess;
    if (bytes > whole_memory() - C.used)
        return fail(cudaErrorMemoryAllocation);
    /* exactly as long as asked for, so that a sanitizer sees the byte past the end */
    if (posix_memalign(p, 256, bytes))
        return fail(cudaErrorMemoryAllocation);
    memset(*p, 0xff, bytes);
    C.device[(char *)*p] = bytes;
    C.used += bytes;
    return cudaSuccess;
}

cudaError_t
cudaFree(void *p)
{
    if (!p)
        return cudaSuccess;
    const auto it = C.device.find((char *)p);
    if (it == C.device.end())
        return fail(cudaErrorInvalidValue);
    const cudaError_t e = cudaDeviceSynchronize(); /* as the real one */
    C.used -= it->second;
    C.device.erase(it);
    free(p);
    return e;
}

cudaError_t
cudaMallocHost(void **p, size_t bytes)
{
    *p = NULL;
    if (capturing())
        return fail(cudaErrorStreamCaptureUnsupported);
    if (posix_memalign(p, 256, bytes + !bytes))
        return fail(cudaErrorMemoryAllocation);
    memset(*p, 0xff, bytes);
    C.pinned[(char *)*p] = bytes;
    return cudaSuccess;
}

cudaError_t
cudaFreeHost(void *p)
{
    if (!p)
        return cudaSuccess;
    if (!C.pinned.erase((char *)p))
        return fail(cudaErrorInvalidValue);
    free(p);
    return cudaSuccess;
}

static bool
inside(const std::map<char *, size_t> &m, const void *p, size_t bytes)
{
    auto it = m.upper_bound((char *)p);
    if (it == m.begin())
        return false;
    --it;
    return (const char *)p + bytes <= it->first + it->second;
}

/* Pinned memory is read when the copy runs; other host memory, as on a card, at once. */
cudaError_t
cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                cudaStream_t s)
{
    const void *device = kind == cudaMemcpyDeviceToHost ? from : to;
    if (!bytes)
        return cudaSuccess;
    if (!inside(C.device, device, bytes) ||
        (kind == cudaMemcpyDeviceToDevice && !inside(C.device, from, bytes)))
        return fail(cudaErrorInvalidValue);
    if (kind == cudaMemcpyHostToDevice && !inside(C.pinned, from, bytes)) {
        if (s->graph)
            return fail(cudaErrorStreamCaptureUnsupported);
        const std::vector<char> kept((const char *)from, (const char *)from + bytes);
        emu_enqueue(s, [=] { memcpy(to, kept.data(), bytes); });
        return cudaSuccess;
    }
    emu_enqueue(s, [=] { memcpy(to, from, bytes); });
    return cudaSuccess;
}

cudaError_t
cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind)
{
    const cudaError_t e = cudaDeviceSynchronize();
    if (!e && bytes)
        memcpy(to, from, bytes);
    return e;
}

cudaError_t
cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t s)
{
    if (!bytes)
        return cudaSuccess;
    if (!inside(C.device, to, bytes))
        return fail(cudaErrorInvalidValue);
    emu_enqueue(s, [=] { memset(to, byte, bytes); });
    return cudaSuccess;
}

cudaError_t
cudaStreamCreate(cudaStream_t *s)
{
    const char *seed = getenv("MBERT_EMU_SEED");
    const enum emu_order order = (enum emu_order)(C.made++ % EMU_ORDERS);
    *s = new emu_stream();
    emu_schedule(*s, order, seed ? (uint32_t)atoi(seed) : 1);
    C.streams.insert(*s);
    return cudaSuccess;
}

cudaError_t
cudaStreamCreateWithFlags(cudaStream_t *s, unsigned)
{
    return cudaStreamCreate(s);
}

cudaError_t
cudaStreamSynchronize(cudaStream_t s)
{
    if (s->graph)
        return fail(cudaErrorStreamCaptureUnsupported);
    run_until(s, s->put);
    return cudaSuccess;
}

cudaError_t
cudaStreamDestroy(cudaStream_t s)
{
    run_until(s, s->put);
    C.streams.erase(s);
    delete s;
    return cudaSuccess;
}

cudaError_t
cudaDeviceSynchronize(void)
{
    if (capturing())
        return fail(cudaErrorStreamCaptureUnsupported);
    for (cudaStream_t s : C.streams)
        run_until(s, s->put);
    return cudaSuccess;
}

cudaError_t
cudaEventCreateWithFlags(cudaEvent_t *e, unsigned)
{
    *e = new emu_event();
    return cudaSuccess;
}

cudaError_t
cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    if (s->graph)
        return fail(cudaErrorStreamCaptureUnsupported);
    *e = { s, s->put };
    return cudaSuccess;
}

cudaError_t
cudaEventSynchronize(cudaEvent_t e)
{
    if (capturing())
        return fail(cudaErrorStreamCaptureUnsupported);
    if (e->s && C.streams.count(e->s))
        run_until(e->s, e->at);
    return cudaSuccess;
}

cudaError_t
cudaEventDestroy(cudaEvent_t e)
{
    delete e;
    return cudaSuccess;
}

cudaError_t
cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode)
{
    if (s->graph)
        return fail(cudaErrorInvalidValue);
    s->graph = new emu_graph();
    return cudaSuccess;
}

cudaError_t
cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *g)
{
    *g = s->graph;
    s->graph = NULL;
    return *g ? cudaSuccess : fail(cudaErrorInvalidValue);
}

cudaError_t
cudaGraphInstantiate(cudaGraphExec_t *x, cudaGraph_t g, unsigned long long)
{
    *x = new emu_graph(*g);
    return cudaSuccess;
}

cudaError_t
cudaGraphLaunch(cudaGraphExec_t x, cudaStream_t s)
{
    for (const job &work : x->jobs)
        emu_enqueue(s, work);
    return cudaSuccess;
}

cudaError_t
cudaGraphDestroy(cudaGraph_t g)
{
    delete g;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t x) { return cudaGraphDestroy(x); }
