#include "common/base/child.h"
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/base/die.h"

enum { SAID = 512 };
extern char **environ;

static int
memory_file(const char *program)
{
    const int fd = memfd_create("child", MFD_CLOEXEC);
    if (fd < 0)
        die_sys("can't run '%s': no file in memory", program);
    return fd;
}

static void
fill(int fd, const char *p, size_t n, const char *program)
{
    while (n) {
        const ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            die_sys("can't run '%s': can't write its input", program);
        p += k;
        n -= (size_t)k;
    }
    if (lseek(fd, 0, SEEK_SET))
        die_sys("can't run '%s': can't write its input", program);
}

/* From the start to the end, and closes. */
static void
drain(int fd, struct buf *out, const char *program)
{
    ssize_t k;
    off_t at = 0;
    while ((k = pread(fd, buf_room(out, 1 << 16), 1 << 16, at))) {
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            die_sys("can't read what '%s' wrote", program);
        out->n += (size_t)k;
        at += k;
    }
    close(fd);
}

static pid_t
start(const char *const argv[], const int fd[3], const char *hint)
{
    posix_spawn_file_actions_t todo;
    pid_t pid;
    if (posix_spawn_file_actions_init(&todo))
        die_sys("can't run '%s'", argv[0]);
    for (int i = 0; i < 3; i++)
        if ((errno = posix_spawn_file_actions_adddup2(&todo, fd[i], i)))
            die_sys("can't run '%s'", argv[0]);
    const int why =
        posix_spawnp(&pid, argv[0], &todo, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&todo);
    errno = why == ENOENT ? 0 : why;
    if (why == ENOENT)
        die_sys("can't run '%s': %s", argv[0], hint);
    if (why)
        die_sys("can't run '%s'", argv[0]);
    return pid;
}

/* ": " and the text as one line, blanks squeezed, cut to SAID bytes; "" without any. */
static const char *
one_line(const struct buf *b, char line[SAID])
{
    size_t n = 0;
    for (size_t i = 0; i < b->n && n < SAID - 4; i++) {
        const int blank = strchr(" \t\r\n", b->p[i]) != NULL; /* a NUL counts as one */
        if (!n && !blank)
            n = (size_t)snprintf(line, SAID, ": ");
        if (n && (!blank || line[n - 1] != ' '))
            line[n++] = blank ? ' ' : b->p[i];
    }
    while (n && line[n - 1] == ' ')
        n--;
    line[n] = 0;
    return line;
}

void
child_run(const char *const argv[], const void *in, size_t n, struct buf *out,
          const char *hint)
{
    const char *program = argv[0];
    const int fd[3] = { memory_file(program), memory_file(program), memory_file(program) };
    struct buf said = { 0 };
    char line[SAID];
    int status;
    fill(fd[0], in, n, program);
    const pid_t pid = start(argv, fd, hint);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            die_sys("can't wait for '%s'", program);
    close(fd[0]);
    drain(fd[1], out, program);
    drain(fd[2], &said, program);
    one_line(&said, line);
    mem_free(said.p);
    errno = 0;
    if (WIFSIGNALED(status))
        die_sys("'%s' was killed by signal %d%s", program, WTERMSIG(status), line);
    if (WEXITSTATUS(status))
        die_sys("'%s' ended with status %d%s", program, WEXITSTATUS(status), line);
}
