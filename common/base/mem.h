#ifndef BASE_MEM_H
#define BASE_MEM_H
/*
 * mem - allocation that cannot fail and sizes that cannot wrap.
 *
 * mem_add, mem_mul: checked size_t arithmetic; on overflow they die_sys "size too large".
 * Use them on the exact value that is allocated, after every rounding.  For decoders that
 * must not die use size_add/size_mul, which return 0 on overflow and leave *r unset.
 * Allocation failure is die_sys("out of memory (N bytes)").
 */
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
size_t mem_add(size_t a, size_t b);
size_t mem_mul(size_t a, size_t b);
static inline int size_add(size_t a, size_t b, size_t *r) { return !__builtin_add_overflow(a, b, r); }
static inline int size_mul(size_t a, size_t b, size_t *r) { return !__builtin_mul_overflow(a, b, r); }

void *mem_alloc(size_t bytes);                       /* uninitialised; 0 bytes gives a unique pointer */
void *mem_zalloc(size_t n, size_t size);             /* n * size zero bytes, checked */
void *mem_array(size_t n, size_t size);              /* n * size bytes, checked, uninitialised */
void *mem_realloc(void *p, size_t n, size_t size);   /* to n * size bytes */
void *mem_aligned(size_t bytes, size_t align);       /* zeroed; free with mem_free */
void mem_free(void *p);                              /* accepts NULL */
/* As mem_zalloc, for what will be filled to its end: all its pages at once. */
void *mem_filled(size_t n, size_t size);
/*
 * Zeroed pages straight from the system, for tables of a megabyte and more that are looked up
 * at random; large: aligned to 2 MiB and in large pages, if there are any.  They go back with
 * mem_unmap and the same size.
 */
void *mem_map(size_t bytes, int large);
void mem_unmap(void *p, size_t bytes);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);          /* copies n bytes (NULs too) and adds a NUL */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* a fresh string */

/* A growing array of bytes: struct buf b = {0}; ... mem_free(b.p) */
struct buf { char *p; size_t n, cap; };
void *buf_room(struct buf *b, size_t more);          /* at least `more` bytes free after n; returns p + n */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * A placement arena.  A placing function runs twice: with base NULL it only measures
 * (used becomes the size), with base set it hands out addresses.  Blocks are 64-byte
 * aligned.
 */
struct arena { char *base; size_t used, peak; };
void *arena_take(struct arena *a, size_t n, size_t size);
#ifdef __cplusplus
}
#endif
#endif
