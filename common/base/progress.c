#include "common/base/progress.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "common/base/die.h"

/* When the line was last drawn, and whether one stands on the screen. */
static struct { double drawn, noted; int standing; } line;

double
progress_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void
progress(const char *fmt, ...)
{
    const double now = progress_clock();
    va_list ap;
    if (quiet || now - line.drawn < 0.1 || !isatty(STDERR_FILENO))
        return;
    line.drawn = now;
    line.standing = 1;
    fputc('\r', stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("\033[K", stderr);
    fflush(stderr);
}

void
progress_note(double every, const char *fmt, ...)
{
    const double now = progress_clock();
    va_list ap;
    if (quiet || isatty(STDERR_FILENO) || (line.noted > 0 && now - line.noted < every))
        return;
    line.noted = now;
    fprintf(stderr, "%s: ", argv0);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

void
progress_clear(void)
{
    if (!line.standing)
        return;
    line.standing = 0;
    fputs("\r\033[K", stderr);
    fflush(stderr);
}
