/*
 * replay - runs that come again, as CUDA graphs: a short batch is two hundred launches, and
 * each costs the host more than the card.  What comes once is run as it is; the second time
 * it is captured, from then on started with one call.
 */
#include "gpu/cuda.cuh"

enum { KEPT = 64 };
struct replay { uint64_t key, used; int seen; cudaGraphExec_t exec; };
struct replays {
    struct replay slot[KEPT];
    uint64_t clock;
    struct replay *recording;
};

void
replays_open(struct ctx *c)
{
    c->replays = (struct replays *)mem_zalloc(1, sizeof *c->replays);
}

static void
drop(struct replay *r)
{
    if (r->exec)
        cudaGraphExecDestroy(r->exec);
    *r = {};
}

void
replays_forget(struct ctx *c)
{
    assert(!c->replays->recording);
    for (int i = 0; i < KEPT; i++)
        drop(&c->replays->slot[i]);
}

void
replays_close(struct ctx *c)
{
    replays_forget(c);
    mem_free(c->replays);
    c->replays = NULL;
}

/* The slot of key; else the one that was used longest ago, emptied. */
static struct replay *
slot_of(struct ctx *c, uint64_t key)
{
    struct replays *all = c->replays;
    struct replay *oldest = &all->slot[0];
    for (int i = 0; i < KEPT; i++) {
        if (all->slot[i].seen && all->slot[i].key == key)
            return &all->slot[i];
        if (all->slot[i].used < oldest->used)
            oldest = &all->slot[i];
    }
    if (oldest->exec)
        cuda_sync(c); /* it may be running */
    drop(oldest);
    oldest->key = key;
    return oldest;
}

int
cuda_replay(struct ctx *c, uint64_t key)
{
    struct replays *all = c->replays;
    assert(!all->recording);
    struct replay *r = slot_of(c, key);
    r->used = ++all->clock;
    r->seen++;
    if (r->exec) {
        cuda_check(cudaGraphLaunch(r->exec, c->stream), "a graph");
        return 1;
    }
    if (r->seen > 1) {
        cuda_check(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal),
                   "a capture");
        all->recording = r;
    }
    return 0;
}

void
cuda_recorded(struct ctx *c)
{
    struct replay *r = c->replays->recording;
    cudaGraph_t graph;
    if (!r)
        return;
    c->replays->recording = NULL;
    cuda_check(cudaStreamEndCapture(c->stream, &graph), "a capture");
    cuda_check(cudaGraphInstantiate(&r->exec, graph, 0), "a graph");
    cuda_check(cudaGraphDestroy(graph), "a graph");
    cuda_check(cudaGraphLaunch(r->exec, c->stream), "a graph");
}
