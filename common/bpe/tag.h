#ifndef BPE_TAG_H
#define BPE_TAG_H
/*
 * tag - classes of tokens, from stretches of the text that a line labels.
 *
 *     struct tags t = {0};
 *     why = tag_read(&t, &labels, value, text, n, why);   // NULL or a message
 *     tag_words(&t, &labels, text, words, n_words, class, tokens);
 *
 * A line has [{"start":0,"end":5,"label":"PER"}], in characters, the end not included, in any
 * order and without overlap.  As the usual recipe of Hugging Face: the first token of each
 * word (pre-token, added token) has a class, the others LABEL_NONE.  A word, less the blanks
 * that it begins with unless it has nothing else, is of the stretch that holds any of its
 * characters, of the first such one; in none it is of the class named O, or class 0.
 * A label X that is no name, while B-X and I-X are, is B-X for the first word of a stretch
 * and I-X for those that follow.
 */
#include <stdint.h>
#include "common/base/mem.h"
#include "common/bpe/encode.h"
#include "common/bpe/label.h"
struct tags {
    struct buf all;  /* struct tag [n], in the order of their places */
    size_t n;
    int64_t lost;    /* stretches that no word was left for, ever */
};
struct tag {
    size_t from, to;   /* characters, once read: bytes */
    int first, next;   /* classes of its first word and of the others */
    size_t index;      /* in the line, for messages */
};
/*
 * Reads v, the labels of text[0..n), into t.  NULL, or in why[256] what is wrong: v is not
 * an array of objects with integers start and end and a label; start not before end; end
 * beyond the text; a class that is not known; an overlap.
 */
const char *tag_read(struct tags *t, const struct labels *l, struct json_value v,
                     const char *text, size_t n, char *why);
/* Where the word begins, less its blanks; all of it when it has nothing else. */
size_t tag_word_start(const char *text, const struct encode_word *w);
/* Fills class[0..tokens): words as encode_spans finds them. */
void tag_words(struct tags *t, const struct labels *l, const char *text,
               const struct encode_word *word, size_t words, int32_t *class, size_t tokens);
void tag_free(struct tags *t);
#endif
