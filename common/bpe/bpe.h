#ifndef BPE_BPE_H
#define BPE_BPE_H
/*
 * bpe - private to the encoders: the tables of one tokenizer, read-only and shared by
 * threads.
 */
#include "common/bpe/added.h"
#include "common/bpe/boundary.h"
#include "common/bpe/pairs.h"
#include "common/bpe/pretok.h"
enum { BPE_RUN_MAX = 63 };
struct bpe {
    const struct tokenizer *tokenizer;
    struct added_set *raw, *normal; /* NULL: no such token */
    pretok_fn *next;
    int nfc;
    struct merges *merges;          /* for encode.h; NULL until an encoder asks */
    /* for batch.h; pairs NULL: the tokenizer does not fit its ways */
    struct pairs *pairs;
    struct added_set *rest;         /* normal, less runs of blanks; NULL: none */
    unsigned run;                   /* the longest run of blanks that is a token; 0: none */
    uint16_t run_id[BPE_RUN_MAX + 1];
    boundary_fn *boundary;
    struct scan_classes classes;
    const struct scan *scan;
};
const struct merges *bpe_merges(struct bpe *b); /* makes them if need be */
#endif
