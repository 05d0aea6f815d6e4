/* tokenmodel - the model of tokenizer.json: vocabulary, byte tokens and merges */
#include <string.h>
#include "common/base/mem.h"
#include "common/base/words.h"
#include "formats/bytechar.h"
#include "formats/tokenparse.h"

enum { BATCH = VOCAB_ALL / 2 };

static _Noreturn void
bad_id(const struct load *l, const char *s, size_t n)
{
    tokenparse_bad(l, "model.vocab", "'%.*s': the id is not a number from 0 to %d",
                   n < 64 ? (int)n : 64, s, MAX_IDS - 1);
}

static void
add_token(struct load *l, const struct json_item *item)
{
    struct tokenizer *t = l->t;
    const int id = (int)item->value;

    if (item->value < 0 || item->value >= MAX_IDS)
        bad_id(l, item->s[0], item->n[0]);
    if (item->n[0] > MAX_TOKEN)
        tokenparse_bad(l, "model.vocab", "id %d: a token of more than %d bytes", id,
                       MAX_TOKEN);
    tokenparse_reach(l, id);
    if (t->vocab[id].s)
        tokenparse_bad(l, "model.vocab", "two tokens have the id %d", id);
    t->vocab[id] = (struct piece){ item->s[0], item->n[0] };
    if (!vocab_add(&l->index, id))
        tokenparse_bad(l, "model.vocab", "a token twice"); /* or rather: a key twice */
    if (id >= t->vocabs)
        t->vocabs = id + 1;
}

static void
read_vocab(struct load *l, struct json_value model)
{
    struct tokenizer *t = l->t;
    size_t size = json_large_size(l->json, LARGE_VOCAB);
    struct json_item item[BATCH];
    struct json_value v;
    const char *s;
    int n;

    if (!json_get(model, "vocab", &v) || json_type(v) != JSON_OBJECT)
        tokenparse_bad(l, "model.vocab", "missing or not an object");
    if (!size)
        tokenparse_bad(l, "model.vocab", "empty");
    l->known = (int)size;
    l->room = size + l->additions < MAX_IDS ? size + l->additions : MAX_IDS;
    t->vocab = mem_filled(l->room, sizeof *t->vocab);
    vocab_init(&l->index, t->vocab, l->room);
    while ((n = json_large_next(l->json, LARGE_VOCAB, item, BATCH)) > 0)
        for (int i = 0; i < n; i++)
            add_token(l, &item[i]);
    if (n < 0) {
        s = json_large_bad(l->json, LARGE_VOCAB, &size);
        bad_id(l, s, size);
    }
}

static void
read_bytes(const struct load *l, struct json_value model)
{
    struct json_value v;
    const char *s;
    char at[2 + VOCAB_PAD] = { 0 };
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

/* "#version: 0.2" was the first line of the merges' text file: not a merge. */
static int
is_version(const struct json_item *item)
{
    const char *s = item->s[0]; /* readable even if empty */

    /* the rarest first: branches that cannot be foretold cost more than the rest */
    return s[0] == '#' && item->strings == 1 && item->n[0] >= 8 &&
           !memcmp(s, "#version", 8);
}

/* The place of the one blank in s[0..n), or n when there is none or another one. */
static size_t
only_blank(const char *s, size_t n)
{
    const char *at;

    if (n <= WORDS) {
        const struct words w = words_of(s, n);
        const uint64_t a = word_blanks(w.low), b = word_blanks(w.high);
        if (!(a | b) || (a && b) || (a & (a - 1)) || (b & (b - 1)))
            return n;
        return a ? (size_t)__builtin_ctzll(a) / 8 : 8 + (size_t)__builtin_ctzll(b) / 8;
    }
    if (!(at = memchr(s, ' ', n)) || memchr(at + 1, ' ', n - (size_t)(at + 1 - s)))
        return n;
    return (size_t)(at - s);
}

/* The two halves of a merge: a pair, or one string with one blank; 0: it is none. */
static int
halves(const struct json_item *item, struct piece half[2])
{
    const size_t n = item->n[0], at = item->strings == 1 ? only_blank(item->s[0], n) : n;

    half[0] = (struct piece){ item->s[0], (uint32_t)at };
    half[1] = (struct piece){ item->s[1], item->n[1] };
    if (item->strings == 2)
        return 1;
    half[1] = (struct piece){ item->s[0] + at, 0 };
    if (at < n)
        half[1] = (struct piece){ item->s[0] + at + 1, (uint32_t)(n - at - 1) };
    return at < n || is_version(item);
}

static int
find_product(const struct load *l, const struct piece half[2])
{
    char product[2 * MAX_TOKEN + VOCAB_PAD]; /* halves are tokens: MAX_TOKEN at most */

    memcpy(product, half[0].s, half[0].n);
    memcpy(product + half[0].n, half[1].s, half[1].n);
    return vocab_find(&l->index, product, (size_t)half[0].n + half[1].n);
}

/* The merges of some items, the first of which is number `line` of the list. */
static void
add_merges(const struct load *l, const struct json_item *item, int n, size_t line)
{
    struct tokenizer *t = l->t;
    struct piece half[2 * BATCH];
    int id[2 * BATCH], result = t->merges ? t->merge[t->merges - 1].result : -1, good = 0;

    while (good < n && halves(&item[good], &half[2 * good]))
        good++;
    vocab_find_all(&l->index, half, 2 * good, id);
    for (int i = 0; i < good; i++, line++) {
        const int left = id[2 * i], right = id[2 * i + 1];
        if (is_version(&item[i]))
            continue;
        if (left < 0 || right < 0)
            tokenparse_bad(l, "model.merges",
                           "number %zu: half of it is not in model.vocab", line);
        /* trained lists give their products ascending ids: try the next one first */
        if (++result >= t->vocabs ||
            !vocab_joins(&l->index, result, half[2 * i], half[2 * i + 1]))
            result = find_product(l, &half[2 * i]);
        if (result < 0)
            tokenparse_bad(l, "model.merges",
                           "number %zu: its product is not in model.vocab", line);
        t->merge[t->merges].left = left;
        t->merge[t->merges].right = right;
        t->merge[t->merges++].result = result;
    }
    if (good < n)
        tokenparse_bad(l, "model.merges", "number %zu: not two tokens", line);
}

static void
read_merges(const struct load *l, struct json_value model)
{
    const size_t size = json_large_size(l->json, LARGE_MERGES);
    struct json_item item[BATCH];
    struct json_value merges;
    size_t line = 0;
    int n;

    if (!json_get(model, "merges", &merges) || json_type(merges) != JSON_ARRAY)
        tokenparse_bad(l, "model.merges", "missing or not an array");
    if (size > MAX_IDS)
        tokenparse_bad(l, "model.merges", "more than %d", MAX_IDS);
    l->t->merge = mem_filled(size + 1, sizeof *l->t->merge);
    for (; (n = json_large_next(l->json, LARGE_MERGES, item, BATCH)) > 0; line += (size_t)n)
        add_merges(l, item, n, line);
    if (n < 0)
        tokenparse_bad(l, "model.merges", "number %zu: not two tokens", line);
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
