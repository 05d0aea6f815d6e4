/*
 * formats_damage - a small stream cut at each byte and with each bit flipped, each read
 * from a pipe by a process of its own through stream_open and stream_next, as the tools do:
 * it ends with status 3, or with 0 and what was there before; never by a signal, with
 * another status, or with other content.  formats_stream does the same within a process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <xxhash.h>
#include <zstd.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/stream.h"

enum { ROOM = 4096, DATA = 3 };

/* The stream dressed and bare, and what the last reader read: shared with the children. */
static char dressed[ROOM], bare[ROOM];
static size_t dressed_size, bare_size, last_record;
static uint64_t *content;

static void
write_stream(void)
{
    const uint16_t ids[] = { 7, 8 };
    const int32_t cu[] = { 0, 2 };
    const int64_t row[] = { 0 };
    struct stream_out *out = stream_create(NULL, "tokens", NULL, "t", "", 0);
    struct image b;
    image_init(&b);
    image_1d(&b, "input_ids", U16, 2, ids);
    image_1d(&b, "cu_seqlens", I32, 2, cu);
    image_1d(&b, "row", I64, 1, row);
    stream_put(out, &b, 1, 2);
    stream_end(out, 1);
    image_free(&b);
}

static void
add(XXH64_state_t *h, const struct record *r, int64_t base)
{
    XXH64_update(h, &base, sizeof base);
    for (int i = 0; i < r->metas; i++) {
        XXH64_update(h, r->meta[i].key, strlen(r->meta[i].key) + 1);
        XXH64_update(h, r->meta[i].value, strlen(r->meta[i].value) + 1);
    }
    for (int i = 0; i < r->tensors; i++) {
        const struct tensor *t = &r->tensor[i];
        XXH64_update(h, t->name, strlen(t->name) + 1);
        XXH64_update(h, t->shape, (size_t)t->rank * sizeof *t->shape);
        XXH64_update(h, t->data, t->bytes);
    }
}

/* The child: all of standard input, its hash into *content. */
static void
read_stream(void)
{
    struct stream_in *in = stream_open(0, NULL, "tokens", 0);
    XXH64_state_t *h = XXH64_createState();
    const struct record *r;
    XXH64_reset(h, 0);
    add(h, stream_head(in), 0);
    while ((r = stream_next(in)))
        add(h, r, stream_base(in));
    const int64_t sums[] = { stream_rows(in), stream_examples(in), stream_tokens(in) };
    XXH64_update(h, sums, sizeof sums);
    *content = XXH64_digest(h);
    XXH64_freeState(h);
    stream_close(in);
}

/* fn in a child with these standard streams; its status, 128 and more for a signal. */
static int
child(void (*fn)(void), int in, int out)
{
    int status;
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        const int null = open("/dev/null", O_RDWR);
        dup2(in < 0 ? null : in, STDIN_FILENO);
        dup2(out < 0 ? null : out, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        fn();
        _exit(0);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The reader's status for these bytes. */
static int
status_of(const char *p, size_t n)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    assert_true(write(fd[1], p, n) == (ssize_t)n); /* less than a pipe holds */
    close(fd[1]);
    *content = 0;
    const int status = child(read_stream, fd[0], -1);
    close(fd[0]);
    return status;
}

static int
start(void **state)
{
    int fd[2];
    ssize_t n;
    (void)state;
    argv0 = "unit";
    content = mmap(NULL, sizeof *content, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(content != MAP_FAILED);
    assert_int_equal(pipe(fd), 0);
    assert_int_equal(child(write_stream, -1, fd[1]), 0);
    close(fd[1]);
    while ((n = read(fd[0], dressed + dressed_size, ROOM - dressed_size)) > 0)
        dressed_size += (size_t)n;
    close(fd[0]);
    for (size_t at = 0; at < dressed_size; at += (size_t)n) {
        const char *p = dressed + at;
        n = (ssize_t)ZSTD_findFrameCompressedSize(p, dressed_size - at);
        assert_false(ZSTD_isError((size_t)n));
        last_record = bare_size;
        const size_t room = ROOM - bare_size;
        const size_t size = ZSTD_decompress(bare + bare_size, room, p, (size_t)n);
        assert_false(ZSTD_isError(size));
        bare_size += size;
    }
    return 0;
}

static void
cut_at_each_byte(const char *p, size_t size)
{
    assert_int_equal(status_of(p, size), 0);
    for (size_t n = 0; n < size; n++) {
        const int status = status_of(p, n);
        if (status != DATA)
            fail_msg("the first %zu bytes: status %d", n, status);
    }
}

static void
flip_each_bit(char *p, size_t size, size_t step, size_t limit)
{
    size_t same = 0;
    assert_int_equal(status_of(p, size), 0);
    const uint64_t want = *content;
    for (size_t bit = 0; bit < 8 * limit; bit += step) {
        p[bit / 8] ^= (char)(1 << bit % 8);
        const int status = status_of(p, size);
        p[bit / 8] ^= (char)(1 << bit % 8);
        if (status == DATA)
            continue;
        if (status || *content != want)
            fail_msg("bit %zu of byte %zu: status %d, %s content", bit % 8, bit / 8, status,
                     *content == want ? "the same" : "other");
        same++;
    }
    assert_true(same < 8 * limit / step / 20); /* nearly all of them are seen */
}

static void
cut_dressed(void **state)
{
    (void)state;
    cut_at_each_byte(dressed, dressed_size);
}

static void
cut_bare(void **state)
{
    (void)state;
    cut_at_each_byte(bare, bare_size);
}

static void
flip_dressed(void **state)
{
    (void)state;
    flip_each_bit(dressed, dressed_size, 1, dressed_size);
}

/* Bare, the chain vouches for all but the last record, which no other follows. */
static void
flip_bare(void **state)
{
    (void)state;
    flip_each_bit(bare, bare_size, 5, last_record);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_dressed),
        cmocka_unit_test(cut_bare),
        cmocka_unit_test(flip_dressed),
        cmocka_unit_test(flip_bare),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
