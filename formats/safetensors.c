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
    char *map;
    size_t size;
    struct record r;
};

/* What people have instead of a safetensors file, by its first bytes. */
static const char *
mistaken(const char *p, size_t n)
{
    static const char lfs[] = "version https://git-lfs";
    if (n >= 4 && !memcmp(p, "PK\3\4", 4))
        return "a PyTorch (pickle) checkpoint: convert it to safetensors";
    /* a header of 640 bytes starts the same; the upper half of a length is zero */
    if (n >= 8 && p[0] == (char)0x80 && p[1] >= 2 && p[1] <= 5 && memcmp(p + 4, "\0\0\0\0", 4))
        return "a pickle file: convert it to safetensors";
    if (n >= 4 && !memcmp(p, "\x28\xB5\x2F\xFD", 4))
        return "zstd-compressed: decompress it first";
    if (n >= sizeof lfs - 1 && !memcmp(p, lfs, sizeof lfs - 1))
        return "a Git LFS pointer, not the file itself";
    return NULL;
}

struct safetensors *
safetensors_map(const char *path)
{
    struct safetensors *s = mem_zalloc(1, sizeof *s);
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        die_sys("can't open '%s'", path);
    if (!S_ISREG(st.st_mode))
        die_data("'%s': not a regular file", path);
    s->name = mem_strdup(path);
    s->size = (size_t)st.st_size;
    record_init(&s->r);
    if (s->size < 8)
        die_data("'%s': truncated: shorter than a header's length", path);
    s->map = mmap(NULL, s->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (s->map == MAP_FAILED)
        die_sys("can't map '%s'", path);
    close(fd);
    const char *why = mistaken(s->map, s->size);
    if (!why)
        why = record_decode(&s->r, s->map, s->size);
    if (why)
        die_data("'%s': %s", path, why);
    return s;
}

struct safetensors *
safetensors_model(const char *dir)
{
    char *path = mem_printf("%s/model.safetensors", dir);
    char *index = mem_printf("%s/model.safetensors.index.json", dir);
    char *pickle = mem_printf("%s/pytorch_model.bin", dir);
    const int absent = access(path, F_OK) && errno == ENOENT;
    if (absent && !access(index, F_OK))
        die_data("'%s': sharded checkpoints are not supported: join the parts into one "
                 "model.safetensors", index);
    if (absent && !access(pickle, F_OK))
        die_data("'%s': a PyTorch (pickle) checkpoint: convert it to safetensors", pickle);
    struct safetensors *s = safetensors_map(path);
    mem_free(path);
    mem_free(index);
    mem_free(pickle);
    return s;
}

const struct record *
safetensors_record(const struct safetensors *s)
{
    return &s->r;
}

const char *
safetensors_name(const struct safetensors *s)
{
    return s->name;
}

size_t
safetensors_header(const struct safetensors *s, const char **bytes)
{
    size_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | (unsigned char)s->map[i];
    *bytes = s->map + 8;
    return n;
}

void
safetensors_close(struct safetensors *s)
{
    if (!s)
        return;
    munmap(s->map, s->size);
    record_free(&s->r);
    mem_free(s->name);
    mem_free(s);
}

/* Tensors go out from where they are: a model is not held twice. */
void
safetensors_write(const char *path, struct image *b)
{
    struct sink *out = sink_open(path);
    image_header(b);
    sink_write(out, b->bytes, b->size);
    for (int i = 0; i < b->r.tensors; i++)
        sink_write(out, b->r.tensor[i].data, b->r.tensor[i].bytes);
    sink_commit(out);
}
