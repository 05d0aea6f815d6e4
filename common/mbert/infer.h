#ifndef MBERT_INFER_H
#define MBERT_INFER_H
/*
 * infer - a tokens or batch stream through the model: what mbert-fwd does.
 *
 * A record of a batch stream is one batch (cut at 65,536 tokens); a record of a tokens
 * stream is cut at 8,192.  Output: kind pooled, hidden or logits, one record a batch
 * (EMIT_LAYERS: one a batch and layer, hidden.0 .. hidden.L, final_hidden), with all that
 * travels along.
 * The head gains `model`, `dtype` and, when it has none, `labels` from id2label.
 * An output that is not finite is die_data naming file, record and row.
 */
#include "formats/stream.h"
enum infer_emit { EMIT_POOLED, EMIT_HIDDEN, EMIT_LAYERS, EMIT_LOGITS };
struct infer_options {
    const char *dir;      /* model directory */
    int emit;             /* enum infer_emit, or -1: logits of a token classifier, else pooled */
    int pooling;          /* enum pooling, or -1: as the config says */
    int normalize;        /* EMIT_POOLED: vectors of length 1 */
    int attention_global; /* ignore the windows */
    const char *device;   /* "cpu", "cuda", "auto" */
    int dtype;            /* enum precision: auto, f32, bf16, int8 */
    int pack;             /* the weights are packed anew, for infer_pack */
    int threads;          /* threads 0: as many as the machine has */
};
struct infer;
/* Loads the model.  Contradictory options, a device this build lacks: die_usage. */
struct infer *infer_open(const struct infer_options *o);
const char *infer_kind(const struct infer *f);       /* of the output */
const char *infer_provenance(const struct infer *f); /* essential options, for the chain */
/* Writes the packed weights beside the model (see packfile.h) and says where on stdout. */
void infer_pack(const struct infer *f);
void infer_print(const struct infer *f); /* what was resolved: "key<TAB>value" on stdout */
/* Checks in's head against the model, then runs every record; the caller ends out. */
void infer_run(struct infer *f, struct stream_in *in, struct stream_out *out);
void infer_close(struct infer *f);
#endif
