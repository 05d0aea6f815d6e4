/* formats_record - decoding corrupted images, limits, alignment, and building them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/base/mem.h"
#include "formats/record.h"

/* An image with this header, `data` bytes after it. */
static char *
image_of(const char *header, size_t n, size_t data, size_t *size)
{
    char *p = mem_alloc(8 + n + data);
    for (int i = 0; i < 8; i++)
        p[i] = (char)(n >> 8 * i & 255);
    memcpy(p + 8, header, n);
    memset(p + 8 + n, 7, data);
    *size = 8 + n + data;
    return p;
}

static const char *
decode(const char *header, size_t n, size_t data)
{
    struct record r;
    size_t size;
    char *p = image_of(header, n, data, &size);
    record_init(&r);
    const char *why = record_decode(&r, p, size);
    record_free(&r);
    mem_free(p);
    return why;
}

#define T(d, s, o) "{\"dtype\":\"" d "\",\"shape\":" s ",\"data_offsets\":" o "}"

static void
corrupted(void **state)
{
    static const char json[] = "invalid JSON", string[] = "invalid JSON string or escape";
    static const char size[] = "shape with a number that is not a size";
    static const char offset[] = "data_offsets with a number that is not an offset";
    static const char mismatch[] = "tensor size does not match its shape";
    static const char pair[] = "data_offsets is not a list of two";
    static const struct { const char *header, *why; int data; } t[] = {
        { "[]", "header does not start with {", 0 },
        { " {}", "header does not start with {", 0 },
        { "\"\"", "header does not start with {", 0 },
        { "{", "header shorter than {}", 0 },
        { "{]", json, 0 },
        { "{}{}", json, 0 },
        { "{} x", json, 0 },
        { "{\"a\":}", json, 0 },
        { "{\"\xff\":1}", "invalid UTF-8", 0 },
        { "{\"\\ud800\":1}", string, 0 },
        { "{\"a\\q\":1}", string, 0 },
        { "{\"a", "unclosed JSON string", 0 },
        { "{\"a\":nul}", "invalid JSON literal", 0 },
        { "{\"a\":01}", "invalid JSON number", 0 },
        { "{\"a\":{\"b\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]"
          "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}", "JSON nested deeper than 64", 0 },
        { "{\"a\":" T("U8", "[1]", "[0,1]") ",\"a\":" T("U8", "[1]", "[1,2]") "}", "duplicate JSON key", 2 },
        { "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "duplicate JSON key", 1 },
        { "{\"__metadata__\":{\"k\":\"1\",\"k\":\"1\"}}", "duplicate JSON key", 0 },
        { "{\"__metadata__\":{},\"__metadata__\":{}}", "duplicate JSON key", 0 },
        { "{\"__metadata__\":[]}", "__metadata__ is not an object", 0 },
        { "{\"__metadata__\":null}", "__metadata__ is not an object", 0 },
        { "{\"__metadata__\":{\"k\":1}}", "metadata value that is not a string", 0 },
        { "{\"__metadata__\":{\"k\":null}}", "metadata value that is not a string", 0 },
        { "{\"__metadata__\":{\"k\":{}}}", "metadata value that is not a string", 0 },
        { "{\"__metadata__\":{\"k\\u0000\":\"v\"}}", "metadata with a NUL character", 0 },
        { "{\"__metadata__\":{\"k\":\"v\\u0000\"}}", "metadata with a NUL character", 0 },
        { "{\"a\\u0000b\":" T("U8", "[1]", "[0,1]") "}", "tensor name with a NUL character", 1 },
        { "{\"a\":1}", "tensor entry that is not an object", 0 },
        { "{\"a\":[]}", "tensor entry that is not an object", 0 },
        { "{\"a\":{}}", "tensor without a dtype", 0 },
        { "{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]}}", "tensor without a dtype", 1 },
        { "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", "tensor without a shape", 1 },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", "tensor without data_offsets", 1 },
        { "{\"a\":" T("U8", "1", "[0,1]") "}", "shape is not a list", 1 },
        { "{\"a\":" T("U8", "{}", "[0,1]") "}", "shape is not a list", 1 },
        { "{\"a\":" T("U8", "[-1]", "[0,1]") "}", size, 1 },
        { "{\"a\":" T("U8", "[1.0]", "[0,1]") "}", size, 1 },
        { "{\"a\":" T("U8", "[1e0]", "[0,1]") "}", size, 1 },
        { "{\"a\":" T("U8", "[\"1\"]", "[0,1]") "}", size, 1 },
        { "{\"a\":" T("U8", "[true]", "[0,1]") "}", size, 1 },
        { "{\"a\":" T("U8", "[9223372036854775808]", "[0,1]") "}", size, 1 },
        { "{\"a\":" T("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", "more than 8 dimensions", 1 },
        { "{\"a\":" T("U8", "[4294967296,4294967296]", "[0,0]") "}", "shape too large", 0 },
        { "{\"a\":" T("U8", "[9223372036854775807,2,2]", "[0,0]") "}", "shape too large", 0 },
        { "{\"a\":" T("F64", "[2305843009213693952]", "[0,0]") "}", "shape too large", 0 },
        { "{\"a\":" T("U8", "[1]", "1") "}", pair, 1 },
        { "{\"a\":" T("U8", "[1]", "[0]") "}", pair, 1 },
        { "{\"a\":" T("U8", "[1]", "[0,1,1]") "}", pair, 1 },
        { "{\"a\":" T("U8", "[1]", "{\"0\":1,\"1\":1}") "}", pair, 1 },
        { "{\"a\":" T("U8", "[1]", "[-1,0]") "}", offset, 1 },
        { "{\"a\":" T("U8", "[1]", "[0.0,1]") "}", offset, 1 },
        { "{\"a\":" T("U8", "[1]", "[0,null]") "}", offset, 1 },
        { "{\"a\":" T("U8", "[1]", "[1,0]") "}", "data_offsets that run backwards", 1 },
        { "{\"a\":" T("U8", "[2]", "[0,1]") "}", mismatch, 1 },
        { "{\"a\":" T("I32", "[1]", "[0,1]") "}", mismatch, 1 },
        { "{\"a\":" T("U8", "[0]", "[0,1]") "}", mismatch, 1 },
        { "{\"a\":" T("U8", "[]", "[0,0]") "}", mismatch, 0 },
        { "{\"a\":" T("U8", "[1]", "[1,2]") "}", "hole between tensors", 2 },
        { "{\"a\":" T("U8", "[1]", "[0,1]") ",\"b\":" T("U8", "[1]", "[2,3]") "}", "hole between tensors", 3 },
        { "{\"a\":" T("U8", "[2]", "[0,2]") ",\"b\":" T("U8", "[2]", "[1,3]") "}", "tensors overlap", 3 },
        { "{\"a\":" T("U8", "[2]", "[0,2]") ",\"b\":" T("U8", "[2]", "[0,2]") "}", "tensors overlap", 2 },
        { "{\"a\":" T("F8_E4M3", "[2]", "[0,2]") ",\"b\":" T("U8", "[2]", "[1,3]") "}", "tensors overlap", 3 },
        { "{\"a\":" T("U8", "[2]", "[0,2]") "}", "truncated: data is missing", 1 },
        { "{\"a\":" T("U8", "[2]", "[0,2]") "}", "bytes after the last tensor", 3 },
        { "{}", "bytes after the last tensor", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const char *why = decode(t[i].header, strlen(t[i].header), (size_t)t[i].data);
        if (!why || strcmp(why, t[i].why))
            fail_msg("%s: %s, not: %s", t[i].header, why ? why : "accepted", t[i].why);
    }
    assert_true(sizeof t / sizeof *t >= 60);
}

/* Every prefix of a good image is refused or asks for more, and every single bit flip of its
   header is either refused or still describes the same bytes. */
static void
cut_and_flipped(void **state)
{
    static const char h[] = "{\"__metadata__\":{\"kind\":\"x\"},\"a\":" T("I32", "[2,3]", "[0,24]") "}";
    struct record r;
    const char *why;
    size_t size;
    char *p = image_of(h, sizeof h - 1, 24, &size);
    (void)state;
    record_init(&r);
    for (size_t n = 0; n < size; n++) {
        char *copy = mem_strndup(p, n);
        assert_non_null(record_decode(&r, copy, n));
        assert_int_equal(record_extent(copy, n, 1 << 20, &why), n < sizeof h - 1 + 8 ? 0 : size);
        assert_null(why);
        mem_free(copy);
    }
    for (size_t bit = 0; bit < 8 * (8 + sizeof h - 1); bit++) {
        p[bit / 8] ^= (char)(1 << bit % 8);
        if (!record_decode(&r, p, size) && r.tensors) {
            assert_int_equal(r.tensor[0].bytes, 24);
            assert_int_equal(r.tensor[0].offset, 0);
        }
        p[bit / 8] ^= (char)(1 << bit % 8);
    }
    record_free(&r);
    mem_free(p);
}

static void
extents(void **state)
{
    static const char h[] = "{\"a\":" T("U8", "[100]", "[0,100]") "}";
    unsigned char big[8] = { 0, 0, 0, 1 };
    const char *why;
    size_t size;
    char *p = image_of(h, sizeof h - 1, 0, &size);
    (void)state;
    assert_int_equal(record_extent(p, 7, 1000, &why), 0);
    assert_null(why);
    assert_int_equal(record_extent(p, size, size + 100, &why), size + 100);
    assert_null(why);
    assert_int_equal(record_extent(p, size, size + 99, &why), 0);
    assert_string_equal(why, "record larger than the limit");
    /* a header of 16 MiB is one to wait for, 16 MiB + 1 is not */
    assert_int_equal(record_extent(big, 8, SIZE_MAX, &why), 0);
    assert_null(why);
    assert_int_equal(record_extent(big, 8, (16 << 20) + 7, &why), 0);
    assert_string_equal(why, "record larger than the limit");
    big[0] = 1;
    assert_int_equal(record_extent(big, 8, SIZE_MAX, &why), 0);
    assert_string_equal(why, "header longer than 16 MiB, or not a safetensors image");
    mem_free(p);
}

/* At the limit and one beyond: header bytes, tensors, dimensions. */
static void
limits(void **state)
{
    struct buf b = { 0 };
    (void)state;
    for (size_t n = RECORD_MAX_HEADER; n <= RECORD_MAX_HEADER + 1; n++) {
        b.n = 0;
        memset(buf_room(&b, n), ' ', n);
        memcpy(b.p, "{}", 2);
        const char *why = decode(b.p, n, 0);
        if (n == RECORD_MAX_HEADER)
            assert_null(why);
        else
            assert_string_equal(why, "header longer than 16 MiB, or not a safetensors image");
    }
    for (int n = TENSOR_MAX; n <= TENSOR_MAX + 1; n++) {
        b.n = 0;
        buf_printf(&b, "{");
        for (int i = 0; i < n; i++)
            buf_printf(&b, "%s\"t%d\":" T("U8", "[0]", "[0,0]"), i ? "," : "", i);
        buf_printf(&b, "}");
        const char *why = decode(b.p, b.n, 0);
        if (n == TENSOR_MAX)
            assert_null(why);
        else
            assert_string_equal(why, "more than 65536 tensors");
    }
    mem_free(b.p);
}

static void
eight_dimensions(void **state)
{
    static const char h[] = "{\"a\":" T("U8", "[1,1,1,1,1,1,1,2]", "[0,2]") "}";
    struct record r;
    size_t size;
    char *p = image_of(h, sizeof h - 1, 2, &size);
    (void)state;
    record_init(&r);
    assert_null(record_decode(&r, p, size));
    assert_int_equal(r.tensor[0].rank, 8);
    assert_int_equal(r.tensor[0].shape[7], 2);
    record_free(&r);
    mem_free(p);
}

/* Unknown dtypes and keys are passed over unless needed; data is aligned for its type. */
static void
lookup(void **state)
{
    static const char h[] = "{\"z\":" T("U8", "[1]", "[0,1]") ",\"f\":" T("F8_E4M3", "[3]", "[1,4]")
        ",\"y\":{\"note\":[1],\"dtype\":\"F64\",\"shape\":[1,2],\"data_offsets\":[4,20]},\"e\":" T("I32", "[0,5]", "[20,20]")
        ",\"__metadata__\":{\"b\":\"2\",\"a\":\"1\"}}  ";
    struct record r;
    const char *why;
    size_t size;
    char *p = image_of(h, sizeof h - 1, 20, &size);
    (void)state;
    record_init(&r);
    for (int again = 0; again < 2; again++) {
        assert_null(record_decode(&r, p, size));
        assert_int_equal(r.tensors, 3);
        assert_int_equal(r.foreign, 1);
        assert_string_equal(r.tensor[0].name, "z");
        assert_string_equal(r.meta[0].key, "a");
        assert_string_equal(record_meta(&r, "b"), "2");
        assert_null(record_meta(&r, "c"));
        assert_null(record_tensor(&r, "f"));
        assert_int_equal((uintptr_t)record_tensor(&r, "y")->data % 8, 0);
        assert_int_equal(((const unsigned char *)record_tensor(&r, "y")->data)[15], 7);
    }
    assert_non_null(record_need(&r, "y", F64, 2, 1, 2, &why));
    assert_non_null(record_need(&r, "y", F64, 2, -1, -1, &why));
    assert_non_null(record_need(&r, "e", I32, 2, 0, 5, &why));
    assert_null(why);
    assert_null(record_need(&r, "y", F64, 2, 1, 3, &why));
    assert_string_equal(why, "has the wrong shape");
    assert_null(record_need(&r, "y", F64, 1, -1, -1, &why));
    assert_string_equal(why, "has the wrong number of dimensions");
    assert_null(record_need(&r, "y", F32, 2, -1, -1, &why));
    assert_string_equal(why, "has the wrong dtype");
    assert_null(record_need(&r, "x", F32, 2, -1, -1, &why));
    assert_string_equal(why, "is missing");
    assert_null(record_need(&r, "f", U8, 1, -1, -1, &why));
    assert_string_equal(why, "has a dtype this program does not know");
    record_free(&r);
    mem_free(p);
}

/* What is built has the layout of the page, whatever the order of the calls. */
static void
built(void **state)
{
    static const int32_t i32[2] = { 1, 2 };
    static const uint16_t u16[3] = { 3, 4, 5 };
    static const int64_t i64[1] = { 6 };
    static const char want[] =
        "{\"__metadata__\":{\"a\":\"\\\"\xc3\xa9\\n\",\"b\":\"3\"},"
        "\"row\":{\"data_offsets\":[0,8],\"dtype\":\"I64\",\"shape\":[1]},"
        "\"cu\":{\"data_offsets\":[8,16],\"dtype\":\"I32\",\"shape\":[2]},"
        "\"zz\":{\"data_offsets\":[16,24],\"dtype\":\"I32\",\"shape\":[2,1]},"
        "\"ids\":{\"data_offsets\":[24,30],\"dtype\":\"U16\",\"shape\":[3]},"
        "\"one\":{\"data_offsets\":[30,31],\"dtype\":\"U8\",\"shape\":[]}}";
    struct image b;
    struct record r;
    char *first = NULL;
    (void)state;
    image_init(&b);
    record_init(&r);
    for (int round = 0; round < 2; round++) {
        image_reset(&b);
        image_meta(&b, "b", "x");
        image_1d(&b, "ids", U16, 3, u16);
        image_tensor(&b, "one", U8, 0, NULL, "\x09");
        if (round)
            image_1d(&b, "row", I64, 1, i64);
        image_2d(&b, "zz", I32, 2, 1, i32);
        image_metaf(&b, "b", "%d", 3);
        image_1d(&b, "cu", I32, 2, i32);
        if (!round)
            image_1d(&b, "row", I64, 1, i64);
        image_meta(&b, "a", "\"\xc3\xa9\n");
        image_finish(&b);
        assert_memory_equal(b.bytes + 8, want, sizeof want - 1);
        assert_int_equal((b.size - 31) % 64, 0);
        for (size_t i = 8 + sizeof want - 1; i < b.size - 31; i++)
            assert_int_equal(b.bytes[i], ' ');
        assert_null(record_decode(&r, b.bytes, b.size));
        assert_memory_equal(record_tensor(&r, "ids")->data, u16, sizeof u16);
        if (!first)
            first = mem_strndup(b.bytes, b.size);
        assert_memory_equal(first, b.bytes, b.size);
    }
    mem_free(first);
    record_free(&r);
    image_free(&b);
}

/* Names that are taken: a program's input may choose them (kept fields). */
static void
taken(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        int status, fd[2];
        char said[256] = { 0 };
        assert_int_equal(pipe(fd), 0);
        const pid_t pid = fork();
        if (!pid) {
            struct image b;
            dup2(fd[1], 2);
            image_init(&b);
            image_1d(&b, "a", U8, 1, "x");
            image_1d(&b, round ? "a" : "__metadata__", U8, 1, "x");
            _exit(77);
        }
        close(fd[1]);
        assert_true(read(fd[0], said, sizeof said - 1) > 0);
        close(fd[0]);
        waitpid(pid, &status, 0);
        assert_int_equal(WEXITSTATUS(status), 3);
        assert_non_null(strstr(said, round ? "tensor name 'a' is taken" : "'__metadata__' is taken"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corrupted), cmocka_unit_test(cut_and_flipped),
        cmocka_unit_test(extents),   cmocka_unit_test(limits),
        cmocka_unit_test(eight_dimensions), cmocka_unit_test(lookup),
        cmocka_unit_test(built),     cmocka_unit_test(taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
