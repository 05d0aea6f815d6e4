#include "common/mbert/rundir.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/folder.h"

static const char inner[] = "checkpoint-", temporary[] = ".tmp.";

struct rundir {
    char *out, *at, *log_path;
    int lock, log;
    int replaces;  /* at is OUT.next */
    int made;      /* the directory is ours: it goes when the process dies */
    int kept;
};

static int
has(const char *dir, const char *file)
{
    char *path = mem_printf("%s/%s", dir, file);
    const int there = !access(path, F_OK);
    mem_free(path);
    return there;
}

static int64_t
step_of(const char *name)
{
    const size_t n = sizeof inner - 1;
    char *end;
    if (strncmp(name, inner, n) || name[n] < '0' || name[n] > '9')
        return -1;
    errno = 0;
    const long long step = strtoll(name + n, &end, 10);
    return *end || errno ? -1 : step;
}

int
rundir_checkpoints(const struct rundir *d, int64_t *steps, int most)
{
    DIR *dir = opendir(d->at);
    int n = 0;
    if (!dir)
        die_sys("can't read '%s'", d->at);
    for (struct dirent *e; (e = readdir(dir));) {
        const int64_t step = step_of(e->d_name);
        int i = n;
        if (step < 0 || (n == most && step < steps[n - 1]))
            continue;
        for (n += n < most, i = n - 1; i > 0 && steps[i - 1] < step; i--)
            steps[i] = steps[i - 1];
        steps[i] = step;
    }
    closedir(dir);
    return n;
}

char *
rundir_checkpoint(const struct rundir *d, int64_t step)
{
    return mem_printf("%s/%s%" PRId64, d->at, inner, step);
}

/* Gone under its name at once; what a kill leaves of it is taken for temporary. */
void
rundir_forget(const struct rundir *d, int64_t step)
{
    char *path = rundir_checkpoint(d, step),
         *aside = mem_printf("%s%s%ld", path, temporary, (long)getpid());
    if (rename(path, aside))
        die_sys("can't rename '%s'", path);
    if (!folder_remove(aside, NULL))
        warn("'%s' held directories: they are in '%s'", path, aside);
    mem_free(path);
    mem_free(aside);
}

/* What a killed process left; with `all` also the run itself, but for a model's files. */
static void
clean(const struct rundir *d, int all)
{
    DIR *dir = opendir(d->at);
    if (!dir)
        die_sys("can't read '%s'", d->at);
    for (struct dirent *e; (e = readdir(dir));) {
        char *path = mem_printf("%s/%s", d->at, e->d_name);
        if (strstr(e->d_name, temporary) || (all && step_of(e->d_name) >= 0))
            if (unlink(path))
                folder_remove(path, NULL);
        mem_free(path);
    }
    closedir(dir);
}

/* An unfinished run: a log or checkpoints, and no whole model. */
static int
unfinished(const struct rundir *d)
{
    int64_t step;
    return !has(d->at, "model.safetensors") &&
           (has(d->at, "log.jsonl") || rundir_checkpoints(d, &step, 1));
}

/* Makes the directory if it must be made; locks it. */
static void
enter(struct rundir *d)
{
    const int made = !mkdir(d->at, 0777);
    if (!made && errno != EEXIST)
        die_sys("can't create '%s'", d->at);
    d->lock = open(d->at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->lock < 0)
        die_sys("can't open '%s'", d->at);
    if (flock(d->lock, LOCK_EX | LOCK_NB)) {
        errno = errno == EWOULDBLOCK ? 0 : errno;
        die_sys(errno ? "can't lock '%s'" : "'%s': another mbert-train is at work there",
                d->at);
    }
    if (made) {
        d->made = 1;
        die_unlink(d->at);
    }
}

/* What stands at OUT decides where the run lives; 0: it is finished. */
static int
choose(struct rundir *d, int force, int resume)
{
    struct stat st;
    if (lstat(d->out, &st)) {
        enter(d);
        return 1;
    }
    if (!S_ISDIR(st.st_mode))
        die_usage("'%s' is already there: choose another -o", d->out);
    enter(d);
    const int whole = has(d->out, "config.json") && has(d->out, "model.safetensors");
    if (!folder_entries(d->out) || (unfinished(d) && (resume || force)))
        return 1;
    if (unfinished(d))
        die_usage("'%s' holds an unfinished run: go on with --resume, or begin again with "
                  "--force", d->out);
    if (!force && resume && whole && has(d->out, "log.jsonl"))
        return 0;
    if (!force)
        die_usage("'%s' is already there: choose another -o, or use --force", d->out);
    if (!has(d->out, "config.json"))
        die_usage("'%s' is not a model directory: --force does not replace it", d->out);
    close(d->lock);
    d->replaces = 1;
    d->at = mem_printf("%s.next", d->out);
    enter(d);
    if (folder_entries(d->at) && !unfinished(d))
        die_usage("'%s' is in the way: remove it", d->at);
    return 1;
}

struct rundir *
rundir_open(const char *out, int force, int resume)
{
    struct rundir *d = mem_zalloc(1, sizeof *d);
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/')
        n--;
    d->out = mem_strndup(out, n);
    d->at = d->out;
    d->log = -1;
    if (!choose(d, force, resume)) {
        rundir_close(d);
        return NULL;
    }
    clean(d, !resume);
    d->log_path = rundir_path(d, "log.jsonl");
    d->log = open(d->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (d->log < 0)
        die_sys("can't create '%s'", d->log_path);
    int64_t step;
    if (!resume || !rundir_checkpoints(d, &step, 1)) {
        rundir_log_cut(d, 0);
        die_unlink(d->log_path);
    } else {
        rundir_keep(d);
    }
    return d;
}

const char *
rundir_at(const struct rundir *d)
{
    return d->at;
}

char *
rundir_path(const struct rundir *d, const char *file)
{
    return mem_printf("%s/%s", d->at, file);
}

void
rundir_log(struct rundir *d, const char *text, size_t n)
{
    while (n) {
        const ssize_t k = write(d->log, text, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            die_sys("can't write '%s'", d->log_path);
        text += k;
        n -= (size_t)k;
    }
}

int64_t
rundir_log_bytes(struct rundir *d)
{
    struct stat st;
    if (fsync(d->log) || fstat(d->log, &st))
        die_sys("can't write '%s'", d->log_path);
    return st.st_size;
}

void
rundir_log_cut(struct rundir *d, int64_t bytes)
{
    if (ftruncate(d->log, bytes))
        die_sys("can't write '%s'", d->log_path);
}

void
rundir_keep(struct rundir *d)
{
    die_keep(d->log_path);
    if (d->made)
        die_keep(d->at);
    d->kept = 1;
}

int
rundir_fresh(const struct rundir *d)
{
    return !d->kept;
}

void
rundir_finish(struct rundir *d)
{
    rundir_log_bytes(d);
    rundir_keep(d);
    folder_sync(d->at);
    if (!d->replaces)
        return;
    folder_swap(d->at, d->out, 1);
    folder_sync_parent(d->out);
    if (!folder_remove(d->at, inner))
        warn("'%s' held directories: they are in '%s'", d->out, d->at);
    mem_free(d->at);
    d->at = d->out;
}

void
rundir_close(struct rundir *d)
{
    if (d->log >= 0)
        close(d->log);
    close(d->lock);
    if (d->at != d->out)
        mem_free(d->at);
    mem_free(d->out);
    mem_free(d->log_path);
    mem_free(d);
}
