/* tokenmodel - the model of tokenizer.json: vocabulary, byte tokens and merges */
#include <string.h>
#include "common/base/mem.h"
#include "formats/bytechar.h"
#include "formats/tokenparse.h"

static void
read_vocab(struct load *l, struct json_value model)
{
    struct tokenizer *t = l->t;
    struct json_value vocab, v;
    struct json_iter it;
    const char *s;
    size_t n, seen = 0;
    int64_t id;

    if (!json_get(model, "vocab", &vocab) || json_type(vocab) != JSON_OBJECT)
        tokenparse_bad(l, "model.vocab", "missing or not an object");
    for (it = json_iter(vocab); json_next(&it, &s, &n, &v); seen++) {
        if (!json_int(v, &id) || id < 0 || id >= MAX_IDS)
            tokenparse_bad(l, "model.vocab", "'%.64s': the id is not a number from 0 to %d",
                           s, MAX_IDS - 1);
        if (n > MAX_TOKEN)
            tokenparse_bad(l, "model.vocab", "id %d: a token of more than %d bytes",
                           (int)id, MAX_TOKEN);
        if (id >= t->vocabs)
            t->vocabs = (int)id + 1;
    }
    if (!seen)
        tokenparse_bad(l, "model.vocab", "empty");
    l->known = (int)seen;
    t->vocab = mem_zalloc(mem_add((size_t)t->vocabs, l->additions), sizeof *t->vocab);
    vocab_init(&l->index, t->vocab, seen + l->additions);
    for (it = json_iter(vocab); json_next(&it, &s, &n, &v);) {
        json_int(v, &id);
        if (t->vocab[id].s)
            tokenparse_bad(l, "model.vocab", "two tokens have the id %d", (int)id);
        t->vocab[id] = (struct piece){ s, (uint32_t)n };
        vocab_add(&l->index, (int)id);
    }
}

static void
read_bytes(const struct load *l, struct json_value model)
{
    struct json_value v;
    const char *s;
    char at[3];
    size_t n;

    for (int b = 0; b < 256; b++) {
        uint32_t c = bytechar_of((unsigned char)b);
        n = c < 0x80 ? 1 : 2;
        at[0] = (char)(n == 1 ? c : 0xC0 | c >> 6);
        at[1] = (char)(0x80 | (c & 63));
        l->t->byte[b] = vocab_find(&l->index, at, n);
    }
    l->t->unk = -1;
    if (!tokenparse_present(model, "unk_token", &v))
        return;
    if (!json_string(v, &s, &n) || (l->t->unk = vocab_find(&l->index, s, n)) < 0)
        tokenparse_bad(l, "model.unk_token", "not a token of model.vocab");
    tokenparse_flag(l, model, "fuse_unk", 0, 0, "model.fuse_unk");
}

/* The two halves of a merge; 0 when v is no merge. */
static int
halves(struct json_value v, struct piece half[2])
{
    struct json_iter it;
    struct json_value x;
    const char *s, *blank, *key;
    size_t n, k;

    if (json_string(v, &s, &n)) {
        if (!(blank = memchr(s, ' ', n)) ||
            memchr(blank + 1, ' ', n - (size_t)(blank + 1 - s)))
            return 0;
        half[0] = (struct piece){ s, (uint32_t)(blank - s) };
        half[1] = (struct piece){ blank + 1, (uint32_t)(n - (size_t)(blank + 1 - s)) };
        return 1;
    }
    if (json_type(v) != JSON_ARRAY || json_size(v) != 2)
        return 0;
    it = json_iter(v);
    for (int i = 0; i < 2; i++) {
        if (!json_next(&it, &key, &k, &x) || !json_string(x, &s, &n))
            return 0;
        half[i] = (struct piece){ s, (uint32_t)n };
    }
    return 1;
}

/* "#version: 0.2" was the first line of the merges' text file: not a merge. */
static int
is_version(struct json_value v)
{
    const char *s;
    size_t n;
    return json_string(v, &s, &n) && n >= 8 && !memcmp(s, "#version", 8);
}

static void
read_merges(const struct load *l, struct json_value model)
{
    struct tokenizer *t = l->t;
    struct json_value merges, v;
    struct piece half[2];
    struct json_iter it;
    const char *key;
    char product[2 * MAX_TOKEN];
    size_t n, line = 0;
    int result = -1;

    if (!json_get(model, "merges", &merges) || json_type(merges) != JSON_ARRAY)
        tokenparse_bad(l, "model.merges", "missing or not an array");
    if (json_size(merges) > MAX_IDS)
        tokenparse_bad(l, "model.merges", "more than %d", MAX_IDS);
    t->merge = mem_zalloc(json_size(merges) + 1, sizeof *t->merge);
    for (it = json_iter(merges); json_next(&it, &key, &n, &v); line++) {
        if (is_version(v))
            continue;
        if (!halves(v, half))
            tokenparse_bad(l, "model.merges", "number %zu: not two tokens", line);
        int left = vocab_find(&l->index, half[0].s, half[0].n);
        int right = vocab_find(&l->index, half[1].s, half[1].n);
        if (left < 0 || right < 0)
            tokenparse_bad(l, "model.merges",
                           "number %zu: half of it is not in model.vocab", line);
        memcpy(product, half[0].s, half[0].n); /* tokens: MAX_TOKEN at most */
        memcpy(product + half[0].n, half[1].s, half[1].n);
        /* trained lists give their products ascending ids: try the next one first */
        n = half[0].n + half[1].n;
        result = result + 1 < t->vocabs && vocab_is(&l->index, result + 1, product, n)
                     ? result + 1 : vocab_find(&l->index, product, n);
        if (result < 0)
            tokenparse_bad(l, "model.merges",
                           "number %zu: its product is not in model.vocab", line);
        t->merge[t->merges].left = left;
        t->merge[t->merges].right = right;
        t->merge[t->merges++].result = result;
    }
}

void
tokenparse_model(struct load *l, struct json_value root)
{
    static const char *const unused[] = { "continuing_subword_prefix",
                                          "end_of_word_suffix" };
    struct json_value model, v;
    double drop = 0;

    if (!json_get(root, "model", &model) || json_type(model) != JSON_OBJECT)
        tokenparse_bad(l, "model", "missing or not an object");
    tokenparse_need(l, model, "type", "BPE", "model.type");
    tokenparse_flag(l, model, "byte_fallback", 0, 0, "model.byte_fallback");
    tokenparse_flag(l, model, "ignore_merges", 0, 0, "model.ignore_merges");
    if (tokenparse_present(model, "dropout", &v) && (!json_number(v, &drop) || drop != 0))
        tokenparse_bad(l, "model.dropout", "only 0 or null is supported");
    for (int i = 0; i < 2; i++)
        if (tokenparse_present(model, unused[i], &v) && !tokenparse_is(v, ""))
            tokenparse_bad(l, unused[i], "only null is supported");
    read_vocab(l, model);
    read_bytes(l, model);
    read_merges(l, model);
}
