#include "formats/spool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/mem.h"

enum { CHUNK = 1 << 16 };
struct spool { char *path; int copied; };

static void
write_all(int fd, const char *p, ptrdiff_t n, const char *path)
{
    while (n > 0) {
        const ssize_t k = write(fd, p, (size_t)n);
        if (k < 0 && errno != EINTR)
            die_sys("can't write '%s'", path);
        p += k > 0 ? k : 0;
        n -= k > 0 ? k : 0;
    }
}

static void
copy(int from, const char *name, int to, const char *path)
{
    char *chunk = mem_alloc(CHUNK);
    for (;;) {
        const ssize_t k = read(from, chunk, CHUNK);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            die_sys("can't read '%s'", name);
        if (!k)
            break;
        write_all(to, chunk, k, path);
    }
    mem_free(chunk);
}

struct spool *
spool_open(const char *path)
{
    struct spool *s = mem_zalloc(1, sizeof *s);
    struct stat st;
    const int standard = !strcmp(path, "-");
    if (!standard && stat(path, &st))
        die_sys("can't open '%s'", path);
    if (!standard && S_ISREG(st.st_mode)) {
        s->path = mem_strdup(path);
        return s;
    }
    const char *dir = getenv("TMPDIR");
    const int from = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        die_sys("can't open '%s'", path);
    s->path = mem_printf("%s/mbert.XXXXXX", dir && *dir ? dir : "/tmp");
    const int to = mkostemp(s->path, O_CLOEXEC);
    if (to < 0)
        die_sys("can't create '%s' (set TMPDIR)", s->path);
    die_unlink(s->path);
    s->copied = 1;
    copy(from, standard ? "standard input" : path, to, s->path);
    if (close(to))
        die_sys("can't write '%s'", s->path);
    if (!standard)
        close(from);
    return s;
}

const char *
spool_path(const struct spool *s)
{
    return s->path;
}

void
spool_close(struct spool *s)
{
    if (!s)
        return;
    if (s->copied) {
        unlink(s->path);
        die_keep(s->path);
    }
    mem_free(s->path);
    mem_free(s);
}
