#ifndef BPE_PLAN_H
#define BPE_PLAN_H
/*
 * plan - private to tokenize.h: the options with the model they are for, read-only while
 * threads work.
 */
#include "common/bpe/encode.h"
#include "common/bpe/label.h"
#include "common/bpe/tokenize.h"
#include "formats/config.h"
#include "formats/tokenizer.h"
enum { PLAN_KEEPS = 32 };
struct image;
/* what is wrong with a line, worded once: messages that name a field */
enum { MESSAGE_NO_TEXT, MESSAGE_TEXT, MESSAGE_NO_PAIR, MESSAGE_PAIR, MESSAGE_NO_ID, MESSAGES };
struct plan {
    const struct tokenize_options *o;
    struct tokenizer tokenizer;
    struct config config;
    int has_config, vocab, wide;     /* wide: ids I32, else U16 */
    size_t limit;                    /* ids of a sequence at most, special tokens included */
    size_t specials;                 /* that the template adds */
    struct labels labels;
    const char *label_field;         /* where a line has its label */
    struct bpe *bpe;
    char keep[PLAN_KEEPS][128];      /* kept fields; the first is the id when there is one */
    int keeps, has_id;
    char *message[MESSAGES];         /* NULL where the field has no name */
};
void plan_open(struct plan *p, const struct tokenize_options *o); /* dies of what is wrong */
void plan_close(struct plan *p);
/* The stream's head: tokenizer, vocabulary, limits, labels. */
void plan_head(const struct plan *p, struct image *head);
char *plan_options(const struct plan *p); /* as typed, for the head's chain; mem_free */
#endif
