/*
 * mbert_gradient - every gradient of whole models against transformers' float64
 * (tests/golden/encoder and, where they are, the shared references): the worst tensor's
 * NMSE and that of all together are at most three times those of transformers' own float32
 * run.  Speaks TAP itself: which cases run depends on what is there.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/mbert/mbert.h"
#include "formats/json.h"

struct sums { double error, size; };

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

/* errors.json: hf_f32_eager.KEY[1] */
static double
reference(const char *dir, const char *key)
{
    char *text = slurp(dir, "errors.json");
    struct json *j = json_new();
    struct json_value root, run, pair, v;
    double d = NAN;
    if (!json_parse(j, text, strlen(text), &root) && json_get(root, "hf_f32_eager", &run) &&
        json_get(run, key, &pair)) {
        struct json_iter it = json_iter(pair);
        for (int i = 0; i < 2; i++)
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
loss(const struct model *m, struct acts *s, const struct tensor *labels, int B)
{
    const int C = m->classes;
    void *on_device = m->be->alloc(m->c, labels->bytes);
    m->be->upload(m->c, on_device, labels->data, labels->bytes);
    m->be->zero(m->c, s->loss, sizeof *s->loss);
    if (labels->type == I32)
        m->be->ce(m->c, s->loss, s->dlogits, s->logits, on_device, 1.0f / (float)B);
    else if (C == 1)
        m->be->mse(m->c, s->loss, s->dlogits, s->logits, mat_of(on_device, B, 1, F32),
                   1.0f / (float)B);
    else
        m->be->bce(m->c, s->loss, s->dlogits, s->logits, mat_of(on_device, B, C, F32),
                   1.0f / (float)(B * C));
    m->be->free(m->c, on_device);
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

/* The gradient e against the stored rows: 0, S, 2S, ... when not all are stored. */
static struct sums
compare(const struct entry *e, const struct tensor *t, int64_t stride)
{
    struct sums s = { 0, 0 };
    const int64_t stored = e->vector ? 1 : t->shape[0];

    const float *want = t->data;
    if (stored == e->rows)
        stride = 1;
    for (int64_t r = 0; r < stored; r++) {
        const float *got = mat_f32(*e->at, (int)(r * stride));
        for (int i = 0; i < e->cols; i++, want++) {
            const double d = (double)got[i] - *want;
            s.error += d * d;
            s.size += (double)*want * *want;
        }
    }
    return s;
}

static int
judge(const char *dir, const struct entry *table, int n, const struct record *expected)
{
    const double worst_limit = 3 * reference(dir, "grad_worst"),
                 all_limit = 3 * reference(dir, "grad_all");
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
        const struct sums s = compare(&table[i], t, row_stride(expected));
        all.error += s.error;
        all.size += s.size;
        if (!(ratio(s) <= worst)) {
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
run(const char *dir)
{
    const struct ops *be = ops_find("cpu");
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
    model_load(m, be, be->open(0, OP_F32), dir, MODEL_TRAIN,
               (int)record_tensor(want, "logits")->shape[1], 1);
    acts_fit(&whole, m, ACTS_TRAIN, F32, T, B);
    struct acts s = acts_cut(&whole, T, B);
    struct params *g = gradients(m, table, &memory);
    be->seqs_make(m->c, &q, B, cu->data);
    model_positions(m, q.longest);
    be->upload(m->c, s.ids, ids->data, ids->bytes);
    mbert_encode(m, &s, &q, 0, NULL, NULL);
    mbert_pool(m, &s, &q, (enum pool_kind)m->cfg.pooling);
    head_forward(m, &s, s.pooled);
    loss(m, &s, record_tensor(in, "labels"), B);
    mbert_backward(m, g, &s, &q, (enum pool_kind)m->cfg.pooling);
    const double expect = *(const double *)record_tensor(want, "loss")->data, got = *s.loss;
    printf("# loss %.9g, expected %.9g\n", got, expect);
    const int ok =
        judge(dir, table, m->entries, want) && fabs(got - expect) <= 1e-5 * fabs(expect);
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

int
main(void)
{
    static const char *const cases[] = { "v5-mean", "silu-hd32", "multilabel",
                                         "v4-cls",  "pipeline",  "ettin-17m" };
    const int n = sizeof cases / sizeof *cases;
    int failed = 0;
    argv0 = "mbert_gradient";
    quiet = 1;
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        char command[64], answer[4096] = "";
        snprintf(command, sizeof command, "tests/models.sh %s", cases[i]);
        FILE *p = popen(command, "r");
        if (!p || !fgets(answer, sizeof answer, p))
            answer[0] = 0;
        answer[strcspn(answer, "\n")] = 0;
        if (!p || pclose(p)) {
            printf("ok %d - %s # SKIP %s\n", i + 1, cases[i], answer);
            continue;
        }
        const int ok = run(answer);
        failed |= !ok;
        printf("%sok %d - gradients of %s\n", ok ? "" : "not ", i + 1, cases[i]);
        fflush(stdout);
    }
    return failed;
}
