#ifndef MBERT_MODEL_H
#define MBERT_MODEL_H
/*
 * model - a model directory in memory.
 *
 * Inference: weights stay in the mapped file (any float type) and are packed for the backend.
 * MODEL_TRAIN: every parameter is an F32 copy of ours, in one arena, so that gradients and
 * moments can mirror it.
 */
#include "common/mbert/params.h"
#include "formats/safetensors.h"

enum model_flags {
    MODEL_TRAIN = 1,       /* F32 masters; a missing classifier is made new, MLM's decoder dropped */
    MODEL_HEAD = 2,        /* only head.dense, head.norm, classifier (clf-head) */
    MODEL_RANDOM = 4,      /* with MODEL_TRAIN: config.json alone, all new */
    MODEL_BODY = 8         /* encoder only: the head may be missing */
};
struct model {
    struct config cfg;
    enum head_kind head;            /* what the file holds (or, training, HEAD_SEQUENCE) */
    int classes;                    /* rows of the classifier; 0 without one */
    struct params p;
    struct entry table[PARAMS_MAX];
    int entries;
    uint64_t fingerprint;           /* XXH64 of config fields used, safetensors header, 4 KiB of each tensor */
    struct rope rope[2];            /* [0] local, [1] global; device memory */
    int positions;                  /* rows of the rope tables */
    const struct ops *be;
    struct ctx *c;
    struct safetensors *file;
    void *memory, *blobs;
};
/*
 * Loads DIR.  classes: for MODEL_TRAIN the number of labels (a classifier of another shape
 * in the file is replaced, and said); else 0 = as the file.  seed: of what is new.  What is
 * new and what is dropped goes to stderr.  Missing tensors, wrong shapes, unknown types:
 * die_data naming tensor and file.  Names with and without "model." are accepted.
 */
void model_load(struct model *m, const struct ops *be, struct ctx *c, const char *dir,
                unsigned flags, int classes, uint64_t seed);
void model_free(struct model *m);
/* Makes the rope tables at least `longest` positions long (a no-op when they are). */
void model_positions(struct model *m, int longest);
/* Refreshes the packed blobs after the masters changed. */
void model_pack(struct model *m);
#endif
