/*
 * bpe_encode - small tokenizers made for one rule each; the wanted ids and texts are what
 * the reference (tokenizers 0.23.3) gives for the same file.
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
#include "common/base/mem.h"
#include "common/bpe/decode.h"
#include "common/bpe/encode.h"
#include "common/bpe/merge.h"
#include "common/bpe/template.h"
#include "formats/tokenizer.h"
#include "tests/unit/made.h"

/* a-h are 0-7 and the blank is 8: the first new added token is 9 */
#define LETTERS                                                                            \
    "{\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"e\":4,\"f\":5,\"g\":6,\"h\":7,\"\xC4\xA0\":8}"

static char *
ids_text(const struct tokenizer *t, const char *s, size_t n)
{
    struct bpe *b = bpe_new(t);
    struct encoder *e = encoder_new(b);
    struct ids ids = {0};
    struct buf out = {0};

    encode_text(e, s, n, SIZE_MAX, &ids);
    for (size_t i = 0; i < ids.n; i++)
        buf_printf(&out, "%s%d", i ? " " : "", ids.p[i]);
    buf_add(&out, "", 1);
    same_in_batch(b, s, n, &ids);
    mem_free(ids.p);
    encoder_free(e);
    bpe_free(b);
    return out.p;
}

static void
added_tokens(void **state)
{
    static const struct {
        const char *added, *text, *ids;
    } row[] = {
        {"ab/", "c ab", "2 8 9"},
        {"ab/l", "c  ab", "2 9"},
        {"ab/|ab/l", "c ab", "2 9"}, /* the last definition's flags */
        {"ab/l|ab/", "c ab", "2 8 9"},
        {"c/|Y/", "cYb", "2 9 1"}, /* ids: the model's, then the next free one */
        {"X/|Y/|X/r", "X  Y", "9 10"},
        {"R/r|  /|   /", "aR      b",
         "0 9 11 11 1"},                          /* tokens inside the blanks that R took */
        {"R/r|  /", "aR     c", "0 9 10 10 8 2"}, /* and text that goes on after them */
        {"R/r|  /lr", "aR      b", "0 9 1"},      /* but not when nothing is left of them */
        {" /nr", "a   a", "0 9 9 9 0"},
        {"X/|  /|M/l", "X   M  X  \xE3\x80\x80M",
         "9 10 11 10 9 10 11"}, /* what was matched stays so */
        {"ab/w|abc/|bc/", "abcab abd bc",
         "10 0 1 8 0 1 3 8 11"}, /* the longest, then refused */
        {"ab/w", "ab cab ab- ab_ ab\xE2\x80\x8D", "9 8 2 0 1 8 9 8 0 1 8 0 1"},
        {"ab/w",
         "ab\xCC\x81 \xE2\x92\xB6"
         "ab ab\xC2\xB2 ab\xD9\xA3",
         "0 1 8 0 1 8 9 8 0 1"},
        {"\xC3\xA9/n", "e\xCC\x81", "9"}, /* normalized: found in the normal form */
        {"\xC3\xA9/", "e\xCC\x81", ""},   /* not: in the raw text alone */
        {"e\xCC\x81/n", "\xC3\xA9", "9"},
        {"[X]/s", "a[X]  [X", "0 9 8 8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        char *added = entries(row[i].added), *got;
        struct tokenizer t;
        load(&t, LETTERS, "", added, "null");
        got = ids_text(&t, row[i].text, strlen(row[i].text));
        if (strcmp(got, row[i].ids))
            fail_msg("%s: '%s' gave %s, not %s", row[i].added, row[i].text, got,
                     row[i].ids);
        mem_free(got);
        mem_free(added);
        tokenizer_free(&t);
    }
}

static void
models(void **state)
{
    static const struct {
        const char *vocab, *merges, *unk, *text, *ids;
    } row[] = {
        /* a pair given twice has its last rank; as strings and as pairs */
        {"{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4}", "\"a b\",\"b c\",\"a b\"", "null",
         "abc", "0 4"},
        {"{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4}",
         "[\"a\",\"b\"],[\"b\",\"c\"],[\"a\",\"b\"]", "null", "abc", "0 4"},
        {"{\"a\":0,\"b\":1,\"ab\":2}", "\"#version: 0.2\",\"a b\"", "null", "ab", "2"},
        {"{\"a\":0,\"aa\":1}", "\"a a\"", "null", "aaaaa", "1 1 0"}, /* leftmost of a tie */
        {"{\"aa\":7,\"a\":3}", "\"a a\"", "null", "aaa",
         "7 3"}, /* ids do not follow ranks */
        /* what has no token is dropped and its neighbours meet, or it is unk */
        {"{\"[U]\":0,\"a\":1,\"b\":2,\"ab\":3}", "\"a b\"", "null", "axxb", "3"},
        {"{\"[U]\":0,\"a\":1,\"b\":2,\"ab\":3}", "\"a b\"", "\"[U]\"", "axxb", "1 0 0 2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct tokenizer t;
        char *got;
        load(&t, row[i].vocab, row[i].merges, "", row[i].unk);
        got = ids_text(&t, row[i].text, strlen(row[i].text));
        assert_string_equal(got, row[i].ids);
        mem_free(got);
        tokenizer_free(&t);
    }
}

static void
decoding(void **state)
{
    static const struct {
        const char *added;
        uint32_t id;
        int skip;
        const char *text;
    } row[] = {
        {"\xC3\xA9/", 9, 0, "\xEF\xBF\xBD"}, /* its characters stand for the byte E9 */
        {"\xC3\xA9 /", 9, 0, "\xC3\xA9 "},   /* a blank stands for none: as it is */
        {"e\xCC\x81/", 9, 0, "e\xCC\x81"},
        {"e\xCC\x81/n", 9, 0, "\xEF\xBF\xBD"}, /* its normal form */
        {"X/s|X/", 9, 1, ""},                  /* once special, always */
        {"X/", 9, 1, "X"},
        {"X/", 10, 0, ""}, /* no token's */
        {"X/", 4294967295u, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        char *added = entries(row[i].added);
        struct tokenizer t;
        struct decoder *d;
        struct buf out = {0};
        load(&t, LETTERS, "", added, "null");
        d = decoder_new(&t);
        assert_int_equal(decode_ids(d, &row[i].id, 1, row[i].skip, &out), row[i].id > 9);
        assert_int_equal(out.n, strlen(row[i].text));
        if (out.n)
            assert_memory_equal(out.p, row[i].text, out.n);
        mem_free(out.p);
        decoder_free(d);
        tokenizer_free(&t);
        mem_free(added);
    }
}

/* The rule itself, again and again: the lowest rank, the leftmost of equals. */
static size_t
plain(const struct tokenizer *t, const char *s, size_t n, int *id)
{
    for (size_t i = 0; i < n; i++)
        id[i] = t->byte[(unsigned char)s[i]];
    for (;;) {
        size_t at = n;
        int best = -1;
        for (size_t i = 0; i + 1 < n; i++)
            for (int k = t->merges - 1; k >= 0; k--)
                if (t->merge[k].left == id[i] && t->merge[k].right == id[i + 1]) {
                    if (best < 0 || k < best) {
                        best = k;
                        at = i;
                    }
                    break; /* the last of a pair given twice */
                }
        if (best < 0)
            return n;
        id[at] = t->merge[best].result;
        memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof *id);
        n--;
    }
}

/* Short and long pieces, ranks in any order. */
static void
merging(void **state)
{
    enum { MOST = 200 };
    struct tokenizer t;
    struct heap_work w = {0};
    uint32_t x = 1;
    int want[MOST], got[MOST];
    char s[MOST];

    (void)state;
    load(&t,
         "{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\"bc\":4,\"abc\":5,\"ca\":6,\"aa\":7,\"aaaa\":"
         "8,\"bcab\":9,\"aaaab\":10}",
         "\"bc ab\",\"aaaa b\",\"a a\",\"a bc\",\"c a\",\"b c\",\"aa aa\",\"a b\",\"ab "
         "c\",\"c a\"",
         "", "null");
    struct merges *m = merges_new(&t);
    for (int k = 0; k < 3000; k++) {
        size_t n = 1 + (x >> 8) % MOST;
        for (size_t i = 0; i < n; i++) {
            x = x * 1664525 + 1013904223;
            s[i] = (char)('a' + (x >> 20) % 3);
        }
        size_t wanted = plain(&t, s, n, want);
        assert_int_equal(merge_piece(m, &w, s, n, got), wanted);
        assert_memory_equal(got, want, wanted * sizeof *want);
    }
    merges_free(m);
    heap_free(&w);
    tokenizer_free(&t);
}

static void
fingerprints(void **state)
{
    struct tokenizer t;
    uint64_t one, two;

    (void)state;
    load(&t, "{\"a\":0,\"b\":1,\"ab\":2}", "\"a b\"", "", "null");
    one = t.fingerprint;
    tokenizer_free(&t);
    load(&t, "{\"ab\":2,\n\"b\":1,\"a\":0}", "[\"a\",\"b\"]", "",
         "null"); /* the same, told otherwise */
    two = t.fingerprint;
    tokenizer_free(&t);
    assert_true(one == two);
    load(&t, "{\"a\":0,\"b\":1,\"ab\":2}", "", "", "null");
    two = t.fingerprint;
    tokenizer_free(&t);
    assert_true(one != two);
}

/* Runs what must die with status 3; its message goes nowhere. */
static void
dies(const char *vocab, const char *merges, const char *list)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (!child) {
        struct tokenizer t;
        char *added = entries(list);
        if (!freopen("/dev/null", "w", stderr))
            _exit(99);
        load(&t, vocab, merges, added, "null");
        mem_free(added);
        struct bpe *b = bpe_new(&t);
        bpe_free(b);
        tokenizer_free(&t);
        _exit(0);
    }
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
}

static void
refused(void **state)
{
    (void)state;
    dies("{}", "", "");
    dies("{\"a\":0,\"b\":0}", "", ""); /* one id twice */
    dies("{\"a\":-1}", "", "");
    dies("{\"a\":1048576}", "", "");
    dies("{\"a\":1.5}", "", "");
    dies("{\"a\":0,\"b\":1}", "\"a b\"", "");  /* the product is no token */
    dies("{\"a\":0,\"ab\":1}", "\"a b\"", ""); /* half of it */
    dies("{\"a\":0,\"b\":1}", "\"ab\"", "");
    dies("{\"a\":0,\"b\":1}", "\"a b c\"", "");
    dies("{\"a\":0,\"b\":1}", "[\"a\"]", "");
    dies("{\"a\":0,\"b\":1}", "7", "");
    dies("{\"a\":0,\"b\":2}", "", "X/");         /* its id would be b's */
    dies(LETTERS, "", "\xC3\xA9/n|e\xCC\x81/n"); /* one normal form */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(added_tokens), cmocka_unit_test(models),
        cmocka_unit_test(decoding),     cmocka_unit_test(merging),
        cmocka_unit_test(fingerprints), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, folder_gone);
}
