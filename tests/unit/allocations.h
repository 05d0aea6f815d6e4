#ifndef UNIT_ALLOCATIONS_H
#define UNIT_ALLOCATIONS_H
/*
 * allocations - counts what this program's own code allocates: `allocations` so far, by any
 * thread.  Shared libraries' own are not counted (libgomp makes teams as it likes).  Where
 * it can't be done (COUNTS 0: another libc, AddressSanitizer) the count stays 0.
 */
#include <stddef.h>
#include <stdlib.h>

#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__
enum { COUNTS = 1 };
extern char __executable_start, etext;
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t),
    *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
static int allocations;

static inline void
count(const void *caller)
{
    if ((const char *)caller >= &__executable_start && (const char *)caller < &etext)
        __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
}

void *
malloc(size_t n)
{
    count(__builtin_return_address(0));
    return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
    count(__builtin_return_address(0));
    return __libc_realloc(p, n);
}

void *
aligned_alloc(size_t align, size_t n)
{
    count(__builtin_return_address(0));
    return __libc_memalign(align, n);
}

int
posix_memalign(void **p, size_t align, size_t n)
{
    count(__builtin_return_address(0));
    *p = __libc_memalign(align, n);
    return *p ? 0 : 12;
}
#else
enum { COUNTS = 0 };
static int allocations;
#endif
#endif
