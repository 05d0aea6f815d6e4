/* decode - every token's bytes laid out once, then copied */
#include <string.h>
#include "common/base/mem.h"
#include "common/bpe/chars.h"
#include "common/bpe/decode.h"
#include "common/bpe/nfc.h"
#include "formats/bytechar.h"
#include "formats/tokenizer.h"

struct decoder {
    struct buf bytes;     /* of all tokens, one after the other */
    size_t *at;           /* [vocabs + 1] */
    unsigned char *kind;  /* by id: 0 no token, 1 a token, 2 a special one */
    int vocabs;
    struct buf raw;       /* scratch: the bytes of a sequence */
};

static void
token_bytes(struct buf *out, struct piece p)
{
    size_t start = out->n;
    uint32_t length;

    buf_room(out, p.n);
    for (uint32_t i = 0; i < p.n; i += length) {
        int byte = bytechar_byte(char_read(p.s + i, &length));
        if (byte < 0) {
            out->n = start;
            buf_add(out, p.s, p.n);
            return;
        }
        out->p[out->n++] = (char)byte;
    }
}

/*
 * The reference decodes an added token that is (or once was) `normalized` as its normal
 * form, and asks of that form whether it is special.  forms: by id, the token's characters;
 * those of changed tokens are copies.
 */
static struct piece *
forms_new(const struct tokenizer *t)
{
    struct piece *form = mem_array((size_t)t->vocabs, sizeof *form);
    struct nfc nfc = { 0 };

    memcpy(form, t->vocab, (size_t)t->vocabs * sizeof *form);
    for (int i = 0; i < t->addeds; i++) {
        const struct added_token *a = &t->added[i];
        struct buf text = { 0 };
        if (!a->shows_normal || !t->nfc || nfc_is(a->content.s, a->content.n))
            continue;
        nfc_add(&nfc, &text, a->content.s, a->content.n);
        form[a->id] = (struct piece){ text.p, (uint32_t)text.n };
    }
    nfc_free(&nfc);
    return form;
}

static void
forms_free(const struct tokenizer *t, struct piece *form)
{
    for (int i = 0; i < t->addeds; i++)
        if (form[t->added[i].id].s != t->vocab[t->added[i].id].s)
            mem_free((void *)(uintptr_t)form[t->added[i].id].s);
    mem_free(form);
}

static int
is_special(const struct tokenizer *t, const struct added_token *a, struct piece form)
{
    if (form.s == a->content.s || form.s == t->vocab[a->id].s)
        return a->special;
    for (int i = 0; i < t->addeds; i++)
        if (t->added[i].special && t->added[i].content.n == form.n &&
            !memcmp(t->added[i].content.s, form.s, form.n))
            return 1;
    return 0;
}

struct decoder *
decoder_new(const struct tokenizer *t)
{
    struct decoder *d = mem_zalloc(1, sizeof *d);
    struct piece *form = forms_new(t);

    d->vocabs = t->vocabs;
    d->at = mem_zalloc((size_t)t->vocabs + 1, sizeof *d->at);
    d->kind = mem_zalloc((size_t)t->vocabs, 1);
    for (int i = 0; i < t->vocabs; i++) {
        if (form[i].s) {
            token_bytes(&d->bytes, form[i]);
            d->kind[i] = 1;
        }
        d->at[i + 1] = d->bytes.n;
    }
    for (int i = 0; i < t->addeds; i++)
        if (is_special(t, &t->added[i], form[t->added[i].id]))
            d->kind[t->added[i].id] = 2;
    forms_free(t, form);
    return d;
}

void
decoder_free(struct decoder *d)
{
    if (!d)
        return;
    mem_free(d->bytes.p);
    mem_free(d->at);
    mem_free(d->kind);
    mem_free(d->raw.p);
    mem_free(d);
}

/* Appends s[0..n), with U+FFFD for what is not UTF-8. */
static void
add_lossy(struct buf *out, const char *s, size_t n)
{
    size_t bad = 0;

    while (n) {
        size_t good = char_valid(s, n, &bad);
        buf_add(out, s, good);
        if (good == n)
            return;
        buf_add(out, "\xEF\xBF\xBD", 3);
        s += good + bad;
        n -= good + bad;
    }
}

size_t
decode_ids(struct decoder *d, const uint32_t *id, size_t n, int skip_special,
           struct buf *out)
{
    size_t unknown = 0;

    d->raw.n = 0;
    for (size_t i = 0; i < n; i++) {
        if (id[i] >= (uint32_t)d->vocabs || !d->kind[id[i]])
            unknown++;
        else if (!skip_special || d->kind[id[i]] != 2)
            buf_add(&d->raw, d->bytes.p + d->at[id[i]], d->at[id[i] + 1] - d->at[id[i]]);
    }
    add_lossy(out, d->raw.p, d->raw.n);
    return unknown;
}
