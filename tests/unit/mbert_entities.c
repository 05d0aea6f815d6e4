/* mbert_entities - classes of tokens to stretches of text: B- and I-, words, special
 * tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "common/mbert/entities.h"

enum { CLASSES = 5, MOST = 16 };
static char o[] = "O", bp[] = "B-PER", ip[] = "I-PER", bl[] = "B-LOC", il[] = "I-LOC",
            *bio[] = { o, bp, ip, bl, il };
static char sa[] = "safe", sb[] = "name", sc[] = "B-", sd[] = "I", se[] = "x\"",
            *plain[] = { sa, sb, sc, sd, se };

static struct tensor
places(const char *name, const int32_t *p, int n)
{
    return (struct tensor){ .name = name,
                            .type = I32,
                            .rank = 2,
                            .shape = { n, 2 },
                            .data = p,
                            .bytes = (size_t)n * 8 };
}

/* class: a digit a token, each with .6 and .1 for the others */
static void
expect(char *const *names, const char *class, const int32_t *words, const int32_t *spans,
       const char *want)
{
    struct entities e;
    struct buf b = { 0 };
    float p[MOST * CLASSES];
    const int n = (int)strlen(class);
    for (int i = 0; i < n * CLASSES; i++)
        p[i] = i % CLASSES == class[i / CLASSES] - '0' ? .6f : .1f;
    const struct tensor w = places("words", words, n), s = places("spans", spans, n);
    const struct entity_tokens t = { 0, n, words ? &w : NULL, spans ? &s : NULL };
    entities_open(&e, names, CLASSES);
    entities_put(&e, &t, p, &b);
    buf_add(&b, "", 1);
    assert_string_equal(b.p, want);
    entities_free(&e);
    mem_free(b.p);
}

#define SPAN(s, e, l)                                                                      \
    "{\"start\":" #s ",\"end\":" #e ",\"label\":\"" l "\",\"score\":0.600000024}"

static void
parts(void **state)
{
    (void)state;
    expect(bio, "000", NULL, NULL, ",\"spans\":[]");
    expect(bio, "0122034", NULL, NULL,
           ",\"spans\":[" SPAN(1, 4, "PER") "," SPAN(5, 7, "LOC") "]");
    /* B- begins anew, I- after another label begins one, I- alone too */
    expect(bio, "11204420", NULL, NULL,
           ",\"spans\":[" SPAN(0, 1, "PER") "," SPAN(1, 3, "PER") "," SPAN(
               4, 6, "LOC") "," SPAN(6, 7, "PER") "]");
    /* no class is O: the first is outside; what is no prefix is part of a name */
    expect(plain, "011223344", NULL, NULL,
           ",\"spans\":[" SPAN(1, 3, "name") "," SPAN(3, 5, "B-") "," SPAN(
               5, 7, "I") "," SPAN(7, 9, "x\\\"") "]");
}

static void
offsets(void **state)
{
    /* [CLS] J ohn _Smith , [SEP] */
    static const int32_t spans[] = { 0, 0, 0, 1, 1, 4, 4, 10, 10, 11, 0, 0 },
                         words[] = { 0, 0, 0, 4, 0, 4, 5, 10, 10, 11, 0, 0 };
    (void)state;
    expect(bio, "112103", NULL, spans,
           ",\"spans\":[" SPAN(0, 4, "PER") "," SPAN(4, 10, "PER") "]");
    /* a word is of its first token's class, whatever the others say; it is whole */
    expect(bio, "210403", words, spans,
           ",\"spans\":[" SPAN(0, 4, "PER") "," SPAN(5, 10, "LOC") "]");
    expect(bio, "002000", words, spans, ",\"spans\":[]");
    expect(bio, "010000", words, spans, ",\"spans\":[" SPAN(0, 4, "PER") "]");
}

static void
mean(void **state)
{
    static const float p[] = { .2f, .3f, .5f, 0, 0, .1f, .1f, .8f, 0, 0 };
    const struct entity_tokens t = { 0, 2, NULL, NULL };
    struct entities e;
    struct buf b = { 0 };
    (void)state;
    entities_open(&e, bio, CLASSES);
    entities_put(&e, &t, p, &b);
    buf_add(&b, "", 1);
    assert_string_equal(
        b.p,
        ",\"spans\":[{\"start\":0,\"end\":2,\"label\":\"PER\",\"score\":0.649999976}]");
    entities_free(&e);
    mem_free(b.p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(parts), cmocka_unit_test(offsets),
                                        cmocka_unit_test(mean) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
