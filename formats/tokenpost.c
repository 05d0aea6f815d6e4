/* tokenpost - what tokenizer.json says of the ends of a sequence, and of decoding */
#include <string.h>
#include "common/base/mem.h"
#include "formats/tokenparse.h"

enum { SEQUENCE_A, SEQUENCE_B, SPECIAL };

static void
add_part(const struct load *l, struct template_part *parts, int *n, int kind, int id)
{
    if (*n == TOKENIZER_PARTS)
        tokenparse_bad(l, "post_processor", "a template of more than %d parts",
                       TOKENIZER_PARTS);
    parts[(*n)++] = (struct template_part){ kind, id };
}

/* A special token of the template stands for the ids that special_tokens gives it. */
static void
add_special(const struct load *l, struct json_value post, const char *name,
            struct template_part *parts, int *n)
{
    struct json_value specials, one, ids, v;
    struct json_iter it;
    const char *key;
    size_t k;
    int64_t id;

    if (!json_get(post, "special_tokens", &specials) || !json_get(specials, name, &one) ||
        !json_get(one, "ids", &ids) || json_type(ids) != JSON_ARRAY)
        tokenparse_bad(l, "post_processor.special_tokens",
                       "'%.64s' is missing or has no ids", name);
    for (it = json_iter(ids); json_next(&it, &key, &k, &v);) {
        if (!json_int(v, &id) || id < 0 || id >= l->t->vocabs)
            tokenparse_bad(l, "post_processor.special_tokens",
                           "'%.64s': an id that is no token's", name);
        add_part(l, parts, n, SPECIAL, (int)id);
    }
}

static void
read_part(const struct load *l, struct json_value post, struct json_value v,
          struct template_part *parts, int *n)
{
    struct json_value part, id;
    const char *name;
    size_t k;

    if (json_get(v, "Sequence", &part) && json_get(part, "id", &id)) {
        if (!tokenparse_is(id, "A") && !tokenparse_is(id, "B"))
            tokenparse_bad(l, "post_processor", "a sequence that is neither A nor B");
        add_part(l, parts, n, tokenparse_is(id, "A") ? SEQUENCE_A : SEQUENCE_B, -1);
    } else if (json_get(v, "SpecialToken", &part) && json_get(part, "id", &id) &&
               json_string(id, &name, &k)) {
        name = mem_strndup(name, k);
        add_special(l, post, name, parts, n);
        mem_free((void *)(uintptr_t)name);
    } else
        tokenparse_bad(l, "post_processor",
                       "a part that is neither Sequence nor SpecialToken");
}

/* Reads post.key into parts; A must be there once, B only and once in a pair. */
static void
read_template(const struct load *l, struct json_value post, const char *key, int pair,
              struct template_part *parts, int *n)
{
    struct json_value list, v;
    struct json_iter it;
    const char *none;
    size_t k;
    int a = 0, b = 0;

    if (!json_get(post, key, &list) || json_type(list) != JSON_ARRAY)
        tokenparse_bad(l, "post_processor", "'%s' is missing or not an array", key);
    for (it = json_iter(list); json_next(&it, &none, &k, &v);)
        read_part(l, post, v, parts, n);
    for (int i = 0; i < *n; i++) {
        a += parts[i].kind == SEQUENCE_A;
        b += parts[i].kind == SEQUENCE_B;
    }
    if (a != 1 || b != pair)
        tokenparse_bad(l, "post_processor", pair ? "'%s' must hold A and B once each"
                                                 : "'%s' must hold A once, and no B", key);
}

void
tokenparse_template(const struct load *l, struct json_value root)
{
    struct tokenizer *t = l->t;
    struct json_value post;

    if (!tokenparse_present(root, "post_processor", &post)) {
        add_part(l, t->single, &t->singles, SEQUENCE_A, -1);
        add_part(l, t->pair, &t->pairs, SEQUENCE_A, -1);
        add_part(l, t->pair, &t->pairs, SEQUENCE_B, -1);
        return;
    }
    tokenparse_need(l, post, "type", "TemplateProcessing", "post_processor.type");
    read_template(l, post, "single", 0, t->single, &t->singles);
    read_template(l, post, "pair", 1, t->pair, &t->pairs);
}

void
tokenparse_decoder(const struct load *l, struct json_value root)
{
    struct json_value v;

    if (!tokenparse_present(root, "decoder", &v))
        tokenparse_bad(l, "decoder", "missing; only 'ByteLevel' is supported");
    tokenparse_need(l, v, "type", "ByteLevel", "decoder.type");
}
