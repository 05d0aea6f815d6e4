#include "common/eval/html.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "common/base/utf8.h"

/* A rule or two a line. */
static const char style[] =
    ":root{color-scheme:light dark;--ink:#1a1a1e;--paper:#fff;--soft:#5c5c66;\n"
    "--line:#d6d6dd;--shade:#f4f4f7}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e6ea;--paper:#17171b;--soft:#a2a2ad;\n"
    "--line:#3b3b44;--shade:#212127}}\n"
    "@media print{:root{color-scheme:light;--ink:#000;--paper:#fff;--soft:#444;\n"
    "--line:#bbb;--shade:#f4f4f4}figure,table{break-inside:avoid}h2{break-after:avoid}}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);\n"
    "font:16px/1.5 system-ui,sans-serif}\n"
    "main{max-width:62rem;margin:0 auto;padding:2rem 1.25rem 4rem}\n"
    "h1{font-size:1.75rem;line-height:1.2;margin:0 0 .5rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1.2rem;margin:2.5rem 0 .75rem;padding-bottom:.25rem;\n"
    "border-bottom:1px solid var(--line)}\n"
    "p{max-width:46rem;margin:.5rem 0}\n"
    ".soft,figcaption{color:var(--soft);font-size:.9rem}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:.75rem 0}\n"
    "th,td{padding:.25rem .75rem;text-align:right;white-space:nowrap;\n"
    "border-bottom:1px solid var(--line)}\n"
    "th:first-child,td:first-child{text-align:left;padding-left:.25rem}\n"
    "thead th{color:var(--soft);font-weight:600;white-space:normal}\n"
    "tbody th{font-weight:400;white-space:normal;overflow-wrap:anywhere;min-width:6rem}\n"
    "td.on{background:var(--shade);font-weight:600}\n"
    "details{margin:.75rem 0}summary{cursor:pointer;color:var(--soft)}\n"
    "figure{margin:1rem 0}figure svg{max-width:100%;height:auto}\n"
    "svg [stroke=black]{stroke:currentColor}svg [fill=black]{fill:currentColor}\n"
    "svg g[color=black]{color:inherit}svg use[color=white]{color:var(--paper)}\n";

void
html_start(struct buf *b, const char *title)
{
    buf_printf(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                  "'none'; style-src 'unsafe-inline'\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, "
                  "initial-scale=1\">\n<title>");
    html_text(b, title);
    buf_printf(b, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", style);
}

void
html_end(struct buf *b)
{
    buf_printf(b, "</main>\n</body>\n</html>\n");
}

void
html_text(struct buf *b, const char *s)
{
    for (size_t n = strlen(s); n;) {
        const size_t bytes = utf8_character(s, n), step = bytes ? bytes : 1;
        switch (*s) {
        case '&': buf_printf(b, "&amp;"); break;
        case '<': buf_printf(b, "&lt;"); break;
        case '>': buf_printf(b, "&gt;"); break;
        case '"': buf_printf(b, "&quot;"); break;
        case '\'': buf_printf(b, "&#39;"); break;
        default:
            if (!bytes)
                buf_printf(b, "\xEF\xBF\xBD");
            else if ((unsigned char)*s < ' ' || *s == 0x7F)
                buf_printf(b, " ");
            else
                buf_add(b, s, bytes);
        }
        s += step;
        n -= step;
    }
}

void
html_table(struct buf *b, const char *const *head)
{
    buf_printf(b, "<div class=\"wide\"><table>\n<thead><tr>");
    for (; *head; head++) {
        buf_printf(b, "<th scope=\"col\">");
        html_text(b, *head);
        buf_printf(b, "</th>");
    }
    buf_printf(b, "</tr></thead>\n<tbody>\n");
}

void
html_row(struct buf *b, const char *name)
{
    buf_printf(b, "<tr><th scope=\"row\">");
    html_text(b, name);
    buf_printf(b, "</th>");
}

void
html_row_end(struct buf *b)
{
    buf_printf(b, "</tr>\n");
}

void
html_count(struct buf *b, int64_t n)
{
    buf_printf(b, "<td>%" PRId64 "</td>", n);
}

void
html_number(struct buf *b, double d)
{
    if (isfinite(d))
        buf_printf(b, fabs(d) < 1e6 ? "<td>%.4f</td>" : "<td>%.4g</td>", d);
    else
        buf_printf(b, "<td>–</td>");
}

void
html_interval(struct buf *b, struct interval i)
{
    if (isfinite(i.low) && isfinite(i.high))
        buf_printf(b, "<td class=\"soft\">%.4f to %.4f</td>", i.low, i.high);
    else
        buf_printf(b, "<td></td>");
}

void
html_table_end(struct buf *b)
{
    buf_printf(b, "</tbody></table></div>\n");
}

static int
at(const char *p, const char *end, const char *word)
{
    const size_t n = strlen(word);
    return (size_t)(end - p) >= n && !memcmp(p, word, n);
}

/* Past </NAME> when p is at an element of that name, else NULL. */
static const char *
past(const char *p, const char *end, const char *name)
{
    char open[16] = "<", close[16] = "</";
    strcat(strcat(open, name), ">");
    strcat(strcat(close, name), ">");
    if (!at(p, end, open))
        return NULL;
    const char *q = memmem(p, (size_t)(end - p), close, strlen(close));
    return q ? q + strlen(close) : end;
}

void
html_svg(struct buf *b, const char *name, const char *label, const char *svg, size_t n)
{
    static const char *const names[] = { " id=\"", " id='", "href=\"#", "href='#",
                                         "url(#" };
    const char *end = svg + n, *p = memmem(svg, n, "<svg", 4), *q;
    int tag = 1;
    if (!p)
        return;
    buf_printf(b, "<svg role=\"img\" aria-label=\"");
    html_text(b, label);
    buf_printf(b, "\"");
    for (p += 4; p < end;) {
        if ((q = past(p, end, "title")) || (q = past(p, end, "desc"))) {
            p = q;
            continue;
        }
        tag = *p == '<' || (tag && *p != '>'); /* what looks like an id in a text is text */
        size_t step = 1;
        for (size_t i = 0; tag && step == 1 && i < sizeof names / sizeof *names; i++)
            if (at(p, end, names[i]))
                step = strlen(names[i]);
        buf_add(b, p, step);
        if (step > 1)
            buf_printf(b, "%s-", name);
        p += step;
    }
}
