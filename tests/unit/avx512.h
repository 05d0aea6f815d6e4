#ifndef UNIT_AVX512_H
#define UNIT_AVX512_H
/*
 * avx512 - what tests built for AVX-512 (Makefile) share.  Their main() is ANY_CPU: like
 * avx512_run() it keeps to what every processor has.  cmocka.h goes before.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/half.h"
#include "common/base/mem.h"
#include "common/ops/isa.h"

#if defined __x86_64__
#define ANY_CPU __attribute__((target("no-avx")))
#else
#define ANY_CPU
#endif

static inline float
of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint32_t
bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

/* half_to_bf16, but subnormals become zero. */
static inline uint16_t
bf16_of(float x)
{
    return fabsf(x) < 0x1p-126f ? (uint16_t)(bits_of(x) >> 31 << 15) : half_to_bf16(x);
}

/* A test that wants that instruction set and what it builds on. */
struct avx512_test { const char *name; void (*f)(void **state); enum isa isa; };
enum { AVX512_TESTS = 16 };

static inline void
avx512_absent(void **state)
{
    (void)state;
}

/* Those that the processor lacks the set for are SKIP. */
ANY_CPU static inline int
avx512_run(const struct avx512_test *tests, int n)
{
    struct CMUnitTest all[AVX512_TESTS];
    const enum isa best = isa_pick();
    assert_true(n <= AVX512_TESTS);
    for (int i = 0; i < n; i++) {
        const int have = tests[i].isa <= best;
        all[i].name = have ? mem_strdup(tests[i].name)
                           : mem_printf("%s # SKIP no %s here", tests[i].name,
                                        isa_name(tests[i].isa));
        all[i].test_func = have ? tests[i].f : avx512_absent;
        all[i].setup_func = all[i].teardown_func = NULL;
        all[i].initial_state = NULL;
    }
    const int failed = _cmocka_run_group_tests("avx512", all, (size_t)n, NULL, NULL);
    for (int i = 0; i < n; i++)
        mem_free((char *)(uintptr_t)all[i].name);
    return failed;
}
#endif
