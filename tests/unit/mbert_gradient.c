/*
 * mbert_gradient - every gradient of whole models against transformers' float64
 * (tests/golden/encoder and, where they are, the shared references): in f32 the worst
 * tensor's NMSE and that of all together are at most three times those of transformers' own
 * float32 run; in bf16, by every instruction set that has it, twice those of its autocast
 * run, the worst among tensors of some numbers: the error of one or two is luck.  The
 * emulated GPU module is held to the same, the larger models only with MBERT_EMU_LONG.
 * Speaks TAP itself: which cases run depends on what is there.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/mbert/mbert.h"
#include "common/ops/isa.h"
#include "formats/json.h"
#include "tests/ops/backend.h"

struct sums { double error, size; };
/* A way to compute, and what it is held against: errors.json's run, times. */
struct way {
    const char *name, *cpu; /* cpu: MBERT_CPU, or "emu" */
    enum precision precision;
    const char *run;
    double times;
    int least; /* elements of a tensor that can be the worst */
};
static const struct way ways[] = {
    { "f32", NULL, OP_F32, "hf_f32_eager", 3, 1 },
    { "bf16", "bf16", OP_BF16, "hf_autocast_bf16_sdpa", 2, 8 },
    { "bf16 by amx", "amx", OP_BF16, "hf_autocast_bf16_sdpa", 2, 8 },
    { "f32, emulated GPU", "emu", OP_F32, "hf_f32_eager", 3, 1 },
    { "bf16, emulated GPU", "emu", OP_BF16, "hf_autocast_bf16_sdpa", 2, 8 },
};
enum { WAYS = sizeof ways / sizeof *ways };

static int
emulated(const struct way *way)
{
    return way->cpu && !strcmp(way->cpu, "emu");
}

static double
ratio(struct sums s)
{
    return s.error / (s.size > 0 ? s.size : 1);
}

static char *
slurp(const char *dir, const char *name)
{
    char *path = mem_printf("%s/%s", dir, name);
    struct buf b = { 0 };
    FILE *f = fopen(path, "r");
    if (!f)
        die_sys("can't open '%s'", path);
    for (size_t n; (n = fread(buf_room(&b, 4096), 1, 4096, f)) > 0;)
        b.n += n;
    buf_add(&b, "", 1);
    fclose(f);
    mem_free(path);
    return b.p;
}

/* errors.json: RUN.KEY[i], the largest absolute error (0) or the NMSE (1) */
static double
reference(const char *dir, const char *name, const char *key, int i)
{
    char *text = slurp(dir, "errors.json");
    struct json *j = json_new();
    struct json_value root, run, pair, v;
    double d = NAN;
    if (!json_parse(j, text, strlen(text), &root) && json_get(root, name, &run) &&
        json_get(run, key, &pair)) {
        struct json_iter it = json_iter(pair);
        for (int k = 0; k <= i; k++)
            if (!json_next(&it, NULL, NULL, &v) || !json_number(v, &d))
                d = NAN;
    }
    json_free(j);
    mem_free(text);
    return d;
}

static struct safetensors *
map(const char *dir, const char *name)
{
    char *path = mem_printf("%s/%s", dir, name);
    struct safetensors *s = safetensors_map(path);
    mem_free(path);
    return s;
}

/* Loss and dlogits as transformers takes them from the labels' type. */
static void
loss(const struct model *m, struct acts *s, const struct tensor *labels, void *on_device,
     int counted)
{
    const int C = m->classes, N = s->logits.rows;
    const struct loss_form plain = { .smoothing = 0 };
    const float each = 1.0f / (float)(N * C);
    if (labels->type == I32)
        m->be->ce(m->c, s->loss, s->dlogits, s->logits, on_device, plain,
                  1.0f / (float)counted);
    else if (C == 1)
        m->be->mse(m->c, s->loss, s->dlogits, s->logits, mat_of(on_device, N, 1, F32), each);
    else
        m->be->bce(m->c, s->loss, s->dlogits, s->logits, mat_of(on_device, N, C, F32), plain,
                   each);
}

/* From s->final to all gradients; MLM's masked rows and their labels are moved to the front
 * of ints, which is as long as two sets of labels. */
static void
finish(struct model *m, struct params *g, struct acts *s, const struct seqs *q,
       const struct tensor *labels)
{
    const size_t n = labels->bytes / sizeof(int);
    const int *label = labels->data;
    int *ints = mem_array(2 * n, sizeof *ints), counted = 0;
    void *on_device = m->be->alloc(m->c, 2 * labels->bytes);
    for (size_t i = 0; i < n && labels->type == I32; i++)
        if (label[i] != -100) {
            ints[counted] = (int)i;
            ints[n + (size_t)counted++] = label[i];
        }
    m->be->zero(m->c, s->loss, sizeof *s->loss);
    if (m->head == HEAD_MLM) {
        const struct masked k = { on_device, (int *)on_device + n, counted };
        m->be->upload(m->c, on_device, ints, 2 * labels->bytes);
        mbert_masked(m, g, s, &k, s->loss, 1.0f / (float)counted);
    } else {
        m->be->upload(m->c, on_device, labels->data, labels->bytes);
        mbert_pool(m, s, q, (enum pool_kind)m->cfg.pooling);
        head_forward(m, s, s->by_token ? s->final : s->pooled);
        loss(m, s, labels, on_device, counted);
    }
    mbert_backward(m, g, s, q, (enum pool_kind)m->cfg.pooling);
    m->be->free(m->c, on_device);
    mem_free(ints);
}

static unsigned
head_flag(const char *dir)
{
    struct config c;
    config_load(&c, dir);
    const enum arch arch = c.arch;
    config_free(&c);
    return arch == ARCH_MLM ? MODEL_MLM : arch == ARCH_TOKEN ? MODEL_TOKEN : 0;
}

/* The row_stride S of the file's `partial` entry, or 1. */
static int64_t
row_stride(const struct record *expected)
{
    const char *text = record_meta(expected, "partial");
    struct json *j = json_new();
    struct json_value root, v;
    int64_t stride = 1;
    if (text && !json_parse(j, text, strlen(text), &root) &&
        json_get(root, "row_stride", &v))
        json_int(v, &stride);
    json_free(j);
    return stride;
}

static int64_t
elements(const struct entry *e)
{
    return (int64_t)e->rows * e->cols;
}

/* The gradient e against the stored rows: 0, S, 2S, ... when not all are stored. */
static struct sums
compare(const struct model *m, const struct entry *e, const struct tensor *t, int64_t stride)
{
    struct sums s = { 0, 0 };
    const int64_t stored = e->vector ? 1 : t->shape[0];
    const size_t bytes = (size_t)elements(e) * sizeof(float);
    float *all = mem_alloc(bytes);
    const float *want = t->data;
    m->be->download(m->c, all, e->at->p, bytes);
    if (stored == e->rows)
        stride = 1;
    for (int64_t r = 0; r < stored; r++) {
        const float *got = all + r * stride * e->cols;
        for (int i = 0; i < e->cols; i++, want++) {
            const double d = (double)got[i] - *want;
            s.error += d * d;
            s.size += (double)*want * *want;
        }
    }
    mem_free(all);
    return s;
}

/* In bf16 the loss moves no more than the logits may. */
static double
loss_limit(const char *dir, const struct way *way, double loss)
{
    return way->precision == OP_F32 ? 1e-5 * fabs(loss)
                                    : way->times * reference(dir, way->run, "logits", 0);
}

static int
judge(const char *dir, const struct way *way, const struct model *m,
      const struct entry *table, const struct record *expected)
{
    const int n = m->entries;
    const double worst_limit = way->times * reference(dir, way->run, "grad_worst", 1),
                 all_limit = way->times * reference(dir, way->run, "grad_all", 1);
    double worst = 0;
    const char *name = "none";
    struct sums all = { 0, 0 };
    int compared = 0;
    for (int i = 0; i < n; i++) {
        char key[96];
        snprintf(key, sizeof key, "grad.%s", table[i].name);
        const struct tensor *t = record_tensor(expected, key);
        if (!t)
            continue;
        const struct sums s = compare(m, &table[i], t, row_stride(expected));
        all.error += s.error;
        all.size += s.size;
        if (!(ratio(s) <= worst) && elements(&table[i]) >= way->least) {
            worst = ratio(s);
            name = table[i].name;
        }
        compared++;
    }
    printf("# %d of %d gradients, worst NMSE %.2e (limit %.2e, %s), ", compared, n, worst,
           worst_limit, name);
    printf("all %.2e (limit %.2e)\n", ratio(all), all_limit);
    return compared >= n - 1 && worst <= worst_limit && ratio(all) <= all_limit;
}

static struct params *
gradients(const struct model *m, struct entry *table, void **memory)
{
    struct params *g = mem_zalloc(1, sizeof *g);
    struct arena a = { 0 };
    const int n = params_table(table, &m->cfg, m->head, m->classes, g);
    params_place(&a, table, n);
    a.base = *memory = m->be->alloc(m->c, a.used);
    a.used = 0;
    params_place(&a, table, n);
    return g;
}

static int
run(const char *dir, const struct way *way)
{
    const struct ops *be = ops_find(emulated(way) ? "cuda" : "cpu");
    struct model *m = mem_zalloc(1, sizeof *m);
    struct acts whole = { 0 };
    struct entry *table = mem_zalloc(PARAMS_MAX, sizeof *table);
    struct safetensors *inputs = map(dir, "inputs.safetensors"),
                       *expected = map(dir, "expected.safetensors");
    const struct record *in = safetensors_record(inputs),
                        *want = safetensors_record(expected);
    const struct tensor *ids = record_tensor(in, "input_ids"),
                        *cu = record_tensor(in, "cu_seqlens");
    const int T = (int)ids->shape[0], B = (int)cu->shape[0] - 1;
    struct seqs q;
    void *memory;
    model_load(m, be, be->open(0, way->precision), dir,
               MODEL_TRAIN | head_flag(dir),
               (int)record_tensor(want, "logits")->shape[1], 1);
    acts_fit(&whole, m, ACTS_TRAIN, be->type(m->c), T, B);
    struct acts s = acts_cut(&whole, T, B);
    struct params *g = gradients(m, table, &memory);
    be->seqs_make(m->c, &q, B, cu->data);
    model_positions(m, q.longest);
    be->upload(m->c, s.ids, ids->data, ids->bytes);
    mbert_encode(m, &s, &q, 0, NULL, NULL);
    finish(m, g, &s, &q, record_tensor(in, "labels"));
    const double expect = *(const double *)record_tensor(want, "loss")->data;
    float lost;
    be->download(m->c, &lost, s.loss, sizeof lost);
    const double got = lost;
    printf("# loss %.9g, expected %.9g\n", got, expect);
    const int ok = judge(dir, way, m, table, want) &&
                   fabs(got - expect) <= loss_limit(dir, way, expect);
    be->seqs_free(m->c, &q);
    be->free(m->c, memory);
    acts_free(&whole, m);
    struct ctx *c = m->c;
    model_free(m);
    be->close(c);
    safetensors_close(inputs);
    safetensors_close(expected);
    mem_free(g);
    mem_free(table);
    mem_free(m);
    return ok;
}

/* Why this way cannot run here, or NULL. */
static const char *
reason(const char *dir, const struct way *way)
{
    struct config c;
    if (emulated(way)) {
        if (!backend_emulated())
            return "no emulated GPU module in this build";
        return strstr(dir, "/models/") && !getenv("MBERT_EMU_LONG")
                   ? "long under emulation: make check-emu" : NULL;
    }
    if (way->precision == OP_F32)
        return NULL;
    if (isa_pick() < (way->cpu && !strcmp(way->cpu, "amx") ? ISA_AMX : ISA_BF16))
        return "not by this processor";
    config_load(&c, dir);
    const int odd = c.hidden % 32 || c.ffn % 32 || (c.head_size != 32 && c.head_size % 64);
    config_free(&c);
    return odd ? "f32 alone takes its shapes" : NULL;
}

/* Case `name` every way, tests first..first + WAYS; how many failed. */
static int
all_ways(const char *name, int first)
{
    char command[64], dir[4096] = "";
    int failed = 0;
    snprintf(command, sizeof command, "tests/models.sh %s", name);
    FILE *p = popen(command, "r");
    if (!p || !fgets(dir, sizeof dir, p))
        dir[0] = 0;
    dir[strcspn(dir, "\n")] = 0;
    const int absent = !p || pclose(p);
    for (int i = 0; i < WAYS; i++) {
        const struct way *way = &ways[i];
        const char *why = absent ? dir : reason(dir, way);
        if (way->cpu && !why && !emulated(way))
            setenv("MBERT_CPU", way->cpu, 1);
        const int ok = why || run(dir, way);
        unsetenv("MBERT_CPU");
        failed += !ok;
        printf("%sok %d - gradients of %s in %s%s%s\n", ok ? "" : "not ", first + i, name,
               way->name, why ? " # SKIP " : "", why ? why : "");
        fflush(stdout);
    }
    return failed;
}

int
main(void)
{
    static const char *const cases[] = { "v5-mean", "silu-hd32", "multilabel",
                                         "token-cls", "mlm",     "v4-cls",
                                         "pipeline",  "ettin-17m" };
    const int n = sizeof cases / sizeof *cases;
    int failed = 0;
    argv0 = "mbert_gradient";
    quiet = 1;
    unsetenv("MBERT_CPU");
    printf("1..%d\n", n * WAYS);
    for (int i = 0; i < n; i++)
        failed += all_ways(cases[i], 1 + i * WAYS);
    return failed > 0;
}
