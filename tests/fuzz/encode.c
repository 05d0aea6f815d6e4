/*
 * encode - any text through six tokenizers, one text at a time and in batches.
 *
 * The first byte picks the tokenizer (the digit 0 to 5; with 8 added, special tokens are
 * literal), the second a limit and what stands before the text in a batch; the rest is the
 * text, with U+FFFD for what is not UTF-8.
 *     0  examples/mini       NFC, specials, runs of blanks
 *     1  tokenizers/plain    nothing but bytes and merges, in no trained order, some twice
 *     2  tokenizers/flags    NFC and added tokens with every flag, some not ASCII
 *     3  tokenizers/holes    few bytes have a token, unk for the others, ids with holes
 *     4  tokenizers/fits     made for the batch encoder's fast way, merges unordered
 *     5  tokenizers/ordered  the same with merges in order and without NFC
 * The ids are tokens', and those of naive.h; the same again from an encoder that has seen
 * the text and others, and from one that has seen many texts of this process; with a limit
 * they are a prefix of more than `limit`, or all.  A batch gives the same ids wherever the
 * text stands in it; the second byte picks the instruction sets.  Their text is naive.h's;
 * it is the NFC of the input (the input itself, without a normaliser) when every byte has
 * a token and no added token was met.  NFC itself is utf8proc's for characters of Unicode
 * 9.0.
 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "common/base/mem.h"
#include "common/bpe/batch.h"
#include "common/bpe/chars.h"
#include "common/bpe/decode.h"
#include "common/bpe/encode.h"
#include "common/bpe/nfc.h"
#include "formats/tokenizer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/naive.h"

enum { KITS = 6, LITERAL = 8, CPUS = 3, USES = 2000, FAR = 252, BEFORE = 0x5EED };
struct kit {
    struct tokenizer t;
    struct bpe *bpe[CPUS]; /* by instruction set */
    struct encoder *old;
    struct batch *batch[CPUS];
    struct decoder *decoder;
    struct naive *naive;
    int whole; /* every byte has a token */
    int fast;  /* batches are to have their fast way */
    int uses;  /* of old and batch */
};

/* What keeps pieces for later is renewed at times, or it would grow to its bounds. */
static void
renew(struct kit *k)
{
    if (k->old && ++k->uses < USES)
        return;
    k->uses = 0;
    encoder_free(k->old);
    k->old = encoder_new(k->bpe[0]);
    for (int i = 0; i < CPUS; i++) {
        batch_free(k->batch[i]);
        k->batch[i] = batch_new(k->bpe[i]);
    }
}

static void
open_kit(struct kit *k, const char *dir, int literal)
{
    static const char *const cpu[CPUS] = { "generic", "avx2", "avx512" };

    tokenizer_load(&k->t, dir);
    for (int i = 0; i < CPUS; i++) {
        setenv("MBERT_CPU", cpu[i], 1);
        k->bpe[i] = literal ? bpe_new_literal(&k->t) : bpe_new(&k->t);
    }
    k->decoder = decoder_new(&k->t);
    k->naive = naive_new(&k->t, literal);
    k->fast = !strstr(dir, "plain") && !strstr(dir, "flags") && !strstr(dir, "holes");
    k->whole = 1;
    for (int b = 0; b < 256; b++)
        k->whole &= k->t.byte[b] >= 0;
}

static const struct kit *
kit(unsigned char byte)
{
    static const char *const dir[KITS] = {
        "examples/mini", "tests/fuzz/tokenizers/plain", "tests/fuzz/tokenizers/flags",
        "tests/fuzz/tokenizers/holes", "tests/fuzz/tokenizers/fits",
        "tests/fuzz/tokenizers/ordered"
    };
    static struct kit kits[2][KITS];
    const int literal = !!(byte & LITERAL), which = byte % LITERAL % KITS;
    struct kit *k = &kits[literal][which];

    if (!k->decoder)
        open_kit(k, dir[which], literal);
    renew(k);
    return k;
}

/* Ids after one that was there before. */
static struct ids
encode(struct encoder *e, const char *s, size_t n, size_t limit)
{
    struct ids ids = { 0 };

    *ids_room(&ids, 1) = BEFORE;
    ids.n = 1;
    encode_text(e, s, n, limit, &ids);
    FUZZ_WANT(ids.n >= 1 && ids.n <= ids.cap && ids.p[0] == BEFORE);
    return ids;
}

static void
same_ids(struct encoder *e, const char *s, size_t n, const struct ids *want)
{
    struct ids ids = encode(e, s, n, SIZE_MAX);

    FUZZ_WANT(ids.n == want->n && !memcmp(ids.p, want->p, ids.n * sizeof *ids.p));
    mem_free(ids.p);
}

static void
limited(struct encoder *e, const char *s, size_t n, size_t limit, const struct ids *all)
{
    struct ids ids = encode(e, s, n, limit);

    FUZZ_WANT(ids.n <= all->n && !memcmp(ids.p, all->p, ids.n * sizeof *ids.p));
    FUZZ_WANT(ids.n == all->n || ids.n - 1 > limit);
    mem_free(ids.p);
}

static int
added_among(const struct tokenizer *t, const struct ids *ids)
{
    for (int k = 0; k < t->addeds; k++)
        for (size_t i = 1; i < ids->n; i++)
            if (ids->p[i] == t->added[k].id)
                return 1;
    return 0;
}

/*
 * NFC against utf8proc's, which is newer, where both know all characters.  U+11A7 is the place
 * before the first trailing jamo and none itself; utf8proc 2.8 lets it vanish behind a syllable.
 */
static void
normal_form(const char *s, size_t n, const struct buf *form)
{
    const utf8proc_uint8_t *in = (const utf8proc_uint8_t *)s;
    utf8proc_uint8_t *out = NULL;
    uint32_t k;

    FUZZ_WANT(!nfc_is(s, n) || (form->n == n && !memcmp(form->p, s, n)));
    for (size_t i = 0; i < n; i += k) {
        const uint32_t c = char_read(s + i, &k);
        if (c == 0x11A7 || char_flags(c) & CHAR_INERT)
            return;
    }
    const utf8proc_ssize_t m = utf8proc_map(in, (utf8proc_ssize_t)n, &out,
                                            UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    FUZZ_WANT(m == (utf8proc_ssize_t)form->n && !memcmp(out, form->p, form->n));
    free(out);
}

static void
texts(const struct kit *k, const char *s, size_t n, const struct ids *ids)
{
    struct buf got = { 0 }, want = { 0 }, form = { 0 };
    struct nfc nfc = { 0 };
    const int lossless = k->whole && !added_among(&k->t, ids);

    for (size_t i = 1; i < ids->n; i++) {
        FUZZ_WANT(ids->p[i] >= 0 && ids->p[i] < k->t.vocabs);
        FUZZ_WANT(k->t.vocab[ids->p[i]].s);
    }
    FUZZ_WANT(!decode_ids(k->decoder, (const uint32_t *)ids->p + 1, ids->n - 1, 0, &got));
    naive_decode(k->naive, ids->p + 1, ids->n - 1, &want);
    FUZZ_WANT(got.n == want.n && (!got.n || !memcmp(got.p, want.p, got.n)));
    buf_room(&form, 1);
    nfc_add(&nfc, &form, s, n);
    normal_form(s, n, &form);
    if (lossless && k->t.nfc)
        FUZZ_WANT(got.n == form.n && (!got.n || !memcmp(got.p, form.p, got.n)));
    if (lossless && !k->t.nfc)
        FUZZ_WANT(got.n == n && (!got.n || !memcmp(got.p, s, n)));
    nfc_free(&nfc);
    mem_free(got.p);
    mem_free(want.p);
    mem_free(form.p);
}

/* Text i of the batch's result has these ids. */
static void
batch_ids(const struct batch_ids *r, size_t i, const struct ids *want)
{
    const size_t from = r->from[i];

    FUZZ_WANT(i < r->n && r->end[i] - from == want->n - 1);
    for (size_t k = 1; k < want->n; k++)
        FUZZ_WANT((r->id ? r->id[from + k - 1] : r->wide[from + k - 1]) == want->p[k]);
}

/* Words enough that the text behind them is cut in another window of the batch (FAR on). */
static void
add_lead(struct batch *b, size_t lead)
{
    static const char filler[] = "a 1\tb, c'd  e-f\n\ng 22 h's  i_j xyxyx abcabcabc the "
                                 "theing(k) l  m[n]  o\xC3\xA9 p\xE2\x80\x83q r abababab";
    struct buf text = { 0 };

    while (lead >= FAR && text.n + sizeof filler < 16384 - 200 + 8 * (lead - FAR))
        buf_add(&text, filler, sizeof filler - 1);
    while (lead >= sizeof filler || ((unsigned char)filler[lead] & 0xC0) == 0x80)
        lead /= 2;
    buf_add(&text, filler, lead);
    batch_add(b, text.n ? text.p : "", text.n);
    mem_free(text.p);
}

/* The text after others, then half of it, nothing, and all of it again; twice. */
static void
batched(struct batch *b, const char *s, size_t n, size_t middle, size_t lead,
        const struct ids *all, const struct ids *half, size_t specials)
{
    for (int round = 0; round < 2; round++) {
        add_lead(b, lead % FAR);
        batch_run(b);
        add_lead(b, round ? lead % FAR : lead);
        batch_add(b, s, n);
        batch_add(b, s + middle, n - middle);
        batch_add(b, s, 0);
        batch_add(b, s, n);
        const struct batch_ids *r = batch_run(b);
        FUZZ_WANT(r->n == 5 && r->end[3] == r->from[3]);
        batch_ids(r, 1, all);
        batch_ids(r, 2, half);
        batch_ids(r, 4, all);
        batch_add(b, s, n);
        r = batch_run(b);
        FUZZ_WANT(r->n == 1 && r->specials == specials);
        batch_ids(r, 0, all);
    }
}

static void
check(const struct kit *k, const char *s, size_t n, size_t limit)
{
    struct encoder *e = encoder_new(k->bpe[0]);
    struct batch *fresh = batch_new(k->bpe[limit % CPUS]);
    struct batch *used = k->batch[limit / CPUS % CPUS];
    struct ids ids = encode(e, s, n, SIZE_MAX), naive = { 0 }, half;
    const size_t specials = encoder_specials(e);
    size_t middle = n / 2;

    *ids_room(&naive, 1) = BEFORE;
    naive.n = 1;
    naive_encode(k->naive, s, n, &naive);
    FUZZ_WANT(ids.n == naive.n && !memcmp(ids.p, naive.p, ids.n * sizeof *ids.p));
    texts(k, s, n, &ids);
    while (middle < n && ((unsigned char)s[middle] & 0xC0) == 0x80)
        middle++;
    half = encode(e, s + middle, n - middle, SIZE_MAX);
    same_ids(k->old, s + middle, n - middle, &half);
    same_ids(e, s, n, &ids);
    same_ids(k->old, s, n, &ids);
    limited(e, s, n, limit, &ids);
    limited(k->old, s, n, limit, &ids);
    batched(fresh, s, n, middle, limit, &ids, &half, specials);
    batched(used, s, n, middle, limit % FAR, &ids, &half, specials);
    FUZZ_WANT(!k->fast == !batch_run(used)->id);
    mem_free(half.p);
    mem_free(naive.p);
    mem_free(ids.p);
    batch_free(fresh);
    encoder_free(e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf text = { 0 };

    if (n < 2)
        return 0;
    naive_repair((const char *)data + 2, n - 2, &text);
    /* of this very size, so that a byte read too far is seen */
    char *s = malloc(text.n ? text.n : 1);
    FUZZ_WANT(s);
    if (text.n)
        memcpy(s, text.p, text.n);
    check(kit(data[0]), s, text.n, data[1]);
    free(s);
    mem_free(text.p);
    return 0;
}
