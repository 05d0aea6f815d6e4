/* formats_json - what is accepted, what is refused and why, limits, floods, and text again. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/base/mem.h"
#include "common/base/progress.h"
#include "formats/json.h"
#include "formats/jsonout.h"

static struct json *parser;

static int
start(void **state)
{
    (void)state;
    parser = json_new();
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    json_free(parser);
    return 0;
}

static const char *
parse(const char *text, size_t n)
{
    struct json_value v;
    return json_parse(parser, text, n, &v);
}

static void
says(const char *text, const char *want)
{
    const char *got = parse(text, strlen(text));
    if (!got)
        fail_msg("accepted: %.60s", text);
    assert_string_equal(got, want);
}

static void
refused(void **state)
{
    static const struct { const char *text, *why; } t[] = {
        { "", "no JSON value" },
        { " \n\t ", "no JSON value" },
        { "nul", "invalid JSON literal" },
        { "tru", "invalid JSON literal" },
        { "falsy", "invalid JSON literal" },
        { "NaN", "invalid JSON" },
        { "[-Infinity]", "invalid JSON number" },
        { "1e999", "invalid JSON number" },
        { "-1e999", "invalid JSON number" },
        { "18446744073709551616", "invalid JSON number" },
        { "-9223372036854775809", "invalid JSON number" },
        { "01", "invalid JSON number" },
        { "1.", "invalid JSON number" },
        { "+1", "invalid JSON" },
        { "[1] x", "invalid JSON" },
        { "[1][2]", "invalid JSON" },
        { "[1", "invalid JSON" },
        { "{\"a\":1,}", "invalid JSON" },
        { "{\"a\" 1}", "invalid JSON" },
        { "{1:2}", "invalid JSON" },
        { "\"a", "unclosed JSON string" },
        { "\"\x01\"", "unescaped control character in a JSON string" },
        { "\"\\x\"", "invalid JSON string or escape" },
        { "\"\\u12g4\"", "invalid JSON string or escape" },
        { "\"\\ud800\"", "invalid JSON string or escape" },
        { "\"\\udc00\"", "invalid JSON string or escape" },
        { "\"\\ud800\\ud800\"", "invalid JSON string or escape" },
        { "\"\\udc00\\ud800\"", "invalid JSON string or escape" },
        { "{\"\\udead\":1}", "invalid JSON string or escape" },
        { "\"\xff\"", "invalid UTF-8" },
        { "\"\xc0\x80\"", "invalid UTF-8" },
        { "\"\xed\xa0\x80\"", "invalid UTF-8" },
        { "\"\xf4\x90\x80\x80\"", "invalid UTF-8" },
        { "\"\xe2\x82\"", "invalid UTF-8" },
        { "\xEF\xBB\xBF{}", "invalid JSON" },
        { "{\"a\":1,\"a\":2}", "duplicate JSON key" },
        { "{\"a\\u0062\":1,\"ab\":2}", "duplicate JSON key" },
        { "[{\"x\":{\"\":1,\"b\":2,\"\":3}}]", "duplicate JSON key" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        says(t[i].text, t[i].why);
    assert_string_equal(parse("\"\0\"", 3), "unescaped control character in a JSON string");
    assert_null(parse("{\"a\":1,\"b\":{\"a\":1}}", 19));
}

/* Each limit at its value and one beyond. */
static void
limits(void **state)
{
    char text[256];
    (void)state;
    for (int depth = 64; depth <= 65; depth++)
        for (int inner = 0; inner <= 1; inner++) { /* the innermost list empty or not */
            memset(text, '[', (size_t)depth);
            text[depth] = '1';
            memset(text + depth + inner, ']', (size_t)depth);
            const char *why = parse(text, (size_t)(2 * depth + inner));
            if (depth == 64)
                assert_null(why);
            else
                assert_string_equal(why, "JSON nested deeper than 64");
        }
    for (size_t n = 64; n <= 65; n++)
        for (size_t at = 0; at < 70; at++) { /* wherever the number stands */
            memset(text, ' ', sizeof text);
            memset(text + at, '1', n);
            text[at + 1] = '.';
            const char *why = parse(text, 200);
            if (n == 64) {
                assert_null(why);
                continue;
            }
            assert_string_equal(why, "JSON number longer than 64 characters");
            assert_int_equal(json_where(parser), at);
        }
    memset(text, 'e', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    assert_null(parse(text, sizeof text)); /* a long word is not a number */
}

/* An innocent number after a string that looks like one, and quotes inside. */
static void
numbers_in_strings(void **state)
{
    static const char digits[] = "11111111111111111111111111111111111111111111111111111111111111111111";
    char text[512];
    (void)state;
    snprintf(text, sizeof text, "{\"a\":\"\\\"%s\",\"b\":[\"\\\\\",1,\"%s\"]}", digits, digits);
    assert_null(parse(text, strlen(text)));
    snprintf(text, sizeof text, "{\"a\":\"\\\\\",\"b\":%s}", digits);
    says(text, "JSON number longer than 64 characters");
}

static struct json_value
parsed(const char *text)
{
    struct json_value v;
    const char *why = json_parse(parser, text, strlen(text), &v);
    if (why)
        fail_msg("%s: %s", text, why);
    return v;
}

static void
values(void **state)
{
    struct json_value v = parsed("{\"i\":-5,\"u\":18446744073709551615,\"f\":2.5,\"s\":\"a\\u0000b\","
                                 "\"t\":true,\"n\":null,\"l\":[1,[2,3],{}],\"o\":{}}"), x;
    const char *s;
    size_t n;
    int64_t i;
    uint64_t u;
    double d;
    int b;
    (void)state;
    assert_int_equal(json_type(v), JSON_OBJECT);
    assert_int_equal(json_size(v), 8);
    assert_int_equal(json_get(v, "absent", &x), 0);
    assert_int_equal(json_get(v, "i", &x) && json_int(x, &i) && json_number(x, &d), 1);
    assert_true(i == -5 && d == -5 && !json_uint(x, &u) && !json_string(x, &s, &n));
    assert_true(json_get(v, "u", &x) && !json_int(x, &i) && json_uint(x, &u) && u == UINT64_MAX);
    assert_true(json_type(x) == JSON_INT && json_number(x, &d) && d == 0x1p64);
    assert_true(json_get(v, "f", &x) && !json_int(x, &i) && json_number(x, &d) && d == 2.5);
    assert_int_equal(json_type(x), JSON_FLOAT);
    assert_true(json_get(v, "s", &x) && json_string(x, &s, &n) && n == 3 && !memcmp(s, "a\0b", 3));
    assert_true(json_get(v, "t", &x) && json_bool(x, &b) && b && json_type(x) == JSON_BOOL);
    assert_true(json_get(v, "n", &x) && !json_bool(x, &b) && json_type(x) == JSON_NULL);
    assert_true(json_get(v, "l", &x) && json_size(x) == 3 && !json_get(x, "l", &x));
    assert_true(json_get(v, "o", &x) && json_size(x) == 0 && json_type(x) == JSON_OBJECT);
}

static void
iteration(void **state)
{
    static const char *const keys[] = { "a", "", "c" };
    struct json_iter it = json_iter(parsed("{\"a\":[1,2,[3]],\"\":{\"x\":1.5},\"c\":7}"));
    struct json_value v;
    const char *key;
    size_t n;
    int count = 0;
    (void)state;
    while (json_next(&it, &key, &n, &v)) {
        assert_int_equal(n, strlen(keys[count]));
        assert_memory_equal(key, keys[count], n);
        count++;
    }
    assert_int_equal(count, 3);
    it = json_iter(parsed("[[],{},\"x\",-1]"));
    for (count = 0; json_next(&it, &key, &n, &v); count++)
        assert_true(!key && !n);
    assert_int_equal(count, 4);
    it = json_iter(parsed("5"));
    assert_int_equal(json_next(&it, &key, &n, &v), 0);
}

static void
text_again(void **state)
{
    static const struct { const char *in, *out; } t[] = {
        { " { \"b\" : [ 1 , 2.50 ] , \"a\" : { } } ", "{\"b\":[1,2.5],\"a\":{}}" },
        { "[[],[[]],{\"a\":[{}]}]", "[[],[[]],{\"a\":[{}]}]" },
        { "[1.0,1e22,0.1,1e-7,-0.0,5e-324]", "[1.0,1e+22,0.1,1e-07,-0.0,4.94065645841247e-324]" },
        { "[0.30000000000000004,9007199254740993]", "[0.30000000000000004,9007199254740993]" },
        { "[-9223372036854775808,18446744073709551615]", "[-9223372036854775808,18446744073709551615]" },
        { "\"\\u0041\\n\\u001f\\\"\\/\\u00e9\\ud83d\\ude00\"", "\"A\\n\\u001f\\\"/\xc3\xa9\xf0\x9f\x98\x80\"" },
        { "[true,false,null]", "[true,false,null]" },
    };
    struct buf b = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        b.n = 0;
        json_text(parsed(t[i].in), &b);
        buf_add(&b, "", 1);
        assert_string_equal(b.p, t[i].out);
    }
    mem_free(b.p);
}

static void
written(void **state)
{
    struct buf b = { 0 };
    (void)state;
    jsonout_string(&b, "a\"\\\b\f\n\r\t\x01\x7f/\0\xc3\xa9\xff\xed\xa0\x80\xe2\x82", 20);
    jsonout_f32(&b, 0.1f);
    buf_add(&b, " ", 1);
    jsonout_f64(&b, 0.1);
    buf_add(&b, " ", 1);
    jsonout_f64(&b, 0.0 / 0.0);
    buf_add(&b, "", 1);
    assert_string_equal(b.p, "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f/\\u0000\xc3\xa9"
                             "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""
                             "0.100000001 0.10000000000000001 null");
    mem_free(b.p);
}

/* Many keys, long common beginnings, and digits everywhere: time grows with the size. */
static void
floods(void **state)
{
    struct buf b = { 0 };
    double took[2];
    (void)state;
    for (int round = 0; round < 2; round++) {
        const int keys = 20000 << 2 * round;
        b.n = 0;
        buf_printf(&b, "{");
        for (int i = 0; i < keys; i++)
            buf_printf(&b, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%d\":1,", i);
        buf_printf(&b, "\"x\":2}");
        const double t = progress_clock();
        assert_null(parse(b.p, b.n));
        took[round] = progress_clock() - t;
    }
    if (!(took[1] < 16 * took[0] + 0.5))
        fail_msg("four times the keys took %.3f s after %.3f s", took[1], took[0]);
    memcpy(b.p + b.n - 6, ",\"a\":2}", 6);
    b.n = 0;
    buf_printf(&b, "{\"k\":0");
    for (int i = 0; i < 100; i++)
        buf_printf(&b, ",\"k%d\":1", i);
    buf_printf(&b, ",\"k57\":2}");
    assert_string_equal(parse(b.p, b.n), "duplicate JSON key");
    mem_free(b.p);
}

/*
 * JSONTestSuite: y_ files are accepted and n_ files refused, but for these.  What an i_ file
 * may do is open: we accept two and refuse the rest (lone surrogates, bytes that are not
 * UTF-8, byte order marks, depth 500, numbers beyond double or 64 bits).
 */
static const char *const accepted[] = {
    "i_number_double_huge_neg_exp.json", "i_number_real_underflow.json",
};
static const struct { const char *name, *why; } stricter[] = {
    { "y_object_duplicated_key.json", "duplicate JSON key" },
    { "y_object_duplicated_key_and_value.json", "duplicate JSON key" },
    { "y_number_double_close_to_zero.json", "JSON number longer than 64 characters" },
};

static int
file_accepted(const char *dir, const char *name, const char **why)
{
    char *path = mem_printf("%s/%s", dir, name);
    static char text[1 << 20];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    mem_free(path);
    *why = parse(text, n);
    return !*why;
}

static char *
suite_path(void)
{
    const char *shared = getenv("MBERT_SHARED");
    return mem_printf("%s/data/jsontestsuite", shared ? shared : "../shared");
}

static void
suite(void **state)
{
    const char *why;
    char *path = suite_path();
    DIR *dir = opendir(path);
    int count[3] = { 0 };
    (void)state;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        const char *name = e->d_name;
        if (!strstr(name, ".json"))
            continue;
        const int got = file_accepted(path, name, &why);
        int want = name[0] == 'y';
        for (size_t i = 0; i < sizeof stricter / sizeof *stricter; i++)
            if (!strcmp(name, stricter[i].name)) {
                assert_string_equal(why ? why : "accepted", stricter[i].why);
                want = 0;
            }
        for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++)
            want |= !strcmp(name, accepted[i]);
        count[name[0] == 'y' ? 0 : name[0] == 'n' ? 1 : 2]++;
        if (got != want)
            fail_msg("%s: %s", name, got ? "accepted" : why);
    }
    closedir(dir);
    assert_true(count[0] >= 90 && count[1] >= 180 && count[2] >= 30);
    mem_free(path);
}

static void
no_suite(void **state)
{
    (void)state; /* the name says that it was skipped */
}

int
main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),   cmocka_unit_test(limits),
        cmocka_unit_test(numbers_in_strings), cmocka_unit_test(values),
        cmocka_unit_test(iteration), cmocka_unit_test(text_again),
        cmocka_unit_test(written),   cmocka_unit_test(floods),
        cmocka_unit_test(suite),
    };
    char *path = suite_path();
    if (access(path, R_OK))
        tests[8] = (struct CMUnitTest){
            "suite # SKIP no shared reference data/jsontestsuite (set MBERT_SHARED)", no_suite,
            NULL, NULL, NULL };
    mem_free(path);
    return cmocka_run_group_tests(tests, start, stop);
}
