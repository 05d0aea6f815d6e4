/*
 * gpu - how fast the model is on the card, for tests/bench/gpu.
 *
 *     gpu about                       what the card is; status 4: there is none, and why
 *     gpu make -m DIR -o OUT          OUT: the model of DIR/config.json with random weights
 *     gpu product [--size N]          one product of N x N by N x N, in bf16
 *     gpu forward -m DIR BxS | FILE   batches of --tokens, from ids to logits on the host
 *     gpu latency -m DIR 1xS          a prompt of S tokens alone
 *     gpu train -m DIR BxS            steps of B prompts of S tokens, in micro-batches
 *
 * FILE has a prompt a line, its ids parted by blanks.  A figure is a line of columns parted
 * by tabs: "result", the part, who, median and least seconds, tokens, floating-point
 * operations, the first logit ("-": none).  The card is the module that MBERT_CUDA names.
 */
#include <time.h>
#include "common/base/half.h"
#include "common/mbert/outdir.h"
#include "tests/bench/gpu.h"

enum { WARM = 3, RUNS = 4096 };

struct bench {
    const char *dir, *out;
    int reps, tokens, size, memory;
    double seconds; /* of a part: no run begins after them, but three always do */
    int64_t seed;
};

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/*
 * Floating-point operations of a forward pass over a prompt of S tokens, two a
 * multiply-add: of the products 2 L (4 D^2 + 3 D F) a token, of attention 4 D a token and
 * key that it sees, S in a global layer, at most 2 window + 1 in a local one.
 * Embeddings, norms and the head are not counted.  Backward is twice as much; what it
 * computes again does not count.  This is "model FLOPs" of Chowdhery et al. 2022 (PaLM),
 * appendix B, as section 4.1, "Floors", of the references' modernbert.md has it for
 * windows: base 238 MFLOP a token at S = 512.
 */
static double
operations(const struct config *c, int S)
{
    const double D = c->hidden, F = c->ffn;
    const int window = 2 * c->window + 1;
    double a_token = 0;
    for (int i = 0; i < c->layers; i++)
        a_token += 2 * (4 * D * D + 3 * D * F) +
                   4 * D * (c->global[i] || S < window ? S : window);
    return a_token * S;
}

static double
operations_of(const struct config *c, const struct prompts *p)
{
    double sum = 0;
    for (int b = 0; b < p->n; b++)
        sum += operations(c, prompts_cu(p)[b + 1] - prompts_cu(p)[b]);
    return sum;
}

/* ---- what is said -------------------------------------------------------------------- */
struct times { double s[RUNS]; int n; };

static int
by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void
put(const char *part, struct times *t, double tokens, double ops, double logit)
{
    qsort(t->s, (size_t)t->n, sizeof *t->s, by_size);
    const double median = (t->s[(t->n - 1) / 2] + t->s[t->n / 2]) / 2;
    printf("result\t%s\tours-bf16\t%.9f\t%.9f\t%.0f\t%.9g\t", part, median, t->s[0], tokens,
           ops);
    printf(isfinite(logit) ? "%.6g\n" : "-\n", logit);
    fflush(stdout);
}

/* Is another run wanted?  Those before number 0 warm, and are not counted. */
static int
goes_on(const struct bench *b, const struct times *t, double begin)
{
    return t->n < b->reps && t->n < RUNS && (t->n < 3 || now() - begin < b->seconds);
}

static void
must_be_finite(const float *x, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            die_data("%s: logits are not finite", what);
}

/* ---- verbs --------------------------------------------------------------------------- */
static void
about(struct bench *b, const char *what)
{
    (void)b;
    (void)what;
    const struct ops *be = device_find("cuda");
    struct ctx *c = be->open(0, OP_BF16);
    printf("%s\n", be->about(c));
    be->close(c);
}

static int
ends(const char *name, const char *with)
{
    const size_t n = strlen(name), k = strlen(with);
    return n >= k && !strcmp(name + n - k, with);
}

/*
 * The deviation of a matrix: fan-in scaled, so that attention is moderately peaked and each
 * block adds .4 to the residual stream's.  With a new model's (.02) the layers would do
 * nearly nothing.
 */
static double
deviation(const char *name, const struct config *c)
{
    const double D = 1 / sqrt(c->hidden);
    return ends(name, "tok_embeddings.weight") ? .02
           : ends(name, "Wqkv.weight")         ? 1.6 * D
           : ends(name, "attn.Wo.weight")      ? .7 * D
           : ends(name, "mlp.Wo.weight")       ? .7 / sqrt(c->ffn)
                                               : D;
}

/* Uniform weights; norms are 1 and biases 0, give or take .1. */
static void
fill(const struct entry *e, const struct config *c, uint64_t key)
{
    const int norm = e->vector && ends(e->name, "norm.weight");
    const double by = sqrt(12) * (e->vector ? .1 : deviation(e->name, c));
    float *x = e->at->p;
    for (int64_t i = 0; i < (int64_t)e->rows * e->cols; i++)
        x[i] = (float)(norm + by * (rng_unit(key, (uint64_t)i) - .5));
}

static void
make(struct bench *b, const char *what)
{
    (void)what;
    struct model *m = mem_zalloc(1, sizeof *m);
    const struct ops *be = device_find("cpu");
    if (!b->dir || !b->out)
        die_usage("make: use -m DIR -o OUT");
    struct ctx *c = be->open(0, OP_PLAIN);
    model_load(m, be, c, b->dir, MODEL_TRAIN | MODEL_RANDOM, CLASSES, 1);
    for (int i = 0; i < m->entries; i++)
        fill(&m->table[i], &m->cfg, rng_key((uint64_t)b->seed, 31, (uint64_t)i));
    struct outdir *d = outdir_open(b->out, 1);
    char *config = outdir_path(d, "config.json"), *labels[CLASSES];
    for (int i = 0; i < CLASSES; i++)
        labels[i] = mem_printf("LABEL_%d", i);
    config_save(&m->cfg, config, labels, CLASSES, PROBLEM_SINGLE);
    outdir_save(d, be, c, m->table, m->entries);
    outdir_commit(d);
    for (int i = 0; i < CLASSES; i++)
        mem_free(labels[i]);
    mem_free(config);
    model_free(m);
    be->close(c);
    mem_free(m);
}

/* Random values: the power that a product draws, and so its clock, depends on them. */
static struct mat
random_mat(const struct ops *be, struct ctx *c, int n, uint64_t seed)
{
    const size_t count = (size_t)n * (size_t)n;
    struct mat m = mat_of(be->alloc(c, count * sizeof(uint16_t)), n, n, BF16);
    float *wide = mem_array(count, sizeof *wide);
    uint16_t *half = mem_array(count, sizeof *half);
    for (size_t i = 0; i < count; i++)
        wide[i] = (float)(2 * rng_unit(seed, i) - 1);
    half_narrow(half, BF16, wide, count);
    be->upload(c, m.p, half, count * sizeof *half);
    be->sync(c);
    mem_free(wide);
    mem_free(half);
    return m;
}

/* The ceiling: what the module's own product reaches; ten between two clocks. */
static void
product(struct bench *b, const char *what)
{
    (void)what;
    enum { TEN = 10 };
    const struct ops *be = device_find("cuda");
    struct ctx *c = be->open(0, OP_BF16);
    const int n = b->size;
    const struct mat x = random_mat(be, c, n, 1), y = random_mat(be, c, n, 2);
    const struct weight W = { .w = random_mat(be, c, n, 3) };
    struct times t = { .n = -WARM };
    for (const double begin = now(); t.n < 0 || goes_on(b, &t, begin); t.n++) {
        const double from = now();
        for (int i = 0; i < TEN; i++)
            be->linear(c, y, (struct mat){ 0 }, x, &W, OP_NONE);
        be->sync(c);
        if (t.n >= 0)
            t.s[t.n] = (now() - from) / TEN;
    }
    char *part = mem_printf("product-%d", n);
    put(part, &t, 0, 2.0 * n * n * n, (double)NAN);
    mem_free(part);
    be->free(c, x.p);
    be->free(c, y.p);
    be->free(c, W.w.p);
    be->close(c);
}

/* All prompts in file order, batches of whole prompts up to --tokens. */
static void
pass(const struct bench *b, struct side *s, const struct prompts *p, float *logits)
{
    const int *cu = prompts_cu(p);
    for (int from = 0, to; from < p->n; from = to) {
        for (to = from + 1; to < p->n && cu[to + 1] - cu[from] <= b->tokens;)
            to++;
        side_run(s, p, from, to, CREW_LOGITS, logits + from * s->m.classes);
    }
}

/* BxS, or the prompts of a file; *S is 0 then. */
static void
prompts_of(struct prompts *p, const struct config *c, const char *what, int *B, int *S)
{
    int end = 0;
    if (sscanf(what, "%dx%d%n", B, S, &end) == 2 && !what[end] && *B > 0 && *S > 0) {
        if (*S > c->positions)
            die_usage("%s: the model takes %d tokens", what, c->positions);
        prompts_shape(p, c, *B, *S);
        return;
    }
    *B = *S = 0;
    prompts_file(p, c, what);
}

/* Passes over `what`, timed one by one. */
static void
passes(struct bench *b, const char *what, const char *name, int warm)
{
    struct prompts p = { 0 };
    struct times *t = mem_zalloc(1, sizeof *t);
    struct side *s = side_open("cuda", OP_BF16, b->dir);
    int B, S;
    if (s->m.head != HEAD_SEQUENCE)
        die_data("'%s': no head that classifies sequences", b->dir);
    prompts_of(&p, &s->m.cfg, what, &B, &S);
    float *logits = mem_array((size_t)p.n * (size_t)s->m.classes, sizeof *logits);
    t->n = -warm;
    for (const double begin = now(); t->n < 0 || goes_on(b, t, begin); t->n++) {
        const double from = now();
        pass(b, s, &p, logits);
        if (t->n >= 0)
            t->s[t->n] = now() - from;
    }
    must_be_finite(logits, (size_t)p.n * (size_t)s->m.classes, what);
    char *part = S ? mem_printf("%s-%d", name, S) : mem_printf("%s-mix", name);
    put(part, t, prompts_tokens(&p), operations_of(&s->m.cfg, &p), (double)logits[0]);
    mem_free(part);
    mem_free(logits);
    prompts_free(&p);
    side_close(s);
    mem_free(t);
}

static void
forward(struct bench *b, const char *what)
{
    passes(b, what, "forward", WARM);
}

/* The first runs of a batch are ops one by one, and a recording. */
static void
latency(struct bench *b, const char *what)
{
    passes(b, what, "latency", 10 * WARM);
}

/* The most prompts of S tokens whose activations fit beside the parameters in four fifths
 * of --memory MiB (0: not known, all of them). */
static int
micro_batch(const struct bench *b, const struct trainer *t, int B, int S)
{
    const size_t room = (size_t)b->memory << 20;
    int micro = B;
    for (; micro > 1; micro = (micro + 1) / 2) {
        struct arena a = { 0 };
        struct acts *s = mem_zalloc(1, sizeof *s);
        acts_place(s, &a, &t->m, ACTS_TRAIN, t->m.be->type(t->m.c), micro * S, micro);
        mem_free(s);
        /* weights, gradients, two moments; a copy of the weights in bf16 */
        if (!room || a.used + t->gradient_bytes / 2 * 9 <= room / 5 * 4)
            break;
    }
    return micro;
}

static void
train(struct bench *b, const char *what)
{
    struct prompts p = { 0 };
    struct times *times = mem_zalloc(1, sizeof *times);
    struct trainer *t = tutor_open("cuda", OP_BF16, b->dir);
    int B, S;
    prompts_of(&p, &t->m.cfg, what, &B, &S);
    if (!S)
        die_usage("train: '%s' is not BxS", what);
    const int micro = micro_batch(b, t, B, S);
    struct adam a = { 1e-5, .9, .999, 1e-8, .01, 1, 1 };
    printf("# train: %d prompts at a time\n", micro);
    times->n = -WARM;
    for (const double begin = now(); times->n < 0 || goes_on(b, times, begin); times->n++) {
        double loss, norm;
        const double from = now();
        tutor_add(t, &p, micro);
        const char *why = trainer_step(t, &a, &loss, &norm);
        if (why)
            die_data("step %lld: %s", (long long)a.step, why);
        t->m.be->sync(t->m.c);
        a.step++;
        if (times->n >= 0)
            times->s[times->n] = now() - from;
    }
    char *part = mem_printf("train-%d", S);
    put(part, times, prompts_tokens(&p), 3 * operations_of(&t->m.cfg, &p), (double)NAN);
    mem_free(part);
    prompts_free(&p);
    tutor_close(t);
    mem_free(times);
}

static const struct { const char *name; void (*run)(struct bench *b, const char *what); }
verbs[] = { { "about", about },     { "make", make },       { "product", product },
            { "forward", forward }, { "latency", latency }, { "train", train } };
enum { VERBS = sizeof verbs / sizeof *verbs, ALONE = 3 }; /* the first take no operand */

int
main(int argc, char **argv)
{
    struct bench b = { .reps = 20, .tokens = 65536, .size = 8192, .seconds = 8, .seed = 1 };
    const struct opt table[] = {
        OPT_STR('m', "model", &b.dir, "DIR", "model directory"),
        OPT_STR('o', "output", &b.out, "DIR", "make: the directory to write"),
        OPT_I64(0, "seed", &b.seed, 0, 1LL << 53, "N", "make: of the weights (1)"),
        OPT_INT(0, "reps", &b.reps, 1, RUNS, "N", "runs that are counted (20)"),
        OPT_F64(0, "seconds", &b.seconds, 0, 3600, "N", "after which no run begins (8)"),
        OPT_INT(0, "tokens", &b.tokens, 1, 1 << 24, "N", "of a batch (65536)"),
        OPT_INT(0, "size", &b.size, 1, 1 << 15, "N", "of the product (8192)"),
        OPT_INT(0, "memory", &b.memory, 0, 1 << 24, "MIB", "free on the card; 0: unknown"),
        OPT_FLAG('q', "quiet", &quiet, "no warnings"),
        OPT_END
    };
    argc = opt_parse(argc, argv, "VERB [-m DIR] [BxS | FILE]", table);
    int verb = 0;
    while (argc && verb < VERBS && strcmp(verbs[verb].name, argv[0]))
        verb++;
    if (!argc || verb == VERBS)
        die_usage("which one: about, make, product, forward, latency or train?");
    if (verb >= ALONE && (!b.dir || argc < 2))
        die_usage("%s: use -m DIR and BxS", argv[0]);
    for (int i = 1; i < argc || (verb < ALONE && i == 1); i++)
        verbs[verb].run(&b, argv[i]);
    stdout_close();
    return EXIT_OK;
}
