/* blas - OpenBLAS, opened by the first product so that no tool pays for it at start. */
#include "common/ops/cpu.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"

static void *
symbol(void *lib, const char *name)
{
    void *p = dlsym(lib, name);
    if (!p) {
        errno = 0;
        die_sys("cannot use 'libopenblas.so.0': it has no %s; install libopenblas0-pthread",
                name);
    }
    return p;
}

/*
 * One thread inside the library: the threads are ours.  Some machines set OPENBLAS_CORETYPE
 * to one value for a whole fleet, often a slow one; the library's own choice is better.
 */
static void *
library(void)
{
    unsetenv("OPENBLAS_CORETYPE");
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    void *lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        errno = 0;
        die_sys("cannot load 'libopenblas.so.0': install the Debian package "
                "libopenblas0-pthread (%s)",
                dlerror());
    }
    return lib;
}

void
blas_open(struct ctx *c)
{
    if (c->sgemm)
        return;
    void *lib = library();
    void (*one_thread)(int);
    char *(*config)(void), *(*core)(void);
    void *p = symbol(lib, "openblas_set_num_threads");
    memcpy(&one_thread, &p, sizeof p);
    one_thread(1);
    p = symbol(lib, "openblas_get_config");
    memcpy(&config, &p, sizeof p);
    p = symbol(lib, "openblas_get_corename");
    memcpy(&core, &p, sizeof p);
    p = symbol(lib, "cblas_sgemm");
    memcpy(&c->sgemm, &p, sizeof p);
    /* the config begins "OpenBLAS 0.3.21 " */
    const char *space = strchr(config(), ' '), *end = space ? strchr(space + 1, ' ') : NULL;
    const int n = end ? (int)(end - config()) : (int)strlen(config());
    snprintf(c->about, sizeof c->about, "cpu, %d thread%s, %.*s %s", c->threads,
             c->threads == 1 ? "" : "s", n < 80 ? n : 80, config(), core());
}
