#include "common/mbert/infer.h"
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/mbert/feed.h"
#include "common/mbert/output.h"
#include "common/mbert/packfile.h"

enum { BATCH_TOKENS = 65536, CUT_TOKENS = 8192, RECORD_BYTES = 192 << 20 };

struct infer {
    struct infer_options o;
    char *provenance;
    struct model m;
    struct crew *crew;
    struct feed feed;
    struct output output;
    struct buf host, layer;
    struct pinned { float *p; size_t bytes; } ahead[2]; /* results of two batches in flight */
    int turn;                                           /* whose the next batch is */
};

static const char *const emits[] = { "pooled", "hidden", "layers", "logits" };
static const char *const poolings[] = { "cls", "mean" };

/* What is wanted of a model when nothing is said: vectors for a head that sees one a prompt,
 * logits where the head sees every token. */
static int
emit_of(const struct infer_options *o)
{
    struct config *c = mem_zalloc(1, sizeof *c);
    config_load(c, o->dir);
    const int token = c->arch == ARCH_TOKEN && !o->normalize && o->pooling < 0;
    config_free(c);
    mem_free(c);
    return token ? EMIT_LOGITS : EMIT_POOLED;
}

static void
check_options(struct infer_options *o)
{
    if (!o->dir)
        die_usage("-m DIR is required");
    if (o->emit < 0)
        o->emit = emit_of(o);
    if (o->normalize && o->emit != EMIT_POOLED)
        die_usage("--normalize needs --emit pooled");
    if (o->pooling >= 0 && (o->emit == EMIT_HIDDEN || o->emit == EMIT_LAYERS))
        die_usage("--pooling needs --emit pooled or logits");
}

/* What the products were computed in: results of two precisions do not mix in a stream. */
static const char *
precision_of(const struct infer *f)
{
    static const char *const names[] = { "", "F32", "BF16", "INT8", "F32" };
    return names[f->m.be->precision(f->m.c)];
}

struct infer *
infer_open(const struct infer_options *options)
{
    struct infer *f = mem_zalloc(1, sizeof *f);
    struct infer_options *o = &f->o;
    *o = *options;
    check_options(o);
    const struct ops *be = model_backend(o->device);
    model_load(&f->m, be, model_ctx(be, o->threads, (enum precision)o->dtype, o->dir), o->dir,
               o->pack                     ? MODEL_PACK
               : o->emit == EMIT_LOGITS ? 0
                                        : MODEL_BODY,
               0, 0);
    f->crew = crew_open(&f->m);
    if (o->emit == EMIT_LOGITS && f->m.head == HEAD_NONE)
        die_data("'%s': no head that makes logits ('architectures' in config.json); "
                 "use --emit pooled", o->dir);
    if (f->o.pooling < 0)
        f->o.pooling = (int)f->m.cfg.pooling;
    const int pools = o->emit == EMIT_POOLED || f->m.head == HEAD_SEQUENCE;
    f->provenance =
        mem_printf("--emit %s%s%s%s%s", emits[o->emit], pools ? " --pooling " : "",
                   pools ? poolings[f->o.pooling] : "", o->normalize ? " --normalize" : "",
                   o->attention_global ? " --attention global" : "");
    return f;
}

const char *
infer_kind(const struct infer *f)
{
    return f->o.emit == EMIT_LAYERS ? "hidden" : emits[f->o.emit];
}

const char *
infer_provenance(const struct infer *f)
{
    return f->provenance;
}

/* Bytes of rows x cols floats of output `name`; a record that is too long is refused. */
static size_t
bytes_of(const struct infer *f, const char *name, int rows, int cols)
{
    const size_t bytes = mem_mul(mem_mul((size_t)rows, (size_t)cols), sizeof(float));
    if (bytes > RECORD_BYTES)
        stream_bad(f->feed.in, "row %lld: '%s' takes %zu bytes, more than a record holds; "
                   "cut with bpe-tok --max-length", (long long)f->feed.row[0], name, bytes);
    return bytes;
}

static float *
room_for(struct buf *b, size_t bytes)
{
    b->n = 0;
    return buf_room(b, bytes);
}

static void
put_layer(void *arg, int layer, struct mat x)
{
    struct infer *f = arg;
    char name[32];
    snprintf(name, sizeof name, "hidden.%d", layer);
    const size_t bytes = bytes_of(f, name, x.rows, x.cols);
    float *host = room_for(&f->layer, bytes);
    f->m.be->download(f->m.c, host, x.p, bytes);
    output_put(&f->output, &f->feed, (struct result){ name, host, x.rows, x.cols, 1, 0 });
}

/* The buffer for the next batch of a device: the other one's result is not written yet. */
static float *
pinned_for(struct infer *f, size_t bytes)
{
    struct pinned *p = &f->ahead[f->turn];
    f->turn ^= 1;
    if (bytes > p->bytes) {
        if (p->p)
            f->m.be->host_free(f->m.c, p->p);
        p->p = f->m.be->host_alloc(f->m.c, bytes);
        p->bytes = bytes;
    }
    return p->p;
}

/* The host's processor computes the batch; a device is given it, and while it computes the
 * batch before is written. */
static void
run_batch(struct infer *f)
{
    struct feed *d = &f->feed;
    const int layers = f->o.emit == EMIT_LAYERS,
              ahead = !layers && !f->m.be->shares_memory(f->m.c);
    const struct crew_job j = {
        .ids = d->ids, .cu = d->cu, .n = d->seqs,
        .output = f->o.emit == EMIT_POOLED   ? CREW_POOLED
                  : f->o.emit == EMIT_LOGITS ? CREW_LOGITS
                                             : CREW_HIDDEN,
        .pooling = (enum pool_kind)f->o.pooling,
        .window_off = f->o.attention_global,
        .each = layers ? put_layer : NULL, .arg = f,
    };
    const char *name = f->o.emit == EMIT_HIDDEN || layers ? "final_hidden" : emits[f->o.emit];
    const int rows = crew_rows(f->crew, &j), cols = crew_cols(f->crew, &j);
    const size_t bytes = bytes_of(f, name, rows, cols);
    float *host = ahead ? pinned_for(f, bytes) : room_for(&f->host, bytes);
    const struct result r = { name, host, rows, cols, crew_by_token(f->crew, &j), 1 };
    if (!ahead) {
        crew_run(f->crew, &j, host);
        output_put(&f->output, d, r);
        return;
    }
    crew_start(f->crew, &j, host);
    output_flush(&f->output, 1);
    output_hold(&f->output, d, r);
}

static void
flush_all(void *arg)
{
    output_flush(arg, 0);
}

/* What was computed before the fault is written before the fault is told downstream. */
static void
flush_at_death(void *arg, int status, const char *message)
{
    (void)status;
    (void)message;
    output_flush(arg, 0);
}

/* Tokens that one batch may have, so that each of its records fits. */
static int
budget_of(const struct infer *f, const struct stream_in *in)
{
    const int most = strcmp(stream_kind(in), "tokens") ? BATCH_TOKENS : CUT_TOKENS;
    const int logits = f->m.head == HEAD_MLM     ? f->m.cfg.vocab
                       : f->m.head == HEAD_TOKEN ? f->m.classes
                                                 : 1;
    const int cols = f->o.emit == EMIT_LOGITS ? logits : f->m.cfg.hidden;
    const int fit = (int)(RECORD_BYTES / ((size_t)cols * sizeof(float)));
    return fit < most ? fit : most;
}

void
infer_run(struct infer *f, struct stream_in *in, struct stream_out *out)
{
    const struct config *c = &f->m.cfg;
    struct image *head = stream_header(out);
    feed_check(in, c, f->o.dir);
    image_metaf(head, "model", "%016" PRIx64, f->m.fingerprint);
    image_meta(head, "dtype", precision_of(f));
    if (!record_meta(stream_head(in), "labels") && c->label)
        stream_labels_set(head, c->label, c->labels);
    f->feed = (struct feed){ .in = in, .budget = budget_of(f, in), .vocab = c->vocab,
                             .positions = c->positions, .dir = f->o.dir };
    f->output = (struct output){ .in = in, .out = out, .dir = f->o.dir, .crew = f->crew,
                                 .normalize = f->o.normalize };
    stream_before_wait(in, flush_all, &f->output);
    die_hook(flush_at_death, &f->output);
    while (feed_next(&f->feed))
        run_batch(f);
    output_flush(&f->output, 0);
    die_unhook(flush_at_death, &f->output);
    stream_before_wait(in, NULL, NULL);
    output_free(&f->output);
    feed_free(&f->feed);
}

void
infer_pack(const struct infer *f)
{
    if (!f->m.blobs || !f->m.be->shares_memory(f->m.c))
        die_usage("--pack: nothing of '%s' is packed for this device in this --dtype",
                  f->o.dir);
    packfile_save(&f->m, f->o.dir, f->m.blob_bytes);
    char *path = packfile_path(&f->m, f->o.dir);
    printf("%s\n", path);
    mem_free(path);
}

static void
print_config(const struct config *c)
{
    static const char *const acts[] = { "none", "gelu", "silu", "gelu_pytorch_tanh",
                                        "relu" };
    printf("hidden\t%d\nlayers\t%d\nheads\t%d of %d\nffn\t%d\nvocab\t%d\npositions\t%d\n",
           c->hidden, c->layers, c->heads, c->head_size, c->ffn, c->vocab, c->positions);
    printf("window\t%d keys to each side\nglobal layers\t", c->window);
    for (int i = 0; i < c->layers; i++)
        putchar(c->global[i] ? 'g' : '-');
    printf("\nrope theta\t%.9g global, %.9g local\nnorm eps\t%.9g\n", c->theta_global,
           c->theta_local, c->norm_eps);
    printf("activation\t%s, head %s\n", acts[c->act], acts[c->classifier_act]);
}

/* What is multiplied in which type. */
static void
print_products(const struct infer *f)
{
    switch (f->m.be->precision(f->m.c)) {
    case OP_INT8:
        printf("products\tint8 in layers %d to %d, bf16 in the rest and in attention, f32 in "
               "the head\n", MODEL_FINE_LAYERS, f->m.cfg.layers - 1);
        return;
    case OP_BF16: printf("products\tbf16 in every layer, f32 in the head\n"); return;
    default: printf("products\tf32\n");
    }
}

void
infer_print(const struct infer *f)
{
    static const char *const heads[] = { "none used", "sequence classification",
                                         "token classification", "masked LM" };
    printf("model\t%s\nfingerprint\t%016" PRIx64 "\n", f->o.dir, f->m.fingerprint);
    print_config(&f->m.cfg);
    printf("head\t%s\n", heads[f->m.head]);
    if (f->m.classes)
        printf("classes\t%d\n", f->m.classes);
    printf("emit\t%s\npooling\t%s\nnormalize\t%s\nattention\t%s\n", emits[f->o.emit],
           poolings[f->o.pooling], f->o.normalize ? "yes" : "no",
           f->o.attention_global ? "global (windows ignored)" : "config");
    print_products(f);
    printf("device\t%s\ndtype\t%s\nweights\t%s\n", f->m.be->about(f->m.c), precision_of(f),
           f->m.mapped ? "packed before (--pack)" : f->m.blobs ? "packed now" : "as they lie");
}

void
infer_close(struct infer *f)
{
    const struct ops *be = f->m.be;
    struct ctx *c = f->m.c;
    for (int i = 0; i < 2; i++)
        if (f->ahead[i].p)
            be->host_free(c, f->ahead[i].p);
    crew_close(f->crew);
    model_free(&f->m);
    be->close(c);
    mem_free(f->host.p);
    mem_free(f->layer.p);
    mem_free(f->provenance);
    mem_free(f);
}
