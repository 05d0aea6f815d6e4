/* eval_html - what stands in a page is text, whatever it is; pictures share a page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>
#include "common/eval/html.h"

static const char *
ended(struct buf *b)
{
    buf_add(b, "", 1);
    b->n--;
    return b->p;
}

static void
says(const char *s, const char *want)
{
    struct buf b = { 0 };
    html_text(&b, s);
    assert_string_equal(ended(&b), want);
    mem_free(b.p);
}

static void
text(void **state)
{
    (void)state;
    says("plain", "plain");
    says("</title><script>x('\"')</script>&amp;",
         "&lt;/title&gt;&lt;script&gt;x(&#39;&quot;&#39;)&lt;/script&gt;&amp;amp;");
    says("a\nb\x01\x7F", "a b  ");
    says("données 数据 \xF0\x9F\x98\x80", "données 数据 \xF0\x9F\x98\x80");
    says("\xFFz\xE6\x95", "\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD");
    says("", "");
}

static void
picture(const char *svg, const char *want)
{
    struct buf b = { 0 };
    html_svg(&b, "roc", "a \"b\"", svg, strlen(svg));
    assert_string_equal(ended(&b), want);
    mem_free(b.p);
}

static void
pictures(void **state)
{
    (void)state;
    picture(
        "<?xml version=\"1.0\"?>\n<svg "
        "width=\"9\">\n<title>roc</title>\n<desc>by</desc>\n<g id=\"p\"><title>p</title>"
        "<use xlink:href='#q' id='q' fill=\"url(#r)\"/></g></svg>\n",
        "<svg role=\"img\" aria-label=\"a &quot;b&quot;\" width=\"9\">\n\n\n<g "
        "id=\"roc-p\">"
        "<use xlink:href='#roc-q' id='roc-q' fill=\"url(#roc-r)\"/></g></svg>\n");
    /* names of classes look like anything */
    picture("<svg><text> id=\"x\" href='#y' url(#z) > id='w'</text></svg>",
            "<svg role=\"img\" aria-label=\"a &quot;b&quot;\"><text> id=\"x\" href='#y' "
            "url(#z) > id='w'</text></svg>");
    picture("no picture", "");
    picture("<svg", "<svg role=\"img\" aria-label=\"a &quot;b&quot;\"");
    picture("<svg><title>never ends", "<svg role=\"img\" aria-label=\"a &quot;b&quot;\">");
}

static void
tables(void **state)
{
    struct buf b = { 0 };
    (void)state;
    html_table(&b, (const char *const[]){ "<x>", "value", NULL });
    html_row(&b, "a&b");
    html_number(&b, .12345);
    html_number(&b, NAN);
    html_count(&b, 7);
    html_interval(&b, (struct interval){ .25, .5 });
    html_interval(&b, (struct interval){ NAN, NAN });
    html_row_end(&b);
    html_table_end(&b);
    assert_non_null(strstr(ended(&b), "<th scope=\"col\">&lt;x&gt;</th>"));
    assert_non_null(
        strstr(b.p, "<th scope=\"row\">a&amp;b</th><td>0.1235</td><td>–</td><td>7</td><td "
                    "class=\"soft\">0.2500 to 0.5000</td><td></td></tr>\n</tbody>"));
    mem_free(b.p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(text), cmocka_unit_test(pictures),
                                        cmocka_unit_test(tables) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
