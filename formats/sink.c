#include "formats/sink.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/mem.h"

enum { BUFFER = 1 << 16, PIPE_BYTES = 1 << 20 };

struct sink {
    int fd;
    char *name;   /* for messages, and where a temporary file is renamed to */
    char *beside; /* the temporary file, or NULL: written straight */
    struct stat st;
    size_t n;
    char buffer[BUFFER];
};

static void
write_all(struct sink *s, const char *p, size_t n)
{
    while (n) {
        const ssize_t k = write(s->fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            die_sys("can't write '%s'", s->name);
        p += k;
        n -= (size_t)k;
    }
}

/*
 * A file that is there keeps its mode, and a symbolic link stays a link to the new file.
 * The temporary file is made with O_EXCL: two writers of one FILE cannot mix their bytes.
 */
static void
open_beside(struct sink *s, const char *path, int exists)
{
    char *target = exists ? realpath(path, NULL) : NULL;
    if (exists && !target)
        die_sys("can't open '%s'", path);
    mem_free(s->name);
    s->name = target ? target : mem_strdup(path);
    s->beside = mem_printf("%s.tmp.%ld", s->name, (long)getpid());
    s->fd = open(s->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (s->fd < 0 && errno == EEXIST && !unlink(s->beside)) /* left by a killed process */
        s->fd = open(s->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (s->fd < 0)
        die_sys("can't create '%s'", s->beside);
    die_unlink(s->beside);
    if (exists && fchmod(s->fd, s->st.st_mode & 07777))
        die_sys("can't set the mode of '%s'", s->beside);
}

struct sink *
sink_open(const char *path)
{
    struct sink *s = mem_zalloc(1, sizeof *s);
    s->fd = -1;
    if (!path || !strcmp(path, "-")) {
        s->name = mem_strdup("standard output");
        s->fd = STDOUT_FILENO;
    } else {
        const int exists = !stat(path, &s->st);
        s->name = mem_strdup(path);
        if (!exists && errno != ENOENT)
            die_sys("can't open '%s'", path);
        if (!exists || S_ISREG(s->st.st_mode))
            open_beside(s, path, exists);
        else if ((s->fd = open(path, O_WRONLY | O_CLOEXEC)) < 0)
            die_sys("can't open '%s'", path);
    }
    if (fstat(s->fd, &s->st))
        die_sys("can't write '%s'", s->name);
    if (S_ISFIFO(s->st.st_mode))
        fcntl(s->fd, F_SETPIPE_SZ, PIPE_BYTES); /* failure: a slower pipe, nothing else */
    return s;
}

const char *
sink_name(const struct sink *s)
{
    return s->name;
}

int
sink_terminal(const struct sink *s)
{
    return isatty(s->fd);
}

int
sink_regular(const struct sink *s)
{
    return S_ISREG(s->st.st_mode);
}

void
sink_write(struct sink *s, const void *p, size_t n)
{
    if (n > sizeof s->buffer - s->n)
        sink_flush(s);
    if (n >= sizeof s->buffer) {
        write_all(s, p, n);
    } else if (n) {
        memcpy(s->buffer + s->n, p, n);
        s->n += n;
    }
}

void
sink_printf(struct sink *s, const char *fmt, ...)
{
    va_list ap;
    char *text = NULL;
    va_start(ap, fmt);
    const int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        die_sys("can't write '%s'", s->name);
    sink_write(s, text, (size_t)n);
    mem_free(text);
}

void
sink_flush(struct sink *s)
{
    const size_t n = s->n;
    s->n = 0; /* first: a hook that dies with us must not send these bytes twice */
    write_all(s, s->buffer, n);
}

static void
close_free(struct sink *s)
{
    mem_free(s->name);
    mem_free(s->beside);
    mem_free(s);
}

/* The rename itself must survive a power cut, so the directory is synced too. */
static void
sync_directory(const char *path)
{
    char *dir = mem_strdup(path), *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = 0;
    const int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* some file systems cannot; the data itself is synced */
        close(fd);
    }
    mem_free(dir);
}

void
sink_commit(struct sink *s)
{
    sink_flush(s);
    if (s->beside && fsync(s->fd))
        die_sys("can't sync '%s'", s->beside);
    if (close(s->fd) && errno != EINTR)
        die_sys("can't write '%s'", s->name);
    if (s->beside) {
        if (rename(s->beside, s->name))
            die_sys("can't rename '%s' to '%s'", s->beside, s->name);
        die_keep(s->beside);
        sync_directory(s->name);
    }
    close_free(s);
}

void
sink_abandon(struct sink *s)
{
    if (!s)
        return;
    close(s->fd);
    if (s->beside) {
        unlink(s->beside);
        die_keep(s->beside);
    }
    close_free(s);
}

void
sink_file(const char *path, const void *p, size_t n)
{
    struct sink *s = sink_open(path);
    sink_write(s, p, n);
    sink_commit(s);
}
