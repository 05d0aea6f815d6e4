/*
 * backend - which backend a test program runs: MBERT_BACKEND = cpu (the default), cuda, or
 * emu, which is the module that MBERT_CUDA names, else tests/emu/mbert-emu.so of this build.
 */
#ifndef TESTS_BACKEND_H
#define TESTS_BACKEND_H
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/ops/ops.h"

static inline const char *
backend_name(void)
{
    const char *name = getenv("MBERT_BACKEND");
    return name && *name ? name : "cpu";
}

static inline int
backend_is_cpu(void)
{
    return !strcmp(backend_name(), "cpu");
}

/* From .../tests/ROOM/PROGRAM to .../tests/emu; 0: it is not there. */
static inline int
backend_emulated(void)
{
    char path[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
    if (n <= 0)
        return 0;
    path[n] = 0;
    *strrchr(path, '/') = 0;
    *strrchr(path, '/') = 0;
    strcat(path, "/emu/mbert-emu.so");
    return !access(path, R_OK) && !setenv("MBERT_CUDA", path, 0);
}

/* NULL: not in this build. */
static inline const struct ops *
backend_find(void)
{
    if (strcmp(backend_name(), "emu"))
        return ops_find(backend_name());
    return getenv("MBERT_CUDA") || backend_emulated() ? ops_find("cuda") : NULL;
}
#endif
