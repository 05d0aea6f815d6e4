/* merge - the merge table and the two ways to apply it */
#include "common/base/mem.h"
#include "common/bpe/merge.h"
#include "formats/tokenizer.h"

enum { SHORT = 32 };
#define NONE HEAP_NONE
struct rule { int left, right; uint32_t rank; int result; };
struct merges {
    struct rule *rule;  /* open addressing; rank NONE: empty */
    unsigned shift;
    size_t mask;
    int byte[256];
};

static inline size_t
rule_slot(const struct merges *m, int left, int right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t i = key * 0x9E3779B97F4A7C15u >> m->shift;

    while (m->rule[i].rank != NONE &&
           (m->rule[i].left != left || m->rule[i].right != right))
        i = (i + 1) & m->mask;
    return i;
}

static inline const struct rule *
rule_of(const struct merges *m, int left, int right)
{
    return &m->rule[rule_slot(m, left, right)];
}

struct merges *
merges_new(const struct tokenizer *t)
{
    struct merges *m = mem_zalloc(1, sizeof *m);
    unsigned bits = 4;

    while ((size_t)1 << bits < (size_t)t->merges * 2)
        bits++;
    m->shift = 64 - bits;
    m->mask = ((size_t)1 << bits) - 1;
    m->rule = mem_array((size_t)1 << bits, sizeof *m->rule);
    for (size_t i = 0; i <= m->mask; i++)
        m->rule[i].rank = NONE;
    for (int i = 0; i < t->merges; i++) {
        int left = t->merge[i].left, right = t->merge[i].right;
        m->rule[rule_slot(m, left, right)] =
            (struct rule){ left, right, (uint32_t)i, t->merge[i].result };
    }
    for (int b = 0; b < 256; b++)
        m->byte[b] = t->byte[b] < 0 ? t->unk : t->byte[b];
    return m;
}

void
merges_free(struct merges *m)
{
    if (!m)
        return;
    mem_free(m->rule);
    mem_free(m);
}

static size_t
byte_ids(const struct merges *m, const char *s, size_t n, int *id)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        id[count] = m->byte[(unsigned char)s[i]];
        count += id[count] >= 0;
    }
    return count;
}

/* Merges id[0..n), n <= SHORT, in place; returns how many are left. */
static size_t
merge_short(const struct merges *m, int *id, size_t n)
{
    const struct rule *rule[SHORT];
    size_t best;

    for (size_t i = 0; i + 1 < n; i++)
        rule[i] = rule_of(m, id[i], id[i + 1]);
    for (; n > 1; n--) {
        best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (rule[i]->rank < rule[best]->rank)
                best = i;
        if (rule[best]->rank == NONE)
            break;
        id[best] = rule[best]->result;
        for (size_t i = best + 1; i + 1 < n; i++) {
            id[i] = id[i + 1];
            rule[i - 1] = rule[i];
        }
        if (best + 2 < n) /* counted before n falls: a right neighbour is left */
            rule[best] = rule_of(m, id[best], id[best + 1]);
        if (best)
            rule[best - 1] = rule_of(m, id[best - 1], id[best]);
    }
    return n;
}

static uint32_t
rule_rank(const void *arg, int left, int right, int *product)
{
    const struct rule *r = rule_of(arg, left, right);

    *product = r->result;
    return r->rank;
}

size_t
merge_piece(const struct merges *m, struct heap_work *w, const char *s, size_t n, int *out)
{
    size_t left = 0;

    if (n <= SHORT)
        return merge_short(m, out, byte_ids(m, s, n, out));
    heap_room(w, n);
    n = byte_ids(m, s, n, w->id);
    heap_merge(w, (uint32_t)n, rule_rank, m);
    for (size_t i = 0; i < n; i++)
        if (w->id[i] >= 0)
            out[left++] = w->id[i];
    return left;
}
