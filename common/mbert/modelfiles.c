#include "common/mbert/modelfiles.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include "common/base/die.h"
#include "formats/safetensors.h"
#include "formats/sink.h"

enum { TOKENIZER = 2 }; /* the tokenizer's are from here on */
const char *const modelfiles[MODELFILES] = {
    "config.json", "model.safetensors",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja",
};

void
modelfiles_copy(const char *from, const char *to)
{
    char block[1 << 16];
    FILE *in = fopen(from, "rb");
    if (!in && errno != ENOENT)
        die_sys("can't open '%s'", from);
    if (!in)
        return;
    struct sink *out = sink_open(to);
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;)
        sink_write(out, block, n);
    if (ferror(in))
        die_sys("can't read '%s'", from);
    sink_commit(out);
    fclose(in);
}

void
modelfiles_tokenizer(const char *from, const char *to)
{
    for (int i = TOKENIZER; i < MODELFILES; i++) {
        char *a = mem_printf("%s/%s", from, modelfiles[i]),
             *b = mem_printf("%s/%s", to, modelfiles[i]);
        modelfiles_copy(a, b);
        mem_free(a);
        mem_free(b);
    }
}

static void
check_finite(const char *name, const float *p, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= !isfinite(p[i]);
    if (bad)
        die_data("tensor '%s' is not finite after the last step (a lower --lr may help); "
                 "it was not saved", name);
}

const void *
modelfiles_fetch(const struct ops *be, struct ctx *c, const void *device, size_t bytes,
                 void **host)
{
    *host = NULL;
    if (be->shares_memory(c)) {
        be->sync(c);
        return device;
    }
    *host = mem_alloc(bytes);
    be->download(c, *host, device, bytes);
    return *host;
}

void
modelfiles_weights(const char *path, const struct ops *be, struct ctx *c,
                   const struct entry *table, int n)
{
    struct image b;
    void **host = mem_zalloc((size_t)n, sizeof *host);
    image_init(&b);
    image_meta(&b, "format", "pt");
    for (int i = 0; i < n; i++) {
        const struct entry *e = &table[i];
        const size_t bytes = mem_mul(mem_mul((size_t)e->rows, (size_t)e->cols),
                                     sizeof(float));
        const void *p = modelfiles_fetch(be, c, e->at->p, bytes, &host[i]);
        check_finite(e->name, p, bytes / sizeof(float));
        if (e->vector)
            image_1d(&b, e->name, F32, e->cols, p);
        else
            image_2d(&b, e->name, F32, e->rows, e->cols, p);
    }
    safetensors_write(path, &b);
    for (int i = 0; i < n; i++)
        mem_free(host[i]);
    mem_free(host);
    image_free(&b);
}
