/* formats_runlog - logs of runs as series: what is taken, what is skipped, a resumed run.
 */
#include <setjmp.h>
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
#include "formats/runlog.h"
#include "tests/unit/folder.h"

static char path[80];

static const char *
file(const char *text)
{
    snprintf(path, sizeof path, "%s/log.jsonl", folder());
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void
fields(void **state)
{
    struct run r;
    (void)state;
    runlog_read(&r, file("{\"run\":\"a header without a step\"}\n"
                         "{\"step\":10,\"epoch\":0.5,\"loss\":0.75,\"lr\":1e-4,\"grad_"
                         "norm\":2,\"tokens_per_s\":99,\"new\":1}\n"
                         "\n"
                         "{\"step\":20,\"eval_loss\":0.5,\"eval_f1\":null,\"eval_text\":"
                         "\"x\",\"eval_\":3}\n"
                         "{\"step\":20,\"loss\":0.25,\"lr\":null}\n"
                         "{\"step\":30,\"eval_f1\":1,\"eval_loss\":0.25}"));
    assert_int_equal(r.loss.n, 2);
    assert_true(r.loss.x[1] == 20 && r.loss.y[1] == .25 && r.loss.y[0] == .75);
    assert_int_equal(r.lr.n, 1);
    assert_true(r.lr.y[0] == 1e-4 && r.grad_norm.y[0] == 2);
    assert_int_equal(r.evals, 2);
    assert_string_equal(r.eval[0].name, "loss");
    assert_ptr_equal(run_eval(&r, "f1"), &r.eval[1]);
    assert_null(run_eval(&r, "accuracy"));
    assert_true(r.eval[0].n == 2 && r.eval[1].n == 1 && r.eval[1].x[0] == 30);
    run_free(&r);
    unlink(path);
}

/* Killed after step 5, resumed from step 2: the later records count. */
static void
resumed(void **state)
{
    char text[1024];
    size_t n = 0;
    struct run r;
    (void)state;
    for (int i = 0; i < 9; i++) {
        const int step = i < 5 ? i + 1 : i - 2; /* 1 2 3 4 5, 3 4 5 6 */
        n += (size_t)snprintf(text + n, sizeof text - n, "{\"step\":%d,\"loss\":%d}\n",
                              step, i);
    }
    runlog_read(&r, file(text));
    assert_int_equal(r.loss.n, 6);
    for (int i = 0; i < 6; i++) {
        assert_true(r.loss.x[i] == i + 1);
        assert_true(r.loss.y[i] == (i < 2 ? i : i + 3));
    }
    run_free(&r);
    unlink(path);
}

static void
refused(const char *text, const char *message)
{
    char said[512] = "", want[600];
    int fd[2], status;
    size_t n = 0;
    file(text);
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        struct run r;
        dup2(fd[1], 2);
        argv0 = "t";
        runlog_read(&r, path);
        _exit(77);
    }
    close(fd[1]);
    for (ssize_t k; (k = read(fd[0], said + n, sizeof said - 1 - n)) > 0;)
        n += (size_t)k;
    close(fd[0]);
    waitpid(pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 3);
    snprintf(want, sizeof want, message, path);
    assert_string_equal(said, want);
    unlink(path);
}

static void
refusals(void **state)
{
    char many[4096];
    size_t n = (size_t)snprintf(many, sizeof many, "{\"step\":1");
    (void)state;
    refused("", "t: '%s': no record with 'step' and 'loss': not a log of mbert-train\n");
    refused("{\"step\":1,\"eval_loss\":1}\n",
            "t: '%s': no record with 'step' and 'loss': not a log of mbert-train\n");
    refused("\n[1]\n", "t: %s:2: not a JSON object\n");
    refused("{\"step\":\"x\"}\n", "t: %s:1: 'step' is not a number from 0\n");
    refused("{\"step\":-1}\n", "t: %s:1: 'step' is not a number from 0\n");
    for (int i = 0; i <= RUN_EVALS; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, ",\"eval_%d\":1", i);
    snprintf(many + n, sizeof many - n, "}\n");
    refused(many, "t: %s:1: more than 32 figures named eval_*\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(fields), cmocka_unit_test(resumed),
                                        cmocka_unit_test(refusals) };
    return cmocka_run_group_tests(tests, NULL, folder_gone);
}
