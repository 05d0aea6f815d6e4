/* formats_files - source, jsonl, sink, safetensors and npy on real files. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <zstd.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/jsonl.h"
#include "formats/npy.h"
#include "formats/safetensors.h"
#include "formats/sink.h"

static char dir[] = "/tmp/formats_files.XXXXXX";
static char *path;

static int
start(void **state)
{
    (void)state;
    argv0 = "unit";
    quiet = 1;
    if (!mkdtemp(dir) || chdir(dir))
        return 1;
    path = mem_strdup("f");
    return 0;
}

static int
stop(void **state)
{
    (void)state;
    unlink(path);
    mem_free(path);
    return chdir("/") || rmdir(dir);
}

static void
put(const char *name, const void *p, size_t n)
{
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static size_t
get(const char *name, char *to, size_t cap)
{
    FILE *f = fopen(name, "rb");
    assert_non_null(f);
    const size_t n = fread(to, 1, cap - 1, f);
    fclose(f);
    to[n] = 0;
    return n;
}

/* As put, one zstd frame every `step` bytes. */
static void
put_zstd(const void *p, size_t n, size_t step, int checksum)
{
    struct buf b = { 0 };
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checksum);
    for (size_t i = 0; i < n; i += step) {
        const size_t k = n - i < step ? n - i : step, bound = ZSTD_compressBound(k);
        b.n += ZSTD_compress2(c, buf_room(&b, bound), bound, (const char *)p + i, k);
    }
    put(path, b.p, b.n);
    ZSTD_freeCCtx(c);
    mem_free(b.p);
}

/* Reads all lines of the file: "[line]" each, "<code>" at what is no line. */
static void
lines(size_t max, const char *want)
{
    struct source *s = source_open(path, 0);
    struct buf b = { 0 };
    const char *text;
    size_t n;
    int got;
    while ((got = source_line(s, max, &text, &n)) == 1 || got == -2) {
        if (got == -2) {
            buf_printf(&b, "<%lld long>", (long long)source_lineno(s));
            continue;
        }
        buf_printf(&b, "[%.*s]", (int)n, text);
        volatile char sum = 0;
        for (int i = 0; i < 64; i++) /* the sanitizer watches the promise of 64 bytes */
            sum = (char)(sum + text[n + (size_t)i]);
    }
    if (got < 0)
        buf_printf(&b, "<bad>");
    buf_printf(&b, "%lld", (long long)source_lineno(s));
    buf_add(&b, "", 1);
    assert_string_equal(b.p, want);
    mem_free(b.p);
    source_close(s);
}

static void
lines_of_all_kinds(void **state)
{
    static const struct { const char *text, *want; } t[] = {
        { "", "0" },
        { "\n", "[]1" },
        { "a", "[a]1" },
        { "a\n", "[a]1" },
        { "a\nb", "[a][b]2" },
        { "a\r\n\r\nb\r", "[a][][b]3" },
        { "\xEF\xBB\xBF" "a\n\xEF\xBB\xBF" "b\n", "[a][\xEF\xBB\xBF" "b]2" },
        { "\xEF\xBB\xBF", "0" },
        { "\xEF\xBB", "[\xEF\xBB]1" },
        { "12345678\n1234567\n", "[12345678][1234567]2" },
        { "123456789\nabc\n", "<1 long>[abc]2" },
        { "abc\n123456789012345678901234567890\n\n1234567890", "[abc]<2 long>[]<4 long>4" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        put(path, t[i].text, strlen(t[i].text));
        lines(8, t[i].want);
        if (!t[i].text[0])
            continue;
        for (size_t step = 1; step < 10; step += 4)
            for (int sum = 0; sum < 2; sum++) {
                put_zstd(t[i].text, strlen(t[i].text), step, sum);
                lines(8, t[i].want);
            }
    }
}

/* The limit of a line at its value and one beyond, in a file larger than any buffer. */
static void
long_lines(void **state)
{
    struct buf b = { 0 };
    struct jsonl j;
    struct json_value v;
    const char *why, *s;
    size_t n;
    (void)state;
    for (int beyond = 0; beyond < 2; beyond++) {
        const size_t size = (size_t)JSONL_MAX_LINE + (size_t)beyond;
        b.n = 0;
        buf_printf(&b, "1\n");
        memset(buf_room(&b, size), 'a', size);
        b.p[b.n] = b.p[b.n + size - 1] = '"';
        b.n += size;
        buf_printf(&b, "\n\"after\"\n");
        put(path, b.p, b.n);
        jsonl_open(&j, path);
        assert_int_equal(jsonl_next(&j, &v, &why), 1);
        assert_int_equal(jsonl_next(&j, &v, &why), beyond ? -1 : 1);
        if (beyond)
            assert_string_equal(why, "line longer than 16 MiB");
        else
            assert_true(json_string(v, &s, &n) && n == size - 2);
        assert_int_equal(j.row, 1);
        assert_int_equal(jsonl_next(&j, &v, &why), 1);
        assert_true(json_string(v, &s, &n) && n == 5 && j.row == 2);
        assert_int_equal(jsonl_next(&j, &v, &why), 0);
        jsonl_close(&j);
    }
    mem_free(b.p);
}

static void
rows(void **state)
{
    static const char text[] = "{\"a\":1}\n\n \t\r\n{\"a\":}\n\"\xE2\x80\xA8\"\n[2]";
    struct jsonl j;
    struct json_value v;
    const char *why;
    (void)state;
    put(path, text, sizeof text - 1);
    jsonl_open(&j, path);
    assert_int_equal(jsonl_next(&j, &v, &why), 1);
    assert_int_equal(j.row, 0);
    assert_int_equal(jsonl_next(&j, &v, &why), -1);
    assert_int_equal(j.row, 3);
    assert_string_equal(why, "invalid JSON");
    assert_int_equal(jsonl_next(&j, &v, &why), 1);
    assert_int_equal(j.row, 4);
    assert_int_equal(jsonl_next(&j, &v, &why), 1);
    assert_int_equal(j.row, 5);
    assert_int_equal(jsonl_next(&j, &v, &why), 0);
    jsonl_close(&j);
}

static void
damaged(void **state)
{
    char bytes[512], out[256];
    struct jsonl j;
    struct json_value v;
    const char *why;
    (void)state;
    put_zstd("1\n2\n3\n", 6, 6, 1);
    const size_t n = get(path, bytes, sizeof bytes);
    for (size_t cut = 4; cut < n; cut++) {
        int got;
        put(path, bytes, cut);
        jsonl_open(&j, path);
        while ((got = jsonl_next(&j, &v, &why)) == 1)
            ;
        assert_int_equal(got, -2);
        assert_non_null(strstr(why, "truncated: the file ends inside a zstd frame"));
        jsonl_close(&j);
    }
    bytes[n - 1] ^= 1;
    put(path, bytes, n);
    struct source *s = source_open(path, 1);
    ptrdiff_t got;
    while ((got = source_read(s, out, sizeof out)) > 0)
        ;
    assert_int_equal(got, -1);
    assert_non_null(strstr(source_error(s), "damaged zstd frame"));
    assert_int_equal(source_read(s, out, sizeof out), -1); /* and stays so */
    source_close(s);
}

/* Frames whose window is larger than 2^27 are refused before memory is taken. */
static void
windows(void **state)
{
    /* magic, descriptor (checksum, no content size), window descriptor, one empty last block */
    char f[] = "\x28\xB5\x2F\xFD\x04\x88\x01\x00\x00\x99\xE9\xD8\x51", out[16];
    (void)state;
    for (int log = 27; log <= 28; log++) {
        f[5] = (char)((log - 10) << 3);
        put(path, f, 13);
        struct source *s = source_open(path, 1);
        assert_int_equal(source_read(s, out, sizeof out), log == 27 ? 0 : -1);
        if (log == 28)
            assert_non_null(strstr(source_error(s), "Frame requires too much memory"));
        source_close(s);
    }
    f[4] = 5;
    put(path, f, 13);
    struct source *s = source_open(path, 0);
    assert_int_equal(source_read(s, out, sizeof out), -1);
    assert_non_null(strstr(source_error(s), "zstd frame that needs a dictionary"));
    source_close(s);
}

/* Runs fn in a child; stderr into said; returns its status, 128 + signal when killed. */
static char said[1024];
static int
child(void (*fn)(void))
{
    int fd[2], status;
    size_t n = 0;
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        dup2(fd[1], 2);
        close(fd[0]);
        fn();
        _exit(0);
    }
    close(fd[1]);
    for (ssize_t k; (k = read(fd[0], said + n, sizeof said - 1 - n)) > 0;)
        n += (size_t)k;
    said[n] = 0;
    close(fd[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void
committed(void **state)
{
    struct stat st;
    char text[64];
    (void)state;
    put(path, "old", 3);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(symlink(path, "link"), 0);
    struct sink *s = sink_open("link");
    assert_int_equal(sink_regular(s), 1);
    sink_printf(s, "new %d", 7);
    sink_flush(s);
    get(path, text, sizeof text);
    assert_string_equal(text, "old"); /* untouched until the end */
    sink_commit(s);
    get(path, text, sizeof text);
    assert_string_equal(text, "new 7");
    assert_int_equal(lstat("link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    s = sink_open(path);
    sink_printf(s, "never");
    sink_abandon(s);
    get(path, text, sizeof text);
    assert_string_equal(text, "new 7");
    unlink("link");
}

static void
write_and_die(void)
{
    struct sink *s = sink_open(path);
    sink_printf(s, "half");
    sink_flush(s);
    die_data("no");
}

static void
write_and_stop(void)
{
    struct sink *s = sink_open(path);
    sink_printf(s, "half");
    sink_flush(s);
    raise(SIGTERM);
}

static void
write_full(void)
{
    struct sink *s = sink_open("/dev/full");
    sink_printf(s, "x");
    sink_commit(s);
}

static void
write_nowhere(void)
{
    sink_open("no/such/place");
}

static void
read_nothing(void)
{
    source_open("absent", 0);
}

static void
read_directory(void)
{
    char c;
    source_read(source_open(".", 0), &c, 1);
}

/* Leaves the file as it was and nothing beside it (the directory must be empty at the end). */
static void
dead_writers(void **state)
{
    char text[64];
    (void)state;
    put(path, "old", 3);
    assert_int_equal(child(write_and_die), 3);
    assert_int_equal(child(write_and_stop), 128 + SIGTERM);
    get(path, text, sizeof text);
    assert_string_equal(text, "old");
    assert_int_equal(child(write_full), 4);
    assert_string_equal(said, "unit: can't write '/dev/full': No space left on device\n");
    assert_int_equal(child(write_nowhere), 4);
    assert_non_null(strstr(said, "unit: can't create 'no/such/place.tmp."));
    assert_int_equal(child(read_nothing), 4);
    assert_string_equal(said, "unit: can't open 'absent': No such file or directory\n");
    assert_int_equal(child(read_directory), 4);
    assert_string_equal(said, "unit: can't read '.': Is a directory\n");
}

static void
map_it(void)
{
    safetensors_map(path);
}

static void
map_model(void)
{
    safetensors_model(".");
}

static void
safetensors_files(void **state)
{
    static const struct { const char *bytes; size_t n; const char *why; } t[] = {
        { "PK\3\4xxxxxxxx", 12, "'f': a PyTorch (pickle) checkpoint: convert it to safetensors" },
        { "\x80\x02}q\x01.xxxx", 10, "'f': a pickle file: convert it to safetensors" },
        { "\x28\xB5\x2F\xFDxxxxxxx", 11, "'f': zstd-compressed: decompress it first" },
        { "version https://git-lfs.github.com/spec/v1\n", 43, "'f': a Git LFS pointer, not the file itself" },
        { "\2\0\0\0\0\0\0\0{}", 9, "'f': truncated: the header is cut" },
        { "\2\0\0\0", 4, "'f': truncated: shorter than a header's length" },
        { "\2\0\0\0\0\0\0\0{}x", 11, "'f': bytes after the last tensor" },
    };
    const float w[6] = { 1, 2, 3, 4, 5, 6 };
    const char *header;
    struct image b;
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        put(path, t[i].bytes, t[i].n);
        assert_int_equal(child(map_it), 3);
        assert_memory_equal(said, "unit: ", 6);
        assert_memory_equal(said + 6, t[i].why, strlen(t[i].why));
    }
    image_init(&b);
    image_meta(&b, "format", "pt");
    image_2d(&b, "w", F32, 2, 3, w);
    image_1d(&b, "empty", BF16, 0, NULL);
    safetensors_write(path, &b);
    image_free(&b);
    struct safetensors *s = safetensors_map(path);
    assert_string_equal(safetensors_name(s), path);
    assert_string_equal(record_meta(safetensors_record(s), "format"), "pt");
    assert_memory_equal(record_tensor(safetensors_record(s), "w")->data, w, sizeof w);
    assert_int_equal(safetensors_header(s, &header) % 64, 56);
    assert_int_equal(header[0], '{');
    safetensors_close(s);
    assert_int_equal(child(map_model), 4);
    assert_string_equal(said, "unit: can't open './model.safetensors': No such file or directory\n");
    put("model.safetensors.index.json", "{}", 2);
    assert_int_equal(child(map_model), 3);
    assert_non_null(strstr(said, "'./model.safetensors.index.json': sharded checkpoints are not supported"));
    unlink("model.safetensors.index.json");
}

static void
arrays(void **state)
{
    static const uint16_t half[3] = { 0x3F80, 0xC000, 0x7F80 };
    static const float wide[3] = { 1, -2, __builtin_inff() };
    static const struct { int rank; int64_t shape[2]; const char *want; } t[] = {
        { 1, { 3, 0 }, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }" },
        { 2, { 3, 1 }, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1), }" },
    };
    char text[512];
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct tensor x = { .name = "x", .type = BF16, .rank = t[i].rank, .data = half, .bytes = 6 };
        memcpy(x.shape, t[i].shape, sizeof t[i].shape);
        struct sink *s = sink_open(path);
        npy_write(s, &x);
        sink_commit(s);
        assert_int_equal(get(path, text, sizeof text), 128 + sizeof wide);
        assert_memory_equal(text, "\x93NUMPY\1\0\x76\0", 10);
        assert_memory_equal(text + 10, t[i].want, strlen(t[i].want));
        assert_int_equal(text[127], '\n');
        assert_memory_equal(text + 128, wide, sizeof wide);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_all_kinds), cmocka_unit_test(long_lines),
        cmocka_unit_test(rows),               cmocka_unit_test(damaged),
        cmocka_unit_test(windows),            cmocka_unit_test(committed),
        cmocka_unit_test(dead_writers),       cmocka_unit_test(safetensors_files),
        cmocka_unit_test(arrays),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
