#include "common/mbert/checkpoint.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "common/base/die.h"
#include "common/mbert/modelfiles.h"
#include "common/mbert/outdir.h"
#include "formats/json.h"
#include "formats/jsonout.h"
#include "formats/safetensors.h"
#include "formats/sink.h"

enum { MANY = 4096, STATE_BYTES = 1 << 16 };
static const char optimizer[] = "optimizer.safetensors", state_file[] = "state.json",
                  model[] = "model.safetensors";

/* XXH64 of a file as 16 digits; 0 when it cannot be read. */
static int
hash_file(const char *dir, const char *file, char to[17])
{
    enum { BLOCK = 1 << 20 };
    char *path = mem_printf("%s/%s", dir, file), *block = mem_alloc(BLOCK);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    XXH64_state_t *x = XXH64_createState();
    ssize_t n = -1;
    XXH64_reset(x, 0);
    while (fd >= 0 && (n = read(fd, block, BLOCK)) > 0)
        XXH64_update(x, block, (size_t)n);
    snprintf(to, 17, "%016" PRIx64, (uint64_t)XXH64_digest(x));
    XXH64_freeState(x);
    if (fd >= 0)
        close(fd);
    mem_free(block);
    mem_free(path);
    return n == 0;
}

/* ---- writing --------------------------------------------------------------------------- */
/* Moments on the host: two a parameter, NULL where a parameter is not trained. */
static void
put_moments(struct image *b, struct trainer *t, void **host)
{
    static const char *const kind[] = { "exp_avg", "exp_avg_sq" };
    for (int i = 0; i < t->m.entries; i++)
        for (int k = 0; k < 2; k++) {
            const float *at = k ? t->table[i].v : t->table[i].m;
            char *name = mem_printf("%s.%s", kind[k], t->m.table[i].name);
            const size_t bytes = mem_mul((size_t)t->table[i].n, sizeof(float));
            if (at)
                image_1d(b, name, F32, t->table[i].n,
                         modelfiles_fetch(t->m.be, t->m.c, at, bytes, &host[2 * i + k]));
            mem_free(name);
        }
}

static void
save_moments(struct trainer *t, const char *path)
{
    struct image b;
    void **host = mem_zalloc((size_t)t->m.entries * 2, sizeof *host);
    image_init(&b);
    put_moments(&b, t, host);
    safetensors_write(path, &b);
    for (int i = 0; i < 2 * t->m.entries; i++)
        mem_free(host[i]);
    mem_free(host);
    image_free(&b);
}

static void
save_state(const char *dir, const struct state *s, const char *recipe)
{
    struct buf b = { 0 };
    char *path = mem_printf("%s/%s", dir, state_file), a[17], o[17];
    if (!hash_file(dir, model, a) || !hash_file(dir, optimizer, o))
        die_sys("can't read '%s'", dir);
    buf_printf(&b, "{\"version\":1,\"step\":%" PRId64 ",\"skipped\":%" PRId64, s->step,
               s->skipped);
    buf_printf(&b, ",\"loss_sum\":%.17g,\"losses\":%" PRId64 ",\"evaluated\":%d",
               s->loss_sum, s->losses, s->evaluated);
    buf_printf(&b, ",\"best_step\":%" PRId64 ",\"best\":%.17g,\"waited\":%" PRId64,
               s->best_step, s->best, s->waited);
    buf_printf(&b, ",\"log_bytes\":%" PRId64, s->log_bytes);
    buf_printf(&b, ",\"model\":\"%s\",\"optimizer\":\"%s\",\"recipe\":", a, o);
    jsonout_string(&b, recipe, strlen(recipe));
    buf_printf(&b, "}\n");
    struct sink *out = sink_open(path);
    sink_write(out, b.p, b.n);
    sink_commit(out);
    mem_free(path);
    mem_free(b.p);
}

void
checkpoint_save(struct rundir *d, struct trainer *t, const struct state *s,
                const struct saving *how)
{
    struct state now = *s;
    char *dir = rundir_checkpoint(d, s->step), *path;
    if (access(dir, F_OK)) {
        struct outdir *out = outdir_open(dir, 0);
        outdir_also(out, optimizer);
        outdir_also(out, state_file);
        now.log_bytes = rundir_log_bytes(d);
        outdir_save(out, t->m.be, t->m.c, t->m.table, t->m.entries);
        save_moments(t, path = outdir_path(out, optimizer));
        mem_free(path);
        config_save(&t->m.cfg, path = outdir_path(out, "config.json"), how->label,
                    how->labels, how->problem);
        mem_free(path);
        outdir_copy_tokenizer(out, how->tokenizer);
        save_state(path = outdir_path(out, ""), &now, how->recipe);
        mem_free(path);
        outdir_commit(out);
        rundir_keep(d);
    }
    mem_free(dir);
}

/* ---- reading --------------------------------------------------------------------------- */
static int
whole(struct json_value v, const char *key, int64_t *to)
{
    struct json_value x;
    return json_get(v, key, &x) && json_int(x, to) && *to >= 0;
}

static int
number(struct json_value v, const char *key, double *to)
{
    struct json_value x;
    return json_get(v, key, &x) && json_number(x, to);
}

static int
hash_is(struct json_value v, const char *key, const char *dir, const char *file)
{
    struct json_value x;
    const char *s;
    size_t n;
    char is[17];
    return json_get(v, key, &x) && json_string(x, &s, &n) && n == 16 &&
           hash_file(dir, file, is) && !memcmp(s, is, 16);
}

/* NULL and s, *recipe (fresh); or what is wrong. */
static const char *
take_state(struct json_value v, const char *dir, struct state *s, char **recipe)
{
    int64_t version, evaluated;
    struct json_value x;
    const char *text;
    size_t n;
    if (!whole(v, "version", &version) || version != 1)
        return "state.json is of another version";
    if (!whole(v, "step", &s->step) || !whole(v, "skipped", &s->skipped) ||
        !number(v, "loss_sum", &s->loss_sum) || !whole(v, "losses", &s->losses) ||
        !whole(v, "evaluated", &evaluated) || !whole(v, "best_step", &s->best_step) ||
        !number(v, "best", &s->best) || !whole(v, "waited", &s->waited) ||
        !whole(v, "log_bytes", &s->log_bytes) || !json_get(v, "recipe", &x) ||
        !json_string(x, &text, &n))
        return "state.json lacks a field";
    s->evaluated = evaluated != 0;
    if (!hash_is(v, "model", dir, model))
        return "model.safetensors is not the one that was written";
    if (!hash_is(v, "optimizer", dir, optimizer))
        return "optimizer.safetensors is not the one that was written";
    *recipe = mem_strndup(text, n);
    return NULL;
}

static const char *
read_state(const char *dir, struct state *s, char **recipe)
{
    char *path = mem_printf("%s/%s", dir, state_file), *text = mem_alloc(STATE_BYTES);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, text, STATE_BYTES);
    struct json *j = json_new();
    struct json_value v;
    const char *why = n < 0 ? "state.json cannot be read"
                            : json_parse(j, text, (size_t)n, &v);
    if (!why)
        why = take_state(v, dir, s, recipe);
    if (fd >= 0)
        close(fd);
    json_free(j);
    mem_free(text);
    mem_free(path);
    return why;
}

/* The first option that is not the same. */
static void
check_recipe(const struct rundir *d, const char *was, const char *is)
{
    while (*was && *is) {
        const size_t a = strcspn(was, " "), b = strcspn(is, " ");
        if (a != b || memcmp(was, is, a))
            die_usage("'%s': the run began with %.*s, not %.*s: --resume goes on with the "
                      "same options and data", rundir_at(d), (int)a, was, (int)b, is);
        was += a + (was[a] == ' ');
        is += b + (is[b] == ' ');
    }
}

char *
checkpoint_find(struct rundir *d, const char *recipe, struct state *s)
{
    int64_t *steps = mem_array(MANY, sizeof *steps);
    const int n = rundir_checkpoints(d, steps, MANY);
    char *found = NULL, *was = NULL;
    for (int i = 0; i < n && !found; i++) {
        char *dir = rundir_checkpoint(d, steps[i]);
        const char *why = read_state(dir, s, &was);
        if (!why && s->step != steps[i])
            why = "state.json is of another step";
        if (!why) {
            found = dir;
            continue;
        }
        warn("'%s' is not good and goes: %s", dir, why);
        mem_free(was);
        was = NULL;
        rundir_forget(d, steps[i]); /* it would be in the way of its step */
        mem_free(dir);
    }
    mem_free(steps);
    if (found)
        check_recipe(d, was, recipe);
    mem_free(was);
    return found;
}

void
checkpoint_moments(struct trainer *t, const char *dir)
{
    static const char *const kind[] = { "exp_avg", "exp_avg_sq" };
    char *path = mem_printf("%s/%s", dir, optimizer);
    struct safetensors *f = safetensors_map(path);
    for (int i = 0; i < t->m.entries; i++)
        for (int k = 0; k < 2; k++) {
            float *at = k ? t->table[i].v : t->table[i].m;
            char *name = mem_printf("%s.%s", kind[k], t->m.table[i].name);
            const struct tensor *x = record_tensor(safetensors_record(f), name);
            if (at && (!x || x->type != F32 || x->rank != 1 || x->shape[0] != t->table[i].n))
                die_data("'%s': tensor '%s' is missing or of another shape", path, name);
            if (at)
                t->m.be->upload(t->m.c, at, x->data, x->bytes);
            mem_free(name);
        }
    t->m.be->sync(t->m.c);
    safetensors_close(f);
    mem_free(path);
}
