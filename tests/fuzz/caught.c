/*
 * caught - the die verbs of a fuzz target, put in place of the real ones by the linker
 * (--wrap): one process tries many inputs, so a refusal must come back.  The allocator is
 * wrapped too, for who dies does not clean up; shared libraries keep the real one.
 */
#include "tests/fuzz/fuzz.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"

enum { LIVE = 4096 };
struct catcher {
    jmp_buf back;
    int armed;
    char why[1024];
    size_t n;
    const void *live[LIVE]; /* allocated since armed and not freed */
};
DIE_FN __wrap_die_data(const char *fmt, ...);
DIE_FN __wrap_die_sys(const char *fmt, ...);
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
int __real_vasprintf(char **p, const char *fmt, va_list ap);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);
int __wrap_vasprintf(char **p, const char *fmt, va_list ap);

static struct catcher *
catcher(void)
{
    static struct catcher c;
    return &c;
}

static void *
got(void *p)
{
    struct catcher *c = catcher();

    if (c->armed && p && c->n < LIVE)
        c->live[c->n++] = p;
    return p;
}

static void
gone(const void *p)
{
    struct catcher *c = catcher();

    for (size_t i = c->n; i-- > 0;)
        if (c->live[i] == p) {
            c->live[i] = c->live[--c->n];
            return;
        }
}

void *
__wrap_malloc(size_t n)
{
    return got(__real_malloc(n));
}

void *
__wrap_calloc(size_t n, size_t size)
{
    return got(__real_calloc(n, size));
}

void *
__wrap_realloc(void *p, size_t n)
{
    gone(p);
    return got(__real_realloc(p, n));
}

void
__wrap_free(void *p)
{
    gone(p);
    __real_free(p);
}

int
__wrap_vasprintf(char **p, const char *fmt, va_list ap)
{
    const int n = __real_vasprintf(p, fmt, ap);

    if (n >= 0)
        got(*p);
    return n;
}

void
fuzz_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}

int
fuzz_refused(void fn(void *arg), void *arg, const char **why)
{
    struct catcher *c = catcher();

    c->n = 0;
    if (setjmp(c->back)) {
        *why = c->why;
        return 1;
    }
    c->armed = 1;
    fn(arg);
    c->armed = 0;
    c->n = 0;
    return 0;
}

void
fuzz_forget(void)
{
    struct catcher *c = catcher();

    while (c->n)
        __real_free((void *)(uintptr_t)c->live[--c->n]);
}

void
__wrap_die_data(const char *fmt, ...)
{
    struct catcher *c = catcher();
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->why, sizeof c->why, fmt, ap);
    va_end(ap);
    if (!c->armed)
        fuzz_failed(__FILE__, __LINE__, c->why);
    c->armed = 0;
    longjmp(c->back, 1);
}

void
__wrap_die_sys(const char *fmt, ...)
{
    char why[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    fuzz_failed(__FILE__, __LINE__, why);
}
