#include "common/bpe/spans.h"
#include "common/bpe/encode.h"
#include "formats/tokenizer.h"

void
spans_begin(struct spans *s, const struct tokenizer *t, const char *text, int chars,
            struct buf *out)
{
    *s = (struct spans){.t = t, .text = text, .chars = chars, .out = out};
    s->raw = s->form = text;
}

void
spans_end(struct spans *s)
{
    mem_free(s->changes.p);
}

void
spans_stretch(struct spans *s, const char *raw, const char *form)
{
    s->raw = raw;
    s->form = form;
    s->change = 0;
    if (raw == form)
        s->changes.n = 0;
}

void
spans_raw(struct spans *s)
{
    s->raw = s->form = s->text;
    s->change = s->changes.n = 0;
}

/* The byte of the text that byte `at` of the normal form is from; end: `at` is an end. */
static size_t
origin(struct spans *s, size_t at, int end)
{
    const struct nfc_change *c = (const struct nfc_change *)(const void *)s->changes.p;
    const size_t n = s->changes.n / sizeof *c, base = (size_t)(s->raw - s->text);
    size_t i = s->change;

    while (i < n && c[i].end <= at - (size_t)(end && at))
        i++;
    if (!end)
        s->change = i;
    if (i < n && c[i].begin < at + (size_t)!end) /* inside a change */
        return base + (end ? c[i].to : c[i].from);
    return base + at + (i ? c[i - 1].to - c[i - 1].end : 0);
}

/* Characters that begin before byte `at`; asked for ever later places. */
static size_t
characters(struct spans *s, size_t at, int end)
{
    while (s->at[end] < at) {
        s->count[end] += ((unsigned char)s->text[s->at[end]] & 0xC0) != 0x80;
        s->at[end]++;
    }
    return s->count[end];
}

static void
put(struct spans *s, size_t from, size_t to)
{
    int32_t pair[2] = {(int32_t)from, (int32_t)to};

    if (s->chars) { /* a token may begin inside a character: it is of that one */
        pair[0] = (int32_t)characters(s, from + 1, 0) - 1;
        pair[1] = (int32_t)characters(s, to, 1);
    }
    buf_add(s->out, pair, sizeof pair);
}

static void
token(struct spans *s, const char *from, const char *to)
{
    put(s, origin(s, (size_t)(from - s->form), 0), origin(s, (size_t)(to - s->form), 1));
    s->tokens++;
}

/* Before the tokens of it: begins are asked for in order. */
static void
word(struct spans *s, const char *from, const char *to)
{
    const struct encode_word w = {s->tokens, origin(s, (size_t)(from - s->form), 0),
                                  origin(s, (size_t)(to - s->form), 1)};

    if (s->words)
        buf_add(s->words, &w, sizeof w);
}

void
spans_token(struct spans *s, const char *from, const char *to)
{
    word(s, from, to);
    token(s, from, to);
}

/* How many bytes a token stands for: as many as it has characters. */
static size_t
token_bytes(const struct piece *p)
{
    size_t n = 0;

    for (uint32_t i = 0; i < p->n; i++)
        n += ((unsigned char)p->s[i] & 0xC0) != 0x80;
    return n;
}

void
spans_piece(struct spans *s, const char *p, const int *id, size_t n)
{
    const char *end = p;

    for (size_t i = 0; i < n; i++)
        end += token_bytes(&s->t->vocab[id[i]]);
    word(s, p, end);
    for (size_t i = 0; i < n; i++) {
        const char *from = p;
        p += token_bytes(&s->t->vocab[id[i]]);
        token(s, from, p);
    }
}
