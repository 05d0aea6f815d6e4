#ifndef MBERT_ENTITIES_H
#define MBERT_ENTITIES_H
/*
 * entities - classes of a prompt's tokens to stretches of its text.
 *
 * A token has the class of the highest probability.  Outside is the class named O, or class
 * 0 when none is.  Names may begin with B- or I-: what follows is the label; B- begins a
 * new stretch, I- goes on with one of the same label, or begins one where there is none.  A
 * name without goes on with the same name.
 *
 * Where it is known what word a token is of, a word is one: its first token says the class,
 * as it did in training; a stretch is from the first word's start to the last's end.
 */
#include "formats/sequences.h"
struct tag { char part; int label; };  /* 'B', 'I' or 0; the first class of that label */
struct entities {
    int classes, outside;
    char *const *name;                 /* [classes], the caller's */
    struct tag *tag;                   /* [classes] */
};
struct entity_tokens {
    int64_t from, n;                   /* tokens [from, from + n) of the record */
    const struct tensor *words;        /* I32 [T,2]: of a token's word, or NULL */
    const struct tensor *spans; /* I32 [T,2]: of a token, or NULL: token numbers, from 0 */
};
void entities_open(struct entities *e, char *const *name, int classes);
void entities_free(struct entities *e);
/*
 * Appends ,"spans":[{"start":S,"end":E,"label":L,"score":P},...] from p [n, classes]; P is
 * the mean of its tokens' (words') probabilities.  From 0 to 0 is a special token.
 */
void entities_put(const struct entities *e, const struct entity_tokens *t, const float *p,
                  struct buf *out);
#endif
