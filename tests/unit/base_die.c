/* base_die - statuses, messages, hooks, temporary files and options, each in a child. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/base/opt.h"

static char said[4096];

/* Runs fn in a child; its stdout and stderr land in `said`; returns the wait status. */
static int
child(void (*fn)(void))
{
    int fd[2], status;
    size_t n = 0;
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        dup2(fd[1], 1);
        dup2(fd[1], 2);
        close(fd[0]);
        fn();
        _exit(77);
    }
    close(fd[1]);
    for (ssize_t k; (k = read(fd[0], said + n, sizeof said - 1 - n)) > 0;)
        n += (size_t)k;
    said[n] = 0;
    close(fd[0]);
    waitpid(pid, &status, 0);
    return status;
}

static void usage(void) { argv0 = "t"; die_usage("no such thing '%s'", "x"); }
static void data(void) { argv0 = "t"; die_data("f:%d: bad", 3); }
static void sys(void) { argv0 = "t"; errno = ENOENT; die_sys("can't open '%s'", "y"); }
static void sys_quiet(void) { argv0 = "t"; errno = 0; die_sys("can't do it"); }

static void
verbs(void **s)
{
    (void)s;
    assert_int_equal(WEXITSTATUS(child(usage)), 2);
    assert_string_equal(said, "t: no such thing 'x'; try --help\n");
    assert_int_equal(WEXITSTATUS(child(data)), 3);
    assert_string_equal(said, "t: f:3: bad\n");
    assert_int_equal(WEXITSTATUS(child(sys)), 4);
    assert_string_equal(said, "t: can't open 'y': No such file or directory\n");
    assert_int_equal(WEXITSTATUS(child(sys_quiet)), 4);
    assert_string_equal(said, "t: can't do it\n");
}

static void
hook(void *arg, int status, const char *message)
{
    dprintf(1, "%s %d [%s]\n", (char *)arg, status, message);
}
static void
hook_dies(void *arg, int status, const char *message)
{
    (void)arg, (void)status, (void)message;
    die_sys("again");
}
static void
hooked(void)
{
    argv0 = "t";
    static char first[] = "first", gone[] = "gone", last[] = "last";
    die_hook(hook, first);
    die_hook(hook, gone);
    die_hook(hook, last);
    die_unhook(hook, gone);
    die_data("why");
}
static void
hooked_badly(void)
{
    die_hook(hook_dies, NULL);
    die_data("why");
}

static void
hooks(void **s)
{
    (void)s;
    assert_int_equal(WEXITSTATUS(child(hooked)), 3);
    assert_string_equal(said, "t: why\nlast 3 [why]\nfirst 3 [why]\n");
    assert_int_equal(WEXITSTATUS(child(hooked_badly)), 3);
}

static char path[64];
static void touch(void) { close(open(path, O_CREAT | O_WRONLY, 0600)); die_unlink(path); }
static void dies_with_file(void) { touch(); die_data("x"); }
static void killed_with_file(void) { touch(); raise(SIGTERM); }
static void kept_file(void) { touch(); die_keep(path); die_data("x"); }

static void
temporary_files(void **s)
{
    (void)s;
    snprintf(path, sizeof path, "/tmp/base_die.%d", (int)getpid());
    assert_int_equal(WEXITSTATUS(child(dies_with_file)), 3);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(WTERMSIG(child(killed_with_file)), SIGTERM);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(WEXITSTATUS(child(kept_file)), 3);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

static void wraps_add(void) { argv0 = "t"; mem_add(SIZE_MAX, 1); }
static void wraps_mul(void) { argv0 = "t"; mem_zalloc(SIZE_MAX / 2, 3); }
static void too_much(void) { argv0 = "t"; mem_alloc(SIZE_MAX / 4); }

static void
sizes(void **s)
{
    (void)s;
    assert_int_equal(WEXITSTATUS(child(wraps_add)), 4);
    assert_non_null(strstr(said, "size too large"));
    assert_int_equal(WEXITSTATUS(child(wraps_mul)), 4);
    assert_non_null(strstr(said, "size too large"));
#ifndef __SANITIZE_ADDRESS__ /* which has its own opinion of huge requests */
    assert_int_equal(WEXITSTATUS(child(too_much)), 4);
    assert_non_null(strstr(said, "out of memory"));
#else
    (void)too_much;
#endif
    struct arena a = { 0 };
    assert_null(arena_take(&a, 3, 5));
    assert_null(arena_take(&a, 1, 64));
    assert_int_equal(a.used, 128);
    struct buf b = { 0 };
    buf_printf(&b, "%0200d", 7);
    buf_add(&b, "x", 1);
    assert_int_equal(b.n, 201);
    mem_free(b.p);
}

/* ---- options --------------------------------------------------------------------------- */
static char *args[20];
static int tokens, device, flag;
static double ratio;
static int64_t seed;
static const char *name;
static const struct opt table[] = {
    OPT_STR('m', "model", &name, "DIR", "model"),
    OPT_INT(0, "tokens", &tokens, 1, 100, "N", "tokens"),
    OPT_I64(0, "seed", &seed, 0, 1e18, "N", "seed"),
    OPT_F64('r', "ratio", &ratio, 0, 1, "R", "ratio"),
    OPT_ENUM(0, "device", &device, "cpu|cuda|auto", "device"),
    OPT_FLAG('f', "flag", &flag, "flag"),
    OPT_END
};
static int
parse(void)
{
    int n = 0;
    while (args[n])
        n++;
    return opt_parse(n, args, "[FILE...]", table);
}
static void
show(void)
{
    const int n = parse();
    printf("%d %s %d %lld %g %d %d", n, name ? name : "-", tokens, (long long)seed, ratio, device, flag);
    for (int i = 0; i < n; i++)
        printf(" %s", args[i]);
    fflush(stdout);
    _exit(0);
}
#define RUN(...) (memcpy(args, ((const char *[20]){ "dir/tool", __VA_ARGS__ }), sizeof args), WEXITSTATUS(child(show)))

static void
options(void **s)
{
    (void)s;
    assert_int_equal(RUN("a", "-m", "d", "--tokens=7", "-f", "-r0.5", "--seed", "99999999999", "-", "--device", "cuda", "--", "-x"), 0);
    assert_string_equal(said, "3 d 7 99999999999 0.5 1 1 a - -x");
    assert_int_equal(RUN("--tokens", "0"), 2);
    assert_string_equal(said, "tool: option --tokens: 0 is outside 1..100; try --help\n");
    assert_int_equal(RUN("--tokens", "7x"), 2);
    assert_string_equal(said, "tool: option --tokens: '7x' is not a whole number; try --help\n");
    assert_int_equal(RUN("--ratio", "nan"), 2);
    assert_string_equal(said, "tool: option --ratio: 'nan' is not a number; try --help\n");
    assert_int_equal(RUN("--device", "tpu"), 2);
    assert_string_equal(said, "tool: option --device: 'tpu' is not one of cpu|cuda|auto; try --help\n");
    assert_int_equal(RUN("--model"), 2);
    assert_string_equal(said, "tool: option '--model' needs an argument; try --help\n");
    assert_int_equal(RUN("--flag=1"), 2);
    assert_string_equal(said, "tool: option '--flag=1' takes no argument; try --help\n");
    assert_int_equal(RUN("-z"), 2);
    assert_string_equal(said, "tool: unknown option '-z'; try --help\n");
    assert_int_equal(RUN("--zoo"), 2);
    assert_string_equal(said, "tool: unknown or ambiguous option '--zoo'; try --help\n");
    assert_int_equal(RUN("--version", "--zoo"), 0);
    assert_non_null(strstr(said, "tool (mbert-tools) "));
    assert_int_equal(RUN("-h"), 0);
    assert_non_null(strstr(said, "usage: tool [FILE...]\n"));
    assert_non_null(strstr(said, "-m, --model DIR"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs),           cmocka_unit_test(hooks),
        cmocka_unit_test(temporary_files), cmocka_unit_test(sizes),
        cmocka_unit_test(options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
