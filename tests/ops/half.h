/*
 * half - contexts that compute in BF16 (or PRECISION, when that is defined before), one setup
 * for each instruction set that has it, and one for another backend than cpu; a test of one
 * that this machine lacks is skipped.  Values that BF16 holds exactly.
 */
#include "common/ops/isa.h"
#ifndef PRECISION
#define PRECISION OP_BF16
#endif

static inline int
setup(void **s, enum isa isa)
{
    unsetenv("MBERT_CPU");
    *s = NULL;
    if (isa_pick() < isa)
        return 0;
    setenv("MBERT_CPU", isa_name(isa), 1);
    *s = rig_open_as(PRECISION);
    unsetenv("MBERT_CPU");
    return 0;
}

static inline int
setup_bf16(void **s)
{
    return setup(s, ISA_BF16);
}

static inline int
setup_amx(void **s)
{
    return setup(s, ISA_AMX);
}

static inline int
setup_device(void **s)
{
    *s = rig_open_as(PRECISION);
    return 0;
}

static inline int
teardown(void **s)
{
    return *s ? rig_teardown(s) : 0;
}

static inline struct rig *
rig_of(void **state)
{
    assert_non_null(*state);
    return *state;
}

static inline void
absent(void **state)
{
    (void)state;
}

/* Of each test one, by the backend that is run, under its name: "TEST emu bf16". */
static inline int
half_run_device(struct CMUnitTest *tests, int n)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        if (tests[i].setup_func == setup_bf16)
            tests[count++] = (struct CMUnitTest){
                mem_printf("%.*s%s bf16", (int)strcspn(tests[i].name, " ") + 1,
                           tests[i].name, backend_name()),
                tests[i].test_func, setup_device, teardown, NULL
            };
    const int failed = _cmocka_run_group_tests("half", tests, (size_t)count, NULL, NULL);
    while (count)
        mem_free((char *)(uintptr_t)tests[--count].name);
    return failed;
}

/* Runs the tests; those of a set that this machine lacks become a SKIP with the reason. */
static inline int
half_run(struct CMUnitTest *tests, int n)
{
    if (!backend_is_cpu())
        return half_run_device(tests, n);
    unsetenv("MBERT_CPU");
    const enum isa best = isa_pick();
    for (int i = 0; i < n; i++) {
        const enum isa isa = tests[i].setup_func == setup_amx ? ISA_AMX : ISA_BF16;
        if (best < isa)
            tests[i] = (struct CMUnitTest){ mem_printf("%s # SKIP no %s here", tests[i].name,
                                                       isa_name(isa)),
                                            absent, NULL, NULL, NULL };
    }
    const int failed = _cmocka_run_group_tests("half", tests, (size_t)n, NULL, NULL);
    for (int i = 0; i < n; i++)
        if (tests[i].test_func == absent)
            mem_free((char *)(uintptr_t)tests[i].name);
    return failed;
}

/* Random values that BF16 holds exactly. */
static inline struct val
val_half(struct rig *r, int rows, int cols, double scale)
{
    struct val v = val_random(r, rows, cols, scale);
    for (size_t i = 0; i < (size_t)rows * (size_t)cols; i++)
        v.p[i] = (double)half_from_bf16(half_to_bf16((float)v.p[i]));
    return v;
}

static inline struct mat
half_put(struct rig *r, struct val v, int gap)
{
    return box_put_as(r, v, gap, BF16);
}

#define BOTH(f)                                                                            \
    { #f " bf16", f, setup_bf16, teardown, NULL }, { #f " amx", f, setup_amx, teardown, NULL }
