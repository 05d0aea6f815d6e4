/* base_child - a filter run without a shell: big bytes both ways, and every way it can
 * fail. */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/base/child.h"
#include "common/base/die.h"

static char said[4096];
static const char *const *ran;

static void
run_it(void)
{
    struct buf out = { 0 };
    argv0 = "t";
    child_run(ran, "", 0, &out, "install it");
}

/* Runs argv in a process of its own; what that says lands in `said`; returns its exit
 * status. */
static int
status_of(const char *const argv[])
{
    int fd[2], status;
    size_t n = 0;
    ran = argv;
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        dup2(fd[1], 2);
        close(fd[0]);
        run_it();
        _exit(77);
    }
    close(fd[1]);
    for (ssize_t k; (k = read(fd[0], said + n, sizeof said - 1 - n)) > 0;)
        n += (size_t)k;
    said[n] = 0;
    close(fd[0]);
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* More bytes each way than any pipe holds, and what was in `out` stays before them. */
static void
filter(void **state)
{
    enum { N = 3 << 20 };
    static const char *const cat[] = { "cat", NULL };
    unsigned char *in = mem_alloc(N);
    struct buf out = { 0 };
    (void)state;
    for (uint32_t i = 0; i < N; i++)
        in[i] = (unsigned char)(i * 2654435761u >> 13);
    buf_printf(&out, "first");
    child_run(cat, in, N, &out, "");
    assert_int_equal(out.n, N + 5);
    assert_memory_equal(out.p, "first", 5);
    assert_memory_equal(out.p + 5, in, N);
    mem_free(out.p);
    mem_free(in);
}

/* A program that reads nothing of its input is no error, and raises no SIGPIPE. */
static void
deaf(void **state)
{
    static const char *const program[] = { "sh", "-c", "echo yes", NULL };
    char *in = mem_zalloc(1 << 20, 1);
    struct buf out = { 0 };
    (void)state;
    child_run(program, in, 1 << 20, &out, "");
    assert_int_equal(out.n, 4);
    assert_memory_equal(out.p, "yes\n", 4);
    mem_free(out.p);
    mem_free(in);
}

/* The words reach the program as they are: nobody expands them. */
static void
no_shell(void **state)
{
    static const char *const program[] = { "printf", "%s|%s", "$HOME `id` *", "a  b",
                                           NULL };
    struct buf out = { 0 };
    (void)state;
    child_run(program, NULL, 0, &out, "");
    buf_add(&out, "", 1);
    assert_string_equal(out.p, "$HOME `id` *|a  b");
    mem_free(out.p);
}

static void
failures(void **state)
{
    static const char *const missing[] = { "no-such-program-7", NULL };
    static const char *const refuses[] = { "sh", "-c",
                                           "echo '  it is\n\n  broken  ' >&2; exit 9",
                                           NULL };
    static const char *const silent[] = { "false", NULL };
    static const char *const killed[] = { "sh", "-c", "kill -KILL $$", NULL };
    static const char *const chatty[] = { "sh", "-c", "echo a warning >&2", NULL };
    (void)state;
    assert_int_equal(status_of(missing), 4);
    assert_string_equal(said, "t: can't run 'no-such-program-7': install it\n");
    assert_int_equal(status_of(refuses), 4);
    assert_string_equal(said, "t: 'sh' ended with status 9: it is broken\n");
    assert_int_equal(status_of(silent), 4);
    assert_string_equal(said, "t: 'false' ended with status 1\n");
    assert_int_equal(status_of(killed), 4);
    assert_string_equal(said, "t: 'sh' was killed by signal 9\n");
    assert_int_equal(status_of(chatty), 77); /* status 0: done, and nothing said */
    assert_string_equal(said, "");
}

static void
not_a_program(void **state)
{
    char path[] = "/tmp/base_child.XXXXXX";
    const char *const argv[] = { path, NULL };
    const int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(status_of(argv), 4);
    assert_non_null(strstr(said, "t: can't run '/tmp/base_child."));
    assert_non_null(strstr(said, "': Permission denied\n"));
    unlink(path);
}

/* A long complaint is cut, not overrun. */
static void
long_complaint(void **state)
{
    static const char *const program[] = { "sh", "-c",
                                           "yes complaint | head -n 5000 >&2; exit 1",
                                           NULL };
    (void)state;
    assert_int_equal(status_of(program), 4);
    assert_true(strlen(said) > 400 && strlen(said) < 600);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter),        cmocka_unit_test(deaf),
        cmocka_unit_test(no_shell),      cmocka_unit_test(failures),
        cmocka_unit_test(not_a_program), cmocka_unit_test(long_complaint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
