#include "common/base/mem.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/base/die.h"

static void *
got(void *p, size_t bytes)
{
    if (!p) {
        errno = 0;
        die_sys("out of memory (%zu bytes)", bytes);
    }
    return p;
}

size_t
mem_add(size_t a, size_t b)
{
    size_t r;
    if (!size_add(a, b, &r)) {
        errno = 0;
        die_sys("size too large: %zu + %zu bytes", a, b);
    }
    return r;
}

size_t
mem_mul(size_t a, size_t b)
{
    size_t r;
    if (!size_mul(a, b, &r)) {
        errno = 0;
        die_sys("size too large: %zu x %zu bytes", a, b);
    }
    return r;
}

void *
mem_alloc(size_t bytes)
{
    return got(malloc(bytes ? bytes : 1), bytes);
}

void *
mem_zalloc(size_t n, size_t size)
{
    const size_t bytes = mem_mul(n, size);
    return got(calloc(1, bytes ? bytes : 1), bytes);
}

void *
mem_array(size_t n, size_t size)
{
    return mem_alloc(mem_mul(n, size));
}

void *
mem_realloc(void *p, size_t n, size_t size)
{
    const size_t bytes = mem_mul(n, size);
    return got(realloc(p, bytes ? bytes : 1), bytes);
}

void *
mem_aligned(size_t bytes, size_t align)
{
    void *p = NULL;
    if (posix_memalign(&p, align, bytes ? bytes : 1))
        p = NULL;
    return memset(got(p, bytes), 0, bytes);
}

void *
mem_filled(size_t n, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    char *p = mem_zalloc(n, size);
    const uintptr_t end = (uintptr_t)p + n * size;
    const uintptr_t from = ((uintptr_t)p + page) & ~(page - 1);

    if (from < end) /* may fail, where the kernel is older: then each page faults */
        madvise((void *)from, end - from, MADV_POPULATE_WRITE);
    return p;
}

void *
mem_map(size_t bytes, int large)
{
    const size_t align = large ? (size_t)2 << 20 : 0;
    char *p = mmap(NULL, mem_add(bytes, align), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t skip;

    got(p == MAP_FAILED ? NULL : p, bytes);
    if (!large)
        return p;
    skip = (align - (uintptr_t)p % align) % align;
    if (skip)
        munmap(p, skip);
    if (align - skip)
        munmap(p + skip + bytes, align - skip);
    madvise(p + skip, bytes, MADV_HUGEPAGE);
    return p + skip;
}

void
mem_unmap(void *p, size_t bytes)
{
    if (p)
        munmap(p, bytes);
}

void
mem_free(void *p)
{
    free(p);
}

char *
mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

char *
mem_strndup(const char *s, size_t n)
{
    char *p = mem_alloc(mem_add(n, 1));
    if (n)
        memcpy(p, s, n);
    p[n] = 0;
    return p;
}

char *
mem_printf(const char *fmt, ...)
{
    char *p = NULL;
    va_list ap;
    va_start(ap, fmt);
    const int n = vasprintf(&p, fmt, ap);
    va_end(ap);
    return got(n < 0 ? NULL : p, strlen(fmt));
}

void *
buf_room(struct buf *b, size_t more)
{
    const size_t need = mem_add(b->n, more);
    if (need > b->cap) {
        const size_t twice = b->cap < (size_t)1 << 62 ? b->cap * 2 : need;
        b->cap = need > twice ? need : twice;
        if (b->cap < 256)
            b->cap = 256;
        b->p = mem_realloc(b->p, b->cap, 1);
    }
    return b->p ? b->p + b->n : NULL; /* no room asked of an empty one */
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
    void *to = buf_room(b, n);
    if (n)
        memcpy(to, p, n);
    b->n += n;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(buf_room(b, 128), 128, fmt, ap);
    va_end(ap);
    if (n >= 128) {
        va_start(ap, fmt);
        n = vsnprintf(buf_room(b, (size_t)n + 1), (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    assert(n >= 0);
    b->n += (size_t)n;
}

void *
arena_take(struct arena *a, size_t n, size_t size)
{
    const size_t at = a->used, bytes = mem_mul(n, size);
    a->used = mem_add(at, mem_add(bytes, 63) & ~(size_t)63);
    if (a->used > a->peak)
        a->peak = a->used;
    return a->base ? a->base + at : NULL;
}
