#include "common/mbert/outdir.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/folder.h"
#include "common/mbert/modelfiles.h"

enum { MORE = 4 };
struct outdir {
    char *out, *beside;
    char *more[MORE];
    int mores, replaces; /* replaces: OUT holds files that go at commit */
};

struct outdir *
outdir_open(const char *out, int force)
{
    struct stat st;
    struct outdir *d = mem_zalloc(1, sizeof *d);
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/')
        n--;
    d->out = mem_strndup(out, n);
    if (!lstat(d->out, &st)) {
        d->replaces = !S_ISDIR(st.st_mode) || folder_entries(d->out) > 0;
        if (d->replaces && (!force || !S_ISDIR(st.st_mode)))
            die_usage("'%s' is already there: choose another -o, or use --force", d->out);
        char *config = mem_printf("%s/config.json", d->out);
        if (d->replaces && access(config, F_OK))
            die_usage("'%s' is not a model directory: --force does not replace it", d->out);
        mem_free(config);
    }
    d->beside = mem_printf("%s.tmp.%ld", d->out, (long)getpid());
    if (mkdir(d->beside, 0777))
        die_sys("can't create '%s'", d->beside);
    for (int i = 0; i < MODELFILES; i++) {
        char *path = outdir_path(d, modelfiles[i]);
        die_unlink(path);
        mem_free(path);
    }
    die_unlink(d->beside);
    return d;
}

char *
outdir_path(const struct outdir *d, const char *file)
{
    return mem_printf("%s/%s", d->beside, file);
}

void
outdir_also(struct outdir *d, const char *file)
{
    d->more[d->mores] = outdir_path(d, file);
    die_unlink(d->more[d->mores++]);
}

void
outdir_copy_tokenizer(struct outdir *d, const char *from)
{
    modelfiles_tokenizer(from, d->beside);
}

void
outdir_save(struct outdir *d, const struct ops *be, struct ctx *c,
            const struct entry *table, int n)
{
    char *path = outdir_path(d, "model.safetensors");
    modelfiles_weights(path, be, c, table, n);
    mem_free(path);
}

static void
keep_all(const struct outdir *d)
{
    for (int i = 0; i < MODELFILES; i++) {
        char *path = outdir_path(d, modelfiles[i]);
        die_keep(path);
        mem_free(path);
    }
    for (int i = 0; i < d->mores; i++)
        die_keep(d->more[i]);
    die_keep(d->beside);
}

void
outdir_commit(struct outdir *d)
{
    sigset_t all, before;
    folder_sync(d->beside);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    folder_swap(d->beside, d->out, d->replaces);
    keep_all(d);
    sigprocmask(SIG_SETMASK, &before, NULL);
    folder_sync_parent(d->out);
    if (d->replaces && !folder_remove(d->beside, NULL))
        warn("'%s' held directories: they are in '%s'", d->out, d->beside);
    for (int i = 0; i < d->mores; i++)
        mem_free(d->more[i]);
    mem_free(d->out);
    mem_free(d->beside);
    mem_free(d);
}
