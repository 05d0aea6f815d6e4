/*
 * tokenizer - `tokenizer MODEL THREADS PASSES OUT FILE...`: how fast the library encodes.
 *
 * Reads the prompts of JSON lines, then encodes all of them PASSES times.  The first pass
 * is cold, with fresh batches whose making counts; the others are warm.  A thread has one
 * stretch of the prompts; starting it counts.  OUT, unless "-", gets the ids of the last
 * pass as U16 and after them the number of ids of each prompt as U32.  Prints one JSON
 * object.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "common/base/die.h"
#include "common/base/mem.h"
#include "common/bpe/batch.h"
#include "common/bpe/encode.h"
#include "formats/jsonl.h"
#include "formats/tokenizer.h"

enum { THREADS = 64, PASSES = 64 };

struct prompts {
    struct buf text;  /* end to end */
    struct buf start; /* size_t [n + 1] */
    size_t n;
};

struct share { /* one thread's prompts and what became of them */
    struct bpe *bpe;
    const struct prompts *in;
    size_t from, to;
    struct batch *batch;
    struct buf ids; /* uint16_t */
    size_t *end; /* in ids, of each prompt */
};

static double
now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The most memory this process ever had resident, in MB (10^6 bytes). */
static double
peak(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmHWM:", 6))
            kib = strtod(line + 6, NULL);
    if (f)
        fclose(f);
    return kib * 1024 / 1e6;
}

static size_t
start_of(const struct prompts *p, size_t i)
{
    return ((const size_t *)(const void *)p->start.p)[i];
}

static void
read_prompts(struct prompts *p, const char *path)
{
    struct jsonl j;
    struct json_value v, x;
    const char *why, *s;
    size_t n;
    int got;
    jsonl_open(&j, path);
    while ((got = jsonl_next(&j, &v, &why))) {
        if (got < 0)
            jsonl_bad(&j, "%s", why);
        if (!json_get(v, "prompt", &x) || !json_string(x, &s, &n))
            jsonl_bad(&j, "no prompt");
        buf_add(&p->text, s, n);
        buf_add(&p->start, &p->text.n, sizeof p->text.n);
        p->n++;
    }
    jsonl_close(&j);
}

/* The ids of the texts in the batch, behind those of the texts before. */
static void
take(struct share *s, size_t *texts)
{
    const struct batch_ids *r = batch_run(s->batch);
    for (size_t i = 0; i < r->n; i++) {
        const size_t n = r->end[i] - r->from[i];
        uint16_t *to = buf_room(&s->ids, n * sizeof *to);
        if (r->id)
            memcpy(to, r->id + r->from[i], n * sizeof *to);
        else
            for (size_t k = 0; k < n; k++)
                to[k] = (uint16_t)r->wide[r->from[i] + k];
        s->ids.n += n * sizeof *to;
        s->end[(*texts)++] = s->ids.n / sizeof *to;
    }
}

/* What is timed, but for the start of threads. */
static void
encode_share(struct share *s)
{
    size_t texts = 0;
    if (!s->batch)
        s->batch = batch_new(s->bpe);
    s->ids.n = 0;
    for (size_t i = s->from; i < s->to; i++) {
        const size_t at = start_of(s->in, i), n = start_of(s->in, i + 1) - at;
        batch_add(s->batch, s->in->text.p + at, n);
        if (batch_bytes(s->batch) >= BATCH_BYTES || i + 1 == s->to)
            take(s, &texts);
    }
}

static void
put_ids(const struct share *s, FILE *f)
{
    fwrite(s->ids.p ? s->ids.p : "", 1, s->ids.n, f);
}

static void
put_lengths(const struct share *s, FILE *f)
{
    for (size_t i = 0; i < s->to - s->from; i++) {
        const uint32_t n = (uint32_t)(s->end[i] - (i ? s->end[i - 1] : 0));
        fwrite(&n, sizeof n, 1, f);
    }
}

static void *
work(void *share)
{
    encode_share(share);
    return NULL;
}

/* Encodes all; seconds, and CPU seconds of all threads. */
static void
pass(struct share *s, int threads, double *seconds, double *cpu)
{
    pthread_t thread[THREADS];
    *seconds = now(CLOCK_MONOTONIC);
    *cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 1; i < threads; i++)
        if (pthread_create(&thread[i], NULL, work, &s[i]))
            die_sys("cannot start a thread");
    encode_share(&s[0]);
    for (int i = 1; i < threads; i++)
        pthread_join(thread[i], NULL);
    *seconds = now(CLOCK_MONOTONIC) - *seconds;
    *cpu = now(CLOCK_PROCESS_CPUTIME_ID) - *cpu;
}

/* About as many bytes for each thread. */
static void
divide(struct share *s, int threads, struct bpe *bpe, const struct prompts *in)
{
    size_t at = 0;
    for (int i = 0; i < threads; i++) {
        const size_t want = in->text.n / (size_t)threads * (size_t)(i + 1);
        s[i] = (struct share){ .bpe = bpe, .in = in, .from = at };
        while (at < in->n && (i + 1 == threads || start_of(in, at) < want))
            at++;
        s[i].to = at;
        s[i].end = mem_array(at - s[i].from + 1, sizeof *s[i].end);
    }
}

static void
put(const struct share *s, int threads, const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        die_sys("cannot open '%s'", path);
    for (int i = 0; i < threads; i++)
        put_ids(&s[i], f);
    for (int i = 0; i < threads; i++)
        put_lengths(&s[i], f);
    if (ferror(f) | fclose(f))
        die_sys("cannot write '%s'", path);
}

static void
put_times(const char *name, const double *t, int n)
{
    printf(",\"%s\":[", name);
    for (int i = 0; i < n; i++)
        printf("%s%.6f", i ? "," : "", t[i]);
    printf("]");
}

int
main(int argc, char **argv)
{
    struct prompts in = { 0 };
    struct share share[THREADS];
    struct tokenizer t;
    double seconds[PASSES], cpu[PASSES];
    size_t ids = 0;
    argv0 = "tokenizer";
    if (argc < 6)
        die_usage("MODEL THREADS PASSES OUT FILE...");
    const int threads = atoi(argv[2]), passes = atoi(argv[3]);
    if (threads < 1 || threads > THREADS || passes < 1 || passes > PASSES)
        die_usage("from 1 to %d threads and %d passes", THREADS, PASSES);
    buf_add(&in.start, &in.text.n, sizeof in.text.n);
    for (int i = 5; i < argc; i++)
        read_prompts(&in, argv[i]);
    const double before = peak(), begin = now(CLOCK_MONOTONIC);
    tokenizer_load(&t, argv[1]);
    struct bpe *bpe = bpe_new(&t);
    const double load = now(CLOCK_MONOTONIC) - begin;
    divide(share, threads, bpe, &in);
    for (int i = 0; i < passes; i++)
        pass(share, threads, &seconds[i], &cpu[i]);
    const double after = peak();
    if (strcmp(argv[4], "-"))
        put(share, threads, argv[4]);
    for (int i = 0; i < threads; i++) {
        ids += share[i].ids.n / sizeof(uint16_t);
        batch_free(share[i].batch);
        mem_free(share[i].ids.p);
        mem_free(share[i].end);
    }
    printf("{\"text_mb\":%.6f,\"prompts\":%zu,\"load_s\":%.6f,\"ids\":%zu,"
           "\"before_mb\":%.1f,\"peak_mb\":%.1f",
           (double)in.text.n / 1e6, in.n, load, ids, before, after);
    put_times("s", seconds, passes);
    put_times("cpu_s", cpu, passes);
    puts("}");
    bpe_free(bpe);
    tokenizer_free(&t);
    mem_free(in.text.p);
    mem_free(in.start.p);
    stdout_close();
    return EXIT_OK;
}
