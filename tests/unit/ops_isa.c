/* ops_isa - which instruction set is picked under MBERT_CPU, and which kernels each has. */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/ops/kernel.h"
#include "common/ops/ops.h"

static const char *const names[] = { "generic", "avx512", "bf16", "amx" };
static int no_tiles; /* the system refuses the tile registers, as old kernels do */

#if defined SYS_arch_prctl
/* isa_amx_permit() asks through syscall(3); libc's own calls do not come here. */
long
syscall(long n, ...)
{
    long a[6];
    va_list ap;
    va_start(ap, n);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (n == SYS_arch_prctl && no_tiles) {
        errno = EINVAL;
        return -1;
    }
    long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return real(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}
#endif

/* What isa_pick() said in a child under MBERT_CPU=value: the level, or -1 and `said`. */
static char said[1024];
static int
pick(const char *value, int *status)
{
    int fd[2], picked = -1;
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        argv0 = "t";
        dup2(fd[1], 2);
        if (value)
            setenv("MBERT_CPU", value, 1);
        else
            unsetenv("MBERT_CPU");
        const int isa = (int)isa_pick();
        dprintf(fd[1], "%d", isa);
        _exit(0);
    }
    close(fd[1]);
    size_t n = 0;
    for (ssize_t k; (k = read(fd[0], said + n, sizeof said - 1 - n)) > 0;)
        n += (size_t)k;
    said[n] = 0;
    close(fd[0]);
    waitpid(pid, status, 0);
    *status = WEXITSTATUS(*status);
    if (!*status)
        picked = atoi(said);
    return picked;
}

/* Levels up to `best` are given, those above are refused, naming it. */
static void
check_levels(int best)
{
    int status;
    for (int i = 0; i <= ISA_AMX; i++) {
        assert_string_equal(isa_name((enum isa)i), names[i]);
        const int picked = pick(names[i], &status);
        if (i <= best) {
            assert_int_equal(picked, i);
            continue;
        }
        char *want =
            mem_printf("t: MBERT_CPU=%s: this processor has at most '%s'; try --help\n",
                       names[i], names[best]);
        assert_int_equal(status, 2);
        assert_string_equal(said, want);
        mem_free(want);
    }
    assert_int_equal(pick("avx2", &status), ISA_GENERIC);
    assert_int_equal(pick("", &status), best);
}

static void
levels(void **state)
{
    int status;
    (void)state;
    const int best = pick(NULL, &status);
    assert_int_equal(status, 0);
    assert_in_range(best, ISA_GENERIC, ISA_AMX);
    check_levels(best);
}

static void
levels_without_tiles(void **state)
{
    int status;
    (void)state;
    no_tiles = 1;
    const int best = pick(NULL, &status);
    assert_int_equal(best, ISA_BF16);
    check_levels(best);
    no_tiles = 0;
}

static void
words_that_are_no_level(void **state)
{
    static const char *const bad[] = { "vax", "AMX", "avx512 ", "avx", "1" };
    int status;
    (void)state;
    for (int i = 0; i < 5; i++) {
        char *want =
            mem_printf("t: MBERT_CPU=%s: not one of generic, avx2, avx512, bf16, amx; "
                       "try --help\n",
                       bad[i]);
        assert_int_equal(pick(bad[i], &status), -1);
        assert_int_equal(status, 2);
        assert_string_equal(said, want);
        mem_free(want);
    }
}

/* By level: F32, BF16, I8. */
static void
kernels(void **state)
{
    (void)state;
#if defined __x86_64__
    static const struct kernel *const want[][3] = {
        { NULL, NULL, NULL },
        { &kernel_avx512_f32, NULL, NULL },
        { &kernel_avx512_f32, &kernel_bf16, &kernel_vnni },
        { &kernel_avx512_f32, &kernel_amx_bf16, &kernel_amx_i8 },
    };
    static const enum dtype types[] = { F32, BF16, I8 };
    for (int i = 0; i <= ISA_AMX; i++) {
        for (int t = 0; t < 3; t++) {
            const struct kernel *k = kernel_pick((enum isa)i, types[t]);
            assert_ptr_equal(k, want[i][t]);
            if (!k)
                continue;
            assert_int_equal(k->type, types[t]);
            assert_true(k->step > 0 && k->rows > 0 && k->depth >= k->step);
            assert_true(k->depth % k->step == 0);
            assert_true(k->mul && k->begin && k->end);
        }
        assert_null(kernel_pick((enum isa)i, F16));
        assert_null(kernel_pick((enum isa)i, F64));
        assert_null(kernel_pick((enum isa)i, U8));
    }
#else
    assert_null(kernel_pick(ISA_GENERIC, F32));
#endif
}

static void
words(void **state)
{
    struct kernel k = { .type = F32, .step = 1 };
    (void)state;
    assert_int_equal(kernel_words(&k, 33), 33);
    k.type = BF16;
    assert_int_equal(kernel_words(&k, 33), 17);
    k.step = 16;
    assert_int_equal(kernel_words(&k, 1), 16);
    assert_int_equal(kernel_words(&k, 32), 16);
    assert_int_equal(kernel_words(&k, 33), 32);
    k.type = I8;
    assert_int_equal(kernel_words(&k, 64), 16);
    assert_int_equal(kernel_words(&k, 65), 32);
}

/* ---- what a context becomes --------------------------------------------------------- */
static enum precision asked;
static void
open_one(void)
{
    argv0 = "t";
    const struct ops *be = ops_find("cpu");
    struct ctx *c = be->open(1, asked);
    _exit(10 + (int)be->precision(c) + (be->type(c) == BF16 ? 100 : 0));
}

/* Exit status of opening a context of that precision at that level. */
static int
opened(const char *level, enum precision precision)
{
    int status;
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        asked = precision;
        setenv("MBERT_CPU", level, 1);
        close(2);
        open_one();
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void
precisions(void **state)
{
    int status;
    (void)state;
    const int best = pick(NULL, &status);
    for (int i = 0; i <= best; i++) {
        const int bf16 = i >= ISA_BF16;
        assert_int_equal(opened(names[i], OP_F32), 10 + OP_F32);
        assert_int_equal(opened(names[i], OP_PLAIN), 10 + OP_PLAIN);
        assert_int_equal(opened(names[i], OP_AUTO), bf16 ? 110 + OP_BF16 : 10 + OP_F32);
        assert_int_equal(opened(names[i], OP_BF16), bf16 ? 110 + OP_BF16 : 2);
        assert_int_equal(opened(names[i], OP_INT8), bf16 ? 110 + OP_INT8 : 2);
    }
}

static void
absent(void **state)
{
    (void)state;
}

int
main(void)
{
    int status;
    const int amx = pick(NULL, &status) == ISA_AMX;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels),
        { amx ? "levels without tiles" : "levels without tiles # SKIP no amx here",
          amx ? levels_without_tiles : absent, NULL, NULL, NULL },
        cmocka_unit_test(words_that_are_no_level),
        cmocka_unit_test(kernels),
        cmocka_unit_test(words),
        cmocka_unit_test(precisions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
