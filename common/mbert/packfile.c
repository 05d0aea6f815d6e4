#include "common/mbert/packfile.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/die.h"
#include "formats/sink.h"

char *
packfile_path(const struct model *m, const char *dir)
{
    return mem_printf("%s/mbert-packed.%s", dir, m->be->packing(m->c));
}

/* All of the head's text but the number of bytes. */
static int
head_text(char *to, const struct model *m)
{
    struct stat s;
    if (stat(m->name, &s))
        s.st_size = 0;
    return snprintf(to, PACKFILE_HEAD,
                    "mbert-packed 1\nmodel %016" PRIx64 "\nsize %lld\npacking %s\nbytes ",
                    m->fingerprint, (long long)s.st_size, m->be->packing(m->c));
}

static int
head_fits(const struct model *m, const char *map, size_t bytes, size_t need)
{
    char want[PACKFILE_HEAD], number[32] = "";
    const int n = head_text(want, m);
    if (bytes < PACKFILE_HEAD || memcmp(map, want, (size_t)n))
        return 0;
    memcpy(number, map + n, sizeof number - 1);
    const unsigned long long all = strtoull(number, NULL, 10);
    return bytes == PACKFILE_HEAD + all && all >= need;
}

void *
packfile_map(const struct model *m, const char *dir, size_t need, size_t *mapped)
{
    char *path = packfile_path(m, dir), *map = MAP_FAILED;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat s;
    mem_free(path);
    if (fd < 0)
        return NULL;
    if (!fstat(fd, &s) && S_ISREG(s.st_mode) && s.st_size > PACKFILE_HEAD)
        map = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return NULL;
    const size_t bytes = (size_t)s.st_size;
    if (!head_fits(m, map, bytes, need)) {
        munmap(map, bytes);
        return NULL;
    }
    *mapped = bytes;
    return map + PACKFILE_HEAD;
}

void
packfile_unmap(void *blobs, size_t mapped)
{
    munmap((char *)blobs - PACKFILE_HEAD, mapped);
}

void
packfile_save(const struct model *m, const char *dir, size_t bytes)
{
    char head[PACKFILE_HEAD] = "", *path = packfile_path(m, dir);
    const int n = head_text(head, m);
    snprintf(head + n, sizeof head - (size_t)n, "%zu\n", bytes);
    struct sink *s = sink_open(path);
    sink_write(s, head, sizeof head);
    sink_write(s, m->blobs, bytes);
    sink_commit(s);
    mem_free(path);
}
