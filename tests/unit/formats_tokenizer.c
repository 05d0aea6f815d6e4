/*
 * formats_tokenizer - the model's two large values: every way to write them loads the same,
 * every refusal says what it says, and what is no JSON is refused as that.
 */
#include <inttypes.h>
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
#include "common/base/mem.h"
#include "formats/tokenizer.h"
#include "tests/unit/folder.h"

#define HEAD                                                                               \
    "{\"version\":\"1.0\",\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\","  \
    "\"add_prefix_space\":false},\"decoder\":{\"type\":\"ByteLevel\"},\"added_tokens\":["
#define ADDED                                                                              \
    "{\"content\":\"%s\",\"special\":true,\"normalized\":false,\"lstrip\":false,"          \
    "\"rstrip\":false,\"single_word\":false}"
#define MODEL "],\"model\":{\"type\":\"BPE\",\"vocab\":%s,\"merges\":%s}}"
#define VOCAB "{\"a\":0,\"b\":1,\"ab\":2,\"aba\":3}"
#define MERGES "[\"a b\",\"ab a\"]"

static void
put(const char *text, size_t n)
{
    char *path = mem_printf("%s/tokenizer.json", folder());
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    mem_free(path);
}

static void
put_model(const char *vocab, const char *merges)
{
    struct buf b = { 0 };

    buf_printf(&b, HEAD MODEL, vocab, merges);
    put(b.p, b.n);
    mem_free(b.p);
}

static void
is(const struct tokenizer *t, int id, const char *s, size_t n)
{
    assert_true(id < t->vocabs);
    assert_int_equal(t->vocab[id].n, n);
    assert_memory_equal(t->vocab[id].s, s, n);
}

/* Loads, and wants the four tokens and two merges of VOCAB and MERGES. */
static uint64_t
same(const char *text)
{
    static const int want[][3] = { { 0, 1, 2 }, { 2, 0, 3 } };
    struct tokenizer t;
    uint64_t sum;

    put(text, strlen(text));
    tokenizer_load(&t, folder());
    assert_int_equal(t.vocabs, 4);
    is(&t, 0, "a", 1);
    is(&t, 1, "b", 1);
    is(&t, 2, "ab", 2);
    is(&t, 3, "aba", 3);
    assert_int_equal(t.merges, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t.merge[i].left, want[i][0]);
        assert_int_equal(t.merge[i].right, want[i][1]);
        assert_int_equal(t.merge[i].result, want[i][2]);
    }
    assert_true(t.byte['a'] == 0 && t.byte['b'] == 1 && t.byte['c'] == -1);
    sum = t.fingerprint;
    tokenizer_free(&t);
    return sum;
}

static void
layouts(void **state)
{
    static const char *const vocab[] = {
        VOCAB, "{ \"aba\" : 3 ,\n\t\"ab\":2 , \"b\":1 \r\n, \"a\":0 }",
        "{\"\\u0061\":-0,\"b\":1,\"a\\u0062\":2,\"\\u0061b\\u0061\":3}",
    };
    static const char *const merges[] = {
        MERGES, "[[\"a\",\"b\"],[\"ab\",\"a\"]]", "[ \"a b\"\n , [ \"a\\u0062\", \"a\" ] ]",
        "[\"#version: 0.2\",\"a\\u0020b\",\"#version\",\"\\u0061b \\u0061\"]",
    };
    static const char *const model[] = {
        "\"model\":{\"type\":\"BPE\",\"vocab\":%s,\"merges\":%s}}",
        "\"x\":[{},{\"vocab\":{\"y\":[]}}],\"mod\\u0065l\":{\"x\":{\"vocab\":1},"
        "\"voca\\u0062\":%s,\"\\u006derges\":%s,\"type\":\"BPE\"},\"z\":{}} ",
    };
    struct buf b = { 0 };
    uint64_t sum = same(HEAD "],\"model\":{\"merges\":" MERGES ",\"vocab\":" VOCAB
                             ",\"type\":\"BPE\"}}");

    (void)state;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++)
            for (int m = 0; m < 2; m++) {
                b.n = 0;
                buf_printf(&b, HEAD "],");
                buf_printf(&b, model[m], vocab[i], merges[k]);
                buf_add(&b, "", 1);
                assert_true(same(b.p) == sum);
            }
    mem_free(b.p);
}

/* "\u0061" n times, escaped from the k-th on, as JSON */
static void
letters(struct buf *b, size_t n, size_t k)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s", i >= k ? "\\u0061" : "a");
}

/* Tokens of every length around a word's end, plain and escaped, and their merges. */
static void
lengths(void **state)
{
    enum { MOST = 70 };
    struct buf b = { 0 };
    struct tokenizer t;
    char text[MOST];

    (void)state;
    memset(text, 'a', sizeof text);
    for (int escape = 0; escape < 2; escape++)
        for (int pairs = 0; pairs < 2; pairs++) {
            b.n = 0;
            buf_printf(&b, HEAD "],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0");
            for (size_t n = 2; n <= MOST; n++) {
                buf_printf(&b, ",\"");
                letters(&b, n, escape ? n / 2 : n);
                buf_printf(&b, "\":%zu", n - 1);
            }
            buf_printf(&b, "},\"merges\":[");
            for (size_t n = 2; n <= MOST; n++) {
                buf_printf(&b, n == 2 ? "%s" : ",%s", pairs ? "[\"" : "\"");
                letters(&b, n / 2, escape ? n / 3 : n);
                buf_printf(&b, "%s", pairs ? "\",\"" : " ");
                letters(&b, n - n / 2, escape ? 1 : n);
                buf_printf(&b, "%s", pairs ? "\"]" : "\"");
            }
            buf_printf(&b, "]}}");
            put(b.p, b.n);
            tokenizer_load(&t, folder());
            assert_int_equal(t.vocabs, MOST);
            assert_int_equal(t.merges, MOST - 1);
            for (int n = 1; n <= MOST; n++)
                is(&t, n - 1, text, (size_t)n);
            for (int n = 2; n <= MOST; n++)
                assert_true(t.merge[n - 2].left == n / 2 - 1 &&
                            t.merge[n - 2].right == n - n / 2 - 1 &&
                            t.merge[n - 2].result == n - 1);
            tokenizer_free(&t);
        }
    mem_free(b.p);
}

/* A NUL in a token, ids far above the number of tokens, added tokens above those. */
static void
sparse(void **state)
{
    struct buf b = { 0 };
    struct tokenizer t;

    (void)state;
    buf_printf(&b, HEAD ADDED "," ADDED "," ADDED, "x", "top", "y");
    buf_printf(&b, MODEL, "{\"a\":7,\"a\\u0000b\":4,\"top\":1048573}", "[]");
    put(b.p, b.n);
    tokenizer_load(&t, folder());
    assert_int_equal(t.vocabs, 1048575);
    is(&t, 7, "a", 1);
    is(&t, 4, "a\0b", 3);
    is(&t, 3, "x", 1);
    is(&t, 1048573, "top", 3);
    is(&t, 1048574, "y", 1);
    assert_true(t.addeds == 3 && t.added[1].id == 1048573 && t.added[2].id == 1048574);
    assert_true(!t.vocab[0].s && !t.vocab[1048572].s);
    tokenizer_free(&t);
    mem_free(b.p);
}

/* What the process that loads the file prints; it must end with 3. */
static void
says(const char *want)
{
    char text[1024], *whole = mem_printf(": %s/tokenizer.json: %s\n", folder(), want);
    int end[2], status = 0;
    size_t n = 0;

    assert_int_equal(pipe(end), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct tokenizer t;
        dup2(end[1], 2);
        tokenizer_load(&t, folder());
        _exit(0);
    }
    close(end[1]);
    for (ssize_t got; (got = read(end[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    close(end[0]);
    text[n] = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 3 || !strstr(text, whole))
        fail_msg("status %#x: %s, not%s", (unsigned)status, text, whole);
    mem_free(whole);
}

static void
refused(void **state)
{
    static const struct { const char *vocab, *merges, *why; } t[] = {
        { "[]", "[]", "'model.vocab': missing or not an object" },
        { "null", "[]", "'model.vocab': missing or not an object" },
        { "{}", "[]", "'model.vocab': empty" },
        { "{\"a\":0,\"b\":1.5}", "[]",
          "'model.vocab': 'b': the id is not a number from 0 to 1048575" },
        { "{\"a\":0,\"b\":\"1\"}", "[]",
          "'model.vocab': 'b': the id is not a number from 0 to 1048575" },
        { "{\"a\":{\"b\":1}}", "[]",
          "'model.vocab': 'a': the id is not a number from 0 to 1048575" },
        { "{\"\":-1}", "[]",
          "'model.vocab': '': the id is not a number from 0 to 1048575" },
        { "{\"a\":1048576}", "[]",
          "'model.vocab': 'a': the id is not a number from 0 to 1048575" },
        { "{\"a\":18446744073709551615}", "[]",
          "'model.vocab': 'a': the id is not a number from 0 to 1048575" },
        { "{\"a\":1,\"b\":1}", "[]", "'model.vocab': two tokens have the id 1" },
        { VOCAB, "{}", "'model.merges': missing or not an array" },
        { VOCAB, "7", "'model.merges': missing or not an array" },
        { VOCAB, "[\"a b\",\"ab\"]", "'model.merges': number 1: not two tokens" },
        { VOCAB, "[\"a b \"]", "'model.merges': number 0: not two tokens" },
        { VOCAB, "[\"aaaaaaaaaaaaaaaaa b b\"]",
          "'model.merges': number 0: not two tokens" },
        { VOCAB, "[\"aaaaaaaaaaaaaaaaabbb\"]", "'model.merges': number 0: not two tokens" },
        { VOCAB, "[\"\"]", "'model.merges': number 0: not two tokens" },
        { VOCAB, "[[\"a\"]]", "'model.merges': number 0: not two tokens" },
        { VOCAB, "[\"a b\",[\"a\",\"b\",\"a\"]]",
          "'model.merges': number 1: not two tokens" },
        { VOCAB, "[\"a b\",[\"a\",1]]", "'model.merges': number 1: not two tokens" },
        { VOCAB, "[\"a b\",null]", "'model.merges': number 1: not two tokens" },
        { VOCAB, "[\"a b\",{\"a\":\"b\"}]", "'model.merges': number 1: not two tokens" },
        { VOCAB, "[\"a b\",\"a c\"]",
          "'model.merges': number 1: half of it is not in model.vocab" },
        { VOCAB, "[\"a \"]", "'model.merges': number 0: half of it is not in model.vocab" },
        { VOCAB, "[\"a b\",\"b a\"]",
          "'model.merges': number 1: its product is not in model.vocab" },
        /* no JSON, however far into the values, and before what else is wrong there */
        { "{\"a\":0,\"b\":-1,}", "[]", "byte -1: invalid JSON" },
        { "{\"a\":0 \"b\":1}", "[]", "byte -1: invalid JSON" },
        { "{\"a\":0,\"b\":1]", "[]", "byte -1: invalid JSON" },
        { "{\"a\":0,\"b\":01}", "[]", "byte -1: invalid JSON number" },
        { "{\"a\":0,\"b\\x\":1}", "[]", "byte -1: invalid JSON string or escape" },
        { "{\"a\":0,\"b\":1}", "[\"a\",]", "byte -1: invalid JSON" },
        { "{\"a\":0,\"b\":1}", "[\"a\" \"b\"]", "byte -1: invalid JSON" },
        { "{\"a\":0,\"b\":1}", "[\"a\",\"\\ud800\"]",
          "byte -1: invalid JSON string or escape" },
        { "{\"a\":0,\"b\":1}", "[\"a\",\"\xff\"]", "byte -1: invalid UTF-8" },
        { "{\"a\":0,\"b\":1,\"a\":-2}", "[]", "byte -1: duplicate JSON key" },
        { "{\"a\":0,\"b\":1,\"\\u0061\":2}", "[]", "byte -1: duplicate JSON key" },
        { "{\"a\":0},\"vocab\":{\"b\":0}", "[]", "byte -1: duplicate JSON key" },
        { "{\"a\":0}", "[],\"x\":{\"y\":1,\"y\":2}", "byte -1: duplicate JSON key" },
        { "{\"a\":0}",
          "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
          "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
          "byte -1: JSON nested deeper than 64" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        put_model(t[i].vocab, t[i].merges);
        says(t[i].why);
    }
    put(HEAD, sizeof HEAD - 1);
    says("byte -1: invalid JSON");
    put("", 0);
    says("byte -1: no JSON value");
    put("[]", 2);
    says("not a JSON object");
}

/* A limit at its value and one beyond. */
static void
limits(void **state)
{
    struct buf vocab = { 0 }, merges = { 0 };
    struct tokenizer t;

    (void)state;
    for (int more = 0; more < 2; more++) {
        vocab.n = 0;
        buf_printf(&vocab, "{\"");
        for (int i = 0; i < 4096 + more; i++)
            buf_add(&vocab, "q", 1);
        buf_printf(&vocab, "\":3}");
        buf_add(&vocab, "", 1);
        put_model(vocab.p, "[]");
        if (more)
            says("'model.vocab': id 3: a token of more than 4096 bytes");
        else {
            tokenizer_load(&t, folder());
            assert_int_equal(t.vocab[3].n, 4096);
            tokenizer_free(&t);
        }
    }
    buf_printf(&merges, "[\"a b\"");
    for (int i = 1; i < 1 << 20; i++)
        buf_add(&merges, ",\"a b\"", 6);
    buf_add(&merges, "]", 2);
    put_model(VOCAB, merges.p);
    tokenizer_load(&t, folder());
    assert_int_equal(t.merges, 1 << 20);
    tokenizer_free(&t);
    merges.n -= 2;
    buf_add(&merges, ",7]", 4);
    put_model(VOCAB, merges.p);
    says("'model.merges': more than 1048576");
    mem_free(vocab.p);
    mem_free(merges.p);
}

/* A file whose length leaves no room for padding in its last page, and its neighbours. */
static void
pages(void **state)
{
    struct buf b = { 0 };

    (void)state;
    for (size_t n = 4096 - 66; n <= 4096 + 2; n++) {
        b.n = 0;
        buf_printf(&b, HEAD MODEL, VOCAB, MERGES);
        while (b.n < n)
            buf_add(&b, " ", 1);
        buf_add(&b, "", 1);
        same(b.p);
        b.n = 0; /* and the last string at its very end */
        buf_printf(&b, "\"");
        while (b.n + 1 < n)
            buf_add(&b, "a", 1);
        buf_add(&b, "\"", 1);
        put(b.p, b.n);
        says("not a JSON object");
    }
    mem_free(b.p);
}

static char *
real_folder(void)
{
    const char *shared = getenv("MBERT_SHARED");
    return mem_printf("%s/models/modernbert-base", shared ? shared : "../shared");
}

static void
real(void **state)
{
    char *dir = real_folder();
    struct tokenizer t;

    (void)state;
    tokenizer_load(&t, dir);
    assert_int_equal(t.vocabs, 50368);
    assert_int_equal(t.merges, 50009);
    assert_int_equal(t.fingerprint, 0xf652069b6d148ef8);
    for (int i = 0; i < t.merges; i++) {
        const struct piece l = t.vocab[t.merge[i].left], r = t.vocab[t.merge[i].right];
        const struct piece p = t.vocab[t.merge[i].result];
        assert_true(p.n == l.n + r.n && !memcmp(p.s, l.s, l.n) &&
                    !memcmp(p.s + l.n, r.s, r.n));
    }
    tokenizer_free(&t);
    mem_free(dir);
}

static void
absent(void **state)
{
    (void)state; /* the name says that it was skipped */
}

static int
gone(void **state)
{
    char *path = mem_printf("%s/tokenizer.json", folder());

    unlink(path);
    mem_free(path);
    return folder_gone(state);
}

int
main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts), cmocka_unit_test(lengths), cmocka_unit_test(sparse),
        cmocka_unit_test(refused), cmocka_unit_test(limits),  cmocka_unit_test(pages),
        cmocka_unit_test(real),
    };
    char *dir = real_folder();

    if (access(dir, R_OK))
        tests[6] = (struct CMUnitTest){
            "real # SKIP no shared reference models/modernbert-base (set MBERT_SHARED)",
            absent, NULL, NULL, NULL };
    mem_free(dir);
    return cmocka_run_group_tests(tests, NULL, gone);
}
