/* tokenadded - the added tokens of tokenizer.json, and the ids the reference gives them */
#include "common/base/mem.h"
#include "formats/tokenparse.h"

static unsigned char
flag(const struct load *l, struct json_value v, const char *name)
{
    struct json_value x;
    int is;

    if (!json_get(v, name, &x) || !json_bool(x, &is))
        tokenparse_bad(l, "added_tokens", "'%s' is missing or not true or false", name);
    return (unsigned char)is;
}

/*
 * The id of content that is new among the added tokens: the model's own, else one above the
 * highest added id, and not below the number of the model's entries.
 */
static int
new_id(struct load *l, struct piece content, int highest)
{
    struct tokenizer *t = l->t;
    int id = vocab_find(&l->index, content.s, content.n);

    if (id >= 0)
        return id;
    id = highest >= l->known ? highest + 1 : l->known;
    if (id >= MAX_IDS)
        tokenparse_bad(l, "added_tokens", "more than %d ids", MAX_IDS);
    tokenparse_reach(l, id);
    if (id < t->vocabs && t->vocab[id].s)
        tokenparse_bad(l, "added_tokens",
                       "'%.64s' would get the id %d, which model.vocab uses", content.s,
                       id);
    if (id >= t->vocabs)
        t->vocabs = id + 1;
    t->vocab[id] = content;
    vocab_add(&l->index, id);
    return id;
}

void
tokenparse_added(struct load *l, struct json_value root)
{
    struct tokenizer *t = l->t;
    struct json_value list, v, x;
    struct json_iter it;
    const char *key;
    int highest = -1, *seat;
    size_t n;

    if (!tokenparse_present(root, "added_tokens", &list))
        return;
    if (json_type(list) != JSON_ARRAY)
        tokenparse_bad(l, "added_tokens", "not an array");
    t->added = mem_zalloc(l->additions + 1, sizeof *t->added);
    /* by id: the place in t->added, + 1 */
    seat = mem_zalloc((size_t)t->vocabs + l->additions, sizeof *seat);
    for (it = json_iter(list); json_next(&it, &key, &n, &v);) {
        struct added_token a = { .special = flag(l, v, "special"),
                                 .normalized = flag(l, v, "normalized"),
                                 .lstrip = flag(l, v, "lstrip"),
                                 .rstrip = flag(l, v, "rstrip"),
                                 .single_word = flag(l, v, "single_word") };
        if (!json_get(v, "content", &x) || !json_string(x, &a.content.s, &n))
            tokenparse_bad(l, "added_tokens", "'content' is missing or not a string");
        if (n > MAX_TOKEN)
            tokenparse_bad(l, "added_tokens", "a token of more than %d bytes", MAX_TOKEN);
        if (!n)
            continue;
        a.content.n = (uint32_t)n;
        a.id = new_id(l, a.content, highest);
        if (a.id > highest)
            highest = a.id;
        a.shows_normal = a.normalized;
        if (!seat[a.id])
            seat[a.id] = ++t->addeds;
        else { /* given again: these flags count, but special it stays */
            a.special |= t->added[seat[a.id] - 1].special;
            a.shows_normal |= t->added[seat[a.id] - 1].shows_normal;
        }
        t->added[seat[a.id] - 1] = a;
    }
    mem_free(seat);
}
