#include "common/ops/ops.h"
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/ops/cpu.h"

static const char name_of_module[] = "mbert-cuda.so";

/* path = the module at `place` from the executable's directory; 0 when it is not there. */
static int
beside(char path[PATH_MAX], const char *place)
{
    char self[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return 0;
    self[n] = 0;
    *strrchr(self, '/') = 0;
    const int m = snprintf(path, PATH_MAX, "%s/%s%s", self, place, name_of_module);
    return m < PATH_MAX && !access(path, R_OK);
}

/* The module's path: MBERT_CUDA, in the build or the installation, or NULL. */
static const char *
module_path(char path[PATH_MAX])
{
    const char *set = getenv("MBERT_CUDA");
    if (set && *set)
        return set;
    return beside(path, "") || beside(path, "../lib/mbert-tools/") ? path : NULL;
}

/* What a module exports: its table, and why its device cannot be used, or NULL. */
struct module { const struct ops *ops; const char *(*absent)(void); };

/* The module, which stays loaded; NULL members: it is not there, or *why it is of no use. */
static struct module
module_open(const char **why)
{
    struct module m = { NULL, NULL };
    char found[PATH_MAX];
    const char *path = module_path(found);
    *why = NULL;
    if (!path)
        return m;
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (lib) {
        m.ops = dlsym(lib, "ops_cuda");
        *(void **)&m.absent = dlsym(lib, "ops_cuda_absent");
    }
    if (!m.ops || !m.absent)
        *why = lib ? "it does not export ops_cuda" : dlerror();
    return m;
}

const struct ops *
ops_find(const char *name)
{
    const int any = !strcmp(name, "auto");
    const char *why;
    if (!strcmp(name, "cpu"))
        return &ops_cpu;
    if (!any && strcmp(name, "cuda"))
        return NULL;
    const struct module m = module_open(&why);
    if (any)
        return why || !m.ops || m.absent() ? &ops_cpu : m.ops;
    errno = 0;
    if (why)
        die_sys("--device cuda: can't load the module: %s", why);
    return m.ops;
}
