#ifndef BPE_PROMPT_H
#define BPE_PROMPT_H
/*
 * prompt - one line of the input: a JSON object's fields, or plain text.
 */
#include "common/bpe/plan.h"
#include "formats/json.h"
enum { PROMPT_TEXT = 4 << 20, PROMPT_FIELDS = 1024, PROMPT_NAME = 256 };
struct prompt {
    const char *text, *pair;        /* n and pair_n bytes of UTF-8; pair NULL without one */
    size_t n, pair_n;
    int object, labelled;           /* value is the line's object; label is its label */
    struct json_value value, label; /* valid until the next line */
};
/*
 * Reads s[0..n), CHUNK_PAD bytes more of it readable.  0: a blank line, which is no prompt;
 * 1: *p, or *why is wrong with the line.
 */
int prompt_read(struct prompt *p, const struct plan *plan, struct json *json, const char *s,
                size_t n, const char **why);
#endif
