#ifndef MBERT_PARAMS_H
#define MBERT_PARAMS_H
/*
 * params - every parameter of the model, in ONE table.
 *
 * params_table lists (name in the checkpoint, where it lives, shape, decays or not, how it
 * is initialised).  Loading with shape checks, saving, gradients, moments, packing and the
 * weight-decay mask all walk this table; nothing else knows the names.
 */
#include "common/base/mem.h"
#include "common/ops/ops.h"
#include "formats/config.h"

enum head_kind { HEAD_NONE, HEAD_SEQUENCE, HEAD_TOKEN, HEAD_MLM };

struct layer_params {
    struct lnorm attn_norm;         /* absent (w.p NULL) in layer 0 */
    struct weight Wqkv, Wo;
    struct lnorm mlp_norm;
    struct weight Wi, Wo2;          /* mlp.Wi, mlp.Wo */
};
struct params {
    struct mat E;                   /* embeddings.tok_embeddings.weight [V,D] */
    struct lnorm embed_norm;
    struct layer_params layer[CONFIG_LAYERS];
    struct lnorm final_norm;
    struct weight dense;            /* head.dense */
    struct lnorm head_norm;
    struct weight classifier;
    struct mat decoder_bias;        /* [1,V]; decoder.weight is tied to E */
};

enum { PARAMS_MAX = 16 + CONFIG_LAYERS * 12 };
struct entry {
    char name[72];                  /* with "model." where transformers has it */
    struct mat *at;                 /* the field of the params that was passed */
    struct weight *of;              /* the linear layer whose w it is, or NULL */
    int rows, cols;                 /* vectors: rows 1; shape in files [cols] then */
    unsigned char decays;           /* by weight decay: all but norm weights and biases */
    unsigned char vector;           /* 1-D in the file */
    short layer;                    /* -1 the embeddings, 0 .. L-1, L final_norm, L+1 the head */
    double std;                     /* new: truncated normal; 0: zeros; -1: ones */
};
/*
 * Fills out[PARAMS_MAX] for the config, the head and `classes` outputs; returns how many.
 * Call it with the weights', the gradients' and the moments' struct params in turn: entry i
 * is the same parameter each time.
 */
int params_table(struct entry *out, const struct config *cfg, enum head_kind head,
                 int classes, struct params *p);
/* Keeps of table[n] what is the head's (head.*, classifier.*); returns how many. */
int params_head(struct entry *table, int n);
/*
 * Gives every entry an F32 matrix in the arena (run twice: measure, place), 64-byte
 * aligned, contiguous rows.
 */
void params_place(struct arena *a, const struct entry *table, int n);
/* Initialises one entry (host memory) as transformers does; random stream (seed, index). */
void params_init(const struct entry *e, uint64_t seed, uint64_t index, double cutoff);
#endif
