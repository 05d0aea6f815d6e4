/* runtime.cpp - memory, streams, events and graphs behind the emulation's cuda_runtime.h.
 * Compiled without sanitizers, as emu.cpp is. */
#include <deque>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>
#include "card.h"

typedef std::function<void()> job;
struct emu_stream {
    struct emu_turn turn;
    std::deque<job> queue;
    uint64_t put, ran;       /* jobs so far */
    struct emu_graph *graph; /* being captured */
};
struct emu_event { cudaStream_t s; uint64_t at; };
struct emu_graph { std::vector<job> jobs; };

struct card C;

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

cudaError_t
cudaMalloc(void **p, size_t bytes)
{
    *p = NULL;
    if (capturing())
        return card_fail(cudaErrorStreamCaptureUnsupported);
    if (!bytes)
        return cudaSuccess;
    if (bytes > card_memory() - C.used)
        return card_fail(cudaErrorMemoryAllocation);
    /* exactly as long as asked for, so that a sanitizer sees the byte past the end */
    if (posix_memalign(p, 256, bytes))
        return card_fail(cudaErrorMemoryAllocation);
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
        return card_fail(cudaErrorInvalidValue);
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
        return card_fail(cudaErrorStreamCaptureUnsupported);
    if (posix_memalign(p, 256, bytes + !bytes))
        return card_fail(cudaErrorMemoryAllocation);
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
        return card_fail(cudaErrorInvalidValue);
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
        return card_fail(cudaErrorInvalidValue);
    if (kind == cudaMemcpyHostToDevice && !inside(C.pinned, from, bytes)) {
        if (s->graph)
            return card_fail(cudaErrorStreamCaptureUnsupported);
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
        return card_fail(cudaErrorInvalidValue);
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
        return card_fail(cudaErrorStreamCaptureUnsupported);
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
        return card_fail(cudaErrorStreamCaptureUnsupported);
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
        return card_fail(cudaErrorStreamCaptureUnsupported);
    *e = { s, s->put };
    return cudaSuccess;
}

cudaError_t
cudaEventSynchronize(cudaEvent_t e)
{
    if (capturing())
        return card_fail(cudaErrorStreamCaptureUnsupported);
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
        return card_fail(cudaErrorInvalidValue);
    s->graph = new emu_graph();
    return cudaSuccess;
}

cudaError_t
cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *g)
{
    *g = s->graph;
    s->graph = NULL;
    return *g ? cudaSuccess : card_fail(cudaErrorInvalidValue);
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
