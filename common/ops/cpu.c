#include "common/ops/cpu.h"
#include <omp.h>
#include <stdio.h>
#include "common/base/die.h"
#include "common/base/mem.h"

const struct ops ops_cpu = {
    .name = "cpu",
#define _(op) .op = cpu_##op,
    OPS(_)
#undef _
};

struct ctx *
cpu_open(int threads, enum precision precision)
{
    struct ctx *c = mem_zalloc(1, sizeof *c);
    const int bf16 = precision == OP_BF16, int8 = precision == OP_INT8;
    assert(threads >= 0);
    c->threads = threads ? threads : omp_get_max_threads();
    c->isa = isa_pick();
    if ((bf16 || int8) && c->isa < ISA_BF16)
        die_usage("--dtype %s: '%s', what this processor multiplies with, has no such "
                  "products; use --dtype f32", bf16 ? "bf16" : "int8", isa_name(c->isa));
    if (precision == OP_AUTO)
        precision = c->isa >= ISA_BF16 ? OP_BF16 : OP_F32;
    c->precision = precision;
    if (precision != OP_PLAIN)
        c->f32 = kernel_pick(c->isa, F32);
    if (precision == OP_BF16 || precision == OP_INT8)
        c->bf16 = kernel_pick(c->isa, BF16);
    if (precision == OP_INT8)
        c->i8 = kernel_pick(c->isa, I8);
    return c;
}

enum precision
cpu_precision(struct ctx *c)
{
    return c->precision;
}

enum dtype
cpu_type(struct ctx *c)
{
    return c->bf16 ? BF16 : F32;
}

int
cpu_threads(struct ctx *c)
{
    return c->threads;
}

int
cpu_shares_memory(struct ctx *c)
{
    (void)c;
    return 1;
}

/* A call is all that starting an op costs here. */
int
cpu_replay(struct ctx *c, uint64_t key)
{
    (void)c;
    (void)key;
    return 0;
}

void
cpu_recorded(struct ctx *c)
{
    (void)c;
}

/* The type, words that depths are padded to, and the version of the form. */
const char *
cpu_packing(struct ctx *c)
{
    const struct kernel *k = c->i8 ? c->i8 : c->bf16 ? c->bf16 : c->f32;
    static const char *const types[] = { "", "f32", "bf16", "int8", "plain" };
    snprintf(c->packing, sizeof c->packing, "%s.%d.1", types[c->precision], k ? k->step : 0);
    return c->packing;
}

const char *
cpu_about(struct ctx *c)
{
    static const char *const types[] = { "", "f32", "bf16", "int8", "f32" };
    if (!c->f32)
        blas_open(c); /* writes its own name */
    else
        snprintf(c->about, sizeof c->about, "cpu, %d thread%s, %s %s", c->threads,
                 c->threads == 1 ? "" : "s", isa_name(c->isa), types[c->precision]);
    return c->about;
}

void
cpu_close(struct ctx *c)
{
    if (!c)
        return;
    mem_free(c->scratch.p);
    mem_free(c->left.p);
    mem_free(c->spare);
    mem_free(c);
}

static void *
space_for(struct space *s, size_t bytes)
{
    if (bytes > s->bytes) {
        mem_free(s->p);
        s->p = mem_aligned(bytes, 64);
        s->bytes = bytes;
    }
    return s->p;
}

void *
cpu_scratch(struct ctx *c, size_t n, size_t size)
{
    return space_for(&c->scratch, mem_mul(n, size));
}

void *
cpu_left(struct ctx *c, size_t bytes)
{
    return space_for(&c->left, bytes);
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
