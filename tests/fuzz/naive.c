/* naive - see naive.h; quadratic and proud of it */
#include "tests/fuzz/naive.h"
#include <stdlib.h>
#include <string.h>
#include "common/base/mem.h"
#include "common/bpe/chars.h"
#include "common/bpe/nfc.h"
#include "formats/bytechar.h"
#include "formats/tokenizer.h"

#ifdef __clang__ /* nothing here is to guide the fuzzer, and it is half the time */
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)
#endif
struct rule { int left, right, rank, result; };
struct naive {
    const struct tokenizer *t;
    int literal;
    struct buf *form, *shown; /* by place in t->added: what is searched for, and decoded */
    struct rule *rule;  /* by left, right, rank */
};
enum { RAW, NORMAL, TEXT }; /* what a stretch is split on next */

static int
rule_order(const void *a, const void *b)
{
    const struct rule *p = a, *q = b;

    if (p->left != q->left)
        return p->left < q->left ? -1 : 1;
    if (p->right != q->right)
        return p->right < q->right ? -1 : 1;
    return p->rank < q->rank ? -1 : p->rank > q->rank;
}

static void
form_of(struct nfc *nfc, int normal, struct piece p, struct buf *out)
{
    if (normal)
        nfc_add(nfc, out, p.s, p.n);
    else
        buf_add(out, p.s, p.n);
}

struct naive *
naive_new(const struct tokenizer *t, int literal)
{
    struct naive *v = mem_zalloc(1, sizeof *v);
    struct nfc nfc = { 0 };

    v->t = t;
    v->literal = literal;
    v->form = mem_zalloc((size_t)t->addeds + 1, sizeof *v->form);
    v->shown = mem_zalloc((size_t)t->addeds + 1, sizeof *v->shown);
    for (int i = 0; i < t->addeds; i++) {
        const struct added_token *a = &t->added[i];
        form_of(&nfc, t->nfc && a->normalized, a->content, &v->form[i]);
        form_of(&nfc, t->nfc && a->shows_normal, a->content, &v->shown[i]);
    }
    nfc_free(&nfc);
    v->rule = mem_array((size_t)t->merges + 1, sizeof *v->rule);
    for (int i = 0; i < t->merges; i++)
        v->rule[i] =
            (struct rule){ t->merge[i].left, t->merge[i].right, i, t->merge[i].result };
    qsort(v->rule, (size_t)t->merges, sizeof *v->rule, rule_order);
    return v;
}

void
naive_free(struct naive *v)
{
    if (!v)
        return;
    for (int i = 0; i < v->t->addeds; i++) {
        mem_free(v->form[i].p);
        mem_free(v->shown[i].p);
    }
    mem_free(v->form);
    mem_free(v->shown);
    mem_free(v->rule);
    mem_free(v);
}

static unsigned
class_at(const char *s, size_t n, size_t i, size_t *next)
{
    uint32_t k;

    if (i >= n)
        return CHAR_CLASS + 1; /* no class */
    const unsigned flags = char_flags(char_read(s + i, &k));
    *next = i + k;
    return flags & CHAR_CLASS;
}

/* The end of the run of this class from i on; last: where its last character begins. */
static size_t
run(const char *s, size_t n, size_t i, unsigned class, size_t *last)
{
    size_t next = i;

    while (class_at(s, n, i, &next) == class) {
        *last = i;
        i = next;
    }
    return i;
}

/* The pattern's alternatives, in its order. */
static size_t
piece(const char *s, size_t n)
{
    static const char *const after[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };
    static const unsigned classes[] = { CHAR_LETTER, CHAR_NUMBER, CHAR_OTHER };
    size_t last = 0, end;

    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        if (n >= strlen(after[i]) && !memcmp(s, after[i], strlen(after[i])))
            return strlen(after[i]);
    for (int i = 0; i < 3; i++) {
        const size_t from = s[0] == ' ';
        if ((end = run(s, n, from, classes[i], &last)) > from)
            return end;
    }
    end = run(s, n, 0, CHAR_WHITE, &last);
    return end == n || !last ? end : last;
}

/* The rule of the pair with the highest rank given to it, or NULL. */
static const struct rule *
rule_of(const struct naive *v, int left, int right)
{
    const struct rule want = { left, right, v->t->merges, 0 };
    size_t low = 0, high = (size_t)v->t->merges;

    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (rule_order(&v->rule[mid], &want) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low || v->rule[low - 1].left != left || v->rule[low - 1].right != right)
        return NULL;
    return &v->rule[low - 1];
}

static void
merge(const struct naive *v, const char *s, size_t n, struct ids *out)
{
    int *id = mem_array(n, sizeof *id);
    const struct rule **rule = mem_array(n, sizeof *rule);
    size_t m = 0;

    for (size_t i = 0; i < n; i++) {
        const int byte = v->t->byte[(unsigned char)s[i]];
        id[m] = byte < 0 ? v->t->unk : byte;
        m += id[m] >= 0;
    }
    for (size_t i = 0; i + 1 < m; i++)
        rule[i] = rule_of(v, id[i], id[i + 1]);
    for (;;) {
        size_t best = m;
        for (size_t i = 0; i + 1 < m; i++)
            if (rule[i] && (best == m || rule[i]->rank < rule[best]->rank))
                best = i;
        if (best == m)
            break;
        id[best] = rule[best]->result;
        m--;
        memmove(id + best + 1, id + best + 2, (m - best - 1) * sizeof *id);
        memmove(rule + best, rule + best + 1, (m - best) * sizeof *rule);
        for (size_t i = best ? best - 1 : 0; i <= best && i + 1 < m; i++)
            rule[i] = rule_of(v, id[i], id[i + 1]);
    }
    if (m)
        memcpy(ids_room(out, m), id, m * sizeof *id);
    out->n += m;
    mem_free(id);
    mem_free(rule);
}

static int
flag_before(const char *s, size_t i, unsigned mask, size_t *from)
{
    uint32_t k;

    *from = i;
    if (!i)
        return 0;
    while (((unsigned char)s[--*from] & 0xC0) == 0x80)
        continue;
    return (int)(char_flags(char_read(s + *from, &k)) & mask);
}

static int
word_after(const char *s, size_t n, size_t i)
{
    uint32_t k;
    return i < n && (char_flags(char_read(s + i, &k)) & CHAR_WORD);
}

/* The place in t->added of the longest token at s[0..n), or -1. */
static int
longest(const struct naive *v, int normalized, const char *s, size_t n)
{
    int best = -1;

    for (int i = 0; i < v->t->addeds; i++)
        if (v->t->added[i].normalized == normalized && v->form[i].n <= n &&
            !memcmp(v->form[i].p, s, v->form[i].n) &&
            (best < 0 || v->form[i].n > v->form[best].n))
            best = i;
    return best;
}

static void stretch(const struct naive *v, int on, const char *s, size_t n,
                    struct ids *out);

/* Splits on the added tokens of one kind; done: the text before it was given. */
static void
split(const struct naive *v, int normalized, const char *s, size_t n, struct ids *out)
{
    size_t done = 0, at = 0, last = 0;

    while (at < n) {
        const int i = longest(v, normalized, s + at, n - at);
        if (i < 0) {
            at++;
            continue;
        }
        const struct added_token *a = &v->t->added[i];
        size_t from = at, to = at + v->form[i].n, before;
        at = to;
        if (v->literal && a->special)
            continue;
        if (a->single_word &&
            (flag_before(s, from, CHAR_WORD, &before) || word_after(s, n, to)))
            continue;
        while (a->lstrip && flag_before(s, from, CHAR_CLASS, &before) == CHAR_WHITE &&
               from > done)
            from = before;
        if (a->lstrip && from < done)
            from = done;
        if (a->rstrip)
            to = run(s, n, to, CHAR_WHITE, &last);
        if (from < to) { /* else blanks before it were taken, and it among them */
            if (done < from)
                stretch(v, normalized + 1, s + done, from - done, out);
            *ids_room(out, 1) = a->id;
            out->n++;
        }
        done = to;
    }
    if (done < n)
        stretch(v, normalized + 1, s + done, n - done, out);
}

static void
stretch(const struct naive *v, int on, const char *s, size_t n, struct ids *out)
{
    struct buf normal = { 0 };
    struct nfc nfc = { 0 };
    size_t k;

    if (on == RAW)
        split(v, 0, s, n, out);
    else if (on == NORMAL) {
        if (v->t->nfc)
            nfc_add(&nfc, &normal, s, n);
        else
            buf_add(&normal, s, n);
        split(v, 1, normal.p, normal.n, out);
    } else
        for (; n; s += k, n -= k) {
            k = piece(s, n);
            merge(v, s, k, out);
        }
    nfc_free(&nfc);
    mem_free(normal.p);
}

void
naive_encode(const struct naive *v, const char *s, size_t n, struct ids *out)
{
    stretch(v, RAW, s, n, out);
}

/* A token's characters are bytes, all of them, or none is. */
static void
show(const char *s, size_t n, struct buf *out)
{
    const size_t start = out->n;
    uint32_t k;

    for (size_t i = 0; i < n; i += k) {
        const int byte = bytechar_byte(char_read(s + i, &k));
        if (byte < 0) {
            out->n = start;
            buf_add(out, s, n);
            return;
        }
        buf_add(out, &(char){ (char)byte }, 1);
    }
}

void
naive_repair(const char *s, size_t n, struct buf *out)
{
    size_t bad = 0;

    for (size_t good; n; s += good + bad, n -= good + bad) {
        good = char_valid(s, n, &bad);
        buf_add(out, s, good);
        if (good == n)
            return;
        buf_add(out, "\xEF\xBF\xBD", 3);
    }
}

void
naive_decode(const struct naive *v, const int *id, size_t n, struct buf *out)
{
    struct buf raw = { 0 };

    for (size_t i = 0; i < n; i++) {
        int k = 0;
        while (k < v->t->addeds && v->t->added[k].id != id[i])
            k++;
        if (k < v->t->addeds)
            show(v->shown[k].p, v->shown[k].n, &raw);
        else
            show(v->t->vocab[id[i]].s, v->t->vocab[id[i]].n, &raw);
    }
    naive_repair(raw.p, raw.n, out);
    mem_free(raw.p);
}
#ifdef __clang__
#pragma clang attribute pop
#endif
