#include "common/mbert/outdir.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/base/die.h"
#include "formats/safetensors.h"
#include "formats/sink.h"

struct outdir {
    char *out, *beside;
    int log, replaces; /* replaces: OUT holds files that go at commit */
};

static const char *const tokenizer_files[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
};

/* Everything that is ever written, so that a death at any moment can take it away. */
static void
each_file(const struct outdir *d, void (*fn)(const char *path))
{
    static const char *const own[] = { "log.jsonl", "config.json", "model.safetensors" };
    char *path;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        fn(path = outdir_path(d, own[i]));
        mem_free(path);
    }
    for (size_t i = 0; i < sizeof tokenizer_files / sizeof *tokenizer_files; i++) {
        fn(path = outdir_path(d, tokenizer_files[i]));
        mem_free(path);
    }
    fn(d->beside);
}

/* Removes what was replaced: a directory of plain files. */
static void
remove_flat(const struct outdir *d)
{
    DIR *dir = opendir(d->beside);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));)
        unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
    if (rmdir(d->beside))
        warn("'%s' held directories: they are in '%s'", d->out, d->beside);
}

/* Files in dir, -1 when there is no such directory. */
static int
entries(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;
    if (!d)
        return -1;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2; /* . and .. */
}

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
        d->replaces = !S_ISDIR(st.st_mode) || entries(d->out) > 0;
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
    each_file(d, die_unlink);
    char *log = outdir_path(d, "log.jsonl");
    d->log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (d->log < 0)
        die_sys("can't create '%s'", log);
    mem_free(log);
    return d;
}

char *
outdir_path(const struct outdir *d, const char *file)
{
    return mem_printf("%s/%s", d->beside, file);
}

void
outdir_log(struct outdir *d, const char *text, size_t n)
{
    while (n) {
        const ssize_t k = write(d->log, text, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            die_sys("can't write '%s/log.jsonl'", d->beside);
        text += k;
        n -= (size_t)k;
    }
}

static void
copy(struct outdir *d, const char *from, const char *file)
{
    char block[1 << 16];
    char *source = mem_printf("%s/%s", from, file), *path = outdir_path(d, file);
    FILE *in = fopen(source, "rb");
    if (!in && errno != ENOENT)
        die_sys("can't open '%s'", source);
    if (in) {
        struct sink *out = sink_open(path);
        for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;)
            sink_write(out, block, n);
        if (ferror(in))
            die_sys("can't read '%s'", source);
        sink_commit(out);
        fclose(in);
    }
    mem_free(source);
    mem_free(path);
}

void
outdir_copy_tokenizer(struct outdir *d, const char *from)
{
    for (size_t i = 0; i < sizeof tokenizer_files / sizeof *tokenizer_files; i++)
        copy(d, from, tokenizer_files[i]);
}

static void
check_finite(const char *name, const float *p, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= !isfinite(p[i]);
    if (bad)
        die_data("tensor '%s' is not finite after the last step (a lower --lr may help); "
                 "nothing was saved", name);
}

void
outdir_save(struct outdir *d, const struct ops *be, struct ctx *c,
            const struct entry *table, int n)
{
    struct image b;
    char *path = outdir_path(d, "model.safetensors");
    void **host = mem_zalloc((size_t)n, sizeof *host);
    image_init(&b);
    image_meta(&b, "format", "pt");
    for (int i = 0; i < n; i++) {
        const struct entry *e = &table[i];
        const size_t bytes = mem_mul(mem_mul((size_t)e->rows, (size_t)e->cols),
                                     sizeof(float));
        host[i] = mem_alloc(bytes);
        be->download(c, host[i], e->at->p, bytes);
        check_finite(e->name, host[i], bytes / sizeof(float));
        if (e->vector)
            image_1d(&b, e->name, F32, e->cols, host[i]);
        else
            image_2d(&b, e->name, F32, e->rows, e->cols, host[i]);
    }
    safetensors_write(path, &b);
    for (int i = 0; i < n; i++)
        mem_free(host[i]);
    mem_free(host);
    image_free(&b);
    mem_free(path);
}

/* A name is on disk only when the directory that holds it is. */
static void
sync_directory(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        die_sys("can't write '%s'", path);
    close(fd);
}

/* OUT becomes the new directory; the old one, if any, is then at beside, or nowhere. */
static void
swap(struct outdir *d)
{
    if (!d->replaces) {
        if (rename(d->beside, d->out))
            die_sys("can't rename '%s' to '%s'", d->beside, d->out);
        return;
    }
    if (!renameat2(AT_FDCWD, d->beside, AT_FDCWD, d->out, RENAME_EXCHANGE))
        return;
    /* a file system that cannot exchange: for a moment there is no OUT */
    char *old = mem_printf("%s.old.%ld", d->out, (long)getpid());
    if (rename(d->out, old))
        die_sys("can't move '%s' aside", d->out);
    if (rename(d->beside, d->out))
        die_sys("can't rename '%s' to '%s'; the old one is '%s'", d->beside, d->out, old);
    if (rename(old, d->beside))
        die_sys("can't rename '%s'", old);
    mem_free(old);
}

void
outdir_commit(struct outdir *d)
{
    char *slash = strrchr(d->out, '/'), *parent;
    sigset_t all, before;
    if (fsync(d->log))
        die_sys("can't write '%s/log.jsonl'", d->beside);
    sync_directory(d->beside);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    swap(d);
    each_file(d, die_keep);
    sigprocmask(SIG_SETMASK, &before, NULL);
    parent = slash ? mem_strndup(d->out, slash == d->out ? 1 : (size_t)(slash - d->out))
                   : mem_strdup(".");
    sync_directory(parent);
    if (d->replaces)
        remove_flat(d);
    close(d->log);
    mem_free(parent);
    mem_free(d->out);
    mem_free(d->beside);
    mem_free(d);
}
