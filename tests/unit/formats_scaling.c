/* formats_scaling - a calibration written and read back, applied, and what is refused and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/scaling.h"
#include "tests/unit/folder.h"

static char *
put(const char *text)
{
    char *path = mem_printf("%s/cal.json", folder());
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void
drop(char *path)
{
    assert_int_equal(unlink(path), 0);
    mem_free(path);
}

static void
round_trip(void **state)
{
    static const struct scaling given[] = {
        { SCALING_TEMPERATURE, 3, 1.7000000000000002, 0 }, { SCALING_PLATT, 2, .3, -1e-300 }
    };
    char *path = put("");
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct scaling s;
        scaling_save(&given[i], path);
        scaling_load(&s, path);
        assert_int_equal(s.kind, given[i].kind);
        assert_int_equal(s.classes, given[i].classes);
        assert_true(s.a == given[i].a && s.b == given[i].b);
    }
    drop(path);
}

static void
applied(void **state)
{
    double z[3] = { 1, -2, 4 }, y[2] = { -.5, 1 };
    (void)state;
    scaling_apply(&(struct scaling){ SCALING_TEMPERATURE, 3, 2, 0 }, z, 3);
    assert_true(z[0] == .5 && z[1] == -1 && z[2] == 2);
    scaling_apply(&(struct scaling){ SCALING_PLATT, 2, 2, .25 }, y, 2);
    assert_true(y[0] == 0 && y[1] == 3.25);
}

/* Loading text dies with status 3 and this message after the path. */
static void
refused(const char *text, const char *message)
{
    char *path = put(text), said[512];
    int fd[2], status;
    size_t n = 0;
    ssize_t got;
    assert_int_equal(pipe(fd), 0);
    const pid_t child = fork();
    if (!child) {
        struct scaling s;
        dup2(fd[1], 2);
        argv0 = "t";
        scaling_load(&s, path);
        _exit(0);
    }
    close(fd[1]);
    while ((got = read(fd[0], said + n, sizeof said - 1 - n)) > 0)
        n += (size_t)got;
    said[n] = 0;
    close(fd[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_DATA);
    char *want = mem_printf("t: %s: %s\n", path, message);
    assert_string_equal(said, want);
    mem_free(want);
    drop(path);
}

static void
refusals(void **state)
{
    (void)state;
    refused("[1]", "not a JSON object");
    refused("{}", "no field 'method'");
    refused("{\"method\":\"isotonic\"}", "'method' is neither temperature nor platt");
    refused("{\"method\":\"temperature\"}", "no field 'temperature'");
    refused("{\"method\":\"temperature\",\"temperature\":null,\"classes\":2}", "'temperature' is not a number");
    refused("{\"method\":\"temperature\",\"temperature\":0,\"classes\":2}", "'temperature' is not above 0");
    refused("{\"method\":\"temperature\",\"temperature\":-1,\"classes\":2}", "'temperature' is not above 0");
    refused("{\"method\":\"temperature\",\"temperature\":1}", "'classes' is not a number of classes");
    refused("{\"method\":\"temperature\",\"temperature\":1,\"classes\":0}", "'classes' is not a number of classes");
    refused("{\"method\":\"platt\",\"b\":1,\"classes\":2}", "no field 'a'");
    refused("{\"method\":\"platt\",\"a\":1,\"classes\":2}", "no field 'b'");
    refused("{\"method\":\"platt\",\"a\":-1,\"b\":1,\"classes\":2}", "'a' is not above 0");
    refused("{\"method\":\"platt\",\"a\":1,\"b\":0,\"classes\":3}", "Platt scaling is for 2 classes, not 3");
    char *long_one = mem_alloc(70000);
    memset(long_one, ' ', 69999);
    long_one[69999] = 0;
    refused(long_one, "more than 65536 bytes: not a calibration");
    mem_free(long_one);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(round_trip), cmocka_unit_test(applied), cmocka_unit_test(refusals) };
    return cmocka_run_group_tests(tests, NULL, folder_gone);
}
