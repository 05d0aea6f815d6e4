/*
 * replay - a fuzz target over the files of a corpus, without a fuzzer.
 *
 *     TARGET [DIR...]          (tests/fuzz/corpus/TARGET)
 *
 * TAP, a line a directory.  Each runs in a child, so that a file that kills it is named.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"

enum { SECONDS = 20 }; /* for one file */
struct progress { int done; char path[2 * PATH_MAX]; }; /* shared with the child */

static int
no_dot(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void
replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    long n;
    uint8_t *data;

    if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0 || fseek(f, 0, SEEK_SET))
        fuzz_failed(__FILE__, __LINE__, "a file of the corpus can be read");
    data = malloc((size_t)n + 1); /* of this very size: a byte too far is seen by ASan */
    data = data ? realloc(data, n ? (size_t)n : 1) : NULL;
    if (!data || fread(data, 1, (size_t)n, f) != (size_t)n)
        fuzz_failed(__FILE__, __LINE__, "a file of the corpus can be read");
    fclose(f);
    alarm(SECONDS);
    LLVMFuzzerTestOneInput(data, (size_t)n);
    alarm(0);
    free(data);
}

static void
replay_files(const char *dir, struct dirent **file, int n, struct progress *p)
{
    for (int i = 0; i < n; i++) {
        snprintf(p->path, sizeof p->path, "%s/%s", dir, file[i]->d_name);
        replay_file(p->path);
        p->done++;
    }
}

/* 1 when every file of dir went well and there was one. */
static int
replay(int number, const char *dir, struct progress *p)
{
    struct dirent **file = NULL;
    const int n = scandir(dir, &file, no_dot, alphasort);
    int status = 0;

    p->done = 0;
    p->path[0] = 0;
    fflush(stdout);
    const pid_t child = n > 0 ? fork() : -1;
    if (!child)
        replay_files(dir, file, n, p);
    for (int i = 0; i < n; i++)
        free(file[i]);
    free(file);
    if (!child)
        exit(0);
    const int ok = child > 0 && waitpid(child, &status, 0) == child && !status &&
                   p->done == n;
    printf("%sok %d - %s: %d of %d files\n", ok ? "" : "not ", number, dir, p->done,
           n > 0 ? n : 0);
    if (!ok)
        printf("# status %d, signal %d, at '%s'\n", WEXITSTATUS(status), WTERMSIG(status),
               p->path);
    return ok;
}

int
main(int argc, char **argv)
{
    struct progress *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *name = strrchr(argv[0], '/');
    const int dirs = argc > 1 ? argc - 1 : 1;
    char own[PATH_MAX];
    int bad = 0;

    if (p == MAP_FAILED)
        return 1;
    snprintf(own, sizeof own, "tests/fuzz/corpus/%s", name ? name + 1 : argv[0]);
    printf("1..%d\n", dirs);
    for (int i = 0; i < dirs; i++)
        bad += !replay(i + 1, argc > 1 ? argv[i + 1] : own, p);
    return bad != 0;
}
