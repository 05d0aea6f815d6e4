#ifndef MBERT_MODEL_H
#define MBERT_MODEL_H
/*
 * model - a model directory in memory.
 *
 * Inference: weights stay in the mapped file (any float type) and are packed for the
 * backend; vectors are F32 copies.  MODEL_TRAIN: every parameter is an F32 copy of ours, in
 * one arena, so that gradients and moments can mirror it.
 */
#include "common/mbert/params.h"
#include "formats/safetensors.h"

enum model_flags {
    MODEL_TRAIN = 1,       /* F32 masters; HEAD_SEQUENCE; what the file lacks of it is new */
    MODEL_HEAD = 2,        /* only head.dense, head.norm, classifier (clf-head); with
                              MODEL_TRAIN too, then what is new is not said */
    MODEL_RANDOM = 4,      /* with MODEL_TRAIN: config.json alone, all new */
    MODEL_BODY = 8,        /* encoder only: the head is not loaded; HEAD_NONE */
    MODEL_PACK = 16,       /* packs anew, whatever lies beside the model */
    MODEL_RECOMPUTE = 32,  /* with MODEL_TRAIN: acts.h keeps the layers' inputs alone */
    MODEL_TOKEN = 64,      /* with MODEL_TRAIN: HEAD_TOKEN, whatever the file holds */
    MODEL_MLM = 128        /* with MODEL_TRAIN: HEAD_MLM */
};
/*
 * Layers that int8 leaves in bf16.  What it does to the first passes through all others, and
 * that one's Wqkv reads embeddings that no norm precedes: in bf16 it leaves .7 (22 layers) to
 * .6 (6) of the whole error.
 */
enum { MODEL_FINE_LAYERS = 1 };
struct model {
    struct config cfg;
    unsigned flags;
    enum head_kind head;            /* what the file holds; training, what the flags say */
    int classes;                    /* rows of the classifier; 0 without one */
    /* Training, the caller's: 0, or what gets no gradient: 1 + n the embeddings and the n
     * lowest layers, layers + 2 the whole encoder. */
    int frozen;
    struct params p;
    struct weight decoder;          /* HEAD_MLM: E with decoder.bias; training: for A */
    struct entry table[PARAMS_MAX];
    int entries;
    uint64_t fingerprint;           /* 0 with MODEL_RANDOM; else see model_load */
    struct rope rope[2];            /* [0] local, [1] global; device memory */
    int positions;                  /* rows of the rope tables that are filled */
    const struct ops *be;
    struct ctx *c;
    struct safetensors *file;
    const char *name;               /* of the file (MODEL_RANDOM: DIR), for messages */
    const char *dir;                /* as given to model_load */
    void *memory, *blobs;
    size_t blob_bytes, mapped;      /* mapped > 0: blobs are a packfile's */
};
/*
 * Loads DIR.  classes: for MODEL_TRAIN the number of labels (a classifier of another shape
 * in the file is replaced, and said); else 0 = as the file.  seed: of what is new (entry i
 * of the table is stream (seed, i)).  What is new, replaced and dropped goes to stderr.
 * Missing tensors, wrong shapes, unknown types: die_data naming tensor and file.  Names
 * with and without "model." are accepted.  MODEL_HEAD without a classifier: die_data.
 *
 * fingerprint = XXH64 over the config fields that shape the computation, the safetensors
 * header and the first 4 KiB of each tensor: the same whatever the flags.
 */
void model_load(struct model *m, const struct ops *be, struct ctx *c, const char *dir,
                unsigned flags, int classes, uint64_t seed);
void model_free(struct model *m);
/* The backend of --device `name`; die_usage when this build has none. */
const struct ops *model_backend(const char *name);
/*
 * A context of be that can compute the model in DIR: shapes that are no multiples of 32 go
 * OP_PLAIN; asked for as bf16 or int8 they are die_usage.
 */
struct ctx *model_ctx(const struct ops *be, int threads, enum precision precision,
                      const char *dir);
/* Makes the rope tables at least `longest` <= cfg.positions long, if they are not. */
void model_positions(struct model *m, int longest);
/* Packs the weights, or at inference maps what `mbert-fwd --pack` has left beside the model.
 * Called again it refreshes the blobs after the masters changed. */
void model_pack(struct model *m);
#endif
