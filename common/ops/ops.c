#include "common/ops/ops.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "common/ops/cpu.h"

static const char module[] = "mbert-cuda.so";

/* The module beside the executable, or else where the loader looks; it stays loaded. */
static const struct ops *
cuda_module(void)
{
    char path[PATH_MAX + sizeof module];
    void *lib = NULL;
    const ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
    if (n > 0) {
        path[n] = 0;
        snprintf(strrchr(path, '/') + 1, sizeof module, "%s", module);
        lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    }
    if (!lib)
        lib = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    return lib ? dlsym(lib, "ops_cuda") : NULL;
}

const struct ops *
ops_find(const char *name)
{
    const int any = !strcmp(name, "auto");
    if (!strcmp(name, "cpu"))
        return &ops_cpu;
    if (!any && strcmp(name, "cuda"))
        return NULL;
    const struct ops *cuda = cuda_module();
    return cuda || !any ? cuda : &ops_cpu;
}
