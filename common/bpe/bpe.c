/* bpe - the tables, and whether a tokenizer fits the batch encoder */
#include "common/bpe/bpe.h"
#include <assert.h>
#include <string.h>
#include "common/base/mem.h"
#include "common/bpe/encode.h"
#include "common/bpe/merge.h"
#include "common/bpe/nfc.h"
#include "formats/tokenizer.h"

static int
only_blanks(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ')
            return 0;
    return 1;
}

/* The set of the added tokens whose `normalized` is this, in normal form when it is set;
 * blanks 0: without those that are nothing but blanks. */
static struct added_set *
set_of(const struct tokenizer *t, int normalized, int blanks, int literal)
{
    struct added_entry *entry = mem_zalloc((size_t)t->addeds + 1, sizeof *entry);
    struct buf *form = mem_zalloc((size_t)t->addeds + 1, sizeof *form);
    struct added_set *set = NULL;
    struct nfc nfc = {0};
    int n = 0;

    for (int i = 0; i < t->addeds; i++) {
        const struct added_token *a = &t->added[i];
        if (a->normalized != normalized ||
            (!blanks && only_blanks(a->content.s, a->content.n)))
            continue;
        entry[n] = (struct added_entry){a->content.s, a->content.n, a};
        if (normalized && t->nfc && !nfc_is(a->content.s, a->content.n)) {
            nfc_add(&nfc, &form[n], a->content.s, a->content.n);
            entry[n].s = form[n].p;
            entry[n].n = form[n].n;
        }
        n++;
    }
    if (n)
        set = added_new(entry, n, literal);
    for (int i = 0; i < n; i++)
        mem_free(form[i].p);
    nfc_free(&nfc);
    mem_free(form);
    mem_free(entry);
    return set;
}

/* Of what is searched for: a normalized token's normal form may begin otherwise. */
static unsigned char
first_byte(const struct tokenizer *t, const struct added_token *a)
{
    struct buf form = {0};
    struct nfc nfc = {0};
    unsigned char first = (unsigned char)a->content.s[0];

    if (a->normalized && t->nfc && !nfc_is(a->content.s, a->content.n)) {
        nfc_add(&nfc, &form, a->content.s, a->content.n);
        first = (unsigned char)form.p[0];
    }
    nfc_free(&nfc);
    mem_free(form.p);
    return first;
}

/*
 * What the mask algebra asks of the added tokens: runs of blanks of all lengths from two to
 * some longest, the others beginning with an ASCII character that is no blank, and among
 * the normalized ones none that strips or wants to stand alone.
 */
static int
added_fit(struct bpe *b, int literal)
{
    const struct tokenizer *t = b->tokenizer;
    unsigned longest = 0, runs = 0;
    int swallows = 0, white = 0; /* raw tokens: rstrip; begins with white space */

    for (int i = 0; i < t->addeds; i++) {
        const struct added_token *a = &t->added[i];
        const int flags = a->lstrip || a->rstrip || a->single_word;
        const unsigned char first = first_byte(t, a);
        if (only_blanks(a->content.s, a->content.n)) {
            if (!a->normalized || flags || (literal && a->special) || a->content.n < 2 ||
                a->content.n > BPE_RUN_MAX)
                return 0;
            b->run_id[a->content.n] = (uint16_t)a->id;
            longest = a->content.n > longest ? a->content.n : longest;
            runs++;
        } else {
            if (first == ' ' || first >= 0x80 || (a->normalized && flags))
                return 0;
            swallows |= !a->normalized && a->rstrip;
            white |= !a->normalized && first >= '\t' && first <= '\r';
            b->classes.of[first] |= SCAN_MARK;
            b->classes.mark[first & 15] |= (unsigned char)(1 << (first >> 4));
        }
    }
    b->run = longest;
    return !(swallows && white) && (!longest || runs == longest - 1);
}

static void
set_classes(struct scan_classes *c)
{
    for (int i = 0; i < 128; i++)
        c->of[i] = (i | 32) >= 'a' && (i | 32) <= 'z' ? SCAN_LETTER
                   : i >= '0' && i <= '9'             ? SCAN_NUMBER
                   : i == ' '                         ? SCAN_BLANK
                   : i >= '\t' && i <= '\r'           ? SCAN_WHITE
                   : i == '\''                        ? SCAN_QUOTE
                                                      : 0;
}

static struct bpe *new (const struct tokenizer *t, int literal)
{
    struct bpe *b = mem_zalloc(1, sizeof *b);

    b->tokenizer = t;
    b->nfc = t->nfc;
    b->raw = set_of(t, 0, 1, literal);
    b->normal = set_of(t, 1, 1, literal);
    b->next = pretok_find((int)t->pattern);
    b->boundary = boundary_find((int)t->pattern);
    b->scan = scan_pick();
    assert(b->next && b->boundary);
    set_classes(&b->classes);
    if (added_fit(b, literal) && (b->pairs = pairs_new(t, b->scan)))
        b->rest = set_of(t, 1, 0, literal);
    return b;
}

struct bpe *
bpe_new(const struct tokenizer *t)
{
    return new (t, 0);
}

struct bpe *
bpe_new_literal(const struct tokenizer *t)
{
    return new (t, 1);
}

void
bpe_free(struct bpe *b)
{
    if (!b)
        return;
    merges_free(b->merges);
    pairs_free(b->pairs);
    added_free(b->raw);
    added_free(b->normal);
    added_free(b->rest);
    mem_free(b);
}

const struct merges *
bpe_merges(struct bpe *b)
{
    if (!b->merges)
        b->merges = merges_new(b->tokenizer);
    return b->merges;
}
