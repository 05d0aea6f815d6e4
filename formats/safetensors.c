#include "formats/safetensors.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "formats/sink.h"

struct safetensors {
    char *name;
    void *map;
    size_t size;
    char *copy; /* the bytes, when the file's data would lie misaligned in a mapping */
    struct record record;
};

static const char *
bytes_of(const struct safetensors *s)
{
    return s->copy ? s->copy : s->map;
}

static uint64_t
header_of(const char *p)
{
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | (unsigned char)p[i];
    return n;
}

/*
 * Pickles (torch.save) are zip archives or start with the protocol opcode; so may a header's
 * length, but its upper bytes are zero.
 */
static void
refuse_pickle(const char *path, const char *p, size_t n)
{
    const int opcode = n >= 8 && (unsigned char)p[0] == 0x80 && header_of(p) >> 32;
    if (n >= 4 && (opcode || !memcmp(p, "PK\3\4", 4)))
        die_data("'%s' is a PyTorch pickle, which is never loaded: save it as model.safetensors", path);
}

struct safetensors *
safetensors_map(const char *path)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        die_sys("can't open '%s'", path);
    if (!S_ISREG(st.st_mode)) {
        errno = 0;
        die_sys("can't map '%s': not a regular file", path);
    }
    if (st.st_size < 8)
        die_data("'%s': image is cut short", path);
    struct safetensors *s = mem_zalloc(1, sizeof *s);
    s->name = mem_strdup(path);
    s->size = (size_t)st.st_size;
    s->map = mmap(NULL, s->size, PROT_READ, MAP_SHARED, fd, 0);
    if (s->map == MAP_FAILED)
        die_sys("can't map '%s'", path);
    close(fd);
    refuse_pickle(path, s->map, s->size);
    if (header_of(s->map) % 8 && header_of(s->map) < s->size) {
        const size_t shift = -(8 + header_of(s->map)) % 64;
        s->copy = (char *)mem_aligned(mem_add(s->size, 64), 64) + shift;
        memcpy(s->copy, s->map, s->size);
    }
    record_init(&s->record);
    const char *why = record_decode(&s->record, bytes_of(s), s->size);
    if (why)
        die_data("'%s': %s", path, why);
    return s;
}

struct safetensors *
safetensors_model(const char *dir)
{
    char *path = mem_printf("%s/model.safetensors", dir), *index = mem_printf("%s.index.json", path);
    char *pickle = mem_printf("%s/pytorch_model.bin", dir);
    if (access(path, F_OK) && !access(index, F_OK))
        die_data("'%s': sharded checkpoints are not supported: merge them into model.safetensors", index);
    if (access(path, F_OK) && !access(pickle, F_OK))
        die_data("'%s' is a PyTorch pickle, which is never loaded: save it as model.safetensors", pickle);
    struct safetensors *s = safetensors_map(path);
    mem_free(path);
    mem_free(index);
    mem_free(pickle);
    return s;
}

const struct record *
safetensors_record(const struct safetensors *s)
{
    return &s->record;
}

const char *
safetensors_name(const struct safetensors *s)
{
    return s->name;
}

size_t
safetensors_header(const struct safetensors *s, const char **bytes)
{
    *bytes = bytes_of(s) + 8;
    return header_of(bytes_of(s));
}

void
safetensors_close(struct safetensors *s)
{
    if (!s)
        return;
    if (s->copy)
        mem_free(s->copy - -(8 + header_of(s->map)) % 64);
    munmap(s->map, s->size);
    record_free(&s->record);
    mem_free(s->name);
    mem_free(s);
}

void
safetensors_write(const char *path, struct image *b)
{
    image_finish(b);
    struct sink *out = sink_open(path);
    sink_write(out, b->bytes, b->size);
    sink_commit(out);
}
