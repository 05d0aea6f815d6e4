#include "common/base/folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/mem.h"

void
folder_sync(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        die_sys("can't write '%s'", path);
    close(fd);
}

void
folder_sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent = !slash ? mem_strdup(".")
                          : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    folder_sync(parent);
    mem_free(parent);
}

int
folder_entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;
    if (!d)
        return -1;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

void
folder_swap(const char *from, const char *to, int replaces)
{
    if (!replaces) {
        if (rename(from, to))
            die_sys("can't rename '%s' to '%s'", from, to);
        return;
    }
    if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE))
        return;
    /* a file system that cannot exchange: for a moment `to` is not there */
    char *old = mem_printf("%s.old.%ld", to, (long)getpid());
    if (rename(to, old))
        die_sys("can't move '%s' aside", to);
    if (rename(from, to))
        die_sys("can't rename '%s' to '%s'; the old one is '%s'", from, to, old);
    if (rename(old, from))
        die_sys("can't rename '%s'", old);
    mem_free(old);
}

static void
remove_files(int fd)
{
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
}

int
folder_remove(const char *path, const char *inner)
{
    DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT;
    for (struct dirent *e; (e = readdir(d));)
        if (unlinkat(dirfd(d), e->d_name, 0) && inner &&
            !strncmp(e->d_name, inner, strlen(inner))) {
            remove_files(openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
        }
    closedir(d);
    return !rmdir(path);
}
