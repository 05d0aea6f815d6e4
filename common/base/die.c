#include "common/base/die.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/base/progress.h"

enum { FILES = 32, PATH_BYTES = 4096 };

const char *argv0 = "?";
int quiet;

/*
 * The one private list of the house.  Temporary paths are kept as bytes, not pointers, so
 * that the signal handler needs nothing but unlink(2) and rmdir(2).
 */
static struct {
    struct { die_hook_fn *fn; void *arg; } hook[DIE_HOOKS];
    int hooks;
    char path[FILES][PATH_BYTES];
    volatile sig_atomic_t used[FILES];
    int watching, dying;
} leave;

static void
unlink_all(void)
{
    for (int i = 0; i < FILES; i++)
        if (leave.used[i])
            unlink(leave.path[i]);
    for (int i = 0; i < FILES; i++) /* a directory goes when the files in it are gone */
        if (leave.used[i])
            rmdir(leave.path[i]);
}

void
die_of_signal(int sig)
{
    unlink_all();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Names and bits of files stand in messages: a terminal must not obey what is in them. */
static void
disarm(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7F)
            *s = '?';
}

static _Noreturn void
leave_with(int status, int err, const char *tail, const char *fmt, va_list ap)
{
    char text[8192];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    n = n < 0 ? 0 : n >= (int)sizeof text ? (int)sizeof text - 1 : n;
    snprintf(text + n, sizeof text - (size_t)n, "%s%s%s", err ? ": " : "", err ? strerror(err) : "", tail);
    disarm(text);
    if (leave.dying)
        _exit(leave.dying);
    leave.dying = status;
    progress_clear();
    fprintf(stderr, "%s: %s\n", argv0, text);
    while (leave.hooks) {
        leave.hooks--;
        leave.hook[leave.hooks].fn(leave.hook[leave.hooks].arg, status, text);
    }
    unlink_all();
    /* stdio's buffers are dropped: half a line of data must not follow an error */
    _exit(status);
}

#define DIE(name, status, err, tail)          \
    void name(const char *fmt, ...)           \
    {                                         \
        const int e = (err);                  \
        va_list ap;                           \
        va_start(ap, fmt);                    \
        leave_with(status, e, tail, fmt, ap); \
    }
DIE(die_usage, EXIT_USAGE, 0, "; try --help")
DIE(die_data, EXIT_DATA, 0, "")
DIE(die_sys, EXIT_SYS, errno, "")

void
warn(const char *fmt, ...)
{
    char text[8192];
    va_list ap;
    if (quiet)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    disarm(text);
    progress_clear();
    fprintf(stderr, "%s: warning: %s\n", argv0, text);
}

void
die_hook(die_hook_fn *fn, void *arg)
{
    if (leave.hooks == DIE_HOOKS)
        abort();
    leave.hook[leave.hooks].fn = fn;
    leave.hook[leave.hooks++].arg = arg;
}

void
die_unhook(die_hook_fn *fn, void *arg)
{
    for (int i = leave.hooks - 1; i >= 0; i--)
        if (leave.hook[i].fn == fn && leave.hook[i].arg == arg) {
            memmove(leave.hook + i, leave.hook + i + 1, (size_t)(leave.hooks - i - 1) * sizeof leave.hook[0]);
            leave.hooks--;
            return;
        }
}

void
die_unlink(const char *path)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1 };
    if (strlen(path) >= PATH_BYTES)
        die_data("path too long: '%s'", path);
    for (size_t i = 0; !leave.watching && i < sizeof signals / sizeof *signals; i++) {
        struct sigaction a = { .sa_handler = die_of_signal }, old;
        if (!sigaction(signals[i], NULL, &old) && old.sa_handler == SIG_DFL)
            sigaction(signals[i], &a, NULL);
    }
    leave.watching = 1;
    for (int i = 0; i < FILES; i++)
        if (!leave.used[i]) {
            strcpy(leave.path[i], path);
            leave.used[i] = 1;
            return;
        }
    abort();
}

void
die_keep(const char *path)
{
    for (int i = 0; i < FILES; i++)
        if (leave.used[i] && !strcmp(leave.path[i], path)) {
            leave.used[i] = 0;
            return;
        }
}

void
stdout_close(void)
{
    errno = 0;
    if (ferror(stdout) || fclose(stdout))
        die_sys("can't write standard output");
}
