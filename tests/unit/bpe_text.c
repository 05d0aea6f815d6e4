/*
 * bpe_text - what stands below the ids: valid UTF-8, NFC of Unicode 9.0, pieces of the
 * GPT-2 pattern, truncation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "common/base/mem.h"
#include "common/bpe/chars.h"
#include "common/bpe/nfc.h"
#include "common/bpe/pretok.h"
#include "common/bpe/template.h"
#include "formats/bytechar.h"
#include "formats/tokenizer.h"

static void
characters(void **state)
{
    static const struct {
        uint32_t c;
        unsigned flags;
    } row[] = {
        {'a', CHAR_LETTER | CHAR_WORD},
        {'7', CHAR_NUMBER | CHAR_WORD},
        {'_', CHAR_WORD},
        {'\'', 0},
        {' ', CHAR_WHITE},
        {0x85, CHAR_WHITE},
        {0x3000, CHAR_WHITE},
        {0x1C, 0},
        {0x180E, 0},
        {0x200B, 0},
        {0xFEFF, 0},
        {0x2167, CHAR_NUMBER | CHAR_WORD},
        {0xBD, CHAR_NUMBER},
        {0x301, CHAR_COMPOSES | CHAR_MARK | CHAR_WORD},
        {0x670, CHAR_MARK | CHAR_WORD}, /* composes with nothing */
        {0xE9, CHAR_LETTER | CHAR_WORD},
        {0x212B, CHAR_LETTER | CHAR_WORD | CHAR_COMPOSES},
        {0x24B6, CHAR_WORD},
        {0x200D, CHAR_WORD},
        {0x8D3, CHAR_INERT | CHAR_WORD},                /* a mark of Unicode 11 */
        {0x1C89, CHAR_INERT | CHAR_LETTER | CHAR_WORD}, /* a letter of Unicode 16 */
        {0x378, CHAR_INERT},
        {0x10FFFF, 0},
    };
    char out[4];
    uint32_t length;

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        assert_int_equal(char_flags(row[i].c), row[i].flags);
    for (uint32_t c = 0; c < 0x110000; c++) {
        if (c >= 0xD800 && c < 0xE000)
            continue;
        int n = char_write(c, out);
        assert_int_equal(char_read(out, &length), c);
        assert_int_equal(length, n);
        assert_int_equal(char_back(out, (size_t)n), n);
        assert_int_equal(char_valid(out, (size_t)n, NULL), n);
    }
    for (int b = 0; b < 256; b++)
        assert_int_equal(bytechar_byte(bytechar_of((unsigned char)b)), b);
    assert_int_equal(bytechar_of(' '), 0x120);
    assert_int_equal(bytechar_of('\n'), 0x10A);
    assert_int_equal(bytechar_byte(0xAD), -1);
    assert_int_equal(bytechar_byte(0x144), -1);
}

static void
utf8(void **state)
{
    /* where it goes wrong and how long the maximal ill-formed part is (Unicode, 3.9) */
    static const struct {
        const char *s;
        size_t n, at, bad;
    } row[] = {
        {"\x80", 1, 0, 1},
        {"a\xC3", 2, 1, 1},
        {"\xC0\xAF", 2, 0, 1},
        {"\xE0\x80\x80", 3, 0, 1},
        {"\xED\xA0\x80", 3, 0, 1},
        {"\xF0\x9F\x98", 3, 0, 3},
        {"\xF4\x90\x80\x80", 4, 0, 1},
        {"\xF0\x9F"
         "A",
         3, 0, 2},
        {"\xF5\x80", 2, 0, 1},
        {"12345678\xE4\xB8", 10, 8, 2},
        {"\xE2\x28\xA1", 3, 0, 1},
    };
    size_t bad;

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        assert_int_equal(char_valid(row[i].s, row[i].n, &bad), row[i].at);
        assert_int_equal(bad, row[i].bad);
    }
}

static void
normal_form(void **state)
{
    static const struct {
        const char *from, *to;
    } row[] = {
        {"", ""},
        {"plain", "plain"},
        {"e\xCC\x81", "\xC3\xA9"},
        {"\xE2\x84\xAB", "\xC3\x85"},
        {"\xCC\x81", "\xCC\x81"},                   /* a mark and nothing before it */
        {"q\xCC\x87\xCC\xA3", "q\xCC\xA3\xCC\x87"}, /* ordered by class */
        {"a\xCC\x82\xCC\xA3", "\xE1\xBA\xAD"},      /* ordered, then composed twice */
        {"\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", "\xEA\xB0\x81"}, /* jamo */
        {"\xEF\xA4\x80", "\xE8\xB1\x88"},
        {"\xCD\xBE", ";"},
        {"\xE2\x80\x81", "\xE2\x80\x83"},
        {"\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC"}, /* a composition exclusion */
        /* newer than Unicode 9.0: no composition, no class */
        {"\xF0\x91\xA4\xB5\xF0\x91\xA4\xB0", "\xF0\x91\xA4\xB5\xF0\x91\xA4\xB0"},
        {"a\xE0\xA3\x93\xCC\x81", "a\xE0\xA3\x93\xCC\x81"},
        {"a\xE1\xB7\xB6\xCC\xA3", "a\xE1\xB7\xB6\xCC\xA3"},
    };
    struct nfc w = {0};
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        out.n = 0;
        nfc_add(&w, &out, row[i].from, strlen(row[i].from));
        assert_int_equal(out.n, strlen(row[i].to));
        if (out.n)
            assert_memory_equal(out.p, row[i].to, out.n);
        if (nfc_is(row[i].from, strlen(row[i].from)))
            assert_string_equal(row[i].from, row[i].to);
    }
    nfc_free(&w);
    mem_free(out.p);
}

/* A run of marks without end is ordered and composed, in no more than n log n. */
static void
long_runs(void **state)
{
    enum { PAIRS = 300000 };
    struct nfc w = {0};
    struct buf in = {0}, out = {0};

    (void)state;
    buf_add(&in, "a", 1);
    for (int i = 0; i < PAIRS; i++)
        buf_add(&in, "\xCC\x81\xCC\xA3", 4); /* above, class 230; below, class 220 */
    nfc_add(&w, &out, in.p, in.n);
    assert_int_equal(out.n, 3 + 4 * PAIRS -
                                2); /* a with dot below, then 2n - 1 marks of two bytes */
    assert_memory_equal(out.p, "\xE1\xBA\xA1\xCC\xA3", 5);
    for (int i = 0; i < PAIRS - 1; i++)
        assert_memory_equal(out.p + 3 + 2 * i, "\xCC\xA3", 2);
    for (int i = 0; i < PAIRS; i++)
        assert_memory_equal(out.p + 3 + 2 * (PAIRS - 1) + 2 * i, "\xCC\x81", 2);
    nfc_free(&w);
    mem_free(in.p);
    mem_free(out.p);
}

static void
pieces(void **state)
{
    static const struct {
        const char *text, *cut;
    } row[] = {
        /* cut: the pieces between bars */
        {"Hello, world!", "Hello|,| world|!"},
        {"it's we'll I've I'm you're he'd can't",
         "it|'s| we|'ll| I|'ve| I|'m| you|'re| he|'d| can|'t"},
        {"'rest 's ''s x.'s 'S", "'re|st| '|s| ''|s| x|.'|s| '|S"},
        {"'", "'"},
        {"'l", "'|l"},
        {"'r", "'|r"},
        {"a\n b", "a|\n| b"},
        {"a \nb", "a| |\n|b"},
        {"a\n\nb", "a|\n|\n|b"},
        {"a   b", "a|  | b"},
        {"a  ", "a|  "},
        {" ", " "},
        {"  a", " | a"},
        {"\tword", "\t|word"},
        {"\xC2\xA0word", "\xC2\xA0|word"},
        {"a\xE3\x80\x80\xE3\x80\x80"
         "b",
         "a|\xE3\x80\x80|\xE3\x80\x80|b"},
        {"x1y22", "x|1|y|22"},
        {" 12 _a", " 12| _|a"},
        {"\xC2\xB2\xC2\xBD\xE2\x85\xA7", "\xC2\xB2\xC2\xBD\xE2\x85\xA7"},
        {"e\xCC\x81x", "e|\xCC\x81|x"},
        {"\xE4\xB8\xAD\xE6\x96\x87 \xD0\xB4\xD0\xB0",
         "\xE4\xB8\xAD\xE6\x96\x87| \xD0\xB4\xD0\xB0"},
        {"a\xE2\x80\x8B"
         "b",
         "a|\xE2\x80\x8B|b"},
    };
    pretok_fn *next = pretok_find(PATTERN_GPT2);
    struct buf got = {0};

    (void)state;
    assert_null(pretok_find(-1));
    assert_null(pretok_find(1000));
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        size_t n = strlen(row[i].text);
        got.n = 0;
        for (size_t at = 0, k; at < n; at += k) {
            k = next(row[i].text + at, n - at);
            assert_true(k > 0 && k <= n - at);
            if (at)
                buf_add(&got, "|", 1);
            buf_add(&got, row[i].text + at, k);
        }
        buf_add(&got, "", 1);
        assert_string_equal(got.p, row[i].cut);
    }
    mem_free(got.p);
}

static void
truncation(void **state)
{
    static const struct {
        enum truncation how;
        size_t most, a, b, to_a, to_b;
        int ok;
    } row[] = {
        {TRUNCATE_LONGEST_FIRST, 10, 4, 6, 4, 6, 1},
        {TRUNCATE_LONGEST_FIRST, 10, 3, 20, 3, 7, 1},
        {TRUNCATE_LONGEST_FIRST, 10, 20, 3, 7, 3, 1},
        {TRUNCATE_LONGEST_FIRST, 9, 20, 30, 4, 5, 1},
        {TRUNCATE_LONGEST_FIRST, 9, 30, 20, 5, 4, 1},
        {TRUNCATE_LONGEST_FIRST, 9, 20, 20, 4, 5, 1},
        {TRUNCATE_LONGEST_FIRST, 0, 20, 20, 0, 0, 1},
        {TRUNCATE_ONLY_FIRST, 10, 9, 4, 6, 4, 1},
        {TRUNCATE_ONLY_FIRST, 10, 4, 10, 4, 10, 0},
        {TRUNCATE_ONLY_SECOND, 10, 9, 4, 9, 1, 1},
        {TRUNCATE_ONLY_SECOND, 10, 10, 4, 10, 4, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        size_t a = row[i].a, b = row[i].b;
        assert_int_equal(template_truncate(row[i].how, row[i].most, &a, &b), row[i].ok);
        assert_int_equal(a, row[i].to_a);
        assert_int_equal(b, row[i].to_b);
    }
    size_t alone = 9;
    assert_int_equal(template_truncate(TRUNCATE_LONGEST_FIRST, 4, &alone, NULL), 1);
    assert_int_equal(alone, 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters),  cmocka_unit_test(utf8),
        cmocka_unit_test(normal_form), cmocka_unit_test(long_runs),
        cmocka_unit_test(pieces),      cmocka_unit_test(truncation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
