/*
 * mbert_examples - streams as training holds them: classes of sequences, of tokens,
 * numbers, sets, and text alone; what is left out and what is refused.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "common/base/die.h"
#include "common/mbert/examples.h"
#include "formats/stream.h"
#include "tests/unit/folder.h"

/* three sequences: ids 0-1, 2-4, 5 */
enum { B = 3, T = 6 };
static const int32_t cu[B + 1] = {0, 2, 5, 6};
static const uint16_t ids[T] = {10, 11, 12, 13, 14, 15};
static const int64_t row[B] = {0, 1, 2};
static const struct config config = {.vocab = 100, .positions = 8};

struct made {
    char path[64];
    struct stream_out *out;
    int64_t rows;
};

static struct made
begin(const char *task)
{
    struct made m = {.rows = 0};

    snprintf(m.path, sizeof m.path, "%s/x.st.zst", folder());
    m.out = stream_create(m.path, "tokens", NULL, "test", "", 0);
    if (task)
        image_meta(stream_header(m.out), "task", task);
    return m;
}

/* A record of the first n sequences; labels: of that shape, or NULL. */
static void
put(struct made *m, int n, enum dtype type, int64_t d0, int64_t d1, const void *labels)
{
    struct image b;
    unsigned char cut[B] = {0, 1, 0};

    image_init(&b);
    image_1d(&b, "cu_seqlens", I32, n + 1, cu);
    image_1d(&b, "row", I64, n, row);
    image_1d(&b, "input_ids", U16, cu[n], ids);
    image_1d(&b, "truncated", U8, n, cut);
    if (labels && d1)
        image_2d(&b, "labels", type, d0, d1, labels);
    else if (labels)
        image_1d(&b, "labels", type, d0, labels);
    stream_put(m->out, &b, n, cu[n]);
    image_free(&b);
    m->rows += n;
}

static void
read_in(struct made *m, struct examples *e, enum problem want)
{
    stream_end(m->out, m->rows);
    examples_read(e, m->path, &config, folder(), want);
    remove(m->path);
}

static void
same(const struct buf *b, const void *want, size_t bytes)
{
    assert_int_equal(b->n, bytes);
    assert_memory_equal(b->p, want, bytes);
}

static void
sequences(void **state)
{
    static const int32_t class[B] = {2, -100, 0}, kept[2] = {2, 0};
    static const int64_t start[3] = {0, 2, 3};
    struct examples e;
    struct made m = begin("single");

    (void)state;
    put(&m, B, I32, B, 0, class);
    read_in(&m, &e, PROBLEM_AUTO);
    assert_int_equal(e.problem, PROBLEM_SINGLE);
    assert_int_equal(e.width, 1);
    assert_int_equal(e.n, 2);
    assert_int_equal(e.tokens, 3);
    assert_int_equal(e.unlabelled, 1);
    assert_int_equal(e.truncated, 0); /* the row that was cut has no label */
    assert_int_equal(e.scored, 2);
    assert_int_equal(e.highest, 2);
    same(&e.labels, kept, sizeof kept);
    same(&e.start, start, sizeof start);
    examples_free(&e);
}

static void
tokens(void **state)
{
    static const int32_t class[T] = {-100, 3, -100, -100, -100, 1};
    static const int32_t kept[6] = {-100, 3, 1, -100, 3, 1},
                         want[6] = {10, 11, 15, 10, 11, 15};
    struct examples e;
    struct made m = begin("token");

    (void)state;
    put(&m, B, I32, T, 0, class);
    put(&m, 1, I32, 0, 0, NULL); /* a record without labels */
    put(&m, B, I32, T, 0, class);
    read_in(&m, &e, PROBLEM_AUTO);
    assert_int_equal(e.problem, PROBLEM_TOKEN);
    assert_int_equal(e.width, 0);
    assert_int_equal(e.n, 4);
    assert_int_equal(e.tokens, 6);
    assert_int_equal(e.unlabelled, 3);
    assert_int_equal(e.scored, 4);
    assert_int_equal(e.highest, 3);
    same(&e.ids, want, sizeof want);
    same(&e.labels, kept, sizeof kept);
    examples_names(&e, "O,A,B,C");
    assert_int_equal(e.label_n, 4);
    assert_string_equal(e.label[3], "C");
    examples_same(&e, &e);
    examples_free(&e);
}

/* As many tokens as sequences: the head's task tells, or what was read before. */
static void
either(void **state)
{
    static const int32_t one[B + 1] = {0, 1, 2, 3}, class[B] = {1, -100, 0};
    static const char *const task[] = {"token", "single", NULL};
    static const enum problem want[] = {PROBLEM_TOKEN, PROBLEM_SINGLE, PROBLEM_SINGLE};
    struct examples e;
    struct image b;

    (void)state;
    for (size_t i = 0; i < sizeof task / sizeof *task; i++) {
        struct made m = begin(task[i]);
        image_init(&b);
        image_1d(&b, "cu_seqlens", I32, B + 1, one);
        image_1d(&b, "row", I64, B, row);
        image_1d(&b, "input_ids", U16, B, ids);
        image_1d(&b, "labels", I32, B, class);
        stream_put(m.out, &b, B, B);
        m.rows = B;
        image_free(&b);
        read_in(&m, &e, PROBLEM_AUTO);
        assert_int_equal(e.problem, want[i]);
        assert_int_equal(e.n, 2);
        assert_int_equal(e.labels.n, 2 * sizeof(int32_t));
        examples_free(&e);
    }
}

static void
numbers(void **state)
{
    static const float value[B * 2] = {.5f, 1, 0, 1, 1, 0};
    struct examples e;
    struct made m = begin(NULL);

    (void)state;
    put(&m, B, F32, B, 2, value);
    read_in(&m, &e, PROBLEM_AUTO);
    assert_int_equal(e.problem, PROBLEM_MULTI);
    assert_int_equal(e.width, 2);
    assert_int_equal(e.scored, B);
    assert_int_equal(e.truncated, 1);
    same(&e.labels, value, sizeof value);
    examples_free(&e);
    m = begin(NULL);
    put(&m, B, F32, B, 0, value);
    read_in(&m, &e, PROBLEM_AUTO);
    assert_int_equal(e.problem, PROBLEM_REGRESSION);
    same(&e.labels, value, B * sizeof *value);
    examples_free(&e);
}

/* For MLM labels are not looked at, and none are missed. */
static void
text_alone(void **state)
{
    static const int32_t class[B] = {-100, -7, 1};
    struct examples e;
    struct made m = begin("single");

    (void)state;
    image_meta(stream_header(m.out), "labels", "[\"a\",\"b\"]");
    put(&m, B, I32, B, 0, class);
    put(&m, 2, I32, 0, 0, NULL);
    read_in(&m, &e, PROBLEM_MLM);
    assert_int_equal(e.problem, PROBLEM_MLM);
    assert_int_equal(e.width, 0);
    assert_int_equal(e.n, 5);
    assert_int_equal(e.tokens, 11);
    assert_int_equal(e.unlabelled, 0);
    assert_int_equal(e.scored, 0);
    assert_int_equal(e.labels.n, 0);
    assert_null(e.label);
    examples_names(&e, NULL);
    assert_null(e.label);
    examples_same(&e, &e);
    examples_free(&e);
}

/* What is said of a record of these labels, and again after one of classes of tokens. */
static void
refused_as(int after, enum dtype type, int64_t d0, int64_t d1, const void *labels,
           const char *want)
{
    static const int32_t class[T] = {-100, 1, 2, -100, -100, 1};
    char said[64], got[512] = "";
    int status;
    struct made m = begin(NULL);

    snprintf(said, sizeof said, "%s/said", folder());
    fflush(stdout);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct examples e;
        const int to = open(said, O_CREAT | O_WRONLY, 0600);
        if (dup2(to, 2) != 2)
            _exit(99);
        if (after)
            put(&m, B, I32, T, 0, class);
        put(&m, B, type, d0, d1, labels);
        read_in(&m, &e, PROBLEM_AUTO);
        _exit(0);
    }
    assert_true(waitpid(child, &status, 0) == child);
    FILE *f = fopen(said, "r");
    assert_non_null(f);
    assert_non_null(fgets(got, sizeof got, f));
    fclose(f);
    remove(said);
    remove(m.path);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_DATA);
    if (!strstr(got, want))
        fail_msg("'%s' does not say '%s'", got, want);
}

static void
refused(void **state)
{
    static const int32_t negative[T] = {0, 1, -100, -2, 0, 0},
                         none[T] = {-100, -100, -100, -100, -100, -100};
    static const float value[T * 2] = {0};

    (void)state;
    refused_as(0, I32, 4, 0, negative,
               "tensor 'labels' is I32 of rank 1: I32 [B], F32 [B] or F32 [B,N] "
               "(one a sequence) or I32 [T] (one a token) is wanted");
    refused_as(0, F32, T, 0, value, "tensor 'labels' is F32 of rank 1: ");
    refused_as(0, I32, T, 1, negative, "tensor 'labels' is I32 of rank 2: ");
    refused_as(0, I32, T, 0, negative, "record 1: row 1: label -2 is negative");
    refused_as(0, I32, T, 0, none, "no row has a label: nothing to learn from");
    refused_as(1, I32, B, 0, none,
               "record 2: tensor 'labels' is of another kind than in the records before");
    refused_as(1, F32, B, 0, value,
               "record 2: tensor 'labels' is of another kind than in the records before");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences),  cmocka_unit_test(tokens),
        cmocka_unit_test(either),     cmocka_unit_test(numbers),
        cmocka_unit_test(text_alone), cmocka_unit_test(refused),
    };

    argv0 = "mbert_examples";
    quiet = 1;
    return cmocka_run_group_tests(tests, NULL, folder_gone);
}
