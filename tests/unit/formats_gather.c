/* formats_gather - records as sequences, put together and taken apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "formats/gather.h"

struct made {
    struct image image;
    struct record record;
    struct sequences s;
};

static void
begin(struct made *m)
{
    memset(m, 0, sizeof *m);
    image_init(&m->image);
    record_init(&m->record);
}

static const char *
finish(struct made *m, int64_t base)
{
    image_finish(&m->image);
    assert_null(record_decode(&m->record, m->image.bytes, m->image.size));
    return sequences_read(&m->s, &m->record, base);
}

static void
end(struct made *m)
{
    sequences_free(&m->s);
    record_free(&m->record);
    image_free(&m->image);
}

/* n sequences of one token each when `ones`, else of 1, 2, 3, ... tokens, rows from `row` on */
static void
sample(struct made *m, int n, int ones, int64_t row, int token_labels)
{
    int32_t cu[8] = { 0 }, labels[32];
    uint16_t ids[32];
    int64_t rows[8];
    begin(m);
    for (int i = 0; i < n; i++) {
        cu[i + 1] = cu[i] + (ones ? 1 : i + 1);
        rows[i] = row + i;
    }
    for (int i = 0; i < cu[n]; i++) {
        ids[i] = (uint16_t)(10 * row + i);
        labels[i] = i;
    }
    image_1d(&m->image, "cu_seqlens", I32, n + 1, cu);
    image_1d(&m->image, "row", I64, n, rows);
    image_1d(&m->image, "input_ids", U16, cu[n], ids);
    image_1d(&m->image, "labels", I32, token_labels ? cu[n] : n, labels);
    assert_null(finish(m, 0));
}

static void
parts(void **state)
{
    struct made m;
    (void)state;
    sample(&m, 3, 0, 0, 0);
    assert_int_equal(m.s.n, 3);
    assert_int_equal(m.s.tokens, 6);
    assert_int_equal(sequences_part(&m.s, record_tensor(&m.record, "cu_seqlens")), PART_CU);
    assert_int_equal(sequences_part(&m.s, record_tensor(&m.record, "row")), PART_SEQUENCE);
    assert_int_equal(sequences_part(&m.s, record_tensor(&m.record, "labels")), PART_SEQUENCE);
    assert_int_equal(sequences_part(&m.s, record_tensor(&m.record, "input_ids")), PART_TOKEN);
    end(&m);
    sample(&m, 3, 1, 0, 1); /* B = T */
    assert_int_equal(sequences_part(&m.s, record_tensor(&m.record, "labels")), PART_SEQUENCE);
    assert_int_equal(sequences_part(&m.s, record_tensor(&m.record, "input_ids")), PART_TOKEN);
    assert_true(sequences_travels(&m.s, record_tensor(&m.record, "labels")));
    assert_false(sequences_travels(&m.s, record_tensor(&m.record, "input_ids")));
    end(&m);
}

static void
base(void **state)
{
    const int64_t row = INT64_MAX - 1;
    struct made m;
    (void)state;
    begin(&m);
    image_1d(&m.image, "row", I64, 1, &row);
    assert_null(finish(&m, 1));
    assert_int_equal(m.s.row[0], INT64_MAX);
    assert_string_equal(sequences_read(&m.s, &m.record, 2), "tensor 'row' holds a number out of range");
    end(&m);
}

/* Labels of a first record with B = T may turn out to be of tokens. */
static void
settles(void **state)
{
    struct made a, b, c;
    struct gather g = { 0 };
    struct tensor t;
    (void)state;
    sample(&a, 3, 1, 0, 1);
    sample(&b, 3, 0, 3, 1);
    sample(&c, 3, 0, 6, 0);
    assert_null(gather_add(&g, &a.s, 0, 3, 0));
    assert_null(gather_add(&g, &b.s, 1, 2, 0));
    assert_int_equal(g.n, 5);
    assert_int_equal(g.tokens, 8);
    for (int i = 0; i < g.columns; i++) {
        t = gather_tensor(&g, i);
        const int want = !strcmp(t.name, "cu_seqlens") ? 6 : !strcmp(t.name, "row") ? 5 : 8;
        assert_int_equal(t.shape[0], want);
        if (!strcmp(t.name, "cu_seqlens"))
            assert_memory_equal(t.data, ((int32_t[]){ 0, 1, 2, 3, 5, 8 }), 24);
        if (!strcmp(t.name, "labels"))
            assert_memory_equal(t.data, ((int32_t[]){ 0, 1, 2, 1, 2, 3, 4, 5 }), 32);
        if (!strcmp(t.name, "row"))
            assert_memory_equal(t.data, ((int64_t[]){ 0, 1, 2, 4, 5 }), 40);
    }
    assert_string_equal(gather_add(&g, &c.s, 0, 3, 0),
                        "tensor 'labels' has another type or shape than in an earlier record");
    gather_free(&g);
    end(&a);
    end(&b);
    end(&c);
}

/* Counts beyond 32 bits are refused, not wrapped. */
static void
overflow(void **state)
{
    const int32_t cu[] = { 0, INT32_MAX };
    const int64_t row = 0;
    struct made m;
    struct gather g = { 0 };
    (void)state;
    begin(&m);
    image_1d(&m.image, "cu_seqlens", I32, 2, cu);
    image_1d(&m.image, "row", I64, 1, &row);
    assert_null(finish(&m, 0));
    assert_null(gather_add(&g, &m.s, 0, 1, 0));
    assert_string_equal(gather_add(&g, &m.s, 0, 1, 0),
                        "tensor 'cu_seqlens' would count beyond 2147483647: too much for one record");
    gather_free(&g);
    end(&m);
}

static void
hidden(struct made *m, const char *name, const char *other)
{
    static const float x[] = { 1, 2, 3 };
    const int32_t cu[] = { 0, 1, 3 };
    const int64_t rows[] = { 4, 5 };
    begin(m);
    image_1d(&m->image, "cu_seqlens", I32, 3, cu);
    image_1d(&m->image, "row", I64, 2, rows);
    image_2d(&m->image, name, F32, 3, 1, x);
    if (other)
        image_2d(&m->image, other, F32, 3, 1, x);
    assert_null(finish(m, 0));
}

/* Layers are one record each: what travels is taken once a group. */
static void
groups(void **state)
{
    const char *const names[] = { "hidden.0", "hidden.1", "hidden.0", "hidden.1" };
    const int continues[] = { 0, 1, 0, 1 };
    struct made m;
    struct gather g = { 0 };
    struct image b;
    struct group group = { 0 };
    (void)state;
    for (int i = 0; i < 4; i++) {
        hidden(&m, names[i], NULL);
        const int same = group_continues(&group, &m.s);
        assert_int_equal(same, continues[i]);
        assert_null(gather_add(&g, &m.s, 0, 2, same));
        end(&m);
    }
    assert_int_equal(g.n, 4);
    assert_int_equal(g.columns, 4);
    image_init(&b);
    assert_null(gather_image(&g, &b));
    image_reset(&b);
    hidden(&m, "hidden.0", NULL);
    assert_false(group_continues(&group, &m.s));
    assert_null(gather_add(&g, &m.s, 0, 2, 0));
    assert_string_equal(gather_image(&g, &b), "tensor 'hidden.1' is in some records, but not in all");
    end(&m);
    image_free(&b);
    group_free(&group);
    gather_free(&g);
}

/* A tensor that comes late would be shorter than the rest. */
static void
late(void **state)
{
    struct made a, b;
    struct gather g = { 0 };
    (void)state;
    hidden(&a, "hidden.0", NULL);
    hidden(&b, "hidden.0", "hidden.1");
    assert_null(gather_add(&g, &a.s, 0, 2, 0));
    gather_reset(&g);
    assert_string_equal(gather_add(&g, &b.s, 0, 2, 0), "tensor 'hidden.1' is in some records, but not in all");
    gather_free(&g);
    end(&a);
    end(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts), cmocka_unit_test(base),   cmocka_unit_test(settles), cmocka_unit_test(overflow),
        cmocka_unit_test(groups), cmocka_unit_test(late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
