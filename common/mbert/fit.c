#include "common/mbert/fit.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/base/die.h"
#include "common/mbert/classifier.h"
#include "common/mbert/graft.h"
#include "common/mbert/headfit.h"
#include "common/mbert/outdir.h"
#include "common/mbert/weights.h"
#include "formats/sink.h"

enum { BLOCK = 1024 };

struct run {
    const struct fit_options *o;
    struct model m;
    struct vectors v;
    struct outdir *out;
    struct ctx *c;
};

/* ---- does the stream belong to the model? ---- */
static void
check_stream(const struct run *r, const struct stream_in *in)
{
    static const char *const poolings[] = { "cls", "mean" };
    const char *made_by = record_meta(stream_head(in), "model"),
               *chain = record_meta(stream_head(in), "chain"),
               *own = poolings[r->m.cfg.pooling], *other = poolings[!r->m.cfg.pooling];
    char *wrong = mem_printf("--pooling %s", other);
    if (made_by && strtoull(made_by, NULL, 16) != r->m.fingerprint)
        die_data("'%s' was made by model %s, but '%s' is %016" PRIx64, stream_name(in),
                 made_by, r->o->dir, r->m.fingerprint);
    if (chain && strstr(chain, wrong))
        die_data("'%s' was pooled as %s, but '%s' pools as %s (classifier_pooling in "
                 "config.json)", stream_name(in), other, r->o->dir, own);
    if (chain && strstr(chain, "--normalize"))
        die_data("'%s' has normalized vectors: run mbert-fwd without --normalize",
                 stream_name(in));
    if (chain && strstr(chain, "--attention global"))
        die_data("'%s' was made with --attention global, which '%s' does not have",
                 stream_name(in), r->o->dir);
    mem_free(wrong);
}

/* What a kept head must have, or what a trained one starts without. */
static void
check_head(const struct run *r)
{
    struct buf fresh = { 0 };
    for (int i = 0; i < r->m.entries; i++) {
        const char *name = r->m.table[i].name;
        if (strncmp(name, "head.", 5) || weights_find(&r->m, name))
            continue;
        if (r->o->what == FIT_CLASSIFIER)
            die_data("'%s': tensor '%s' is missing: there is no head to keep; use --fit "
                     "head", r->m.name, name);
        buf_printf(&fresh, " %s", name);
    }
    if (fresh.n && !quiet)
        fprintf(stderr, "%s: new:%.*s\n", argv0, (int)fresh.n, fresh.p);
    mem_free(fresh.p);
}

/* Pooled vectors become the head's output, in place. */
static void
through_head(struct run *r)
{
    const struct ops *be = r->m.be;
    struct acts acts = { 0 };
    for (int64_t at = 0; at < r->v.e.n; at += BLOCK) {
        const int n = r->v.e.n - at < BLOCK ? (int)(r->v.e.n - at) : BLOCK;
        const size_t bytes = (size_t)n * (size_t)r->v.dim * sizeof(float);
        acts_fit(&acts, &r->m, ACTS_INFER, F32, 1, n);
        struct acts s = acts_cut(&acts, 1, n);
        be->upload(r->m.c, s.pooled.p, vectors_row(&r->v, at), bytes);
        head_forward(&r->m, &s, s.pooled);
        be->download(r->m.c, vectors_row(&r->v, at), s.head_out.p, bytes);
    }
    acts_free(&acts, &r->m);
}

static void
open_run(struct run *r, struct stream_in *in)
{
    const struct ops *be = ops_find("cpu");
    r->out = outdir_open(r->o->out, r->o->force);
    outdir_also(r->out, "log.jsonl");
    r->c = model_ctx(be, r->o->threads, OP_F32, r->o->dir);
    model_load(&r->m, be, r->c, r->o->dir, MODEL_TRAIN | MODEL_HEAD, 1, 0);
    check_stream(r, in);
    check_head(r);
    vectors_read(&r->v, in, r->m.cfg.hidden);
    examples_names(&r->v.e, r->o->labels);
}

static void
save(struct run *r, const struct model *m, const struct entry *fresh, int n,
     const struct buf *log)
{
    struct examples *e = &r->v.e;
    char *path = outdir_path(r->out, "model.safetensors"),
         *config = outdir_path(r->out, "config.json"),
         *told = outdir_path(r->out, "log.jsonl");
    struct sink *to = sink_open(told);
    sink_write(to, log->p, log->n);
    sink_commit(to);
    graft_save(m, e->label_n, fresh, n, path);
    config_save(&m->cfg, config, e->label, e->label_n, e->problem);
    outdir_copy_tokenizer(r->out, r->o->dir);
    outdir_commit(r->out);
    mem_free(path);
    mem_free(config);
    mem_free(told);
}

static void
fit_classifier(struct run *r)
{
    struct buf log = { 0 };
    struct mat w = { 0 }, b = { 0 };
    const struct entry fresh[] = { { .name = "classifier.weight", .at = &w },
                                   { .name = "classifier.bias", .at = &b } };
    through_head(r);
    classifier_fit(r->o, &r->v, r->m.be->threads(r->c), &w, &b, &log);
    save(r, &r->m, fresh, 2, &log);
    mem_free(log.p);
    mem_free(w.p);
    mem_free(b.p);
}

static void
fit_head(struct run *r)
{
    struct trainer *t = mem_zalloc(1, sizeof *t);
    struct buf log = { 0 };
    model_free(&r->m);
    headfit_run(r->o, t, r->c, &r->v, &log);
    save(r, &t->m, t->m.table, t->m.entries, &log);
    trainer_close(t);
    mem_free(t);
    mem_free(log.p);
}

void
fit_run(const struct fit_options *o, struct stream_in *in)
{
    struct run *r = mem_zalloc(1, sizeof *r);
    r->o = o;
    open_run(r, in);
    const struct ops *be = r->m.be;
    (o->what == FIT_HEAD ? fit_head : fit_classifier)(r);
    model_free(&r->m);
    be->close(r->c);
    vectors_free(&r->v);
    mem_free(r);
}
