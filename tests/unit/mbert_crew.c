/*
 * mbert_crew - batches through the model by chunks and threads: a sequence's results have
 * the same bytes alone and in any batch, by any number of threads, and once the largest
 * batch has gone through, a loop over batches allocates nothing.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "common/base/die.h"
#include "common/base/rng.h"
#include "common/mbert/crew.h"
#include "common/mbert/outdir.h"
#include "common/ops/isa.h"
#include "tests/unit/allocations.h"
#include "tests/unit/folder.h"

/* ---- a model ------------------------------------------------------------------------ */
enum { D = 64, V = 50, C = 3, L = 3 };
static const char config[] =
    "{\"model_type\": \"modernbert\", \"hidden_size\": 64, \"intermediate_size\": 96,"
    " \"architectures\": [\"ModernBertFor%sClassification\"], \"vocab_size\": 50,"
    " \"num_hidden_layers\": 3, \"num_attention_heads\": 1, \"local_attention\": 32,"
    " \"global_attn_every_n_layers\": 2, \"max_position_embeddings\": 2048,"
    " \"pad_token_id\": 49, \"classifier_pooling\": \"mean\", \"norm_bias\": false,"
    " \"attention_bias\": true, \"mlp_bias\": false, \"classifier_bias\": true}";

static void
write_config(const char *path, const char *kind)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, config, kind);
    assert_int_equal(fclose(f), 0);
}

static char *
in_folder(const char *name)
{
    return mem_printf("%s/%s", folder(), name);
}

/* DIR/Sequence and DIR/Token: new weights, larger than at birth so that attention is not
 * flat. */
static void
model_save(const char *kind)
{
    const struct ops *be = ops_find("cpu");
    struct model *m = mem_zalloc(1, sizeof *m);
    char *born = in_folder("config.json"), *to = in_folder(kind);
    write_config(born, kind);
    model_load(m, be, be->open(1, OP_PLAIN), folder(), MODEL_TRAIN | MODEL_RANDOM, C, 5);
    for (int i = 0; i < m->entries; i++)
        for (int k = 0; m->table[i].std > 0 && k < m->table[i].rows * m->table[i].cols; k++)
            mat_f32(*m->table[i].at, 0)[k] *= 5;
    struct outdir *out = outdir_open(to, 0);
    char *path = outdir_path(out, "config.json");
    write_config(path, kind);
    outdir_save(out, be, m->c, m->table, m->entries);
    outdir_commit(out);
    struct ctx *c = m->c;
    model_free(m);
    be->close(c);
    unlink(born);
    mem_free(born);
    mem_free(to);
    mem_free(path);
    mem_free(m);
}

static int
models_make(void **state)
{
    (void)state;
    quiet = 1;
    model_save("Sequence");
    model_save("Token");
    return 0;
}

static int
models_remove(void **state)
{
    static const char *const files[] = {"config.json", "model.safetensors", "log.jsonl",
                                        ""};
    for (int i = 0; i < 8; i++) {
        char *path =
            mem_printf("%s/%s/%s", folder(), i / 4 ? "Token" : "Sequence", files[i % 4]);
        remove(path);
        mem_free(path);
    }
    return folder_gone(state);
}

/* ---- modes and batches -------------------------------------------------------------- */
/*
 * OpenBLAS sums in an order that depends on the rows beside: there `near` is all there is.
 */
struct mode { const char *name; enum isa isa; enum precision precision; float near; };
static const struct mode modes[] = {
    { "generic f32", ISA_GENERIC, OP_F32, 2e-5f }, { "avx512 f32", ISA_AVX512, OP_F32, 0 },
    { "bf16 bf16", ISA_BF16, OP_BF16, 0 },         { "amx bf16", ISA_AMX, OP_BF16, 0 },
    { "bf16 int8", ISA_BF16, OP_INT8, 0 },         { "amx int8", ISA_AMX, OP_INT8, 0 },
};
enum { MODES = sizeof modes / sizeof *modes };

/* Chunks of some 384 rows, one thread's; 1025 and 1100 rows are all threads'. */
static const int lengths[] = { 3, 17, 384, 1, 33, 64, 1100, 65, 2, 128, 200, 5, 31,
                               32, 9, 257, 1, 90, 12, 130, 8, 385 };
enum { N = sizeof lengths / sizeof *lengths, TOKENS = 4000 };

struct crewed { struct model m; struct crew *w; };

/* NULL where the machine has no such set. */
static struct crewed *
crewed_open(const struct mode *mode, const char *kind, int threads)
{
    const struct ops *be = ops_find("cpu");
    struct crewed *k = mem_zalloc(1, sizeof *k);
    char *dir = in_folder(kind);
    setenv("MBERT_CPU", isa_name(mode->isa), 1);
    model_load(&k->m, be, be->open(threads, mode->precision), dir, 0, 0, 0);
    k->w = crew_open(&k->m);
    mem_free(dir);
    return k;
}

static void
crewed_close(struct crewed *k)
{
    const struct ops *be = k->m.be;
    struct ctx *c = k->m.c;
    crew_close(k->w);
    model_free(&k->m);
    be->close(c);
    mem_free(k);
    unsetenv("MBERT_CPU");
}

struct batch { int ids[TOKENS], cu[N + 1], n; };

static struct batch *
batch_new(void)
{
    struct batch *b = mem_zalloc(1, sizeof *b);
    for (int i = 0; i < TOKENS; i++)
        b->ids[i] = (int)(rng_u64(3, (uint64_t)i) % (V - 1));
    for (b->n = 0; b->n < N; b->n++)
        b->cu[b->n + 1] = b->cu[b->n] + lengths[b->n];
    assert_true(b->cu[N] <= TOKENS);
    return b;
}

/* Sequences [first, first + n) of b as a job of their own; cu: n + 1 numbers. */
static struct crew_job
part_of(const struct batch *b, int first, int n, int *cu, const struct crew_job *like)
{
    struct crew_job j = *like;
    for (int i = 0; i <= n; i++)
        cu[i] = b->cu[first + i] - b->cu[first];
    j.ids = b->ids + b->cu[first];
    j.cu = cu;
    j.n = n;
    return j;
}

/* The job, in parts of `step` sequences (N: at once). */
static float *
results(struct crewed *k, const struct batch *b, const struct crew_job *like, int step)
{
    int cu[N + 1];
    struct crew_job j = part_of(b, 0, N, cu, like);
    const size_t cols = (size_t)crew_cols(k->w, &j);
    float *out = mem_zalloc((size_t)crew_rows(k->w, &j) * cols, sizeof *out), *to = out;
    for (int i = 0; i < N; i += step) {
        j = part_of(b, i, N - i < step ? N - i : step, cu, like);
        crew_run(k->w, &j, to);
        to += (size_t)crew_rows(k->w, &j) * cols;
    }
    return out;
}

static void
assert_same(const float *a, const float *b, size_t n, const struct mode *mode,
            const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) &&
            !(mode->near > 0 && fabsf(a[i] - b[i]) <= mode->near * (1 + fabsf(a[i]))))
            fail_msg("%s, number %zu: %.9g, alone %.9g", what, i, (double)b[i],
                     (double)a[i]);
}

static const struct what { const char *name, *kind; struct crew_job job;
} whats[] = {
    {"pooled cls", "Sequence", {.output = CREW_POOLED, .pooling = OP_CLS}},
    {"hidden", "Sequence", {.output = CREW_HIDDEN}},
    {"logits", "Sequence", {.output = CREW_LOGITS, .pooling = OP_MEAN}},
    {"logits of tokens", "Token", {.output = CREW_LOGITS}},
    {"global pooled",
     "Sequence",
     {.output = CREW_POOLED, .pooling = OP_MEAN, .window_off = 1}},
};

static void
packed_equals_alone(void **state)
{
    const struct mode *mode = *state;
    struct batch *b = batch_new();
    for (int i = 0; i < 5; i++) {
        const struct what *w = &whats[i];
        struct crewed *one = crewed_open(mode, w->kind, 1);
        float *want = results(one, b, &w->job, 1);
        int cu[N + 1];
        const struct crew_job all = part_of(b, 0, N, cu, &w->job);
        const size_t n = (size_t)crew_rows(one->w, &all) * (size_t)crew_cols(one->w, &all);
        for (int threads = 1; threads <= 4; threads *= 2) {
            struct crewed *k = threads > 1 ? crewed_open(mode, w->kind, threads) : one;
            for (int s = 0; s < 3; s++) {
                const int step = (const int[]){ N, 5, 1 }[s];
                if (threads == 1 ? step == 1 : step != N && (i > 2 || threads == 4))
                    continue;
                float *got = results(k, b, &w->job, step);
                char *name = mem_printf("%s by %d in %d threads", w->name, step, threads);
                assert_same(want, got, n, mode, name);
                mem_free(name);
                mem_free(got);
            }
            if (threads > 1)
                crewed_close(k);
        }
        crewed_close(one);
        mem_free(want);
    }
    mem_free(b);
}

/* ---- the layers on the way ---------------------------------------------------------- */
struct layers { int calls, rows; float *p[L + 1]; };

static void
keep_layer(void *arg, int layer, struct mat x)
{
    struct layers *l = arg;
    assert_int_equal(layer, l->calls++ % (L + 1));
    assert_int_equal(x.cols, D);
    assert_true(x.type == F32 && x.ld == D);
    memcpy(l->p[layer] + (size_t)l->rows * D, x.p, (size_t)x.rows * D * sizeof(float));
    l->rows += layer == L ? x.rows : 0;
}

static struct layers
layers_new(int rows)
{
    struct layers l = { 0 };
    for (int i = 0; i <= L; i++)
        l.p[i] = mem_zalloc((size_t)rows * D, sizeof(float));
    return l;
}

static void
each_layer(void **state)
{
    const struct mode *mode = *state;
    struct batch *b = batch_new();
    const int T = b->cu[N];
    struct crewed *k = crewed_open(mode, "Sequence", 2);
    struct layers alone = layers_new(T), at_once = layers_new(T);
    struct crew_job j = { .output = CREW_HIDDEN, .each = keep_layer, .arg = &alone };
    float *a = results(k, b, &j, 1);
    j.arg = &at_once;
    float *o = results(k, b, &j, N);
    j.each = NULL;
    float *plain = results(k, b, &j, N);
    assert_int_equal(alone.calls, N * (L + 1));
    assert_int_equal(at_once.calls, L + 1);
    assert_int_equal(alone.rows, T);
    for (int i = 0; i <= L; i++) {
        assert_same(alone.p[i], at_once.p[i], (size_t)T * D, mode, "layer");
        mem_free(alone.p[i]);
        mem_free(at_once.p[i]);
    }
    assert_same(a, o, (size_t)T * D, mode, "final");
    assert_same(plain, o, (size_t)T * D, mode, "final without layers");
    mem_free(a);
    mem_free(o);
    mem_free(plain);
    crewed_close(k);
    mem_free(b);
}

/* What cls pools is the first row of hidden, though the last layer may be made for it alone. */
static void
first_rows(void **state)
{
    const struct mode *mode = *state;
    struct batch *b = batch_new();
    struct crewed *k = crewed_open(mode, "Sequence", 2);
    float *pooled = results(k, b, &whats[0].job, N);
    float *hidden = results(k, b, &whats[1].job, N);
    for (int i = 0; i < N; i++)
        assert_same(hidden + b->cu[i] * D, pooled + i * D, D, mode, "cls");
    mem_free(pooled);
    mem_free(hidden);
    crewed_close(k);
    mem_free(b);
}

/* ---- no allocation in the loop ------------------------------------------------------ */
/* One round: batches no larger than the first, of several shapes and outputs. */
static void
round_of(struct crewed *k, const struct batch *b, float *out)
{
    static const int cut[][2] = { { 0, N }, { 0, 5 }, { 6, 1 }, { 9, 13 } };
    int cu[N + 1];
    for (int i = 0; i < 4; i++)
        for (int w = 0; w < 3; w += 1 + !i) {
            const struct crew_job j = part_of(b, cut[i][0], cut[i][1], cu, &whats[w].job);
            crew_run(k->w, &j, out);
        }
}

/*
 * With one thread the second round is free.  With more, which thread meets the largest
 * chunk first is chance: rounds become free once each has; until then a thread's memory
 * grows.
 */
static void
no_allocation_in_the_loop(void **state)
{
    enum { ROUNDS = 40, FREE = 3 };
    const struct mode *mode = *state;
    struct batch *b = batch_new();
    float *out = mem_zalloc((size_t)b->cu[N] * D, sizeof *out);
    for (int threads = 1; threads <= 2; threads++) {
        struct crewed *k = crewed_open(mode, "Sequence", threads);
        int before = allocations, in_a_row = 0, rounds = 0;
        round_of(k, b, out);
        assert_true(allocations > before); /* they are counted */
        for (; rounds < ROUNDS && in_a_row < FREE; rounds++) {
            before = allocations;
            round_of(k, b, out);
            in_a_row = allocations == before ? in_a_row + 1 : 0;
            if (threads == 1)
                assert_int_equal(allocations, before);
        }
        if (in_a_row < FREE)
            fail_msg("%d threads: round %d still allocates, %d times", threads, rounds,
                     allocations - before);
        crewed_close(k);
    }
    mem_free(out);
    mem_free(b);
}

static void
absent(void **state)
{
    (void)state;
}

int
main(void)
{
    static const struct { const char *name; CMUnitTestFunction f; } tests[] = {
        { "packed equals alone", packed_equals_alone },
        { "each layer", each_layer },
        { "cls is the first row", first_rows },
        { "no allocation in the loop", no_allocation_in_the_loop },
    };
    enum { TESTS = sizeof tests / sizeof *tests };
    struct CMUnitTest all[MODES * TESTS];
    const enum isa best = isa_pick();
    for (int i = 0; i < MODES * TESTS; i++) {
        const struct mode *m = &modes[i / TESTS];
        const int have = m->isa <= best, can = i % TESTS < 3 || COUNTS;
        all[i] = (struct CMUnitTest){
            mem_printf("%s: %s%s", m->name, tests[i % TESTS].name,
                       !have  ? " # SKIP no such instruction set here"
                       : !can ? " # SKIP allocations can't be counted here"
                              : ""),
            have && can ? tests[i % TESTS].f : absent, NULL, NULL, (void *)(uintptr_t)m
        };
    }
    const int failed =
        _cmocka_run_group_tests("crew", all, MODES * TESTS, models_make, models_remove);
    for (int i = 0; i < MODES * TESTS; i++)
        mem_free((char *)(uintptr_t)all[i].name);
    return failed;
}
