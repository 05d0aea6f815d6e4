#include "common/ops/isa.h"
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/base/die.h"

static const char *const names[] = { "generic", "avx512", "bf16", "amx" };

#if defined __x86_64__ && defined __GNUC__
#include <cpuid.h>

/* gcc 12's __builtin_cpu_supports does not know the tile features: leaf 7, edx. */
enum { EDX_AMX_BF16 = 1 << 22, EDX_AMX_TILE = 1 << 24, EDX_AMX_INT8 = 1 << 25 };
enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

int
isa_amx_permit(void)
{
    unsigned a, b, c, d;
    const unsigned need = EDX_AMX_BF16 | EDX_AMX_TILE | EDX_AMX_INT8;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & need) != need)
        return 0;
    return !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA);
}

static enum isa
isa_best(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
        return ISA_GENERIC;
    const int bf16 = __builtin_cpu_supports("avx512bf16") &&
                     __builtin_cpu_supports("avx512vnni");
    if (!bf16)
        return ISA_AVX512;
    return isa_amx_permit() ? ISA_AMX : ISA_BF16;
}
#else
int
isa_amx_permit(void)
{
    return 0;
}

static enum isa
isa_best(void)
{
    return ISA_GENERIC;
}
#endif

const char *
isa_name(enum isa isa)
{
    return names[isa];
}

enum isa
isa_pick(void)
{
    const char *want = getenv("MBERT_CPU");
    const enum isa best = isa_best();
    if (!want || !*want)
        return best;
    if (!strcmp(want, "avx2"))
        return ISA_GENERIC;
    for (int i = ISA_GENERIC; i <= ISA_AMX; i++)
        if (!strcmp(want, names[i])) {
            if (i > (int)best)
                die_usage("MBERT_CPU=%s: this processor has at most '%s'", want,
                          names[best]);
            return (enum isa)i;
        }
    die_usage("MBERT_CPU=%s: not one of generic, avx2, avx512, bf16, amx", want);
}
