#ifndef FORMATS_TOKENPARSE_H
#define FORMATS_TOKENPARSE_H
/* tokenparse - private to the reader of tokenizer.json: what its files share. */
#include "formats/json.h"
#include "formats/vocab.h"
enum { MAX_IDS = 1 << 20, MAX_TOKEN = 4096 };
enum { LARGE_VOCAB, LARGE_MERGES }; /* of the model, for json_large_next */
struct load {
    struct tokenizer *t;
    const char *path;
    const char *text; /* n bytes */
    size_t n;
    struct json *json;
    size_t room;        /* of t->vocab; see tokenparse_reach */
    struct vocab index; /* of t->vocab; added tokens join it after the model was read */
    int known;          /* entries of the model's own vocabulary */
    size_t additions;   /* entries of added_tokens */
};
/* die_data("FILE: 'FIELD': REASON") */
_Noreturn void tokenparse_bad(const struct load *l, const char *field, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Makes t->vocab reach to the id, which is below MAX_IDS. */
void tokenparse_reach(struct load *l, int id);
/* object[key]; 0 when it is absent or null */
int tokenparse_present(struct json_value object, const char *key, struct json_value *v);
int tokenparse_is(struct json_value v, const char *text); /* is v this string? */
/* Dies unless object.key is the string text; field names it. */
void tokenparse_need(const struct load *l, struct json_value object, const char *key,
                     const char *text, const char *field);
/* Dies unless object.key is the boolean `want`; absent, it counts as `missing`. */
void tokenparse_flag(const struct load *l, struct json_value object, const char *key,
                     int want, int missing, const char *field);
void tokenparse_model(struct load *l, struct json_value root);
void tokenparse_added(struct load *l, struct json_value root);
void tokenparse_template(const struct load *l, struct json_value root);
void tokenparse_decoder(const struct load *l, struct json_value root);
#endif
