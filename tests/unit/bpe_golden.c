/*
 * bpe_golden - ids and text equal to the reference's: the toy tokenizer of examples/mini
 * with its committed vectors, and the real one with the shared references where they are.
 * Pairs and truncation strategies are checked here only: bpe-tok encodes single texts.
 */
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
#include "common/bpe/decode.h"
#include "common/bpe/encode.h"
#include "common/bpe/template.h"
#include "formats/jsonl.h"
#include "formats/tokenizer.h"

struct fixture {
    char *golden; /* folder of the vectors */
    struct tokenizer tokenizer;
    struct bpe *bpe;
    struct encoder *encoder;
    struct decoder *decoder;
    struct ids ids, special, want, a, b;
    struct jsonl lines;
};

static struct fixture *
fixture_new(char *model, char *golden)
{
    struct fixture *f = mem_zalloc(1, sizeof *f);

    f->golden = golden;
    tokenizer_load(&f->tokenizer, model);
    mem_free(model);
    f->bpe = bpe_new(&f->tokenizer);
    f->encoder = encoder_new(f->bpe);
    f->decoder = decoder_new(&f->tokenizer);
    return f;
}

static int
mini(void **state)
{
    *state =
        fixture_new(mem_strdup("examples/mini"), mem_strdup("tests/golden/mini-tokenizer"));
    return 0;
}

static const char *
shared(void)
{
    return getenv("MBERT_SHARED") ? getenv("MBERT_SHARED") : "../shared";
}

static int
have_shared(void)
{
    char *file = mem_printf("%s/models/modernbert-base/tokenizer.json", shared());
    int have = !access(file, R_OK);
    mem_free(file);
    return have;
}

static int
real(void **state)
{
    *state = fixture_new(mem_printf("%s/models/modernbert-base", shared()),
                         mem_printf("%s/golden/tokenizer", shared()));
    return 0;
}

static int
done(void **state)
{
    struct fixture *f = *state;

    encoder_free(f->encoder);
    bpe_free(f->bpe);
    decoder_free(f->decoder);
    tokenizer_free(&f->tokenizer);
    mem_free(f->ids.p);
    mem_free(f->special.p);
    mem_free(f->want.p);
    mem_free(f->a.p);
    mem_free(f->b.p);
    mem_free(f->golden);
    mem_free(f);
    return 0;
}

static void
open_lines(struct fixture *f, const char *name)
{
    char *path = mem_printf("%s/%s", f->golden, name);
    jsonl_open(&f->lines, path);
    mem_free(path);
}

/* The next line; 0 at the end. */
static int
next(struct fixture *f, struct json_value *v)
{
    const char *why = NULL;
    int got = jsonl_next(&f->lines, v, &why);

    assert_true(got >= 0);
    return got;
}

static void
get_ids(struct json_value object, const char *key, struct ids *ids)
{
    struct json_value list, v;
    int64_t id;

    ids->n = 0;
    assert_true(json_get(object, key, &list));
    for (struct json_iter it = json_iter(list); json_next(&it, NULL, NULL, &v);) {
        assert_true(json_int(v, &id));
        *ids_room(ids, 1) = (int)(uint32_t)id;
        ids->n++;
    }
}

static void
get_text(struct json_value object, const char *key, const char **s, size_t *n)
{
    struct json_value v;
    assert_true(json_get(object, key, &v) && json_string(v, s, n));
}

static int64_t
get_int(struct json_value object, const char *key, int64_t missing)
{
    struct json_value v;
    return json_get(object, key, &v) && json_int(v, &missing) ? missing : missing;
}

static void
same(const struct fixture *f, const struct ids *got, const struct ids *want)
{
    if (got->n != want->n ||
        (want->n && memcmp(got->p, want->p, want->n * sizeof *want->p)))
        fail_msg("line %ld of %s: %zu ids differ from the %zu wanted",
                 (long)f->lines.row + 1, source_name(f->lines.in), got->n, want->n);
}

static void
encode(struct fixture *f, const char *s, size_t n, struct ids *out)
{
    out->n = 0;
    encode_text(f->encoder, s, n, SIZE_MAX, out);
}

static void
vectors(void **state)
{
    struct fixture *f = *state;
    struct json_value v;
    const char *s;
    size_t n, seen = 0;

    for (open_lines(f, "vectors.jsonl"); next(f, &v); seen++) {
        size_t most = (size_t)get_int(v, "max_length", INT32_MAX), all, room;
        get_text(v, "text", &s, &n);
        encode(f, s, n, &f->ids);
        all = f->ids.n;
        room = most - template_specials(&f->tokenizer, 0);
        f->special.n = 0;
        template_add(&f->tokenizer, 1, f->ids.p, all < room ? all : room, NULL, 0,
                     &f->special);
        f->ids.n = all < most ? all : most;
        get_ids(v, "ids", &f->want);
        same(f, &f->ids, &f->want);
        get_ids(v, "special_ids", &f->want);
        same(f, &f->special, &f->want);
        /* an early stop changes none */
        for (size_t limit = 0; limit < f->ids.n && limit < 40; limit++) {
            f->a.n = 0;
            encode_text(f->encoder, s, n, limit, &f->a);
            assert_true(f->a.n > limit && f->a.n <= all);
            assert_memory_equal(f->a.p, f->ids.p, f->a.n * sizeof *f->a.p);
        }
    }
    jsonl_close(&f->lines);
    assert_true(seen > 50);
}

static void
decoded(void **state)
{
    static const char *const key[] = { "text", "text_skip_special" };
    struct fixture *f = *state;
    struct buf out = { 0 };
    struct json_value v;
    const char *s;
    size_t n, seen = 0;

    for (open_lines(f, "decode.jsonl"); next(f, &v); seen++) {
        get_ids(v, "ids", &f->ids);
        for (int skipped = 0; skipped < 2; skipped++) {
            out.n = 0;
            decode_ids(f->decoder, (uint32_t *)f->ids.p, f->ids.n, skipped, &out);
            get_text(v, key[skipped], &s, &n);
            assert_int_equal(out.n, n);
            if (n)
                assert_memory_equal(out.p, s, n);
        }
    }
    jsonl_close(&f->lines);
    mem_free(out.p);
    assert_true(seen > 5);
}

/* The kept end of `ids` when it is cut to n: the first ones, or the last. */
static const int *
kept(const struct ids *ids, size_t n, int left)
{
    return left ? ids->p + ids->n - n : ids->p;
}

static void
pair(struct fixture *f, struct json_value v)
{
    struct json_value x;
    const char *s, *how = "longest_first", *direction = "right";
    size_t n, na, nb, k;
    int special = 1;

    get_text(v, "a", &s, &n);
    encode(f, s, n, &f->a);
    get_text(v, "b", &s, &n);
    encode(f, s, n, &f->b);
    if (json_get(v, "add_special_tokens", &x))
        json_bool(x, &special);
    if (json_get(v, "strategy", &x))
        json_string(x, &how, &k);
    if (json_get(v, "direction", &x))
        json_string(x, &direction, &k);
    na = f->a.n;
    nb = f->b.n;
    int64_t most = get_int(v, "max_length", -1);
    if (most >= 0) {
        enum truncation t = !strcmp(how, "longest_first") ? TRUNCATE_LONGEST_FIRST
                            : !strcmp(how, "only_first")  ? TRUNCATE_ONLY_FIRST
                                                          : TRUNCATE_ONLY_SECOND;
        int ok = template_truncate(
            t, (size_t)most - (special ? template_specials(&f->tokenizer, 1) : 0), &na,
            &nb);
        assert_int_equal(ok, !json_get(v, "error", &x));
        if (!ok)
            return;
    }
    f->ids.n = 0;
    template_add(&f->tokenizer, special, kept(&f->a, na, *direction == 'l'), na,
                 kept(&f->b, nb, *direction == 'l'), nb, &f->ids);
    get_ids(v, "ids", &f->want);
    same(f, &f->ids, &f->want);
}

static void
pairs(void **state)
{
    struct fixture *f = *state;
    struct json_value v;
    size_t seen = 0;

    *ids_room(&f->a, 1) = *ids_room(&f->b, 1) = 0; /* empty texts have an address too */
    for (open_lines(f, "pairs.jsonl"); next(f, &v); seen++)
        pair(f, v);
    jsonl_close(&f->lines);
    assert_true(seen > 50);
}

#define SKIP " # SKIP no shared reference golden/tokenizer (set MBERT_SHARED)"
static void
absent(void **state)
{
    (void)state; /* the name says that it was skipped */
}

int
main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(vectors, mini, done),
        cmocka_unit_test_setup_teardown(decoded, mini, done),
        cmocka_unit_test_setup_teardown(pairs, mini, done),
        { "vectors of the real tokenizer", vectors, real, done, NULL },
        { "decode of the real tokenizer", decoded, real, done, NULL },
        { "pairs of the real tokenizer", pairs, real, done, NULL },
    };
    if (!have_shared()) {
        tests[3] = (struct CMUnitTest){ "vectors of the real tokenizer" SKIP, absent, NULL,
                                        NULL, NULL };
        tests[4] = (struct CMUnitTest){ "decode of the real tokenizer" SKIP, absent, NULL,
                                        NULL, NULL };
        tests[5] = (struct CMUnitTest){ "pairs of the real tokenizer" SKIP, absent, NULL,
                                        NULL, NULL };
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
