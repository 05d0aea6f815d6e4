/*
 * bpe_batch - texts in batches give the ids of encode.h, with each instruction set, at each
 * place of a word of 64 bytes; pieces of any length merge as merge.h does it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/base/mem.h"
#include "common/base/rng.h"
#include "common/bpe/batch.h"
#include "common/bpe/bpe.h"
#include "common/bpe/chars.h"
#include "common/bpe/encode.h"
#include "common/bpe/merge.h"
#include "formats/bytechar.h"
#include "formats/tokenizer.h"
#include "tests/unit/made.h"

static const char *const sets[] = { "generic", "avx2", "avx512" };
enum { SETS = sizeof sets / sizeof *sets, PHASES = 64 };

struct fixture {
    struct tokenizer tokenizer;
    struct bpe *plain;
    struct encoder *encoder;
    struct ids want;
};

static int
open_at(void **state, char *model)
{
    struct fixture *f = mem_zalloc(1, sizeof *f);

    tokenizer_load(&f->tokenizer, model);
    mem_free(model);
    f->plain = bpe_new(&f->tokenizer);
    f->encoder = encoder_new(f->plain);
    *state = f;
    return 0;
}

static int
mini(void **state)
{
    return open_at(state, mem_strdup("examples/mini"));
}

static char *
real_path(const char *file)
{
    const char *shared = getenv("MBERT_SHARED");
    return mem_printf("%s/models/modernbert-base%s", shared ? shared : "../shared", file);
}

static int
real(void **state)
{
    return open_at(state, real_path(""));
}

static int
done(void **state)
{
    struct fixture *f = *state;

    encoder_free(f->encoder);
    bpe_free(f->plain);
    tokenizer_free(&f->tokenizer);
    mem_free(f->want.p);
    mem_free(f);
    unsetenv("MBERT_CPU");
    return 0;
}

/* NULL when the processor, or the build, does not have the set. */
static struct bpe *
with_set(const struct fixture *f, const char *set)
{
    struct bpe *b;

    setenv("MBERT_CPU", set, 1);
    b = bpe_new(&f->tokenizer);
    assert_non_null(b->pairs); /* else nothing here is tested */
    if (!strcmp(b->scan->name, set))
        return b;
    bpe_free(b);
    return NULL;
}

/* What is asked of ids: those of the texts, one after the other. */
static void
compare(struct fixture *f, const struct batch_ids *r, size_t i, const char *s, size_t n)
{
    const size_t from = r->from[i];

    f->want.n = 0;
    encode_text(f->encoder, s, n, SIZE_MAX, &f->want);
    assert_non_null(r->id);
    assert_int_equal(r->end[i] - from, f->want.n);
    for (size_t k = 0; k < f->want.n; k++)
        assert_int_equal(r->id[from + k], f->want.p[k]);
}

#define BLANKS8 "        "
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ"
static const char *const text[] = {
    "", "a", " a", "  a", "a b", "a  b", "a   b ", " ", "  ", "\n", " \n", "\n ", "a\n b", "a \nb",
    "a\n\nb", "\t\tx", " \t x", "don't you'll we've I'm he'd they're it's", "'s", " 's", "''s",
    "'S 'T", "'rest", "'re", "'r", "'", "x.'s", "\t'tis", "12 345 6,789.0", "a1b2 c3",
    "1'll 2've", "...!!! ??", "caf\xC3\xA9 \xC3\xA9", "e\xCC\x81 a\xCC\x81\xCC\xA3",
    "\xE2\x84\xAB \xE2\x84\xA6", "\xEA\xB0\x80\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8",
    "\xE3\x80\x80x", "a\xE3\x80\x80", "\xE3\x80\x80\xE3\x80\x80x", " \xC2\xA0 y", "\xC2\xA0word",
    "a\xC2\x85" "b", "\xE2\x80\xA8\n\xE2\x80\xA9z", "\xE4\xB8\xAD\xE6\x96\x87 \xE5\xAD\x97",
    "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7 x", "\xD9\xA3\xE2\x85\xA7\xC2\xB2 7",
    "[MASK]", "x  [MASK] y", "[MASK][MASK]", "[CLS]a[SEP]", "a [SEP", "[unused3] [unused83]",
    "|||IP_ADDRESS||| |||", "<|endoftext|>\xCC\xB8", "e\xCC\x81[SEP]e\xCC\x81", "<|padding", "\xE3\x80\x80[MASK]",
    BLANKS8 BLANKS8 BLANKS8, BLANKS8 BLANKS8 BLANKS8 " x", BLANKS8 BLANKS8 BLANKS8 BLANKS8,
    BLANKS8 BLANKS8 BLANKS8 BLANKS8 BLANKS8 BLANKS8 " y", BLANKS8 BLANKS8 BLANKS8 " \ty",
    LETTERS LETTERS, LETTERS LETTERS LETTERS " " LETTERS, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
};
enum { TEXTS = sizeof text / sizeof *text };

/* Every text at every place of a word, with others around it. */
static void
phases(void **state)
{
    struct fixture *f = *state;
    char filler[PHASES + 1];

    memset(filler, 'x', sizeof filler);
    for (int s = 0; s < SETS; s++) {
        struct bpe *b = with_set(f, sets[s]);
        struct batch *t = b ? batch_new(b) : NULL;
        for (size_t p = 0; b && p < PHASES; p++)
            for (size_t i = 0; i < TEXTS; i++) {
                batch_add(t, filler, p);
                batch_add(t, text[i], strlen(text[i]));
                batch_add(t, text[(i + p) % TEXTS], strlen(text[(i + p) % TEXTS]));
                const struct batch_ids *r = batch_run(t);
                assert_int_equal(r->n, 3);
                compare(f, r, 0, filler, p);
                compare(f, r, 1, text[i], strlen(text[i]));
                compare(f, r, 2, text[(i + p) % TEXTS], strlen(text[(i + p) % TEXTS]));
            }
        batch_free(t);
        bpe_free(b);
    }
}

/* Texts joined at random, many in a batch, so that windows and the table fill. */
static void
mixtures(void **state)
{
    enum { MANY = 400, PARTS = 12, ROUNDS = 12 };
    struct fixture *f = *state;

    for (int s = 0; s < SETS; s++) {
        struct bpe *b = with_set(f, sets[s]);
        struct batch *t = b ? batch_new(b) : NULL;
        for (uint64_t round = 0; b && round < ROUNDS; round++) {
            struct buf one[MANY] = { { 0 } };
            for (uint64_t i = 0; i < MANY; i++) {
                for (uint64_t k = 0; k < PARTS; k++) {
                    const uint32_t u = (uint32_t)rng_u64(rng_key(7, round, i), k);
                    const char *part = text[u % TEXTS];
                    buf_add(&one[i], part, strlen(part));
                    if (u >> 16 & 1)
                        buf_printf(&one[i], "%c%u", "abc .'"[u >> 17 & 3], u >> 20);
                }
                batch_add(t, one[i].p, one[i].n);
            }
            const struct batch_ids *r = batch_run(t);
            for (size_t i = 0; i < MANY; i++) {
                compare(f, r, i, one[i].p, one[i].n);
                mem_free(one[i].p);
            }
        }
        batch_free(t);
        bpe_free(b);
    }
}

/* Long pieces, in blocks with their joints mended, against the plain heap. */
static void
long_pieces(void **state)
{
    static const char *const letters[] = { "a", "ab", "etaoin", "abcdefghijklmnopqrstuvwxyz",
                                           "^", "=-_*", "0123456789" };
    enum { LONGEST = 700, TRIES = 300 };
    struct fixture *f = *state;
    const struct merges *m = bpe_merges(f->plain);
    struct heap_work w = { 0 };
    struct pairs_work v = { 0 };
    char s[LONGEST];
    uint16_t got[LONGEST];
    int want[LONGEST];

    for (int set = 0; set < SETS; set++) {
        struct bpe *b = with_set(f, sets[set]);
        for (uint64_t i = 0; b && i < TRIES; i++) {
            const char *from = letters[i % 7];
            const size_t n = 1 + rng_u64(1, i) % LONGEST;
            for (size_t k = 0; k < n; k++)
                s[k] = from[rng_u64(rng_key(2, i, 0), k) % strlen(from)];
            const size_t ids = merge_piece(m, &w, s, n, want);
            assert_int_equal(pairs_merge(b->pairs, &v, (unsigned char *)s, n, got), ids);
            for (size_t k = 0; k < ids; k++)
                assert_int_equal(b->pairs->id[got[k]], want[k]);
        }
        bpe_free(b);
    }
    heap_free(&w);
    pairs_work_free(&v);
}

/* A vocabulary of every byte, and what some merges make. */
static char *
full_vocab(void)
{
    static const char *const more[] = { "ab", "abc", "bc", "bcd", "aa", "aaaa", "\xC4\xA0" "a" };
    struct buf b = { 0 };

    for (unsigned i = 0; i < 256; i++) {
        char at[4] = { 0 };
        char_write(bytechar_of((unsigned char)i), at);
        buf_printf(&b, "%s\"%s%s\":%u", i ? "," : "{", *at == '"' || *at == '\\' ? "\\" : "",
                   at, i);
    }
    for (unsigned i = 0; i < sizeof more / sizeof *more; i++)
        buf_printf(&b, ",\"%s\":%u", more[i], 256 + i);
    buf_add(&b, "}", 2);
    return b.p;
}

/* Batches and single texts agree, whatever the added tokens are and the order of merges. */
static void
batches(void **state)
{
    static const char *const list[] = {
        "", "ab/", "ab/l", "ab/r", "ab/w", "c/|  /n|   /n", "R/r|  /|   /", "R/r|\\t/|  /n",
        " /nr", "  /n|    /n", "  /n|   /n|    /n|X/n", "  /ns|[X]/s|c/ns", "\xC3\xA9/n|X/",
        "e\xCC\x81/|a\xCC\x81/n", "  X/n|X/", "X/|aX/n|Xa/n|XX/n", "[X]/sl|[/n|]/nr" };
    static const char *const merges[] = {
        "\"a b\",\"ab c\",\"b c\",\"bc d\",\"a a\",\"aa aa\",\"\xC4\xA0 a\"",
        "\"aa aa\",\"bc d\",\"ab c\",\"b c\",\"a a\",\"a b\"" };
    static const char *const bit[] = { "a", "b", "c", "d", "aa", "ab", " ", "  ", "   ", "\t", "\n", "X",
        "R", "[X]", "[", "]", "'s", "e\xCC\x81", "\xC3\xA9", "a\xCC\x81", "\xE3\x80\x80", "1", "." };
    enum { BITS = sizeof bit / sizeof *bit, TRIES = 150, LONG = 400 };
    char *vocab = full_vocab();
    struct ids ids = {0};
    uint32_t x = 7;

    (void)state;
    for (size_t i = 0; i < sizeof list / sizeof *list * 2; i++) {
        char *added = entries(list[i / 2]);
        struct tokenizer t;
        load(&t, vocab, merges[i % 2], added, "null");
        struct bpe *b = bpe_new(&t);
        struct encoder *e = encoder_new(b);
        for (int k = 0; k < TRIES; k++) {
            struct buf mix = { 0 };
            for (int n = k % 20 ? k % 20 : LONG; n; n--) {
                x = x * 1664525 + 1013904223;
                const char *one = bit[(x >> 16) % (k % 20 ? BITS : 5)];
                buf_add(&mix, one, strlen(one));
            }
            ids.n = 0;
            encode_text(e, mix.p, mix.n, SIZE_MAX, &ids);
            same_in_batch(b, mix.p, mix.n, &ids);
            mem_free(mix.p);
        }
        encoder_free(e);
        bpe_free(b);
        mem_free(added);
        tokenizer_free(&t);
    }
    mem_free(ids.p);
    mem_free(vocab);
}

/* Typed special tokens: matched and counted, or text and counted. */
static void
literal(void **state)
{
    static const char typed[] = "a [SEP] b[MASK]";
    struct fixture *f = *state;
    struct bpe *b = bpe_new_literal(&f->tokenizer);
    struct batch *match = batch_new(f->plain), *text_only = batch_new(b);
    const struct batch_ids *r;
    size_t ids;

    batch_add(match, typed, sizeof typed - 1);
    r = batch_run(match);
    ids = r->end[0];
    assert_int_equal(r->specials, 2);
    batch_add(text_only, typed, sizeof typed - 1);
    r = batch_run(text_only);
    assert_int_equal(r->specials, 2);
    assert_true(r->end[0] > ids);
    batch_add(text_only, "a b", 3);
    assert_int_equal(batch_run(text_only)->specials, 0);
    batch_free(match);
    batch_free(text_only);
    bpe_free(b);
}

#define SKIP " # SKIP no shared models/modernbert-base (set MBERT_SHARED)"
static void
absent(void **state)
{
    (void)state; /* the name says that it was skipped */
}

#define PAIR(test)                                              \
    cmocka_unit_test_setup_teardown(test, mini, done),          \
    { "real tokenizer: " #test, test, real, done, NULL }
#define PAIR_ABSENT(at, test)                                                             \
    tests[at] = (struct CMUnitTest){ "real tokenizer: " #test SKIP, absent, NULL, NULL, NULL }

int
main(void)
{
    struct CMUnitTest tests[] = { PAIR(phases), PAIR(mixtures), PAIR(long_pieces),
                                  PAIR(literal), cmocka_unit_test(batches) };
    char *path = real_path("/tokenizer.json");

    if (access(path, R_OK)) {
        PAIR_ABSENT(1, phases);
        PAIR_ABSENT(3, mixtures);
        PAIR_ABSENT(5, long_pieces);
        PAIR_ABSENT(7, literal);
    }
    mem_free(path);
    return cmocka_run_group_tests(tests, NULL, folder_gone);
}
