/* tag - labelled stretches of text to classes of tokens */
#include "common/bpe/tag.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/bpe/chars.h"

enum { WHY = 256 };

static struct tag *
all(const struct tags *t)
{
    return (struct tag *)(void *)t->all.p;
}

/* B-X and I-X of a label X that is no class itself.  1: found both. */
static int
begin_inside(const struct labels *l, struct json_value v, struct tag *t)
{
    const char *s;
    size_t n;
    char *name;

    if (!json_string(v, &s, &n) || label_find(l, s, n) >= 0)
        return 0;
    name = mem_array(n + 2, 1);
    memcpy(name + 2, s, n);
    name[1] = '-';
    name[0] = 'B';
    t->first = label_find(l, name, n + 2);
    name[0] = 'I';
    t->next = label_find(l, name, n + 2);
    mem_free(name);
    return t->first >= 0 && t->next >= 0;
}

static const char *
say(char *why, size_t index, const char *what)
{
    snprintf(why, WHY, "labels[%zu] %s", index, what);
    return why;
}

static const char *
read_one(struct tag *t, const struct labels *l, struct json_value v, char *why)
{
    struct json_value start, end, label;
    int64_t from, to;
    char inner[WHY] = "";

    if (json_type(v) != JSON_OBJECT || !json_get(v, "start", &start) ||
        !json_get(v, "end", &end) || !json_get(v, "label", &label))
        return say(why, t->index, "is not an object with start, end and label");
    if (!json_int(start, &from) || !json_int(end, &to) || from < 0)
        return say(why, t->index,
                   "has a start or end that is not a whole number from 0 on");
    if (from >= to) {
        snprintf(why, WHY, "labels[%zu] starts at %" PRId64 ", not before its end %" PRId64,
                 t->index, from, to);
        return why;
    }
    t->from = (size_t)from;
    t->to = (size_t)to;
    if (begin_inside(l, label, t))
        return NULL;
    const char *bad = label_class(l, label, &t->first, inner);
    t->next = t->first;
    if (bad)
        snprintf(why, WHY, "labels[%zu]: %.200s", t->index, bad);
    return bad ? why : NULL;
}

static int
by_place(const void *pa, const void *pb)
{
    const struct tag *a = pa, *b = pb;

    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* The byte where character `want` begins; *at and *count say where an earlier one does. */
static size_t
byte_of(const char *text, size_t n, size_t want, size_t *at, size_t *count)
{
    uint32_t length;

    for (; *count < want && *at < n; ++*count) {
        char_read(text + *at, &length);
        *at += length;
    }
    return *at;
}

/* In order, within the text, without overlap; places become bytes. */
static const char *
place(struct tags *t, const char *text, size_t n, char *why)
{
    struct tag *g = all(t);
    size_t at = 0, count = 0;

    if (t->n)
        qsort(g, t->n, sizeof *g, by_place);
    for (size_t i = 1; i < t->n; i++)
        if (g[i].from < g[i - 1].to) {
            snprintf(why, WHY, "labels[%zu] and labels[%zu] overlap at character %zu",
                     g[i - 1].index, g[i].index, g[i].from);
            return why;
        }
    for (size_t i = 0; i < t->n; i++) {
        const size_t end = g[i].to;
        g[i].from = byte_of(text, n, g[i].from, &at, &count);
        g[i].to = byte_of(text, n, end, &at, &count);
        if (count < end) {
            snprintf(why, WHY, "labels[%zu] ends at %zu, but the text has %zu characters",
                     g[i].index, end, count);
            return why;
        }
    }
    return NULL;
}

const char *
tag_read(struct tags *t, const struct labels *l, struct json_value v, const char *text,
         size_t n, char *why)
{
    struct json_value x;

    t->all.n = t->n = 0;
    if (json_type(v) != JSON_ARRAY)
        return "labels are not an array, as --task token wants";
    for (struct json_iter it = json_iter(v); json_next(&it, NULL, NULL, &x); t->n++) {
        struct tag one = {.index = t->n};
        const char *bad = read_one(&one, l, x, why);
        if (bad)
            return bad;
        buf_add(&t->all, &one, sizeof one);
    }
    return place(t, text, n, why);
}

size_t
tag_word_start(const char *text, const struct encode_word *w)
{
    size_t at = w->from;
    uint32_t length;

    for (; at < w->to; at += length)
        if ((char_flags(char_read(text + at, &length)) & CHAR_CLASS) != CHAR_WHITE)
            return at;
    return w->from;
}

void
tag_words(struct tags *t, const struct labels *l, const char *text,
          const struct encode_word *word, size_t words, int32_t *class, size_t tokens)
{
    const struct tag *g = all(t);
    const int o = label_find(l, "O", 1), outside = o < 0 ? 0 : o;
    size_t i = 0;
    int begun = 0; /* tag i has a word */

    for (size_t k = 0; k < tokens; k++)
        class[k] = LABEL_NONE;
    for (size_t w = 0; w < words; w++) {
        const size_t from = tag_word_start(text, &word[w]);
        for (; i < t->n && g[i].to <= from; i++, begun = 0)
            t->lost += !begun;
        const int in = i < t->n && g[i].from < word[w].to;
        class[word[w].token] = !in ? outside : begun ? g[i].next : g[i].first;
        begun |= in;
    }
    for (; i < t->n; i++, begun = 0)
        t->lost += !begun;
}

void
tag_free(struct tags *t)
{
    mem_free(t->all.p);
}
