/*
 * bpe_tag - stretches of text to classes of tokens, against the rule written the slow way:
 * each character on its own, each word asked of every stretch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/bpe/tag.h"

enum { TEXT = 40, WORDS = 12, ROUNDS = 20000 };
static char o[] = "O", per[] = "PER", begin_loc[] = "B-LOC", in_loc[] = "I-LOC";
static char *names[] = {o, per, begin_loc, in_loc};
static const struct labels labels = {TASK_TOKEN, names, 4};

struct world {
    char text[TEXT * 4 + 1];
    size_t chars, n;     /* characters, bytes */
    size_t at[TEXT + 1]; /* bytes where each character begins */
    int blank[TEXT];
    struct encode_word word[WORDS];
    size_t words, tokens;
    size_t from[WORDS], to[WORDS], spans; /* characters of stretches, in order */
    int loc[WORDS];                       /* LOC, else PER */
};

static uint64_t counter;

static size_t
below(size_t n)
{
    return (size_t)(rng_key(7, 1, counter++) % n);
}

static void
random_text(struct world *w)
{
    static const char *const character[] = {
        "a", " ", "\xC3\xA9", "\xE3\x80\x80", "\xF0\x9F\x98\x80", "b"};

    w->chars = below(TEXT);
    w->n = 0;
    for (size_t i = 0; i < w->chars; i++) {
        const size_t k = below(6);
        w->at[i] = w->n;
        w->blank[i] = k == 1 || k == 3; /* U+3000 is one, too */
        memcpy(w->text + w->n, character[k], strlen(character[k]));
        w->n += strlen(character[k]);
    }
    w->at[w->chars] = w->n;
    w->text[w->n] = 0;
}

/* Words end to end, as those of a text are, of one to three tokens. */
static void
random_words(struct world *w)
{
    w->words = w->tokens = 0;
    for (size_t i = 0; i < w->chars && w->words < WORDS;) {
        const size_t left = w->chars - i, n = 1 + below(left < 6 ? left : 6);
        w->word[w->words++] = (struct encode_word){w->tokens, w->at[i], w->at[i + n]};
        w->tokens += 1 + below(3);
        i += n;
    }
}

static void
random_spans(struct world *w)
{
    w->spans = 0;
    for (size_t i = below(6); i < w->chars && w->spans < WORDS;) {
        const size_t left = w->chars - i, n = 1 + below(left < 9 ? left : 9);
        w->from[w->spans] = i;
        w->to[w->spans] = i + n;
        w->loc[w->spans++] = below(2) == 1;
        i += n + below(4);
    }
}

/* The JSON of the stretches, from the last to the first. */
static void
write_spans(const struct world *w, struct buf *b)
{
    b->n = 0;
    buf_printf(b, "[");
    for (size_t i = w->spans; i--;)
        buf_printf(b, "{\"start\":%zu,\"label\":\"%s\",\"end\":%zu}%s", w->from[i],
                   w->loc[i] ? "LOC" : "PER", w->to[i], i ? "," : "");
    buf_printf(b, "]");
}

/* Does the word have a character of stretch s? */
static int
touches(const struct world *w, const struct encode_word *word, size_t s)
{
    int some = 0, all_blank = 1, begun = 0;

    for (size_t i = 0; i < w->chars; i++)
        if (w->at[i] >= word->from && w->at[i] < word->to)
            all_blank &= w->blank[i];
    for (size_t i = 0; i < w->chars; i++)
        if (w->at[i] >= word->from && w->at[i] < word->to) {
            begun |= all_blank || !w->blank[i];
            some |= begun && i >= w->from[s] && i < w->to[s];
        }
    return some;
}

static void
against_the_rule(void **state)
{
    struct json *j = json_new();
    struct tags t = {.n = 0};
    struct buf b = {.n = 0};
    int32_t class[WORDS * 3], want[WORDS * 3];
    char why[256];
    int64_t lost = 0, labelled = 0;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct world w;
        struct json_value v;
        int used[WORDS] = {0};
        random_text(&w);
        random_words(&w);
        random_spans(&w);
        write_spans(&w, &b);
        assert_null(json_parse(j, b.p, b.n, &v));
        assert_null(tag_read(&t, &labels, v, w.text, w.n, why));
        tag_words(&t, &labels, w.text, w.word, w.words, class, w.tokens);
        for (size_t k = 0; k < w.tokens; k++)
            want[k] = LABEL_NONE;
        for (size_t k = 0; k < w.words; k++) {
            size_t s = 0;
            while (s < w.spans && !touches(&w, &w.word[k], s))
                s++;
            want[w.word[k].token] = s == w.spans ? 0 : !w.loc[s] ? 1 : used[s] ? 3 : 2;
            if (s < w.spans)
                used[s] = 1;
        }
        for (size_t s = 0; s < w.spans; s++)
            lost += !used[s];
        labelled += (int64_t)w.spans;
        assert_memory_equal(class, want, w.tokens * sizeof *class);
        assert_int_equal(t.lost, lost);
    }
    assert_true(lost > ROUNDS / 10 && labelled > ROUNDS);
    tag_free(&t);
    mem_free(b.p);
    json_free(j);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_the_rule)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
