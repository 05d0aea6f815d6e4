#include "common/ops/packed.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "common/base/die.h"
#include "common/base/half.h"
#include "common/base/mem.h"

/*
 * Large blocks in huge pages: weights and activations together are far more small pages than
 * the processor's table of them, and small pages collide in the second cache.
 */
static void
use_huge_pages(char *p, size_t bytes)
{
    const uintptr_t huge = 2 << 20;
    const uintptr_t from = ((uintptr_t)p + huge - 1) & ~(huge - 1),
                    to = ((uintptr_t)p + bytes) & ~(huge - 1);
    if (from < to)
        madvise((void *)from, to - from, MADV_HUGEPAGE);
}

/* A number at the start of a file, in units of `unit` bytes; SIZE_MAX when there is none. */
static size_t
limit_in(const char *path, const char *key, size_t unit)
{
    char line[128];
    size_t found = SIZE_MAX;
    FILE *f = fopen(path, "r");
    while (f && found == SIZE_MAX && fgets(line, sizeof line, f)) {
        char *end, *at = line + strlen(key);
        if (strncmp(line, key, strlen(key)))
            continue;
        const unsigned long long n = strtoull(at, &end, 10);
        if (end != at)
            found = n < SIZE_MAX / unit ? (size_t)n * unit : SIZE_MAX - 1;
    }
    if (f)
        fclose(f);
    return found;
}

size_t
cpu_room(struct ctx *c)
{
    const size_t machine = limit_in("/proc/meminfo", "MemAvailable:", 1024),
                 most = limit_in("/sys/fs/cgroup/memory.max", "", 1),
                 used = limit_in("/sys/fs/cgroup/memory.current", "", 1);
    const size_t group = most == SIZE_MAX || used == SIZE_MAX ? SIZE_MAX
                         : most > used                        ? most - used
                                                              : 0;
    (void)c;
    return machine < group ? machine : group;
}

/*
 * calloc, not an aligned allocation cleared by hand: large blocks come as untouched zero
 * pages, so activations that a short batch does not reach cost no memory.  What calloc
 * returned is kept just before the aligned block.
 */
void *
cpu_alloc(struct ctx *c, size_t bytes)
{
    (void)c;
    char *raw = calloc(1, mem_add(bytes, 128));
    if (!raw) {
        errno = 0;
        die_sys("out of memory (%zu bytes)", bytes);
    }
    use_huge_pages(raw, bytes + 128);
    char *p = raw + 128 - (uintptr_t)raw % 64;
    memcpy(p - sizeof raw, &raw, sizeof raw);
    return p;
}

void
cpu_free(struct ctx *c, void *p)
{
    void *raw;
    (void)c;
    if (!p)
        return;
    memcpy(&raw, (char *)p - sizeof raw, sizeof raw);
    free(raw);
}

void *
cpu_host_alloc(struct ctx *c, size_t bytes)
{
    return cpu_alloc(c, bytes);
}

void
cpu_host_free(struct ctx *c, void *p)
{
    cpu_free(c, p);
}

void
cpu_upload(struct ctx *c, void *device, const void *host, size_t bytes)
{
    (void)c;
    if (bytes)
        memcpy(device, host, bytes);
}

void
cpu_download(struct ctx *c, void *host, const void *device, size_t bytes)
{
    (void)c;
    if (bytes)
        memcpy(host, device, bytes);
}

void
cpu_fetch(struct ctx *c, void *host, const void *device, size_t bytes)
{
    cpu_download(c, host, device, bytes);
}

void
cpu_fetched(struct ctx *c, int later)
{
    (void)c;
    (void)later;
}

void
cpu_zero(struct ctx *c, void *device, size_t bytes)
{
    enum { PIECE = 1 << 18 };
    if (!bytes)
        return;
#pragma omp parallel for num_threads(c->threads) if (bytes > 4 * PIECE)
    for (size_t at = 0; at < bytes; at += PIECE)
        memset((char *)device + at, 0, bytes - at < PIECE ? bytes - at : PIECE);
}

void
cpu_sync(struct ctx *c)
{
    (void)c;
}

static const struct kernel *
kernel_of(const struct ctx *c, enum weight_use use)
{
    if (use == WEIGHT_HEAD)
        return c->f32;
    if (use == WEIGHT_BACKWARD)
        return c->bf16;
    if (use == WEIGHT_FINE)
        return c->bf16 ? c->bf16 : c->f32;
    return c->i8 ? c->i8 : c->bf16 ? c->bf16 : c->f32;
}

/*
 * Panels for the kernel of the run.  Without one, F32 weights are used where they lie;
 * others are widened once, and both directions use that.
 */
size_t
cpu_weight_size(struct ctx *c, struct mat w, enum weight_use use)
{
    const struct kernel *k = kernel_of(c, use);
    if (k)
        return packed_size(k, w, use == WEIGHT_BACKWARD);
    if (w.type == F32 || use == WEIGHT_BACKWARD)
        return 0;
    return mem_mul(mem_mul((size_t)w.rows, (size_t)w.cols), sizeof(float));
}

void
cpu_weight_pack(struct ctx *c, void *blob, struct mat w, enum weight_use use)
{
    const struct kernel *k = kernel_of(c, use);
    assert(cpu_weight_size(c, w, use));
    if (k) {
        packed_fill(c, k, blob, w, use == WEIGHT_BACKWARD);
        return;
    }
    const size_t size = dtype_size(w.type);
    CPU_ROWS
    for (int r = 0; r < w.rows; r++)
        half_widen((float *)blob + (size_t)r * (size_t)w.cols,
                   (const char *)w.p + (size_t)r * (size_t)w.ld * size, w.type,
                   (size_t)w.cols);
}

const float *
weight_f32(const struct weight *W)
{
    assert(W->w.ld == W->w.cols && (W->w.type == F32 || W->fwd));
    return W->w.type == F32 ? W->w.p : W->fwd;
}
