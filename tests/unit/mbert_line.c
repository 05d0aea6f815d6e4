/* mbert_line - the verdict's line, to the byte; labels of every kind, names that clash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>
#include "common/mbert/line.h"

struct made { struct image image; struct record record; struct sequences s; };
static const int64_t rows[2] = { 4, 7 };

static void
begin(struct made *m)
{
    memset(m, 0, sizeof *m);
    image_init(&m->image);
    record_init(&m->record);
    image_1d(&m->image, "row", I64, 2, rows);
}

static void
finish(struct made *m)
{
    image_finish(&m->image);
    assert_null(record_decode(&m->record, m->image.bytes, m->image.size));
    assert_null(sequences_read(&m->s, &m->record, 0));
}

static void
end(struct made *m)
{
    sequences_free(&m->s);
    record_free(&m->record);
    image_free(&m->image);
}

/* The line of sequence i with these logits, or what is wrong; compared and freed. */
static void
expect(struct made *m, const struct line_style *y, int64_t i, const float *z, const char *line)
{
    struct buf b = { 0 };
    struct line l = { 0 };
    double logits[4], scaled[4];
    float p[4];
    for (int k = 0; k < y->classes; k++)
        logits[k] = scaled[k] = z[k];
    line_probabilities(y, scaled, p);
    const char *why = line_read(y, &m->s, &m->record, i, &l);
    if (!why)
        line_write(y, &l, logits, p, &b);
    buf_add(&b, "", 1);
    assert_string_equal(why ? why : b.p, line);
    line_free(&l);
    mem_free(b.p);
}

static char first[] = "a", second[] = "b\"", *names[] = { first, second };
static const float even[2] = { 0, 0 }, far[2] = { -1000, 1000 }, tiny[2] = { 0, -100 };

/* p of logits z0, z1 */
static void
of_two(const struct line_style *y, const float *z, float *p)
{
    double copy[2] = { z[0], z[1] };
    line_probabilities(y, copy, p);
}

static void
probabilities(void **state)
{
    const struct line_style single = { PROBLEM_SINGLE, 2, 0, names, NULL }, multi = { PROBLEM_MULTI, 2, 0, names, NULL };
    float p[2];
    (void)state;
    of_two(&single, far, p);
    assert_true(p[0] == 0 && p[1] == 1);
    of_two(&single, tiny, p); /* e^-100 is a denormal float, not 0 */
    assert_true(p[0] == 1 && fabs(p[1] / exp(-100) - 1) < .02);
    of_two(&multi, far, p);
    assert_true(p[0] == 0 && p[1] == 1);
    of_two(&multi, even, p);
    assert_true(p[0] == .5f && p[1] == .5f);
}

static void
scaled(void **state)
{
    const struct scaling half = { SCALING_TEMPERATURE, 2, 2, 0 }, platt = { SCALING_PLATT, 2, 2, -1 };
    const struct line_style cooled = { PROBLEM_SINGLE, 2, 1, names, &half }, sets = { PROBLEM_MULTI, 2, 0, names, &half },
                            moved = { PROBLEM_SINGLE, 2, 0, names, &platt };
    const float z[2] = { -1, 2 };
    float p[2];
    (void)state;
    of_two(&cooled, z, p);
    assert_true(fabs(p[1] - 1 / (1 + exp(-1.5))) < 1e-7 && fabs(p[0] + p[1] - 1) < 1e-7);
    of_two(&sets, z, p);
    assert_true(fabs(p[0] - 1 / (1 + exp(.5))) < 1e-7 && fabs(p[1] - 1 / (1 + exp(-1))) < 1e-7);
    of_two(&moved, z, p);
    assert_true(fabs(p[1] - 1 / (1 + exp(-5))) < 1e-7);
}

static void
kinds(void **state)
{
    static const int32_t class[2] = { 1, -100 }, beyond[2] = { 2, -1 };
    static const float value[2] = { .25f, -1 }, hot[4] = { 1, 1, 0, 1 };
    const struct line_style single = { PROBLEM_SINGLE, 2, 1, names, NULL }, multi = { PROBLEM_MULTI, 2, 0, names, NULL },
                            one = { PROBLEM_REGRESSION, 1, 0, names, NULL };
    struct made m;
    (void)state;
    begin(&m);
    image_1d(&m.image, "labels", I32, 2, class);
    finish(&m);
    expect(&m, &single, 0, even, "{\"row\":4,\"label\":\"a\",\"score\":0.5,\"scores\":{\"a\":0.5,\"b\\\"\":0.5},"
                                 "\"gold\":\"b\\\"\",\"logits\":[0,0]}\n");
    expect(&m, &single, 1, far, "{\"row\":7,\"label\":\"b\\\"\",\"score\":1,\"scores\":{\"a\":0,\"b\\\"\":1},"
                                "\"logits\":[-1000,1000]}\n");
    expect(&m, &multi, 0, even, "its label is a class, but the model's problem is another");
    end(&m);
    begin(&m);
    image_1d(&m.image, "labels", I32, 2, beyond);
    finish(&m);
    expect(&m, &single, 0, even, "its label is outside the model's classes");
    expect(&m, &single, 1, even, "its label is outside the model's classes");
    end(&m);
    begin(&m);
    image_1d(&m.image, "labels", F32, 2, value);
    finish(&m);
    expect(&m, &one, 0, even, "{\"row\":4,\"value\":0,\"gold\":0.25}\n");
    expect(&m, &multi, 0, even, "its label is a number, but the model's problem is another");
    end(&m);
    begin(&m);
    image_2d(&m.image, "labels", F32, 2, 2, hot);
    finish(&m);
    expect(&m, &multi, 1, far, "{\"row\":7,\"labels\":[\"b\\\"\"],\"scores\":{\"a\":0,\"b\\\"\":1},\"gold\":[\"b\\\"\"]}\n");
    expect(&m, &single, 0, even, "its labels are a set, but the model's problem is another");
    end(&m);
}

/* A kept field's name and offsets; the text of sequence 0 is 1, that of sequence 1 absent. */
static void
keep(struct made *m, const char *name)
{
    static const int32_t offsets[3] = { 0, 1, 1 };
    char full[64];
    strcpy(full, "keep.");
    strcat(full, name);
    image_1d(&m->image, full, U8, 1, "1");
    strcat(full, ".offsets");
    image_1d(&m->image, full, I32, 3, offsets);
}

static void
kept(void **state)
{
    static const unsigned char cut[2] = { 0, 1 };
    static const int32_t cu[3] = { 0, 1, 2 }, window[2] = { 0, 3 };
    const struct line_style one = { PROBLEM_REGRESSION, 1, 0, names, NULL };
    struct made m;
    (void)state;
    begin(&m);
    image_1d(&m.image, "cu_seqlens", I32, 3, cu);
    image_1d(&m.image, "truncated", U8, 2, cut);
    keep(&m, "id");
    keep(&m, "input_row");
    keep(&m, "row");
    keep(&m, "window");
    image_1d(&m.image, "window", I32, 2, window);
    finish(&m);
    expect(&m, &one, 0, even, "{\"row\":4,\"window\":0,\"value\":0,\"id\":1,\"input_input_row\":1,\"input_row\":1,"
                              "\"input_window\":1}\n");
    expect(&m, &one, 1, even, "{\"row\":7,\"window\":3,\"value\":0,\"truncated\":true}\n");
    end(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(probabilities), cmocka_unit_test(scaled),
                                        cmocka_unit_test(kinds), cmocka_unit_test(kept) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
