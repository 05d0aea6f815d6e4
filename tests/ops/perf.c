/*
 * perf - `perf -p [THREADS [f32|bf16 [CASE]]]` prints GFLOP/s (products) or GB/s (the rest) of
 * the ops at ModernBERT-base's shapes.  One thread is timed by what the processor gives it.
 * Without -p it skips: figures are for people, on a quiet machine.
 */
#include <time.h>
#include "tests/ops/rig.h"

enum { T = 2048, D = 768, H = 12, F = 1152, CASES = 16, PARAMS = 1 << 24, RUNS = 20 };

struct bench {
    const struct ops *be;
    struct ctx *c;
    clockid_t clock;
    struct seqs s;
    struct mat x, y, h, o, qkv, dqkv, g, dg, du, u, dw, stat, lse;
    struct param param;
    struct weight W[4]; /* Wqkv, Wo, Wi, Wo2 */
    struct lnorm n;
    struct rope rope;
};

static double
now(const struct bench *b)
{
    struct timespec t;
    clock_gettime(b->clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct mat
fill_as(struct bench *b, int rows, int cols, double scale, enum dtype type)
{
    const size_t n = (size_t)rows * (size_t)cols, bytes = n * dtype_size(type);
    struct mat m = mat_of(b->be->alloc(b->c, bytes), rows, cols, type);
    float *host = b->be->host_alloc(b->c, n * sizeof *host);
    for (size_t i = 0; i < n; i++)
        host[i] = (float)(scale * (rng_unit(3, i) - 0.5));
    uint16_t *half = b->be->host_alloc(b->c, bytes);
    if (type == BF16)
        half_narrow(half, BF16, host, n);
    b->be->upload(b->c, m.p, type == BF16 ? (void *)half : (void *)host, bytes);
    b->be->sync(b->c);
    b->be->host_free(b->c, host);
    b->be->host_free(b->c, half);
    return m;
}

static struct mat
fill(struct bench *b, int rows, int cols, double scale)
{
    return fill_as(b, rows, cols, scale, F32);
}

static struct mat
fill_act(struct bench *b, int rows, int cols)
{
    return fill_as(b, rows, cols, 2, b->be->type(b->c));
}

/* In f32 training has no blobs: the masters change with every step. */
static void
pack(struct bench *b, struct weight *W)
{
    if (b->be->type(b->c) == F32)
        return;
    const size_t f = b->be->weight_size(b->c, W->w, WEIGHT_FORWARD),
                 g = b->be->weight_size(b->c, W->w, WEIGHT_BACKWARD);
    b->be->weight_pack(b->c, W->fwd = b->be->alloc(b->c, f), W->w, WEIGHT_FORWARD);
    b->be->weight_pack(b->c, W->bwd = b->be->alloc(b->c, g), W->w, WEIGHT_BACKWARD);
}

static void
bench_make(struct bench *b, int length)
{
    static const int shape[4][2] = { { 3 * D, D }, { D, D }, { 2 * F, D }, { D, F } };
    int cu[T + 1];
    for (int i = 0; i <= T / length; i++)
        cu[i] = i * length;
    b->be->seqs_make(b->c, &b->s, T / length, cu);
    b->x = fill(b, T, D, 2);
    b->y = fill(b, T, D, 2);
    b->h = fill_act(b, T, D);
    b->o = fill_act(b, T, D);
    b->qkv = fill_act(b, T, 3 * D);
    b->dqkv = fill_act(b, T, 3 * D);
    b->g = fill_act(b, T, F);
    b->dg = fill_act(b, T, F);
    b->u = fill_act(b, T, 2 * F);
    b->du = fill_act(b, T, 2 * F);
    b->dw = fill(b, 3 * D, D, 0);
    b->stat = fill(b, T, 2, 2);
    b->lse = fill(b, T, H, 2);
    b->n = (struct lnorm){ .w = fill(b, 1, D, 2), .eps = 1e-5f };
    b->rope.table = fill(b, length, D / H, 1);
    for (int i = 0; i < 4; i++) {
        b->W[i] = (struct weight){ .w = fill(b, shape[i][0], shape[i][1], 0.1) };
        pack(b, &b->W[i]);
    }
    float *p[4];
    for (int i = 0; i < 4; i++)
        p[i] = fill(b, 1, PARAMS, i < 3).p;
    b->param = (struct param){ p[0], p[1], p[2], p[3], PARAMS, 1, NULL, 1 };
}

/* Runs case i once; its operations (or, negative, bytes) and name. */
static double
run(struct bench *b, int i, const char **name, int length)
{
    const struct ops *be = b->be;
    const struct drop none = { 0 };
    const struct adam a = { 1e-4, .9, .999, 1e-8, .01, 1, 1 };
    const struct mat q = mat_cols(b->qkv, 0, D), k = mat_cols(b->qkv, D, D);
    const struct mat v = mat_cols(b->qkv, 2 * D, D), no = { 0 };
    const double product = 2.0 * T * D, seen = length < 129 ? length : 129;
#define CASE(number, text, call, work) case number: *name = text; be->call; return work
    switch (i) {
        CASE(0, "norm_qkv",
             norm_qkv(b->c, b->qkv, no, b->h, b->x, &b->n, &b->W[0], b->rope, H, &b->s),
             product * 3 * D);
        CASE(1, "attention global",
             attention(b->c, b->o, b->lse, q, k, v, H, &b->s, -1, 0.125f, none),
             2 * product * length);
        CASE(2, "attention local",
             attention(b->c, b->o, b->lse, q, k, v, H, &b->s, 64, 0.125f, none),
             2 * product * seen);
        CASE(3, "linear_add", linear_add(b->c, b->y, b->h, &b->W[1], b->x, none),
             product * D);
        CASE(4, "norm_glu",
             norm_glu(b->c, b->g, b->u, no, b->h, b->x, &b->n, &b->W[2], OP_GELU, none),
             product * 2 * F);
        CASE(5, "linear_dx", linear_dx(b->c, b->h, b->dqkv, &b->W[0], 0), product * 3 * D);
        CASE(6, "linear_dw", linear_dw(b->c, b->dw, no, b->dqkv, b->h), product * 3 * D);
        CASE(7, "attention_bwd global",
             attention_bwd(b->c, mat_cols(b->dqkv, 0, D), mat_cols(b->dqkv, D, D),
                           mat_cols(b->dqkv, 2 * D, D), b->h, b->o, b->lse, q, k, v, H,
                           &b->s, -1, 0.125f, none),
             5 * product * length);
        CASE(8, "attention_bwd local",
             attention_bwd(b->c, mat_cols(b->dqkv, 0, D), mat_cols(b->dqkv, D, D),
                           mat_cols(b->dqkv, 2 * D, D), b->h, b->o, b->lse, q, k, v, H,
                           &b->s, 64, 0.125f, none),
             5 * product * seen);
        CASE(9, "norm", norm(b->c, b->h, b->stat, b->x, &b->n), -8.0 * T * D);
        CASE(10, "norm_bwd",
             norm_bwd(b->c, b->y, mat_rows(b->dw, 0, 1), no, b->h, b->x, b->stat, &b->n),
             -16.0 * T * D);
        CASE(11, "glu_bwd",
             glu_bwd(b->c, b->du, b->g, b->dg, b->u, OP_GELU, none), -24.0 * T * F);
        CASE(12, "linear_dw of F32", linear_dw(b->c, mat_rows(b->dw, 0, D), no, b->x, b->h),
             product * D);
        CASE(13, "linear_dx added", linear_dx(b->c, b->y, b->dqkv, &b->W[0], 1),
             product * 3 * D);
        CASE(14, "rope_bwd", rope_bwd(b->c, b->dqkv, b->rope, H, &b->s), -16.0 * T * D);
        CASE(15, "adamw", adamw(b->c, &b->param, 1, &a, b->stat.p), -28.0 * PARAMS);
    }
#undef CASE
    return 0;
}

static void
measure(struct bench *b, int i, int length)
{
    const char *name = "";
    double best = 1e30, work = run(b, i, &name, length);
    for (int k = 0; k < RUNS; k++) {
        const double from = now(b);
        run(b, i, &name, length);
        b->be->sync(b->c);
        best = now(b) - from < best ? now(b) - from : best;
    }
    printf("length %4d  %-22s %9.3f ms  %7.1f %s\n", length, name, 1e3 * best,
           1e-9 * fabs(work) / best, work < 0 ? "GB/s" : "GFLOP/s");
}

int
main(int argc, char **argv)
{
    static const int lengths[] = { 128, 1024 };
    if (argc < 2 || strcmp(argv[1], "-p")) {
        puts("1..1\nok 1 - perf # SKIP figures only with -p");
        return 0;
    }
    const char *device = getenv("MBERT_BACKEND");
    const int threads = argc > 2 ? atoi(argv[2]) : 0, one = argc > 4 ? atoi(argv[4]) : -1;
    struct bench b = { .be = ops_find(device ? device : "cpu") };
    b.clock = threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    b.c = b.be->open(threads, argc > 3 && !strcmp(argv[3], "bf16") ? OP_BF16 : OP_F32);
    puts(b.be->about(b.c));
    for (int l = 0; l < 2; l++) {
        bench_make(&b, lengths[l]);
        for (int i = 0; i < CASES; i++)
            if (one < 0 || i == one)
                measure(&b, i, lengths[l]);
        b.be->seqs_free(b.c, &b.s);
    }
    b.be->close(b.c);
    return 0;
}
