/*
 * encoder - how fast the encoder is inside one process, and the machine's roof.
 *
 *     encoder -m DIR [--dtype X] [--threads N] [--reps N] 8x512 ... FILE ...
 *     encoder -m DIR [...] -          commands from stdin, one a line
 *     encoder --roof [--threads N]    register-only loops
 *
 * A pass is from ids in memory to logits in memory.  BxS: B sequences of S made-up tokens.
 * FILE has a prompt a line, its ids parted by blanks, and is one stream.  Every pass is a
 * number in the "s" of a line of JSON.  Commands, as of tests/bench/encoder_peer.py:
 * `shape B S REPS` and `rows FILE GROUP FROM TO`, GROUP 0: one stream, 1: each line alone.
 */
#include <cpuid.h>
#include <immintrin.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/base/opt.h"
#include "common/mbert/crew.h"

enum { THREADS = 256 };

struct set { /* sequences: their ids, and where each starts */
    struct buf ids, cu; /* int, int [n + 1] */
    int n;
};

struct bench {
    struct model m;
    struct crew *crew;
    struct buf logits; /* float [n, classes] of the last pass */
};

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The most memory resident since the last command, in MB (10^6 bytes). */
static double
peak(int reset)
{
    FILE *f = reset ? fopen("/proc/self/clear_refs", "w") : fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;
    if (f && reset)
        fputs("5", f);
    while (f && !reset && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmHWM:", 6))
            kib = strtod(line + 6, NULL);
    if (f)
        fclose(f);
    return kib * 1024 / 1e6;
}

/* ---- the library --------------------------------------------------------------------- */
static const char *const dtypes[] = { "auto", "f32", "bf16", "int8" }; /* enum precision */

/* Loads a model for a type, and says what that became. */
static void
open_model(struct bench *b, const char *dir, int dtype, int threads)
{
    const struct ops *be = ops_find("cpu");
    const double begin = now();
    struct ctx *c = be->open(threads, (enum precision)dtype);
    model_load(&b->m, be, c, dir, 0, 0, 0);
    b->crew = crew_open(&b->m);
    if (b->m.head != HEAD_SEQUENCE)
        die_data("'%s': no head that classifies sequences", dir);
    const enum precision got = be->precision(c);
    printf("{\"ready\":\"ours\",\"dtype\":\"%s\",\"about\":\"%s\",\"load_s\":%.6f,"
           "\"peak_mb\":%.1f}\n",
           got == OP_PLAIN ? "f32" : dtypes[got], be->about(c), now() - begin, peak(0));
    fflush(stdout);
}

/* Sequences from..to of a set, as mbert-fwd takes a stream. */
static void
run_set(struct bench *b, const struct set *in, int from, int to, float *logits)
{
    const int *ids = (const int *)(const void *)in->ids.p;
    const int *cu = (const int *)(const void *)in->cu.p;
    int *own = mem_array((size_t)(to - from) + 1, sizeof *own);
    for (int i = from; i <= to; i++)
        own[i - from] = cu[i] - cu[from];
    const struct crew_job j = { .ids = ids + cu[from], .cu = own, .n = to - from,
                                .output = CREW_LOGITS,
                                .pooling = (enum pool_kind)b->m.cfg.pooling };
    crew_run(b->crew, &j, logits);
    mem_free(own);
}

/* ---- what is run --------------------------------------------------------------------- */
static void
set_clear(struct set *s)
{
    const int zero = 0;
    s->ids.n = s->cu.n = 0;
    s->n = 0;
    buf_add(&s->cu, &zero, sizeof zero);
}

static void
set_end(struct set *s)
{
    const int total = (int)(s->ids.n / sizeof total);
    buf_add(&s->cu, &total, sizeof total);
    s->n++;
}

/* The ids that encoder_peer.py makes up, so that the logits can be compared. */
static void
set_shape(struct set *s, int B, int S)
{
    set_clear(s);
    for (int i = 0; i < B * S; i++) {
        const uint32_t k = (uint32_t)(i + 1) * 2654435761u;
        const int at = i % S;
        const int id = at == S - 1 ? 50282 : at ? 1000 + (int)(k % 49000) : 50281;
        buf_add(&s->ids, &id, sizeof id);
        if (at == S - 1)
            set_end(s);
    }
}

static void
set_file(struct set *s, const char *path, int from, int to)
{
    FILE *f = fopen(path, "r");
    char *line = NULL, *p;
    size_t room = 0;
    if (!f)
        die_sys("cannot open '%s'", path);
    set_clear(s);
    for (int i = 0; i < to && getline(&line, &room, f) > 0; i++) {
        const size_t before = s->ids.n;
        for (p = line; i >= from && *p && *p != '\n';) {
            const int id = (int)strtol(p, &p, 10);
            buf_add(&s->ids, &id, sizeof id);
        }
        if (s->ids.n > before)
            set_end(s);
    }
    free(line);
    fclose(f);
}

/* Every id must be one of the model's, and no sequence longer than it takes. */
static const char *
set_bad(const struct set *s, const struct config *c)
{
    const int *ids = (const int *)(const void *)s->ids.p;
    const int *cu = (const int *)(const void *)s->cu.p;
    for (int i = 0; i < s->n; i++)
        if (cu[i + 1] - cu[i] > c->positions)
            return "a sequence is longer than the model takes";
    for (int i = 0; i < cu[s->n]; i++)
        if (ids[i] < 0 || ids[i] >= c->vocab)
            return "an id is outside the vocabulary";
    return s->n ? NULL : "no sequences";
}

static double
pass(struct bench *b, const struct set *s, int alone)
{
    b->logits.n = 0;
    float *logits = buf_room(&b->logits, mem_mul((size_t)s->n * sizeof *logits,
                                                 (size_t)b->m.classes));
    const double begin = now();
    if (!alone)
        run_set(b, s, 0, s->n, logits);
    for (int i = 0; alone && i < s->n; i++)
        run_set(b, s, i, i + 1, logits + i * b->m.classes);
    return now() - begin;
}

static void
answer(struct bench *b, const struct set *s, const char *what, int alone, int reps)
{
    const char *bad = set_bad(s, &b->m.cfg);
    if (bad)
        die_usage("%s: %s", what, bad);
    peak(1);
    printf("{\"what\":\"%s\",\"s\":[", what);
    for (int i = 0; i < reps; i++)
        printf("%s%.6f", i ? "," : "", pass(b, s, alone));
    const float *z = (const float *)(const void *)b->logits.p;
    for (int i = 0; i < s->n * b->m.classes; i++)
        if (!isfinite(z[i]))
            die_data("%s: logits are not finite", what);
    printf("],\"peak_mb\":%.1f,\"logits\":[", peak(0));
    for (int i = 0; i < b->m.classes; i++)
        printf("%s%.6g", i ? "," : "", (double)z[i]);
    puts("]}");
}

static void
one(struct bench *b, struct set *s, const char *what, int reps)
{
    int B, S, end = 0;
    if (sscanf(what, "%dx%d%n", &B, &S, &end) == 2 && !what[end] && B > 0 && S > 0)
        set_shape(s, B, S);
    else
        set_file(s, what, 0, INT_MAX);
    answer(b, s, what, 0, reps);
}

static void
serve(struct bench *b, struct set *s)
{
    char *line = NULL, path[4096];
    size_t room = 0;
    int x[3];
    while (getline(&line, &room, stdin) > 0) {
        if (sscanf(line, "shape %d %d %d", &x[0], &x[1], &x[2]) == 3) {
            set_shape(s, x[0], x[1]);
            answer(b, s, "shape", 0, x[2]);
        } else if (sscanf(line, "rows %4095s %d %d %d", path, &x[0], &x[1], &x[2]) == 4) {
            set_file(s, path, x[1], x[2]);
            answer(b, s, "rows", x[0], 1);
        } else {
            die_usage("no such command: %s", line);
        }
        fflush(stdout);
    }
    free(line);
}

/* ---- the roof ------------------------------------------------------------------------ */
enum { ROUNDS = 10000, LANES = 16 };
typedef void loop_fn(void); /* ROUNDS times as many operations as `each` says */

/* Sums of products that never leave registers; the asm makes the compiler keep them. */
#define LOOP(NAME, SET, V, ZERO, MULTIPLY)                                                 \
    __attribute__((target(SET))) static void NAME(void)                                    \
    {                                                                                      \
        V sum[LANES], x = ZERO, y = ZERO;                                                  \
        for (int i = 0; i < LANES; i++)                                                    \
            sum[i] = ZERO;                                                                 \
        __asm__ volatile("" : "+v"(x), "+v"(y));                                           \
        for (int k = 0; k < ROUNDS; k++) {                                                 \
            _Pragma("GCC unroll 16") for (int i = 0; i < LANES; i++)                       \
                sum[i] = MULTIPLY;                                                         \
        }                                                                                  \
        for (int i = 0; i < LANES; i++)                                                    \
            __asm__ volatile("" : : "v"(sum[i]));                                          \
    }
LOOP(f32_avx2, "avx2,fma", __m256, _mm256_setzero_ps(), _mm256_fmadd_ps(x, y, sum[i]))
LOOP(f32_avx512, "avx512f", __m512, _mm512_setzero_ps(), _mm512_fmadd_ps(x, y, sum[i]))
LOOP(bf16_avx512, "avx512f,avx512bf16", __m512, _mm512_setzero_ps(),
     _mm512_dpbf16_ps(sum[i], (__m512bh)x, (__m512bh)y))
LOOP(int8_avx512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(),
     _mm512_dpbusd_epi32(sum[i], x, y))

/* palette 1, eight tiles of 16 rows of 64 bytes */
struct tiles { uint8_t palette, start, none[14]; uint16_t bytes[16]; uint8_t rows[16]; };

static void
tiles_open(void)
{
    struct tiles t = { .palette = 1 };
    for (int i = 0; i < 8; i++) {
        t.bytes[i] = 64;
        t.rows[i] = 16;
    }
    /* the whole struct is the operand: gcc 12's intrinsic names its first byte alone */
    __asm__ volatile("ldtilecfg %0" : : "m"(t)); /* zeroes the tiles, too */
}

/* Two tiles by two, as a product would. */
#define TILE_LOOP(NAME, OP)                                                                \
    static void NAME(void)                                                                 \
    {                                                                                      \
        tiles_open();                                                                      \
        for (int k = 0; k < ROUNDS; k++)                                                   \
            __asm__ volatile(OP " %tmm6,%tmm4,%tmm0\n\t" OP " %tmm7,%tmm4,%tmm1\n\t"       \
                             OP " %tmm6,%tmm5,%tmm2\n\t" OP " %tmm7,%tmm5,%tmm3");         \
        __asm__ volatile("tilerelease");                                                   \
    }
TILE_LOOP(bf16_amx, "tdpbf16ps")
TILE_LOOP(int8_amx, "tdpbssd")

/* Has the processor tiles of this bit of CPUID 7's edx, and does the kernel let us? */
static int
has_tiles(unsigned bit)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 24 & d >> bit & 1))
        return 0;
    return !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA);
}

struct roof { const char *dtype, *set; loop_fn *loop; int each, has; };

static void *
spin(void *arg)
{
    const struct roof *r = arg;
    double *rate = mem_alloc(sizeof *rate);
    const double begin = now();
    int n = 0;
    do
        r->loop();
    while (++n && now() - begin < 0.3);
    *rate = n * (double)ROUNDS * r->each / (now() - begin);
    return rate;
}

static double
roof_rate(struct roof *r, int threads)
{
    pthread_t t[THREADS];
    double sum = 0;
    void *rate;
    for (int i = 0; i < threads; i++)
        if (pthread_create(&t[i], NULL, spin, r))
            die_sys("cannot start a thread");
    for (int i = 0; i < threads; i++) {
        pthread_join(t[i], &rate);
        sum += *(double *)rate;
        mem_free(rate);
    }
    return sum / 1e9;
}

/* The last set of each type that the machine has is its best. */
static void
roofs(int threads)
{
#define HAS(SET) __builtin_cpu_supports(SET)
    struct roof all[] = {
        { "f32", "avx2", f32_avx2, LANES * 16, HAS("avx2") && HAS("fma") },
        { "f32", "avx512f", f32_avx512, LANES * 32, HAS("avx512f") },
        { "bf16", "avx512bf16", bf16_avx512, LANES * 64, HAS("avx512bf16") },
        { "bf16", "amx-bf16", bf16_amx, 4 * 16 * 16 * 64, has_tiles(22) },
        { "int8", "avx512vnni", int8_avx512, LANES * 128, HAS("avx512vnni") },
        { "int8", "amx-int8", int8_amx, 4 * 16 * 16 * 128, has_tiles(25) },
    };
    for (struct roof *r = all; r < all + sizeof all / sizeof *all; r++)
        if (r->has)
            printf("{\"dtype\":\"%s\",\"set\":\"%s\",\"threads\":%d,\"gops\":%.1f}\n",
                   r->dtype, r->set, threads, roof_rate(r, threads));
}

int
main(int argc, char **argv)
{
    struct bench *b = mem_zalloc(1, sizeof *b);
    struct set s = { 0 };
    const char *dir = NULL;
    int dtype = 0, threads = 0, reps = 5, roof = 0;
    const struct opt table[] = {
        OPT_STR('m', "model", &dir, "DIR", "model directory"),
        OPT_ENUM(0, "dtype", &dtype, "auto|f32|bf16|int8", "type of the products (auto)"),
        OPT_INT(0, "threads", &threads, 0, THREADS, "N", "threads; 0: one a core (0)"),
        OPT_INT(0, "reps", &reps, 1, 1 << 20, "N", "passes (5)"),
        OPT_FLAG(0, "roof", &roof, "how fast the machine multiplies"),
        OPT_END
    };
    argc = opt_parse(argc, argv, "[-m DIR] [--roof] [BxS...] [FILE...] [-]", table);
    if (roof)
        roofs(threads ? threads : (int)sysconf(_SC_NPROCESSORS_ONLN));
    if (dir)
        open_model(b, dir, dtype, threads);
    for (int i = 0; dir && i < argc; i++)
        if (strcmp(argv[i], "-"))
            one(b, &s, argv[i], reps);
        else
            serve(b, &s);
    stdout_close();
    return EXIT_OK;
}
