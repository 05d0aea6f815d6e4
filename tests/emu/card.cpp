/* card.cpp - what the emulated card tells of itself, and the errors.  Compiled without
 * sanitizers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "card.h"

cudaError_t
card_fail(cudaError_t e)
{
    return C.last = e;
}

const char *
cudaGetErrorString(cudaError_t e)
{
    switch (e) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorStreamCaptureUnsupported: return "not permitted while a stream is captured";
    }
    return "unknown error";
}

cudaError_t
cudaGetLastError(void)
{
    const cudaError_t e = C.last;
    C.last = cudaSuccess;
    return e;
}

cudaError_t cudaPeekAtLastError(void) { return C.last; }

static bool
fault(const char *name)
{
    const char *set = getenv("MBERT_EMU_FAULT");
    return set && !strcmp(set, name);
}

cudaError_t
cudaGetDeviceCount(int *n)
{
    *n = 0;
    if (fault("driver"))
        return card_fail(cudaErrorInsufficientDriver);
    if (fault("card"))
        return card_fail(cudaErrorNoDevice);
    *n = 1;
    return cudaSuccess;
}

cudaError_t
cudaGetDevice(int *device)
{
    *device = 0;
    return cudaSuccess;
}

size_t
card_memory(void)
{
    const char *set = getenv("MBERT_EMU_MEMORY");
    return set ? strtoull(set, NULL, 10) : (size_t)16 << 30;
}

cudaError_t
cudaGetDeviceProperties(struct cudaDeviceProp *p, int)
{
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "emulated card");
    p->major = fault("old") ? 7 : 8;
    p->minor = fault("old") ? 5 : 0;
    p->multiProcessorCount = 2;
    p->totalGlobalMem = card_memory();
    return cudaSuccess;
}

cudaError_t
cudaDriverGetVersion(int *version)
{
    *version = fault("driver") ? 0 : 13000;
    return cudaSuccess;
}

cudaError_t
cudaRuntimeGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

cudaError_t
cudaMemGetInfo(size_t *free, size_t *total)
{
    *total = card_memory();
    *free = *total - C.used;
    return cudaSuccess;
}
