#include "common/ops/cpu.h"
#include <omp.h>
#include "common/base/die.h"
#include "common/base/mem.h"

const struct ops ops_cpu = {
    .name = "cpu",
#define _(op) .op = cpu_##op,
    OPS(_)
#undef _
};

struct ctx *
cpu_open(int threads)
{
    struct ctx *c = mem_zalloc(1, sizeof *c);
    assert(threads >= 0);
    c->threads = threads ? threads : omp_get_max_threads();
    return c;
}

void
cpu_close(struct ctx *c)
{
    if (!c)
        return;
    mem_free(c->scratch);
    mem_free(c);
}

void *
cpu_scratch(struct ctx *c, size_t n, size_t size)
{
    const size_t bytes = mem_mul(n, size);
    if (bytes > c->scratch_bytes) {
        mem_free(c->scratch);
        c->scratch = mem_aligned(bytes, 64);
        c->scratch_bytes = bytes;
    }
    return c->scratch;
}

struct shares
cpu_shares(struct ctx *c, size_t per)
{
    per = mem_add(per, 15) & ~(size_t)15;
    return (struct shares){ cpu_scratch(c, mem_mul(per, (size_t)c->threads), sizeof(float)),
                            per };
}

float *
cpu_share(struct shares s)
{
    return s.p + s.per * (size_t)omp_get_thread_num();
}
