#include "common/ops/kernel.h"

void
kernel_finish(struct meanwhile *m)
{
    if (m && m->done < m->rows)
        m->finish(m->arg, m->done, m->rows);
    if (m)
        m->done = m->rows;
}

#if defined __x86_64__
const struct kernel *
kernel_pick(enum isa isa, enum dtype type)
{
    if (type == F32)
        return isa >= ISA_AVX512 ? &kernel_avx512_f32 : NULL;
    if (type == BF16)
        return isa == ISA_AMX ? &kernel_amx_bf16 : isa == ISA_BF16 ? &kernel_bf16 : NULL;
    if (type == I8)
        return isa == ISA_AMX ? &kernel_amx_i8 : isa == ISA_BF16 ? &kernel_vnni : NULL;
    return NULL;
}
#else
const struct kernel *
kernel_pick(enum isa isa, enum dtype type)
{
    (void)isa, (void)type;
    return NULL;
}
#endif
