/*
 * caught - the die verbs of a fuzz target, put in place of the real ones by the linker
 * (--wrap): one process tries many inputs, so a refusal must come back.
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
    int armed, watching;
    char why[1024];
    size_t n;
    const volatile void *live[LIVE]; /* allocated since armed and not freed */
};
DIE_FN __wrap_die_data(const char *fmt, ...);
DIE_FN __wrap_die_sys(const char *fmt, ...);
/* AddressSanitizer's; absent in other builds */
int __sanitizer_install_malloc_and_free_hooks(void (*got)(const volatile void *, size_t),
                                              void (*freed)(const volatile void *))
    __attribute__((weak));

static struct catcher *
catcher(void)
{
    static struct catcher c;
    return &c;
}

static void
got(const volatile void *p, size_t n)
{
    struct catcher *c = catcher();

    (void)n;
    if (c->armed && c->n < LIVE)
        c->live[c->n++] = p;
}

static void
freed(const volatile void *p)
{
    struct catcher *c = catcher();

    for (size_t i = c->n; i-- > 0;)
        if (c->live[i] == p) {
            c->live[i] = c->live[--c->n];
            return;
        }
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

    if (!c->watching && __sanitizer_install_malloc_and_free_hooks)
        __sanitizer_install_malloc_and_free_hooks(got, freed);
    c->watching = 1;
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
        free((void *)(uintptr_t)c->live[c->n - 1]);
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
