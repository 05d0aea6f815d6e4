/* formats_large - large values read without a tree, and what stands around them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "common/base/mem.h"
#include "formats/json.h"

static struct json *parser;

/* Reads one large value whole; "key=value;" or "string;" or "string,string;" of its members. */
static int
read_large(int i, int most, struct buf *out)
{
    struct json_item item[8];
    int n;
    while ((n = json_large_next(parser, i, item, most)) > 0)
        for (int k = 0; k < n; k++) {
            buf_add(out, item[k].s[0], item[k].n[0]);
            if (item[k].strings == 2) {
                buf_add(out, ",", 1);
                buf_add(out, item[k].s[1], item[k].n[1]);
            } else if (!i) {
                buf_printf(out, "=%lld", (long long)item[k].value);
            }
            buf_add(out, ";", 1);
        }
    return n;
}

/* The whole of text by json_parse_around, large values first: what is left of it after. */
static const char *
around(const char *text, int most, struct buf *out)
{
    static const char *const key[] = { "map", "list" };
    const size_t n = strlen(text);
    char *padded = mem_zalloc(n + 64, 1);
    struct json_value root;
    memcpy(padded, text, n);
    const char *why = json_parse_around(parser, padded, n, "in", key, &root);
    out->n = 0;
    for (int i = 0; !why && i < JSON_LARGE; i++) {
        buf_printf(out, "%zu:", json_large_size(parser, i));
        if (read_large(i, most, out) < 0) {
            size_t bytes;
            const char *bad = json_large_bad(parser, i, &bytes);
            buf_printf(out, "bad '%.*s'", (int)bytes, bad);
        }
        buf_add(out, "|", 1);
    }
    if (!why)
        json_text(root, out);
    buf_add(out, "", 1);
    mem_free(padded);
    return why;
}

static void
large(void **state)
{
    static const struct { const char *text, *want; } t[] = {
        { "{\"in\":{\"map\":{\"a\":1,\"\\u0062\":-2,\"\":3},\"list\":[\"x y\",[\"z\",\"\\n\"],\"\"]}}",
          "3:a=1;b=-2;=3;|3:x y;z,\n;;|{\"in\":{\"map\":{},\"list\":[]}}" },
        { " {\"map\":{\"q\":0}, \"i\\u006e\" : {\"list\" : [ \"b\" ] , \"k\":[1], \"m\\u0061p\" : { \"a\" : 1 } } , \"o\":2}",
          "1:a=1;|1:b;|{\"map\":{\"q\":0},\"in\":{\"list\":[],\"k\":[1],\"map\":{}},\"o\":2}" },
        { "{\"in\":{\"map\":{},\"list\":[]}}", "0:|0:|{\"in\":{\"map\":{},\"list\":[]}}" },
        { "{\"in\":{\"map\":null,\"list\":7}}", "0:bad ''|0:bad ''|{\"in\":{\"map\":null,\"list\":7}}" },
        { "{\"in\":[],\"map\":{\"a\":1}}", "0:bad ''|0:bad ''|{\"in\":[],\"map\":{\"a\":1}}" },
        { "[1]", "0:bad ''|0:bad ''|[1]" },
        { "{\"in\":{\"map\":{\"a\":1,\"b\":2.5,\"c\":3},\"list\":[\"x\",[\"y\"],\"z\"]}}",
          "3:a=1;bad 'b'|3:x;bad ''|{\"in\":{\"map\":{},\"list\":[]}}" },
        { "{\"in\":{\"map\":{\"a\":1},\"list\":[[\"x\",\"y\",\"z\"]]}}",
          "1:a=1;|1:bad ''|{\"in\":{\"map\":{},\"list\":[]}}" },
    }, refused_too[] = {
        { "{\"in\":{\"map\":{},\"list\":[]}} x", "invalid JSON" },
        { "{\"in\":{\"map\":{},\"list\":[]}", "invalid JSON" },
        { "{\"in\":{\"map\":{},\"list\":[],}}", "invalid JSON" },
        { "{\"in\":{\"map\":{},\"map\":{}}}", "duplicate JSON key" },
        { "{\"in\":{\"map\":{}},\"in\":{}}", "duplicate JSON key" },
        { "{\"in\":{\"map\":{},\"k\":{\"a\":1,\"a\":1}}}", "duplicate JSON key" },
        { "{\"in\":{\"map\":{\"\xff\":1}}}", "invalid UTF-8" },
        { "{\"in\":{\"map\":{\"\n\":1}}}", "unescaped control character in a JSON string" },
        { "", "no JSON value" },
    };
    struct buf b = { 0 };
    (void)state;
    for (int most = 1; most <= 8; most += 7) {
        for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
            const char *why = around(t[i].text, most, &b);
            if (why)
                fail_msg("%s: %s", t[i].text, why);
            assert_string_equal(b.p, t[i].want);
        }
        for (size_t i = 0; i < sizeof refused_too / sizeof *refused_too; i++) {
            const char *why = around(refused_too[i].text, most, &b);
            assert_string_equal(why ? why : "accepted", refused_too[i].want);
        }
    }
    mem_free(b.p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(large) };
    int failed;

    parser = json_new();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_free(parser);
    return failed;
}
